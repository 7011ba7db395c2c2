// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Neighbours on the disk, and chance.
 */
#include "pager/disk_near.h"

/* @STAY: of the time that a page stays, what a look waits for.  @PROOF, @PAUSE, @PAUSE_MOST: in
 * looks */
enum {
	STAY = 64,
	REMEMBERED = 8192,
	ENOUGH = 4096,
	ENOUGH_LOADED = 1024,
	PROOF = 4,
	PAUSE = 4,
	PAUSE_MOST = 64
};

/* ln(4/3) and ln 2 */
#define ABOVE_CHANCE	    0.288
#define LEAST		    0.693
#define ABOVE_CHANCE_LOADED 0.1
#define LEAST_LOADED	    0.2
#define MORE		    8.0

static uint64_t wait_of(uint64_t resident)
{
	uint64_t wait = resident / STAY;

	return wait < DISK_NEAR_FAULTS_MIN ? DISK_NEAR_FAULTS_MIN : wait;
}

/* As many are looked at as can be remembered until they are judged */
enum disk_near_with disk_near_fault(struct disk_near *near, uint64_t resident)
{
	near->wait = wait_of(resident);
	near->faults++;
	if (near->on)
		return DISK_NEAR_LOADED;
	return near->faults % (near->wait / DISK_NEAR_ASKED_MAX) ? DISK_NEAR_ALONE :
								   DISK_NEAR_NOTED;
}

void disk_near_note(struct disk_near *near, uint64_t page, uint16_t pages, uint64_t faults)
{
	/* A sample is enough */
	if (!pages || near->n == DISK_NEAR_ASKED_MAX)
		return;
	near->asked[(near->first + near->n++) % DISK_NEAR_ASKED_MAX] =
		(struct disk_near_noted){ .page = page, .faults = faults, .pages = pages };
}

bool disk_near_due(struct disk_near *near, uint64_t faults, struct disk_near_noted *noted)
{
	if (!near->n || faults - near->asked[near->first].faults < near->wait)
		return false;
	*noted = near->asked[near->first];
	near->first = (near->first + 1) % DISK_NEAR_ASKED_MAX;
	near->n--;
	return true;
}

static void forget_half(struct disk_near *near)
{
	near->near /= 2;
	near->used /= 2;
	near->by_chance /= 2;
	near->at_stay /= 2;
}

/* What was seen before says nothing of what comes */
static void switch_to(struct disk_near *near, bool on)
{
	uint64_t lasted = near->faults - near->switched;

	if (on || lasted >= PROOF * near->wait)
		near->pause = on ? near->pause : 0;
	else if (near->pause < PAUSE_MOST * near->wait)
		near->pause = near->pause ? near->pause * 2 : PAUSE * near->wait;
	near->on = on;
	near->switched = near->faults;
	near->near = near->used = near->by_chance = near->at_stay = 0;
	near->first = near->n = 0;
}

static bool is_above(const struct disk_near *near, double above_chance, double least)
{
	return near->used > near->by_chance + above_chance * near->at_stay &&
	       near->used > least * near->at_stay;
}

void disk_near_result(struct disk_near *near, const struct disk_near_noted *noted,
		      unsigned int used, uint64_t faults, uint64_t resident, uint64_t out)
{
	double n = __builtin_popcount(noted->pages), come = near->on ? n + 1 : 1;
	double since = (double)(faults - noted->faults);

	near->near += n;
	near->used += used;
	/* What is asked for meanwhile can't be asked for again */
	near->by_chance += n * since / ((double)out + since + 1);
	near->at_stay += n * since * come / ((double)resident + since + 1);
	if (near->near > REMEMBERED)
		forget_half(near);
	if (near->on) {
		if (near->near >= ENOUGH_LOADED &&
		    !is_above(near, ABOVE_CHANCE_LOADED, LEAST_LOADED))
			switch_to(near, false);
	} else if (near->near >= ENOUGH && near->faults - near->switched >= near->pause &&
		   near->used > MORE && is_above(near, ABOVE_CHANCE, LEAST)) {
		switch_to(near, true);
	}
}
