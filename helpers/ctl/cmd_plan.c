// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * virt-membacking plan: what a guest's start would do, by the code that does it.
 */
#include <errno.h>
#include <stdio.h>

#include "base/err.h"
#include "base/json.h"
#include "base/text.h"
#include "check/hook_links.h"
#include "ctl/ctl.h"
#include "ctl/guest_arg.h"
#include "ctl/overcommit_rooms.h"
#include "guest/guest.h"
#include "lifecycle/dry_run.h"
#include "report/step_text.h"
#include "steps/steps.h"
#include "terminal/table.h"
#include "terminal/wrap.h"

/* ---- JSON ---- */

/* Also why there is nothing to do: to a program it is a note like the others */
static json_t *to_json(const struct guest *guest, const struct dry_run *run)
{
	json_t *notes = json_array();
	size_t i;

	if (*run->nothing)
		json_add(&notes, json_string(run->nothing));
	for (i = 0; i < run->plan.n_notes; i++)
		json_add(&notes, json_string(run->plan.notes[i]));
	return json_pack("{s:{s:s, s:s}, s:o, s:o}", "guest", "name", guest->name, "uuid",
			 guest->uuid, "steps", step_list_to_json(&run->plan.list), "notes", notes);
}

/* ---- text ---- */

enum { STEP, WHAT, COLUMNS };

static const struct table_column columns[] = {
	[STEP] = { "STEP", TABLE_PLAIN },
	[WHAT] = { "WHAT", TABLE_LINES },
};

static int print_steps(const struct step_list *list, struct err *err)
{
	struct table table;
	char text[4096];
	size_t i;

	table_begin(&table, columns, COLUMNS);
	for (i = 0; i < list->n; i++) {
		struct libscols_line *row = table_row(&table, NULL);

		table_cell(&table, row, STEP, "%s", step_ops(list->steps[i].kind)->name);
		table_cell(&table, row, WHAT, "%s", step_text(&list->steps[i], text, sizeof(text)));
	}
	return table_end(&table, err);
}

static int print(const struct guest *guest, const struct dry_run *run, struct err *err)
{
	int rc = 0;
	size_t i;

	if (run->plan.list.n) {
		wrap_print_line("Before guest '%s' starts:", guest->name);
		putchar('\n');
		rc = print_steps(&run->plan.list, err);
	} else {
		wrap_printf("nothing to do for guest '%s': %s", guest->name,
			    *run->nothing ? run->nothing : "it needs no pages");
	}
	for (i = 0; rc == 0 && i < run->plan.n_notes; i++)
		wrap_note(i, run->plan.notes[i]);
	return rc;
}

/* ---- the command ---- */

static void note_room(const char *text, void *plan)
{
	plan_note(plan, "%s", text);
}

static int run(struct ctl *ctl, struct err *err)
{
	cleanup_guest struct guest *guest = NULL;
	struct dry_run result = { 0 };
	int rc;

	rc = guest_arg(ctl, &guest, err);
	if (rc == 0)
		rc = dry_run(&ctl->kfs, guest, &result, err);
	if (rc == 0 && result.plan.list.n && hook_would_run(&ctl->kfs, ctl->root) == 0)
		plan_note(&result.plan, HOOK_OFF_NOTE);
	if (rc == 0 && step_list_paging(&result.plan.list))
		overcommit_rooms(&ctl->kfs, note_room, &result.plan);
	if (rc == 0)
		rc = ctl->json ? ctl_print_json(to_json(guest, &result), err) :
				 print(guest, &result, err);
	plan_free(&result.plan);
	return rc;
}

const struct command cmd_plan = {
	.name = "plan",
	.usage = "plan GUEST\nplan --xml FILE",
	.summary = "show what a guest's start would do, without doing it",
	.help = "Shows what the hook would do now before a guest starts: GUEST, by id, name or UUID,\n"
		"as libvirt has it defined, or a file with its domain XML. Changes nothing. If\n"
		"the start would be refused, fails with the same sentence.",
	.options = CTL_JSON | CTL_ROOT | CTL_CONNECT | CTL_XML,
	.guest_or_xml = true,
	.max_args = 1,
	.run = run,
};
