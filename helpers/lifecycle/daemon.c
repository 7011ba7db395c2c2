// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lifecycle/daemon.h"

#include <errno.h>
#include <sys/file.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "kernel/kfs.h"
#include "lifecycle/round.h"
#include "lifecycle/state.h"
#include "lifecycle/sweep.h"
#include "lifecycle/view_stores.h"
#include "memory/hugepages.h"
#include "memory/hugetlbfs.h"
#include "policy/config.h"
#include "policy/qemu_conf.h"
#include "policy/store_rules.h"

static int mount_missing(const struct kfs *kfs, uint64_t page_kib, uint64_t default_kib,
			 struct err *err)
{
	char where[HUGETLBFS_PATH_SIZE];
	int rc = hugetlbfs_find(kfs, page_kib, default_kib, err);

	if (rc)
		return rc < 0 ? rc : 0;
	rc = hugetlbfs_mount(page_kib, default_kib, where, err);
	if (rc == 0)
		log_info("mounted hugetlbfs for pages of %llu KiB on %s",
			 (unsigned long long)page_kib, where);
	return rc;
}

static int mount_all(const struct kfs *kfs, struct err *err)
{
	uint64_t default_kib = hugepages_default_kib(kfs);
	cleanup_free uint64_t *sizes = NULL;
	int n = hugepages_sizes(kfs, &sizes, err), i, result = n < 0 ? n : 0;

	for (i = 0; i < n; i++) {
		struct err failure = { "" };
		int rc = mount_missing(kfs, sizes[i], default_kib, &failure);

		result = log_gravest(result, err, rc, &failure);
	}
	return result;
}

static bool managed(const struct kfs *kfs)
{
	cleanup_config struct config *config = NULL;
	struct qemu_conf qemu_conf;

	if (config_load(kfs->rootfd, &config, NULL) < 0)
		return true;
	log_set_level(config_hook(config)->log_level);
	if (!config_hugepages(config)->manage)
		return false;
	qemu_conf_load(kfs->rootfd, &qemu_conf);
	if (qemu_conf.hugetlbfs_mount)
		log_info("hugetlbfs_mount is set in qemu.conf: no other mounts are made");
	return !qemu_conf.hugetlbfs_mount;
}

/* Not the host lock, which somebody may hold for long: daemons that start at the same
 * time must only not mount twice */
static int alone(const struct kfs *kfs, int (*work)(const struct kfs *kfs, struct err *err),
		 struct err *err)
{
	struct state state = STATE_CLOSED;
	int rc = state_open(kfs->rootfd, true, &state, err);

	if (rc < 0)
		return rc;
	flock(state.guestsfd, LOCK_EX);
	rc = work(kfs, err);
	flock(state.guestsfd, LOCK_UN);
	state_close(&state);
	return rc;
}

int daemon_mount_hugetlbfs(const struct kfs *kfs, struct err *err)
{
	return managed(kfs) ? alone(kfs, mount_all, err) : 0;
}

/* ---- stores ---- */

/* libvirt's start waits for it */
#define MOUNT_DEADLINE_MS 20000

static int mount_store(const struct store_view *store, struct err *err)
{
	char options[2 * CONFIG_TEXT_SIZE];
	struct mount_spec spec = {
		.target = store->config.path,
		.source = store->config.source,
		.fstype = store->config.fstype,
		.options = options,
	};
	int rc;

	store_mount_options(&store->config, options, sizeof(options));
	rc = mount_make(&spec, clock_ms() + MOUNT_DEADLINE_MS, err);
	if (rc < 0)
		return err_prefix(err, rc, "store '%s'", store->config.name);
	log_info("mounted store '%s' on %s", store->config.name, store->config.path);
	return 0;
}

static int mount_stores(const struct kfs *kfs, struct err *err)
{
	cleanup_config struct config *config = NULL;
	struct ledgers nobody = { 0 };
	struct host_view host = { 0 };
	int rc = config_load(kfs->rootfd, &config, err), result = 0;
	size_t i;

	if (rc == 0)
		rc = view_stores(kfs, config, &nobody, NULL, &host, err);
	for (i = 0; rc == 0 && i < host.n_stores; i++) {
		const struct store_view *store = &host.stores[i];

		if (store->config.mount == MOUNT_DAEMON && store_wants_mount(store) &&
		    mount_store(store, err) < 0)
			result = -EIO;
	}
	view_stores_free(&host);
	return rc < 0 ? rc : result;
}

static bool has_daemon_store(const struct kfs *kfs)
{
	cleanup_config struct config *config = NULL;
	const struct config_store *stores;
	size_t n, i;

	if (config_load(kfs->rootfd, &config, NULL) < 0)
		return false;
	n = config_stores(config, &stores);
	for (i = 0; i < n; i++)
		if (stores[i].mount == MOUNT_DAEMON)
			return true;
	return false;
}

int daemon_mount_stores(const struct kfs *kfs, struct err *err)
{
	return has_daemon_store(kfs) ? alone(kfs, mount_stores, err) : 0;
}

/* ---- reconcile ---- */

int daemon_reconcile(const struct kfs *kfs, struct err *err)
{
	cleanup_config struct config *config = NULL;
	struct state state = STATE_CLOSED;
	struct round round;
	int rc = config_load(kfs->rootfd, &config, err);

	if (rc < 0)
		return rc;
	/* Leftovers in a store outlive the state directory: a reboot leaves them and
	 * empties /run */
	rc = state_open(kfs->rootfd, true, &state, err);
	if (rc < 0)
		return rc;
	round_init(&round, kfs, &state, 0);
	round.config = config;
	rc = round_begin(&round, 0, NULL, err);
	if (rc == 0)
		sweep_stores(&round);
	round_free(&round);
	state_close(&state);
	return rc == -EAGAIN ? 0 : rc;
}
