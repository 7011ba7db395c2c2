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

enum { TIERS_MAX = 8, SLOT_BITS = 36, TIER_PINS_MAX = 64 };

/*
 * Where a page's content is: the tier's number and a slot of its.  The number is the kind's own
 * (same-filled 0, compressed RAM 1, file 2, zstd 3, directory 4, borrowed 5), not the place in the
 * configuration: that may change between two daemons, the page map doesn't.
 */
struct page_place {
	unsigned int tier;
	uint64_t slot; /* below 1 << SLOT_BITS */
};

/**
 * struct tier_budget - The size of one tier, shared by all guests
 * @limit:	Bytes; 0: no limit.  May change while it is used; what is stored stays
 * @filled:	Of @used, what slots are taken in.  The rest is free, for pages of one size
 * @asked_ms:	A guest had no room in it then, and nothing there: see tiers_ask_for_room().  0:
 * none
 */
struct tier_budget {
	_Atomic uint64_t limit;
	_Atomic uint64_t used;
	_Atomic uint64_t filled;
	_Atomic uint64_t asked_ms;
};

/* @budget NULL: there is no limit.  Return: it was within the limit, and is counted */
bool tier_budget_take(struct tier_budget *budget, uint64_t bytes);
void tier_budget_give(struct tier_budget *budget, uint64_t bytes);

struct tier_stores;
struct tier_store;

/**
 * struct tier_spec - What [overcommit] tiers says of one: "same-filled", "ram:25%", "zstd:10%",
 * "file:/PATH:64G"
 * @budget:	NULL: no limit
 * @store:	Of TIER_FILE, or the directory of TIER_DIRECTORY
 * @guest:	Of TIER_DIRECTORY: the UUID that the guest's file is named by
 *
 * TIER_BORROWED is none of the configuration's: see tiers_borrow().
 */
struct tier_spec {
	enum tier_kind {
		TIER_SAME_FILLED,
		TIER_RAM,
		TIER_FILE,
		TIER_ZSTD,
		TIER_DIRECTORY,
		TIER_BORROWED
	} kind;
	struct tier_budget *budget;
	struct tier_store *store;
	const char *guest;
};

struct tier_usage {
	const char *name;
	uint64_t pages;		/* stored */
	uint64_t bytes;		/* taken of the budget, fragmentation included */
	uint64_t content_bytes; /* after compression */
};

enum { TIER_KINDS = TIER_BORROWED + 1 };

/* Instead of a tier's number: tiers_demote() had no room for a page; or it is stored as it is now
 * with about as little */
enum { PLACE_NONE = TIERS_MAX, PLACE_NO_GAIN };

struct tiers;

/*
 * DOC: lower tiers
 *
 * zstd takes a processor's time, and a file's disk may take long, or never answer.  So a page comes
 * there from another tier alone, by tiers_demote() and in a thread of its own, never on its way out
 * of the guest's memory.  What a file has is slow: who loads for others asks tiers_is_slow() before
 * it waits.  What zstd has is read like what is in RAM.
 */

/**
 * tiers_open() - A guest's tiers
 * @directory:	Descriptor of the guest's directory
 * @stores:	Where the file of a former TIER_FILE is found; NULL: no guest has one
 * @spec:	In the order in which they are tried.  Each kind once
 * @fresh:	The guest is new: slots of an earlier one are removed
 *
 * After a restart (@fresh false) nothing may be stored until each slot of the page map was
 * reported with tiers_claim(), and tiers_ready() called.  Slots of a tier that @spec has no more
 * are still read, and nothing is added to them.
 *
 * Return: 0; -EINVAL: a kind twice; -errno
 */
int tiers_open(struct tiers **tiers, int directory, struct tier_stores *stores,
	       const struct tier_spec *spec, size_t n_specs, bool fresh, struct err *err);
/* The files stay, for the next daemon.  Who forgets the guest removes them with its directory */
void tiers_close(struct tiers *tiers);
/* Return: 0; -EEXIST: another page has this slot; -EINVAL: no such slot; -EHWPOISON: a memory error
 * of the host took it */
int tiers_claim(struct tiers *tiers, struct page_place place);
/* Slots that were not claimed are free now.  Return: 0 or -errno */
int tiers_ready(struct tiers *tiers, struct err *err);

/**
 * tiers_store() - Put a page's content into the first tier that takes it, but for lower ones
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
/* Load several, side by side where their tier can: into @pages in their order, aligned to a page.
 * @rc: of each, as of tiers_load() */
void tiers_fetch(struct tiers *tiers, const struct page_place *place, size_t n, void *pages,
		 int *rc);
/* May what is there have to be waited for? */
bool tiers_is_slow(struct page_place place);
/* Is this the content of the slot?  For a clean page no other slot is needed.  By its bytes; of a
 * slow tier, without a look there, by what this process read: content_hash.h */
bool tiers_holds(struct tiers *tiers, struct page_place place, const void *page);
/* Does a page that is loaded keep its slot there? */
bool tiers_keeps(const struct tiers *tiers, struct page_place place);
/* Give a slot back.  Only after no entry of the map names it */
void tiers_free(struct tiers *tiers, struct page_place place);
/**
 * tiers_demote() - Put pages of one tier into the first lower ones after it that take them
 * @pages:	Aligned to a page, one after the other
 * @n:		1 to TIER_PIECES_MAX
 * @from:	Where each is
 * @far:	False: not into slow tiers
 * @to:		Of each: its place.  Whole, and in the tier's own table, before this returns.  Or a
 *		tier of PLACE_NONE or PLACE_NO_GAIN: it stays where it is
 *
 * One thread at a time.
 *
 * Return: how many have a new place, and 0 also where none has a gain; -ENOSPC: full; -ENOENT:
 * there is no lower tier; -errno: failing, with the sentence.  Nothing is stored then
 */
int tiers_demote(struct tiers *tiers, const void *pages, size_t n, const struct page_place *from,
		 bool far, struct page_place *to, struct err *err);
/* From another thread, for good: those who wait for a slow tier's disk wait no longer, if that can
 * be: they get -ECANCELED.  Buffers that they gave may still be read and written: they must stay */
void tiers_give_up(struct tiers *tiers);
/* Give back to the disk what slow tiers do not need, and to guests that ask for room what is kept
 * in case it is.  In the thread that demotes */
void tiers_tidy(struct tiers *tiers);
/* Has the guest a slow tier, or had it one? */
bool tiers_has_slow(const struct tiers *tiers);
/* Of a slow tier, by its number: the path of its file.  From any thread, like the next one */
const char *tiers_slow_path(const struct tiers *tiers, unsigned int tier);
/* The path of one whose disk has not answered for a second, whichever guest asked; NULL: all do */
const char *tiers_silent(const struct tiers *tiers);
/* Why it can't be read now, if that is known; "": it is not */
void tiers_slow_why(struct tiers *tiers, unsigned int tier, struct err *why);
/* Of a tier's limit so many percent is taken by slots, of all guests.  0: no limit, or no tier */
unsigned int tiers_filled(const struct tiers *tiers, enum tier_kind kind);
/**
 * tiers_ask_for_room() - This guest has nothing in a tier that others have taken all of
 *
 * With what is free in their slabs it can do nothing: they are asked to make some slabs empty.  It
 * asks again and again: what was asked long ago is forgotten.
 */
void tiers_ask_for_room(struct tiers *tiers, enum tier_kind kind);
/* Does a guest ask, and is there still no room for it? */
bool tiers_is_room_asked_for(struct tiers *tiers, enum tier_kind kind);
/* Of the slab that has this slot, so many percent are taken.  100: it is in none */
unsigned int tiers_slab_filled(const struct tiers *tiers, struct page_place place);
/* Of the fullest slow tier's limit so many percent are taken, by all guests, with what is free in
 * their extents.  0: no limit, or no tier */
unsigned int tiers_slow_taken(const struct tiers *tiers);
/* Has the guest pages there, or may it get some? */
bool tiers_has(const struct tiers *tiers, enum tier_kind kind);
/* May it get some? */
bool tiers_takes(const struct tiers *tiers, enum tier_kind kind);
/* In any slow tier? */
bool tiers_takes_slow(const struct tiers *tiers);
/* What tiers take besides their slots */
uint64_t tiers_own_bytes(const struct tiers *tiers);
/* Return: how many of @usage were filled in, one a tier */
size_t tiers_usage(const struct tiers *tiers, struct tier_usage *usage, size_t max);

/*
 * DOC: owners of slots
 *
 * A slot is the guest's own, lent to another host, or borrowed from one.  What is lent keeps its
 * content until tiers_let_go(), also if the guest frees it, or its daemon is killed, or it ends.
 * Only tiers in directories have slots to lend.  What is borrowed is read alone, and needs no room.
 */

/* Where a slot is in a guest's own file, for another host */
struct tier_location {
	uint64_t offset, hash;
	uint32_t bytes;
};

enum { TIER_FILE_PATH_SIZE = 256 };

/* Which file: by its path on all hosts, and what stands in it */
struct tier_file_id {
	char path[TIER_FILE_PATH_SIZE];
	uint64_t id[2];
};

/**
 * tiers_lend() - Lend a slot
 * @place:	Of an entry that was read again after tiers_pin()
 *
 * One thread at a time.  Return: 0; -ENOTSUP: not from this tier; -errno
 */
int tiers_lend(struct tiers *tiers, struct page_place place, struct tier_location *location,
	       struct err *err);
/* The file of what was lent.  Return: 0; -ENOENT: nothing was */
int tiers_lent_file(const struct tiers *tiers, struct tier_file_id *file);
/* The other host has let go of all: slots that no entry names are free */
void tiers_let_go(struct tiers *tiers);

/**
 * tiers_borrow() - Begin to borrow pages of another guest's file
 * @directory:	As of tiers_open(), like @stores.  It outlives the daemon there
 *
 * Return: 0; -EEXIST: the guest has borrowed already; -EINVAL: no such path; -errno
 */
int tiers_borrow(struct tiers *tiers, int directory, struct tier_stores *stores,
		 const struct tier_file_id *file, struct err *err);
/* A place for one of them.  Return: 0; -EINVAL: no place in such a file; -EEXIST: twice; -errno */
int tiers_borrow_slot(struct tiers *tiers, const struct tier_location *location,
		      struct page_place *place);

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
