// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Questions to the view of the host.
 */
#include "policy/host_view.h"

#include <string.h>

#include "base/text.h"

const struct hugetlbfs_fs *host_view_hugetlbfs(const struct host_view *host, uint64_t page_kib)
{
	size_t i;

	for (i = 0; i < host->hugetlbfs.n; i++)
		if (host->hugetlbfs.list[i].page_kib == page_kib)
			return &host->hugetlbfs.list[i];
	return NULL;
}

uint64_t host_view_page_kib(const struct host_view *host, const struct guest_memory *memory)
{
	if (memory->page_kib)
		return memory->page_kib;
	/* That one lies in a hugetlbfs which names no size */
	if (memory->kind == GUEST_MEMORY_NVDIMM || !host->bare_page_kib)
		return host->default_page_kib;
	return host->bare_page_kib;
}

bool host_view_is_mounted(const struct guest_memory *memory)
{
	return memory->hugepages && memory->source != GUEST_SOURCE_MEMFD &&
	       memory->kind != GUEST_MEMORY_NVDIMM && memory->kind != GUEST_MEMORY_PLUGGED;
}

struct size_view host_view_through_mount(const struct size_view *size)
{
	struct size_view open = *size;

	open.reserved -= u64_min(size->mount_min, u64_sub_floor(size->reserved, size->covered));
	return open;
}

struct size_view *host_view_size(const struct host_view *host, uint64_t page_kib)
{
	size_t i;

	for (i = 0; i < host->n_sizes; i++)
		if (host->sizes[i].page_kib == page_kib)
			return &host->sizes[i];
	return NULL;
}

struct pool_view *host_view_pool(const struct host_view *host, uint64_t page_kib, unsigned int node)
{
	struct size_view *size = host_view_size(host, page_kib);
	size_t i;

	for (i = 0; size && i < size->n_pools; i++)
		if (size->pools[i].pool.node == node)
			return &size->pools[i];
	return NULL;
}

uint64_t host_view_pooled(const struct host_view *host, unsigned int node)
{
	uint64_t kib = 0;
	size_t i;

	for (i = 0; i < host->n_sizes; i++) {
		uint64_t page_kib = host->sizes[i].page_kib;
		const struct pool_view *pool = host_view_pool(host, page_kib, node);

		if (pool)
			kib = u64_add_sat(kib, u64_mul_sat(pool->pool.total, page_kib));
	}
	return kib;
}

uint64_t host_view_idle(const struct size_view *size, const struct pool_view *pool)
{
	uint64_t foreign_reserved = u64_sub_floor(size->reserved, size->covered);
	uint64_t taken = u64_add_sat(foreign_reserved, pool->claimed);

	return u64_sub_floor(pool->pool.free, taken);
}

uint64_t host_view_missing(const struct pool_view *pool)
{
	return u64_sub_floor(u64_add_sat(pool->foreign, pool->own),
			     hugepages_persistent(&pool->pool));
}

uint64_t host_view_lendable(const struct size_view *size, const struct pool_view *pool)
{
	uint64_t elsewhere = u64_add_sat(pool->late, host_view_missing(pool));

	return u64_sub_floor(host_view_idle(size, pool), u64_sub_floor(pool->debt, elsewhere));
}

uint64_t host_view_users(const struct pool_view *pool)
{
	uint64_t used = u64_sub_floor(pool->pool.total, pool->pool.free);

	return u64_sub_floor(used, pool->mapped);
}

uint64_t host_view_beyond_floor(const struct pool_view *pool)
{
	uint64_t floor = u64_add_sat(pool->foreign, u64_add_sat(pool->lives_on, pool->late));

	return u64_sub_floor(hugepages_persistent(&pool->pool), floor);
}

uint64_t host_view_may_go(const struct size_view *size, const struct pool_view *pool)
{
	return u64_min(host_view_idle(size, pool), host_view_beyond_floor(pool));
}

void host_view_end_files(struct store_view *store, const char *guest)
{
	size_t i;

	for (i = 0; i < store->n_promises; i++) {
		struct store_promise *promise = &store->promises[i];

		if (strcmp(promise->guest, guest) != 0)
			continue;
		store->stale_kib = u64_add_sat(store->stale_kib, promise->used_kib);
		promise->promised_kib = 0;
		promise->used_kib = 0;
	}
	for (i = 0; i < store->n_leftovers; i++) {
		struct store_leftover *leftover = &store->leftovers[i];

		if (strcmp(leftover->guest, guest) != 0)
			continue;
		store->stale_kib = u64_add_sat(store->stale_kib, leftover->kib);
		leftover->kib = 0;
	}
}

const char *host_view_unit_hint(const struct host_view *host, uint64_t page_kib)
{
	size_t i;

	for (i = 0; i < host->n_sizes; i++) {
		uint64_t gib = host->sizes[i].page_kib / KIB_PER_GIB;
		uint64_t mib = host->sizes[i].page_kib / KIB_PER_MIB;

		if (gib && page_kib == u64_div_up(gib * 1000000000, 1024))
			return " (GB is 1000^3 bytes there: write unit='GiB')";
		if (mib && page_kib == u64_div_up(mib * 1000000, 1024))
			return " (MB is 1000^2 bytes there: write unit='MiB')";
	}
	return "";
}
