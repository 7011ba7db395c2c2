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

/**
 * struct numa_node - One node's memory in KiB, from nodeN/meminfo
 * @reclaimable_kib:	What could be freed without swap: file pages on the LRU
 *			lists and reclaimable slab.  An upper bound: dirty or
 *			mapped pages may stay
 * @swappable_kib:	Anonymous pages on the LRU lists
 * @percpu_kib:		Free pages on the per-CPU lists, which @free_kib leaves out;
 *			the kernel drains them when it runs short.  From
 *			/proc/zoneinfo, in numa_read() only
 */
struct numa_node {
	unsigned int id;
	uint64_t total_kib;
	uint64_t free_kib;
	uint64_t reclaimable_kib;
	uint64_t file_kib;
	uint64_t swappable_kib;
	uint64_t percpu_kib;
};

struct numa {
	bool sysfs; /* per-node files exist */
	size_t n_nodes;
	struct numa_node *nodes; /* by rising id */
	uint64_t swap_free_kib;
};

/* Nodes that are online and have memory */
int numa_read(const struct kfs *kfs, struct numa *numa, struct err *err);
void numa_free(struct numa *numa);
const struct numa_node *numa_find(const struct numa *numa, unsigned int id);

/* Re-read one node's memory */
int numa_read_node(const struct kfs *kfs, const struct numa *numa, unsigned int id,
		   struct numa_node *node, struct err *err);

#endif
