// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What huge pages can be made of, node by node.
 */
#include "policy/supply.h"

#include <errno.h>
#include <stdlib.h>

#include "base/text.h"
#include "memory/fragmentation.h"

static void open_node(const struct host_view *host, const struct numa_node *node,
		      struct supply *supply)
{
	supply->free_kib = node->free_kib;
	supply->movable_kib = u64_min(node->movable_free_kib, node->free_kib);
	supply->cache_kib = u64_add_sat(node->percpu_kib, node->reclaimable_kib);
	supply->arc_kib = numa_arc(node, host_view_pooled(host, node->id));
	supply->anon_kib = node->swappable_kib;
	supply->fixed_kib = u64_sub_floor(node->total_kib, node->movable_kib);
}

int supplies_open(const struct host_view *host, struct supplies *supplies)
{
	const struct numa *numa = &host->numa;
	size_t i;

	*supplies = (struct supplies){ .arc_kib = numa->arc_kib, .swap_kib = numa->swap_free_kib };
	supplies->nodes = calloc(numa->n_nodes + 1, sizeof(*supplies->nodes));
	if (!supplies->nodes)
		return -ENOMEM;
	for (i = 0; i < numa->n_nodes; i++)
		open_node(host, &numa->nodes[i], &supplies->nodes[i]);
	return 0;
}

void supplies_free(struct supplies *supplies)
{
	free(supplies->nodes);
	supplies->nodes = NULL;
}

bool supply_gigantic(const struct host_view *host, uint64_t page_kib)
{
	const struct size_view *size = host_view_size(host, page_kib);

	return page_kib >= KIB_PER_GIB || (size && size->gigantic);
}

uint64_t supply_pages(const struct host_view *host, const struct supplies *supplies, size_t index,
		      uint64_t page_kib, enum supply_depth depth)
{
	const struct supply *node = &supplies->nodes[index];
	bool gigantic = supply_gigantic(host, page_kib);
	uint64_t kib = node->free_kib, more = 0;

	if (depth >= SUPPLY_CACHE)
		more = u64_add_sat(node->cache_kib, u64_min(node->arc_kib, supplies->arc_kib));
	if (depth >= SUPPLY_SWAP)
		more = u64_add_sat(more, u64_min(node->anon_kib, supplies->swap_kib));
	if (gigantic) {
		kib = u64_sub_floor(kib, node->movable_kib);
		more = u64_min(more, u64_sub_floor(node->fixed_kib, kib));
	}
	return page_kib ? u64_add_sat(kib, more) / page_kib : 0;
}

/* Takes as much of @kib as both have.  Return: how much that is */
static uint64_t take_part(uint64_t *kib, uint64_t *from, uint64_t *limit)
{
	uint64_t n = u64_min(*kib, u64_min(*from, *limit));

	*kib -= n;
	*from -= n;
	if (limit != from)
		*limit -= n;
	return n;
}

void supply_take(struct supplies *supplies, size_t index, uint64_t kib, bool gigantic)
{
	struct supply *node = &supplies->nodes[index];
	uint64_t fixed_free = u64_sub_floor(node->free_kib, node->movable_kib), taken;

	if (gigantic) {
		node->fixed_kib = u64_sub_floor(node->fixed_kib, kib);
		take_part(&kib, &node->free_kib, &fixed_free);
	} else {
		/* The allocator takes movable memory first */
		taken = take_part(&kib, &node->free_kib, &node->free_kib);
		node->movable_kib = u64_sub_floor(node->movable_kib, taken);
	}
	take_part(&kib, &node->cache_kib, &node->cache_kib);
	take_part(&kib, &node->arc_kib, &supplies->arc_kib);
	taken = take_part(&kib, &node->anon_kib, &supplies->swap_kib);
	supplies->swapped_kib = u64_add_sat(supplies->swapped_kib, taken);
}

/* Takes all of @pages on a node, so that nothing is counted on two of them */
static void take_all(const struct host_view *host, struct supplies *supplies, size_t index,
		     uint64_t page_kib, uint64_t pages)
{
	supply_take(supplies, index, u64_mul_sat(pages, page_kib), supply_gigantic(host, page_kib));
}

static uint64_t at_most(const struct host_view *host, const struct pool_view *pool, uint64_t pages)
{
	return host->surveyed ? u64_min(pages, pool->ever) : pages;
}

int supply_sum(const struct host_view *host, uint64_t page_kib, const struct nodeset *nodes,
	       struct supply_sum *sum)
{
	const struct size_view *size = host_view_size(host, page_kib);
	struct supplies supplies;
	size_t i;

	*sum = (struct supply_sum){ 0 };
	if (!size)
		return 0;
	if (supplies_open(host, &supplies) < 0)
		return -ENOMEM;
	for (i = 0; i < host->numa.n_nodes; i++) {
		unsigned int id = host->numa.nodes[i].id;
		const struct pool_view *pool = host_view_pool(host, page_kib, id);
		uint64_t make, all;

		if (!pool || (nodes && !nodeset_has(nodes, id)))
			continue;
		make = supply_pages(host, &supplies, i, page_kib, SUPPLY_CACHE);
		all = supply_pages(host, &supplies, i, page_kib, SUPPLY_SWAP);
		take_all(host, &supplies, i, page_kib, all);
		make = at_most(host, pool, make);
		sum->idle = u64_add_sat(sum->idle, host_view_lendable(size, pool));
		sum->make = u64_add_sat(sum->make, make);
		sum->swap = u64_add_sat(sum->swap, at_most(host, pool, all) - make);
	}
	supplies_free(&supplies);
	return 0;
}

/* ---- what fragmentation says ---- */

/* Free memory in blocks as large as the allocator has: what lies in smaller ones has
 * something in between */
static uint64_t whole_kib(const struct fragmentation *f, const struct numa_node *node)
{
	uint64_t kib = 0;
	size_t i;

	for (i = 0; f->orders && i < f->n_zones; i++)
		if (f->zones[i].node == node->id && !fragmentation_is_movable(&f->zones[i]))
			kib = u64_add_sat(kib, u64_mul_sat(f->zones[i].free[f->orders - 1],
							   f->page_kib << (f->orders - 1)));
	return kib;
}

static void survey_pool(const struct host_view *host, const struct fragmentation *f,
			const struct size_view *size, struct pool_view *pool)
{
	const struct numa_node *node = numa_find(&host->numa, pool->pool.node);
	struct fragmentation_share share;
	uint64_t kib;

	if (!node)
		return;
	fragmentation_share(f, node, size->page_kib, host_view_pooled(host, node->id), &share);
	/* The rest of the used memory can be moved only once some is swapped out */
	kib = share.now_kib + share.compact_kib + share.cache_kib +
	      u64_min(share.used_kib, u64_min(node->swappable_kib, host->numa.swap_free_kib));
	/* Where it lies counts as the kernel's own there */
	if (!size->gigantic)
		kib += node->percpu_kib + u64_sub_floor(node->reclaimable_kib, node->file_kib);
	pool->ever = kib / size->page_kib;
	if (pool->seen)
		pool->ever = u64_min(pool->ever, u64_add_sat(pool->most, pool->given_back));
	pool->whole = u64_min(whole_kib(f, node) / size->page_kib, pool->ever);
}

/* zoneinfo and buddyinfo could both be read */
static bool says_something(const struct fragmentation *f)
{
	size_t i;

	for (i = 0; i < f->n_zones; i++)
		if (f->zones[i].managed)
			return true;
	return false;
}

void supply_survey(struct host_view *host, const struct fragmentation *f)
{
	size_t i, j;

	if (!says_something(f))
		return;
	for (i = 0; i < host->n_sizes; i++) {
		struct size_view *size = &host->sizes[i];

		size->gigantic = fragmentation_gigantic(f, size->page_kib);
		for (j = 0; j < size->n_pools; j++)
			survey_pool(host, f, size, &size->pools[j]);
	}
	host->surveyed = true;
}
