/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tiers: where pages are that are not in RAM as they were.
 *
 * A guest has tiers of its own, tried in order; their sizes are shared by all guests and counted
 * in budgets.  A tier's slots lie in the guest's directory and outlive the daemon; its free
 * lists don't: they are rebuilt from the page map.  Any thread may call.
 */
#ifndef MEMBACKING_PAGER_TIER_H
#define MEMBACKING_PAGER_TIER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { TIERS_MAX = 8, SLOT_BITS = 36, TIER_PINS_MAX = 8 };

/*
 * Where a page's content is: the tier's number and a slot of its.  The number is the kind's own
 * (same-filled 0, compressed RAM 1), not the place in the configuration: that may change between
 * two daemons, the page map doesn't.
 */
struct page_place {
	unsigned int tier;
	uint64_t slot; /* below 1 << SLOT_BITS */
};

/**
 * struct tier_budget - The size of one tier, shared by all guests
 * @limit:	Bytes; 0: no limit.  May change while it is used; what is stored stays
 */
struct tier_budget {
	_Atomic uint64_t limit;
	_Atomic uint64_t used;
};

/* What [overcommit] tiers says of one: "same-filled", "ram:25%", "file:/PATH:64G" */
struct tier_spec {
	enum tier_kind { TIER_SAME_FILLED, TIER_RAM, TIER_FILE } kind;
	struct tier_budget *budget; /* NULL: no limit */
};

struct tier_usage {
	const char *name;
	uint64_t pages;		/* stored */
	uint64_t bytes;		/* taken of the budget, fragmentation included */
	uint64_t content_bytes; /* after compression */
};

struct tiers;

/**
 * tiers_open() - A guest's tiers
 * @directory:	Descriptor of the guest's directory
 * @spec:	In the order in which they are tried.  Each kind once
 * @fresh:	The guest is new: slots of an earlier one are removed
 *
 * After a restart (@fresh false) nothing may be stored until each slot of the page map was
 * reported with tiers_claim(), and tiers_ready() called.  Slots of a tier that @spec has no more
 * are still read, and nothing is added to them.
 *
 * Return: 0; -ENOTSUP: TIER_FILE; -EINVAL: a kind twice; -errno
 */
int tiers_open(struct tiers **tiers, int directory, const struct tier_spec *spec, size_t n_specs,
	       bool fresh, struct err *err);
/* The files stay, for the next daemon.  Who forgets the guest removes them with its directory */
void tiers_close(struct tiers *tiers);
/* Return: 0; -EEXIST: another page has this slot; -EINVAL: no such slot; -EHWPOISON: a memory error
 * of the host took it */
int tiers_claim(struct tiers *tiers, struct page_place place);
/* Slots that were not claimed are free now.  Return: 0 or -errno */
int tiers_ready(struct tiers *tiers, struct err *err);

/**
 * tiers_store() - Put a page's content into the first tier that takes it
 * @page:	PAGE_BYTES that no thread changes meanwhile
 *
 * The slot is whole before this returns: an entry that is published afterwards outlives a kill.
 *
 * Return: 0; -ENOSPC: every tier is full; -errno: failing.  Nothing is stored then
 */
int tiers_store(struct tiers *tiers, const void *page, struct page_place *place);
/**
 * tiers_load() - Read a page's content
 *
 * It and tiers_holds() hold no lock while they read a slot: a memory error there is a SIGBUS, and
 * the caller's handler jumps out of them.
 *
 * Return: 0; -EHWPOISON: lost to a memory error; -EIO or another -errno: it can't be read now, or
 * what lies there isn't what was stored; @page is undefined.  Never zeros
 */
int tiers_load(struct tiers *tiers, struct page_place place, void *page);
/* Is this the content of the slot, byte by byte?  For a clean page no other slot is needed */
bool tiers_holds(struct tiers *tiers, struct page_place place, const void *page);
/* Give a slot back.  Only after no entry of the map names it */
void tiers_free(struct tiers *tiers, struct page_place place);
/* Return: how many of @usage were filled in, one a tier */
size_t tiers_usage(const struct tiers *tiers, struct tier_usage *usage, size_t max);

/**
 * tiers_pin() - Keep a slot as it is for a reader that has no claim on the page
 *
 * For moving a page to another tier: read the entry, pin its place, read the entry again.  If it
 * is the same, the slot has its content until tiers_unpin(), whatever becomes of the page; the
 * entry's generation then decides whether the move counts.  tiers_free() of a pinned slot takes
 * effect when it is unpinned.
 *
 * Return: 0; -EBUSY: TIER_PINS_MAX are pinned
 */
int tiers_pin(struct tiers *tiers, struct page_place place);
void tiers_unpin(struct tiers *tiers, struct page_place place);

#endif
