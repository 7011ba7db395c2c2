/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finds pages that the kernel can't move.
 *
 * DOC: what /proc/kpageflags shows, and what it does not
 *
 * Root can read 64 bits of flags for each page of memory: 2 MiB of them for each GiB.
 *
 *	free		BUDDY
 *	movable		LRU, ANON, THP: page cache and programs' memory
 *	huge		HUGE: in a pool of huge pages, used or not
 *	fixed		any other flag: slab, page tables, reserved...
 *	unmarked	no flag: either free, in the list of a processor (per-CPU pages), or used by
 *			a part of the kernel that sets no flag (vmalloc, drivers)
 *
 * For one unmarked page it is unknown which: /proc/kpagecount counts mappings, and neither kind
 * has any.  /proc/zoneinfo has the number of per-CPU pages.  If a zone has no more unmarked pages
 * than that, they count as free; otherwise their owner is "unsure".
 *
 * Pages that are pinned for a device (VFIO, RDMA) have no flag that shows it: they look movable.
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

/* Who uses a page that can't be moved */
enum page_owner { OWNER_SLAB, OWNER_TABLES, OWNER_RESERVED, OWNER_OTHER, PAGE_OWNERS };

/* @flags: As in /proc/kpageflags.  Pure */
enum page_kind page_kind(uint64_t flags);
enum page_owner page_owner(uint64_t flags);

/**
 * struct page_flags_watch - A deadline, and what is called meanwhile
 * @deadline:	clock_ms() when to give up; 0: never
 * @progress:	Called now and then with the memory read so far and all memory, in KiB.  May be
 *		NULL
 * @chunk:	Called with the flags of @n pages from @pfn on, all of them in @zone.  May be NULL
 * @next:	Called before each part.  Returns the page to read next: @pfn or a later one.  NULL:
 *		all pages are read, and only then @f counts ranges
 * @part:	Base pages in a part, a power of two; 0: as many as are read at once
 * @data:	For @progress
 * @chunk_data:	For @chunk and @next
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
 * page_flags_read() - Read the flags of every page, and count ranges that could be huge pages
 * @f:		Zones; sets @exact, and @ranges of each zone
 * @sizes:	Sizes of huge pages in KiB, rising: each a multiple of the one before, and a power
 *of two of base pages
 *
 * Measured: 15 ms for each GiB, and hardly any time for memory in huge pages.
 * Return: 0; -ENOENT without such a file; -EPERM or -EACCES if it can't be opened; -ETIMEDOUT.
 * On failure @f is not exact.
 */
int page_flags_read(const struct kfs *kfs, struct fragmentation *f, const uint64_t *sizes,
		    size_t n_sizes, const struct page_flags_watch *watch, struct err *err);

#endif
