// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * status for people, in 80 columns.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/err.h"
#include "base/text.h"
#include "lifecycle/ledger.h"
#include "policy/host_view.h"
#include "policy/store_place.h"
#include "policy/store_rules.h"
#include "report/status.h"
#include "report/step_text.h"
#include "report/store_text.h"
#include "terminal/table.h"
#include "terminal/term.h"
#include "terminal/wrap.h"

/* ---- nodes and pools ---- */

enum { NODE, TOTAL, FREE, RESERVED, CLAIMED, IDLE, OURS, IN_USE, NODE_COLUMNS };

static const struct table_column node_columns[] = {
	[NODE] = { "NODE", TABLE_TREE },	[TOTAL] = { "TOTAL", TABLE_RIGHT },
	[FREE] = { "FREE", TABLE_RIGHT },	[RESERVED] = { "RESERVED", TABLE_RIGHT },
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
		     const struct size_view *size, const struct pool_view *pool)
{
	struct libscols_line *row = table_row(table, parent);
	char kib[TEXT_KIB_SIZE];

	table_cell(table, row, NODE, "%s", text_from_kib(size->page_kib, kib));
	pages_cell(table, row, TOTAL, pool->pool.total, size->page_kib);
	table_cell(table, row, FREE, "%" PRIu64, pool->pool.free);
	table_cell(table, row, RESERVED, "%" PRIu64, size->reserved);
	table_cell(table, row, CLAIMED, "%" PRIu64, pool->claimed);
	table_cell(table, row, IDLE, "%" PRIu64, host_view_idle(size, pool));
	table_cell(table, row, OURS, "%" PRIu64, pool->own);
	bar_cell(table, row, IN_USE, pool->pool.total, pool->pool.free);
}

static void add_node(struct table *table, const struct host_view *host,
		     const struct numa_node *node)
{
	struct libscols_line *row = table_row(table, NULL);
	char kib[TEXT_KIB_SIZE];
	size_t i;

	table_cell(table, row, NODE, "node %u", node->id);
	table_cell(table, row, TOTAL, "%s", text_from_kib(node->total_kib, kib));
	table_cell(table, row, FREE, "%s", text_from_kib(node->free_kib, kib));
	bar_cell(table, row, IN_USE, node->total_kib, node->free_kib);
	for (i = 0; i < host->n_sizes; i++) {
		const struct pool_view *pool =
			host_view_pool(host, host->sizes[i].page_kib, node->id);

		if (pool)
			add_pool(table, row, &host->sizes[i], pool);
	}
}

static int print_nodes(const struct host_view *host, struct err *err)
{
	struct table table;
	size_t i;

	table_begin(&table, node_columns, NODE_COLUMNS);
	for (i = 0; i < host->numa.n_nodes; i++)
		add_node(&table, host, &host->numa.nodes[i]);
	return table_end(&table, err);
}

/* ---- stores ---- */

enum { STORE, PATH, TYPE, SIZE, AVAILABLE, PROMISED, STORE_COLUMNS };

static const struct table_column store_columns[] = {
	[STORE] = { "STORE", TABLE_PLAIN },	    [PATH] = { "PATH", TABLE_PLAIN },
	[TYPE] = { "TYPE", TABLE_PLAIN },	    [SIZE] = { "SIZE", TABLE_RIGHT },
	[AVAILABLE] = { "AVAILABLE", TABLE_RIGHT }, [PROMISED] = { "PROMISED", TABLE_RIGHT },
};

/* A host without file-backed guests is spared what libvirt would do with some */
static bool is_shown(const struct store_view *store)
{
	return store->configured || store->n_promises;
}

static void add_store(struct table *table, const struct store_view *store)
{
	struct libscols_line *row = table_row(table, NULL);
	const struct store_state *state = &store->state;
	bool mounted = state->mountpoint || !store->configured;
	char kib[TEXT_KIB_SIZE];

	table_cell(table, row, STORE, "%s", store_text_name(store));
	table_cell(table, row, PATH, "%s", store->config.path);
	table_cell(table, row, TYPE, "%s", mounted ? state->mount.fstype : "not mounted");
	if (mounted && state->capacity_kib) {
		table_cell(table, row, SIZE, "%s", text_from_kib(state->capacity_kib, kib));
		table_cell(table, row, AVAILABLE, "%s", text_from_kib(state->available_kib, kib));
	}
	table_cell(table, row, PROMISED, "%s", text_from_kib(store_promised(store), kib));
}

static int print_stores(const struct host_view *host, struct err *err)
{
	struct table table;
	size_t shown = 0, i;

	table_begin(&table, store_columns, STORE_COLUMNS);
	for (i = 0; i < host->n_stores; i++) {
		if (is_shown(&host->stores[i])) {
			add_store(&table, &host->stores[i]);
			shown++;
		}
	}
	if (!shown)
		return table_drop(&table, err);
	putchar('\n');
	return table_end(&table, err);
}

/* ---- settings of the whole host ---- */

static void print_ksm(const struct status *status)
{
	static const char *const words[] = { "stopped", "running", "taking apart what it merged" };
	int64_t saved = status->ksm.saved_kib;
	char kib[TEXT_KIB_SIZE];

	if (!status->has_ksm) {
		printf("KSM: not in this kernel\n");
		return;
	}
	printf("KSM: %s", status->ksm.run < 3 ? words[status->ksm.run] : "in an unknown state");
	if (saved > 0)
		printf(", saves %s", text_from_kib((uint64_t)saved, kib));
	else if (saved < 0)
		printf(", costs %s more than it saves", text_from_kib((uint64_t)-saved, kib));
	putchar('\n');
}

/* What looks used, and is free for guests */
static void print_zfs(const struct host_view *host)
{
	char kib[TEXT_KIB_SIZE];

	if (host->numa.arc_kib)
		printf("ZFS: could give back %s of its cache (ARC)\n",
		       text_from_kib(host->numa.arc_kib, kib));
}

static void print_thp(const struct status *status)
{
	const struct thp *thp = &status->thp;

	if (!status->has_thp) {
		printf("THP: not in this kernel\n");
		return;
	}
	printf("THP: %s", thp->enabled);
	if (*thp->defrag)
		printf(", defrag %s", thp->defrag);
	if (*thp->shmem_enabled)
		printf(", for shared memory %s", thp->shmem_enabled);
	putchar('\n');
}

/* ---- guests ---- */

enum { GUEST, PHASE, HOLDS, GUEST_COLUMNS };

static const struct table_column guest_columns[] = {
	[GUEST] = { "GUEST", TABLE_PLAIN },
	[PHASE] = { "PHASE", TABLE_PLAIN },
	[HOLDS] = { "HOLDS", TABLE_LINES },
};

static void phase_cell(struct table *table, struct libscols_line *row, const struct ledger *ledger)
{
	if (ledger->foreign_version)
		table_cell(table, row, PHASE, "unknown");
	else if (ledger->alive || ledger->phase == LEDGER_LEAVING)
		table_cell(table, row, PHASE, "%s", ledger_phase_name(ledger->phase));
	else
		table_cell(table, row, PHASE, "%s, gone", ledger_phase_name(ledger->phase));
	if (ledger->foreign_version || !ledger->alive)
		table_colour(table, row, PHASE, TERM_YELLOW);
}

/* A row for each step, the first of them with the guest's name */
static void add_guest(struct table *table, const struct ledger *ledger)
{
	struct libscols_line *row = table_row(table, NULL);
	char text[4096];
	size_t i;

	table_cell(table, row, GUEST, "%s", ledger->name);
	phase_cell(table, row, ledger);
	if (!ledger->list.n)
		table_cell(table, row, HOLDS, ledger->foreign_version ? "unknown" : "nothing");
	for (i = 0; i < ledger->list.n; i++) {
		if (i)
			row = table_row(table, NULL);
		table_cell(table, row, HOLDS, "%s",
			   step_text(&ledger->list.steps[i], text, sizeof(text)));
	}
}

static int print_guests(const struct ledgers *ledgers, struct err *err)
{
	struct table table;
	size_t i;

	if (!ledgers->n) {
		printf("No guest holds anything.\n");
		return 0;
	}
	table_begin(&table, guest_columns, GUEST_COLUMNS);
	for (i = 0; i < ledgers->n; i++)
		add_guest(&table, ledgers->list[i]);
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

static void kib_cell(struct table *table, struct libscols_line *row, size_t column, bool known,
		     uint64_t value)
{
	char kib[TEXT_KIB_SIZE];

	if (!known || !value)
		table_cell(table, row, column, known ? "0" : "-");
	else
		table_cell(table, row, column, "%s", text_from_kib(value, kib));
}

static void ksm_cell(struct table *table, struct libscols_line *row,
		     const struct status_guest *guest)
{
	int64_t saved = guest->has_saved ? guest->saved_kib : 0;
	char kib[TEXT_KIB_SIZE];

	if (saved > 0)
		table_cell(table, row, KSM, "saves %s", text_from_kib((uint64_t)saved, kib));
	else if (guest->gain != KSM_GAINS)
		table_cell(table, row, KSM, "no: %s", ksm_rules_word(guest->gain));
	else if (saved < 0)
		table_cell(table, row, KSM, "costs %s", text_from_kib((uint64_t)-saved, kib));
	else
		table_cell(table, row, KSM, guest->has_saved ? "saves nothing" : "-");
}

/* Is anything known of the guest's memory? */
static bool has_memory(const struct status_guest *guest)
{
	bool alive = !guest->ledger || guest->ledger->alive;

	return guest->has_thp || guest->has_saved || (alive && guest->gain != KSM_GAINS);
}

static size_t add_memory(struct table *table, const struct status *status)
{
	size_t shown = 0, i;

	for (i = 0; i < status->n_guests; i++) {
		const struct status_guest *guest = &status->guests[i];
		struct libscols_line *row;

		if (!has_memory(guest))
			continue;
		row = table_row(table, NULL);
		table_cell(table, row, NAME, "%s", guest->name);
		kib_cell(table, row, RESIDENT, guest->has_thp, guest->thp.resident_kib);
		kib_cell(table, row, ANON, guest->has_thp, guest->thp.anon_kib);
		kib_cell(table, row, SHMEM, guest->has_thp, guest->thp.shmem_kib);
		ksm_cell(table, row, guest);
		shown++;
	}
	return shown;
}

/* Each reason once, however many guests have it */
static void explain_words(const struct status *status)
{
	bool seen[KSM_GAIN_KINDS] = { false };
	const char *gap = "\n";
	unsigned int gain;
	size_t i;

	for (i = 0; i < status->n_guests; i++)
		if (has_memory(&status->guests[i]))
			seen[status->guests[i].gain] = true;
	for (gain = KSM_GAINS + 1; gain < KSM_GAIN_KINDS; gain++) {
		if (!seen[gain])
			continue;
		printf("%s%s: %s\n", gap, ksm_rules_word((enum ksm_gain)gain),
		       ksm_rules_why((enum ksm_gain)gain));
		gap = "";
	}
}

static int print_memory(const struct status *status, struct err *err)
{
	struct table table;
	int rc;

	table_begin(&table, memory_columns, MEMORY_COLUMNS);
	if (!add_memory(&table, status))
		return table_drop(&table, err);
	putchar('\n');
	rc = table_end(&table, err);
	explain_words(status);
	return rc;
}

/* ---- what somebody should do ---- */

static void print_problem(const char *text)
{
	putchar('\n');
	wrap_print(0, text);
}

static void print_store_problems(const struct host_view *host)
{
	const struct store_view *store;
	struct err problem;
	size_t i;

	for (i = 0; i < host->n_stores; i++)
		if (is_shown(&host->stores[i]) && host->stores[i].in_use &&
		    store_problem(&host->stores[i], &problem) < 0)
			print_problem(problem.text);
	if (host->n_stores && host->stores[0].configured &&
	    store_choose(host, "", &store, &problem) < 0)
		print_problem(problem.text);
}

/* Guests whose files are in another directory than planned */
static void print_places(const struct round *round)
{
	char text[STORE_PLACE_SIZE + GUEST_NAME_SIZE];
	size_t i, j;

	for (i = 0; i < round->ledgers.n; i++) {
		const struct ledger *ledger = round->ledgers.list[i];

		for (j = 0; ledger->alive && j < ledger->list.n; j++) {
			const struct step *step = &ledger->list.steps[j];

			if (step->kind != STEP_STORE || !*step->store.lies_in)
				continue;
			store_place_problem(&round->host, ledger->name, &step->store, text,
					    sizeof(text));
			print_problem(text);
		}
	}
}

static void print_damaged(const struct damaged_ledger *damaged)
{
	char command[128];

	putchar('\n');
	wrap_printf("%s; repair it, or give up what it holds", damaged->why.text);
	snprintf(command, sizeof(command), "virt-membacking release %s --force", damaged->uuid);
	wrap_command(0, command);
}

static void print_remedies(const struct ledgers *ledgers)
{
	struct err text;
	size_t i;

	for (i = 0; i < ledgers->n; i++) {
		const struct ledger *ledger = ledgers->list[i];

		if (ledger->foreign_version) {
			ledger_other_version(ledger, &text);
			print_problem(text.text);
		} else if (ledger->phase == LEDGER_LEAVING) {
			putchar('\n');
			wrap_printf("guest '%s' is on its way out, but some of what it held was "
				    "still in use",
				    ledger->name);
			wrap_command(0, "virt-membacking reconcile");
		} else if (!ledger->alive) {
			putchar('\n');
			wrap_printf("guest '%s' is gone, but what it held is not given back yet",
				    ledger->name);
			wrap_command(0, "virt-membacking reconcile");
		}
	}
	for (i = 0; i < ledgers->n_damaged; i++)
		print_damaged(&ledgers->damaged[i]);
}

/* Rare, and then worth more than a column */
static void print_kept(const struct host_view *host)
{
	char kib[TEXT_KIB_SIZE];
	size_t i, j;
	bool any = false;

	for (i = 0; i < host->n_sizes; i++) {
		for (j = 0; j < host->sizes[i].n_pools; j++) {
			const struct pool_view *pool = &host->sizes[i].pools[j];

			if (!pool->kept)
				continue;
			if (!any)
				putchar('\n');
			any = true;
			wrap_printf("node %u: %" PRIu64 " page%s of %s kept after release",
				    pool->pool.node, pool->kept, pool->kept == 1 ? "" : "s",
				    text_from_kib(host->sizes[i].page_kib, kib));
		}
	}
	if (any)
		wrap_command(0, "virt-membacking free");
}

int status_print(const struct status *status, struct err *err)
{
	int rc = print_nodes(&status->look.round.host, err);

	if (rc == 0)
		print_kept(&status->look.round.host);
	if (rc == 0)
		rc = print_stores(&status->look.round.host, err);
	if (rc < 0)
		return rc;
	putchar('\n');
	print_ksm(status);
	print_thp(status);
	print_zfs(&status->look.round.host);
	putchar('\n');
	rc = print_guests(&status->look.round.ledgers, err);
	if (rc == 0)
		rc = print_memory(status, err);
	if (rc < 0)
		return rc;
	if (status->hook_runs == 0) {
		print_problem("the qemu hook is not enabled: guests start without what is shown "
			      "here, and nothing is given back at their end");
		wrap_command(0, "virt-membacking hook enable --reload");
	}
	print_store_problems(&status->look.round.host);
	print_places(&status->look.round);
	print_remedies(&status->look.round.ledgers);
	return 0;
}
