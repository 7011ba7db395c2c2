// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Pages that on_release = keep left in the pools.
 */
#include "lifecycle/kept.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/text.h"
#include "lifecycle/reconcile.h"
#include "lifecycle/session.h"
#include "steps/pool_change.h"

/* The record of what is kept is written by us, and no ledger has these pages */
static int save_nothing(struct step_ctx *ctx, struct err *err)
{
	(void)ctx;
	(void)err;
	return 0;
}

static int write_down(const struct session *session, const struct accounts *before, struct err *err)
{
	return accounts_write(&session->state, session->boot_id, before, &session->accounts, err);
}

/* Kept pages of @pool become ours again for as long as it takes to give them back */
static int64_t shrink(struct session *session, struct pool_view *pool, uint64_t page_kib,
		      uint64_t pages, struct err *err)
{
	struct step_share share = { .node = pool->pool.node, .own = pages };
	const struct step_hugepages hp = { .page_kib = page_kib, .n_shares = 1, .shares = &share };
	struct step_ctx ctx = { .kfs = session->kfs, .host = &session->host, .save = save_nothing };
	int64_t gone;

	pool->foreign -= u64_min(pool->foreign, pages);
	pool->own += pages;
	pool->debt += pages;
	gone = pool_shrink(&ctx, &hp, &share, pages, err);
	pool->own -= share.own;
	pool->debt -= u64_min(pool->debt, share.own);
	pool->foreign += share.own;
	return gone;
}

/* First the record, then the kernel: after a kill in between the pages are the
 * administrator's.  What stays is kept as before */
static int free_pool(struct session *session, struct pool_view *pool, struct account *account,
		     uint64_t pages, struct kept_pool *kept, struct err *err)
{
	struct accounts before;
	int64_t gone = 0;
	uint64_t n;
	int rc = accounts_copy(&before, &session->accounts);

	if (rc < 0)
		return err_nomem(err);
	n = account_free_kept(account, pages);
	rc = write_down(session, &before, err);
	if (rc == 0) {
		gone = shrink(session, pool, kept->page_kib, n, err);
		rc = gone < 0 ? (int)gone : 0;
	}
	kept->freed = gone < 0 ? 0 : (uint64_t)gone;
	account_keep(account, u64_sub_floor(n, kept->freed));
	kept->left = pool->kept = account->kept;
	accounts_free(&before);
	return rc;
}

static int free_locked(struct session *session, uint64_t page_kib, uint64_t pages,
		       struct kept *kept, struct err *err)
{
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < session->accounts.n; i++) {
		struct pool_account *entry = &session->accounts.list[i];
		struct pool_view *pool =
			host_view_pool(&session->host, entry->page_kib, entry->node);
		struct kept_pool *result = &kept->pools[kept->n];
		char text[TEXT_PAGES_SIZE];

		if (!pool || !entry->account.kept || (page_kib && entry->page_kib != page_kib))
			continue;
		*result = (struct kept_pool){ .page_kib = entry->page_kib,
					      .node = entry->node,
					      .left = entry->account.kept };
		kept->n++;
		rc = free_pool(session, pool, &entry->account, u64_min(pages, entry->account.kept),
			       result, err);
		pages = pages == UINT64_MAX ? pages : pages - result->freed;
		if (result->freed)
			log_info("kept until now and given back: %s on node %u",
				 text_from_pages(result->freed, result->page_kib, text),
				 result->node);
	}
	return rc;
}

int kept_free(struct session *session, uint64_t page_kib, uint64_t pages, struct kept *kept,
	      struct err *err)
{
	struct accounts before = { 0 };
	struct err ignored;
	int rc = reconcile_begin(session, clock_ms() + session->lock_deadline_ms, NULL, NULL, err);

	*kept = (struct kept){ 0 };
	if (rc < 0)
		return rc;
	kept->pools = calloc(session->accounts.n + 1, sizeof(*kept->pools));
	if (!kept->pools)
		rc = err_nomem(err);
	if (rc == 0)
		rc = free_locked(session, page_kib, pages, kept, err);
	if (write_down(session, &before, &ignored) < 0)
		log_warning("%s", ignored.text);
	session_unlock(session);
	return rc;
}

void kept_end(struct kept *kept)
{
	free(kept->pools);
	*kept = (struct kept){ 0 };
}
