// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * virt-membacking log: what was done for which guest, and when.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/array.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "ctl/ctl.h"
#include "ctl/guest_arg.h"
#include "report/log_entries.h"
#include "terminal/table.h"
#include "terminal/wrap.h"

/* ---- --since ---- */

/* "3d", "2h", "30m": so long ago */
static bool read_ago(const char *text, time_t now, uint64_t *since)
{
	static const struct {
		char letter;
		uint64_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
	size_t len = strlen(text), i = 0;
	char number[8];
	uint64_t n;

	while (len && i < ARRAY_SIZE(units) && units[i].letter != text[len - 1])
		i++;
	if (!len || len > sizeof(number) || i == ARRAY_SIZE(units))
		return false;
	snprintf(number, sizeof(number), "%.*s", (int)(len - 1), text);
	if (text_to_u64(number, &n) < 0)
		return false;
	/* 1970 is as far as it goes; 0 would be since the boot */
	*since = n * units[i].seconds < (uint64_t)now ? (uint64_t)now - n * units[i].seconds : 1;
	return true;
}

/* "2026-11-29", "2026-11-29 03:12", "2026-11-29 03:12:05": in the local time zone */
static bool read_date(const char *text, uint64_t *since)
{
	static const char *const forms[] = { "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(forms); i++) {
		struct tm tm = { .tm_isdst = -1 };
		const char *end = strptime(text, forms[i], &tm);
		time_t at = end && !*end ? mktime(&tm) : -1;

		if (at > 0) {
			*since = (uint64_t)at;
			return true;
		}
	}
	return false;
}

/* ---- the report ---- */

static json_t *entry_to_json(const struct log_entry *entry)
{
	return json_pack("{s:I, s:s, s:s, s:s, s:s, s:s?, s:s}", "time", json_number(entry->time),
			 "guest", entry->guest, "uuid", entry->uuid, "operation", entry->operation,
			 "level", entry->level, "event", entry->event, "text", entry->text);
}

static json_t *to_json(const struct log_entries *entries)
{
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < entries->n; i++)
		json_add(&array, entry_to_json(&entries->list[i]));
	return json_pack("{s:s, s:b, s:o}", "source", entries->journal ? "journal" : "run",
			 "complete", !entries->cut, "entries", array);
}

enum { TIME, GUEST, OPERATION, WHAT, COLUMNS };

static const struct table_column columns[] = {
	[TIME] = { "TIME", TABLE_PLAIN },
	[GUEST] = { "GUEST", TABLE_PLAIN },
	[OPERATION] = { "OPERATION", TABLE_PLAIN },
	[WHAT] = { "WHAT", TABLE_WORDS },
};

static void add_row(struct table *table, const struct log_entry *entry)
{
	bool bad = !strcmp(entry->level, "error"), odd = !strcmp(entry->level, "warning");
	struct libscols_line *row = table_row(table, NULL);
	char text[sizeof(entry->text) + 16], when[32] = "?";
	time_t at = (time_t)entry->time;
	struct tm tm;

	if (localtime_r(&at, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	table_cell(table, row, TIME, "%s", when);
	table_cell(table, row, GUEST, "%s", *entry->guest ? entry->guest : "-");
	table_cell(table, row, OPERATION, "%s", *entry->operation ? entry->operation : "-");
	snprintf(text, sizeof(text), "%s%s", bad ? "error: " : odd ? "warning: " : "", entry->text);
	table_words(table, row, text, NULL);
}

static int print(const struct log_entries *entries, struct err *err)
{
	struct table table;
	size_t i;

	if (!entries->n) {
		printf("Nothing.\n");
		return 0;
	}
	table_begin(&table, columns, COLUMNS);
	for (i = 0; i < entries->n; i++)
		add_row(&table, &entries->list[i]);
	return table_end(&table, err);
}

/* On the standard error: what is not here */
static void say_limits(const struct ctl *ctl, const struct log_entries *entries)
{
	if (!entries->journal)
		log_warning(
			"there is no journal here: this is what /run keeps, the last refusal of "
			"each guest and what guests hold now");
	else if (!ctl->root && geteuid() != 0 && !entries->n)
		log_warning("only root, and members of the journal's group, see its entries");
	if (entries->cut)
		log_warning("older entries than these %d are left out", LOG_ENTRIES_MAX);
}

static int run(struct ctl *ctl, struct err *err)
{
	char uuid[GUEST_UUID_SIZE];
	struct log_wanted wanted = { .guest = ctl->n_args ? guest_arg_uuid(ctl, uuid) : NULL };
	struct log_entries entries;
	int rc;

	if (ctl->since && !read_ago(ctl->since, time(NULL), &wanted.since) &&
	    !read_date(ctl->since, &wanted.since)) {
		err_set(err, EINVAL,
			"--since '%.64s': expected a time such as 2026-11-29, \"2026-11-29 03:12\", "
			"2h or 3d",
			ctl->since);
		return CTL_USAGE;
	}
	rc = log_entries_read(&ctl->kfs, ctl->root, &wanted, &entries, err);
	if (rc == 0) {
		say_limits(ctl, &entries);
		rc = ctl->json ? ctl_print_json(to_json(&entries), err) : print(&entries, err);
	}
	log_entries_free(&entries);
	return rc;
}

const struct command cmd_log = {
	.name = "log",
	.usage = "log [GUEST] [--since TIME]",
	.summary = "show what was done for which guest, and when",
	.help = "Shows what the hooks and the pager have logged since the boot, or since TIME: a\n"
		"date, with or without a time of day, or an age such as 2h or 3d. With GUEST,\n"
		"an id, name or UUID, only what concerns that guest. Reads the journal. Where\n"
		"there is none, shows the last refusal of each guest and what guests hold now.\n"
		"Changes nothing.",
	.options = CTL_JSON | CTL_ROOT | CTL_SINCE,
	.max_args = 1,
	.run = run,
};
