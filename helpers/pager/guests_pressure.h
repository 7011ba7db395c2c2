/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Paged guests on a host that is short of memory: looks at both, and has each guest keep to what
 * pressure.h decides.
 *
 * One thread, the daemon's loop.
 */
#ifndef MEMBACKING_PAGER_GUESTS_PRESSURE_H
#define MEMBACKING_PAGER_GUESTS_PRESSURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "config/config.h"
#include "pager/alarm_log.h"
#include "pager/host_memory.h"
#include "pager/paged_guest.h"
#include "pager/pressure.h"

/* One guest that is paged now.  @share is kept from look to look, all zeros at first */
struct sharing_guest {
	struct paged_guest *guest;
	struct pressure_guest *share;
};

/**
 * struct guests_pressure
 * @on:		Else all guests have their limits
 * @due:	clock_ms(): when the next look is
 * @looked:	And when the last one was
 * @available_kib, @taken_kib: Of the last look
 */
struct guests_pressure {
	struct host_memory memory;
	struct pressure pressure;
	uint64_t host_kib, keep_free_kib;
	struct config_amount floor;
	bool on;
	uint64_t due, looked;
	uint64_t available_kib, taken_kib;
	struct alarm_log short_log, exhausted_log;
	struct pressure_guest **guests;
	struct pressure_share *shares;
	size_t room;
};

void guests_pressure_open(struct guests_pressure *pressure, const struct kfs *kfs,
			  uint64_t host_kib);
void guests_pressure_close(struct guests_pressure *pressure);
/* Another configuration; it counts from the next look on, which is now */
void guests_pressure_set(struct guests_pressure *pressure,
			 const struct config_overcommit *overcommit);

/* Each guest that is paged now.  Sets @due */
void guests_pressure_look(struct guests_pressure *pressure, const struct sharing_guest *list,
			  size_t n);

/* How often it is found out now what is idle of a guest; as pressure_sample_ms() */
uint64_t guests_pressure_sample_ms(const struct guests_pressure *pressure,
				   const struct pressure_guest *share, uint64_t calm_ms);

/* For "status".  NULL: no memory */
json_t *guests_pressure_json(const struct guests_pressure *pressure);

#endif
