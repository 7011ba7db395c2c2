// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * DOC: how pages are distributed
 *
 * The guest's backends are grouped by page size and binding; a group becomes a
 * step.  Groups are decided from the least to the most flexible, and of equals
 * large pages first, out of one account of what is left on each node, so that an unbound
 * backend never takes the page that a bound one needs.
 *
 * Within a group: idle pages first; then growth into free memory; only then
 * growth into memory that must be made free.  A preferred node goes through
 * idle and free before others are asked.  What exceeds even that is refused
 * here, before anything is tried.
 */
#include "policy/plan.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/text.h"
#include "policy/ksm_rules.h"
#include "policy/store_rules.h"
#include "policy/thp_rules.h"

/* What is left of one node while the plan is made */
struct account {
	unsigned int node;
	uint64_t free_kib;
	uint64_t makeable_kib; /* could be made free */
};

struct planner {
	const struct guest *guest;
	const struct host_view *host;
	const struct config_hugepages *policy;
	struct account *accounts; /* parallel to host->numa.nodes */
	uint64_t *idle;		  /* [size * n_nodes + node] */
	uint64_t *held;		  /* likewise: reserved for this guest */
	struct plan plan;
};

struct plan_needs plan_needs_host(const struct guest *guest, const struct guest_policy *policy)
{
	struct plan_needs needs = {
		.hugepages = policy->hugepages.manage && guest_asks_for_hugepages(guest),
		.store = guest_file_kib(guest),
		.ksm = ksm_rules_wanted(guest, policy),
		/* Who is to have them is told what keeps them from coming */
		.thp = policy->thp.manage,
	};

	return needs;
}

void plan_note(struct plan *plan, const char *fmt, ...)
{
	void *more = reallocarray(plan->notes, plan->n_notes + 1, PLAN_NOTE_SIZE);
	va_list ap;

	if (!more)
		return;
	plan->notes = more;
	va_start(ap, fmt);
	vsnprintf(plan->notes[plan->n_notes++], PLAN_NOTE_SIZE, fmt, ap);
	va_end(ap);
}

/* ---- groups ---- */

static int sizes_text(const struct host_view *host, char *buf, size_t size)
{
	char kib[TEXT_KIB_SIZE];
	size_t used = 0, i;

	buf[0] = '\0';
	for (i = 0; i < host->n_sizes && used < size; i++)
		used += (size_t)snprintf(buf + used, size - used, "%s%s", i ? ", " : "",
					 text_from_kib(host->sizes[i].page_kib, kib));
	return host->n_sizes ? 0 : -ENOENT;
}

/* Where somebody has said what size and which nodes */
static const char *size_remedy(const struct guest_memory *memory)
{
	switch (memory->kind) {
	case GUEST_MEMORY_PLUGGED:
		return "take such a size as --page-size";
	case GUEST_MEMORY_DIMM:
	case GUEST_MEMORY_VIRTIO_MEM:
		return "change <page size=.../> in the guest's <hugepages>, or <pagesize> in the "
		       "device's <source>";
	case GUEST_MEMORY_NVDIMM:
		return "let the <path> in the device's <source> lead to another file system";
	case GUEST_MEMORY_RAM:
	case GUEST_MEMORY_CELL:
		break;
	}
	return "change <page size=.../> in the guest's <hugepages>";
}

static const char *nodes_remedy(const struct guest_memory *memory)
{
	return memory->kind == GUEST_MEMORY_PLUGGED ?
		       "take such a node as --node" :
		       "change the nodeset in the guest's <numatune> or the device's <nodemask>";
}

static int check_size(const struct planner *p, const struct guest_memory *memory, uint64_t page_kib,
		      struct err *err)
{
	char kib[TEXT_KIB_SIZE], sizes[256];

	if (page_kib && host_view_size(p->host, page_kib))
		return 0;
	if (sizes_text(p->host, sizes, sizeof(sizes)) < 0)
		return err_set(err, ENODEV,
			       "guest '%s' (%s) asks for huge pages, but this kernel has none: "
			       "boot a kernel with hugetlb or take <hugepages/> out of the guest",
			       p->guest->name, memory->alias);
	return err_set(err, ENODEV,
		       "guest '%s' (%s) asks for huge pages of %s, but this kernel has only %s: "
		       "%s%s",
		       p->guest->name, memory->alias, text_from_kib(page_kib, kib), sizes,
		       size_remedy(memory), host_view_unit_hint(p->host, page_kib));
}

static int check_nodes(const struct planner *p, const struct guest_memory *memory, struct err *err)
{
	struct nodeset have = { 0 };
	char text[NODESET_TEXT_SIZE];
	unsigned int id;
	size_t i;

	for (i = 0; i < p->host->numa.n_nodes; i++)
		nodeset_add(&have, p->host->numa.nodes[i].id);
	for (id = 0; id < NUMA_NODES_MAX; id++)
		if (nodeset_has(&memory->nodes, id) && !nodeset_has(&have, id))
			return err_set(err, ENODEV,
				       "guest '%s' (%s) is bound to NUMA node %u, but this host "
				       "has memory on node%s %s only: %s",
				       p->guest->name, memory->alias, id,
				       nodeset_count(&have) == 1 ? "" : "s",
				       nodeset_format(&have, text), nodes_remedy(memory));
	return 0;
}

static bool same_group(const struct step_hugepages *hp, const struct guest_memory *memory,
		       uint64_t page_kib)
{
	if (hp->page_kib != page_kib || hp->bind != memory->bind)
		return false;
	return memory->bind == GUEST_BIND_ANY || nodeset_equal(&hp->nodes, &memory->nodes);
}

/* The group of a backend, new or old; NULL: out of memory */
static struct step_hugepages *find_group(struct planner *p, const struct guest_memory *memory,
					 uint64_t page_kib)
{
	struct step_list *list = &p->plan.list;
	struct step_hugepages *hp;
	struct step *more;
	size_t i;

	for (i = 0; i < list->n; i++)
		if (same_group(&list->steps[i].hugepages, memory, page_kib))
			return &list->steps[i].hugepages;
	more = reallocarray(list->steps, list->n + 1, sizeof(*more));
	if (!more)
		return NULL;
	list->steps = more;
	memset(&more[list->n], 0, sizeof(*more));
	more[list->n].kind = STEP_HUGEPAGES;
	hp = &more[list->n++].hugepages;
	hp->page_kib = page_kib;
	hp->bind = memory->bind;
	if (memory->bind != GUEST_BIND_ANY)
		hp->nodes = memory->nodes;
	hp->compact = p->policy->compact == EFFORT_AUTO;
	hp->reclaim = p->policy->reclaim == EFFORT_AUTO;
	hp->drop_caches = p->policy->drop_caches == EFFORT_AUTO;
	hp->keep = config_on_release(p->policy, page_kib) == ON_RELEASE_KEEP;
	return hp;
}

static int add_backend(struct planner *p, const struct guest_memory *memory, struct err *err)
{
	uint64_t page_kib = memory->page_kib ? memory->page_kib : p->host->default_page_kib;
	struct step_hugepages *hp;
	int rc = check_size(p, memory, page_kib, err);

	if (rc < 0)
		return rc;
	if (memory->bind != GUEST_BIND_ANY) {
		rc = check_nodes(p, memory, err);
		if (rc < 0)
			return rc;
	}
	hp = find_group(p, memory, page_kib);
	if (!hp)
		return err_set(err, ENOMEM, "out of memory");
	hp->pages = u64_add_sat(hp->pages, u64_div_up(memory->size_kib, page_kib));
	return 0;
}

/* The fewer nodes will do, the earlier it is served */
static unsigned int flexibility(const struct step_hugepages *hp)
{
	switch (hp->bind) {
	case GUEST_BIND_STRICT:
	case GUEST_BIND_INTERLEAVE:
		return nodeset_count(&hp->nodes);
	case GUEST_BIND_PREFERRED:
		return NUMA_NODES_MAX + 1;
	case GUEST_BIND_ANY:
		break;
	}
	return NUMA_NODES_MAX + 2;
}

/* The order of decisions */
static int by_flexibility(const void *a, const void *b)
{
	const struct step_hugepages *x = &((const struct step *)a)->hugepages;
	const struct step_hugepages *y = &((const struct step *)b)->hugepages;

	if (flexibility(x) != flexibility(y))
		return flexibility(x) < flexibility(y) ? -1 : 1;
	if (x->page_kib != y->page_kib)
		return x->page_kib < y->page_kib ? 1 : -1;
	if (x->bind != y->bind)
		return x->bind < y->bind ? -1 : 1;
	return memcmp(&y->nodes, &x->nodes, sizeof(x->nodes));
}

/* The order of doing: small pages break up the blocks that large ones need */
static int by_page_size(const void *a, const void *b)
{
	const struct step_hugepages *x = &((const struct step *)a)->hugepages;
	const struct step_hugepages *y = &((const struct step *)b)->hugepages;

	if (x->page_kib != y->page_kib)
		return x->page_kib < y->page_kib ? 1 : -1;
	return by_flexibility(a, b);
}

/* ---- distribution ---- */

/* Of pages of one size on one node, in the account @pages */
static uint64_t *pages_of(const struct planner *p, uint64_t *pages, uint64_t page_kib,
			  size_t node_index)
{
	size_t size = (size_t)(host_view_size(p->host, page_kib) - p->host->sizes);

	return &pages[size * p->host->numa.n_nodes + node_index];
}

static size_t node_index(const struct planner *p, unsigned int node)
{
	size_t i;

	for (i = 0; i < p->host->numa.n_nodes; i++)
		if (p->accounts[i].node == node)
			break;
	return i;
}

static uint64_t share_sum(const struct step_share *share)
{
	return share->reserved + share->want_idle + share->want_grow;
}

static uint64_t missing(const struct step_hugepages *hp)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < hp->n_shares; i++)
		sum += share_sum(&hp->shares[i]);
	return u64_sub_floor(hp->pages, sum);
}

/* What the guest has already is not asked of anybody */
static void take_held(struct planner *p, struct step_hugepages *hp, uint64_t limit)
{
	size_t i;

	for (i = 0; i < hp->n_shares; i++) {
		struct step_share *share = &hp->shares[i];
		uint64_t *held = pages_of(p, p->held, hp->page_kib, node_index(p, share->node));

		share->reserved = u64_min(u64_min(*held, missing(hp)), limit);
		*held -= share->reserved;
	}
}

/* Takes idle pages of the shares [from, to), at most @limit in sum on each */
static void take_idle(struct planner *p, struct step_hugepages *hp, size_t from, size_t to,
		      uint64_t limit)
{
	size_t i;

	for (i = from; i < to; i++) {
		struct step_share *share = &hp->shares[i];
		uint64_t *idle = pages_of(p, p->idle, hp->page_kib, node_index(p, share->node));
		uint64_t n = u64_min(u64_min(*idle, missing(hp)),
				     u64_sub_floor(limit, share_sum(share)));

		share->want_idle += n;
		*idle -= n;
	}
}

enum growth { INTO_FREE, INTO_MAKEABLE };

static void take_growth(struct planner *p, struct step_hugepages *hp, size_t from, size_t to,
			uint64_t limit, enum growth growth)
{
	size_t i;

	for (i = from; i < to; i++) {
		struct step_share *share = &hp->shares[i];
		struct account *account = &p->accounts[node_index(p, share->node)];
		uint64_t room = growth == INTO_FREE ? account->free_kib : account->makeable_kib;
		uint64_t n = u64_min(u64_min(room / hp->page_kib, missing(hp)),
				     u64_sub_floor(limit, share_sum(share)));

		share->want_grow += n;
		account->free_kib = u64_sub_floor(account->free_kib, n * hp->page_kib);
		account->makeable_kib = u64_sub_floor(account->makeable_kib, n * hp->page_kib);
	}
}

static bool is_preferred(const struct step_hugepages *hp, unsigned int node)
{
	return hp->bind != GUEST_BIND_ANY && nodeset_has(&hp->nodes, node);
}

/* Preferred nodes first, then the emptiest: pages come easiest from there */
static bool goes_before(const struct planner *p, const struct step_hugepages *hp, size_t a,
			size_t b)
{
	bool pa = is_preferred(hp, p->accounts[a].node), pb = is_preferred(hp, p->accounts[b].node);

	if (pa != pb)
		return pa;
	return p->accounts[a].free_kib > p->accounts[b].free_kib;
}

/* Nodes that may serve the group, in order of preference */
static int make_shares(struct planner *p, struct step_hugepages *hp, struct err *err)
{
	bool anywhere = hp->bind == GUEST_BIND_ANY || hp->bind == GUEST_BIND_PREFERRED;
	size_t n_nodes = p->host->numa.n_nodes, i, j;
	cleanup_free size_t *order = calloc(n_nodes, sizeof(*order));
	size_t n = 0;

	hp->shares = calloc(n_nodes, sizeof(*hp->shares));
	if (!order || !hp->shares)
		return err_set(err, ENOMEM, "out of memory");
	for (i = 0; i < n_nodes; i++) {
		unsigned int node = p->accounts[i].node;

		if (!host_view_pool(p->host, hp->page_kib, node))
			continue;
		if (!anywhere && !nodeset_has(&hp->nodes, node))
			continue;
		for (j = n++; j > 0 && goes_before(p, hp, i, order[j - 1]); j--)
			order[j] = order[j - 1];
		order[j] = i;
	}
	for (i = 0; i < n; i++)
		hp->shares[i].node = p->accounts[order[i]].node;
	hp->n_shares = n;
	return 0;
}

/* A node that was added after boot, or whose memory is all movable */
static int refuse_without_pool(const struct planner *p, const struct step_hugepages *hp,
			       struct err *err)
{
	char nodes[NODESET_TEXT_SIZE], kib[TEXT_KIB_SIZE];

	return err_set(
		err, ENODEV,
		"guest '%s' needs huge pages of %s on node %s, where the kernel has no pool of "
		"that size: bind the guest to other nodes in <numatune>",
		p->guest->name, text_from_kib(hp->page_kib, kib),
		hp->bind == GUEST_BIND_ANY ? "any" : nodeset_format(&hp->nodes, nodes));
}

/* What a group's nodes have between them */
struct room {
	struct nodeset nodes;
	uint64_t idle, grow, held_back; /* pages */
	uint64_t free_kib, reclaimable_kib, swappable_kib;
};

static void sum_up(const struct planner *p, const struct step_hugepages *hp, struct room *room)
{
	size_t i;

	*room = (struct room){ 0 };
	for (i = 0; i < hp->n_shares; i++) {
		const struct step_share *share = &hp->shares[i];
		const struct numa_node *node = numa_find(&p->host->numa, share->node);
		const struct pool_view *pool = host_view_pool(p->host, hp->page_kib, share->node);

		nodeset_add(&room->nodes, share->node);
		room->idle += share->want_idle;
		room->grow += share->want_grow;
		room->held_back +=
			u64_sub_floor(pool->pool.free, share->reserved + share->want_idle);
		room->free_kib += node->free_kib + node->percpu_kib;
		room->reclaimable_kib += node->reclaimable_kib;
		room->swappable_kib += node->swappable_kib;
	}
	room->swappable_kib = u64_min(room->swappable_kib, p->host->numa.swap_free_kib);
}

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

/* The sentence for a shortage: what was asked, what there is, where, what helps */
static int refuse(const struct planner *p, const struct step_hugepages *hp, uint64_t short_by,
		  struct err *err)
{
	char nodes[NODESET_TEXT_SIZE], kib[TEXT_KIB_SIZE], held[96] = "", swap[64] = "";
	struct room room;

	sum_up(p, hp, &room);
	if (room.held_back)
		snprintf(held, sizeof(held), " (%llu more %s promised to others or kept free)",
			 (unsigned long long)room.held_back, room.held_back == 1 ? "is" : "are");
	if (room.swappable_kib)
		snprintf(swap, sizeof(swap), ", %llu MiB that could be swapped out",
			 (unsigned long long)(room.swappable_kib / KIB_PER_MIB));
	return err_set(
		err, ENOSPC,
		"guest '%s' needs %llu huge page%s of %s (%llu MiB) on node%s %s, which is %llu more "
		"than there can be: %llu free page%s may be used%s, and %llu could be made there from "
		"%llu MiB free and %llu MiB reclaimable memory%s; stop another guest or program, "
		"make this guest smaller%s",
		p->guest->name, (unsigned long long)hp->pages, plural(hp->pages),
		text_from_kib(hp->page_kib, kib),
		(unsigned long long)(u64_mul_sat(hp->pages, hp->page_kib) / KIB_PER_MIB),
		plural(nodeset_count(&room.nodes)), nodeset_format(&room.nodes, nodes),
		(unsigned long long)short_by, (unsigned long long)room.idle, plural(room.idle),
		held, (unsigned long long)room.grow,
		(unsigned long long)(room.free_kib / KIB_PER_MIB),
		(unsigned long long)(room.reclaimable_kib / KIB_PER_MIB), swap,
		hp->n_shares < p->host->numa.n_nodes ? " or bind it to other nodes in <numatune>" :
						       " or add memory to the host");
}

/* Drops the shares that get nothing */
static void drop_empty_shares(struct step_hugepages *hp)
{
	size_t i, n = 0;

	for (i = 0; i < hp->n_shares; i++)
		if (share_sum(&hp->shares[i]))
			hp->shares[n++] = hp->shares[i];
	hp->n_shares = n;
}

static int distribute(struct planner *p, struct step_hugepages *hp, struct err *err)
{
	size_t preferred = 0, n;
	uint64_t even;
	int rc = make_shares(p, hp, err);

	if (rc < 0)
		return rc;
	n = hp->n_shares;
	if (!n)
		return refuse_without_pool(p, hp, err);
	while (preferred < n && is_preferred(hp, hp->shares[preferred].node))
		preferred++;
	even = u64_div_up(hp->pages, n);
	take_held(p, hp, hp->bind == GUEST_BIND_INTERLEAVE ? even : UINT64_MAX);
	if (hp->bind == GUEST_BIND_INTERLEAVE) {
		take_idle(p, hp, 0, n, even);
		take_growth(p, hp, 0, n, even, INTO_FREE);
		take_growth(p, hp, 0, n, even, INTO_MAKEABLE);
	}
	take_idle(p, hp, 0, preferred, UINT64_MAX);
	take_growth(p, hp, 0, preferred, UINT64_MAX, INTO_FREE);
	take_idle(p, hp, preferred, n, UINT64_MAX);
	take_growth(p, hp, preferred, n, UINT64_MAX, INTO_FREE);
	take_growth(p, hp, 0, n, UINT64_MAX, INTO_MAKEABLE);
	if (missing(hp))
		return refuse(p, hp, missing(hp), err);
	/* An unbound guest may be served by any node if the chosen one fails */
	if (hp->bind == GUEST_BIND_STRICT && n == 1)
		drop_empty_shares(hp);
	return 0;
}

/* ---- the whole ---- */

static int open_accounts(struct planner *p, struct err *err)
{
	const struct numa *numa = &p->host->numa;
	size_t i, j;

	p->accounts = calloc(numa->n_nodes + 1, sizeof(*p->accounts));
	p->idle = calloc(p->host->n_sizes * numa->n_nodes + 1, sizeof(*p->idle));
	p->held = calloc(p->host->n_sizes * numa->n_nodes + 1, sizeof(*p->held));
	if (!p->accounts || !p->idle || !p->held)
		return err_set(err, ENOMEM, "out of memory");
	for (i = 0; i < numa->n_nodes; i++) {
		const struct numa_node *node = &numa->nodes[i];

		p->accounts[i].node = node->id;
		p->accounts[i].free_kib = node->free_kib;
		p->accounts[i].makeable_kib = node->free_kib + node->percpu_kib +
					      node->reclaimable_kib +
					      u64_min(node->swappable_kib, numa->swap_free_kib);
	}
	for (i = 0; i < p->host->n_sizes; i++) {
		const struct size_view *size = &p->host->sizes[i];
		uint64_t keep = config_keep_free(p->policy, size->page_kib);

		for (j = 0; j < size->n_pools; j++) {
			const struct pool_view *pool = &size->pools[j];
			size_t node = node_index(p, pool->pool.node);

			*pages_of(p, p->held, size->page_kib, node) = pool->held;
			if (p->policy->use_idle)
				*pages_of(p, p->idle, size->page_kib, node) =
					u64_sub_floor(host_view_lendable(size, pool), keep);
		}
	}
	return 0;
}

static int make_steps(struct planner *p, struct err *err)
{
	struct step_list *list = &p->plan.list;
	size_t i;
	int rc;

	for (i = 0; i < p->guest->n_memory; i++) {
		if (!p->guest->memory[i].hugepages)
			continue;
		rc = add_backend(p, &p->guest->memory[i], err);
		if (rc < 0)
			return rc;
	}
	qsort(list->steps, list->n, sizeof(*list->steps), by_flexibility);
	for (i = 0; i < list->n; i++) {
		rc = distribute(p, &list->steps[i].hugepages, err);
		if (rc < 0)
			return rc;
	}
	qsort(list->steps, list->n, sizeof(*list->steps), by_page_size);
	if (p->guest->auto_placement)
		plan_note(
			&p->plan,
			"placement='auto': libvirt picks the node after this hook has run, so "
			"pages are reserved on any node and may lie on another one than the guest");
	return 0;
}

/* ---- files ---- */

/* What the host's memory has left for a store in it, once this guest has its huge
 * pages */
static uint64_t ram_left(const struct planner *p)
{
	uint64_t kib = store_ram(p->host);
	size_t i, j;

	for (i = 0; i < p->plan.list.n; i++) {
		const struct step *step = &p->plan.list.steps[i];

		for (j = 0; step->kind == STEP_HUGEPAGES && j < step->hugepages.n_shares; j++)
			kib = u64_sub_floor(kib, u64_mul_sat(step->hugepages.shares[j].want_grow,
							     step->hugepages.page_kib));
	}
	return kib;
}

/* First in the list: it is refused at once if at all, and done without letting go of
 * the host lock */
static int put_first(struct step_list *list, const struct step *step)
{
	struct step *more = reallocarray(list->steps, list->n + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	memmove(more + 1, more, list->n * sizeof(*more));
	more[0] = *step;
	list->steps = more;
	list->n++;
	return 0;
}

static int add_store(struct planner *p, const char *wanted, struct err *err)
{
	struct step step = { .kind = STEP_STORE };
	const struct store_view *store;
	int rc = store_choose(p->host, wanted, &store, err);

	if (rc < 0)
		return err_prefix(err, rc, "guest '%s'", p->guest->name);
	store_step_fill(p->guest, store, p->host, &step.store);
	if (step.store.mount) {
		plan_note(
			&p->plan,
			"store '%s' is not mounted yet: whether the guest fits is found out after "
			"mounting it",
			step.store.store);
	} else {
		rc = store_verify(store, err);
		if (rc < 0)
			return err_prefix(err, rc, "guest '%s'", p->guest->name);
		rc = store_admit(store, p->host, ram_left(p), p->guest->name, step.store.size_kib,
				 err);
	}
	if (rc == 0 && put_first(&p->plan.list, &step) < 0)
		rc = err_set(err, ENOMEM, "out of memory");
	return rc;
}

/* ---- settings that guests hold together ---- */

/* Last in the list: should the others fail, the host's settings were never touched */
static int put_last(struct planner *p, const struct step *step, struct err *err)
{
	struct step_list *list = &p->plan.list;
	struct step *more = reallocarray(list->steps, list->n + 1, sizeof(*more));

	if (!more)
		return err_set(err, ENOMEM, "out of memory");
	more[list->n++] = *step;
	list->steps = more;
	return 0;
}

static int add_ksm(struct planner *p, const struct guest_policy *policy, struct err *err)
{
	struct step step = { .kind = STEP_KSM };

	if (!p->host->has_ksm)
		return 0;
	ksm_rules_fill(p->guest, policy, &step.ksm);
	return put_last(p, &step, err);
}

static int add_thp(struct planner *p, const struct guest_policy *policy, struct err *err)
{
	const struct step_list *list = &p->plan.list;
	const struct step_store *store =
		list->n && list->steps[0].kind == STEP_STORE ? &list->steps[0].store : NULL;
	bool tmpfs = store && thp_rules_in_tmpfs(p->host, store);
	struct step step = { .kind = STEP_THP };
	char why[PLAN_NOTE_SIZE];

	if (!p->host->thp.present)
		return 0;
	if (thp_rules_obstacle(p->guest, p->host, store, policy->thp.manage ? &policy->thp : NULL,
			       why, sizeof(why)))
		plan_note(&p->plan, "%s", why);
	if (!thp_rules_wanted(p->guest, policy, tmpfs))
		return 0;
	thp_rules_fill(p->guest, policy, tmpfs, &step.thp);
	return put_last(p, &step, err);
}

static int make(const struct guest *guest, const struct host_view *host,
		const struct guest_policy *policy, struct plan_needs needs, struct plan *plan,
		struct err *err)
{
	struct planner p = { .guest = guest, .host = host, .policy = &policy->hugepages };
	int rc = 0;

	if (needs.hugepages) {
		rc = open_accounts(&p, err);
		if (rc == 0)
			rc = make_steps(&p, err);
	}
	if (rc == 0 && needs.store)
		rc = add_store(&p, policy->store, err);
	if (rc == 0 && needs.ksm)
		rc = add_ksm(&p, policy, err);
	/* A store may be a tmpfs: its guest is told, too */
	if (rc == 0 && (needs.thp || needs.store))
		rc = add_thp(&p, policy, err);
	p.plan.ksm = ksm_rules_gain(guest, policy->ksm_allowed);
	free(p.accounts);
	free(p.idle);
	free(p.held);
	if (rc < 0) {
		plan_free(&p.plan);
		return rc;
	}
	*plan = p.plan;
	return 0;
}

int plan_make(const struct guest *guest, const struct host_view *host,
	      const struct guest_policy *policy, struct plan *plan, struct err *err)
{
	return make(guest, host, policy, plan_needs_host(guest, policy), plan, err);
}

int plan_make_pages(const struct guest *guest, const struct host_view *host,
		    const struct guest_policy *policy, struct plan *plan, struct err *err)
{
	struct plan_needs pages = { .hugepages = plan_needs_host(guest, policy).hugepages };

	return make(guest, host, policy, pages, plan, err);
}

void plan_free(struct plan *plan)
{
	size_t i;

	for (i = 0; i < plan->list.n; i++)
		if (plan->list.steps[i].kind == STEP_HUGEPAGES)
			free(plan->list.steps[i].hugepages.shares);
	free(plan->list.steps);
	free(plan->notes);
	plan->list.steps = NULL;
	plan->list.n = 0;
	plan->notes = NULL;
	plan->n_notes = 0;
}
