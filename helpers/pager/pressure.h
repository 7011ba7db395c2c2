/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How much each paged guest may have while the host is short of memory.  Pure: no clock, no system
 * call.
 *
 * DOC: the rules
 *
 * Three marks of available memory, all parts of keep_free, what admission leaves free: below @low
 * guests give, until @enough is available; they get it back once @plenty is.  Between these nothing
 * changes, so that what is given back does not bring the next shortage.
 *
 * Taken is what is resident: a limit above it frees nothing.  First what is idle, in proportion to
 * it; only below @low, and for as much as that lacks, what is in use as well, in proportion to what
 * each guest has above its floor, and never more than that.  A look takes a step at most, and the
 * next waits until most of that is out, since a page that goes into a tier in memory frees a part
 * of itself that is not known before.
 *
 * Where the kernel counts stalls, they are shortage too, also above @low: reclaim that takes what
 * programs need again makes memory look available.  But not where far more than @plenty is: it is
 * a cgroup at a limit of its own then, and no guest can help that.
 *
 * Given back is in steps, the later the shorter ago a step back was followed by the next shortage.
 * What a guest may have again and has not used yet counts as used.  Guests that load again what
 * was taken from them come first.
 *
 * Meanwhile working sets change: a guest that has become idle gives to those that load again what
 * they had to give, as long as these are much hotter: load again a larger share of what is out.
 * Nearly each guest loads a page again now and then, so that a guest which does is no busy one yet.
 * What is idle is found out as soon as memory is short, and more often then.
 *
 * Where tiers are full nothing is taken, and a guest above its limit would stand that needs another
 * page: guests get back what they gave, step by step, until none is stuck any more.  Their limits
 * they were admitted with.
 *
 * All amounts are in pages.
 */
#ifndef MEMBACKING_PAGER_PRESSURE_H
#define MEMBACKING_PAGER_PRESSURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* No look is later, and none is sooner */
enum { PRESSURE_LOOK_MS = 10000, PRESSURE_SOON_MS = 500 };

/**
 * struct pressure_guest - One paged guest
 * @limit:	What it was given by a person or the configuration
 * @floor:	The least that this policy leaves it
 * @out:	Pages in tiers
 * @idle_percent: Of @resident, by the last sample; -1: not known
 * @samples:	How many there were: says when there is a new one
 * @refaults:	Pages that it had to load again, ever
 * @stuck:	No tier takes its pages any more
 * @target:	What it may have now; kept by the caller between looks, 0 at first
 * @idle:	The rest is this policy's: idle pages that it may still have
 * @rate:	Pages that it loads again a second
 */
struct pressure_guest {
	uint64_t limit, floor, resident, out;
	int idle_percent;
	uint64_t samples, refaults;
	bool stuck;
	uint64_t target;
	uint64_t idle, rate;
	uint64_t samples_seen, refaults_seen, limit_seen;
};

/**
 * struct pressure_host - What is seen of the host
 * @now:	Milliseconds
 * @memory, @keep_free: The host's, and what admission leaves free of it
 * @stalled_percent: Of the time since the look before tasks waited for memory; -1: not known
 */
struct pressure_host {
	uint64_t now;
	uint64_t memory, keep_free, available;
	int stalled_percent;
};

enum pressure_phase {
	PRESSURE_NONE,	 /* every guest has its limit */
	PRESSURE_TAKES,	 /* memory is short, and guests give */
	PRESSURE_HOLDS,	 /* it isn't any more, and there is not enough to give back */
	PRESSURE_RETURNS /* guests get back what they gave */
};

/**
 * struct pressure - What is remembered from look to look; all zeros at first
 * @exhausted:	Memory is short, and no guest can give more
 * @calm_ms:	How long after a shortage the first step back comes
 * @began_at:	When guests gave for the first time since they had their limits
 * @stuck_at:	When guests were given back their memory because tiers were full; 0: never
 */
struct pressure {
	enum pressure_phase phase;
	bool exhausted;
	bool short_of_memory;
	uint64_t looked, began_at, taken_at, returned_at, moved_at, stuck_at;
	uint64_t calm_ms;
};

struct pressure_marks {
	uint64_t low, enough, plenty;
};

struct pressure_marks pressure_marks(uint64_t memory, uint64_t keep_free);

/* What one guest gives or gets: @cap at most */
struct pressure_share {
	uint64_t cap, weight, got;
};

/**
 * pressure_look() - What each guest may have from now on
 * @guests:	@target is set
 * @shares:	As many, to work with
 *
 * Return: milliseconds until the next look, from PRESSURE_SOON_MS to PRESSURE_LOOK_MS
 */
uint64_t pressure_look(struct pressure *pressure, const struct pressure_host *host,
		       struct pressure_guest *const *guests, struct pressure_share *shares,
		       size_t n);

/**
 * pressure_sample_ms() - How often it is found out now what is idle of a guest
 * @known:	It was found out before
 * @calm_ms:	How often while guests have their limits
 *
 * A page is idle that was not used between two looks.  The first ones after memory has become short
 * are soon, since a guess is better than none; later they are further apart, as guests rest now and
 * then that are not idle.
 */
uint64_t pressure_sample_ms(const struct pressure *pressure, uint64_t now, bool known,
			    uint64_t calm_ms);

/**
 * pressure_keeps_slots() - Do pages that are loaded keep their copies in tiers?
 *
 * A copy spares a page that was not written to its way through lz4, and takes memory for that: the
 * first that is given where memory is short, and until it is not.
 */
bool pressure_keeps_slots(const struct pressure *pressure);

/* Pages that guests have below their limits */
uint64_t pressure_taken(struct pressure_guest *const *guests, size_t n);

#endif
