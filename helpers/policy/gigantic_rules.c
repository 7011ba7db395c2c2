// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Which way to pages of 1 GiB is open on this host, and how many can be made now.
 */
#include "policy/gigantic_rules.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/text.h"
#include "config/config.h"
#include "memory/numa.h"
#include "memory/page_ranges.h"

__attribute__((format(printf, 3, 4))) static void say(struct gigantic_way *way,
						      enum gigantic_state state, const char *fmt,
						      ...)
{
	va_list ap;

	way->state = state;
	va_start(ap, fmt);
	vsnprintf(way->text, sizeof(way->text), fmt, ap);
	va_end(ap);
}

static void at_boot(const struct gigantic *gigantic, struct gigantic_way *way)
{
	way->name = "reserve at boot";
	if (*gigantic->at_boot)
		say(way, GIGANTIC_DONE, "done: hugepages=%s on the kernel's command line",
		    gigantic->at_boot);
	else
		say(way, GIGANTIC_POSSIBLE,
		    "possible: boot with hugepagesz=1G hugepages=N; the surest way");
}

static void keep_got(bool keep, struct gigantic_way *way)
{
	way->name = "keep after first use";
	say(way, keep ? GIGANTIC_DONE : GIGANTIC_POSSIBLE,
	    "%s on_release_1G = keep in [hugepages] of /%s",
	    keep ? "done:" : "possible:", CONFIG_FILE);
}

static void cma(const struct gigantic *gigantic, struct gigantic_way *way)
{
	char total[TEXT_KIB_SIZE], free_kib[TEXT_KIB_SIZE];

	way->name = "hugetlb_cma=";
	if (!gigantic->cma)
		say(way, GIGANTIC_IMPOSSIBLE, "not with this kernel: it is built without CMA");
	else if (!*gigantic->hugetlb_cma)
		say(way, GIGANTIC_POSSIBLE,
		    "possible: boot with hugetlb_cma=SIZE; programs may use the area until pages "
		    "are made of it");
	else if (!gigantic->cma_total_kib)
		say(way, GIGANTIC_FAILED,
		    "hugetlb_cma=%s was given, and reserved nothing: look in the kernel's log",
		    gigantic->hugetlb_cma);
	else
		say(way, GIGANTIC_DONE, "in effect: %s of %s in areas of CMA are free",
		    text_from_kib(gigantic->cma_free_kib, free_kib),
		    text_from_kib(gigantic->cma_total_kib, total));
}

bool gigantic_rules_ways(const struct gigantic *gigantic, bool keep,
			 struct gigantic_way ways[GIGANTIC_WAYS])
{
	if (!gigantic->present)
		return false;
	at_boot(gigantic, &ways[GIGANTIC_AT_BOOT]);
	keep_got(keep, &ways[GIGANTIC_KEEP]);
	cma(gigantic, &ways[GIGANTIC_CMA]);
	return true;
}

/* ---- what can be made now ---- */

/* Free memory that the kernel wants while it moves pages */
#define MARGIN_KIB (128 * KIB_PER_MIB)

/* No page in it that always stays */
static bool can_be_whole(const struct page_ranges *all, const struct page_range *range,
			 unsigned int node)
{
	return range->node == node && range->seen == all->pages && !range->fixed && !range->huge;
}

/* The next one in the kernel's order: the highest zone first, and there from below.
 * @after: NULL: the first */
static const struct page_range *next_sure(const struct page_ranges *all, unsigned int node,
					  const struct page_range *after)
{
	const struct page_range *best = NULL;
	size_t i;

	for (i = 0; i < all->n; i++) {
		const struct page_range *range = &all->ranges[i];

		if (range->slab || !can_be_whole(all, range, node))
			continue;
		if (after && (range->zone > after->zone ||
			      (range->zone == after->zone && range->index <= after->index)))
			continue;
		if (!best || range->zone > best->zone)
			best = range;
	}
	return best;
}

static bool has_less_slab(const struct page_range *a, const struct page_range *b)
{
	return a->slab != b->slab ? a->slab < b->slab : a < b;
}

/* The next one with the fewest slab pages */
static const struct page_range *next_hope(const struct page_ranges *all, unsigned int node,
					  const struct page_range *after)
{
	const struct page_range *best = NULL;
	size_t i;

	for (i = 0; i < all->n; i++) {
		const struct page_range *range = &all->ranges[i];

		if (!range->slab || !can_be_whole(all, range, node) ||
		    (after && !has_less_slab(after, range)))
			continue;
		if (!best || has_less_slab(range, best))
			best = range;
	}
	return best;
}

struct gigantic_need gigantic_rules_need(const struct page_ranges *ranges,
					 const struct numa_node *node, uint64_t kept,
					 uint64_t pages)
{
	uint64_t slab_kib = u64_sub_floor(node->reclaimable_kib, node->file_kib);
	uint64_t slab_left = u64_sub_floor(slab_kib / u64_max(1, ranges->page_kib), kept);
	uint64_t free_inside = 0;
	struct gigantic_need need = { 0 };
	const struct page_range *range;

	for (range = next_sure(ranges, node->id, NULL); range;
	     range = next_sure(ranges, node->id, range)) {
		if (need.sure++ >= pages)
			continue;
		need.in_way += range->moved;
		free_inside += range->free;
	}
	need.reclaim_kib =
		u64_sub_floor(need.in_way * ranges->page_kib + MARGIN_KIB,
			      u64_sub_floor(node->free_kib, free_inside * ranges->page_kib));
	if (!need.in_way)
		need.reclaim_kib = 0;
	for (range = next_hope(ranges, node->id, NULL); range && range->slab <= slab_left;
	     range = next_hope(ranges, node->id, range)) {
		slab_left -= range->slab;
		if (need.sure + need.hope++ < pages)
			need.slab += range->slab;
	}
	need.in_way += need.slab;
	return need;
}

/* ---- what is done next ---- */

/* Pages in the way have to become fewer by this share, or it was in vain */
#define WORTH_IT 16

static bool falls(uint64_t now, uint64_t before)
{
	return before == GIGANTIC_UNTRIED || now + u64_max(1, before / WORTH_IT) <= before;
}

static enum gigantic_next make(const struct gigantic_need *need, const struct gigantic_try *last)
{
	if (!need->sure)
		return GIGANTIC_END;
	if (falls(need->in_way, last->in_way))
		return GIGANTIC_MAKE;
	return need->reclaim_kib && last->cache_kib && !last->room ? GIGANTIC_ROOM : GIGANTIC_END;
}

enum gigantic_next gigantic_rules_next(const struct gigantic_need *need,
				       const struct gigantic_try *last)
{
	enum gigantic_next next = make(need, last);

	if (next != GIGANTIC_END && need->sure >= last->missing)
		return next;
	if (need->hope && last->cache_kib && falls(need->slab, last->slab) &&
	    (!last->alone || need->sure + need->hope >= last->missing))
		return GIGANTIC_FREE;
	return last->alone ? GIGANTIC_END : next;
}
