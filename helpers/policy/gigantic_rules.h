/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ways to get 1 GiB pages that this host supports, for check and advise; and how many can be
 * made now.  Pure.
 */
#ifndef MEMBACKING_POLICY_GIGANTIC_RULES_H
#define MEMBACKING_POLICY_GIGANTIC_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory/gigantic.h"

struct numa_node;
struct page_ranges;

enum gigantic_way_kind {
	GIGANTIC_AT_BOOT, /* reserved by the kernel's command line */
	GIGANTIC_KEEP,	  /* not given back once they were had */
	GIGANTIC_CMA,	  /* an area that only movable memory uses meanwhile */
	GIGANTIC_WAYS
};

enum gigantic_state {
	GIGANTIC_IMPOSSIBLE,
	GIGANTIC_POSSIBLE,
	GIGANTIC_DONE,
	GIGANTIC_FAILED, /* asked for, and nothing came of it */
};

#define GIGANTIC_TEXT_SIZE 256

/**
 * struct gigantic_way - One way
 * @name:	What it is called: "reserve at boot"
 * @text:	How far it is, and what to do for it
 */
struct gigantic_way {
	const char *name;
	enum gigantic_state state;
	char text[GIGANTIC_TEXT_SIZE];
};

/**
 * gigantic_rules_ways() - All of them, in the order in which they are worth trying
 * @keep:	on_release_1G = keep
 * Return: false where there are no pages of 1 GiB, and so no way
 */
bool gigantic_rules_ways(const struct gigantic *gigantic, bool keep,
			 struct gigantic_way ways[GIGANTIC_WAYS]);

/**
 * struct gigantic_need - What it takes to get pages on a node
 * @sure:	Ranges in which every page is free, or can be moved or dropped
 * @hope:	More of them can become so if the kernel gives up slab pages, at most: as many as
 *		fit into what it may give up, the ranges with the fewest first
 * @in_way:	Base pages in the ranges in question that neither are free nor can be dropped
 * @reclaim_kib: Page cache to free, so that there is room to move them to
 * @slab:	Of @in_way, slab pages
 *
 * Pages that are pinned for a device look movable: @sure + @hope is an upper bound, and a true
 * one as long as nothing else gives up memory.
 */
struct gigantic_need {
	uint64_t sure;
	uint64_t hope;
	uint64_t in_way;
	uint64_t reclaim_kib;
	uint64_t slab;
};

/**
 * gigantic_rules_need() - For @pages more pages on @node, which was read now
 * @kept:	Base pages of what the kernel calls reclaimable slab that reclaim does not bring.
 *		0: all of it may go, which makes @hope a bound for whatever is done
 */
struct gigantic_need gigantic_rules_need(const struct page_ranges *ranges,
					 const struct numa_node *node, uint64_t kept,
					 uint64_t pages);

/* @slab and @in_way of a struct gigantic_try that were not tried, or brought pages */
#define GIGANTIC_UNTRIED UINT64_MAX

/**
 * struct gigantic_try - What is missing, and what the last attempts began with
 * @missing:	Pages
 * @alone:	No other node can serve them: fewer are of no use
 * @cache_kib:	Page cache that may still be freed for slab pages
 * @slab:	Slab pages in the way before the last bite of cache
 * @in_way:	All pages in the way before pages were made last, which brought none
 * @room:	Then room had been made for those that are moved
 */
struct gigantic_try {
	uint64_t missing;
	bool alone;
	uint64_t cache_kib;
	uint64_t slab;
	uint64_t in_way;
	bool room;
};

enum gigantic_next {
	GIGANTIC_END,  /* nothing more can become whole, or it is of no use */
	GIGANTIC_FREE, /* page cache, for slab pages to go with it */
	GIGANTIC_MAKE, /* pages of the ranges that are sure */
	GIGANTIC_ROOM, /* likewise, after page cache was freed for what has to be moved */
};

/**
 * gigantic_rules_next() - What is done next, for @need as it is now
 *
 * Slab pages first, as long as that makes them fewer: pages that would be given back again cost
 * other programs a GiB of cache each.  For what has to be moved the kernel finds room itself, and
 * frees less than we would have to.
 */
enum gigantic_next gigantic_rules_next(const struct gigantic_need *need,
				       const struct gigantic_try *last);

/* Of a page's worth of cache, so much is freed at once for slab pages.  Where they don't become
 * fewer by half of that share, they would cost more than the page is */
#define GIGANTIC_BITES 8

#endif
