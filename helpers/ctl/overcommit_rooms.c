// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Places of tiers that are too small, or can't be used: a start counts on them all the same.
 */
#include "ctl/overcommit_rooms.h"

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "check/tier_rooms.h"
#include "config/config.h"
#include "lifecycle/session.h"
#include "policy/overcommit_rules.h"
#include "report/overcommit_report.h"
#include "terminal/wrap.h"

static bool any_slow(const struct config_tiers *tiers)
{
	size_t i = 0;

	while (i < tiers->n && !config_tier_is_slow(tiers->tier[i].kind))
		i++;
	return i < tiers->n;
}

static void judge_all(const struct session *session, const struct config_tiers *tiers,
		      void (*note)(const char *text, void *data), void *data)
{
	uint64_t memory = overcommit_rules_memory(&session->host);
	struct tier_room rooms[CONFIG_TIERS_MAX] = { 0 };
	struct overcommit_answer answer;
	struct err why;
	size_t i;

	if (!any_slow(tiers))
		return;
	overcommit_ask(session, true, &answer);
	tier_rooms_read(session->kfs, tiers, rooms);
	for (i = 0; i < tiers->n; i++)
		if (config_tier_is_slow(tiers->tier[i].kind) &&
		    tier_room_judge(&tiers->tier[i], &rooms[i], memory, &answer, &why) !=
			    TIER_ROOM_FITS)
			note(why.text, data);
	overcommit_answer_free(&answer);
}

void overcommit_rooms(const struct kfs *kfs, void (*note)(const char *text, void *data), void *data)
{
	struct session session;

	if (session_open(&session, kfs, SESSION_READ, NULL) == 0 &&
	    session_configure(&session, NULL) == 0 && session_read(&session, NULL) == 0)
		judge_all(&session, &config_overcommit(session.config)->tiers, note, data);
	session_close(&session);
}

static void print(const char *text, void *data)
{
	(void)data;
	wrap_printf("But %s.", text);
}

void overcommit_rooms_print(const struct kfs *kfs)
{
	overcommit_rooms(kfs, print, NULL);
}
