// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A guest's record and the daemon's answer, put together.
 */
#include "report/overcommit_report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <jansson.h>

#include "base/array.h"
#include "base/text.h"
#include "lifecycle/session.h"
#include "pager/client.h"
#include "steps/steps.h"

#define ANSWER_MS 2000

/* ---- the daemon ---- */

static bool any_under_pager(const struct session *session)
{
	size_t i;

	for (i = 0; i < session->ledgers.n; i++)
		if (step_list_paging(&session->ledgers.list[i]->list))
			return true;
	return false;
}

static uint64_t number(const json_t *object, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(object, key));

	return n > 0 ? (uint64_t)n : 0;
}

static void copy_text(const json_t *object, const char *key, char *buf, size_t size)
{
	const char *text = json_string_value(json_object_get(object, key));

	snprintf(buf, size, "%s", text ? text : "");
	text_mend(buf);
	text_disarm(buf, "");
}

static size_t read_tiers(const json_t *object, const char *kib,
			 struct report_tier tiers[OVERCOMMIT_TIERS_MAX])
{
	const json_t *array = json_object_get(object, "tiers");
	size_t n = json_array_size(array), i;

	n = n < OVERCOMMIT_TIERS_MAX ? n : OVERCOMMIT_TIERS_MAX;
	for (i = 0; i < n; i++) {
		const json_t *tier = json_array_get(array, i);

		copy_text(tier, "name", tiers[i].name, sizeof(tiers[i].name));
		tiers[i].kib = number(tier, kib);
		tiers[i].limit_kib = number(tier, "limit_kib");
	}
	return n;
}

/* An earlier daemon says nothing of it */
static void read_pressure(const json_t *from, struct overcommit_answer *answer)
{
	copy_text(from, "state", answer->pressure, sizeof(answer->pressure));
	answer->available_kib = number(from, "available_kib");
	answer->taken_kib = number(from, "taken_kib");
}

void overcommit_ask(const struct session *session, bool always, struct overcommit_answer *answer)
{
	*answer = (struct overcommit_answer){ .asked = always || any_under_pager(session) };
	if (!answer->asked)
		return;
	answer->answered =
		pager_status(session->state.dirfd, &answer->json, ANSWER_MS, &answer->why) == 0;
	if (!answer->answered)
		return;
	answer->n_tiers = read_tiers(answer->json, "used_kib", answer->tiers);
	read_pressure(json_object_get(answer->json, "pressure"), answer);
}

void overcommit_answer_free(struct overcommit_answer *answer)
{
	json_decref(answer->json);
	*answer = (struct overcommit_answer){ 0 };
}

static const json_t *find_guest(const struct overcommit_answer *answer, const char *uuid)
{
	const json_t *guests = json_object_get(answer->json, "guests");
	size_t i;

	for (i = 0; i < json_array_size(guests); i++) {
		const json_t *guest = json_array_get(guests, i);
		const char *of = json_string_value(json_object_get(guest, "uuid"));

		if (of && !strcasecmp(of, uuid))
			return guest;
	}
	return NULL;
}

/* ---- one guest ---- */

static const struct count_row {
	const char *key;
	size_t offset;
} counts[] = {
#define COUNT(member)                                                                              \
	{                                                                                          \
#member, offsetof(struct report_overcommit, member)                                \
	}
	COUNT(resident_kib), COUNT(own_kib),	  COUNT(faults),	COUNT(evictions),
	COUNT(refaults),     COUNT(discards),	  COUNT(prefetched),	COUNT(prefetch_used),
	COUNT(waiting),	     COUNT(idle_percent), COUNT(limit_now_kib),
#undef COUNT
};

static void read_count(const json_t *object, const char *key, struct report_count *count)
{
	const json_t *value = json_object_get(object, key);

	if (!json_is_integer(value))
		return;
	count->known = true;
	count->n = number(object, key);
}

static void read_numbers(const json_t *from, struct report_overcommit *guest)
{
	const json_t *us = json_object_get(from, "fault_us");
	size_t i;

	for (i = 0; i < ARRAY_SIZE(counts); i++)
		read_count(from, counts[i].key,
			   (struct report_count *)((char *)guest + counts[i].offset));
	/* As it is now: what it had at its start is in the record */
	if (number(from, "size_kib"))
		guest->size_kib = number(from, "size_kib");
	read_count(us, "p50", &guest->fault_us.p50);
	read_count(us, "p99", &guest->fault_us.p99);
	guest->n_tiers = read_tiers(from, "kib", guest->tier_list);
}

static void say(struct report_overcommit *guest, const char *why)
{
	snprintf(guest->why_text, sizeof(guest->why_text), "%s", why);
	text_mend(guest->why_text);
	guest->why = guest->why_text;
}

static void take_answer(const json_t *from, struct report_overcommit *guest)
{
	copy_text(from, "state", guest->state_text, sizeof(guest->state_text));
	copy_text(from, "alarm", guest->why_text, sizeof(guest->why_text));
	guest->state = guest->state_text;
	guest->why = *guest->why_text ? guest->why_text : NULL;
	guest->paged = !strcmp(guest->state, "paging");
	if (!guest->paged)
		return;
	read_numbers(from, guest);
	copy_text(from, "limit_why", guest->limit_text, sizeof(guest->limit_text));
	guest->limit_why = *guest->limit_text ? guest->limit_text : NULL;
}

/* No daemon serves what was adopted.  Each of its processors runs until it needs such a page */
static void say_waiting(struct report_overcommit *guest, const char *why)
{
	struct err err;

	snprintf(guest->state_text, sizeof(guest->state_text), "waiting");
	guest->state = guest->state_text;
	err_set(&err, EIO, "it stands at each page that is out until the pager is back: %s", why);
	say(guest, err.text);
}

void overcommit_of(const struct overcommit_answer *answer, const struct ledger *ledger,
		   struct report_overcommit *guest)
{
	const struct step_overcommit *step = step_list_paging(&ledger->list);
	const json_t *from = answer->answered ? find_guest(answer, ledger->uuid) : NULL;

	*guest = (struct report_overcommit){ 0 };
	if (!step)
		return;
	guest->present = true;
	guest->tiers = guest->tier_list;
	guest->size_kib = step->size_kib;
	guest->limit_kib = step->resident_kib;
	if (from)
		take_answer(from, guest);
	else if (*step->failure)
		say(guest, step->failure);
	else if (!answer->answered && step->paged)
		say_waiting(guest, answer->why.text);
	else if (!answer->answered)
		say(guest, answer->why.text);
	else if (ledger->alive && ledger->phase == LEDGER_RUNNING)
		say(guest, "the pager knows nothing of it");
}
