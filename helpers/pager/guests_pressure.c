// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * From what host and guests say to their limits.
 */
#include "pager/guests_pressure.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"

#define KIB_PER_PAGE (PAGE_BYTES / 1024)

static const char *const phase_names[] = {
	[PRESSURE_NONE] = "none",
	[PRESSURE_TAKES] = "taking",
	[PRESSURE_HOLDS] = "holding",
	[PRESSURE_RETURNS] = "returning",
};

void guests_pressure_open(struct guests_pressure *pressure, const struct kfs *kfs,
			  uint64_t host_kib)
{
	*pressure = (struct guests_pressure){ .host_kib = host_kib };
	host_memory_open(&pressure->memory, kfs);
}

void guests_pressure_close(struct guests_pressure *pressure)
{
	host_memory_close(&pressure->memory);
	free((void *)pressure->guests);
	free(pressure->shares);
}

void guests_pressure_set(struct guests_pressure *pressure,
			 const struct config_overcommit *overcommit)
{
	pressure->on = overcommit->on_pressure == ON_PRESSURE_SHARE;
	pressure->floor = overcommit->floor;
	pressure->keep_free_kib = config_amount_of(&overcommit->keep_free, pressure->host_kib);
	pressure->due = 0;
}

/* ---- what guests have ---- */

static bool make_room(struct guests_pressure *pressure, size_t n)
{
	struct pressure_guest **guests;
	struct pressure_share *shares;

	if (n <= pressure->room)
		return true;
	guests = calloc(n, sizeof(*guests));
	shares = calloc(n, sizeof(*shares));
	if (!guests || !shares) {
		free((void *)guests);
		free(shares);
		return false;
	}
	free((void *)pressure->guests);
	free(pressure->shares);
	pressure->guests = guests;
	pressure->shares = shares;
	pressure->room = n;
	return true;
}

static uint64_t pages_out(const struct pager_statistics *statistics)
{
	uint64_t pages = 0;
	size_t i;

	for (i = 0; i < statistics->n_tiers; i++)
		pages += statistics->tier[i].pages;
	return pages;
}

static void read_guest(const struct guests_pressure *pressure, const struct sharing_guest *one)
{
	struct guest_record record = paged_guest_record(one->guest);
	struct pressure_guest *share = one->share;
	struct pager_statistics statistics;

	share->limit = u64_div_up(record.limit_kib, KIB_PER_PAGE);
	if (!paged_guest_statistics(one->guest, &statistics))
		return;
	share->floor =
		config_amount_of(&pressure->floor, statistics.pages * KIB_PER_PAGE) / KIB_PER_PAGE;
	share->resident = statistics.resident;
	share->out = pages_out(&statistics);
	share->idle_percent = statistics.idle_percent;
	share->samples = statistics.idle_samples;
	share->refaults = statistics.refaults;
	share->stuck = statistics.no_tier;
}

static void set_limits(const struct guests_pressure *pressure, const struct sharing_guest *list,
		       size_t n)
{
	bool keep = pressure_keeps_slots(&pressure->pressure);
	size_t i;

	for (i = 0; i < n; i++) {
		const struct pressure_guest *share = list[i].share;

		paged_guest_keep_slots(list[i].guest, keep);
		paged_guest_lower(list[i].guest, share->target < share->limit ?
							 share->target * KIB_PER_PAGE :
							 UINT64_MAX);
	}
}

/* ---- what people are told ---- */

static void say_short(struct guests_pressure *pressure, enum pressure_phase before)
{
	enum pressure_phase now = pressure->pressure.phase;
	char available[TEXT_KIB_SIZE];

	if ((now == PRESSURE_NONE) == (before == PRESSURE_NONE) ||
	    alarm_log_next(&pressure->short_log, clock_ms()) == ALARM_DROPPED)
		return;
	if (now == PRESSURE_NONE)
		log_info("paged guests have their limits again");
	else
		log_warning("the host is short of memory, of which %s are available: paged guests "
			    "give some of theirs",
			    text_from_kib(pressure->available_kib, available));
}

static void say_exhausted(struct guests_pressure *pressure, bool before)
{
	char available[TEXT_KIB_SIZE];

	if (!pressure->pressure.exhausted || before ||
	    alarm_log_next(&pressure->exhausted_log, clock_ms()) == ALARM_DROPPED)
		return;
	log_warning("the host is short of memory, of which %s are available, and paged guests "
		    "can't give more: they are at their floors, or tiers are full",
		    text_from_kib(pressure->available_kib, available));
}

/* ---- the look ---- */

static uint64_t decide(struct guests_pressure *pressure, const struct host_memory_look *seen,
		       const struct sharing_guest *list, size_t n)
{
	const struct pressure_host host = {
		.now = clock_ms(),
		.memory = pressure->host_kib / KIB_PER_PAGE,
		.keep_free = pressure->keep_free_kib / KIB_PER_PAGE,
		.available = seen->available_kib / KIB_PER_PAGE,
		.stalled_percent = seen->stalled_percent,
	};
	enum pressure_phase phase = pressure->pressure.phase;
	bool exhausted = pressure->pressure.exhausted;
	uint64_t ms;
	size_t i;

	for (i = 0; i < n; i++) {
		pressure->guests[i] = list[i].share;
		read_guest(pressure, &list[i]);
	}
	ms = pressure_look(&pressure->pressure, &host, pressure->guests, pressure->shares, n);
	pressure->available_kib = seen->available_kib;
	pressure->taken_kib = pressure_taken(pressure->guests, n) * KIB_PER_PAGE;
	say_short(pressure, phase);
	say_exhausted(pressure, exhausted);
	return ms;
}

/* All have their limits, and nothing is remembered */
static void forget(struct guests_pressure *pressure, const struct sharing_guest *list, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		*list[i].share = (struct pressure_guest){ 0 };
		paged_guest_lower(list[i].guest, UINT64_MAX);
		paged_guest_keep_slots(list[i].guest, true);
	}
	pressure->pressure = (struct pressure){ 0 };
	pressure->taken_kib = 0;
}

void guests_pressure_look(struct guests_pressure *pressure, const struct sharing_guest *list,
			  size_t n)
{
	struct host_memory_look seen;
	uint64_t ms = PRESSURE_LOOK_MS, now = clock_ms();
	struct err err = { "" };

	if (!n || !pressure->on) {
		forget(pressure, list, n);
	} else if (!make_room(pressure, n)) {
		/* Limits stay */
	} else if (host_memory_look(&pressure->memory, now, &seen, &err) < 0) {
		log_debug("%s", err.text);
	} else {
		ms = decide(pressure, &seen, list, n);
		set_limits(pressure, list, n);
	}
	pressure->looked = now;
	/* With nothing to do, when the guests' threads wake up, too */
	pressure->due = now + ms - (ms == PRESSURE_LOOK_MS ? now % ms : 0);
}

uint64_t guests_pressure_sample_ms(const struct guests_pressure *pressure,
				   const struct pressure_guest *share, uint64_t calm_ms)
{
	bool known = share->samples && share->idle_percent >= 0;

	return pressure_sample_ms(&pressure->pressure, clock_ms(), known, calm_ms);
}

json_t *guests_pressure_json(const struct guests_pressure *pressure)
{
	return json_pack("{s:s, s:I, s:I}", "state", phase_names[pressure->pressure.phase],
			 "available_kib", json_number(pressure->available_kib), "taken_kib",
			 json_number(pressure->taken_kib));
}
