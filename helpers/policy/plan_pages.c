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
 * growth into memory that must be made free, and last of all by swapping programs' memory
 * out.  Nodes are asked by rank: those that the guest prefers or that its processors are on
 * go through idle and free before others are asked, and nodes without processors (CXL, GPU
 * memory) come after all that others have.  Within a rank the emptiest is first.  Gigantic
 * pages are planned where they can be made.  What exceeds even that is refused here, before
 * anything is tried.
 */
#include "policy/plan_kind.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/text.h"
#include "policy/pins.h"
#include "policy/refusal.h"
#include "policy/supply.h"

struct planner {
	const struct guest *guest;
	const struct host_view *host;
	const struct config_hugepages *policy;
	struct plan *plan;
	struct supplies supplies; /* what is left while the plan is made */
	uint64_t *idle;		  /* [size * n_nodes + node] */
	uint64_t *closed;	  /* likewise: part of it for those who map through a mount */
	uint64_t *held;		  /* likewise: reserved for this guest */
	uint64_t *ever;		  /* likewise: pool_view.ever */
	uint64_t *whole;
	struct nodeset emulator; /* nodes where QEMU starts, and */
	struct nodeset vcpus;	 /* where it runs */
};

/* ---- groups ---- */

static bool same_group(const struct step_hugepages *hp, const struct step_hugepages *wanted)
{
	return hp->page_kib == wanted->page_kib && hp->bind == wanted->bind &&
	       hp->mounted == wanted->mounted && nodeset_equal(&hp->nodes, &wanted->nodes);
}

/* What a backend asks for, as a group of its own: page_kib, bind, nodes, pages, mounted */
static void describe_backend(const struct planner *p, const struct guest_memory *memory,
			     struct step_hugepages *wanted)
{
	*wanted = (struct step_hugepages){ .page_kib = host_view_page_kib(p->host, memory),
					   .bind = memory->bind };
	wanted->mounted = host_view_is_mounted(memory) &&
			  host_view_size(p->host, wanted->page_kib)->mount_min;
	refusal_nodes(p->host, memory, &wanted->nodes);
	wanted->pages = u64_div_up(memory->size_kib, wanted->page_kib);
}

/* The group of a backend, new or old; NULL: out of memory */
static struct step_hugepages *find_group(struct planner *p, const struct step_hugepages *wanted)
{
	struct step_list *list = &p->plan->list;
	struct step_hugepages *hp;
	struct step *more;
	size_t i;

	for (i = 0; i < list->n; i++)
		if (same_group(&list->steps[i].hugepages, wanted))
			return &list->steps[i].hugepages;
	more = reallocarray(list->steps, list->n + 1, sizeof(*more));
	if (!more)
		return NULL;
	list->steps = more;
	memset(&more[list->n], 0, sizeof(*more));
	more[list->n].kind = STEP_HUGEPAGES;
	hp = &more[list->n++].hugepages;
	hp->page_kib = wanted->page_kib;
	hp->bind = wanted->bind;
	hp->private = true;
	hp->nodes = wanted->nodes;
	hp->mounted = wanted->mounted;
	hp->compact = p->policy->compact == EFFORT_AUTO;
	hp->reclaim = p->policy->reclaim == EFFORT_AUTO;
	hp->drop_caches = p->policy->drop_caches == EFFORT_AUTO;
	hp->keep = config_on_release(p->policy, wanted->page_kib) == ON_RELEASE_KEEP;
	return hp;
}

/* Of what is plugged it is not known yet, and virtio-mem may come to have more than now */
static bool is_private(const struct guest_memory *memory)
{
	switch (memory->kind) {
	case GUEST_MEMORY_RAM:
	case GUEST_MEMORY_CELL:
	case GUEST_MEMORY_DIMM:
		return !memory->shared;
	case GUEST_MEMORY_VIRTIO_MEM:
	case GUEST_MEMORY_NVDIMM:
	case GUEST_MEMORY_PLUGGED:
		break;
	}
	return false;
}

static int add_backend(struct planner *p, const struct guest_memory *memory, struct err *err)
{
	struct step_hugepages wanted, *hp;

	describe_backend(p, memory, &wanted);
	hp = find_group(p, &wanted);
	if (!hp)
		return err_nomem(err);
	hp->pages = u64_add_sat(hp->pages, wanted.pages);
	hp->private = hp->private && is_private(memory);
	if (memory->source == GUEST_SOURCE_MEMFD)
		hp->memfd = u64_add_sat(hp->memfd, wanted.pages);
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

/* Pages of one size on one node, in the account @pages */
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
		if (p->host->numa.nodes[i].id == node)
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

/* For interleave: how much of hp->pages belongs on hp->shares[@index].  The kernel goes round
 * for each backend anew, and begins with the lowest node */
static uint64_t turn_of(const struct planner *p, const struct step_hugepages *hp, size_t index)
{
	uint64_t sum = 0, before = 0;
	size_t i;

	for (i = 0; i < hp->n_shares; i++)
		before += hp->shares[i].node < hp->shares[index].node;
	for (i = 0; i < p->guest->n_memory; i++) {
		const struct guest_memory *memory = &p->guest->memory[i];
		struct step_hugepages wanted;

		if (!memory->hugepages)
			continue;
		describe_backend(p, memory, &wanted);
		if (!same_group(hp, &wanted))
			continue;
		sum = u64_add_sat(sum, wanted.pages / hp->n_shares +
					       (before < wanted.pages % hp->n_shares));
	}
	return sum;
}

/* Shares [from, to), as far as their turn goes in interleave, or without limit */
struct range {
	size_t from;
	size_t to;
	bool turns;
};

static uint64_t limit_of(const struct planner *p, const struct step_hugepages *hp,
			 const struct range *range, size_t index)
{
	return range->turns ? turn_of(p, hp, index) : UINT64_MAX;
}

/* Use the guest's own reservation first */
static void take_held(struct planner *p, struct step_hugepages *hp, const struct range *range)
{
	size_t i;

	for (i = range->from; i < range->to; i++) {
		struct step_share *share = &hp->shares[i];
		uint64_t *held = pages_of(p, p->held, hp->page_kib, node_index(p, share->node));

		share->reserved = u64_min(u64_min(*held, missing(hp)), limit_of(p, hp, range, i));
		*held -= share->reserved;
	}
}

static void take_idle(struct planner *p, struct step_hugepages *hp, const struct range *range)
{
	size_t i;

	for (i = range->from; i < range->to; i++) {
		struct step_share *share = &hp->shares[i];
		size_t node = node_index(p, share->node);
		uint64_t *idle = pages_of(p, p->idle, hp->page_kib, node);
		uint64_t *closed = pages_of(p, p->closed, hp->page_kib, node);
		uint64_t open = hp->mounted ? *idle : u64_sub_floor(*idle, *closed);
		uint64_t n = u64_min(u64_min(open, missing(hp)),
				     u64_sub_floor(limit_of(p, hp, range, i), share_sum(share)));

		share->want_idle += n;
		if (hp->mounted)
			*closed = u64_sub_floor(*closed, n);
		*idle -= n;
	}
}

enum growth {
	INTO_WHOLE,	 /* gigantic: into free memory in large pieces */
	INTO_FREE,	 /* what fragmentation lets be made of free memory, */
	INTO_CACHE,	 /* of what can be freed, */
	INTO_SWAP,	 /* and of programs' memory */
	AGAINST_ALL_ODDS /* it knows less than the kernel, which is asked all the same */
};

/* Pages that can still be made on a node */
static uint64_t growth_room(const struct planner *p, uint64_t page_kib, size_t node,
			    enum growth growth)
{
	static const enum supply_depth depths[] = {
		[INTO_WHOLE] = SUPPLY_FREE,	  [INTO_FREE] = SUPPLY_FREE,
		[INTO_CACHE] = SUPPLY_CACHE,	  [INTO_SWAP] = SUPPLY_SWAP,
		[AGAINST_ALL_ODDS] = SUPPLY_SWAP,
	};
	uint64_t pages = supply_pages(p->host, &p->supplies, node, page_kib, depths[growth]);
	bool picky = p->host->surveyed && supply_gigantic(p->host, page_kib);

	if (growth == INTO_WHOLE)
		return picky ? u64_min(pages, *pages_of(p, p->whole, page_kib, node)) : 0;
	if (growth == AGAINST_ALL_ODDS || !picky)
		return pages;
	return u64_min(pages, *pages_of(p, p->ever, page_kib, node));
}

static void take_growth(struct planner *p, struct step_hugepages *hp, const struct range *range,
			enum growth growth)
{
	size_t i;

	for (i = range->from; i < range->to; i++) {
		struct step_share *share = &hp->shares[i];
		size_t node = node_index(p, share->node);
		uint64_t *ever = pages_of(p, p->ever, hp->page_kib, node);
		uint64_t *whole = pages_of(p, p->whole, hp->page_kib, node);
		uint64_t n = u64_min(growth_room(p, hp->page_kib, node, growth), missing(hp));

		n = u64_min(n, u64_sub_floor(limit_of(p, hp, range, i), share_sum(share)));
		share->want_grow += n;
		supply_take(&p->supplies, node, n * hp->page_kib,
			    supply_gigantic(p->host, hp->page_kib));
		*ever = u64_sub_floor(*ever, n);
		*whole = u64_sub_floor(*whole, n);
	}
}

/* Idle pages and free memory */
static void take_present(struct planner *p, struct step_hugepages *hp, const struct range *range)
{
	take_idle(p, hp, range);
	take_growth(p, hp, range, INTO_WHOLE);
	take_growth(p, hp, range, INTO_FREE);
}

/* The order in which nodes are asked */
enum rank {
	RANK_PREFERRED,
	RANK_EMULATOR, /* QEMU starts there, and allocates there first */
	RANK_VCPUS,
	RANK_CPUS,
	RANK_NO_CPUS
};

static enum rank rank_of(const struct planner *p, const struct step_hugepages *hp,
			 unsigned int node)
{
	if (hp->bind == GUEST_BIND_PREFERRED && nodeset_has(&hp->nodes, node))
		return RANK_PREFERRED;
	if (hp->bind == GUEST_BIND_ANY && nodeset_has(&p->emulator, node))
		return RANK_EMULATOR;
	if (hp->bind == GUEST_BIND_ANY && nodeset_has(&p->vcpus, node))
		return RANK_VCPUS;
	return pins_has_cpus(&p->host->numa, numa_find(&p->host->numa, node)) ? RANK_CPUS :
										RANK_NO_CPUS;
}

static bool may_leave(const struct step_hugepages *hp)
{
	return hp->bind == GUEST_BIND_ANY || hp->bind == GUEST_BIND_PREFERRED;
}

static uint64_t free_there(const struct planner *p, const struct step_hugepages *hp, size_t node)
{
	const struct supply *supply = &p->supplies.nodes[node];

	return u64_sub_floor(supply->free_kib,
			     supply_gigantic(p->host, hp->page_kib) ? supply->movable_kib : 0);
}

/* By rank, and the emptiest first: pages come easiest from there */
static bool goes_before(const struct planner *p, const struct step_hugepages *hp, size_t a,
			size_t b)
{
	const struct numa_node *nodes = p->host->numa.nodes;
	enum rank ra = rank_of(p, hp, nodes[a].id), rb = rank_of(p, hp, nodes[b].id);

	if (ra != rb)
		return ra < rb;
	return free_there(p, hp, a) > free_there(p, hp, b);
}

/* Not where all memory is in ZONE_MOVABLE, unless gigantic pages lie there already */
static bool can_serve(const struct planner *p, const struct step_hugepages *hp, size_t node)
{
	const struct numa_node *n = &p->host->numa.nodes[node];

	if (!host_view_pool(p->host, hp->page_kib, n->id))
		return false;
	return !supply_gigantic(p->host, hp->page_kib) || n->total_kib > n->movable_kib ||
	       *pages_of(p, p->idle, hp->page_kib, node) ||
	       *pages_of(p, p->held, hp->page_kib, node);
}

/* Nodes that may serve the group, in order of preference */
static int make_shares(struct planner *p, struct step_hugepages *hp, struct err *err)
{
	const struct numa *numa = &p->host->numa;
	size_t i, j, n = 0;
	cleanup_free size_t *order = calloc(numa->n_nodes, sizeof(*order));

	hp->shares = calloc(numa->n_nodes, sizeof(*hp->shares));
	if (!order || !hp->shares)
		return err_nomem(err);
	for (i = 0; i < numa->n_nodes; i++) {
		if (!can_serve(p, hp, i) ||
		    (!may_leave(hp) && !nodeset_has(&hp->nodes, numa->nodes[i].id)))
			continue;
		for (j = n++; j > 0 && goes_before(p, hp, i, order[j - 1]); j--)
			order[j] = order[j - 1];
		order[j] = i;
	}
	for (i = 0; i < n; i++) {
		hp->shares[i].node = numa->nodes[order[i]].id;
		hp->shares[i].last = may_leave(hp) &&
				     rank_of(p, hp, hp->shares[i].node) == RANK_NO_CPUS;
	}
	hp->n_shares = n;
	return 0;
}

/* Is the page gigantic, and all memory of its nodes in ZONE_MOVABLE? */
static bool is_all_movable(const struct planner *p, const struct step_hugepages *hp)
{
	size_t i;

	if (!supply_gigantic(p->host, hp->page_kib))
		return false;
	for (i = 0; i < p->host->numa.n_nodes; i++) {
		const struct numa_node *node = &p->host->numa.nodes[i];

		if ((may_leave(hp) || nodeset_has(&hp->nodes, node->id)) &&
		    node->total_kib > node->movable_kib)
			return false;
	}
	return true;
}

/* A node that was added after boot, or whose memory is all movable */
static int refuse_without_pool(const struct planner *p, const struct step_hugepages *hp,
			       struct err *err)
{
	bool any = may_leave(hp);
	char list[NODESET_TEXT_SIZE], kib[TEXT_KIB_SIZE], where[NODESET_TEXT_SIZE + 16];

	snprintf(where, sizeof(where), "node%s %s", plural(nodeset_count(&hp->nodes)),
		 nodeset_format(&hp->nodes, list));
	text_from_kib(hp->page_kib, kib);
	if (is_all_movable(p, hp))
		return err_set(
			err, ENODEV,
			"guest '%s' needs huge pages of %s on %s, where all memory is in "
			"ZONE_MOVABLE, and the kernel makes no pages as large as that there: "
			"%stake smaller pages",
			p->guest->name, kib, any ? "this host" : where,
			any ? "" : "bind the guest to other nodes in <numatune>, or ");
	return err_set(
		err, ENODEV,
		"guest '%s' needs huge pages of %s on %s, where the kernel has no pool of that "
		"size: %s",
		p->guest->name, kib, any ? "this host" : where,
		any ? "take smaller pages" : "bind the guest to other nodes in <numatune>");
}

/* The sum over a group's nodes */
struct room {
	struct nodeset nodes;
	uint64_t idle, grow, held_back; /* pages */
	uint64_t free_kib, reclaimable_kib, arc_kib, swappable_kib;
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
		room->arc_kib += numa_arc(node, host_view_pooled(p->host, node->id));
		room->swappable_kib += node->swappable_kib;
	}
	room->reclaimable_kib += u64_min(room->arc_kib, p->host->numa.arc_kib);
	room->swappable_kib = u64_min(room->swappable_kib, p->host->numa.swap_free_kib);
}

/* Nodes that could be asked and can't have such pages: "; node 1 has no pool of that size" */
static const char *unable(const struct planner *p, const struct step_hugepages *hp, char *buf,
			  size_t size)
{
	struct nodeset movable = { 0 }, without = { 0 };
	char nodes[NODESET_TEXT_SIZE];
	size_t used = 0, i;

	buf[0] = '\0';
	for (i = 0; may_leave(hp) && i < p->host->numa.n_nodes; i++) {
		unsigned int id = p->host->numa.nodes[i].id;

		if (!host_view_pool(p->host, hp->page_kib, id))
			nodeset_add(&without, id);
		else if (!can_serve(p, hp, i))
			nodeset_add(&movable, id);
	}
	if (!nodeset_empty(&movable))
		used = (size_t)snprintf(buf, size,
					"; on node%s %.64s all memory is in ZONE_MOVABLE, where no "
					"pages as large as that are made",
					plural(nodeset_count(&movable)),
					nodeset_format(&movable, nodes));
	if (!nodeset_empty(&without))
		snprintf(buf + used, size - used, "; node%s %.64s has no pool of that size",
			 plural(nodeset_count(&without)), nodeset_format(&without, nodes));
	return buf;
}

/* Remedies besides a smaller guest */
static const char *last_remedy(const struct planner *p, const struct step_hugepages *hp)
{
	if (hp->n_shares < p->host->numa.n_nodes && !may_leave(hp))
		return " or bind it to other nodes in <numatune>";
	if (hp->n_shares < p->host->numa.n_nodes && supply_gigantic(p->host, hp->page_kib))
		return " or take smaller pages";
	return " or add memory to the host";
}

/* The sentence for a shortage: what was asked, what there is, where, what helps */
static int refuse(const struct planner *p, const struct step_hugepages *hp, uint64_t short_by,
		  struct err *err)
{
	char nodes[NODESET_TEXT_SIZE], held[96] = "", swap[64] = "", others[320];
	char kib[TEXT_KIB_SIZE], all[TEXT_KIB_SIZE], had[TEXT_KIB_SIZE], free_text[TEXT_KIB_SIZE],
		reclaimable[TEXT_KIB_SIZE];
	struct room room;

	sum_up(p, hp, &room);
	if (room.held_back)
		snprintf(held, sizeof(held), " (%llu more %s promised to others or kept free)",
			 (unsigned long long)room.held_back, is_or_are(room.held_back));
	if (room.swappable_kib)
		snprintf(swap, sizeof(swap), ", %s that could be swapped out",
			 text_from_kib(room.swappable_kib, had));
	text_from_kib(u64_mul_sat(u64_sub_floor(hp->pages, short_by), hp->page_kib), had);
	return err_set(
		err, ENOSPC,
		"not enough memory for huge pages: guest '%s' needs %s (%llu page%s of %s) on node%s "
		"%s, where %s are available: %llu page%s%s, and %llu could be made from %s free "
		"and %s reclaimable memory%s%s; stop another guest or program, make this guest "
		"smaller%s",
		p->guest->name, text_from_kib(u64_mul_sat(hp->pages, hp->page_kib), all),
		(unsigned long long)hp->pages, plural(hp->pages), text_from_kib(hp->page_kib, kib),
		plural(nodeset_count(&room.nodes)), nodeset_format(&room.nodes, nodes), had,
		(unsigned long long)room.idle, room.idle == 1 ? " is idle" : "s are idle", held,
		(unsigned long long)room.grow, text_from_kib(room.free_kib, free_text),
		text_from_kib(room.reclaimable_kib, reclaimable), swap,
		unable(p, hp, others, sizeof(others)), last_remedy(p, hp));
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

/* The first share behind @from that is of another rank */
static size_t rank_end(const struct planner *p, const struct step_hugepages *hp, size_t from)
{
	size_t to = from;

	while (to < hp->n_shares &&
	       rank_of(p, hp, hp->shares[to].node) == rank_of(p, hp, hp->shares[from].node))
		to++;
	return to;
}

static size_t first_last(const struct step_hugepages *hp)
{
	size_t i = 0;

	while (i < hp->n_shares && !hp->shares[i].last)
		i++;
	return i;
}

static void take_all(struct planner *p, struct step_hugepages *hp)
{
	const size_t n = hp->n_shares, close = first_last(hp);
	const struct range all = { 0, n, false }, near = { 0, close, false };
	const struct range last = { close, n, false };
	struct range range = { 0, 0, false };

	/* In a set of nodes that the guest is bound to, all are alike */
	for (; range.from < close; range.from = range.to) {
		range.to = may_leave(hp) ? rank_end(p, hp, range.from) : n;
		take_present(p, hp, &range);
	}
	take_growth(p, hp, &near, INTO_CACHE);
	take_present(p, hp, &last);
	take_growth(p, hp, &last, INTO_CACHE);
	take_growth(p, hp, &all, INTO_SWAP);
}

static void take_turns(struct planner *p, struct step_hugepages *hp)
{
	const struct range turns = { 0, hp->n_shares, true };

	take_held(p, hp, &turns);
	take_present(p, hp, &turns);
	take_growth(p, hp, &turns, INTO_CACHE);
	take_growth(p, hp, &turns, INTO_SWAP);
}

/* What fragmentation leaves room for on all nodes that may serve, beyond what is planned */
static uint64_t ever_left(const struct planner *p, const struct step_hugepages *hp)
{
	uint64_t pages = 0;
	size_t i;

	for (i = 0; i < hp->n_shares; i++) {
		size_t node = node_index(p, hp->shares[i].node);
		uint64_t ever = *pages_of(p, p->ever, hp->page_kib, node);

		ever = u64_min(ever, growth_room(p, hp->page_kib, node, AGAINST_ALL_ODDS));
		pages = u64_add_sat(pages, ever);
	}
	return pages;
}

static uint64_t growth_sum(const struct step_hugepages *hp)
{
	uint64_t pages = 0;
	size_t i;

	for (i = 0; i < hp->n_shares; i++)
		pages += hp->shares[i].want_grow;
	return pages;
}

/* @ever: ever_left() before the group was distributed */
static void note_doubt(struct planner *p, const struct step_hugepages *hp, uint64_t ever)
{
	uint64_t grow = growth_sum(hp);
	char kib[TEXT_KIB_SIZE];

	if (!p->host->surveyed || grow <= ever)
		return;
	p->plan->doubtful += grow - ever;
	plan_note(p->plan,
		  "at most %llu of the %llu page%s of %s to be added can be made now, so the start "
		  "would fail: virt-membacking fragmentation shows what is in the way",
		  (unsigned long long)ever, (unsigned long long)grow, plural(grow),
		  text_from_kib(hp->page_kib, kib));
	if (!p->plan->doubt)
		p->plan->doubt = p->plan->n_notes;
}

static void note_far(struct planner *p, const struct step_hugepages *hp)
{
	char kib[TEXT_KIB_SIZE];
	size_t i;

	for (i = 0; i < hp->n_shares; i++)
		if (hp->shares[i].last && share_sum(&hp->shares[i]))
			plan_note(p->plan,
				  "node %u has memory and no processors, and %llu page%s of %s "
				  "are there because no other node has room for them",
				  hp->shares[i].node, (unsigned long long)share_sum(&hp->shares[i]),
				  plural(share_sum(&hp->shares[i])),
				  text_from_kib(hp->page_kib, kib));
}

static int distribute(struct planner *p, struct step_hugepages *hp, struct err *err)
{
	int rc = make_shares(p, hp, err);
	uint64_t ever;

	if (rc < 0)
		return rc;
	if (!hp->n_shares)
		return refuse_without_pool(p, hp, err);
	ever = ever_left(p, hp);
	if (hp->bind == GUEST_BIND_INTERLEAVE)
		take_turns(p, hp);
	else
		take_held(p, hp, &(struct range){ 0, hp->n_shares, false });
	take_all(p, hp);
	take_growth(p, hp, &(struct range){ 0, hp->n_shares, false }, AGAINST_ALL_ODDS);
	if (missing(hp))
		return refuse(p, hp, missing(hp), err);
	note_doubt(p, hp, ever);
	note_far(p, hp);
	/* An unbound guest may be served by any node if the chosen one fails */
	if (hp->bind == GUEST_BIND_STRICT && hp->n_shares == 1)
		drop_empty_shares(hp);
	return 0;
}

/* ---- the whole ---- */

static void open_pool(struct planner *p, const struct size_view *size, const struct pool_view *pool)
{
	const struct size_view through = host_view_through_mount(size);
	uint64_t keep = config_keep_free(p->policy, size->page_kib);
	size_t node = node_index(p, pool->pool.node);

	*pages_of(p, p->held, size->page_kib, node) = pool->held;
	*pages_of(p, p->ever, size->page_kib, node) = pool->ever;
	*pages_of(p, p->whole, size->page_kib, node) = pool->whole;
	if (p->policy->use_idle) {
		uint64_t open = u64_sub_floor(host_view_lendable(&through, pool), keep);

		*pages_of(p, p->idle, size->page_kib, node) = open;
		*pages_of(p, p->closed, size->page_kib, node) =
			open - u64_sub_floor(host_view_lendable(size, pool), keep);
	}
}

static int open_accounts(struct planner *p, struct err *err)
{
	const struct numa *numa = &p->host->numa;
	size_t n = p->host->n_sizes * numa->n_nodes + 1, i, j;

	p->idle = calloc(n, sizeof(*p->idle));
	p->closed = calloc(n, sizeof(*p->closed));
	p->held = calloc(n, sizeof(*p->held));
	p->ever = calloc(n, sizeof(*p->ever));
	p->whole = calloc(n, sizeof(*p->whole));
	if (!p->idle || !p->closed || !p->held || !p->ever || !p->whole ||
	    supplies_open(p->host, &p->supplies) < 0)
		return err_nomem(err);
	for (i = 0; i < p->host->n_sizes; i++)
		for (j = 0; j < p->host->sizes[i].n_pools; j++)
			open_pool(p, &p->host->sizes[i], &p->host->sizes[i].pools[j]);
	if (!cpuset_empty(&p->guest->emulator_cpus))
		pins_nodes(numa, &p->guest->emulator_cpus, &p->emulator);
	if (!cpuset_empty(&p->guest->vcpu_cpus))
		pins_nodes(numa, &p->guest->vcpu_cpus, &p->vcpus);
	return 0;
}

static void close_accounts(struct planner *p)
{
	supplies_free(&p->supplies);
	free(p->idle);
	free(p->closed);
	free(p->held);
	free(p->ever);
	free(p->whole);
}

static void note_guest(struct planner *p)
{
	char words[PINS_WORDS_SIZE], kib[TEXT_KIB_SIZE];

	if (p->guest->auto_placement)
		plan_note(p->plan,
			  "placement='auto': libvirt picks the node after this hook has run, so "
			  "pages are allocated on any node, perhaps another one than the guest's");
	if (pins_bare_words(p->guest, &p->host->numa, words, sizeof(words)))
		plan_note(p->plan, "%s", words);
	if (pins_words(p->guest, &p->host->numa, words, sizeof(words)))
		plan_note(p->plan, "%s", words);
	p->plan->swapped_kib = p->supplies.swapped_kib;
	if (p->plan->swapped_kib)
		plan_note(p->plan, "%s of programs' memory would have to be swapped out for it",
			  text_from_kib(p->plan->swapped_kib, kib));
}

static int make_steps(struct planner *p, struct err *err)
{
	struct step_list *list = &p->plan->list;
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
	note_guest(p);
	return 0;
}

const struct step_hugepages *plan_next_pages(const struct plan *plan,
					     const struct step_hugepages *last)
{
	const struct step_list *list = &plan->list;
	bool found = !last;
	size_t i;

	for (i = 0; i < list->n; i++) {
		const struct step_hugepages *pages = &list->steps[i].hugepages;

		if (found && list->steps[i].kind == STEP_HUGEPAGES)
			return pages;
		found = found || pages == last;
	}
	return NULL;
}

/* ---- as a kind of step ---- */

static bool wanted(const struct guest *guest, const struct guest_policy *policy,
		   const struct host_view *host)
{
	(void)host;
	return policy->hugepages.manage && guest_asks_for_hugepages(guest);
}

/* Memory that the steps take from the host's other uses */
static uint64_t grown_kib(const struct step_list *list)
{
	uint64_t kib = 0;
	size_t i;

	for (i = 0; i < list->n; i++)
		kib = u64_add_sat(kib, u64_mul_sat(growth_sum(&list->steps[i].hugepages),
						   list->steps[i].hugepages.page_kib));
	return kib;
}

static int make(struct planning *planning, struct err *err)
{
	struct planner p = {
		.guest = planning->guest,
		.host = planning->host,
		.policy = &planning->policy->hugepages,
		.plan = planning->plan,
	};
	int rc = open_accounts(&p, err);

	if (rc == 0)
		rc = make_steps(&p, err);
	if (rc == 0)
		planning->grown_kib = grown_kib(&planning->plan->list);
	close_accounts(&p);
	return rc;
}

static void free_step(struct step *step)
{
	free(step->hugepages.shares);
	step->hugepages.shares = NULL;
	step->hugepages.n_shares = 0;
}

const struct plan_kind plan_pages = {
	.kind = STEP_HUGEPAGES,
	.section = "hugepages",
	.ahead = true,
	.wanted = wanted,
	.make = make,
	.free = free_step,
};
