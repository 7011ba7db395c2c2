/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host as a decision sees it.  Data only: lifecycle/host_view.c fills it,
 * policy/plan.c and tests read it.
 */
#ifndef MEMBACKING_POLICY_HOST_VIEW_H
#define MEMBACKING_POLICY_HOST_VIEW_H

#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "memory/hugepages.h"
#include "memory/numa.h"

/**
 * struct pool_view - A pool and who has a right to it.  All in pages
 * @pool:	What the kernel says
 * @own:	Persistent pages that all ledgers together brought in
 * @claimed:	Promised by ledgers and not yet mapped by their QEMU
 * @foreign:	The most foreign pages any ledger saw when it grew the pool
 */
struct pool_view {
	struct hugepages_pool pool;
	uint64_t own;
	uint64_t claimed;
	uint64_t foreign;
};

/**
 * struct size_view - All pools of one page size
 * @reserved:	The kernel's reservations.  They have no node, so each node
 *		considered is charged with all of them
 * @covered:	Claimed pages that the kernel has reserved already: QEMU has mapped
 *		its memory and not touched all of it.  They count in @reserved too
 */
struct size_view {
	uint64_t page_kib;
	uint64_t reserved;
	uint64_t covered;
	size_t n_pools;
	struct pool_view *pools; /* by rising node */
};

struct host_view {
	struct numa numa;
	uint64_t default_page_kib;
	size_t n_sizes;
	struct size_view *sizes; /* by rising page size */
};

struct size_view *host_view_size(const struct host_view *host, uint64_t page_kib);
struct pool_view *host_view_pool(const struct host_view *host, uint64_t page_kib,
				 unsigned int node);

/**
 * host_view_idle() - Pages of a pool that nobody has a right to
 *
 * idle = free - reserved - claimed, where reservations that belong to a claim
 * count once.  Never negative: a debt that others made isn't ours to pay.
 */
uint64_t host_view_idle(const struct size_view *size, const struct pool_view *pool);

/**
 * host_view_lost() - Persistent pages that vanished from a pool since we grew it
 *
 * max(0, @foreign + @own - persistent): somebody shrank the pool; the loss is
 * charged to us, so that the administrator's own pages come out complete.
 */
uint64_t host_view_lost(const struct pool_view *pool);

#endif
