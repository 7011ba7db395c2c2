/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Is what lies beside a page on the disk worth loading with it?  Pure: no clock, no system call.
 *
 * DOC: chance
 *
 * It is one read all the same, but each neighbour takes another page's place.  How many of them are
 * used before they go is known much too late: that takes as many faults as pages are resident, and
 * each of these waits for the disk.  So some hundred faults after a load it is asked how many were
 * used, and compared with chance: where the guest's accesses have no neighbourhoods, each page that
 * is out is as likely to be asked for as any other.  Twice as many, and all neighbours are loaded.
 * Now and then some are, to notice a change.
 *
 * One thread calls at a time.
 */
#ifndef MEMBACKING_PAGER_DISK_NEAR_H
#define MEMBACKING_PAGER_DISK_NEAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DISK_NEAR_BLOCK = 16, DISK_NEAR_ASKED_MAX = 64, DISK_NEAR_FAULTS = 1024 };

/**
 * struct disk_near - Zeros to begin with
 * @faults:	On pages on the disk
 * @loaded, @used: Neighbours that were asked about; these count half when there are many newer ones
 * @by_chance:	So many of them would be used by chance
 * @asked:	Loads that are still to be judged, @first of them the oldest
 */
struct disk_near {
	bool on;
	uint64_t faults;
	double loaded, used, by_chance;
	size_t first, n;
	struct disk_near_load {
		uint64_t page, faults;
		uint16_t pages; /* bits: those of this block */
	} asked[DISK_NEAR_ASKED_MAX];
};

/* A fault.  Return: load what lies beside its page */
bool disk_near_fault(struct disk_near *near);
/* That was loaded, as bits of the block that begins at @page.  @faults: of the guest, until now */
void disk_near_loaded(struct disk_near *near, uint64_t page, uint16_t pages, uint64_t faults);
/* Return: it is time to ask how many of @load's pages were used.  Said once of each */
bool disk_near_due(struct disk_near *near, uint64_t faults, struct disk_near_load *load);
/* So many were.  @out: pages of the guest that are out */
void disk_near_result(struct disk_near *near, const struct disk_near_load *load, unsigned int used,
		      uint64_t faults, uint64_t out);

#endif
