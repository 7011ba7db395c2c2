/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Making room for huge pages on a node that has too few free blocks.
 */
#ifndef MEMBACKING_STEPS_MAKE_ROOM_H
#define MEMBACKING_STEPS_MAKE_ROOM_H

#include "steps/steps.h"

struct page_ranges;

/* How long a growth keeps the host lock before others get their turn */
#define ROOM_ROUND_MS 500

/**
 * make_room_is_short() - Must page cache be freed before @pages fit on @share's node?
 *
 * Then make_room_grow() should go first: a write that has to free memory itself takes
 * longer than reclaim and a write.
 */
bool make_room_is_short(const struct step_ctx *ctx, const struct step_hugepages *hp,
			const struct step_share *share, uint64_t pages);

/* How long such a look may take: a second, and for gigantic pages two.  Return: clock_ms() */
uint64_t make_room_look_until(uint64_t page_kib);

/**
 * make_room_look() - Look at the flags of the pages on some nodes
 * @deadline:	clock_ms() when to give up
 *
 * At all of them, or, where these nodes have too much memory for that, at a part: for pages below
 * 1 GiB, of which it says how memory is used, and not how many can be made.
 * Return: false where that tells nothing; else free @ranges
 */
bool make_room_look(const struct kfs *kfs, const struct numa *numa, uint64_t page_kib,
		    const struct nodeset *nodes, uint64_t deadline, struct page_ranges *ranges);

/**
 * make_room_most() - By that look, how many pages can be made on a node at most
 * @beside:	Raised to what room_rules_estimate() says.  May be NULL
 * Return: pages; UINT64_MAX where that can't be told
 */
uint64_t make_room_most(const struct kfs *kfs, const struct numa *numa, uint64_t page_kib,
			unsigned int node, const struct page_ranges *ranges, unsigned int *beside);

/**
 * make_room_bound() - How many pages can be made on the nodes of @hp at most, whatever is freed
 *
 * By the flags of all pages of memory; 15 ms for each GiB, without the host lock.  Notes in @ctx
 * what it takes.  An eighth of memory is looked at first, and no more where that leaves no doubt.
 * @wanted:	Pages that are missing
 * @pages:	UINT64_MAX where that can't be told, or is plenty
 * Return: 0, or -errno
 */
int make_room_bound(struct step_ctx *ctx, const struct step_hugepages *hp, uint64_t wanted,
		    uint64_t *pages, struct err *err);

/**
 * make_room_grow() - Grow @share's pool by @pages, making room as measurements support
 *
 * Reclaim, compaction and, where the step allows it, drop_caches run in children
 * without the host lock.  Goes on while that brings pages, until ctx->deadline.
 * Return: pages gained, or -errno
 */
int64_t make_room_grow(struct step_ctx *ctx, const struct step_hugepages *hp,
		       struct step_share *share, uint64_t pages, struct err *err);

#endif
