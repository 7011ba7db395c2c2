/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Freeing memory: page cache, and the CPUs' own lists of free pages.
 *
 * Reclaim may not stop when it is told to, so it runs in a child that is killed at the
 * deadline.
 */
#ifndef MEMBACKING_MEMORY_RECLAIM_H
#define MEMBACKING_MEMORY_RECLAIM_H

#include <stdint.h>
#include <sys/types.h>

struct kfs;
struct numa;

/* How this kernel can free page cache of a node */
enum reclaim_way {
	RECLAIM_NONE,
	RECLAIM_NODE,	/* nodeN/reclaim (6.18) */
	RECLAIM_CGROUP, /* cgroup v2 memory.reclaim (5.19): all nodes at once */
};

enum reclaim_way reclaim_way(const struct kfs *kfs, const struct numa *numa, unsigned int node);

/**
 * reclaim_start() - Free @kib of page cache on @node, in a child
 *
 * Anonymous memory is left alone (swappiness=0) wherever the kernel lets us say
 * so; a kernel that has swap and doesn't is not asked.
 * Return: pid, or -EOPNOTSUPP
 */
pid_t reclaim_start(const struct kfs *kfs, const struct numa *numa, unsigned int node,
		    uint64_t kib);

/**
 * reclaim_drain_percpu_lists() - Give the CPUs' own lists of free pages back to the node
 *
 * MemFree leaves them out, so more would be freed than it takes.  From 6.7
 * on they grow to hundreds of MiB a CPU, and each vm/stat_refresh takes an eighth off
 * (decay_pcp_high() in the kernel's mm/page_alloc.c).  Older kernels keep a few MiB;
 * there this changes nothing.
 */
void reclaim_drain_percpu_lists(const struct kfs *kfs);

/* sync, then drop_caches=3: all page cache, on all nodes.  Only where configured */
pid_t reclaim_drop_caches(const struct kfs *kfs);

#endif
