// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Reclaim of page cache, by the ways that kernels have for it.
 */
#include "memory/reclaim.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "kernel/kfs.h"
#include "memory/numa.h"
#include "process/child.h"

#define CGROUP_RECLAIM "sys/fs/cgroup/memory.reclaim"

struct work {
	const struct kfs *kfs;
	char path[KFS_PATH_SIZE];
	char text[64];
	const char *plain; /* what older kernels take, or NULL */
};

static int write_work(void *arg)
{
	const struct work *work = arg;
	int rc = work->kfs->write(work->kfs, work->path, work->text);

	if (rc == -EINVAL && work->plain)
		rc = work->kfs->write(work->kfs, work->path, work->plain);
	return rc;
}

static void node_reclaim_path(char path[KFS_PATH_SIZE], unsigned int node)
{
	snprintf(path, KFS_PATH_SIZE, "sys/devices/system/node/node%u/reclaim", node);
}

enum reclaim_way reclaim_way(const struct kfs *kfs, const struct numa *numa, unsigned int node)
{
	char path[KFS_PATH_SIZE];

	node_reclaim_path(path, node);
	if (numa->sysfs && kfs_exists(kfs, path))
		return RECLAIM_NODE;
	return kfs_exists(kfs, CGROUP_RECLAIM) ? RECLAIM_CGROUP : RECLAIM_NONE;
}

pid_t reclaim_start(const struct kfs *kfs, const struct numa *numa, unsigned int node, uint64_t kib)
{
	struct work work = { .kfs = kfs };
	char plain[32];

	snprintf(plain, sizeof(plain), "%lluK", (unsigned long long)kib);
	snprintf(work.text, sizeof(work.text), "%s swappiness=0", plain);
	switch (reclaim_way(kfs, numa, node)) {
	case RECLAIM_NODE:
		node_reclaim_path(work.path, node);
		break;
	case RECLAIM_CGROUP:
		snprintf(work.path, sizeof(work.path), CGROUP_RECLAIM);
		/* No swappiness= before 6.9: harmless where there is no swap */
		if (!numa->swaps)
			work.plain = plain;
		break;
	case RECLAIM_NONE:
		return -EOPNOTSUPP;
	}
	return child_start(write_work, &work);
}

/* 7/8 to this power is 2 %.  A refresh takes 50 us */
#define DRAIN_ROUNDS 30

void reclaim_drain_percpu_lists(const struct kfs *kfs)
{
	char nothing[16];

	for (int i = 0; i < DRAIN_ROUNDS; i++)
		if (kfs_read(kfs, "proc/sys/vm/stat_refresh", nothing, sizeof(nothing), NULL) < 0)
			return;
}

static int drop_work(void *arg)
{
	const struct kfs *kfs = arg;

	/* Dirty pages can't be dropped */
	sync();
	return kfs->write(kfs, "proc/sys/vm/drop_caches", "3");
}

pid_t reclaim_drop_caches(const struct kfs *kfs)
{
	return child_start(drop_work, (void *)(uintptr_t)kfs);
}
