// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * status for people, in 80 columns.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/array.h"
#include "base/err.h"
#include "base/text.h"
#include "lifecycle/ledger.h"
#include "policy/store_place.h"
#include "report/status_report.h"
#include "report/status_text.h"
#include "report/step_text.h"
#include "steps/steps.h"
#include "terminal/table.h"
#include "terminal/term.h"
#include "terminal/wrap.h"

/* ---- nodes and pools ---- */

enum { NODE, TOTAL, FREE, RSVD, CLAIMED, IDLE, OURS, IN_USE, NODE_COLUMNS };

static const struct table_column node_columns[] = {
	[NODE] = { "NODE", TABLE_TREE },	[TOTAL] = { "TOTAL", TABLE_RIGHT },
	[FREE] = { "FREE", TABLE_RIGHT },	[RSVD] = { "RSVD", TABLE_RIGHT },
	[CLAIMED] = { "CLAIMED", TABLE_RIGHT }, [IDLE] = { "IDLE", TABLE_RIGHT },
	[OURS] = { "OURS", TABLE_RIGHT },	[IN_USE] = { "IN USE", TABLE_PLAIN },
};

/* "64 = 128 MiB" */
static void pages_cell(struct table *table, struct libscols_line *row, size_t column,
		       uint64_t pages, uint64_t page_kib)
{
	char kib[TEXT_KIB_SIZE];

	if (pages)
		table_cell(table, row, column, "%" PRIu64 " = %s", pages,
			   text_from_kib(u64_mul_sat(pages, page_kib), kib));
	else
		table_cell(table, row, column, "0");
}

/* Narrow: pools of a TiB fit into 80 columns beside it */
#define BAR_WIDTH 6

static void bar_cell(struct table *table, struct libscols_line *row, size_t column, uint64_t all,
		     uint64_t free)
{
	char bar[TERM_BAR_SIZE];

	if (all)
		table_cell(table, row, column, "%s",
			   term_bar(u64_sub_floor(all, free), all, BAR_WIDTH, bar));
}

static void add_pool(struct table *table, struct libscols_line *parent,
		     const struct report_pool *pool)
{
	struct libscols_line *row = table_row(table, parent);
	char kib[TEXT_KIB_SIZE];

	table_cell(table, row, NODE, "%s", text_from_kib(pool->page_kib, kib));
	pages_cell(table, row, TOTAL, pool->total, pool->page_kib);
	table_cell(table, row, FREE, "%" PRIu64, pool->free);
	table_cell(table, row, RSVD, "%" PRIu64, pool->reserved);
	table_cell(table, row, CLAIMED, "%" PRIu64, pool->claimed);
	table_cell(table, row, IDLE, "%" PRIu64, pool->idle);
	table_cell(table, row, OURS, "%" PRIu64, pool->own);
	bar_cell(table, row, IN_USE, pool->total, pool->free);
}

static void add_node(struct table *table, const struct report_node *node)
{
	struct libscols_line *row = table_row(table, NULL);
	char kib[TEXT_KIB_SIZE];
	size_t i;

	table_cell(table, row, NODE, "node %u", node->id);
	table_cell(table, row, TOTAL, "%s", text_from_kib(node->total_kib, kib));
	table_cell(table, row, FREE, "%s", text_from_kib(node->free_kib, kib));
	bar_cell(table, row, IN_USE, node->total_kib, node->free_kib);
	for (i = 0; i < node->n_pools; i++)
		add_pool(table, row, &node->pools[i]);
}

static int print_nodes(const struct status_report *report, struct err *err)
{
	struct table table;
	size_t i;

	table_begin(&table, node_columns, NODE_COLUMNS);
	for (i = 0; i < report->n_nodes; i++)
		add_node(&table, &report->nodes[i]);
	return table_end(&table, err);
}

/* Rare, and then worth more than a column */
static void print_kept(const struct status_report *report)
{
	const char *gap = "\n";
	char kib[TEXT_KIB_SIZE];
	size_t i;

	for (i = 0; i < report->n_pools; i++) {
		const struct report_pool *pool = &report->pools[i];

		if (!pool->kept)
			continue;
		fputs(gap, stdout);
		gap = "";
		wrap_printf("node %u: %" PRIu64 " page%s of %s kept after release", pool->node,
			    pool->kept, pool->kept == 1 ? "" : "s",
			    text_from_kib(pool->page_kib, kib));
	}
	if (!*gap)
		wrap_command(0, "virt-membacking free");
}

/* ---- stores ---- */

enum { STORE, PATH, TYPE, SIZE, AVAILABLE, PROMISED, STORE_COLUMNS };

static const struct table_column store_columns[] = {
	[STORE] = { "STORE", TABLE_PLAIN },	    [PATH] = { "PATH", TABLE_PLAIN },
	[TYPE] = { "TYPE", TABLE_PLAIN },	    [SIZE] = { "SIZE", TABLE_RIGHT },
	[AVAILABLE] = { "AVAILABLE", TABLE_RIGHT }, [PROMISED] = { "PROMISED", TABLE_RIGHT },
};

static void add_store(struct table *table, const struct report_store *store)
{
	struct libscols_line *row = table_row(table, NULL);
	const char *nothing = store->configured ? "not mounted" : "";
	char kib[TEXT_KIB_SIZE];

	table_cell(table, row, STORE, "%s", store->name);
	table_cell(table, row, PATH, "%s", store->path);
	table_cell(table, row, TYPE, "%s", store->fstype ? store->fstype : nothing);
	if (store->capacity_kib) {
		table_cell(table, row, SIZE, "%s", text_from_kib(store->capacity_kib, kib));
		table_cell(table, row, AVAILABLE, "%s", text_from_kib(store->available_kib, kib));
	}
	table_cell(table, row, PROMISED, "%s", text_from_kib(store->promised_kib, kib));
}

static int print_stores(const struct status_report *report, struct err *err)
{
	struct table table;
	size_t shown = 0, i;

	table_begin(&table, store_columns, STORE_COLUMNS);
	for (i = 0; i < report->n_stores; i++) {
		if (report->stores[i].shown) {
			add_store(&table, &report->stores[i]);
			shown++;
		}
	}
	if (!shown)
		return table_drop(&table, err);
	putchar('\n');
	return table_end(&table, err);
}

/* ---- settings of the whole host ---- */

static void print_ksm(const struct report_ksm *ksm)
{
	static const char *const words[] = { "stopped", "running", "taking apart what it merged" };
	int64_t saved = ksm->saved_kib;
	char kib[TEXT_KIB_SIZE];

	if (!ksm->present) {
		printf("KSM: not in this kernel\n");
		return;
	}
	printf("KSM: %s", ksm->run < ARRAY_SIZE(words) ? words[ksm->run] : "in an unknown state");
	if (saved > 0)
		printf(", saves %s", text_from_kib((uint64_t)saved, kib));
	else if (saved < 0)
		printf(", costs %s more than it saves", text_from_kib((uint64_t)-saved, kib));
	putchar('\n');
}

static void print_thp(const struct report_thp *thp)
{
	if (!thp->present) {
		printf("THP: not in this kernel\n");
		return;
	}
	printf("THP: %s", thp->enabled ? thp->enabled : "");
	if (thp->defrag)
		printf(", defrag %s", thp->defrag);
	if (thp->shmem_enabled)
		printf(", for shared memory %s", thp->shmem_enabled);
	putchar('\n');
}

/* What looks used, and is free for guests */
static void print_zfs(const struct status_report *report)
{
	char kib[TEXT_KIB_SIZE];

	if (report->arc_kib)
		printf("ZFS: could give back %s of its cache (ARC)\n",
		       text_from_kib(report->arc_kib, kib));
}

/* ---- guests ---- */

enum { GUEST, PHASE, HOLDS, GUEST_COLUMNS };

static const struct table_column guest_columns[] = {
	[GUEST] = { "GUEST", TABLE_PLAIN },
	[PHASE] = { "PHASE", TABLE_PLAIN },
	[HOLDS] = { "HOLDS", TABLE_LINES },
};

static void phase_cell(struct table *table, struct libscols_line *row,
		       const struct report_guest *guest)
{
	bool gone = guest->alive == REPORT_NO && guest->ledger->phase != LEDGER_LEAVING;

	table_cell(table, row, PHASE, "%s%s", guest->phase, gone ? ", gone" : "");
	if (guest->alive != REPORT_YES)
		table_colour(table, row, PHASE, TERM_YELLOW);
}

/* A row for each step, the first of them with the guest's name */
static void add_guest(struct table *table, const struct report_guest *guest)
{
	struct libscols_line *row = table_row(table, NULL);
	char text[4096];
	size_t i;

	table_cell(table, row, GUEST, "%s", guest->name);
	phase_cell(table, row, guest);
	if (!guest->steps.n)
		table_cell(table, row, HOLDS,
			   guest->alive == REPORT_UNKNOWN ? "unknown" : "nothing");
	for (i = 0; i < guest->steps.n; i++) {
		if (i)
			row = table_row(table, NULL);
		table_cell(table, row, HOLDS, "%s",
			   step_text(&guest->steps.steps[i], text, sizeof(text)));
	}
}

/* Those with a ledger come first */
static int print_guests(const struct status_report *report, struct err *err)
{
	struct table table;
	size_t i;

	if (!report->n_ledgers) {
		printf("No guest holds anything.\n");
		return 0;
	}
	table_begin(&table, guest_columns, GUEST_COLUMNS);
	for (i = 0; i < report->n_ledgers; i++)
		add_guest(&table, &report->guests[i]);
	return table_end(&table, err);
}

/* ---- what they have of the host's memory ---- */

enum { NAME, RESIDENT, ANON, SHMEM, KSM, MEMORY_COLUMNS };

static const struct table_column memory_columns[] = {
	[NAME] = { "GUEST", TABLE_PLAIN },
	[RESIDENT] = { "RESIDENT", TABLE_RIGHT },
	[ANON] = { "AnonHugePages", TABLE_RIGHT },
	[SHMEM] = { "ShmemPmdMapped", TABLE_RIGHT },
	[KSM] = { "KSM", TABLE_PLAIN },
};

static void kib_cell(struct table *table, struct libscols_line *row, size_t column,
		     const struct report_kib *number)
{
	char kib[TEXT_KIB_SIZE];

	if (!number->known || !number->kib)
		table_cell(table, row, column, number->known ? "0" : "-");
	else
		table_cell(table, row, column, "%s", text_from_kib((uint64_t)number->kib, kib));
}

static void ksm_cell(struct table *table, struct libscols_line *row,
		     const struct report_guest *guest)
{
	int64_t saved = guest->saved.known ? guest->saved.kib : 0;
	char kib[TEXT_KIB_SIZE];

	if (saved > 0)
		table_cell(table, row, KSM, "saves %s", text_from_kib((uint64_t)saved, kib));
	else if (guest->gain != KSM_GAINS)
		table_cell(table, row, KSM, "no: %s", guest->no_ksm);
	else if (saved < 0)
		table_cell(table, row, KSM, "costs %s", text_from_kib((uint64_t)-saved, kib));
	else
		table_cell(table, row, KSM, guest->saved.known ? "saves nothing" : "-");
}

/* Is anything known of the guest's memory? */
static bool has_memory(const struct report_guest *guest)
{
	return guest->resident.known || guest->saved.known ||
	       (!guest->gone && guest->gain != KSM_GAINS);
}

static size_t add_memory(struct table *table, const struct status_report *report)
{
	size_t shown = 0, i;

	for (i = 0; i < report->n_guests; i++) {
		const struct report_guest *guest = &report->guests[i];
		struct libscols_line *row;

		if (!has_memory(guest))
			continue;
		row = table_row(table, NULL);
		table_cell(table, row, NAME, "%s", guest->name);
		kib_cell(table, row, RESIDENT, &guest->resident);
		kib_cell(table, row, ANON, &guest->anon);
		kib_cell(table, row, SHMEM, &guest->shmem);
		ksm_cell(table, row, guest);
		shown++;
	}
	return shown;
}

/* Each reason once, however many guests have it */
static void explain_words(const struct status_report *report)
{
	bool seen[KSM_GAIN_KINDS] = { false };
	const char *gap = "\n";
	unsigned int gain;
	size_t i;

	for (i = 0; i < report->n_guests; i++)
		if (has_memory(&report->guests[i]))
			seen[report->guests[i].gain] = true;
	for (gain = KSM_GAINS + 1; gain < KSM_GAIN_KINDS; gain++) {
		if (!seen[gain])
			continue;
		printf("%s%s: %s\n", gap, ksm_rules_word((enum ksm_gain)gain),
		       ksm_rules_why((enum ksm_gain)gain));
		gap = "";
	}
}

static int print_memory(const struct status_report *report, struct err *err)
{
	struct table table;
	int rc;

	table_begin(&table, memory_columns, MEMORY_COLUMNS);
	if (!add_memory(&table, report))
		return table_drop(&table, err);
	putchar('\n');
	rc = table_end(&table, err);
	explain_words(report);
	return rc;
}

/* ---- what the administrator should do ---- */

static void print_problem(const char *text)
{
	putchar('\n');
	wrap_print(0, text);
}

static void print_store_problems(const struct status_report *report)
{
	size_t i;

	for (i = 0; i < report->n_stores; i++)
		if (report->stores[i].shown && report->stores[i].in_use &&
		    report->stores[i].problem)
			print_problem(report->stores[i].problem);
	if (*report->store_missing.text)
		print_problem(report->store_missing.text);
}

/* What guests under the pager wait for, and why they are not paged */
static void print_alarms(const struct status_report *report)
{
	char text[OVERCOMMIT_WHY_SIZE + GUEST_NAME_SIZE + 32];
	size_t i;

	for (i = 0; i < report->n_ledgers; i++) {
		const struct report_guest *guest = &report->guests[i];

		if (!guest->overcommit.why || guest->alive != REPORT_YES)
			continue;
		snprintf(text, sizeof(text), "guest '%s'%s: %s", guest->name,
			 guest->overcommit.paged ? "" : " is not paged", guest->overcommit.why);
		print_problem(text);
	}
}

/* Guests whose files are in another directory than planned */
static void print_places(const struct status_report *report)
{
	char text[STORE_PLACE_SIZE + GUEST_NAME_SIZE];
	size_t i, j;

	for (i = 0; i < report->n_ledgers; i++) {
		const struct report_guest *guest = &report->guests[i];

		for (j = 0; !guest->gone && j < guest->steps.n; j++) {
			const struct step_store *files = step_files(&guest->steps.steps[j]);

			if (!files || !*files->lies_in)
				continue;
			store_place_problem(&report->session.host, guest->name, files, text,
					    sizeof(text));
			print_problem(text);
		}
	}
}

static void print_damaged(const struct report_damaged *damaged)
{
	char command[128];

	putchar('\n');
	wrap_printf("%s; repair it, or give up what it holds", damaged->why);
	snprintf(command, sizeof(command), "virt-membacking release %s --force", damaged->uuid);
	wrap_command(0, command);
}

static void print_remedy(const struct report_guest *guest)
{
	struct err text;

	if (guest->alive == REPORT_UNKNOWN) {
		ledger_other_version(guest->ledger, &text);
		print_problem(text.text);
	} else if (guest->gone || guest->ledger->phase == LEDGER_LEAVING) {
		putchar('\n');
		wrap_printf(guest->ledger->phase == LEDGER_LEAVING ?
				    "guest '%s' is on its way out, but some of what it held was "
				    "still in use" :
				    "guest '%s' is gone, but what it held is not given back yet",
			    guest->name);
		wrap_command(0, "virt-membacking reconcile");
	}
}

int status_print(const struct status_report *report, struct err *err)
{
	size_t i;
	int rc = print_nodes(report, err);

	if (rc == 0)
		print_kept(report);
	if (rc == 0)
		rc = print_stores(report, err);
	if (rc < 0)
		return rc;
	putchar('\n');
	print_ksm(&report->ksm);
	print_thp(&report->thp);
	print_zfs(report);
	putchar('\n');
	rc = print_guests(report, err);
	if (rc == 0)
		rc = print_memory(report, err);
	if (rc < 0)
		return rc;
	if (report->hook_enabled == REPORT_NO) {
		print_problem("the qemu hook is not enabled: guests start without what is shown "
			      "here, and nothing is given back at their end");
		wrap_command(0, "virt-membacking hook enable --reload");
	}
	print_store_problems(report);
	print_places(report);
	print_alarms(report);
	for (i = 0; i < report->n_ledgers; i++)
		print_remedy(&report->guests[i]);
	for (i = 0; i < report->n_damaged; i++)
		print_damaged(&report->damaged[i]);
	return 0;
}
