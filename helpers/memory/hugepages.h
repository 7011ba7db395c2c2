/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hugetlb pools: reading and resizing them.
 */
#ifndef MEMBACKING_MEMORY_HUGEPAGES_H
#define MEMBACKING_MEMORY_HUGEPAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct kfs;
struct numa;

/**
 * struct hugepages_pool - One page size on one node, in pages
 * @total:	nr_hugepages: persistent and surplus pages
 * @free:	In no file and no mapping; may be reserved
 * @surplus:	Above the persistent size, freed by the kernel when unused
 */
struct hugepages_pool {
	unsigned int node;
	uint64_t page_kib;
	uint64_t total;
	uint64_t free;
	uint64_t surplus;
};

/* What a write to nr_hugepages sets */
static inline uint64_t hugepages_persistent(const struct hugepages_pool *pool)
{
	return pool->total > pool->surplus ? pool->total - pool->surplus : 0;
}

/* Is the /sys that is seen here mounted read-only, as in containers without privileges?  false for
 * a captured host */
bool hugepages_read_only(const struct kfs *kfs, const struct numa *numa, uint64_t page_kib);

/**
 * hugepages_sizes() - Page sizes the kernel has, in KiB, rising
 * @sizes:	Result, to be freed
 * Return: their number (0 on a kernel without hugetlb) or -errno
 */
int hugepages_sizes(const struct kfs *kfs, uint64_t **sizes, struct err *err);

/* Hugepagesize of /proc/meminfo in KiB; 0 on a kernel without hugetlb */
uint64_t hugepages_default_kib(const struct kfs *kfs);

/* The kernel's reservations of one size; they belong to no node */
int hugepages_reserved(const struct kfs *kfs, uint64_t page_kib, uint64_t *pages, struct err *err);

/* Return: 0 or -ENOENT when the node has no pool of that size, ... */
int hugepages_read_pool(const struct kfs *kfs, const struct numa *numa, unsigned int node,
			uint64_t page_kib, struct hugepages_pool *pool, struct err *err);

/**
 * hugepages_write_pool() - Ask for a number of persistent pages
 *
 * Changes the host: allocates or frees huge pages on @node.  Success of the
 * write says nothing: the kernel gives what it can, so @pool is read back.
 * @persistent:	Absolute number
 * @limit_ms:	A timer signal ends the kernel's search after this time, with
 *		what was found so far; 0: no limit.  Gigantic pages: after the
 *		page in work
 */
int hugepages_write_pool(const struct kfs *kfs, const struct numa *numa,
			 struct hugepages_pool *pool, uint64_t persistent, uint64_t limit_ms,
			 struct err *err);

#endif
