/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * NUMA nodes: sets of them, and how much memory each has.
 *
 * A kernel without NUMA has no /sys/devices/system/node; its memory is then
 * described as node 0, and pools are read and written through /sys/kernel/mm.
 */
#ifndef MEMBACKING_MEMORY_NUMA_H
#define MEMBACKING_MEMORY_NUMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct kfs;

/* The kernel's largest MAX_NUMNODES (CONFIG_NODES_SHIFT=10) */
#define NUMA_NODES_MAX 1024

struct nodeset {
	uint64_t word[NUMA_NODES_MAX / 64];
};

void nodeset_add(struct nodeset *set, unsigned int node);
bool nodeset_has(const struct nodeset *set, unsigned int node);
bool nodeset_empty(const struct nodeset *set);
bool nodeset_equal(const struct nodeset *a, const struct nodeset *b);
unsigned int nodeset_count(const struct nodeset *set);

/**
 * nodeset_parse() - libvirt's and the kernel's list form: "0", "0-3,8", "0-7,^3"
 *
 * Spaces around numbers are allowed, as in libvirt.
 * Return: 0, -EINVAL, or -ERANGE for a node number of NUMA_NODES_MAX or more.
 * An empty list, or one from which "^" took every node, is -EINVAL.
 */
int nodeset_parse(const char *text, struct nodeset *set);

/* Room for the longest set: every second of NUMA_NODES_MAX nodes */
#define NODESET_TEXT_SIZE 4096

/* "0-3,8".  Return: @buf */
const char *nodeset_format(const struct nodeset *set, char buf[NODESET_TEXT_SIZE]);

/* The kernel's largest NR_CPUS on any architecture */
#define NUMA_CPUS_MAX 8192

struct cpuset {
	uint64_t word[NUMA_CPUS_MAX / 64];
};

/* As nodeset_parse(), of processors */
int cpuset_parse(const char *text, struct cpuset *set);
void cpuset_add(struct cpuset *set, const struct cpuset *more);
bool cpuset_empty(const struct cpuset *set);
bool cpuset_overlaps(const struct cpuset *a, const struct cpuset *b);

/**
 * struct numa_node - One node's memory in KiB, from nodeN/meminfo
 * @reclaimable_kib:	What could be freed without swap: file pages on the LRU
 *			lists and what the kernel itself calls reclaimable.  An upper
 *			bound: dirty or mapped pages may stay
 * @dirty_kib:		File pages that have to be written before they can be freed
 * @swappable_kib:	Anonymous pages on the LRU lists
 * @shmem_kib:		In files of a tmpfs or memfd
 * @anon_thp_kib:	Programs' own memory that is mapped in transparent huge pages
 * @percpu_kib:		Free pages on the per-CPU lists, which @free_kib leaves out;
 *			the kernel drains them when it runs short.  From
 *			/proc/zoneinfo, in numa_read() only, as
 * @movable_kib, @movable_free_kib: Memory in ZONE_MOVABLE, and how much of it is free:
 *			no gigantic page is made there
 * @arc_kib:		What ZFS could give back of its cache, on all nodes together: it
 *			tells no nodes.  See numa_arc()
 * @cpus:		Processors that take memory from here first: those of the node, and
 *			of nodes without memory that are closest to it.  In numa_read() only
 */
struct numa_node {
	unsigned int id;
	uint64_t total_kib;
	uint64_t free_kib;
	uint64_t reclaimable_kib;
	uint64_t file_kib;
	uint64_t dirty_kib;
	uint64_t swappable_kib;
	uint64_t shmem_kib;
	uint64_t anon_thp_kib;
	uint64_t percpu_kib;
	uint64_t movable_kib;
	uint64_t movable_free_kib;
	uint64_t arc_kib;
	struct cpuset cpus;
};

/**
 * struct numa_bare - A node that has processors and no memory
 * @near:	Where these take memory from first: the node with memory that is closest by the
 *		kernel's distances; NUMA_NODES_MAX: that can't be told
 */
struct numa_bare {
	unsigned int id;
	unsigned int near;
	struct cpuset cpus;
};

/**
 * struct numa - All nodes that have memory
 * @sysfs:	Per-node files exist
 * @cpus_known:	nodes[].cpus is filled: without it nothing can be said about any node's
 * @online:	All nodes of the host, also those without memory
 * @bare:	Of these, those with processors.  In numa_read() only
 * @swap_free_kib: Room for programs' memory outside of memory: swap on zram is none
 * @swaps:	Programs' memory can be swapped, be it to zram
 * @arc_kib:	What ZFS could give back of its cache
 */
struct numa {
	bool sysfs;
	bool cpus_known;
	size_t n_nodes;
	struct numa_node *nodes; /* by rising id */
	struct nodeset online;
	size_t n_bare;
	struct numa_bare *bare;
	uint64_t swap_free_kib;
	bool swaps;
	uint64_t arc_kib;
};

/**
 * numa_arc() - What ZFS could give back on @node at most, KiB
 * @pooled_kib:	In the node's pools of huge pages
 *
 * All of it, but not more than there is on the node that no other counter explains.
 */
uint64_t numa_arc(const struct numa_node *node, uint64_t pooled_kib);

/* Page cache on @node that can be freed, KiB: of all file systems */
uint64_t numa_cache(const struct numa_node *node);

/* Nodes that are online and have memory */
int numa_read(const struct kfs *kfs, struct numa *numa, struct err *err);
void numa_free(struct numa *numa);
const struct numa_node *numa_find(const struct numa *numa, unsigned int id);

/* Re-read one node's memory */
int numa_read_node(const struct kfs *kfs, const struct numa *numa, unsigned int id,
		   struct numa_node *node, struct err *err);

#endif
