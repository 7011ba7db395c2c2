/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How much of a node's memory could become huge pages, and how much never.
 *
 * DOC: what the kernel's files say, and what they don't
 *
 * Sizes that the page allocator has (2 MiB on x86).  Per zone:
 *
 *	spare	= free - min - protection		(/proc/zoneinfo)
 *	now	= min(spare, free blocks of that order and above)
 *						(/proc/buddyinfo)
 *	compact	= min(spare - now, smaller free blocks of types Movable and CMA)
 *						(/proc/pagetypeinfo)
 *	never	= blocks of all other types, without those that are free as a whole,
 *		  but not less than slab, page tables and stacks together
 *						(pagetypeinfo; zoneinfo)
 *
 * "min" and "protection" are what the kernel denies a request for a huge page; that
 * is why a zone DMA gives none.  "compact" is an upper bound, "never" a lower one: a
 * block that began as Movable keeps that type with an unmovable page in it, and no
 * file tells.  "cache" is Active(file) and Inactive(file): what reclaim could free
 * at most.  What is left is in use: it can be moved about, and is free when its
 * owner is gone.
 *
 * Larger sizes (1 GiB): the kernel empties a whole aligned range by itself, so there is
 * no "compact" of its own.  Which GiB an unmovable page lies in is not in these files.  If
 * all such pages lay side by side,
 *
 *	ever	= min(aligned ranges in the zone, (managed - never) / size)
 *	now	= min(ever, spare / size)
 *	cache	= min(ever - now, cache / size)
 *
 * These are upper bounds, and far above what is obtained on a host that has run for
 * long.  Zone Movable is left out: gigantic pages are not taken from there.
 *
 * Root can look at every page (memory/page_flags.h).  Then it is known which ranges have an
 * unmovable page in them, and
 *
 *	compact	<= the size of ranges without one, less what is free as a whole
 *	never	= managed pages in the others, and outside of whole ranges
 *	ever	= ranges without one
 *
 * Only root may read pagetypeinfo.  Without it "compact" counts all small free blocks,
 * and "never" slab, page tables and stacks only.
 *
 * Nothing is read of debugfs: /sys/kernel/debug/extfrag is computed from buddyinfo,
 * and so it is here.
 */
#ifndef MEMBACKING_MEMORY_FRAGMENTATION_H
#define MEMBACKING_MEMORY_FRAGMENTATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct kfs;
struct numa_node;

/* More than any kernel's: arm64 with pages of 64 KiB has 14 */
#define FRAGMENTATION_ORDERS	20

#define FRAGMENTATION_ZONE_SIZE 16

/* The zone that gigantic pages are not taken from */
#define FRAGMENTATION_MOVABLE "Movable"

/* Sizes of huge pages; arm64 has four */
#define FRAGMENTATION_SIZES 8

/**
 * struct fragmentation_ranges - Aligned ranges in a zone that are as large as a huge page
 * @whole:	All that lie in the zone as a whole
 * @movable:	Of them, those that hold nothing but free and movable pages
 * @unsure:	Of @movable, those with pages that have no mark
 * @huge:	With huge pages in them, and else like @movable
 * @fixed_pages: Managed base pages in all others, and in incomplete ranges
 * @least:	Pages that can't be moved, in the one of the others that has fewest; 0: there
 *		is none
 */
struct fragmentation_ranges {
	uint64_t whole;
	uint64_t movable;
	uint64_t unsure;
	uint64_t huge;
	uint64_t fixed_pages;
	uint64_t least;
};

/**
 * struct fragmentation_zone - A zone of a node, in base pages unless said otherwise
 * @free:	Free blocks of each order
 * @fixed_free:	Those of them in page blocks that are neither Movable nor CMA
 * @fixed_blocks: Page blocks that are neither, whole ones
 * @spare:	Free pages that a request for a huge page may take
 * @kernel:	Unreclaimable slab, page tables and stacks: of the whole node, in the
 *		first of its zones
 * @per_cpu:	Free pages that processors keep ready
 * @unmarked:	Pages without a mark, of which @per_cpu are free
 * @ranges:	By fragmentation.sizes.  This and @unmarked only where that is exact
 */
struct fragmentation_zone {
	unsigned int node;
	char name[FRAGMENTATION_ZONE_SIZE];
	uint64_t start;
	uint64_t spanned;
	uint64_t managed;
	uint64_t spare;
	uint64_t kernel;
	uint64_t fixed_blocks;
	uint64_t per_cpu;
	uint64_t unmarked;
	uint64_t free[FRAGMENTATION_ORDERS];
	uint64_t fixed_free[FRAGMENTATION_ORDERS];
	struct fragmentation_ranges ranges[FRAGMENTATION_SIZES];
};

/**
 * struct fragmentation - Zones that have memory
 * @page_kib:	Base page
 * @orders:	How many the allocator has
 * @block_order: Of a page block, the unit that has a migrate type; 0: not known
 * @types:	pagetypeinfo could be read
 * @exact:	page_flags_read() has looked at every page; @sizes: for which ones
 */
struct fragmentation {
	uint64_t page_kib;
	unsigned int orders;
	unsigned int block_order;
	bool types;
	bool exact;
	size_t n_sizes;
	uint64_t sizes[FRAGMENTATION_SIZES];
	size_t n_zones;
	struct fragmentation_zone *zones;
};

/* Return: 0 or -errno; a pagetypeinfo that can't be read is no error */
int fragmentation_read(const struct kfs *kfs, struct fragmentation *f, struct err *err);
void fragmentation_free(struct fragmentation *f);

/**
 * fragmentation_free_pages() - Huge pages of that size that are free as a whole on @node
 *
 * "now" above.  Quick: the kernel walks no list of free pages for it, as it does for pagetypeinfo.
 * Return: 0 also for gigantic sizes, and where that can't be read
 */
uint64_t fragmentation_free_pages(const struct kfs *kfs, unsigned int node, uint64_t page_kib);

/**
 * struct fragmentation_share - A node's memory by what could become of it, in KiB
 *
 * All but @total_kib add up to @total_kib.  @now_kib and @compact_kib are whole pages
 * of the size asked for.
 * @huge_kib:	In pools already
 */
struct fragmentation_share {
	uint64_t total_kib;
	uint64_t now_kib;
	uint64_t compact_kib;
	uint64_t cache_kib;
	uint64_t used_kib;
	uint64_t huge_kib;
	uint64_t never_kib;
};

/* What was counted for pages of that size; NULL: not */
const struct fragmentation_ranges *fragmentation_ranges(const struct fragmentation *f,
							const struct fragmentation_zone *zone,
							uint64_t page_kib);

/* Are there more pages without a mark than processors keep ready?  Then what looks
 * movable is an upper bound */
bool fragmentation_unsure(const struct fragmentation_zone *zone);

/* The zone that gigantic pages are not taken from */
bool fragmentation_is_movable(const struct fragmentation_zone *zone);

/* Is @page_kib more than the page allocator has? */
bool fragmentation_gigantic(const struct fragmentation *f, uint64_t page_kib);

/**
 * fragmentation_share() - What of @node could become pages of @page_kib
 * @huge_kib:	In its pools, of all sizes
 *
 * Computes only: reads nothing.
 */
void fragmentation_share(const struct fragmentation *f, const struct numa_node *node,
			 uint64_t page_kib, uint64_t huge_kib, struct fragmentation_share *share);

/**
 * fragmentation_give_back() - As if pages of @node that are in use were free
 * @page_kib:	Each is whole; the base page: they lie wherever they do
 */
void fragmentation_give_back(struct fragmentation *f, unsigned int node, uint64_t page_kib,
			     uint64_t pages);

/**
 * fragmentation_index() - Why a request for one page of that size fails, in thousandths
 *
 * The kernel's extfrag_index (__fragmentation_index() in mm/vmstat.c).  -1000: it
 * does not fail; near 0: for want of memory; near 1000: because of fragmentation,
 * and compaction helps.
 */
int fragmentation_index(const struct fragmentation *f, const struct fragmentation_zone *zone,
			uint64_t page_kib);

#endif
