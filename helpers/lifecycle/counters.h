/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the hooks have done since the boot, counted: /run/libvirt-membacking/counters.
 */
#ifndef MEMBACKING_LIFECYCLE_COUNTERS_H
#define MEMBACKING_LIFECYCLE_COUNTERS_H

#include <stdbool.h>
#include <stdint.h>

#include "steps/steps.h"

struct err;
struct kfs;

/* Why a start was refused */
enum refused {
	REFUSED_ROOM,	     /* there is not enough memory */
	REFUSED_TIMEOUT,     /* a lock, or memory, until the deadline */
	REFUSED_INVALID,     /* a definition, or a configuration */
	REFUSED_UNAVAILABLE, /* what the guest needs is not on this host */
	REFUSED_CANCELLED,   /* the guest was released meanwhile */
	REFUSED_OTHER,
	REFUSED_REASONS
};

/**
 * struct counters - All only grow
 * @started:	Starts for which something was prepared
 * @refused:	By reason
 * @prepares, @prepare_ms: Of both together: their number, and how long they took
 */
struct counters {
	uint64_t started;
	uint64_t refused[REFUSED_REASONS];
	uint64_t prepares;
	uint64_t prepare_ms;
	struct step_tally steps;
};

/* "no_room" */
const char *counters_reason(enum refused reason);

/* Count one start: @rc is what became of it.  Pure */
void counters_note_start(struct counters *counters, int rc, uint64_t ms);

/**
 * counters_add() - Add @more to the file
 * @make:	Make the state directory if it is missing; else nothing is counted then
 *
 * Takes the lock of files.  A count is worth no failure: what can't be counted is logged and
 * forgotten.
 */
void counters_add(const struct kfs *kfs, const struct counters *more, bool make);

/* As they are in the file.  Zero where there is none */
void counters_read(const struct kfs *kfs, struct counters *counters);

#endif
