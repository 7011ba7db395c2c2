// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Neighbours on the disk, and chance.
 */
#include "pager/disk_near.h"

enum {
	/* Faults at the beginning whose neighbours are loaded, and one in so many later */
	TRIAL = DISK_NEAR_ASKED_MAX,
	PROBE = 256,
	REMEMBERED = 1024,
	ENOUGH = 256,
};

/* Of what chance explains.  Some more, since few are counted; and not to switch by chance */
#define ON_ABOVE  2.0
#define OFF_BELOW 1.5
#define MORE	  4.0

bool disk_near_fault(struct disk_near *near)
{
	near->faults++;
	return near->on || near->faults <= TRIAL || near->faults % PROBE == 0;
}

void disk_near_loaded(struct disk_near *near, uint64_t page, uint16_t pages, uint64_t faults)
{
	/* A sample is enough */
	if (!pages || near->n == DISK_NEAR_ASKED_MAX)
		return;
	near->asked[(near->first + near->n++) % DISK_NEAR_ASKED_MAX] =
		(struct disk_near_load){ .page = page, .faults = faults, .pages = pages };
}

bool disk_near_due(struct disk_near *near, uint64_t faults, struct disk_near_load *load)
{
	if (!near->n || faults - near->asked[near->first].faults < DISK_NEAR_FAULTS)
		return false;
	*load = near->asked[near->first];
	near->first = (near->first + 1) % DISK_NEAR_ASKED_MAX;
	near->n--;
	return true;
}

void disk_near_result(struct disk_near *near, const struct disk_near_load *load, unsigned int used,
		      uint64_t faults, uint64_t out)
{
	double n = __builtin_popcount(load->pages);
	double since = (double)(faults - load->faults), left = (double)out + 1;

	near->loaded += n;
	near->used += used;
	near->by_chance += n * since / (left + since);
	if (near->loaded > REMEMBERED) {
		near->loaded /= 2;
		near->used /= 2;
		near->by_chance /= 2;
	}
	if (near->loaded < ENOUGH)
		return;
	if (near->used > near->by_chance * ON_ABOVE + MORE)
		near->on = true;
	else if (near->used < near->by_chance * OFF_BELOW + MORE)
		near->on = false;
}
