/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What was done for guests: the journal's entries, or what /run keeps.
 */
#ifndef MEMBACKING_REPORT_LOG_ENTRIES_H
#define MEMBACKING_REPORT_LOG_ENTRIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "guest/guest.h"

struct kfs;

/* No more are shown: the newest */
#define LOG_ENTRIES_MAX 10000

/**
 * struct log_entry - One line
 * @time:	Seconds since 1970
 * @guest, @uuid, @operation: "" where the line has none
 * @event:	log_event_name(), or NULL
 * @level:	"error", "warning", "info", "debug"
 */
struct log_entry {
	uint64_t time;
	char guest[GUEST_NAME_SIZE];
	char uuid[GUEST_UUID_SIZE];
	char operation[32];
	const char *event;
	const char *level;
	char text[sizeof(((struct err *)0)->text)];
};

/**
 * struct log_entries - The oldest first
 * @journal:	They are the journal's
 * @cut:	There are older ones
 */
struct log_entries {
	bool journal;
	bool cut;
	size_t n;
	struct log_entry *list;
};

/**
 * struct log_wanted - Which entries
 * @guest:	Name or UUID; NULL: all
 * @since:	Seconds since 1970; 0: since the boot
 */
struct log_wanted {
	const char *guest;
	uint64_t since;
};

/**
 * log_entries_read() - The hooks' and the pager's lines in the journal, as far as the caller may
 *			read it
 * @captured:	The journal's files below @kfs are read
 *
 * Without a journal: the refusals that are kept, and each guest's record with the time of its last
 * change.  Return: 0 or -errno with a sentence; to be freed by log_entries_free() either way
 */
int log_entries_read(const struct kfs *kfs, bool captured, const struct log_wanted *wanted,
		     struct log_entries *entries, struct err *err);
void log_entries_free(struct log_entries *entries);

/* Take a line of the log apart: level, guest and operation in front of the text.  What @entry has
 * already is only taken off */
void log_entry_parse(const char *line, struct log_entry *entry);

#endif
