// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Guests and tiers as JSON, for "status".
 */
#include "pager/guests_status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/text.h"
#include "pager/guests_pressure.h"

/* What is around the list of guests: all tiers, and more */
#define REST_BYTES   ((size_t)4096)

#define KIB_PER_PAGE (PAGE_BYTES / 1024)

static const char *const state_names[] = {
	[STATE_NONE] = "none",		 [STATE_ADOPTING] = "adopting", [STATE_PAGING] = "paging",
	[STATE_RELEASING] = "releasing", [STATE_WAITING] = "waiting",	[STATE_ENDING] = "ending",
};

const char *guest_state_name(enum guest_state state)
{
	return state_names[state];
}

void guests_status_begin(struct guests_status *status, const struct guests_pressure *pressure)
{
	*status = (struct guests_status){
		.guests = json_array(),
		.pressure = guests_pressure_json(pressure),
	};
}

static json_t *tiers_of(const struct pager_statistics *statistics)
{
	json_t *tiers = json_array();
	size_t i;

	for (i = 0; i < statistics->n_tiers && i < TIERS_MAX; i++) {
		const struct tier_usage *usage = &statistics->tier[i];

		json_add(&tiers, json_pack("{s:s, s:I, s:I, s:I}", "name", usage->name, "kib",
					   json_number(usage->pages * KIB_PER_PAGE), "used_kib",
					   json_number(usage->bytes / 1024), "content_kib",
					   json_number(usage->content_bytes / 1024)));
	}
	return tiers;
}

static const struct {
	const char *key;
	size_t offset;
} counters[] = {
	{ "faults", offsetof(struct pager_statistics, faults) },
	{ "zero_faults", offsetof(struct pager_statistics, zero_faults) },
	{ "evictions", offsetof(struct pager_statistics, evictions) },
	{ "refaults", offsetof(struct pager_statistics, refaults) },
	{ "prefetched", offsetof(struct pager_statistics, prefetched) },
	{ "prefetch_used", offsetof(struct pager_statistics, prefetch_used) },
	{ "discards", offsetof(struct pager_statistics, discards) },
	{ "waiting", offsetof(struct pager_statistics, waiting) },
};

/* Reports have whole numbers of them */
static json_int_t microseconds(uint64_t ns)
{
	return json_number((ns + 500) / 1000);
}

/* @limit_kib: What it was given */
static void put_statistics(json_t *guest, const struct pager_statistics *s, uint64_t limit_kib)
{
	size_t i;

	for (i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
		uint64_t value;

		memcpy(&value, (const char *)s + counters[i].offset, sizeof(value));
		json_object_set_new(guest, counters[i].key, json_integer(json_number(value)));
	}
	json_object_set_new(guest, "resident_kib",
			    json_integer(json_number(s->resident * KIB_PER_PAGE)));
	json_object_set_new(guest, "size_kib", json_integer(json_number(s->pages * KIB_PER_PAGE)));
	json_object_set_new(guest, "own_kib", json_integer(json_number(s->own_bytes / 1024)));
	json_object_set_new(guest, "limit_now_kib",
			    json_integer(json_number(s->limit_now * KIB_PER_PAGE)));
	if (s->limit_now < s->limit)
		json_object_set_new(guest, "limit_why", json_string("cgroup"));
	else if (s->limit * KIB_PER_PAGE < limit_kib)
		json_object_set_new(guest, "limit_why", json_string("pressure"));
	if (s->idle_percent >= 0)
		json_object_set_new(guest, "idle_percent", json_integer(s->idle_percent));
	json_object_set_new(guest, "fault_us",
			    json_pack("{s:I, s:I}", "p50", microseconds(s->fault_p50_ns), "p99",
				      microseconds(s->fault_p99_ns)));
	json_object_set_new(guest, "tiers", tiers_of(s));
}

static json_t *guest_json(struct paged_guest *guest, enum guest_state state)
{
	struct pager_statistics statistics;
	struct guest_record record = paged_guest_record(guest);
	char alarm[PAGER_SENTENCE_SIZE];
	json_t *object;

	paged_guest_alarm(guest, alarm);
	text_mend(alarm);
	text_mend(record.name);
	object = json_pack("{s:s, s:s, s:s, s:I, s:I, s:s?}", "uuid", guest->uuid, "name",
			   record.name, "state", guest_state_name(state), "pid",
			   json_number(record.pid), "limit_kib", json_number(record.limit_kib),
			   "alarm", *alarm ? alarm : NULL);
	if (object && paged_guest_statistics(guest, &statistics))
		put_statistics(object, &statistics, record.limit_kib);
	return object;
}

bool guests_status_add(struct guests_status *status, struct paged_guest *guest,
		       enum guest_state state)
{
	json_t *object = guest_json(guest, state);
	cleanup_free char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
	size_t bytes = text ? strlen(text) + 1 : 0;

	status->more = json_array_size(status->guests) &&
		       status->bytes + bytes > PAGER_MESSAGE_MAX - REST_BYTES;
	if (status->more) {
		json_decref(object);
		return false;
	}
	status->bytes += bytes;
	json_add(&status->guests, object);
	snprintf(status->next, sizeof(status->next), "%s", guest->uuid);
	return true;
}

static json_t *budgets_json(struct tier_budgets *budgets)
{
	json_t *tiers = json_array();
	size_t i;

	for (i = 0; i < budgets->n; i++) {
		const struct tier_spec *spec = &budgets->spec[i];

		json_add(&tiers, json_pack("{s:s, s:I, s:I}", "name", tier_budget_name(spec->kind),
					   "limit_kib",
					   json_number(atomic_load(&spec->budget->limit) / 1024),
					   "used_kib",
					   json_number(atomic_load(&spec->budget->used) / 1024)));
	}
	return tiers;
}

json_t *guests_status_end(struct guests_status *status, struct tier_budgets *budgets)
{
	json_t *reply = pager_reply(0, "");

	if (!status->guests || !reply) {
		json_decref(status->guests);
		json_decref(status->pressure);
		json_decref(reply);
		return NULL;
	}
	json_object_set_new(reply, "guests", status->guests);
	json_object_set_new(reply, "pressure", status->pressure);
	json_object_set_new(reply, "tiers", budgets_json(budgets));
	if (status->more)
		json_object_set_new(reply, "next", json_string(status->next));
	return reply;
}
