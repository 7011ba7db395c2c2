// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Reclaim of page cache, by the ways that kernels have for it.
 */
#include "memory/reclaim.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "kernel/kfs.h"
#include "memory/numa.h"
#include "process/child.h"

#define CGROUP_RECLAIM "sys/fs/cgroup/memory.reclaim"

struct work {
	const struct kfs *kfs;
	const struct numa *numa;
	unsigned int node;
	bool all_nodes;
	bool plain; /* older kernels take the number alone */
	uint64_t kib;
	char path[KFS_PATH_SIZE];
};

static int write_kib(const struct work *work, uint64_t kib)
{
	char plain[32], text[64];
	int rc;

	snprintf(plain, sizeof(plain), "%lluK", (unsigned long long)kib);
	snprintf(text, sizeof(text), "%s swappiness=0", plain);
	rc = work->kfs->write(work->kfs, work->path, text);
	if (rc == -EINVAL && work->plain)
		rc = work->kfs->write(work->kfs, work->path, plain);
	return rc;
}

static uint64_t cache_kib(const struct work *work)
{
	uint64_t kib = 0;
	size_t i;

	for (i = 0; i < work->numa->n_nodes; i++) {
		struct numa_node node;

		if ((work->all_nodes || work->numa->nodes[i].id == work->node) &&
		    numa_read_node(work->kfs, work->numa, work->numa->nodes[i].id, &node, NULL) ==
			    0)
			kib = u64_add_sat(kib, node.file_kib);
	}
	return kib;
}

/* The kernel counts pages of cgroups for each processor, and adds them up every two seconds, or
 * when a process reads memory.stat */
static void add_up_cgroups(const struct kfs *kfs)
{
	static const char *const files[] = { "sys/fs/cgroup/memory.stat",
					     "sys/fs/cgroup/memory/memory.stat" };
	char line[16];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(files); i++) {
		cleanup_fclose FILE *f = kfs_stream(kfs, files[i]);

		if (f && fgets(line, sizeof(line), f))
			return;
	}
}

/* Twice in a row less than this share of what was asked for: not worth asking again */
#define WORTH_ASKING 16

/* Reclaim frees pages that were not used for a while, and takes note of which others were not as
 * soon as few of those are left.  By the sums of two seconds ago many are, so at half of the cache
 * it finds none, and gives up */
static int reclaim_work(void *arg)
{
	const struct work *work = arg;
	uint64_t left_kib = work->kib, before_kib = cache_kib(work), freed_kib;
	unsigned int vain = 0;
	int rc;

	for (;;) {
		rc = write_kib(work, left_kib);
		if (rc != -EAGAIN)
			return rc;
		freed_kib = u64_sub_floor(before_kib, cache_kib(work));
		vain = freed_kib < u64_max(1, left_kib / WORTH_ASKING) ? vain + 1 : 0;
		if (freed_kib >= left_kib || vain == 2)
			return rc;
		left_kib -= freed_kib;
		before_kib = u64_sub_floor(before_kib, freed_kib);
		add_up_cgroups(work->kfs);
	}
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
	struct work work = { .kfs = kfs, .numa = numa, .node = node, .kib = kib };

	switch (reclaim_way(kfs, numa, node)) {
	case RECLAIM_NODE:
		node_reclaim_path(work.path, node);
		break;
	case RECLAIM_CGROUP:
		snprintf(work.path, sizeof(work.path), CGROUP_RECLAIM);
		work.all_nodes = true;
		/* No swappiness= before 6.9: harmless where there is no swap */
		work.plain = !numa->swaps;
		break;
	case RECLAIM_NONE:
		return -EOPNOTSUPP;
	}
	return child_start(reclaim_work, &work);
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
