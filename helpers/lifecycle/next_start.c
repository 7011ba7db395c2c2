// SPDX-License-Identifier: LGPL-2.1-or-later
/* The host as a guest's next start will find it, simulated for commands that only look. */
#include "lifecycle/next_start.h"

#include <errno.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/text.h"
#include "guest/guest.h"
#include "lifecycle/ledger.h"
#include "lifecycle/qemu_memory.h"
#include "lifecycle/session.h"
#include "lifecycle/view_survey.h"
#include "memory/fragmentation.h"
#include "policy/memory_promise.h"
#include "policy/supply.h"
#include "steps/steps.h"

void next_start_give_back(const struct ledgers *ledgers, struct host_view *host,
			  struct fragmentation *f)
{
	size_t i, j;

	for (i = 0; i < ledgers->n; i++) {
		const struct ledger *ledger = ledgers->list[i];

		for (j = 0; !ledger->alive && j < ledger->list.n; j++)
			step_as_if_undone(&ledger->list.steps[j], ledger->name, host, f);
	}
}

static void end_pages(const struct qemu_memory *mapped, struct host_view *host)
{
	size_t i;

	for (i = 0; i < mapped->n; i++) {
		const struct qemu_pages *pages = &mapped->list[i];
		struct pool_view *pool = host_view_pool(host, pages->page_kib, pages->node);

		if (!pool)
			continue;
		pool->pool.free =
			u64_min(u64_add_sat(pool->pool.free, pages->pages), pool->pool.total);
		/* Its ledger counts as a dead guest's, whose pages are in use still */
		pool->late = u64_sub_floor(pool->late, pages->pages);
	}
}

static void end_plain(const struct qemu_memory *plain, struct host_view *host,
		      struct fragmentation *f)
{
	size_t i, j;

	for (i = 0; i < plain->n; i++) {
		const struct qemu_pages *pages = &plain->list[i];
		uint64_t kib = u64_mul_sat(pages->pages, pages->page_kib);

		for (j = 0; j < host->numa.n_nodes; j++)
			if (host->numa.nodes[j].id == pages->node)
				host->numa.nodes[j].free_kib += kib;
		fragmentation_give_back(f, pages->node, f->page_kib, kib / f->page_kib);
	}
}

int next_start_end_qemu(const struct kfs *kfs, pid_t pid, struct host_view *host,
			struct fragmentation *f)
{
	struct qemu_memory mapped = { 0 }, plain = { 0 };
	int rc = qemu_memory_mapped(kfs, pid, CLOCK_NEVER, &mapped);

	if (rc == 0)
		rc = qemu_memory_plain(kfs, pid, &plain);
	if (rc == 0) {
		end_pages(&mapped, host);
		end_plain(&plain, host, f);
	}
	qemu_memory_free(&mapped);
	qemu_memory_free(&plain);
	return rc;
}

int next_start(struct session *session, const struct guest *guest, struct ledger *own, pid_t pid,
	       struct fragmentation *f, struct err *err)
{
	struct host_view *host = &session->host;
	int rc = 0;

	if (own && own->alive) {
		own->alive = false;
		rc = session_account(session, NULL, err);
	}
	if (rc < 0)
		return rc;
	memory_promise_end(host, guest->name);
	/* If it fails the guest has just ended */
	if (pid)
		next_start_end_qemu(session->kfs, pid, host, f);
	if (f)
		view_survey_most(session->kfs, guest, host);
	next_start_give_back(&session->ledgers, host, f);
	if (f)
		supply_survey(host, f);
	return 0;
}

int next_start_survey(struct session *session, const struct guest *guest, struct ledger *own,
		      struct err *err)
{
	struct fragmentation f = { 0 };
	bool known = view_survey_read(session->kfs, guest, &session->host, &f);
	int rc = next_start(session, guest, own, 0, known ? &f : NULL, err);

	fragmentation_free(&f);
	return rc;
}
