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
#include "ctl/settle.h"
#include "terminal/progress.h"
#include "terminal/wrap.h"

/* A name that libvirt cut within a character is no text */
static json_t *or_mark(const char *text)
{
	json_t *string = json_string(text);

	return string ? string : json_string("?");
}

static json_t *swept_to_json(const struct swept *swept)
{
	return json_pack("{s:s, s:o, s:I, s:b, s:o}", "store", swept->store, "directory",
			 or_mark(swept->directory), "kib", json_number(swept->kib), "removed",
			 swept->removed, "why", *swept->why ? or_mark(swept->why) : json_null());
}

static json_t *to_json(const struct round *round)
{
	const char *shared = round->shared_left.text;
	json_t *settled = json_array(), *swept = json_array();
	size_t i;

	for (i = 0; i < round->n_settled; i++)
		json_add(&settled, settle_to_json(&round->settled[i]));
	for (i = 0; i < round->n_swept; i++)
		json_add(&swept, swept_to_json(&round->swept[i]));
	return json_pack("{s:o, s:o, s:s?}", "settled", settled, "swept", swept, "shared",
			 *shared ? shared : NULL);
}

static void print_swept(const struct swept *swept)
{
	char kib[TEXT_KIB_SIZE];

	if (swept->removed)
		wrap_printf("removed %s from %s: %s of memory of no living guest", swept->directory,
			    swept->store, text_from_kib(swept->kib, kib));
	else
		wrap_printf("%s in %s belongs to no living guest and stays: %s", swept->directory,
			    swept->store, swept->why);
}

static void print(const struct round *round)
{
	size_t i;

	for (i = 0; i < round->n_settled; i++)
		settle_print(&round->settled[i]);
	for (i = 0; i < round->n_swept; i++)
		print_swept(&round->swept[i]);
	if (*round->shared_left.text)
		wrap_print(0, round->shared_left.text);
	if (!round->n_settled && !round->n_swept && !*round->shared_left.text)
		printf("nothing to settle: no guest that is gone holds anything\n");
}

static int report(const struct ctl *ctl, const struct round *round, struct err *err)
{
	int rc = *round->shared_left.text ? CTL_FINDINGS : CTL_FINE;
	size_t i;

	for (i = 0; i < round->n_settled; i++)
		if (!round->settled[i].complete)
			rc = CTL_FINDINGS;
	for (i = 0; i < round->n_swept; i++)
		if (!round->swept[i].removed)
			rc = CTL_FINDINGS;
	if (ctl->json)
		return ctl_print_json(to_json(round), err) < 0 ? -ENOMEM : rc;
	print(round);
	return rc;
}

static int run(struct ctl *ctl, struct err *err)
{
	struct progress_wait wait;
	struct settling settling;
	int rc = ctl_need_root(ctl, "reconcile, which changes the host", err);

	if (rc < 0)
		return rc;
	progress_wait(&wait, SETTLE_WAIT);
	/* Stores have leftovers that no state directory knows of */
	rc = settle_begin(ctl, true, &settling, err);
	settling.round.config = settling.config;
	if (rc == 0)
		rc = round_settle_all(&settling.round, err);
	progress_waited(&wait);
	if (rc == 0)
		rc = report(ctl, &settling.round, err);
	settle_end(&settling);
	return rc;
}

const struct command cmd_reconcile = {
	.name = "reconcile",
	.usage = "reconcile",
	.summary = "give back what guests that are gone still hold",
	.help = "Gives back what guests hold that are gone: their QEMU or libvirt was killed, or\n"
		"something was in use when they ended. Guests that are alive keep what they have.\n"
		"Memory directories in stores that belong to no living guest are removed, and\n"
		"mounts that no guest uses any more are unmounted, if they were made for one.\n"
		"Waits two seconds for pages in use; exit status 1 if something is left then.",
	.options = CTL_JSON | CTL_ROOT,
	.run = run,
};
