// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * DOC: counting a change of a pool
 *
 * What is ours is the increase of *persistent* pages (nr - surplus): that is
 * what a later write can take back.  What the guest gained is the increase of
 * the pool's *total*: surplus pages that the write promoted were in use before
 * and still are.  The total, and not the free pages, because another guest may
 * be taking its own pages out of the pool at this very moment.
 *
 * Writes are absolute numbers, so a foreign write between our read and our
 * write would be lost.  The ledger is written in between as well, and that
 * takes longer than the two system calls: so the pool is read once more after
 * it, and if it has changed the chunk is computed and written down anew.
 */
#include "steps/pool_change.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/text.h"
#include "kernel/kfs.h"

/* One ledger write per chunk.  Large enough to cost nothing beside the kernel's
 * work, small enough that little is uncertain after a kill */
#define CHUNK_KIB KIB_PER_GIB

/* One write may search for this long; then it is looked at what came */
#define WRITE_LIMIT_MS 2000

struct change {
	struct step_ctx *ctx;
	const struct step_hugepages *hp;
	struct step_share *share;
	struct size_view *size;
	struct pool_view *view;
};

static int open_change(struct change *c, struct step_ctx *ctx, const struct step_hugepages *hp,
		       struct step_share *share, struct err *err)
{
	char kib[TEXT_KIB_SIZE];

	c->ctx = ctx;
	c->hp = hp;
	c->share = share;
	c->size = host_view_size(ctx->host, hp->page_kib);
	c->view = host_view_pool(ctx->host, hp->page_kib, share->node);
	if (!c->size || !c->view)
		return err_set(err, ENODEV, "node %u has no pool of %s pages", share->node,
			       text_from_kib(hp->page_kib, kib));
	return 0;
}

static int read_pool(const struct change *c, struct hugepages_pool *pool, struct err *err)
{
	return hugepages_read_pool(c->ctx->kfs, &c->ctx->host->numa, c->share->node,
				   c->hp->page_kib, pool, err);
}

/* Surplus of the other nodes: kernels before 6.7 add it to a per-node write */
static uint64_t surplus_elsewhere(const struct change *c)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < c->size->n_pools; i++)
		if (c->size->pools[i].pool.node != c->share->node)
			sum += c->size->pools[i].pool.surplus;
	return sum;
}

/* Does this kernel belong to those that may add the other nodes' surplus? */
static bool may_add_surplus(const struct kfs *kfs)
{
	unsigned int major, minor;
	char release[128];

	if (kfs_read(kfs, "proc/sys/kernel/osrelease", release, sizeof(release), NULL) < 0 ||
	    sscanf(release, "%u.%u", &major, &minor) != 2)
		return false;
	return major < 6 || (major == 6 && minor < 7);
}

/* What this kernel may add to a per-node write of its own accord */
static uint64_t may_be_added(const struct change *c)
{
	uint64_t surplus = surplus_elsewhere(c);

	return surplus && may_add_surplus(c->ctx->kfs) ? surplus : 0;
}

/* What others had in the pool before its first growth on this share's account.  Unknown
 * while there is a ledger that can't be read */
static void note_foreign(struct change *c, const struct hugepages_pool *pool)
{
	if (c->share->own || c->ctx->host->unread)
		return;
	c->share->foreign = u64_sub_floor(hugepages_persistent(pool), c->view->own);
	c->view->foreign = u64_max(c->view->foreign, c->share->foreign);
}

/* Says in the ledger what is about to be written, and makes sure that the pool
 * is still what it was when that was computed */
static int announce(struct change *c, struct hugepages_pool *pool, uint64_t grow, uint64_t shrink,
		    struct err *err)
{
	char kib[TEXT_KIB_SIZE];
	struct hugepages_pool again;
	int tries, rc;

	for (tries = 0; tries < 16; tries++) {
		if (grow)
			note_foreign(c, pool);
		c->share->chunk = (struct step_chunk){
			.before = hugepages_persistent(pool),
			.grow = grow,
			.shrink = shrink,
			.surplus = pool->surplus,
		};
		rc = c->ctx->save(c->ctx, err);
		/* Nothing was told to the kernel yet.  Growing without a ledger is
		 * refused; giving back is right even if it can't be written down */
		if (rc < 0 && grow) {
			c->share->chunk = (struct step_chunk){ 0 };
			return rc;
		}
		rc = read_pool(c, &again, err);
		if (rc < 0) {
			c->share->chunk = (struct step_chunk){ 0 };
			return rc;
		}
		if (hugepages_persistent(&again) == hugepages_persistent(pool)) {
			*pool = again;
			return 0;
		}
		*pool = again;
	}
	c->share->chunk = (struct step_chunk){ 0 };
	return err_set(err, EBUSY, "another program keeps changing the pool of %s pages on node %u",
		       text_from_kib(c->hp->page_kib, kib), c->share->node);
}

static uint64_t time_for_write(uint64_t until)
{
	uint64_t left = clock_left_ms(until);

	return u64_max(1, u64_min(left, WRITE_LIMIT_MS));
}

/* The write may have been done, and only its outcome not be readable.  If it isn't
 * now either, the chunk stays in the ledger until it is resolved */
static void find_out(struct change *c)
{
	uint64_t own = c->share->own;

	if (pool_confirm(c->ctx->kfs, c->ctx->host, c->hp, c->share))
		c->view->own = u64_sub_floor(c->view->own + c->share->own, own);
}

/**
 * grown() - How many pages of what a pool has gained are ours
 * @added:	What the kernel may have added to the write
 *
 * What an administrator adds between our write and our read-back is not: never more
 * than was asked for.  The kernel adds all of @added or nothing, so a pool that has
 * grown by something in between has grown by the administrator's pages.
 */
static uint64_t grown(uint64_t increase, uint64_t pages, uint64_t added)
{
	return increase >= u64_add_sat(pages, added) ? u64_add_sat(pages, added) :
						       u64_min(increase, pages);
}

/* What others have added meanwhile, or the next write would take it.  It is theirs even where
 * ours are missing */
static void note_added(struct pool_view *view)
{
	uint64_t ours = u64_sub_floor(view->own, view->missing);
	uint64_t others = u64_sub_floor(hugepages_persistent(&view->pool), ours);

	view->foreign = u64_max(view->foreign, others);
}

/* One write upwards.  Return: pages gained or -errno */
static int64_t grow_once(struct change *c, uint64_t pages, uint64_t until, struct err *err)
{
	uint64_t own, gained, added = may_be_added(c);
	struct hugepages_pool before, after;
	int rc = read_pool(c, &before, err);

	if (rc < 0)
		return rc;
	rc = announce(c, &before, u64_add_sat(pages, added), 0, err);
	if (rc < 0)
		return rc;
	after = before;
	rc = hugepages_write_pool(c->ctx->kfs, &c->ctx->host->numa, &after,
				  hugepages_persistent(&before) + pages, time_for_write(until),
				  err);
	if (rc < 0) {
		find_out(c);
		return rc;
	}
	c->share->chunk = (struct step_chunk){ 0 };
	own = grown(u64_sub_floor(hugepages_persistent(&after), hugepages_persistent(&before)),
		    pages, added);
	gained = u64_min(own, u64_sub_floor(after.total, before.total));
	c->share->own += own;
	c->share->promoted += own - gained;
	c->share->have += gained;
	c->view->pool = after;
	c->view->own += own;
	c->view->claimed += gained;
	c->view->lives_on += gained;
	if (gained)
		step_tally_grown(c->ctx->tally, c->hp->page_kib, gained);
	rc = c->ctx->save(c->ctx, err);
	if (rc < 0)
		return rc;
	/* Promoted surplus pages are progress too: the next write finds none */
	return own && !gained ? 0 : (int64_t)gained;
}

int64_t pool_grow(struct step_ctx *ctx, const struct step_hugepages *hp, struct step_share *share,
		  uint64_t pages, uint64_t until, struct err *err)
{
	uint64_t chunk = u64_max(1, CHUNK_KIB / hp->page_kib), gained = 0;
	struct change c;
	int rc = open_change(&c, ctx, hp, share, err);

	if (rc < 0)
		return rc;
	while (gained < pages) {
		uint64_t ask = u64_min(chunk, pages - gained), own = share->own;
		int64_t n = grow_once(&c, ask, until, err);

		if (n < 0)
			return n;
		gained += (uint64_t)n;
		/* Less than asked, and not because surplus pages were promoted */
		if ((uint64_t)n < ask && share->own - own < ask)
			break;
		if (!clock_left_ms(until))
			break;
	}
	return (int64_t)gained;
}

/**
 * may_shrink() - How far the kernel shrinks before it makes idle pages surplus
 *
 * It never takes the persistent pages of a size, on whatever node, below all that
 * are in use or reserved, and surplus pages in use count there too.  What goes
 * beyond that stays behind as idle surplus, in no account, even after
 * the users of the surplus pages have ended.  So: free - surplus - reserved.
 */
static int may_shrink(struct change *c, uint64_t *pages, struct err *err)
{
	uint64_t free_pages = 0, surplus = 0;
	size_t i;
	int rc;

	for (i = 0; i < c->size->n_pools; i++) {
		struct hugepages_pool *pool = &c->size->pools[i].pool;

		rc = hugepages_read_pool(c->ctx->kfs, &c->ctx->host->numa, pool->node,
					 pool->page_kib, pool, err);
		if (rc < 0)
			return rc;
		free_pages += pool->free;
		surplus += pool->surplus;
	}
	*pages = u64_sub_floor(free_pages, surplus + c->size->reserved);
	return 0;
}

/**
 * struct shrink - The result of one write downwards
 * @gone:	Persistent pages that went, at most our own
 * @grown:	What came instead, on a kernel that adds the others' surplus
 * @added:	The pool is larger than written by just that surplus: distributions
 *		backport fixes, so the release alone proves nothing
 */
struct shrink {
	uint64_t gone;
	uint64_t grown;
	bool added;
};

/**
 * judge_shrink() - What became of our pages, and what others did to the pool meanwhile
 * @corrected:	The write made up for what the kernel adds
 *
 * Never more than was asked for: others answer for what they took beyond that.  And no
 * less, where the kernel adds nothing: it turns pages in use into surplus rather than
 * miss the number, so a larger one is that of an administrator who has added pages.
 */
static void judge_shrink(const struct change *c, const struct hugepages_pool *before,
			 const struct hugepages_pool *after, uint64_t target, bool corrected,
			 struct shrink *result)
{
	uint64_t was = hugepages_persistent(before), is = hugepages_persistent(after);
	uint64_t asked = was - target, added = may_be_added(c), gone = asked;

	result->added = added && !corrected && is == u64_add_sat(target, added);
	result->grown = result->added ? u64_sub_floor(is, was) : 0;
	if (added)
		gone = u64_min(u64_sub_floor(was, is), asked);
	result->gone = u64_min(gone, c->share->own);
}

static int write_down(struct change *c, uint64_t pages, uint64_t correction, struct shrink *result,
		      struct err *err)
{
	struct hugepages_pool before, after;
	uint64_t target;
	int rc = read_pool(c, &before, err);

	if (rc < 0)
		return rc;
	rc = announce(c, &before, 0, pages, err);
	if (rc < 0)
		return rc;
	after = before;
	target = u64_sub_floor(hugepages_persistent(&before), pages + correction);
	rc = hugepages_write_pool(c->ctx->kfs, &c->ctx->host->numa, &after, target, 0, err);
	if (rc < 0) {
		find_out(c);
		return rc;
	}
	c->share->chunk = (struct step_chunk){ 0 };
	c->view->pool = after;
	judge_shrink(c, &before, &after, target, correction, result);
	c->share->own = c->share->own + result->grown - result->gone;
	c->view->own = u64_sub_floor(c->view->own + result->grown, result->gone);
	c->view->debt = u64_sub_floor(c->view->debt, result->gone);
	note_added(c->view);
	return 0;
}

/* One write downwards, and what came of it in the ledger: a change that is not known to be
 * over is looked for in the pool later, which others may have changed by then */
static int shrink_once(struct change *c, uint64_t pages, uint64_t correction, struct shrink *result,
		       struct err *err)
{
	struct err ignored;
	int rc = write_down(c, pages, correction, result, err);

	if (c->ctx->save(c->ctx, &ignored) < 0)
		log_warning("the guest's record could not be saved: %s", ignored.text);
	return rc;
}

int64_t pool_shrink(struct step_ctx *ctx, const struct step_hugepages *hp, struct step_share *share,
		    uint64_t pages, struct err *err)
{
	uint64_t correction = 0, left = pages;
	struct change c;
	int rc = open_change(&c, ctx, hp, share, err), tries;

	if (rc < 0)
		return rc;
	for (tries = 0; tries < 8; tries++) {
		struct shrink result;
		uint64_t want, most;

		rc = may_shrink(&c, &most, err);
		if (rc < 0)
			return rc;
		want = u64_min(u64_min(left, share->own), host_view_may_go(c.size, c.view));
		want = u64_min(want, most);
		if (!want)
			break;
		rc = shrink_once(&c, want, correction, &result, err);
		if (rc < 0)
			return rc;
		left = left + result.grown - result.gone;
		if (result.added)
			correction = surplus_elsewhere(&c);
		else if (!result.gone)
			break;
	}
	return (int64_t)u64_sub_floor(pages, left);
}

int64_t pool_unpromote(struct step_ctx *ctx, const struct step_hugepages *hp,
		       struct step_share *share, struct err *err)
{
	struct shrink result;
	struct change c;
	uint64_t pages;
	int rc = open_change(&c, ctx, hp, share, err);

	if (rc == 0)
		rc = read_pool(&c, &c.view->pool, err);
	if (rc < 0)
		return rc;
	pages = u64_min(u64_min(share->own, share->promoted), host_view_beyond_floor(c.view));
	/* With surplus elsewhere an old kernel would not do what it is told */
	if (!pages || c.view->pool.free || may_be_added(&c))
		return 0;
	rc = shrink_once(&c, pages, 0, &result, err);
	if (rc < 0)
		return rc;
	share->promoted -= u64_min(share->promoted, result.gone);
	return (int64_t)result.gone;
}

bool pool_confirm(const struct kfs *kfs, const struct host_view *host,
		  const struct step_hugepages *hp, struct step_share *share)
{
	struct step_chunk chunk = share->chunk;
	struct hugepages_pool pool;
	uint64_t now;

	if (!chunk.grow && !chunk.shrink)
		return false;
	if (hugepages_read_pool(kfs, &host->numa, share->node, hp->page_kib, &pool, NULL) < 0)
		return false;
	now = hugepages_persistent(&pool);
	if (chunk.grow) {
		uint64_t grown = u64_min(u64_sub_floor(now, chunk.before), chunk.grow);

		share->own += grown;
		share->promoted += u64_min(u64_sub_floor(chunk.surplus, pool.surplus), grown);
		share->have += grown;
	} else {
		share->own = u64_sub_floor(share->own,
					   u64_min(u64_sub_floor(chunk.before, now), chunk.shrink));
	}
	share->chunk = (struct step_chunk){ 0 };
	return true;
}
