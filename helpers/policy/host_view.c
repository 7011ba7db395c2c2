// SPDX-License-Identifier: LGPL-2.1-or-later
#include "policy/host_view.h"

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

uint64_t host_view_lost(const struct pool_view *pool)
{
	return u64_sub_floor(u64_add_sat(pool->foreign, pool->own),
			     hugepages_persistent(&pool->pool));
}
