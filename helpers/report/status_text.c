// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * status for people.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/array.h"
#include "base/err.h"
#include "base/text.h"
#include "lifecycle/ledger.h"
#include "policy/store_place.h"
#include "report/guests_text.h"
#include "report/status_report.h"
#include "report/status_text.h"
#include "steps/steps.h"
#include "terminal/table.h"
#include "terminal/term.h"
#include "terminal/wrap.h"

/* ---- nodes and pools ---- */

enum { NODE, TOTAL, FREE, RSVD, CLAIMED, IDLE, OURS, NODE_COLUMNS };

static const struct table_column node_columns[] = {
	[NODE] = { "NODE", TABLE_TREE },	[TOTAL] = { "TOTAL", TABLE_RIGHT },
	[FREE] = { "FREE", TABLE_RIGHT },	[RSVD] = { "RSVD", TABLE_RIGHT },
	[CLAIMED] = { "CLAIMED", TABLE_RIGHT }, [IDLE] = { "IDLE", TABLE_RIGHT },
	[OURS] = { "OURS", TABLE_RIGHT },
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
}

static void add_node(struct table *table, const struct report_node *node)
{
	struct libscols_line *row = table_row(table, NULL);
	char kib[TEXT_KIB_SIZE];
	size_t i;

	table_cell(table, row, NODE, "node %u", node->id);
	table_cell(table, row, TOTAL, "%s", text_from_kib(node->total_kib, kib));
	table_cell(table, row, FREE, "%s", text_from_kib(node->free_kib, kib));
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

/* The users of a node's memory */
enum { BAR_GUESTS, BAR_IDLE, BAR_PROGRAMS, BAR_CACHE, BAR_FREE, BAR_PARTS };

static const struct {
	const char *name;
	const char *utf8;
	const char *ascii;
} bar_parts[] = {
	[BAR_GUESTS] = { "guests' huge pages", "\u2588", "#" },
	[BAR_IDLE] = { "idle huge pages", "\u2593", "=" },
	[BAR_PROGRAMS] = { "programs and kernel", "\u2592", "+" },
	[BAR_CACHE] = { "cache", "\u2591", "-" },
	[BAR_FREE] = { "free", "\u00b7", "." },
};

/* Pages that a guest is promised count as its own */
static void share_node(const struct report_node *node, struct term_share shares[BAR_PARTS])
{
	uint64_t taken = 0;
	size_t i;

	for (i = 0; i < BAR_PARTS; i++)
		shares[i] = (struct term_share){ 0, bar_parts[i].utf8, bar_parts[i].ascii };
	for (i = 0; i < node->n_pools; i++) {
		const struct report_pool *pool = &node->pools[i];
		uint64_t idle = u64_mul_sat(u64_min(pool->idle, pool->total), pool->page_kib);
		uint64_t all = u64_mul_sat(pool->total, pool->page_kib);

		shares[BAR_IDLE].part += idle;
		shares[BAR_GUESTS].part += all - idle;
	}
	taken = shares[BAR_IDLE].part + shares[BAR_GUESTS].part;
	shares[BAR_FREE].part = node->free_kib;
	shares[BAR_CACHE].part = u64_min(node->reclaimable_kib,
					 u64_sub_floor(node->total_kib, taken + node->free_kib));
	taken += node->free_kib + shares[BAR_CACHE].part;
	shares[BAR_PROGRAMS].part = u64_sub_floor(node->total_kib, taken);
}

#define BAR_WIDTH 60

static void print_bar(const struct report_node *node)
{
	struct term_share shares[BAR_PARTS];
	char bar[TERM_BAR_SIZE], words[512] = "", kib[TEXT_KIB_SIZE];
	size_t i, used = 0;

	share_node(node, shares);
	printf("node %-3u %s\n", node->id, term_shares(shares, BAR_PARTS, BAR_WIDTH, bar));
	for (i = 0; i < BAR_PARTS && used < sizeof(words); i++)
		if (shares[i].part)
			used += (size_t)snprintf(words + used, sizeof(words) - used, "%s%s %s %s",
						 used ? ", " : "", term_share_sign(&shares[i]),
						 bar_parts[i].name,
						 text_from_kib(shares[i].part, kib));
	printf("%9s", "");
	wrap_print(9, words);
}

static void print_bars(const struct status_report *report)
{
	size_t i;

	putchar('\n');
	for (i = 0; i < report->n_nodes; i++)
		print_bar(&report->nodes[i]);
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
			    pool->kept, plural(pool->kept), text_from_kib(pool->page_kib, kib));
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
	if (store->planned_kib)
		table_cell(table, row, SIZE, "%s", text_from_kib(store->planned_kib, kib));
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

/* Less than that is nothing that a person could act on */
#define COST_KIB 4096

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
	else if (saved <= -COST_KIB)
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

/* Memory that looks used but is free for guests */
static void print_zfs(const struct status_report *report)
{
	char kib[TEXT_KIB_SIZE];

	if (report->arc_kib)
		printf("ZFS: could give back %s of its cache (ARC)\n",
		       text_from_kib(report->arc_kib, kib));
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

/* Guests under the pager that wait, or that should be paged and are not */
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

/* The sentence without "guest 'web': " in front, where it has that */
static const char *without_name(const struct refusal_note *note)
{
	char lead[GUEST_NAME_SIZE + 16];
	int n = snprintf(lead, sizeof(lead), "guest '%s': ", note->name);

	return strncmp(note->text, lead, (size_t)n) != 0 ? note->text : note->text + n;
}

/* "web was refused at 2026-11-29 03:12: ..." */
void status_print_refusal(const struct refusal_note *note)
{
	time_t at = (time_t)note->time;
	char when[32] = "?";
	struct tm tm;

	if (localtime_r(&at, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M", &tm);
	wrap_printf("'%s' was refused at %s: %s", note->name, when, without_name(note));
}

/* As many sentences as a screen has room for; of more, the names and the newest sentence */
#define REFUSALS_IN_FULL 3

static void print_refusals(const struct refusals *refusals)
{
	char names[REFUSALS_MAX * (GUEST_NAME_SIZE + 2)];
	size_t used = 0, i;

	for (i = 0; i < refusals->n && refusals->n <= REFUSALS_IN_FULL; i++) {
		putchar('\n');
		status_print_refusal(&refusals->list[i]);
	}
	if (refusals->n <= REFUSALS_IN_FULL)
		return;
	for (i = 0; i < refusals->n; i++)
		used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s", i ? ", " : "",
					 refusals->list[i].name);
	putchar('\n');
	wrap_printf("%zu guests were refused (status GUEST says why): %s", refusals->n, names);
	status_print_refusal(&refusals->list[refusals->n - 1]);
}

static void print_damaged(const struct report_damaged *damaged)
{
	char command[128];

	putchar('\n');
	wrap_printf("%s; repair it, or give up what it holds", damaged->why);
	snprintf(command, sizeof(command), "virt-membacking release %s --force", damaged->uuid);
	wrap_command(0, command);
}

static void print_other_version(const struct report_guest *guest)
{
	struct err text;

	if (guest->alive != REPORT_UNKNOWN)
		return;
	ledger_other_version(guest->ledger, &text);
	print_problem(text.text);
}

/* One sentence for all of a kind.  Return: how many there are */
static size_t print_leftovers(const struct status_report *report, bool leaving, const char *one,
			      const char *many)
{
	const char *first = NULL;
	size_t n = 0, i;

	for (i = 0; i < report->n_ledgers; i++) {
		const struct report_guest *guest = &report->guests[i];
		bool leaves = guest->ledger->phase == LEDGER_LEAVING;

		if (guest->alive == REPORT_UNKNOWN || leaves != leaving || !(guest->gone || leaves))
			continue;
		first = first ? first : guest->name;
		n++;
	}
	if (n)
		putchar('\n');
	if (n == 1)
		wrap_printf("guest '%s' %s", first, one);
	else if (n)
		wrap_printf("%zu guests ('%s' and others) %s", n, first, many);
	return n;
}

static void print_remedies(const struct status_report *report)
{
	size_t n, i;

	for (i = 0; i < report->n_ledgers; i++)
		print_other_version(&report->guests[i]);
	n = print_leftovers(report, true, "has stopped; some of what it held is still in use",
			    "have stopped; some of what they held is still in use");
	n += print_leftovers(report, false, "is gone, and what it held is not given back yet",
			     "are gone, and what they held is not given back yet");
	if (n)
		wrap_command(0, "virt-membacking reconcile");
}

int status_print(const struct status_report *report, struct err *err)
{
	size_t i;
	int rc = print_nodes(report, err);

	if (rc == 0)
		print_bars(report);
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
	rc = guests_print(report, err);
	if (rc < 0)
		return rc;
	if (report->hook_enabled == REPORT_NO) {
		print_problem("the qemu hook is not enabled: guests start without what is shown "
			      "here, and nothing is given back at their end");
		wrap_command(0, "virt-membacking hook enable --reload");
	}
	if (report->n_mistakes) {
		putchar('\n');
		wrap_printf("%" PRIu64 " mistake%s in the configuration", report->n_mistakes,
			    plural(report->n_mistakes));
		wrap_command(0, "virt-membacking check");
	}
	print_store_problems(report);
	print_places(report);
	print_alarms(report);
	print_refusals(&report->refusals);
	print_remedies(report);
	for (i = 0; i < report->n_damaged; i++)
		print_damaged(&report->damaged[i]);
	return 0;
}
