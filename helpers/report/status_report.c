// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The host, its stores and its ledgers, as status tells of them.
 */
#include "report/status_report.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "kernel/kfs.h"
#include "lifecycle/ledger.h"
#include "policy/host_view.h"
#include "policy/store_rules.h"
#include "policy/store_text.h"

/* NULL for "" */
static const char *or_null(const char *text)
{
	return *text ? text : NULL;
}

/* ---- nodes and pools ---- */

static void add_pool(struct status_report *report, unsigned int node, const struct size_view *size,
		     const struct pool_view *pool)
{
	report->pools[report->n_pools++] = (struct report_pool){
		.page_kib = size->page_kib,
		.node = node,
		.total = pool->pool.total,
		.free = pool->pool.free,
		.reserved = size->reserved,
		.surplus = pool->pool.surplus,
		.claimed = pool->claimed,
		.own = pool->own,
		.kept = pool->kept,
		.foreign = u64_sub_floor(hugepages_persistent(&pool->pool), pool->own),
		.idle = host_view_idle(size, pool),
	};
}

/* ZFS' cache has no node: where it could lie on several, each has its part of it, so that they
 * sum up to no more than there is */
static uint64_t arc_part(const struct host_view *host, const struct numa_node *node)
{
	uint64_t part = numa_arc(node, host_view_pooled(host, node->id)), sum = 0;
	size_t i;

	for (i = 0; i < host->numa.n_nodes; i++)
		sum = u64_add_sat(sum, numa_arc(&host->numa.nodes[i],
						host_view_pooled(host, host->numa.nodes[i].id)));
	if (sum <= host->numa.arc_kib)
		return part;
	return (uint64_t)((double)part / (double)sum * (double)host->numa.arc_kib);
}

static void add_node(struct status_report *report, const struct host_view *host,
		     const struct numa_node *from)
{
	struct report_node *node = &report->nodes[report->n_nodes++];
	size_t i;

	*node = (struct report_node){
		.id = from->id,
		.total_kib = from->total_kib,
		.free_kib = from->free_kib,
		.reclaimable_kib = u64_add_sat(from->reclaimable_kib, arc_part(host, from)),
		.pools = &report->pools[report->n_pools],
	};
	for (i = 0; i < host->n_sizes; i++) {
		const struct size_view *size = &host->sizes[i];
		const struct pool_view *pool = host_view_pool(host, size->page_kib, from->id);

		if (pool)
			add_pool(report, from->id, size, pool);
	}
	node->n_pools = (size_t)(&report->pools[report->n_pools] - node->pools);
}

static int add_nodes(struct status_report *report, const struct host_view *host)
{
	size_t i;

	report->nodes = calloc(host->numa.n_nodes + 1, sizeof(*report->nodes));
	report->pools = calloc(host->numa.n_nodes * host->n_sizes + 1, sizeof(*report->pools));
	report->reservations = calloc(host->n_sizes + 1, sizeof(*report->reservations));
	if (!report->nodes || !report->pools || !report->reservations)
		return -ENOMEM;
	for (i = 0; i < host->numa.n_nodes; i++)
		add_node(report, host, &host->numa.nodes[i]);
	for (i = 0; i < host->n_sizes; i++)
		report->reservations[report->n_reservations++] = (struct report_reservation){
			.page_kib = host->sizes[i].page_kib,
			.pages = host->sizes[i].reserved,
		};
	return 0;
}

/* ---- stores ---- */

/* The state of a store that is not mounted yet is that of what lies below it: only the configured
 * size is shown */
static void add_state(struct report_store *store, const struct store_view *view)
{
	const struct store_state *state = &view->state;

	if (view->configured && !state->mountpoint) {
		store->planned_kib = store_capacity(view) == UINT64_MAX ? 0 : store_capacity(view);
		return;
	}
	store->fstype = or_null(state->mount.fstype);
	store->source = or_null(state->mount.source);
	store->capacity_kib = state->capacity_kib;
	store->used_kib = u64_sub_floor(state->capacity_kib, state->free_kib);
	store->available_kib = state->available_kib;
	store->keep_free_kib = store_keep_free(view);
}

static void add_store(struct report_store *store, const struct store_view *view)
{
	*store = (struct report_store){
		.name = store_text_name(view),
		.path = view->config.path,
		.configured = view->configured,
		.in_use = view->in_use,
		.mounted = store_is_mounted(view),
		.shown = view->configured || view->n_promises,
		.promised_kib = store_promised(view),
		.outstanding_kib = store_outstanding(view, NULL),
		.n_promises = view->n_promises,
		.promises = view->promises,
	};
	add_state(store, view);
	if (store_problem(view, &store->problem_text) < 0)
		store->problem = store->problem_text.text;
}

static int add_stores(struct status_report *report, const struct host_view *host)
{
	const struct store_view *chosen;
	size_t i;

	report->stores = calloc(host->n_stores + 1, sizeof(*report->stores));
	if (!report->stores)
		return -ENOMEM;
	for (i = 0; i < host->n_stores; i++)
		add_store(&report->stores[report->n_stores++], &host->stores[i]);
	if (!host->n_stores || !host->stores[0].configured ||
	    store_choose(host, "", &chosen, &report->store_missing) == 0)
		report->store_missing.text[0] = '\0';
	return 0;
}

/* ---- settings of the whole host ---- */

static int add_settings(struct status_report *report, const struct kfs *kfs, struct err *err)
{
	struct thp *thp = &report->thp_words;
	struct ksm ksm;
	int rc = ksm_read(kfs, &ksm, err);

	if (rc < 0 && rc != -ENOENT)
		return rc;
	if (rc == 0)
		report->ksm = (struct report_ksm){ true, ksm.run, ksm.saved_kib };
	rc = thp_read(kfs, thp, err);
	if (rc == 0)
		report->thp = (struct report_thp){
			.present = true,
			.enabled = or_null(thp->enabled),
			.defrag = or_null(thp->defrag),
			.shmem_enabled = or_null(thp->shmem_enabled),
		};
	return rc == -ENOENT ? 0 : rc;
}

/* ---- ledgers ---- */

static int add_ledgers(struct status_report *report, const struct ledgers *ledgers)
{
	size_t i;

	report->n_ledgers = ledgers->n;
	for (i = 0; i < ledgers->n; i++)
		report->n_waiting += !ledgers->list[i]->alive;
	report->damaged = calloc(ledgers->n_damaged + 1, sizeof(*report->damaged));
	if (!report->damaged)
		return -ENOMEM;
	for (i = 0; i < ledgers->n_damaged; i++)
		report->damaged[report->n_damaged++] = (struct report_damaged){
			ledgers->damaged[i].uuid,
			ledgers->damaged[i].why.text,
		};
	return 0;
}

/* ---- all of it ---- */

static void count_mistake(const struct config_problem *problem, void *data)
{
	(void)problem;
	++*(uint64_t *)data;
}

static int read_all(struct status_report *report, struct err *err)
{
	struct err why;
	int rc = session_read_most(&report->session, &why, err);

	if (rc == 0 && !report->session.host.stores_read)
		log_warning("stores are not shown: %s", why.text);
	return rc;
}

/* Another user's /proc/PID/numa_maps is closed to us, and so are its files */
static void warn_without_root(const struct session *session)
{
	if (session->ledgers.n)
		log_warning("without root it can't be seen what guests have taken: "
			    "\"claimed\" may be too high and \"idle\" too low");
	if (session->host.qemu_conf.memory_backing_unreadable)
		log_warning("without root /%s can't be read: libvirt's memory_backing_dir may be "
			    "another one than shown",
			    QEMU_CONF_FILE);
}

int status_report_read(const struct kfs *kfs, bool captured, struct status_report *report,
		       struct err *err)
{
	const struct session *session = &report->session;
	int rc;

	*report = (struct status_report){ .hook_enabled = REPORT_UNKNOWN };
	rc = session_open_with_stores(&report->session, kfs, SESSION_READ, err);
	if (rc == 0)
		rc = read_all(report, err);
	if (rc < 0)
		return rc;
	config_for_each_problem(session->config, count_mistake, &report->n_mistakes);
	refusals_read(kfs, &report->refusals);
	report->arc_kib = session->host.numa.arc_kib;
	if (add_nodes(report, &session->host) < 0 || add_stores(report, &session->host) < 0 ||
	    add_ledgers(report, &session->ledgers) < 0)
		return err_nomem(err);
	rc = add_settings(report, kfs, err);
	if (rc == 0)
		overcommit_ask(session, false, &report->pager);
	if (rc == 0)
		rc = status_report_guests(report, err);
	if (rc == 0 && !captured && geteuid() != 0)
		warn_without_root(session);
	return rc;
}

void status_report_close(struct status_report *report)
{
	free(report->nodes);
	free(report->pools);
	free(report->reservations);
	free(report->stores);
	free(report->guests);
	free(report->damaged);
	overcommit_answer_free(&report->pager);
	session_close(&report->session);
}
