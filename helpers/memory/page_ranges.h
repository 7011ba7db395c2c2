/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What lies in each range of memory that could be a huge page.
 *
 * DOC: what the kernel does to make a gigantic one
 *
 * It goes through the ranges of a zone from the lowest on, the highest zone first, and takes
 * each that it can empty.  Which one can't be chosen.  It looks for pages that can't be moved
 * before it moves any: a range with such a page costs nothing.  Of the others it drops clean
 * page cache, and moves the rest: that needs free memory elsewhere, dropping does not.
 */
#ifndef MEMBACKING_MEMORY_PAGE_RANGES_H
#define MEMBACKING_MEMORY_PAGE_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory/numa.h"

struct err;
struct kfs;

/**
 * struct page_range - One range, or what a zone has of it.  In base pages
 * @node, @zone: Where it is; zones are numbered as /proc/buddyinfo has them
 * @index:	Its address in ranges
 * @seen:	Pages that are there
 * @fixed:	Of them, pages that stay where they are
 * @slab:	Likewise, but the kernel may give them up when it reclaims
 * @huge:	In a pool of huge pages
 * @moved:	Programs' memory, and dirty cache: it has to go elsewhere
 * @held:	Pages of @moved that are not cache: without swap they stay in memory, wherever they
 *go
 * @loose:	Of @moved, pages of a tmpfs or memfd that no program has mapped or written: of a
 *		file that holds them still, or only held by a pipe or a device.  The latter
 *		can't be moved
 * @shmem:	Of @moved, all pages of a tmpfs or memfd, but for what swap has as well
 * @thp:	Of @moved, in huge pages of programs' memory that are as large as the range or
 *		larger.  For a page of that size compaction leaves these where they are
 * @lazy:	First pages of such huge pages that the program can do without (MADV_FREE)
 * @free:	Free, or kept ready for a processor.  The rest is clean cache
 *
 * All that is done here, in policy/room_rules.h and policy/gigantic_rules.h, is said in these
 * words.  A range is *good* if it can become a huge page as it is: all of it is there, and nothing
 * in it is @fixed, @slab, @huge, @loose or one program's huge page.  Memory is *beside* if it is
 * free or cache in a range that is not good: the most that it can do for a huge page is to take
 *what is moved out of a good one.
 */
struct page_range {
	unsigned int node;
	size_t zone;
	uint64_t index;
	uint64_t seen;
	uint64_t fixed;
	uint64_t slab;
	uint64_t huge;
	uint64_t moved;
	uint64_t held;
	uint64_t loose;
	uint64_t shmem;
	uint64_t thp;
	uint64_t lazy;
	uint64_t free;
};

/**
 * struct page_ranges - All of them, zone by zone, rising
 * @page_kib:	Of a base page
 * @pages:	Base pages of a whole range
 * @sample:	Not all were read: that says how memory is used, and nothing of what can be
 */
struct page_ranges {
	uint64_t page_kib;
	uint64_t pages;
	bool sample;
	size_t n;
	struct page_range *ranges;
};

/**
 * struct page_ranges_look - What is looked for
 * @size_kib:	Of a huge page
 * @movable:	In ZONE_MOVABLE, too: no gigantic page is made there
 * @nodes:	On these nodes
 * @deadline:	clock_ms() when to give up
 * @whole:	Only ranges that can become one: of the others, what lies behind the first page
 *		that stays is not read
 * @one_of:	So many parts: only one of them is read, spread over all memory.  0: all
 */
struct page_ranges_look {
	uint64_t size_kib;
	bool movable;
	struct nodeset nodes;
	uint64_t deadline;
	bool whole;
	unsigned int one_of;
};

/**
 * page_ranges_read() - Look at every page
 * @ranges:	Result; free with page_ranges_free(), also on failure
 * Return: 0; as page_flags_read(), or -ENOMEM
 */
int page_ranges_read(const struct kfs *kfs, const struct page_ranges_look *look,
		     struct page_ranges *ranges, struct err *err);
void page_ranges_free(struct page_ranges *ranges);

/* One huge page of a program's has all of it */
bool page_range_is_thp(const struct page_ranges *ranges, const struct page_range *range);

bool page_range_is_good(const struct page_ranges *ranges, const struct page_range *range);

/* Adds the flags of @n pages from @pfn on, as /proc/kpageflags has them.  Return: 0 or -ENOMEM */
int page_ranges_add(struct page_ranges *ranges, unsigned int node, size_t zone, uint64_t pfn,
		    const uint64_t *flags, size_t n);

#endif
