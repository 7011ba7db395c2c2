/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A step: one change to the host on a guest's behalf.  Data only.
 *
 * The plan is a list of steps, the ledger is a list of steps, what release
 * takes back is the ledger's list in reverse.  How each kind is described,
 * applied, undone and written as JSON is in steps/, bound by one table there.
 */
#ifndef MEMBACKING_POLICY_STEP_H
#define MEMBACKING_POLICY_STEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest/guest.h"
#include "memory/numa.h"

enum step_kind {
	STEP_HUGEPAGES,
	STEP_KINDS /* their number */
};

/**
 * struct step_chunk - A pool change that is under way
 *
 * Written down before the kernel is told.  Found in a ledger it means that the
 * hook died in between, and the counters say how far it got.
 * @before:	Persistent pages (nr - surplus) before the write
 * @grow:	Pages asked for, the most that may have come; 0: none
 * @shrink:	Pages given back, likewise
 * @surplus:	Surplus pages before the write: those that are gone afterwards
 *		were promoted
 */
struct step_chunk {
	uint64_t before;
	uint64_t grow;
	uint64_t shrink;
	uint64_t surplus;
};

/**
 * struct step_share - A hugepages step on one node.  All in pages
 * @want_idle:	Plan: take this many that lie idle
 * @want_grow:	Plan: grow the pool by this many
 * @have:	Secured for the guest so far: idle ones taken + new free ones.
 *		This is what others must not count as free (the claim)
 * @own:	Persistent pages that exist because of us: what goes back.
 *		More than the new free pages if surplus pages were promoted
 * @promoted:	Part of @own: surplus pages that growing made persistent
 * @foreign:	Persistent pages of the pool that were nobody's of ours when
 *		it was first grown; less than that later is charged to us
 */
struct step_share {
	unsigned int node;
	uint64_t want_idle;
	uint64_t want_grow;
	uint64_t have;
	uint64_t own;
	uint64_t promoted;
	uint64_t foreign;
	struct step_chunk chunk;
};

/**
 * struct step_hugepages - Pages of one size and one binding for one guest
 * @pages:	Sum over the guest's backends, each rounded up.  0 in what is left of
 *		a step whose own pages could not all be given back yet
 * @nodes:	Where pages may lie.  For GUEST_BIND_ANY: every node.  For
 *		GUEST_BIND_PREFERRED: the preferred ones; others are allowed
 * @compact, @reclaim, @drop_caches: what may be done to make room
 * @keep:	Leave the grown pages in the pool at release
 */
struct step_hugepages {
	uint64_t page_kib;
	uint64_t pages;
	enum guest_bind bind;
	struct nodeset nodes;
	bool compact;
	bool reclaim;
	bool drop_caches;
	bool keep;
	size_t n_shares;
	struct step_share *shares; /* in order of preference */
};

struct step {
	enum step_kind kind;
	union {
		struct step_hugepages hugepages;
	};
};

struct step_list {
	size_t n;
	struct step *steps;
};

#endif
