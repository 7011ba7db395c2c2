/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where pages lie that can't be moved, page by page.
 *
 * DOC: what /proc/kpageflags tells, and what not
 *
 * Root can read 64 bits of flags for each page of memory: 2 MiB of them for each GiB.
 *
 *	free		BUDDY
 *	movable		LRU, ANON, THP: page cache and programs' memory
 *	huge		HUGE: in a pool of huge pages, used or not
 *	fixed		everything else that has a flag: slab, page tables, reserved...
 *	unmarked	no flag at all: free and kept ready for a processor, or taken by a
 *			part of the kernel that marks nothing (vmalloc, drivers)
 *
 * The last two can't be told apart page by page: /proc/kpagecount counts mappings, and both
 * have none.  But /proc/zoneinfo says how many pages the processors keep ready.  Where that
 * explains the unmarked ones of a zone they count as free, and else what holds them is
 * "unsure".
 *
 * Nothing tells of pages that are pinned for a device (VFIO, RDMA): they look movable.
 */
#ifndef MEMBACKING_MEMORY_PAGE_FLAGS_H
#define MEMBACKING_MEMORY_PAGE_FLAGS_H

#include <stddef.h>
#include <stdint.h>

struct err;
struct fragmentation;
struct fragmentation_zone;
struct kfs;

/* What a page is used for, as bits */
enum page_kind {
	PAGE_FREE = 1,
	PAGE_MOVABLE = 2,
	PAGE_UNMARKED = 4,
	PAGE_HUGE = 8,
	PAGE_FIXED = 16,
	PAGE_ABSENT = 32
};

/* Of a page that can't be moved: what has it */
enum page_owner { OWNER_SLAB, OWNER_TABLES, OWNER_RESERVED, OWNER_OTHER, PAGE_OWNERS };

/* Of flags as in /proc/kpageflags.  Pure */
enum page_kind page_kind(uint64_t flags);
enum page_owner page_owner(uint64_t flags);

/**
 * struct page_flags_watch - Who waits for it
 * @deadline:	clock_ms() when to give up; 0: never
 * @progress:	Called every now and then with what is looked at and what there is in
 *		all, in KiB.  NULL: not
 * @chunk:	Called with the flags of @n pages from @pfn on, all of them in @zone.  NULL: not
 * @next:	Called before each part: from which page on is read, @pfn or a later one.  NULL: all
 *		are, and only then ranges are counted in @f
 * @part:	Of so many base pages, a power of two; 0: as many as are read at once
 * @data, @chunk_data: Theirs; @next has that of @chunk
 */
struct page_flags_watch {
	uint64_t deadline;
	void (*progress)(void *data, uint64_t done_kib, uint64_t all_kib);
	void (*chunk)(void *data, const struct fragmentation_zone *zone, uint64_t pfn,
		      const uint64_t *flags, size_t n);
	uint64_t (*next)(void *data, const struct fragmentation_zone *zone, uint64_t pfn);
	size_t part;
	void *data;
	void *chunk_data;
};

/**
 * page_flags_read() - Look at every page, and count the ranges that could be huge pages
 * @f:		Read; result: @exact, and @ranges of its zones
 * @sizes:	Of huge pages in KiB, rising: each a multiple of the one before, and a power of
 *		two of base pages
 *
 * Took 15 ms for each GiB where it was measured, and next to nothing for memory in huge pages.
 * Return: 0; -ENOENT, -EPERM, -EACCES where there is no such file or it is closed to us;
 * -ETIMEDOUT.  @f is not exact then.
 */
int page_flags_read(const struct kfs *kfs, struct fragmentation *f, const uint64_t *sizes,
		    size_t n_sizes, const struct page_flags_watch *watch, struct err *err);

#endif
