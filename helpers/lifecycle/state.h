/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The state directory and the ledgers in it.
 *
 * /run/libvirt-membacking/guests/UUID	the ledger of one guest
 * Its locks: base/lock.h
 *
 * Only this room knows these files.
 */
#ifndef MEMBACKING_LIFECYCLE_STATE_H
#define MEMBACKING_LIFECYCLE_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/lock.h"

struct err;

struct state {
	int dirfd;    /* STATE_DIR */
	int guestsfd; /* STATE_DIR/guests */
	int lockfd;   /* -1: not held */
	/* How long state_lock_files() waits */
	uint64_t files_wait_ms;
};

/* No start waits longer to be counted */
enum { STATE_COUNT_WAIT_MS = 200 };

#define STATE_CLOSED ((struct state){ .dirfd = -1, .guestsfd = -1, .lockfd = -1 })

/**
 * state_open() - Open the state directory below @rootfd
 * @create:	Make it if it is missing; else -ENOENT
 */
int state_open(int rootfd, bool create, struct state *state, struct err *err);
void state_close(struct state *state);

/* Are there no ledgers and no shared settings at all?  Also true when there is no state
 * directory.  Cheap: this is all that most guests' starts and ends ask for */
bool state_is_empty(int rootfd);

/* Does this guest have a ledger? */
bool state_has(const struct state *state, const char *uuid);

/**
 * state_lock() - Wait for the host lock
 * @deadline:	clock_ms(); 0: don't wait
 * Return: 0, -EAGAIN (not waited), -ETIMEDOUT with a sentence, ...
 */
int state_lock(struct state *state, uint64_t deadline, struct err *err);
void state_unlock(struct state *state);

/* Is there room in /run for more than ledgers?  What is only counted must not take their last */
bool state_has_room(const struct state *state);

/**
 * state_lock_files() - Keep a ledger as it is between reading and writing it
 *
 * Held for the moment that takes, with or without the host lock: a process that marks a
 * ledger never waits for a change of the host.
 * Return: a descriptor for lock_release(), or -errno: nothing may be written then
 */
int state_lock_files(const struct state *state, struct err *err);

#endif
