// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * virt-membacking reconcile: what every start of a guest does first, by itself.
 */
#include <errno.h>
#include <stdio.h>

#include "base/err.h"
#include "base/json.h"
#include "base/text.h"
#include "ctl/ctl.h"
#include "ctl/given_back.h"
#include "lifecycle/reconcile.h"
#include "lifecycle/session.h"
#include "terminal/progress.h"
#include "terminal/wrap.h"

/* Works in rounds, so that guests can start in between.  The timer runs it again anyway */
#define LIMIT_MS 120000

/* A name that libvirt cut within a character is no text */
static json_t *or_mark(const char *text)
{
	json_t *string = json_string(text);

	return string ? string : json_string("?");
}

static json_t *directory_to_json(const struct reconciled_directory *swept)
{
	return json_pack("{s:s, s:o, s:I, s:b, s:o}", "store", swept->store, "directory",
			 or_mark(swept->directory), "kib", json_number(swept->kib), "removed",
			 swept->removed, "why", *swept->why ? or_mark(swept->why) : json_null());
}

static json_t *to_json(const struct reconcile_report *report)
{
	const char *shared = report->shared_left.text;
	json_t *settled = json_array(), *swept = json_array();
	size_t i;

	for (i = 0; i < report->n_guests; i++)
		json_add(&settled, given_back_to_json(&report->guests[i]));
	for (i = 0; i < report->n_directories; i++)
		json_add(&swept, directory_to_json(&report->directories[i]));
	return json_pack("{s:o, s:o, s:s?, s:{s:I, s:I}}", "settled", settled, "swept", swept,
			 "shared", *shared ? shared : NULL, "left", "guests",
			 json_number(report->left.guests), "directories",
			 json_number(report->left.directories));
}

static void print_directory(const struct reconciled_directory *swept)
{
	char kib[TEXT_KIB_SIZE];

	if (swept->removed)
		wrap_printf("removed %s from %s: %s of memory of no running guest",
			    swept->directory, swept->store, text_from_kib(swept->kib, kib));
	else
		wrap_printf("%s in %s belongs to no running guest and stays: %s", swept->directory,
			    swept->store, swept->why);
}

static void print_left(const struct reconcile_left *left)
{
	if (left->guests)
		wrap_printf("time is up: %zu guest%s that %s gone %s left to the next reconcile",
			    left->guests, plural(left->guests), is_or_are(left->guests),
			    is_or_are(left->guests));
	if (left->directories)
		wrap_printf("time is up: %zu director%s of no running guest left to the next "
			    "reconcile",
			    left->directories, left->directories == 1 ? "y is" : "ies are");
}

static void print(const struct reconcile_report *report)
{
	size_t i;

	for (i = 0; i < report->n_guests; i++)
		given_back_print(&report->guests[i]);
	for (i = 0; i < report->n_directories; i++)
		print_directory(&report->directories[i]);
	if (*report->shared_left.text)
		wrap_print(0, report->shared_left.text);
	print_left(&report->left);
	if (!report->n_guests && !report->n_directories && !*report->shared_left.text &&
	    !report->left.directories)
		printf("nothing to give back: no leftovers of stopped guests\n");
}

static int tell(const struct ctl *ctl, const struct reconcile_report *report, struct err *err)
{
	const struct reconcile_left *left = &report->left;
	int rc = *report->shared_left.text || left->guests || left->directories ? CTL_FINDINGS :
										  CTL_FINE;
	size_t i;

	for (i = 0; i < report->n_guests; i++)
		if (!report->guests[i].complete)
			rc = CTL_FINDINGS;
	for (i = 0; i < report->n_directories; i++)
		if (!report->directories[i].removed)
			rc = CTL_FINDINGS;
	if (ctl->json)
		return ctl_print_json(to_json(report), err) < 0 ? -ENOMEM : rc;
	print(report);
	return rc;
}

static int run(struct ctl *ctl, struct err *err)
{
	const struct reconcile_options options = { .leftovers = true, .limit_ms = LIMIT_MS };
	struct progress_wait wait;
	struct session session;
	int rc = ctl_need_root(ctl, "give back what guests hold", err);

	if (rc < 0)
		return rc;
	progress_wait(&wait, GIVEN_BACK_WAIT);
	/* Stores have leftovers that no state directory knows of */
	rc = session_open_with_stores(&session, &ctl->kfs, SESSION_CREATE, err);
	if (rc == 0)
		rc = reconcile(&session, &options, err);
	progress_waited(&wait);
	if (rc == 0)
		rc = tell(ctl, &session.report, err);
	session_close(&session);
	return rc;
}

const struct command cmd_reconcile = {
	.name = "reconcile",
	.usage = "reconcile",
	.summary = "give back what guests that are gone still hold",
	.help = "Gives back what guests hold that are gone: their QEMU or libvirt was killed, or\n"
		"something was in use when they ended. Guests that are alive keep what they have.\n"
		"Memory directories in stores that belong to no running guest are removed, and\n"
		"mounts that no guest uses any more are unmounted, if they were made for one.\n"
		"Waits two seconds for pages in use, and takes two minutes at most, during which\n"
		"guests can start; exit status 1 if it could not give everything back.",
	.options = CTL_JSON | CTL_ROOT,
	.run = run,
};
