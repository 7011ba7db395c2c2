// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Guests in the report of status: forty of them are forty lines.
 */
#include "report/guests_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/text.h"
#include "lifecycle/ledger.h"
#include "report/status_report.h"
#include "report/step_text.h"
#include "terminal/table.h"
#include "terminal/wrap.h"

enum { GUEST, PHASE, HOLDS, RESIDENT, THP, KSM, COLUMNS };

static const struct table_column columns[] = {
	[GUEST] = { "GUEST", TABLE_PLAIN }, [PHASE] = { "PHASE", TABLE_PLAIN },
	[HOLDS] = { "HOLDS", TABLE_PLAIN }, [RESIDENT] = { "RESIDENT", TABLE_RIGHT },
	[THP] = { "THP", TABLE_RIGHT },	    [KSM] = { "KSM", TABLE_PLAIN },
};

static const char *phase_of(const struct report_guest *guest)
{
	bool gone = guest->alive == REPORT_NO && guest->ledger->phase != LEDGER_LEAVING;

	return gone ? "gone" : guest->phase;
}

static void kib_cell(struct table *table, struct libscols_line *row, size_t column,
		     const struct report_kib *number)
{
	char kib[TEXT_KIB_SIZE];

	if (!number->known || !number->kib)
		table_cell(table, row, column, number->known ? "0" : "-");
	else
		table_cell(table, row, column, "%s", text_from_kib((uint64_t)number->kib, kib));
}

/* In transparent huge pages, anonymous or shared */
static struct report_kib thp_of(const struct report_guest *guest)
{
	return (struct report_kib){ guest->anon.known && guest->shmem.known,
				    guest->anon.kib + guest->shmem.kib };
}

/* QEMU's own pages merge a little, too: that is not worth a word */
#define WORTH_KIB 1024

static const char *ksm_text(const struct report_guest *guest, char *buf, size_t size)
{
	int64_t saved = guest->saved.known ? guest->saved.kib : 0;
	char kib[TEXT_KIB_SIZE];

	if (guest->gain != KSM_GAINS && saved < WORTH_KIB)
		snprintf(buf, size, "no: %s", guest->no_ksm);
	else if (saved > 0)
		snprintf(buf, size, "saves %s", text_from_kib((uint64_t)saved, kib));
	else if (saved < 0)
		snprintf(buf, size, "costs %s", text_from_kib((uint64_t)-saved, kib));
	else
		snprintf(buf, size, "%s", guest->saved.known ? "saves nothing" : "-");
	return buf;
}

static const char *holds_text(const struct report_guest *guest, char *buf, size_t size)
{
	if (guest->steps.n)
		return steps_fact(&guest->steps, buf, size);
	return guest->alive == REPORT_UNKNOWN ? "unknown" : "nothing";
}

static void add_guest(struct table *table, const struct report_guest *guest)
{
	struct libscols_line *row = table_row(table, NULL);
	struct report_kib thp = thp_of(guest);
	char text[1024];

	table_cell(table, row, GUEST, "%s", guest->name);
	table_cell(table, row, PHASE, "%s", phase_of(guest));
	if (guest->alive != REPORT_YES)
		table_colour(table, row, PHASE, TERM_YELLOW);
	table_cell(table, row, HOLDS, "%s", holds_text(guest, text, sizeof(text)));
	kib_cell(table, row, RESIDENT, &guest->resident);
	kib_cell(table, row, THP, &thp);
	table_cell(table, row, KSM, "%s", ksm_text(guest, text, sizeof(text)));
}

/* ---- totals ---- */

static void sum(struct report_kib *all, const struct report_kib *one)
{
	all->known = all->known || one->known;
	all->kib += one->known ? one->kib : 0;
}

/* "12 GiB in huge pages, 4 GiB in files" */
static const char *held_text(const struct report_kib *pages, const struct report_kib *files,
			     char *buf, size_t size)
{
	char in_pages[TEXT_KIB_SIZE], in_files[TEXT_KIB_SIZE];

	text_from_kib((uint64_t)pages->kib, in_pages);
	text_from_kib((uint64_t)files->kib, in_files);
	snprintf(buf, size, "%s%s%s%s%s", pages->kib ? in_pages : "",
		 pages->kib ? " in huge pages" : "", pages->kib && files->kib ? ", " : "",
		 files->kib ? in_files : "", files->kib ? " in files" : "");
	return buf;
}

static void add_totals(struct table *table, const struct status_report *report)
{
	struct report_kib pages = { 0 }, files = { 0 }, resident = { 0 }, thp = { 0 },
			  saved = { 0 };
	struct libscols_line *row = table_row(table, NULL);
	char text[128], kib[TEXT_KIB_SIZE];
	size_t i;

	for (i = 0; i < report->n_guests; i++) {
		const struct report_guest *guest = &report->guests[i];
		struct report_kib huge = thp_of(guest);

		sum(&pages, &guest->held);
		sum(&files, &guest->files);
		sum(&resident, &guest->resident);
		sum(&thp, &huge);
		sum(&saved, &guest->saved);
	}
	table_cell(table, row, GUEST, "%zu guests", report->n_guests);
	table_cell(table, row, HOLDS, "%s", held_text(&pages, &files, text, sizeof(text)));
	kib_cell(table, row, RESIDENT, &resident);
	kib_cell(table, row, THP, &thp);
	if (saved.kib >= WORTH_KIB)
		table_cell(table, row, KSM, "saves %s", text_from_kib((uint64_t)saved.kib, kib));
}

/* ---- the table ---- */

/* Each reason once, however many guests have it */
static void explain_words(const struct status_report *report)
{
	bool seen[KSM_GAIN_KINDS] = { false };
	const char *gap = "\n";
	unsigned int gain;
	size_t i;

	for (i = 0; i < report->n_guests; i++)
		if (!report->guests[i].saved.known || report->guests[i].saved.kib < WORTH_KIB)
			seen[report->guests[i].gain] = true;
	for (gain = KSM_GAINS + 1; gain < KSM_GAIN_KINDS; gain++) {
		if (!seen[gain])
			continue;
		printf("%s%s: %s\n", gap, ksm_rules_word((enum ksm_gain)gain),
		       ksm_rules_why((enum ksm_gain)gain));
		gap = "";
	}
}

static int print_all(const struct status_report *report, struct err *err)
{
	cleanup_free const struct report_guest **sorted = status_guests_by_name(report);
	struct table table;
	size_t i;
	int rc;

	if (!sorted)
		return err_nomem(err);
	table_begin(&table, columns, COLUMNS);
	for (i = 0; i < report->n_guests; i++)
		add_guest(&table, sorted[i]);
	if (report->n_guests > 1)
		add_totals(&table, report);
	rc = table_end(&table, err);
	if (rc == 0)
		explain_words(report);
	return rc;
}

int guests_print(const struct status_report *report, struct err *err)
{
	if (report->n_guests)
		return print_all(report, err);
	printf("No guest holds anything.\n");
	return 0;
}

/* ---- one of them ---- */

static void print_amount(const char *what, const struct report_kib *number, const char *rest)
{
	char kib[TEXT_KIB_SIZE];

	if (number->known)
		printf("  %-9s %s%s\n", what, text_from_kib((uint64_t)number->kib, kib), rest);
}

void guest_print_full(const struct report_guest *guest)
{
	struct report_kib thp = thp_of(guest);
	char text[1024], kib[TEXT_KIB_SIZE], rest[64] = "";
	size_t i;

	wrap_print_line("%s (%s): %s", guest->name, guest->uuid, phase_of(guest));
	if (!guest->steps.n)
		printf("  %-9s %s\n", "holds", holds_text(guest, text, sizeof(text)));
	for (i = 0; i < guest->steps.n; i++) {
		const struct step_list one = { .n = 1, .steps = &guest->steps.steps[i] };

		printf("  %-9s ", i ? "" : "holds");
		wrap_print(12, steps_fact(&one, text, sizeof(text)));
	}
	if (guest->held.kib)
		print_amount("", &guest->held, " in huge pages");
	if (thp.kib)
		snprintf(rest, sizeof(rest), ", %s of it in transparent huge pages",
			 text_from_kib((uint64_t)thp.kib, kib));
	print_amount("resident", &guest->resident, rest);
	printf("  %-9s %s\n", "KSM", ksm_text(guest, text, sizeof(text)));
	if (guest->no_ksm_why)
		printf("  %-9s %s\n", "", guest->no_ksm_why);
}
