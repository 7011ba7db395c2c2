/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Are a page's neighbours on the disk worth loading with it?  Pure: no clock, no system call.
 *
 * DOC: chance
 *
 * They are read at the same time, but each costs the processor nearly as much as a fault, and takes
 * another page's place.  So they pay where nearly all are used before they would go again.  That is
 * known much too late: it takes as many faults as pages are resident, and each of these waits for
 * the disk.  So it is asked some faults later how many were used, a sixty-fourth of that time.
 *
 * What was not loaded can be asked about just as well.  So as long as neighbours are not loaded, to
 * look for a change costs no read.
 *
 * DOC: chance
 *
 * Let a neighbour be used with a chance of r at each fault, and R pages be resident, each of which
 * stays for R faults: it is used meanwhile with 1 - exp(-rR).  Where the guest's accesses have no
 * neighbourhoods, each of the L pages that are out is as likely to be the next as any other, and r
 * is 1/L.  Neighbours are loaded where more are used than that and a quarter of what is missing
 * from there to all, and more than a half: rR > R/L + ln(4/3), and rR > ln 2.  These are the
 * thresholds of read_ahead.c, which can wait until pages go.
 *
 * One thread calls at a time.
 */
#ifndef MEMBACKING_PAGER_DISK_NEAR_H
#define MEMBACKING_PAGER_DISK_NEAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DISK_NEAR_BLOCK = 16, DISK_NEAR_ASKED_MAX = 256, DISK_NEAR_FAULTS_MIN = 1024 };

enum disk_near_with {
	DISK_NEAR_ALONE,
	DISK_NEAR_NOTED, /* note its neighbours, and leave them where they are */
	DISK_NEAR_LOADED,
};

/**
 * struct disk_near - Zeros to begin with
 * @faults:	On pages on the disk
 * @wait:	So many of the guest's faults later it is asked what was used
 * @switched:	On @faults, when @on was changed
 * @pause:	So long it is left off then
 * @near, @used: Neighbours that were asked about; these count half when there are many newer ones
 * @by_chance:	So many of them would be used by chance
 * @at_stay:	So many would be used if each were used once while it stays
 * @asked:	Those that are still to be judged, @first of them the oldest
 */
struct disk_near {
	bool on;
	uint64_t faults, wait, switched, pause;
	double near, used, by_chance, at_stay;
	size_t first, n;
	struct disk_near_noted {
		uint64_t page, faults;
		uint16_t pages; /* bits: those of this block */
	} asked[DISK_NEAR_ASKED_MAX];
};

/* A fault.  @resident: pages of the guest.  Return: what to do with the pages of its block that are
 * on the disk */
enum disk_near_with disk_near_fault(struct disk_near *near, uint64_t resident);
/* Of DISK_NEAR_NOTED and DISK_NEAR_LOADED: these are they, as bits of the block that begins at
 * @page.  @faults: of the guest, until now */
void disk_near_note(struct disk_near *near, uint64_t page, uint16_t pages, uint64_t faults);
/* Return: it is time to ask how many of @noted's pages were used.  Said once of each */
bool disk_near_due(struct disk_near *near, uint64_t faults, struct disk_near_noted *noted);
/* So many were.  @resident, @out: pages of the guest that are in memory, and that are not */
void disk_near_result(struct disk_near *near, const struct disk_near_noted *noted,
		      unsigned int used, uint64_t faults, uint64_t resident, uint64_t out);

#endif
