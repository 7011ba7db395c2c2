// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The list of what was given back: each guest and each directory once, with the last word.
 */
#include "lifecycle/reconcile_report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "lifecycle/ledger.h"

#define WHY_SIZE sizeof(((struct reconciled_guest *)0)->why)

/* Names of files that other programs chose need not be text */
static void fill_why(char why[WHY_SIZE], const char *text)
{
	snprintf(why, WHY_SIZE, "%.*s", (int)WHY_SIZE - 1, text);
	text_mend(why);
}

/* The guest's entry, a new one at first; NULL: out of memory */
static struct reconciled_guest *guest_entry(struct reconcile_report *report,
					    const struct ledger *ledger)
{
	struct reconciled_guest *more, *entry;
	size_t i;

	for (i = 0; i < report->n_guests; i++)
		if (!strcmp(report->guests[i].uuid, ledger->uuid))
			return &report->guests[i];
	more = reallocarray(report->guests, report->n_guests + 1, sizeof(*more));
	if (!more)
		return NULL;
	report->guests = more;
	entry = &more[report->n_guests++];
	memset(entry, 0, sizeof(*entry));
	snprintf(entry->name, sizeof(entry->name), "%s", ledger->name);
	snprintf(entry->uuid, sizeof(entry->uuid), "%s", ledger->uuid);
	return entry;
}

bool reconcile_report_guest(struct reconcile_report *report, const struct ledger *ledger,
			    bool complete, const char *why)
{
	struct reconciled_guest *entry = guest_entry(report, ledger);
	char text[WHY_SIZE];
	bool news;

	if (!entry)
		return true;
	fill_why(text, why);
	news = entry->complete != complete || strcmp(entry->why, text) != 0;
	entry->complete = complete;
	memcpy(entry->why, text, sizeof(text));
	return news;
}

/* The directory's entry, a new one at first; NULL: out of memory */
static struct reconciled_directory *directory_entry(struct reconcile_report *report,
						    const char *store, const char *directory)
{
	struct reconciled_directory *more;
	size_t i;

	for (i = 0; i < report->n_directories; i++)
		if (!strcmp(report->directories[i].store, store) &&
		    !strcmp(report->directories[i].directory, directory))
			return &report->directories[i];
	more = reallocarray(report->directories, report->n_directories + 1, sizeof(*more));
	if (!more)
		return NULL;
	report->directories = more;
	more += report->n_directories++;
	memset(more, 0, sizeof(*more));
	snprintf(more->store, sizeof(more->store), "%s", store);
	snprintf(more->directory, sizeof(more->directory), "%s", directory);
	return more;
}

void reconcile_report_directory(struct reconcile_report *report, const char *store,
				const char *directory, uint64_t kib, const char *why)
{
	struct reconciled_directory *entry = directory_entry(report, store, directory);

	if (!entry)
		return;
	entry->kib = kib;
	entry->removed = !why;
	fill_why(entry->why, why ? why : "");
}

bool reconcile_report_has(const struct reconcile_report *report, const char *uuid)
{
	size_t i;

	for (i = 0; i < report->n_guests; i++)
		if (!strcmp(report->guests[i].uuid, uuid))
			return true;
	return false;
}

bool reconcile_report_waits(const struct reconcile_report *report)
{
	size_t i;

	for (i = 0; i < report->n_guests; i++)
		if (!report->guests[i].complete)
			return true;
	return report->left.guests > 0;
}

static int by_name(const void *a, const void *b)
{
	const struct reconciled_guest *one = a, *other = b;
	int order = strcmp(one->name, other->name);

	return order ? order : strcmp(one->uuid, other->uuid);
}

static int by_directory(const void *a, const void *b)
{
	const struct reconciled_directory *one = a, *other = b;
	int order = strcmp(one->store, other->store);

	return order ? order : strcmp(one->directory, other->directory);
}

void reconcile_report_sort(struct reconcile_report *report)
{
	if (report->n_guests)
		qsort(report->guests, report->n_guests, sizeof(*report->guests), by_name);
	if (report->n_directories)
		qsort(report->directories, report->n_directories, sizeof(*report->directories),
		      by_directory);
}

void reconcile_report_free(struct reconcile_report *report)
{
	free(report->guests);
	free(report->directories);
	*report = (struct reconcile_report){ 0 };
}
