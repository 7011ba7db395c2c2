// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What libvirt's daemon finds when it starts: mounts, and nothing of guests that are gone.
 */
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
#include "lifecycle/leftovers.h"
#include "lifecycle/read_store.h"
#include "lifecycle/reconcile.h"
#include "lifecycle/session.h"
#include "memory/hugepages.h"
#include "memory/hugetlbfs.h"
#include "memory/mount.h"
#include "policy/store_rules.h"

static int mount_missing(const struct kfs *kfs, uint64_t page_kib, uint64_t default_kib,
			 struct err *err)
{
	char where[HUGETLBFS_PATH_SIZE], kib[TEXT_KIB_SIZE];
	int rc = hugetlbfs_find(kfs, page_kib, default_kib, err);

	if (rc)
		return rc < 0 ? rc : 0;
	rc = hugetlbfs_mount(page_kib, default_kib, where, err);
	if (rc == 0)
		log_info("mounted hugetlbfs for pages of %s on %s", text_from_kib(page_kib, kib),
			 where);
	return rc;
}

static int mount_all(const struct session *session, uint64_t deadline, struct err *err)
{
	const struct kfs *kfs = session->kfs;
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

/* Also where the configuration can't be read */
static bool managed(const struct session *session)
{
	struct qemu_conf qemu_conf;

	if (!session->config)
		return true;
	if (!config_hugepages(session->config)->manage)
		return false;
	qemu_conf_load(session->kfs->rootfd, &qemu_conf);
	if (qemu_conf.hugetlbfs_mount)
		log_info("hugetlbfs_mount is set in qemu.conf: no other mounts are made");
	return !qemu_conf.hugetlbfs_mount;
}

/* libvirt's start waits for it: for the lock, and for all stores together */
#define MOUNT_DEADLINE_MS 20000

typedef int mount_work(const struct session *session, uint64_t deadline, struct err *err);

/* Not the host lock, which a start may hold for long: this only keeps two processes from
 * mounting the same twice */
static int alone(const struct session *session, mount_work *work, struct err *err)
{
	uint64_t deadline = clock_ms() + MOUNT_DEADLINE_MS;
	cleanup_lock int lock = lock_take(session->kfs->rootfd, LOCK_MOUNTS, deadline, err);

	return lock < 0 ? lock : work(session, deadline, err);
}

static int mount_hugetlbfs(const struct session *session, struct err *err)
{
	return managed(session) ? alone(session, mount_all, err) : 0;
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
		log_event(LOG_EVENT_STORE_MOUNTED, "mounted store '%s' on %s", store->config.name,
			  store->config.path);
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
	rc = read_store(kfs, &store, err);
	if (rc == 0 && store_wants_mount(&store))
		rc = mount_store(&store, deadline, err);
	return rc < 0 ? err_prefix(err, rc, "store '%s'", config->name) : 0;
}

static int mount_all_stores(const struct session *session, uint64_t deadline, struct err *err)
{
	const struct kfs *kfs = session->kfs;
	const struct config_store *stores;
	size_t n = config_stores(session->config, &stores), i;
	struct qemu_conf qemu_conf;
	int result = 0;

	qemu_conf_load(kfs->rootfd, &qemu_conf);
	for (i = 0; i < n; i++) {
		struct err why;
		int rc;

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

static bool has_daemon_store(const struct config *config)
{
	const struct config_store *stores;
	size_t n = config_stores(config, &stores), i;

	for (i = 0; i < n; i++)
		if (stores[i].mount == MOUNT_DAEMON)
			return true;
	return false;
}

static int mount_stores(const struct session *session, struct err *err)
{
	if (!has_daemon_store(session->config))
		return 0;
	return alone(session, mount_all_stores, err);
}

/* ---- reconcile ---- */

int daemon_reconcile(struct session *session, struct err *err)
{
	int rc = reconcile_begin(session, 0, NULL, NULL, err);

	if (rc == 0)
		leftovers_remove(session);
	session_unlock(session);
	return rc == -EAGAIN ? 0 : rc;
}

/* ---- all of it ---- */

static void tell(int rc, const struct err *err)
{
	if (rc < 0)
		log_error("%s", err->text);
}

void daemon_prepare_host(const struct kfs *kfs)
{
	struct session session;
	struct err err;
	/* Leftovers in a store outlive the state directory: a reboot leaves them and empties /run
	 */
	int rc = session_open(&session, kfs, SESSION_CREATE, &err);
	bool opened = rc == 0;

	tell(rc, &err);
	session.stores = true;
	tell(session_configure(&session, &err), &err);
	if (session.config)
		log_set_level(config_hook(session.config)->log_level);
	tell(mount_hugetlbfs(&session, &err), &err);
	if (session.config)
		tell(mount_stores(&session, &err), &err);
	if (session.config && opened)
		tell(daemon_reconcile(&session, &err), &err);
	session_close(&session);
}
