/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What lies in each range of memory that could be a gigantic page.
 *
 * DOC: what the kernel does to make one
 *
 * It goes through the ranges of a zone from the lowest on, the highest zone first, and takes
 * each that it can empty.  Which one can't be chosen.  It looks for pages that can't be moved
 * before it moves any: a range with such a page costs nothing.  Of the others it drops clean
 * page cache, and moves the rest: that needs free memory elsewhere, dropping does not.
 */
#ifndef MEMBACKING_MEMORY_GIGANTIC_RANGES_H
#define MEMBACKING_MEMORY_GIGANTIC_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct kfs;

/**
 * struct gigantic_range - One range, or what a zone has of it.  In base pages
 * @node, @zone: Where it is; zones are numbered as /proc/buddyinfo has them
 * @index:	Its address in ranges
 * @seen:	Pages that are there
 * @fixed:	Of them, pages that stay where they are
 * @slab:	Likewise, but the kernel may give them up when it reclaims
 * @huge:	In a pool of huge pages
 * @moved:	Programs' memory, and dirty cache: it has to go elsewhere
 * @free:	Free, or kept ready for a processor.  The rest is clean cache
 */
struct gigantic_range {
	unsigned int node;
	size_t zone;
	uint64_t index;
	uint64_t seen;
	uint64_t fixed;
	uint64_t slab;
	uint64_t huge;
	uint64_t moved;
	uint64_t free;
};

/**
 * struct gigantic_ranges - All of them, zone by zone, rising
 * @page_kib:	Of a base page
 * @pages:	Base pages of a whole range
 */
struct gigantic_ranges {
	uint64_t page_kib;
	uint64_t pages;
	size_t n;
	struct gigantic_range *ranges;
};

/**
 * gigantic_ranges_read() - Look at every page outside of ZONE_MOVABLE
 * @size_kib:	Of a gigantic page
 * @deadline:	clock_ms() when to give up
 * @ranges:	Result; free with gigantic_ranges_free(), also on failure
 * Return: 0; as page_flags_read(), or -ENOMEM
 */
int gigantic_ranges_read(const struct kfs *kfs, uint64_t size_kib, uint64_t deadline,
			 struct gigantic_ranges *ranges, struct err *err);
void gigantic_ranges_free(struct gigantic_ranges *ranges);

/* Adds the flags of @n pages from @pfn on, as /proc/kpageflags has them.  Return: 0 or -ENOMEM */
int gigantic_ranges_add(struct gigantic_ranges *ranges, unsigned int node, size_t zone,
			uint64_t pfn, const uint64_t *flags, size_t n);

#endif
