// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * DOC: what makes room, as measured (tests/bench/RESULTS.md)
 *
 * One write stops early because of the kernel's compaction back-off: after a
 * failed attempt up to 63 later ones are skipped.  Writing again, until that
 * many writes in a row bring nothing, lifts it.  A write that fails also empties the CPUs'
 * own lists of free pages, of which no huge page is made, and from 6.7 on they grow to hundreds
 * of MiB a CPU.  So:
 *
 * 1. Look where pages lie that can't be moved, and where the others would have to go: what can't be
 *    is refused, and it shows how much has to be freed (policy/room_rules.h).  An eighth of memory
 *    tells the latter, and where it leaves no doubt of the former that is all that is looked at.
 *    Where the missing pages would fit into what is free already, write and compact in turn as
 *    long as that brings any.
 * 2. Free page cache, all that it takes at once.  Where many blocks can't become pages, compact the
 *    node as soon as half of it is free, on another processor.  Not where nearly all cache has to
 *    go (step 5 says why).
 * 3. Compact the node, and take what is free as a whole then, as long as that brings a good part of
 *    what is missing.  A page that is not free as a whole wakes kswapd, which frees 4 MiB
 *    of cache for its 2 (the kernel's compact_gap()), and is made by this processor alone.
 *    A write of pages that are free as a whole does neither.
 * 4. Write until 67 writes in a row bring nothing.  Each empties one block after the other, and
 *    leaves those alone in which something stays.
 * 5. Again from 2, measured anew, while that brings pages.  If not, compact the node.  That
 *    packs all that can be moved into the highest blocks, and so spoils some.  If not even then,
 *    free more the next time, as long as there is cache, and what was lost is in proportion to what
 *    it brought.
 * 6. Where it is allowed, the cache of all programs is dropped.
 *
 * Pages of 1 GiB are another world: one unmovable page in a GiB decides.  The flags of all
 * pages say in which GiBs there is none, and what has to be moved out of these
 * (memory/page_ranges.h).  Only for that, memory is freed.  Where there are too few, what
 * holds some others up may be slab pages that the kernel can give up: a part of a page's worth of
 * cache is reclaimed at a time, as long as they become fewer, and before any page is made.
 * Where that can't be seen, pages are written first, and then as much is freed before each try.
 *
 * Taking the memory blocks of a range offline, and online again, empties it as well, but by the
 * same means and in twice the time: a slab page is in its way, too, and where one is, it tries
 * again for ever.  And the kernel still chooses the lowest range.
 */
#include "steps/make_room.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/text.h"
#include "kernel/kfs.h"
#include "memory/compaction.h"
#include "memory/fragmentation.h"
#include "memory/numa.h"
#include "memory/page_ranges.h"
#include "memory/reclaim.h"
#include "memory/slab.h"
#include "memory/write_back.h"
#include "policy/gigantic_rules.h"
#include "policy/room_rules.h"
#include "process/child.h"
#include "steps/pool_change.h"

/* At once.  After a larger write more is left free than before: the kernel reclaims in
 * the background as long as the write lasts, and the next one could have used that */
#define WRITE_KIB (512 * KIB_PER_MIB)

/* COMPACT_MAX_DEFER_SHIFT skips at most 63 attempts */
#define WRITES_AGAINST_BACKOFF 67

/* Compacting again and again may go on for this long before cache is freed */
#define PATIENCE_MS 2500

struct room {
	struct step_ctx *ctx;
	const struct step_hugepages *hp;
	struct step_share *share;
	uint64_t wanted;
	uint64_t gained;
	uint64_t cache_kib;   /* of the node, before anything was freed */
	uint64_t round_began; /* clock_ms() */
};

static uint64_t missing(const struct room *r)
{
	return u64_sub_floor(r->wanted, r->gained);
}

/* Return: false: the node can't be read */
static bool read_memory(const struct room *r, uint64_t *free_kib, uint64_t *cache_kib)
{
	struct numa_node node;

	if (numa_read_node(r->ctx->kfs, &r->ctx->host->numa, r->share->node, &node, NULL) < 0)
		return false;
	*free_kib = node.free_kib;
	*cache_kib = numa_cache(&node);
	return true;
}

static uint64_t cache_now(const struct room *r)
{
	uint64_t free_kib, cache_kib;

	return read_memory(r, &free_kib, &cache_kib) ? cache_kib : 0;
}

/* Let go of the host lock while @work runs */
static int let_go(struct room *r, void (*work)(void *arg), void *arg, struct err *err)
{
	int rc = r->ctx->pause(r->ctx, work, arg, err);

	r->round_began = clock_ms();
	return rc;
}

static int grow_by(struct room *r, uint64_t pages, struct err *err)
{
	int64_t n;

	pages = u64_min(u64_min(missing(r), pages), u64_max(1, WRITE_KIB / r->hp->page_kib));
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

static int grow(struct room *r, struct err *err)
{
	return grow_by(r, missing(r), err);
}

/* ---- work without the lock, in a child ---- */

struct job {
	struct room *room;
	pid_t (*start)(const struct job *job);
	uint64_t kib;
	bool pack;   /* compact the node meanwhile, */
	bool blocks; /* and take what that makes whole */
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

/* If freeing clean pages falls short, dirty ones are waited for this long */
#define WRITE_BACK_MS 2000

static int wait_for(const struct job *job, pid_t pid)
{
	return pid > 0 ? child_wait(pid, job->room->ctx->deadline) : pid;
}

/* While the disks are busy with it everything else on them waits.  So only where clean pages are
 * not enough */
static pid_t start_write_back(const struct job *job)
{
	const struct step_ctx *ctx = job->room->ctx;
	struct numa_node node;

	if (numa_read_node(ctx->kfs, &ctx->host->numa, job->room->share->node, &node, NULL) < 0 ||
	    !room_is_dirty(job->kib, node.file_kib, node.dirty_kib))
		return 0;
	return write_back_start(ctx->kfs);
}

/* Compaction begins as soon as half is free, into which it moves the rest's pages, and takes about
 * as long as it takes to free that */
static int free_and_compact(const struct job *all)
{
	struct job half = { .room = all->room, .kib = all->kib / 2 };
	pid_t reclaim;
	int rc = wait_for(&half, start_reclaim(&half));

	half.kib = all->kib - half.kib;
	reclaim = start_reclaim(&half);
	wait_for(&half, start_compaction(&half));
	return rc < 0 ? rc : wait_for(&half, reclaim);
}

/* What is dirty is written beside that */
static void free_cache(void *arg)
{
	const struct job *all = arg;
	const struct room *r = all->room;
	struct job rest = { .room = all->room };
	pid_t written = start_write_back(all);
	uint64_t before_kib = cache_now(r);
	int rc = all->pack ? free_and_compact(all) : wait_for(all, start_reclaim(all));

	rest.kib = u64_sub_floor(all->kib, u64_sub_floor(before_kib, cache_now(r)));
	if (rc == -EAGAIN && rest.kib && written > 0) {
		child_wait(written, u64_min(r->ctx->deadline, clock_ms() + WRITE_BACK_MS));
		written = 0;
		wait_for(&rest, start_reclaim(&rest));
	}
	if (written > 0)
		child_let_go(written);
	/* It has few pages left to move */
	if (all->pack && clock_left_ms(r->ctx->deadline))
		wait_for(all, start_compaction(all));
}

/* ---- where pages lie ---- */

/* How long a look may take, and what it takes for each GiB: 15 to 30 ms.  Pages below 1 GiB get
 * half of the time */
#define LOOK_MS	    2000
#define LOOK_GIB_MS 15
#define SLOW_GIB_MS 30

/* Newer kernels move huge pages out of a range, too */
#define MOVES_HUGE_PAGES "proc/sys/vm/movable_gigantic_pages"

/* Programs' memory goes to a slower node where this is "true" and there is one */
#define DEMOTION "sys/kernel/mm/numa/demotion_enabled"

static unsigned int look_ms(uint64_t page_kib)
{
	return page_kib >= KIB_PER_GIB ? LOOK_MS : LOOK_MS / 2;
}

/* Would a look tell what can be made?  ZFS gives back pages of its cache that look fixed */
static bool can_be_seen(const struct kfs *kfs, const struct numa *numa, bool gigantic)
{
	return !numa->arc_kib && !(gigantic && kfs_exists(kfs, MOVES_HUGE_PAGES));
}

static uint64_t gib_of(const struct numa *numa, const struct nodeset *nodes)
{
	uint64_t kib = 0;
	size_t i;

	for (i = 0; i < numa->n_nodes; i++)
		if (nodeset_has(nodes, numa->nodes[i].id))
			kib = u64_add_sat(kib, numa->nodes[i].total_kib);
	return u64_div_up(kib, KIB_PER_GIB);
}

/* How many parts of memory stand for one that is looked at: more than one where all would not be
 * done in time.  0: no part of them says anything, since a single page in a GiB decides */
static unsigned int parts(uint64_t page_kib, uint64_t gib)
{
	if (gib * LOOK_GIB_MS <= look_ms(page_kib))
		return 1;
	if (page_kib >= KIB_PER_GIB)
		return 0;
	return (unsigned int)u64_div_up(gib * SLOW_GIB_MS, look_ms(page_kib));
}

uint64_t make_room_look_until(uint64_t page_kib)
{
	return clock_ms() + look_ms(page_kib);
}

static bool look_at_part(const struct kfs *kfs, const struct numa *numa, uint64_t page_kib,
			 const struct nodeset *nodes, uint64_t deadline, unsigned int one_of,
			 struct page_ranges *ranges)
{
	bool gigantic = page_kib >= KIB_PER_GIB;
	const struct page_ranges_look what = {
		.size_kib = page_kib,
		.movable = !gigantic,
		.nodes = *nodes,
		.deadline = deadline,
		.whole = gigantic,
		.one_of = one_of,
	};

	if (!what.one_of || !can_be_seen(kfs, numa, gigantic))
		return false;
	if (page_ranges_read(kfs, &what, ranges, NULL) == 0)
		return true;
	page_ranges_free(ranges);
	return false;
}

bool make_room_look(const struct kfs *kfs, const struct numa *numa, uint64_t page_kib,
		    const struct nodeset *nodes, uint64_t deadline, struct page_ranges *ranges)
{
	return look_at_part(kfs, numa, page_kib, nodes, deadline,
			    parts(page_kib, gib_of(numa, nodes)), ranges);
}

/* Can programs' memory leave the node? */
static bool memory_leaves(const struct kfs *kfs, const struct numa *numa)
{
	char text[16];

	if (numa->swaps)
		return true;
	return numa->n_nodes > 1 && kfs_read(kfs, DEMOTION, text, sizeof(text), NULL) == 0 &&
	       (!strcmp(text, "true") || !strcmp(text, "1"));
}

uint64_t make_room_most(const struct kfs *kfs, const struct numa *numa, uint64_t page_kib,
			unsigned int node, const struct page_ranges *ranges, unsigned int *beside)
{
	struct room_estimate estimate;
	struct gigantic_need need;
	struct numa_node now;

	if (numa_read_node(kfs, numa, node, &now, NULL) < 0)
		return UINT64_MAX;
	if (page_kib >= KIB_PER_GIB) {
		need = gigantic_rules_need(ranges, &now, 0, 0);
		return need.sure + need.hope;
	}
	estimate = room_rules_estimate(ranges, &now, memory_leaves(kfs, numa));
	if (beside && estimate.beside > *beside)
		*beside = estimate.beside;
	/* What was not looked at may well become pages */
	return ranges->sample ? UINT64_MAX : estimate.pages;
}

static struct nodeset nodes_of(const struct step_hugepages *hp)
{
	struct nodeset nodes = { 0 };
	size_t i;

	for (i = 0; i < hp->n_shares; i++)
		nodeset_add(&nodes, hp->shares[i].node);
	return nodes;
}

static bool look(const struct step_ctx *ctx, const struct step_hugepages *hp,
		 struct page_ranges *ranges)
{
	uint64_t until = ctx->patient ? CLOCK_NEVER : make_room_look_until(hp->page_kib);
	struct nodeset nodes = nodes_of(hp);

	return make_room_look(ctx->kfs, &ctx->host->numa, hp->page_kib, &nodes,
			      u64_min(ctx->deadline, until), ranges);
}

/* ---- the recipe ---- */

static bool may_reclaim(const struct room *r)
{
	return r->hp->reclaim &&
	       reclaim_way(r->ctx->kfs, &r->ctx->host->numa, r->share->node) != RECLAIM_NONE;
}

/* Page cache to free so that the missing pages fit */
static void plan_bite(const struct room *r, unsigned int percent, struct job *job)
{
	uint64_t missing_kib = u64_mul_sat(missing(r), r->hp->page_kib);
	uint64_t free_kib, cache_kib, need_kib, all_kib;

	reclaim_drain_percpu_lists(r->ctx->kfs);
	if (!read_memory(r, &free_kib, &cache_kib))
		return;
	all_kib = u64_add_sat(free_kib, cache_kib);
	need_kib = room_need_kib(missing_kib, r->ctx->beside, all_kib);
	job->kib = room_bite_kib(missing_kib, need_kib, percent, free_kib, cache_kib);
	job->pack = job->kib && r->hp->compact && room_can_pack(r->ctx->beside, need_kib, all_kib);
	job->blocks = r->hp->compact && room_takes_blocks(r->ctx->beside, need_kib, all_kib);
}

/* What it cost, and what more of the same can cost */
static void read_cache(const struct room *r, struct room_round *round)
{
	uint64_t free_kib, cache_kib;

	if (!read_memory(r, &free_kib, &cache_kib))
		cache_kib = r->cache_kib;
	round->lost_kib = u64_sub_floor(r->cache_kib, cache_kib);
	round->cache_kib = may_reclaim(r) ? cache_kib : 0;
}

static bool time_left(const struct room *r)
{
	return missing(r) && clock_left_ms(r->ctx->deadline);
}

/* Writes until the kernel's back-off can't be the reason any more */
static int grow_stubbornly(struct room *r, struct err *err)
{
	unsigned int idle = 0;
	int rc = 0;

	while (rc == 0 && time_left(r) && idle < WRITES_AGAINST_BACKOFF) {
		uint64_t before = r->gained;

		rc = grow(r, err);
		idle = r->gained > before ? 0 : idle + 1;
	}
	return rc;
}

/* Free blocks that are left: others take some meanwhile */
#define BLOCKS_LEFT 4

/* What is free as a whole */
static int take_blocks(struct room *r, struct err *err)
{
	uint64_t blocks = fragmentation_free_pages(r->ctx->kfs, r->share->node, r->hp->page_kib);
	uint64_t most = u64_add_sat(r->gained, u64_sub_floor(blocks, BLOCKS_LEFT)), before;
	int rc;

	do {
		before = r->gained;
		rc = grow_by(r, u64_sub_floor(most, before), err);
	} while (rc == 0 && time_left(r) && r->gained > before);
	return rc;
}

/* @packed: the node has been compacted just now */
static int compact_and_take(struct room *r, bool packed, struct err *err)
{
	int rc = 0;

	if (!packed)
		rc = do_job(r, start_compaction, 0, err);
	return rc < 0 ? rc : take_blocks(r, err);
}

static int free_more(struct room *r, struct err *err)
{
	struct job job = { .room = r };

	if (may_reclaim(r))
		job.kib = room_more_kib(u64_mul_sat(missing(r), r->hp->page_kib), cache_now(r));
	return job.kib ? let_go(r, free_cache, &job, err) : 0;
}

/* Compacting brings less and less.  Where it brings little right after memory was freed, it ends */
static int grow_by_blocks(struct room *r, bool packed, struct err *err)
{
	bool freed = false, well = true;
	int rc = 0;

	while (rc == 0 && time_left(r) && (well || !freed)) {
		uint64_t before = missing(r);

		freed = !well;
		if (freed)
			rc = free_more(r, err);
		if (rc == 0)
			rc = compact_and_take(r, packed, err);
		packed = false;
		well = room_compacts_well(before, before - missing(r));
	}
	return rc;
}

static int reclaim_and_grow(struct room *r, unsigned int percent, struct err *err)
{
	struct job job = { .room = r };
	int rc = 0;

	if (may_reclaim(r))
		plan_bite(r, percent, &job);
	if (job.kib)
		rc = let_go(r, free_cache, &job, err);
	if (rc == 0 && job.blocks)
		rc = grow_by_blocks(r, job.pack, err);
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

static int play_round(struct room *r, struct room_round *round, struct err *err)
{
	uint64_t before = r->gained;
	int rc;

	round->missing = missing(r);
	rc = reclaim_and_grow(r, round->percent, err);
	if (rc == 0 && room_is_poor(round->missing, r->gained - before))
		rc = compact_and_grow(r, err);
	round->gained = r->gained - before;
	round->gained_all = r->gained;
	read_cache(r, round);
	return rc;
}

/* Would the missing pages fit into what is free?  Or is there no cache to free for them? */
static bool would_fit(const struct room *r)
{
	uint64_t free_kib, cache_kib;

	return read_memory(r, &free_kib, &cache_kib) &&
	       !room_is_short(u64_mul_sat(missing(r), r->hp->page_kib), free_kib, cache_kib);
}

/* Where enough is free, in small pieces, compaction goes on bringing pages, a few at a time.  If
 * the cache went first, programs' memory would be packed less densely, and into more blocks */
static int grow_in_free(struct room *r, struct err *err)
{
	uint64_t until = clock_ms() + PATIENCE_MS, before = UINT64_MAX;
	int rc = would_fit(r) ? grow_stubbornly(r, err) : 0;

	while (rc == 0 && time_left(r) && clock_left_ms(until) && r->gained != before &&
	       r->hp->compact && would_fit(r)) {
		before = r->gained;
		rc = compact_and_grow(r, err);
	}
	return rc;
}

static int grow_huge(struct room *r, struct err *err)
{
	unsigned int first = r->ctx->beside ? ROOM_SEEN_PERCENT : ROOM_FIRST_PERCENT;
	struct room_round round = {
		.page_kib = r->hp->page_kib,
		.percent = first,
		.first = first,
	};

	int rc = grow_in_free(r, err);

	while (rc == 0 && time_left(r) && round.percent) {
		rc = play_round(r, &round, err);
		if (rc < 0)
			break;
		round.percent = room_next_percent(&round);
	}
	return rc < 0 ? rc : drop_caches_and_grow(r, err);
}

/* ---- gigantic pages ---- */

/* A node's part of the pages that hold the trees of page cache: as it has part of the cache */
static uint64_t cache_trees(const struct room *r, const struct numa_node *node)
{
	const struct numa *numa = &r->ctx->host->numa;
	uint64_t all_mib = 0, mib = numa_cache(node) / KIB_PER_MIB;
	size_t i;

	for (i = 0; i < numa->n_nodes; i++)
		if (numa->nodes[i].id != node->id)
			all_mib += numa_cache(&numa->nodes[i]) / KIB_PER_MIB;
	return u64_mul_sat(slab_cache_trees(r->ctx->kfs), mib) / u64_max(1, all_mib + mib);
}

/* What it takes to get the missing pages.  Return: false where that can't be seen */
static bool look_again(const struct room *r, struct gigantic_need *need)
{
	struct page_ranges ranges;
	struct numa_node now;

	if (!look(r->ctx, r->hp, &ranges))
		return false;
	if (numa_read_node(r->ctx->kfs, &r->ctx->host->numa, r->share->node, &now, NULL) < 0) {
		page_ranges_free(&ranges);
		return false;
	}
	*need = gigantic_rules_need(&ranges, &now, cache_trees(r, &now), missing(r));
	page_ranges_free(&ranges);
	return true;
}

/* No more in all than what is missing at first */
static int free_some(struct room *r, struct gigantic_try *last, uint64_t kib, struct err *err)
{
	kib = u64_min(kib, last->cache_kib);
	last->cache_kib -= kib;
	return kib ? do_job(r, start_reclaim, kib, err) : 0;
}

/* Clean cache in a range that can become whole is dropped by the kernel as it makes the page.
 * @kib: Freed before, as room for the rest */
static int make_gigantic(struct room *r, struct gigantic_try *last, uint64_t kib, struct err *err)
{
	uint64_t before;
	int rc = free_some(r, last, kib, err);

	do {
		before = r->gained;
		if (rc == 0)
			rc = grow(r, err);
	} while (rc == 0 && time_left(r) && r->gained > before);
	return rc;
}

/* The kernel needs no free memory for what it drops, and where it has to move pages an eighth is
 * plenty */
static int grow_gigantic_unseen(struct room *r, struct err *err)
{
	struct gigantic_try last = { .cache_kib = may_reclaim(r) ? UINT64_MAX : 0 };
	int rc = make_gigantic(r, &last, 0, err);
	uint64_t before = UINT64_MAX;

	while (rc == 0 && time_left(r) && last.cache_kib && r->gained != before) {
		before = r->gained;
		rc = make_gigantic(r, &last, r->hp->page_kib / GIGANTIC_BITES, err);
	}
	return rc;
}

static int grow_gigantic_seen(struct room *r, struct gigantic_need need, struct err *err)
{
	struct gigantic_try last = {
		.alone = r->hp->n_shares == 1,
		.cache_kib = may_reclaim(r) ? u64_mul_sat(missing(r), r->hp->page_kib) : 0,
		.slab = GIGANTIC_UNTRIED,
		.in_way = GIGANTIC_UNTRIED,
	};
	enum gigantic_next next;
	bool seen = true;
	int rc = 0;

	while (rc == 0 && time_left(r) && seen) {
		uint64_t before = r->gained;

		last.missing = missing(r);
		next = gigantic_rules_next(&need, &last);
		switch (next) {
		case GIGANTIC_END:
			r->ctx->not_made = last.in_way == GIGANTIC_UNTRIED ? need.sure : 0;
			return 0;
		case GIGANTIC_FREE:
			last.slab = need.slab;
			rc = free_some(r, &last, r->hp->page_kib / GIGANTIC_BITES, err);
			break;
		case GIGANTIC_MAKE:
		case GIGANTIC_ROOM:
			last.room = next == GIGANTIC_ROOM;
			rc = make_gigantic(r, &last, last.room ? need.reclaim_kib : 0, err);
			last.in_way = r->gained > before ? GIGANTIC_UNTRIED : need.in_way;
			break;
		}
		seen = time_left(r) && look_again(r, &need);
	}
	return rc;
}

static int grow_gigantic(struct room *r, struct err *err)
{
	struct gigantic_need need;
	int rc;

	if (look_again(r, &need))
		rc = grow_gigantic_seen(r, need, err);
	else
		rc = grow_gigantic_unseen(r, err);
	if (rc == 0 && r->hp->drop_caches && time_left(r)) {
		r->ctx->not_made = 0;
		rc = do_job(r, start_drop, 0, err);
		if (rc == 0)
			rc = grow(r, err);
	}
	return rc;
}

struct bound_job {
	struct step_ctx *ctx;
	const struct step_hugepages *hp;
	uint64_t wanted;
	uint64_t pages;
};

/* A look at all that takes less is not worth another one before it.  A sample takes an eighth */
#define QUICK_LOOK_MS 60
#define SAMPLE	      8

/* Where a sample leaves no doubt, no more is looked at.  It also says what the pages take */
static bool is_plenty(const struct bound_job *job)
{
	struct step_ctx *ctx = job->ctx;
	const struct step_hugepages *hp = job->hp;
	const struct numa *numa = &ctx->host->numa;
	struct nodeset nodes = nodes_of(hp);
	uint64_t sure = 0, gib = gib_of(numa, &nodes);
	struct page_ranges sample;
	size_t i;

	if (hp->page_kib >= KIB_PER_GIB || gib * LOOK_GIB_MS < QUICK_LOOK_MS ||
	    parts(hp->page_kib, gib) != 1 ||
	    !look_at_part(ctx->kfs, numa, hp->page_kib, &nodes,
			  u64_min(ctx->deadline, make_room_look_until(hp->page_kib)), SAMPLE,
			  &sample))
		return false;
	for (i = 0; i < hp->n_shares; i++) {
		unsigned int node = hp->shares[i].node;

		sure = u64_add_sat(sure, room_rules_surely(&sample, node, SAMPLE));
		make_room_most(ctx->kfs, numa, hp->page_kib, node, &sample, &ctx->beside);
	}
	page_ranges_free(&sample);
	return sure >= job->wanted;
}

static void find_bound(void *arg)
{
	struct bound_job *job = arg;
	struct step_ctx *ctx = job->ctx;
	const struct step_hugepages *hp = job->hp;
	struct page_ranges ranges;
	size_t i;

	if (is_plenty(job) || !look(ctx, hp, &ranges))
		return;
	ctx->beside = 0;
	job->pages = 0;
	for (i = 0; i < hp->n_shares; i++)
		job->pages = u64_add_sat(job->pages,
					 make_room_most(ctx->kfs, &ctx->host->numa, hp->page_kib,
							hp->shares[i].node, &ranges, &ctx->beside));
	page_ranges_free(&ranges);
}

int make_room_bound(struct step_ctx *ctx, const struct step_hugepages *hp, uint64_t wanted,
		    uint64_t *pages, struct err *err)
{
	struct bound_job job = { .ctx = ctx, .hp = hp, .wanted = wanted, .pages = UINT64_MAX };
	int rc;

	ctx->beside = 0;
	ctx->not_made = 0;
	rc = ctx->pause(ctx, find_bound, &job, err);
	*pages = job.pages;
	return rc;
}

bool make_room_is_short(const struct step_ctx *ctx, const struct step_hugepages *hp,
			const struct step_share *share, uint64_t pages)
{
	struct numa_node node;

	if (!hp->reclaim || !pages ||
	    reclaim_way(ctx->kfs, &ctx->host->numa, share->node) == RECLAIM_NONE ||
	    numa_read_node(ctx->kfs, &ctx->host->numa, share->node, &node, NULL) < 0)
		return false;
	return room_is_short(u64_mul_sat(pages, hp->page_kib), node.free_kib, numa_cache(&node));
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
	uint64_t free_kib;
	int rc;

	read_memory(&r, &free_kib, &r.cache_kib);
	rc = hp->page_kib >= KIB_PER_GIB ? grow_gigantic(&r, err) : grow_huge(&r, err);
	return rc < 0 ? rc : (int64_t)r.gained;
}
