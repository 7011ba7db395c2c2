/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Calls that take as long as a disk does not answer: opening a file, giving room, removing.
 *
 * No signal ends one, so each is made by a thread of its own, which can be left behind.  What is
 * only read or written is asked for with tier_io.h instead, which has the same use.
 */
#ifndef MEMBACKING_PAGER_DISK_CALL_H
#define MEMBACKING_PAGER_DISK_CALL_H

#include <stdbool.h>
#include <stdint.h>

/**
 * struct disk_call - A call, and all that it needs
 * @run:	Makes it.  It may go on after its caller has gone on: it has what is in here, and
 *what never goes
 * @drop:	Frees this, from the thread, if the caller did not wait for it
 *
 * Beginning of a structure that the caller has allocated.
 */
struct disk_call {
	void (*run)(struct disk_call *call);
	void (*drop)(struct disk_call *call);
};

/**
 * disk_call_run() - Make it, and wait for it
 * @given_up:	Not waited for any more as soon as this is set; NULL: it never is
 * @ms:		Nor longer than this; 0: without end.  It is made in our own thread if there can be
 *no other
 *
 * Return: true: it was made, and @call is the caller's.  False: it is not any more
 */
bool disk_call_run(struct disk_call *call, const _Atomic bool *given_up, uint64_t ms);

#endif
