// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lifecycle/daemon.h"

#include <errno.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/lock.h"
#include "base/log.h"
#include "config/config.h"
#include "config/qemu_conf.h"
#include "kernel/kfs.h"
#include "lifecycle/round.h"
#include "lifecycle/state.h"
#include "lifecycle/sweep.h"
#include "memory/hugepages.h"
#include "memory/hugetlbfs.h"
#include "memory/mount.h"
#include "policy/store_rules.h"
#include "steps/store_step.h"

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

static int mount_all(const struct kfs *kfs, uint64_t deadline, struct err *err)
{
	uint64_t default_kib = hugepages_default_kib(kfs);
	cleanup_free uint64_t *sizes = NULL;
	int n = hugepages_sizes(kfs, &sizes, err), i, result = n < 0 ? n : 0;

	for (i = 0; i < n && clock_left_ms(deadline); i++) {
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

/* libvirt's start waits for it: for the lock, and for all stores together */
#define MOUNT_DEADLINE_MS 20000

typedef int mount_work(const struct kfs *kfs, uint64_t deadline, struct err *err);

/* Not the host lock, which somebody may hold for long: who mounts at the same time must only
 * not mount twice */
static int alone(const struct kfs *kfs, mount_work *work, struct err *err)
{
	uint64_t deadline = clock_ms() + MOUNT_DEADLINE_MS;
	cleanup_lock int lock = lock_take(kfs->rootfd, LOCK_MOUNTS, deadline, err);

	return lock < 0 ? lock : work(kfs, deadline, err);
}

int daemon_mount_hugetlbfs(const struct kfs *kfs, struct err *err)
{
	return managed(kfs) ? alone(kfs, mount_all, err) : 0;
}

/* ---- stores ---- */

static int mount_store(const struct store_view *store, uint64_t deadline, struct err *err)
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
	rc = mount_make(&spec, deadline, err);
	if (rc == 0)
		log_info("mounted store '%s' on %s", store->config.name, store->config.path);
	return rc;
}

/* Those with "mount = daemon" are looked at, and no other: each that does not answer costs
 * time */
static int mount_one(const struct kfs *kfs, const struct config_store *config,
		     const char *memory_dir, uint64_t deadline, struct err *err)
{
	struct store_view store = { .config = *config, .configured = true };
	int rc;

	if (!*store.config.path)
		snprintf(store.config.path, sizeof(store.config.path), "%s", memory_dir);
	if (!clock_left_ms(deadline))
		return err_set(err, ETIMEDOUT,
			       "store '%s' was not mounted: the stores before it took all the time "
			       "that libvirt's start waits; mount it with: mount %s",
			       config->name, store.config.path);
	rc = store_read_view(kfs, &store, err);
	if (rc == 0 && store_wants_mount(&store))
		rc = mount_store(&store, deadline, err);
	return rc < 0 ? err_prefix(err, rc, "store '%s'", config->name) : 0;
}

static int mount_stores(const struct kfs *kfs, uint64_t deadline, struct err *err)
{
	cleanup_config struct config *config = NULL;
	const struct config_store *stores;
	struct qemu_conf qemu_conf;
	size_t n, i;
	int rc = config_load(kfs->rootfd, &config, err), result = 0;

	if (rc < 0)
		return rc;
	qemu_conf_load(kfs->rootfd, &qemu_conf);
	n = config_stores(config, &stores);
	for (i = 0; i < n; i++) {
		struct err why;

		if (stores[i].mount != MOUNT_DAEMON)
			continue;
		rc = mount_one(kfs, &stores[i], qemu_conf_memory_dir(&qemu_conf), deadline, &why);
		/* The first is the caller's to tell */
		if (rc < 0 && result)
			log_error("%s", why.text);
		else if (rc < 0)
			result = err_set(err, EIO, "%s", why.text);
	}
	return result;
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
