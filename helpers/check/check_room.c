// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * DOC: would the guests that start with the host start now?
 *
 * For each size of huge pages, and for each node that guests are bound to: what those guests
 * ask for that don't run, and what lies idle or could be made.  All that is counted on the
 * supply side is an upper bound, so what is found is certain, until some program
 * frees memory.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/err.h"
#include "base/text.h"
#include "check/check.h"
#include "policy/plan.h"
#include "policy/refusal.h"
#include "policy/store_rules.h"
#include "policy/supply.h"

/* Stands for all nodes */
#define ANY_NODE (-1)

static uint64_t size_of(const struct check_host *host, const struct guest_memory *memory)
{
	return host_view_page_kib(host->view, memory);
}

/* Bound to this very node: others that it is bound to have no memory */
static bool is_bound(const struct check_host *host, const struct guest_memory *memory, int node)
{
	const struct numa *numa = &host->view->numa;
	size_t i;

	for (i = 0; i < numa->n_nodes; i++)
		if (nodeset_has(&memory->nodes, numa->nodes[i].id) !=
		    (numa->nodes[i].id == (unsigned int)node))
			return false;
	return memory->bind == GUEST_BIND_STRICT;
}

static uint64_t pages_of(const struct check_host *host, const struct guest *guest,
			 uint64_t page_kib, int node)
{
	uint64_t pages = 0;
	size_t i;

	for (i = 0; i < guest->n_memory; i++) {
		const struct guest_memory *memory = &guest->memory[i];

		if (memory->hugepages && size_of(host, memory) == page_kib &&
		    (node == ANY_NODE || is_bound(host, memory, node)))
			pages = u64_add_sat(pages, u64_div_up(memory->size_kib, page_kib));
	}
	return pages;
}

/* What is prepared or reserved for a guest is not seen as its own here.  What it left when it
 * died counts as given back */
static bool holds(const struct check_host *host, const char *uuid)
{
	const struct ledger *own = ledgers_find_uuid(host->ledgers, uuid);

	return own && own->alive;
}

static bool waits(const struct check_host *host, size_t index)
{
	const struct libvirt_guest *guest = &host->libvirt.guests[index];

	return guest->guest && guest->autostart && !host->runs[index] &&
	       !holds(host, guest->guest->uuid) &&
	       check_wants(host, guest->name, guest->guest->uuid);
}

static uint64_t wanted(const struct check_host *host, uint64_t page_kib, int node)
{
	uint64_t pages = 0;
	size_t i;

	for (i = 0; i < host->libvirt.n; i++)
		if (waits(host, i))
			pages = u64_add_sat(pages, pages_of(host, host->libvirt.guests[i].guest,
							    page_kib, node));
	return pages;
}

/* What nodes have: pages in the pools, and where we may grow these, all that can be made */
static struct supply_sum supply(const struct check_host *host, uint64_t page_kib, int node)
{
	struct nodeset one = { 0 };
	struct supply_sum sum;

	if (node != ANY_NODE)
		nodeset_add(&one, (unsigned int)node);
	supply_sum(host->view, page_kib, node == ANY_NODE ? NULL : &one, &sum);
	if (!config_hugepages(host->config)->manage)
		sum.make = sum.swap = 0;
	return sum;
}

/* Where we leave the pools alone the administrator fills them.  Pages of dead guests are still
 * in a pool when the administrator writes its number, and are taken off it later */
static void remedy_by_hand(const struct host_view *view, uint64_t page_kib, int node, uint64_t lack,
			   struct findings *findings)
{
	char dir[64] = "/sys/kernel/mm";
	uint64_t total = 0;
	size_t i;

	if (node != ANY_NODE)
		snprintf(dir, sizeof(dir), "/sys/devices/system/node/node%d", node);
	for (i = 0; i < view->numa.n_nodes; i++) {
		unsigned int id = view->numa.nodes[i].id;
		const struct pool_view *pool = host_view_pool(view, page_kib, id);

		if (pool && (node == ANY_NODE || id == (unsigned int)node))
			total += hugepages_persistent(&pool->pool) + pool->given_back;
	}
	finding_remedy(findings,
		       "echo %" PRIu64 " >%s/hugepages/hugepages-%" PRIu64 "kB/nr_hugepages",
		       total + lack, dir, page_kib);
}

/* Pages as large as a GiB must be kept once they are had.  Of others the picture says what is
 * in the way */
static void add_remedy(const struct check_host *host, uint64_t page_kib, int node, uint64_t lack,
		       struct findings *findings)
{
	if (!config_hugepages(host->config)->manage)
		remedy_by_hand(host->view, page_kib, node, lack, findings);
	else if (page_kib >= KIB_PER_GIB)
		finding_remedy(findings, "virt-membacking conf apply hugepages-1g");
	else
		finding_remedy(findings, "virt-membacking fragmentation");
}

/* There is enough, but only if programs make room */
static void say_swap(uint64_t page_kib, uint64_t need, const char *where, uint64_t swapped,
		     struct findings *findings)
{
	char text[TEXT_KIB_SIZE], kib[TEXT_KIB_SIZE];

	finding_add(findings, FINDING_WARN, "by-swapping",
		    "guests that start with the host want %" PRIu64 " page%s of %s%s, for which "
		    "now %s of programs' memory would have to be swapped out",
		    need, plural(need), text_from_kib(page_kib, text), where,
		    text_from_kib(u64_mul_sat(swapped, page_kib), kib));
	finding_remedy(findings, "virt-membacking fragmentation");
}

/* Return: false if there is too little */
static bool check_node(const struct check_host *host, uint64_t page_kib, int node,
		       struct findings *findings)
{
	uint64_t need = wanted(host, page_kib, node), have;
	char text[TEXT_KIB_SIZE], where[32] = "";
	struct supply_sum sum;

	if (!need)
		return true;
	sum = supply(host, page_kib, node);
	have = sum.idle + sum.make + sum.swap;
	if (sum.idle + sum.make >= need)
		return true;
	if (node != ANY_NODE)
		snprintf(where, sizeof(where), " on node %d", node);
	if (have >= need) {
		say_swap(page_kib, need, where, need - sum.idle - sum.make, findings);
		return false;
	}
	finding_add(findings, FINDING_WARN, "autostart",
		    "guests that start with the host want %" PRIu64 " page%s of %s%s, and at most "
		    "%" PRIu64 " can be provided now, %s: some of them would be refused",
		    need, plural(need), text_from_kib(page_kib, text), where, have,
		    config_hugepages(host->config)->manage ?
			    "with all that can be made free" :
			    "since [hugepages] manage = no leaves the pools as they are");
	add_remedy(host, page_kib, node, need - have, findings);
	return false;
}

static void check_size(const struct check_host *host, uint64_t page_kib, struct findings *findings)
{
	bool enough = true;
	size_t i;

	for (i = 0; i < host->view->numa.n_nodes; i++)
		if (!check_node(host, page_kib, (int)host->view->numa.nodes[i].id, findings))
			enough = false;
	if (enough)
		check_node(host, page_kib, ANY_NODE, findings);
}

/* As its start would be decided now.  Return: 0 with @err empty if nothing is in its way, or with
 * a doubt; or what plan_make() says */
static int try_start(const struct check_host *host, const struct guest *guest, struct err *err)
{
	struct guest_policy policy;
	struct plan plan = { 0 };
	struct err problem;
	int rc;

	err->text[0] = '\0';
	/* check_config() reports mistakes in the configuration */
	if (config_for_guest(host->config, guest, &policy, &problem) < 0)
		return 0;
	rc = host->view->stores_read ? plan_make(guest, host->view, &policy, &plan, err) :
				       plan_make_pages(guest, host->view, &policy, &plan, err);
	if (rc == 0 && plan.doubtful)
		err_set(err, ENOSPC, "guest '%s': %s", guest->name, plan_doubt(&plan));
	plan_free(&plan);
	return rc;
}

/* Its store is too small whatever lies in it: check_guests() says so */
static bool is_too_large(const struct check_host *host, const struct guest *guest)
{
	const struct store_view *store = store_in_use(host->view);

	return guest_file_kib(guest) && store && guest_file_kib(guest) > store_most(store);
}

/* Not now, as things are; of guests that start with the host all together are spoken of, too */
static void check_now(const struct check_host *host, const struct guest *guest, bool said,
		      struct findings *findings)
{
	struct err err;
	int rc = try_start(host, guest, &err);

	if (rc == -ENODEV) {
		finding_add(findings, FINDING_FAIL, "refused", "%s", err.text);
		finding_edit(findings, guest->name, guest->uuid);
	} else if (*err.text && !said && (rc == 0 || rc == -ENOSPC) && !is_too_large(host, guest)) {
		finding_add(findings, FINDING_WARN, "cannot-start",
			    "guest '%s' can't start as things are: %s", guest->name, err.text);
		finding_guest(findings, guest->name);
		finding_remedy(findings, "virt-membacking advise %s",
			       text_shell_name(guest->name, guest->uuid));
	}
}

/* @said: That there is too little for those that start with the host */
static void check_start(const struct check_host *host, size_t index, bool said,
			struct findings *findings)
{
	const struct libvirt_guest *known = &host->libvirt.guests[index];
	const struct guest *guest = known->guest;
	struct err err;
	enum refusal found;

	if (!guest || host->runs[index] || !check_wants(host, known->name, guest->uuid) ||
	    holds(host, guest->uuid))
		return;
	found = refusal_find(guest, host->view, config_hugepages(host->config)->manage, NULL, &err);
	if (found == REFUSAL_NODE) {
		finding_add(findings, FINDING_FAIL, "no-node", "%s", err.text);
		finding_edit(findings, guest->name, guest->uuid);
	} else if (found == REFUSAL_NONE || found == REFUSAL_MOUNT_YET) {
		check_now(host, guest, said && waits(host, index), findings);
	}
}

/* All that start with the host.  Return: false if there is too little for them */
static bool check_together(const struct check_host *host, struct findings *findings)
{
	size_t before = findings->n, i;

	for (i = 0; host->has_fragmentation && i < host->view->n_sizes; i++)
		check_size(host, host->view->sizes[i].page_kib, findings);
	return findings->n == before;
}

void check_room(const struct check_host *host, struct findings *findings)
{
	size_t before = findings->n, i;
	bool enough = check_together(host, findings);
	uint64_t pages = 0;

	for (i = 0; i < host->libvirt.n; i++)
		check_start(host, i, !enough, findings);
	for (i = 0; host->has_fragmentation && i < host->view->n_sizes; i++)
		pages = u64_add_sat(pages, wanted(host, host->view->sizes[i].page_kib, ANY_NODE));
	if (findings->n == before && pages)
		finding_add(findings, FINDING_PASS, "enough",
			    "there is room for the huge pages of all guests that start with the "
			    "host");
}
