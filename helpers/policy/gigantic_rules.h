/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ways to get 1 GiB pages that this host supports, for check and advise; and how many can be
 * made now.  Pure.
 */
#ifndef MEMBACKING_POLICY_GIGANTIC_RULES_H
#define MEMBACKING_POLICY_GIGANTIC_RULES_H

#include <stdbool.h>
#include <stddef.h>

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
 *		fit into what it calls reclaimable, the ranges with the fewest first
 * @in_way:	Base pages in the ranges in question that neither are free nor can be dropped
 * @reclaim_kib: Page cache to free, so that there is room to move them to
 *
 * Pages that are pinned for a device look movable: @sure + @hope is an upper bound, and a true
 * one as long as nothing else gives up memory.
 */
struct gigantic_need {
	uint64_t sure;
	uint64_t hope;
	uint64_t in_way;
	uint64_t reclaim_kib;
};

/**
 * gigantic_rules_need() - For @pages more pages on @node, which was read now
 */
struct gigantic_need gigantic_rules_need(const struct page_ranges *ranges,
					 const struct numa_node *node, uint64_t pages);

#endif
