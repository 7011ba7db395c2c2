// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * virt-membacking reserve: huge pages for a guest before libvirt asks for them.
 *
 * In a start they are searched for while libvirt waits; here a person does, and may
 * give up.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/text.h"
#include "check/hook_links.h"
#include "ctl/ctl.h"
#include "ctl/guest_arg.h"
#include "guest/guest.h"
#include "lifecycle/counters.h"
#include "lifecycle/ledger.h"
#include "lifecycle/reserve.h"
#include "lifecycle/session.h"
#include "report/step_text.h"
#include "steps/steps.h"
#include "terminal/progress.h"
#include "terminal/table.h"
#include "terminal/wrap.h"

/* ---- the report ---- */

static json_t *to_json(const struct ledger *ledger, const struct plan *plan)
{
	json_t *notes = json_array();
	size_t i;

	for (i = 0; i < plan->n_notes; i++)
		json_add(&notes, json_string(plan->notes[i]));
	return json_pack("{s:{s:s, s:s, s:s}, s:o, s:o}", "guest", "name", ledger->name, "uuid",
			 ledger->uuid, "phase", ledger_phase_name(ledger->phase), "steps",
			 step_list_to_json(&ledger->list), "notes", notes);
}

static int print(const struct ledger *ledger, const struct plan *plan, struct err *err)
{
	static const struct table_column columns[] = { { "HOLDS", TABLE_LINES } };
	struct table table;
	char text[4096];
	size_t i;
	int rc;

	wrap_print_line("Guest '%s' (%s):", ledger->name, ledger_phase_name(ledger->phase));
	putchar('\n');
	table_begin(&table, columns, 1);
	for (i = 0; i < ledger->list.n; i++)
		table_cell(&table, table_row(&table, NULL), 0, "%s",
			   step_text(&ledger->list.steps[i], text, sizeof(text)));
	rc = table_end(&table, err);
	for (i = 0; rc == 0 && i < plan->n_notes; i++)
		wrap_note(i, plan->notes[i]);
	return rc;
}

/* ---- progress ---- */

/* First the lock is waited for, then pages come */
struct shown {
	struct progress_wait wait;
	struct progress progress;
};

static void show_progress(struct session *session, const struct ledger *ledger)
{
	struct shown *shown = session->progress_arg;
	struct step_held held = step_list_held(&ledger->list);

	progress_waited(&shown->wait);
	progress_draw(&shown->progress, held.pages, held.pages_wanted);
}

static void wait_for_others(const struct session *session)
{
	struct shown *shown = session->progress_arg;

	progress_wait(&shown->wait, "waiting for others to finish");
}

/* ---- the device that will be plugged ---- */

static int bad_value(const char *option, const char *value, const char *expected, struct err *err)
{
	err_set(err, EINVAL, "--%s '%.64s': expected %s", option, value, expected);
	return CTL_USAGE;
}

static int read_sizes(const struct ctl *ctl, struct guest_memory *memory, struct err *err)
{
	uint64_t node;

	if (text_to_kib(ctl->size, &memory->size_kib) < 0 || !memory->size_kib ||
	    memory->size_kib > TEXT_KIB_MAX)
		return bad_value("size", ctl->size, "a size such as 512M or 4G", err);
	if (ctl->page_size &&
	    (text_to_kib(ctl->page_size, &memory->page_kib) < 0 || !memory->page_kib))
		return bad_value("page-size", ctl->page_size, "a size such as 2M or 1G", err);
	if (!ctl->node)
		return CTL_FINE;
	if (text_to_u64(ctl->node, &node) < 0 || node >= NUMA_NODES_MAX)
		return bad_value("node", ctl->node, "the number of a NUMA node", err);
	memory->bind = GUEST_BIND_STRICT;
	nodeset_add(&memory->nodes, (unsigned int)node);
	return CTL_FINE;
}

/* What is reserved is held under the guest's UUID, so it must have one that stays */
static int defined_guest(const struct ctl *ctl, struct guest **guest, struct err *err)
{
	struct guest *found = NULL;
	int rc = guest_arg(ctl, &found, err);

	if (rc == 0 && found->reading.draft) {
		rc = err_set(
			err, EINVAL,
			"guest '%s' has no <uuid> yet, which libvirt gives it: define it first "
			"(virsh define)",
			found->name);
		guest_free(found);
	} else if (rc == 0) {
		*guest = found;
	}
	return rc;
}

/* Its name and UUID, from the ledger that it has.  Return: -ENOENT without one */
static int find_by_ledger(const struct session *session, const char *name, struct guest *extra,
			  struct err *err)
{
	struct ledgers ledgers;
	const struct ledger *ledger;
	int rc = ledgers_read(&session->state, false, &ledgers, err);

	if (rc < 0)
		return rc;
	ledger = ledgers_find(&ledgers, name);
	if (ledger) {
		snprintf(extra->name, sizeof(extra->name), "%s", ledger->name);
		snprintf(extra->uuid, sizeof(extra->uuid), "%s", ledger->uuid);
	}
	ledgers_free(&ledgers);
	return ledger ? 0 : -ENOENT;
}

/* libvirt knows better than a ledger.  Of a captured host, and while libvirt is not
 * there, the ledger is all there is */
static int name_guest(const struct ctl *ctl, const struct session *session, struct guest *extra,
		      struct err *err)
{
	cleanup_guest struct guest *guest = NULL;
	int rc;

	if (ctl->root && !ctl->xml) {
		rc = find_by_ledger(session, ctl->args[0], extra, err);
		return rc == -ENOENT ?
			       err_set(err, ENOENT, "guest '%.256s' is not running", ctl->args[0]) :
			       rc;
	}
	rc = defined_guest(ctl, &guest, err);
	if (rc == -EIO && !ctl->xml && find_by_ledger(session, ctl->args[0], extra, NULL) == 0)
		return 0;
	if (rc < 0)
		return rc;
	memcpy(extra->name, guest->name, sizeof(extra->name));
	memcpy(extra->uuid, guest->uuid, sizeof(extra->uuid));
	return 0;
}

static int plug(const struct ctl *ctl, struct session *session, struct guest_memory *memory,
		struct ledger **ledger, struct plan *plan, struct err *err)
{
	struct guest extra = { .id = -1, .n_memory = 1, .memory = memory };
	int rc = name_guest(ctl, session, &extra, err);

	if (rc < 0)
		return rc;
	wait_for_others(session);
	return reserve_for_plug(session, &extra, ledger, plan, err);
}

static int for_start(const struct ctl *ctl, struct session *session, struct ledger **ledger,
		     struct plan *plan, struct err *err)
{
	cleanup_guest struct guest *guest = NULL;
	int rc = defined_guest(ctl, &guest, err);

	if (rc < 0)
		return rc;
	wait_for_others(session);
	return reserve_for_start(session, guest, ledger, plan, err);
}

/* ---- the command ---- */

static int reserve(const struct ctl *ctl, struct guest_memory *memory, struct err *err)
{
	struct session session;
	struct shown shown = { 0 };
	struct ledger *ledger = NULL;
	struct plan plan = { 0 };
	struct counters counters = { 0 };
	int rc = session_open(&session, &ctl->kfs, SESSION_CREATE, err);

	if (rc == 0)
		rc = session_configure(&session, err);
	progress_begin(&shown.progress, "reserving");
	session.progress = show_progress;
	session.progress_arg = &shown;
	session.tally = &counters.steps;
	if (rc == 0)
		rc = ctl->size ? plug(ctl, &session, memory, &ledger, &plan, err) :
				 for_start(ctl, &session, &ledger, &plan, err);
	progress_waited(&shown.wait);
	progress_end(&shown.progress);
	if (rc == 0 && hook_would_run(&ctl->kfs, ctl->root) == 0)
		plan_note(&plan, "the qemu hook is not enabled: no start takes this over, and no "
				 "end gives it back (virt-membacking hook enable --reload)");
	if (rc == 0)
		rc = ctl->json ? ctl_print_json(to_json(ledger, &plan), err) :
				 print(ledger, &plan, err);
	ledger_free(ledger);
	plan_free(&plan);
	session_close(&session);
	counters_add(&ctl->kfs, &counters, false);
	return rc;
}

static int run(struct ctl *ctl, struct err *err)
{
	struct guest_memory memory = {
		.kind = GUEST_MEMORY_PLUGGED, .alias = "to plug in", .cell = -1, .hugepages = true
	};
	int rc;

	if (!ctl->size && (ctl->page_size || ctl->node)) {
		err_set(err, EINVAL, "--%s is for a device to plug into the guest: it needs --size",
			ctl->page_size ? "page-size" : "node");
		return CTL_USAGE;
	}
	rc = ctl->size ? read_sizes(ctl, &memory, err) : CTL_FINE;
	if (rc)
		return rc;
	rc = ctl_need_root(ctl, "reserve pages", err);
	return rc < 0 ? rc : reserve(ctl, &memory, err);
}

const struct command cmd_reserve = {
	.name = "reserve",
	.usage = "reserve GUEST\nreserve --xml FILE\n"
		 "reserve GUEST --size SIZE [--page-size SIZE] [--node N]",
	.summary = "get a guest's huge pages ahead of its start, or of a hot-plug",
	.help = "Gets the huge pages that GUEST (id, name or UUID) will need, ahead of its start.\n"
		"The next start takes them over; until then the guest holds them. To give them back:\n"
		"virt-membacking release GUEST. Called again after GUEST was changed, it keeps\n"
		"what fits and gives the rest back.\n\n"
		"With --size: gets pages for a device to plug into GUEST, which must be running\n"
		"(virsh attach-device). They go back when GUEST ends.\n\n"
		"Has no deadline, whatever [hook] deadline says. If it is interrupted, or if there\n"
		"are too few pages, nothing changes.",
	.options = CTL_JSON | CTL_ROOT | CTL_CONNECT | CTL_XML | CTL_SIZE | CTL_PAGE_SIZE |
		   CTL_NODE,
	.guest_or_xml = true,
	.max_args = 1,
	.run = run,
};
