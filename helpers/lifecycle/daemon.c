// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lifecycle/daemon.h"

#include <errno.h>
#include <sys/file.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "kernel/kfs.h"
#include "lifecycle/round.h"
#include "lifecycle/state.h"
#include "memory/hugepages.h"
#include "memory/hugetlbfs.h"
#include "policy/config.h"
#include "policy/qemu_conf.h"

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
		int rc = mount_missing(kfs, sizes[i], default_kib, err);

		if (rc < 0)
			result = rc;
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

int daemon_mount_hugetlbfs(const struct kfs *kfs, struct err *err)
{
	struct state state = STATE_CLOSED;
	int rc;

	if (!managed(kfs))
		return 0;
	rc = state_open(kfs->rootfd, true, &state, err);
	if (rc < 0)
		return rc;
	/* Not the host lock, which somebody may hold for long: daemons that start
	 * at the same time must only not mount twice */
	flock(state.guestsfd, LOCK_EX);
	rc = mount_all(kfs, err);
	state_close(&state);
	return rc;
}

int daemon_reconcile(const struct kfs *kfs, struct err *err)
{
	struct state state = STATE_CLOSED;
	struct round round;
	int rc;

	if (state_is_empty(kfs->rootfd))
		return 0;
	rc = state_open(kfs->rootfd, false, &state, err);
	if (rc < 0)
		return rc;
	round_init(&round, kfs, &state, 0);
	rc = round_begin(&round, 0, NULL, err);
	round_free(&round);
	state_close(&state);
	return rc == -EAGAIN ? 0 : rc;
}
