/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What huge pages can be made of: the one answer of plan, advise, check and prepare.  Pure.
 *
 * DOC: bounds
 *
 * A start is refused before anything is tried only where even all that could be freed is too
 * little: free memory, page cache, what the kernel calls reclaimable, the ARC of ZFS, and
 * programs' memory as far as there is swap that is not in memory itself.  Each is an upper
 * bound.  No gigantic page is made of what lies in ZONE_MOVABLE.
 *
 * Fragmentation tells more, and less surely: how many pages can come of it at most.  Nothing
 * is refused for that.  Gigantic pages are planned where they can be made, and a plan that
 * asks for more says so.
 */
#ifndef MEMBACKING_POLICY_SUPPLY_H
#define MEMBACKING_POLICY_SUPPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/host_view.h"

struct fragmentation;

/**
 * struct supply - What one node has, in KiB
 * @free_kib:	Free now
 * @movable_kib: Part of it: in ZONE_MOVABLE
 * @cache_kib:	Can be freed without swap: also the CPUs' own lists
 * @arc_kib:	Likewise, of ZFS.  All nodes have numa.arc_kib between them
 * @anon_kib:	Programs' memory.  All nodes have numa.swap_free_kib to swap it to
 * @fixed_kib:	All memory outside of ZONE_MOVABLE
 */
struct supply {
	uint64_t free_kib;
	uint64_t movable_kib;
	uint64_t cache_kib;
	uint64_t arc_kib;
	uint64_t anon_kib;
	uint64_t fixed_kib;
};

/* How deep is dug for a page */
enum supply_depth {
	SUPPLY_FREE,
	SUPPLY_CACHE, /* what can be freed, too */
	SUPPLY_SWAP,  /* and programs' memory */
};

/**
 * struct supplies - All nodes, and what they have between them
 * @arc_kib, @swap_kib: See struct supply
 * @swapped_kib: Taken so far of programs' memory
 * @nodes:	Parallel to numa.nodes
 */
struct supplies {
	uint64_t arc_kib;
	uint64_t swap_kib;
	uint64_t swapped_kib;
	struct supply *nodes;
};

/* Free @supplies with supplies_free().  Return: 0 or -ENOMEM */
int supplies_open(const struct host_view *host, struct supplies *supplies);
void supplies_free(struct supplies *supplies);

/* Whether the kernel makes pages of that size by emptying a range, not by its allocator */
bool supply_gigantic(const struct host_view *host, uint64_t page_kib);

/* Pages of @page_kib that nodes[@index] has at most */
uint64_t supply_pages(const struct host_view *host, const struct supplies *supplies, size_t index,
		      uint64_t page_kib, enum supply_depth depth);

/* Takes @kib from nodes[@index]: of what comes easiest first */
void supply_take(struct supplies *supplies, size_t index, uint64_t kib, bool gigantic);

/**
 * struct supply_sum - What nodes have together, in pages
 * @idle:	In the pools, and promised to no guest
 * @make:	Could be made, without swapping programs' memory
 * @swap:	Could be made in addition by that
 */
struct supply_sum {
	uint64_t idle;
	uint64_t make;
	uint64_t swap;
};

/* @nodes: NULL: all of them.  Return: 0 or -ENOMEM */
int supply_sum(const struct host_view *host, uint64_t page_kib, const struct nodeset *nodes,
	       struct supply_sum *sum);

/* Fills in what fragmentation says of each pool: pool_view.whole and pool_view.ever */
void supply_survey(struct host_view *host, const struct fragmentation *f);

#endif
