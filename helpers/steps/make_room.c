// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * DOC: what makes room, as measured (tests/bench/RESULTS.md)
 *
 * One write stops early because of the kernel's compaction back-off: after a
 * failed attempt up to 63 later ones are skipped.  Writing again, until that
 * many writes in a row bring nothing, lifts it, and is quicker than compacting
 * the whole node.  So:
 *
 * 1. Page cache in the way: reclaim first, and less than what is missing beyond the
 *    free memory.  The writes that follow reclaim the rest themselves, and what
 *    was freed beyond that was in use.
 * 2. Write until 67 writes in a row bring nothing, with the CPUs' own lists of free
 *    pages emptied before each: no huge page is made of what lies there.
 * 3. Again from 1, measured anew, while that brings pages.  If not, compact the
 *    node, after reclaim because compaction needs free memory to move into; and
 *    if not even then, free twice as much the next time, and again.
 * 4. Where it is allowed, everybody's cache is dropped.
 *
 * Pages of 1 GiB are another world: one unmovable page in a GiB decides, and
 * nothing beyond freeing the deficit was seen to help.
 */
#include "steps/make_room.h"

#include <errno.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/text.h"
#include "kernel/kfs.h"
#include "memory/compaction.h"
#include "memory/numa.h"
#include "memory/reclaim.h"
#include "process/child.h"
#include "steps/pool_change.h"

/* Free memory the kernel wants beside the pages themselves */
#define MARGIN_KIB (128 * KIB_PER_MIB)

/* Page cache that stays, and a deficit that isn't worth asking for */
#define CACHE_FLOOR_KIB	  (256 * KIB_PER_MIB)
#define DEFICIT_FLOOR_KIB (16 * KIB_PER_MIB)

/* Of the missing pages.  The kernel frees half a page or more for each that it makes,
 * however much is free: 70 % ended with 1 GiB freed for nothing, 20 % took a fifth
 * longer */
#define FIRST_BITE_PERCENT 35

/* At once.  After a larger write more is left free than before: the kernel reclaims in
 * the background as long as the write lasts, and the next one could have used that */
#define WRITE_KIB (512 * KIB_PER_MIB)

/* COMPACT_MAX_DEFER_SHIFT skips at most 63 attempts */
#define WRITES_AGAINST_BACKOFF 67

struct room {
	struct step_ctx *ctx;
	const struct step_hugepages *hp;
	struct step_share *share;
	uint64_t wanted;
	uint64_t gained;
	uint64_t round_began; /* clock_ms() */
};

static uint64_t missing(const struct room *r)
{
	return u64_sub_floor(r->wanted, r->gained);
}

/* Let go of the host lock while @work runs */
static int let_go(struct room *r, void (*work)(void *arg), void *arg, struct err *err)
{
	int rc = r->ctx->pause(r->ctx, work, arg, err);

	r->round_began = clock_ms();
	return rc;
}

static int grow(struct room *r, struct err *err)
{
	uint64_t pages = u64_min(missing(r), u64_max(1, WRITE_KIB / r->hp->page_kib));
	int64_t n;

	if (!pages)
		return 0;
	n = pool_grow(r->ctx, r->hp, r->share, pages, r->ctx->deadline, err);
	if (n < 0)
		return (int)n;
	r->gained += (uint64_t)n;
	if (clock_ms() - r->round_began < ROOM_ROUND_MS)
		return 0;
	return let_go(r, NULL, NULL, err);
}

/* ---- work without the lock, in a child ---- */

struct job {
	struct room *room;
	pid_t (*start)(const struct job *job);
	uint64_t kib;
};

static void run_job(void *arg)
{
	const struct job *job = arg;
	pid_t pid = job->start(job);

	if (pid > 0)
		child_wait(pid, job->room->ctx->deadline);
}

static pid_t start_reclaim(const struct job *job)
{
	const struct room *r = job->room;

	return reclaim_start(r->ctx->kfs, &r->ctx->host->numa, r->share->node, job->kib);
}

static pid_t start_compaction(const struct job *job)
{
	const struct room *r = job->room;

	if (r->ctx->tally)
		r->ctx->tally->compactions++;
	return compaction_start(r->ctx->kfs, &r->ctx->host->numa, r->share->node);
}

static pid_t start_drop(const struct job *job)
{
	return reclaim_drop_caches(job->room->ctx->kfs);
}

static int do_job(struct room *r, pid_t (*start)(const struct job *job), uint64_t kib,
		  struct err *err)
{
	struct job job = { .room = r, .start = start, .kib = kib };

	return let_go(r, run_job, &job, err);
}

/* ---- the recipe ---- */

static bool may_reclaim(const struct room *r)
{
	return r->hp->reclaim &&
	       reclaim_way(r->ctx->kfs, &r->ctx->host->numa, r->share->node) != RECLAIM_NONE;
}

/* Page cache to free so that the missing pages fit */
static uint64_t deficit(const struct room *r, uint64_t percent)
{
	uint64_t pages_kib = u64_mul_sat(missing(r), r->hp->page_kib) / 100;
	uint64_t need = u64_add_sat(u64_mul_sat(pages_kib, percent), MARGIN_KIB);
	struct numa_node node;

	reclaim_drain_percpu_lists(r->ctx->kfs);
	if (numa_read_node(r->ctx->kfs, &r->ctx->host->numa, r->share->node, &node, NULL) < 0)
		return 0;
	need = u64_min(u64_sub_floor(need, node.free_kib),
		       u64_sub_floor(node.file_kib + numa_arc(&node, 0), CACHE_FLOOR_KIB));
	return need < DEFICIT_FLOOR_KIB ? 0 : need;
}

static bool time_left(const struct room *r)
{
	return missing(r) && clock_left_ms(r->ctx->deadline);
}

/* Writes until neither the kernel's back-off nor a CPU's list can be the reason any
 * more */
static int grow_stubbornly(struct room *r, struct err *err)
{
	unsigned int idle = 0;
	int rc = 0;

	while (rc == 0 && time_left(r) && idle < WRITES_AGAINST_BACKOFF) {
		uint64_t before = r->gained;

		reclaim_drain_percpu_lists(r->ctx->kfs);
		rc = grow(r, err);
		idle = r->gained > before ? 0 : idle + 1;
	}
	return rc;
}

static int reclaim_and_grow(struct room *r, uint64_t percent, struct err *err)
{
	uint64_t kib = may_reclaim(r) ? deficit(r, percent) : 0;
	int rc = kib ? do_job(r, start_reclaim, kib, err) : 0;

	return rc < 0 ? rc : grow_stubbornly(r, err);
}

static int compact_and_grow(struct room *r, struct err *err)
{
	int rc;

	if (!r->hp->compact || !time_left(r))
		return 0;
	rc = do_job(r, start_compaction, 0, err);
	return rc < 0 ? rc : grow_stubbornly(r, err);
}

static int drop_caches_and_grow(struct room *r, struct err *err)
{
	int rc;

	if (!r->hp->drop_caches || !time_left(r))
		return 0;
	rc = do_job(r, start_drop, 0, err);
	if (rc == 0)
		rc = compact_and_grow(r, err);
	return rc < 0 ? rc : grow_stubbornly(r, err);
}

/* A round that brings less than this share of what is missing was a poor one; the
 * next one frees twice as much per page, up to eight times */
#define POOR_ROUND	  20
#define LAST_BITE_PERCENT 800

static int grow_huge(struct room *r, struct err *err)
{
	uint64_t percent = FIRST_BITE_PERCENT;
	int rc = 0;

	while (time_left(r) && percent <= LAST_BITE_PERCENT) {
		uint64_t before = missing(r), enough = u64_max(1, before / POOR_ROUND);

		rc = reclaim_and_grow(r, percent, err);
		if (rc == 0 && before - missing(r) < enough)
			rc = compact_and_grow(r, err);
		if (rc < 0)
			return rc;
		percent = before - missing(r) < enough ? percent * 2 : FIRST_BITE_PERCENT;
	}
	return drop_caches_and_grow(r, err);
}

static int grow_gigantic(struct room *r, struct err *err)
{
	uint64_t kib = may_reclaim(r) ? deficit(r, 100) : 0;
	int rc = kib ? do_job(r, start_reclaim, kib, err) : 0;

	if (rc == 0)
		rc = grow(r, err);
	if (rc == 0 && r->hp->drop_caches && time_left(r)) {
		rc = do_job(r, start_drop, 0, err);
		if (rc == 0)
			rc = grow(r, err);
	}
	return rc;
}

bool make_room_is_short(const struct step_ctx *ctx, const struct step_hugepages *hp,
			const struct step_share *share, uint64_t pages)
{
	uint64_t need = u64_add_sat(u64_mul_sat(pages, hp->page_kib), MARGIN_KIB);
	struct numa_node node;

	if (!hp->reclaim || !pages ||
	    reclaim_way(ctx->kfs, &ctx->host->numa, share->node) == RECLAIM_NONE ||
	    numa_read_node(ctx->kfs, &ctx->host->numa, share->node, &node, NULL) < 0)
		return false;
	return node.free_kib < need && node.file_kib + numa_arc(&node, 0) > CACHE_FLOOR_KIB;
}

int64_t make_room_grow(struct step_ctx *ctx, const struct step_hugepages *hp,
		       struct step_share *share, uint64_t pages, struct err *err)
{
	struct room r = {
		.ctx = ctx,
		.hp = hp,
		.share = share,
		.wanted = pages,
		.round_began = clock_ms(),
	};
	int rc = hp->page_kib >= KIB_PER_GIB ? grow_gigantic(&r, err) : grow_huge(&r, err);

	return rc < 0 ? rc : (int64_t)r.gained;
}
