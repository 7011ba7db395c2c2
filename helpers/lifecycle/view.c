// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Reading the host: nodes, pools, and what each guest was promised.
 */
#include "lifecycle/view.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/text.h"
#include "kernel/kfs.h"
#include "lifecycle/ledger.h"
#include "lifecycle/liveness.h"
#include "lifecycle/qemu_memory.h"
#include "lifecycle/view_hugetlbfs.h"
#include "lifecycle/view_memory.h"
#include "lifecycle/view_overcommit.h"
#include "lifecycle/view_stores.h"
#include "memory/ksm.h"
#include "memory/kvm.h"
#include "memory/smaps.h"
#include "memory/thp.h"
#include "steps/steps.h"

/* All QEMUs together.  One that is not looked at in time claims all that it was promised */
#define QEMUS_MS 1000

/* The rounds of one operation look again and again; what a QEMU has mapped only grows
 * meanwhile, and less of it makes the claim larger */
#define QEMU_AGAIN_MS 1000

/* ---- the kernel's side ---- */

static int read_size(const struct kfs *kfs, const struct numa *numa, uint64_t page_kib,
		     struct size_view *size, struct err *err)
{
	size_t i;
	int rc;

	size->page_kib = page_kib;
	rc = hugepages_reserved(kfs, page_kib, &size->reserved, err);
	if (rc < 0)
		return rc;
	size->pools = calloc(numa->n_nodes + 1, sizeof(*size->pools));
	if (!size->pools)
		return err_nomem(err);
	for (i = 0; i < numa->n_nodes; i++) {
		rc = hugepages_read_pool(kfs, numa, numa->nodes[i].id, page_kib,
					 &size->pools[size->n_pools].pool, err);
		if (rc == 0)
			size->n_pools++;
		else if (rc != -ENOENT)
			return rc;
	}
	return 0;
}

int view_kernel(const struct kfs *kfs, struct host_view *host, struct err *err)
{
	int rc = kfs_look(kfs, KSM_DIR "/run", &host->has_ksm, err);

	return rc < 0 ? rc : kfs_look(kfs, THP_DIR "/enabled", &host->thp.present, err);
}

int view_read(const struct kfs *kfs, struct host_view *host, struct err *err)
{
	cleanup_free uint64_t *sizes = NULL;
	struct host_view result = { 0 };
	int rc = numa_read(kfs, &result.numa, err), n, i;

	if (rc < 0)
		return rc;
	n = hugepages_sizes(kfs, &sizes, err);
	result.default_page_kib = hugepages_default_kib(kfs);
	rc = n < 0 ? n : view_kernel(kfs, &result, err);
	result.sizes = calloc((size_t)(n < 0 ? 0 : n) + 1, sizeof(*result.sizes));
	if (rc == 0 && !result.sizes)
		rc = err_nomem(err);
	for (i = 0; rc == 0 && i < n; i++) {
		result.n_sizes++;
		rc = read_size(kfs, &result.numa, sizes[i], &result.sizes[i], err);
	}
	if (rc < 0) {
		view_free(&result);
		return rc;
	}
	if (result.n_sizes) {
		view_hugetlbfs(kfs, &result);
		result.pools_read_only =
			hugepages_read_only(kfs, &result.numa, result.sizes[0].page_kib);
	}
	result.kvm_refuses_hugepages = kvm_refuses_hugepages(kfs);
	*host = result;
	return 0;
}

int view_read_nodes(const struct kfs *kfs, struct host_view *host, struct err *err)
{
	struct numa numa;
	int rc = numa_read(kfs, &numa, err);

	if (rc < 0)
		return rc;
	numa_free(&host->numa);
	host->numa = numa;
	host->surveyed = false;
	return 0;
}

void view_free(struct host_view *host)
{
	size_t i;

	for (i = 0; i < host->n_sizes; i++)
		free(host->sizes[i].pools);
	free(host->sizes);
	free(host->hugetlbfs.list);
	view_stores_free(host);
	view_memory_free(host);
	numa_free(&host->numa);
	*host = (struct host_view){ 0 };
}

/* ---- the ledgers' side ---- */

void view_forget_ledgers(struct host_view *host)
{
	size_t i, j;

	view_overcommit_forget(host);
	for (i = 0; i < host->n_sizes; i++) {
		struct size_view *size = &host->sizes[i];

		size->covered = 0;
		for (j = 0; j < size->n_pools; j++)
			size->pools[j] = (struct pool_view){
				.pool = size->pools[j].pool,
				.ever = size->pools[j].ever,
				.whole = size->pools[j].whole,
				.seen = size->pools[j].seen,
				.most = size->pools[j].most,
			};
	}
}

/* A process can't have more than is taken, however it maps it.  What it was promised it may
 * have taken since the pool was read */
static uint64_t taken_of(uint64_t used, uint64_t promised, const struct pool_view *pool)
{
	return u64_min(used, u64_max(promised, u64_sub_floor(pool->pool.total, pool->pool.free)));
}

/* @left: what the guest lacks on all nodes together */
static void claim_pool(const struct ledger *ledger, const struct qemu_memory *mapped, uint64_t left,
		       uint64_t page_kib, struct pool_view *pool)
{
	unsigned int node = pool->pool.node;
	struct step_pages pages = step_list_pages(&ledger->list, page_kib, node);
	uint64_t promised = pages.promised, claimed;
	uint64_t lent = u64_sub_floor(promised, pages.own);
	uint64_t used = qemu_memory_on(mapped, page_kib, node);

	/* An unbound guest may have taken its pages on another node than they
	 * were promised on: never claim more than it still lacks */
	claimed = u64_min(left, u64_sub_floor(promised, used));
	pool->claimed = u64_add_sat(pool->claimed, claimed);
	used = taken_of(used, promised, pool);
	pool->mapped = u64_add_sat(pool->mapped, used);
	pool->lives_on =
		u64_add_sat(pool->lives_on, u64_sub_floor(u64_add_sat(used, claimed), lent));
}

/* Huge pages promised to the guest, of all sizes, as if it had mapped them.  In KiB */
static uint64_t add_promised(const struct ledger *ledger, const struct host_view *host,
			     struct qemu_memory *mapped)
{
	uint64_t kib = 0;
	size_t i, j;

	for (i = 0; i < host->n_sizes; i++) {
		const struct size_view *size = &host->sizes[i];

		for (j = 0; j < size->n_pools; j++) {
			unsigned int node = size->pools[j].pool.node;
			uint64_t pages =
				step_list_pages(&ledger->list, size->page_kib, node).promised;

			if (pages && qemu_memory_add(mapped, size->page_kib, node, pages) < 0)
				return 0;
			kib = u64_add_sat(kib, u64_mul_sat(pages, size->page_kib));
		}
	}
	return kib;
}

/* Most guests have all their pages from the start.  The kernel counts what a process has of
 * huge pages: as many as were promised are these, since no backend maps more than its size.
 * Reading a QEMU's mappings takes the kernel a hundred times as long */
static bool has_all(const struct kfs *kfs, pid_t pid, const struct ledger *ledger,
		    const struct host_view *host, struct qemu_memory *mapped)
{
	uint64_t promised, kib;

	if (!step_list_told_by_count(&ledger->list, host) ||
	    smaps_read_hugetlb(kfs, pid, &kib, NULL) < 0 || !kib)
		return false;
	promised = add_promised(ledger, host, mapped);
	if (promised == kib)
		return true;
	qemu_memory_free(mapped);
	return false;
}

/* Only then it matters what of it the kernel has reserved */
static bool lacks_pages(const struct ledger *ledger, const struct host_view *host,
			const struct qemu_memory *mapped)
{
	size_t i, j;

	for (i = 0; i < host->n_sizes; i++) {
		const struct size_view *size = &host->sizes[i];
		uint64_t promised = 0, used = 0;

		for (j = 0; j < size->n_pools; j++) {
			unsigned int node = size->pools[j].pool.node;

			promised = u64_add_sat(
				promised,
				step_list_pages(&ledger->list, size->page_kib, node).promised);
			used = u64_add_sat(used, qemu_memory_on(mapped, size->page_kib, node));
		}
		if (used < promised)
			return true;
	}
	return false;
}

/* What the QEMU of a ledger has.  Guests' own work, so there is an end to it */
static void look_at_qemu(const struct kfs *kfs, struct ledger *ledger, uint64_t deadline,
			 const struct host_view *host)
{
	struct ledger_qemu *qemu = &ledger->qemu;
	pid_t pid = 0;
	int rc, reserved = 0;

	if (qemu->found)
		pid = qemu->found_pid;
	else if (!liveness_qemu(kfs, ledger->name, &pid))
		pid = 0;
	qemu->found = false;
	if (pid == qemu->pid && clock_left_ms(qemu->again))
		return;
	qemu_memory_free(&qemu->mapped);
	qemu_memory_free(&qemu->reserved);
	qemu->pid = pid;
	if (!pid)
		return;
	qemu->again = clock_ms() + QEMU_AGAIN_MS;
	if (has_all(kfs, pid, ledger, host, &qemu->mapped))
		return;
	rc = qemu_memory_mapped(kfs, pid, deadline, &qemu->mapped);
	if (rc != -E2BIG && lacks_pages(ledger, host, &qemu->mapped))
		reserved = qemu_memory_reserved(kfs, pid, deadline, &qemu->reserved);
	qemu->again = clock_ms() + QEMU_AGAIN_MS;
	if (rc == -E2BIG || reserved == -E2BIG)
		log_warning("the QEMU of guest '%s' (process %d) has too many mappings to look at "
			    "them all: what was not seen counts as claimed",
			    ledger->name, (int)pid);
}

/* Of @left pages that a guest was promised and has not mapped, what will go through no hugetlbfs.
 * Which of them it has mapped is not known: as many as possible are still to go through one */
static uint64_t memfd_left(const struct ledger *ledger, uint64_t page_kib, uint64_t promised,
			   uint64_t left)
{
	uint64_t memfd = step_list_memfd(&ledger->list, page_kib);

	return u64_sub_floor(left, u64_sub_floor(promised, memfd));
}

static void claim_size(const struct ledger *ledger, struct size_view *size)
{
	const struct ledger_qemu *qemu = &ledger->qemu;
	uint64_t promised = 0, used = 0, left;
	size_t i;

	for (i = 0; i < size->n_pools; i++) {
		unsigned int node = size->pools[i].pool.node;

		promised = u64_add_sat(
			promised, step_list_pages(&ledger->list, size->page_kib, node).promised);
		used += qemu_memory_on(&qemu->mapped, size->page_kib, node);
	}
	left = u64_sub_floor(promised, used);
	for (i = 0; i < size->n_pools; i++)
		claim_pool(ledger, &qemu->mapped, left, size->page_kib, &size->pools[i]);
	size->memfd = u64_add_sat(size->memfd, memfd_left(ledger, size->page_kib, promised, left));
	size->covered = u64_add_sat(
		size->covered, u64_min(left, qemu_memory_on(&qemu->reserved, size->page_kib, 0)));
}

/* A guest whose QEMU has nothing mapped, and that was promised none of that size */
static bool has_none(const struct ledger *ledger, uint64_t page_kib)
{
	return !ledger->qemu.mapped.n && !ledger->qemu.reserved.n &&
	       !step_list_has_size(&ledger->list, page_kib);
}

static void claim(const struct kfs *kfs, struct ledger *ledger, uint64_t deadline,
		  struct host_view *host)
{
	size_t i;

	look_at_qemu(kfs, ledger, deadline, host);
	for (i = 0; i < host->n_sizes; i++)
		if (!has_none(ledger, host->sizes[i].page_kib))
			claim_size(ledger, &host->sizes[i]);
}

/* Reservations before free pages, and both after the claims: whatever a QEMU
 * takes in between is then missing from the later number only */
static int recount(const struct kfs *kfs, struct host_view *host, struct err *err)
{
	size_t i, j;
	int rc = 0;

	for (i = 0; rc == 0 && i < host->n_sizes; i++)
		rc = hugepages_reserved(kfs, host->sizes[i].page_kib, &host->sizes[i].reserved,
					err);
	for (i = 0; rc == 0 && i < host->n_sizes; i++) {
		const struct size_view *size = &host->sizes[i];

		for (j = 0; rc == 0 && j < size->n_pools; j++)
			rc = hugepages_read_pool(kfs, &host->numa, size->pools[j].pool.node,
						 size->page_kib, &size->pools[j].pool, err);
	}
	return rc;
}

int view_account(const struct kfs *kfs, const struct ledgers *ledgers, struct host_view *host,
		 struct err *err)
{
	uint64_t deadline = clock_ms() + QEMUS_MS;
	bool claims = false;
	size_t i, j;

	for (i = 0; i < ledgers->n; i++) {
		struct ledger *ledger = ledgers->list[i];

		for (j = 0; j < ledger->list.n; j++)
			step_account(&ledger->list.steps[j], ledger->alive, host);
		if (ledger->alive)
			view_overcommit_guest(kfs, ledger, host);
		if (ledger->alive && step_list_has_size(&ledger->list, 0)) {
			claim(kfs, ledger, deadline, host);
			claims = true;
		}
	}
	return claims ? recount(kfs, host, err) : 0;
}

void view_hold(const struct ledger *ledger, struct host_view *host)
{
	size_t i, j;

	for (i = 0; i < host->n_sizes; i++) {
		struct size_view *size = &host->sizes[i];
		uint64_t sum = 0;

		for (j = 0; j < size->n_pools; j++) {
			struct pool_view *pool = &size->pools[j];
			uint64_t promised =
				step_list_pages(&ledger->list, size->page_kib, pool->pool.node)
					.promised;
			uint64_t others = u64_sub_floor(pool->claimed, promised);

			sum = u64_add_sat(sum, promised);
			others = u64_add_sat(others, u64_sub_floor(size->reserved, size->covered));
			pool->held = u64_min(promised, u64_sub_floor(pool->pool.free, others));
		}
		size->memfd =
			u64_sub_floor(size->memfd, memfd_left(ledger, size->page_kib, sum, sum));
	}
}
