// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The step "hugepages": pools grown for a guest, and shrunk after it.
 */
#include "steps/hugepages_step.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/json_fields.h"
#include "base/log.h"
#include "base/text.h"
#include "memory/fragmentation.h"
#include "policy/room_rules.h"
#include "steps/make_room.h"
#include "steps/pool_change.h"

static const char *const bind_names[] = {
	[GUEST_BIND_ANY] = "any",
	[GUEST_BIND_STRICT] = "strict",
	[GUEST_BIND_PREFERRED] = "preferred",
	[GUEST_BIND_INTERLEAVE] = "interleave",
};

/* ---- for people ---- */

/* What an undo could not give back yet */
static void describe_debt(const struct step_hugepages *hp, char *buf, size_t size)
{
	char pages[TEXT_PAGES_SIZE];
	uint64_t own = 0;
	size_t i;

	for (i = 0; i < hp->n_shares; i++)
		own += hp->shares[i].own;
	snprintf(buf, size, "%s still in use, to be given back",
		 text_from_pages(own, hp->page_kib, pages));
}

/* Nothing for one that is only there in case the others fail */
static void describe_share(const struct step_share *share, char *buf, size_t size)
{
	bool wants = share->want_idle || share->want_grow;
	size_t used = 0;

	if (share->have) {
		snprintf(buf, size, "; node %u: %llu held, %llu of them added", share->node,
			 (unsigned long long)share->have,
			 (unsigned long long)u64_min(share->own, share->have));
		return;
	}
	if (share->reserved || wants)
		used += (size_t)snprintf(buf, size, "; node %u: ", share->node);
	if (share->reserved && used < size)
		used += (size_t)snprintf(buf + used, size - used, "%llu reserved already%s",
					 (unsigned long long)share->reserved, wants ? ", " : "");
	if (wants && used < size)
		snprintf(buf + used, size - used, "use %llu idle, add %llu",
			 (unsigned long long)share->want_idle,
			 (unsigned long long)share->want_grow);
}

static void describe(const struct step *step, char *buf, size_t size)
{
	const struct step_hugepages *hp = &step->hugepages;
	char kib[TEXT_KIB_SIZE], all[TEXT_KIB_SIZE];
	size_t used, i;

	if (!hp->pages) {
		describe_debt(hp, buf, size);
		return;
	}
	used = (size_t)snprintf(buf, size, "%llu page%s of %s (%s)", (unsigned long long)hp->pages,
				plural(hp->pages), text_from_kib(hp->page_kib, kib),
				text_from_kib(u64_mul_sat(hp->pages, hp->page_kib), all));
	for (i = 0; i < hp->n_shares && used < size; i++) {
		describe_share(&hp->shares[i], buf + used, size - used);
		used += strlen(buf + used);
	}
	if (hp->keep && used < size)
		snprintf(buf + used, size - used, "; kept after release");
}

/* Of a start that is under way it may be less than the guest needs */
static void fact(const struct step *step, char *buf, size_t size)
{
	const struct step_hugepages *hp = &step->hugepages;
	uint64_t have = 0, own = 0, pages;
	char kib[TEXT_KIB_SIZE];
	size_t i;

	for (i = 0; i < hp->n_shares; i++) {
		have += hp->shares[i].have;
		own += hp->shares[i].own;
	}
	pages = hp->pages ? have : own;
	if (have < hp->pages)
		snprintf(buf, size, "%llu of %llu pages of %s", (unsigned long long)have,
			 (unsigned long long)hp->pages, text_from_kib(hp->page_kib, kib));
	else
		snprintf(buf, size, "%llu page%s of %s%s", (unsigned long long)pages, plural(pages),
			 text_from_kib(hp->page_kib, kib), hp->pages ? "" : ", still in use");
}

/* ---- apply ---- */

/* By this step, and for it by others */
static uint64_t secured(const struct step_hugepages *hp)
{
	uint64_t pages = 0;
	size_t i;

	for (i = 0; i < hp->n_shares; i++)
		pages = u64_add_sat(pages, hp->shares[i].have + hp->shares[i].reserved);
	return pages;
}

static uint64_t missing(const struct step_hugepages *hp)
{
	return u64_sub_floor(hp->pages, secured(hp));
}

/* Idle pages need no change of the pool, only our word that they are taken.  They
 * may be gone by now: while an earlier step let go of the lock, or to a program
 * that takes no lock of ours */
static int take_idle(struct step_ctx *ctx, struct step_hugepages *hp, struct err *err)
{
	const struct size_view *size = host_view_size(ctx->host, hp->page_kib);
	const struct size_view through = host_view_through_mount(size);
	bool any = false;
	size_t i;

	for (i = 0; i < hp->n_shares; i++) {
		struct step_share *share = &hp->shares[i];
		struct pool_view *pool = host_view_pool(ctx->host, hp->page_kib, share->node);
		uint64_t n;
		int rc;

		if (!share->want_idle || !pool)
			continue;
		rc = hugepages_read_pool(ctx->kfs, &ctx->host->numa, share->node, hp->page_kib,
					 &pool->pool, err);
		if (rc < 0)
			return rc;
		n = u64_min(share->want_idle,
			    host_view_lendable(hp->mounted ? &through : size, pool));
		share->have += n;
		pool->claimed += n;
		any = true;
	}
	return any ? ctx->save(ctx, err) : 0;
}

enum whose {
	AS_PLANNED, /* what the plan wanted of each node */
	OF_NEAR,    /* whatever is missing, but not of nodes that come last */
	OF_ALL,
};

/* Growth without making room */
static int grow_plainly(struct step_ctx *ctx, struct step_hugepages *hp, enum whose whose,
			struct err *err)
{
	uint64_t until = clock_ms() + ROOM_ROUND_MS;
	size_t i;
	int rc;

	for (i = 0; i < hp->n_shares && missing(hp); i++) {
		struct step_share *share = &hp->shares[i];
		uint64_t want = missing(hp);

		if (whose == AS_PLANNED)
			want = u64_min(want, share->want_grow);
		if (whose == OF_NEAR && share->last)
			continue;
		if (make_room_is_short(ctx, hp, share, want))
			continue;
		while (want && clock_left_ms(ctx->deadline)) {
			int64_t n = pool_grow(ctx, hp, share, want, until, err);

			if (n < 0)
				return (int)n;
			want = u64_sub_floor(want, (uint64_t)n);
			if (clock_left_ms(until))
				break;
			rc = ctx->pause(ctx, NULL, NULL, err);
			if (rc < 0)
				return rc;
			until = clock_ms() + ROOM_ROUND_MS;
			if (!n)
				break;
		}
	}
	return 0;
}

/* One node alone has given all it can, and going on would cost other programs their cache.
 * Gigantic pages are tried once each time */
static bool is_exhausted(const struct step_hugepages *hp, uint64_t before)
{
	if (hp->n_shares == 1 && hp->page_kib < KIB_PER_GIB)
		return true;
	return room_is_poor(before, before - missing(hp));
}

/* Node after node, and all over again while that brings enough pages */
static int grow_with_room(struct step_ctx *ctx, struct step_hugepages *hp, enum whose whose,
			  struct err *err)
{
	bool exhausted = false;
	size_t i;

	while (missing(hp) && !exhausted && clock_left_ms(ctx->deadline)) {
		uint64_t before = missing(hp);

		for (i = 0; i < hp->n_shares && missing(hp); i++) {
			int64_t n;

			if (whose == OF_NEAR && hp->shares[i].last)
				continue;
			n = make_room_grow(ctx, hp, &hp->shares[i], missing(hp), err);

			if (n < 0)
				return (int)n;
		}
		exhausted = is_exhausted(hp, before);
	}
	return 0;
}

static bool has_last(const struct step_hugepages *hp)
{
	size_t i;

	for (i = 0; i < hp->n_shares; i++)
		if (hp->shares[i].last)
			return true;
	return false;
}

static int grow_missing(struct step_ctx *ctx, struct step_hugepages *hp, enum whose whose,
			struct err *err)
{
	int rc = missing(hp) ? grow_plainly(ctx, hp, whose, err) : 0;

	return rc == 0 && missing(hp) ? grow_with_room(ctx, hp, whose, err) : rc;
}

/* Making room may take all the time there is.  Half of it is left for nodes that come last,
 * which then have room without any */
static int grow_beyond_plan(struct step_ctx *ctx, struct step_hugepages *hp, struct err *err)
{
	uint64_t deadline = ctx->deadline;
	int rc;

	if (!has_last(hp))
		return grow_missing(ctx, hp, OF_ALL, err);
	ctx->deadline = clock_ms() + clock_left_ms(deadline) / 2;
	rc = grow_missing(ctx, hp, OF_NEAR, err);
	ctx->deadline = deadline;
	return rc < 0 ? rc : grow_missing(ctx, hp, OF_ALL, err);
}

/* Kernels before 6.7 may have given more than asked for */
static int trim(struct step_ctx *ctx, struct step_hugepages *hp, struct err *err)
{
	uint64_t excess = u64_sub_floor(secured(hp), hp->pages);
	size_t i;

	for (i = 0; i < hp->n_shares && excess; i++) {
		struct step_share *share = &hp->shares[i];
		struct pool_view *pool = host_view_pool(ctx->host, hp->page_kib, share->node);
		uint64_t n = u64_min(excess, u64_min(share->own, share->have));
		int64_t gone;

		if (!n || !pool)
			continue;
		share->have -= n;
		pool->claimed = u64_sub_floor(pool->claimed, n);
		pool->lives_on = u64_sub_floor(pool->lives_on, n);
		gone = pool_shrink(ctx, hp, share, n, err);
		if (gone < 0)
			return (int)gone;
		excess -= n;
	}
	return 0;
}

/* @in_time: There was time left.  More of it is of use only where there was none */
static const char *advice(const struct step_hugepages *hp, bool in_time)
{
	if (hp->page_kib >= KIB_PER_GIB)
		return "pages of 1 GiB and more are rarely available on a host that has been up for "
		       "a while (\"virt-membacking fragmentation\" shows what is in the way): "
		       "reserve them at boot (hugepagesz=1G hugepages=N), keep those that a guest "
		       "once got (on_release_1G = keep), or use pages of 2 MiB";
	if (!hp->compact || !hp->reclaim)
		return "set compact = auto and reclaim = auto in membacking.conf, stop another guest, "
		       "or start this one earlier after boot";
	if (!hp->drop_caches && in_time)
		return "stop another guest, make this one smaller, start it earlier after boot or, "
		       "as the last resort, allow drop_caches = auto in membacking.conf";
	if (!hp->drop_caches)
		return "stop another guest, start this one earlier after boot, give it more time "
		       "(deadline) or, as the last resort, allow drop_caches = auto in "
		       "membacking.conf";
	return in_time ? "stop another guest, make this one smaller, or start it earlier after "
			 "boot" :
			 "stop another guest, start this one earlier after boot, or give it more "
			 "time (deadline in membacking.conf)";
}

/* Why it ended */
static const char *ending(bool made_room, bool in_time)
{
	if (!made_room)
		return "and nothing was freed for more, because every other one has memory in it that "
		       "can't be moved";
	return in_time ? "and trying further brought no more" : "before the deadline";
}

/* @more: Pages that can be made at most beside those that were
 * @made_room: More was tried */
static int fail_short(const struct step_ctx *ctx, const struct step_hugepages *hp, uint64_t more,
		      bool made_room, struct err *err)
{
	char nodes[NODESET_TEXT_SIZE], kib[TEXT_KIB_SIZE], all[TEXT_KIB_SIZE],
		free_text[TEXT_KIB_SIZE];
	struct nodeset set = { 0 };
	uint64_t have = u64_min(hp->pages, u64_add_sat(secured(hp), more));
	const bool in_time = clock_left_ms(ctx->deadline);
	uint64_t free_kib = 0;
	struct numa_node node;
	size_t i;

	for (i = 0; i < hp->n_shares; i++) {
		nodeset_add(&set, hp->shares[i].node);
		if (numa_read_node(ctx->kfs, &ctx->host->numa, hp->shares[i].node, &node, NULL) ==
		    0)
			free_kib += node.free_kib;
	}
	return err_set(
		err, ENOSPC,
		"not enough memory for huge pages: guest '%s' needs %s (%llu page%s of %s) on node%s "
		"%s, but only %llu could be allocated (%llu missing), %s, with %s still free there: "
		"the memory is fragmented or in use; %s",
		ctx->guest_name, text_from_kib(u64_mul_sat(hp->pages, hp->page_kib), all),
		(unsigned long long)hp->pages, plural(hp->pages), text_from_kib(hp->page_kib, kib),
		plural(hp->n_shares), nodeset_format(&set, nodes), (unsigned long long)have,
		(unsigned long long)(hp->pages - have), ending(made_room, in_time),
		text_from_kib(free_kib, free_text), advice(hp, in_time));
}

/* For an audit: who took what, where */
static void log_shares(const struct step_hugepages *hp)
{
	char pages[TEXT_PAGES_SIZE];
	size_t i;

	for (i = 0; i < hp->n_shares; i++) {
		const struct step_share *share = &hp->shares[i];
		uint64_t added = u64_min(share->own, share->have);

		if (share->have)
			log_event(LOG_EVENT_PAGES_ADDED,
				  "has %s on node %u: %llu were idle, %llu added",
				  text_from_pages(share->have, hp->page_kib, pages), share->node,
				  (unsigned long long)(share->have - added),
				  (unsigned long long)added);
	}
}

static int apply(struct step_ctx *ctx, struct step *step, struct err *err)
{
	struct step_hugepages *hp = &step->hugepages;
	int rc = take_idle(ctx, hp, err);
	uint64_t bound = UINT64_MAX;

	if (rc == 0)
		rc = grow_plainly(ctx, hp, AS_PLANNED, err);
	if (rc == 0 && missing(hp))
		rc = make_room_bound(ctx, hp, missing(hp), &bound, err);
	if (rc == 0 && missing(hp) > bound)
		return fail_short(ctx, hp, bound, false, err);
	if (rc == 0)
		rc = grow_beyond_plan(ctx, hp, err);
	if (rc == 0)
		rc = trim(ctx, hp, err);
	if (rc == -ECANCELED) /* its sentence names the guest */
		return rc;
	if (rc < 0)
		return err_prefix(err, rc, "guest '%s'", ctx->guest_name);
	if (missing(hp))
		return fail_short(ctx, hp, ctx->not_made, true, err);
	log_shares(hp);
	return 0;
}

/* ---- undo ---- */

/* Invariant 6 of policy/account.h: once no running guest has pages of ours there.  That
 * can't be seen while there is a ledger that can't be read.  What is in use still is there:
 * as long as the ledger waits for that, what is missing may come back as well.  What others
 * took just now may be their own: the next round says so */
static void write_off(const struct host_view *host, struct pool_view *pool,
		      struct step_share *share, uint64_t page_kib)
{
	uint64_t living = u64_sub_floor(pool->own, u64_max(pool->debt, share->own));
	uint64_t n = share->own;
	char pages[TEXT_PAGES_SIZE];

	if (!n || living || pool->late || host->unread)
		return;
	if (u64_min(pool->missing, host_view_missing(pool)) < n)
		return;
	log_warning("another program or an administrator took %s that were ours from node %u: they "
		    "are not given back",
		    text_from_pages(n, page_kib, pages), share->node);
	share->own -= n;
	share->promoted = u64_min(share->promoted, share->own);
	pool->own -= n;
	pool->missing = u64_sub_floor(pool->missing, n);
	pool->debt = u64_sub_floor(pool->debt, n);
}

/* The rest waits in the ledger */
static int tell_debt(const struct pool_view *pool, const struct step_share *share,
		     uint64_t page_kib, struct err *err)
{
	uint64_t missing = host_view_missing(pool);
	char pages[TEXT_PAGES_SIZE];

	if (missing >= share->own)
		return err_set(err, EAGAIN,
			       "%s on node %u: taken by another program or an administrator, to be "
			       "given back if they return",
			       text_from_pages(share->own, page_kib, pages), share->node);
	return err_set(err, EAGAIN, "%s on node %u: still in use, to be given back later",
		       text_from_pages(share->own, page_kib, pages), share->node);
}

static void keep_pages(struct pool_view *pool, const struct step_share *share)
{
	uint64_t there = u64_sub_floor(share->own, host_view_missing(pool));

	pool->kept = u64_add_sat(pool->kept, there);
	pool->foreign = u64_add_sat(pool->foreign, there);
	pool->own = u64_sub_floor(pool->own, share->own);
	pool->debt = u64_sub_floor(pool->debt, share->own);
}

static int undo_share(struct step_ctx *ctx, struct step_hugepages *hp, struct step_share *share,
		      bool keep, struct err *err)
{
	struct pool_view *pool = host_view_pool(ctx->host, hp->page_kib, share->node);
	int64_t n;
	char pages[TEXT_PAGES_SIZE], kib[TEXT_KIB_SIZE];
	uint64_t before;
	int rc;

	share->have = 0;
	if (pool && keep)
		keep_pages(pool, share);
	if (!pool || keep) {
		share->own = 0;
		return 0;
	}
	if (share->chunk.grow || share->chunk.shrink)
		return err_set(err, EIO,
			       "what became of a change of the pool of %s pages on node %u "
			       "cannot be read",
			       text_from_kib(hp->page_kib, kib), share->node);
	if (!share->own)
		return 0;
	rc = hugepages_read_pool(ctx->kfs, &ctx->host->numa, share->node, hp->page_kib, &pool->pool,
				 err);
	if (rc < 0)
		return rc;
	before = share->own;
	n = pool_shrink(ctx, hp, share, share->own, err);
	if (n >= 0)
		n = pool_unpromote(ctx, hp, share, err);
	if (before > share->own)
		log_event(LOG_EVENT_PAGES_BACK, "gave back %s on node %u",
			  text_from_pages(before - share->own, hp->page_kib, pages), share->node);
	if (n < 0)
		return (int)n;
	write_off(ctx->host, pool, share, hp->page_kib);
	return share->own ? tell_debt(pool, share, hp->page_kib, err) : 0;
}

static void forget_wanted(struct step_hugepages *hp)
{
	size_t i;

	hp->pages = 0;
	for (i = 0; i < hp->n_shares; i++)
		hp->shares[i].want_idle = hp->shares[i].want_grow = hp->shares[i].reserved = 0;
}

static int undo(struct step_ctx *ctx, struct step *step, enum undo_reason reason, struct err *err)
{
	struct step_hugepages *hp = &step->hugepages;
	/* A start that died half-way leaves nothing worth keeping */
	bool keep = hp->keep && reason == UNDO_RELEASE && !missing(hp);
	int result = 0;
	size_t i;

	for (i = 0; i < hp->n_shares; i++) {
		struct err failure = { "" };
		int rc = undo_share(ctx, hp, &hp->shares[i], keep, &failure);

		result = log_gravest(result, err, rc, &failure);
	}
	/* What is left is a debt, and promises nothing to any guest */
	if (result < 0)
		forget_wanted(hp);
	return result;
}

static int confirm(const struct kfs *kfs, const struct host_view *host, struct step *step)
{
	struct step_hugepages *hp = &step->hugepages;
	int changed = 0;
	size_t i;

	for (i = 0; i < hp->n_shares; i++)
		if (pool_confirm(kfs, host, hp, &hp->shares[i]))
			changed = 1;
	return changed;
}

static void account(const struct step *step, bool alive, struct host_view *host)
{
	const struct step_hugepages *hp = &step->hugepages;
	size_t i;

	for (i = 0; i < hp->n_shares; i++) {
		const struct step_share *share = &hp->shares[i];
		struct pool_view *pool = host_view_pool(host, hp->page_kib, share->node);

		if (!pool)
			continue;
		/* Numbers from a file: they may be anything */
		pool->own = u64_add_sat(pool->own, share->own);
		if (!alive || !hp->pages)
			pool->debt = u64_add_sat(pool->debt, share->own);
		if (share->own)
			pool->foreign = u64_max(pool->foreign, share->foreign);
	}
}

/* ---- what it holds ---- */

static void pages(const struct step *step, uint64_t page_kib, unsigned int node,
		  struct step_pages *sum)
{
	const struct step_hugepages *hp = &step->hugepages;
	size_t i;

	for (i = 0; hp->page_kib == page_kib && i < hp->n_shares; i++) {
		if (hp->shares[i].node != node)
			continue;
		sum->promised = u64_add_sat(sum->promised, hp->shares[i].have);
		sum->own = u64_add_sat(sum->own, hp->shares[i].own);
	}
}

static bool has_size(const struct step *step, uint64_t page_kib)
{
	return step->hugepages.page_kib == page_kib;
}

static bool told_by_count(const struct step *step, const struct host_view *host)
{
	const struct step_hugepages *hp = &step->hugepages;
	const struct size_view *size = host_view_size(host, hp->page_kib);

	if (!hp->private || !size)
		return false;
	return size->n_pools == 1 ||
	       (hp->bind == GUEST_BIND_STRICT && nodeset_count(&hp->nodes) == 1);
}

static uint64_t memfd(const struct step *step)
{
	return u64_min(step->hugepages.memfd, step->hugepages.pages);
}

static void held(const struct step *step, struct step_held *sum)
{
	const struct step_hugepages *hp = &step->hugepages;
	uint64_t have = 0, reserved = 0;
	size_t i;

	for (i = 0; i < hp->n_shares; i++) {
		have = u64_add_sat(have, hp->shares[i].have);
		reserved = u64_add_sat(reserved, hp->shares[i].reserved);
	}
	sum->pages = u64_add_sat(sum->pages, u64_mul_sat(have, hp->page_kib));
	sum->reserved = u64_add_sat(sum->reserved, u64_mul_sat(reserved, hp->page_kib));
	sum->pages_wanted = u64_add_sat(
		sum->pages_wanted, u64_mul_sat(u64_sub_floor(hp->pages, reserved), hp->page_kib));
}

static bool is_under_way(const struct step *step)
{
	const struct step_hugepages *hp = &step->hugepages;
	size_t i;

	for (i = 0; i < hp->n_shares; i++)
		if (hp->shares[i].chunk.grow || hp->shares[i].chunk.shrink)
			return true;
	return false;
}

/* Else these pages look claimed, and are not given back */
static void drop_promise(struct step *step)
{
	size_t i;

	for (i = 0; i < step->hugepages.n_shares; i++)
		step->hugepages.shares[i].have = 0;
}

/* Own idle pages, back from the pool to free memory */
static void give_back(const struct step_hugepages *hp, const struct step_share *share,
		      struct host_view *host, struct fragmentation *f)
{
	struct size_view *size = host_view_size(host, hp->page_kib);
	struct pool_view *pool = host_view_pool(host, hp->page_kib, share->node);
	uint64_t there, n;
	size_t i;

	if (!pool)
		return;
	there = u64_sub_floor(share->own, host_view_missing(pool));
	n = hp->keep ? 0 : u64_min(there, host_view_may_go(size, pool));
	pool->own = u64_sub_floor(pool->own, share->own);
	pool->debt = u64_sub_floor(pool->debt, hp->keep ? share->own : n);
	pool->pool.total = u64_sub_floor(pool->pool.total, n);
	pool->pool.free -= n;
	pool->given_back = u64_add_sat(pool->given_back, n);
	if (f)
		fragmentation_give_back(f, share->node, hp->page_kib, n);
	for (i = 0; i < host->numa.n_nodes; i++)
		if (host->numa.nodes[i].id == share->node)
			host->numa.nodes[i].free_kib += n * hp->page_kib;
}

static void as_if_undone(const struct step *step, const char *guest, struct host_view *host,
			 struct fragmentation *f)
{
	size_t i;

	(void)guest;
	for (i = 0; i < step->hugepages.n_shares; i++)
		give_back(&step->hugepages, &step->hugepages.shares[i], host, f);
}

/* ---- JSON ---- */

static const struct json_field share_fields[] = {
	JSON_UP_TO(struct step_share, node, NUMA_NODES_MAX - 1),
	JSON_OPTIONAL(struct step_share, want_idle),
	JSON_OPTIONAL(struct step_share, want_grow),
	JSON_OPTIONAL(struct step_share, have),
	JSON_OPTIONAL(struct step_share, own),
	JSON_OPTIONAL(struct step_share, foreign),
	JSON_IF_SET(struct step_share, last),
	JSON_IF_SET(struct step_share, reserved),
	JSON_IF_SET(struct step_share, promoted),
	JSON_IF_SET_AS(struct step_share, chunk.before, "chunk_before"),
	JSON_IF_SET_AS(struct step_share, chunk.grow, "chunk_grow"),
	JSON_IF_SET_AS(struct step_share, chunk.shrink, "chunk_shrink"),
	JSON_IF_SET_AS(struct step_share, chunk.surplus, "chunk_surplus"),
	JSON_END,
};

static json_t *nodes_write(const struct json_field *field, const void *member)
{
	char nodes[NODESET_TEXT_SIZE];

	(void)field;
	return json_string(nodeset_format(member, nodes));
}

static int nodes_read(const struct json_field *field, const json_t *object, void *member,
		      struct err *err)
{
	const char *text;
	int rc = json_read_string(object, field->key, &text, err);

	if (rc == 0 && nodeset_parse(text, member) < 0)
		rc = err_set(err, EINVAL, "\"nodes\" is not a list of nodes: '%.64s'", text);
	return rc;
}

static const struct json_type nodes_type = { nodes_write, nodes_read };

static const struct json_field fields[] = {
	JSON_FIELD(struct step_hugepages, page_kib),
	JSON_FIELD(struct step_hugepages, pages),
	JSON_WORD(struct step_hugepages, bind, bind_names),
	JSON_OPTIONAL(struct step_hugepages, compact),
	JSON_OPTIONAL(struct step_hugepages, reclaim),
	JSON_OPTIONAL(struct step_hugepages, drop_caches),
	JSON_OPTIONAL(struct step_hugepages, keep),
	JSON_IF_SET(struct step_hugepages, private),
	JSON_IF_SET(struct step_hugepages, mounted),
	JSON_IF_SET(struct step_hugepages, memfd),
	{ JSON_MEMBER(struct step_hugepages, nodes, "nodes", &nodes_type),
	  .presence = JSON_WHEN_SET },
	JSON_LIST(struct step_hugepages, shares, "shares", n_shares, share_fields, NUMA_NODES_MAX),
	JSON_END,
};

static int check(struct step *step, struct err *err)
{
	struct step_hugepages *hp = &step->hugepages;
	static const struct nodeset none;

	if (!hp->page_kib)
		return err_set(err, EINVAL, "\"page_kib\" is 0");
	if (hp->bind == GUEST_BIND_ANY)
		hp->nodes = none;
	else if (!memcmp(&hp->nodes, &none, sizeof(none)))
		return err_set(err, EINVAL, "\"nodes\" is missing: expected a list of nodes");
	return 0;
}

static bool complete(const struct step *step)
{
	return !missing(&step->hugepages);
}

/* Pages that are idle need no write */
static bool doubt(const struct step *step, const struct host_view *host, char *buf, size_t size)
{
	const struct step_hugepages *hp = &step->hugepages;
	size_t i;

	for (i = 0; host->pools_read_only && i < hp->n_shares; i++) {
		if (!hp->shares[i].want_grow)
			continue;
		snprintf(
			buf, size,
			"as things are the start will be refused: /sys is mounted read-only, so no "
			"huge page can be added (a container with libvirt has to be privileged: "
			"mount -o remount,rw,bind /sys)");
		return true;
	}
	return false;
}

const struct step_ops hugepages_step_ops = {
	.name = "hugepages",
	.describe = describe,
	.fact = fact,
	.apply = apply,
	.undo = undo,
	.confirm = confirm,
	.account = account,
	.pages = pages,
	.has_size = has_size,
	.told_by_count = told_by_count,
	.memfd = memfd,
	.held = held,
	.is_under_way = is_under_way,
	.drop_promise = drop_promise,
	.as_if_undone = as_if_undone,
	.doubt = doubt,
	.complete = complete,
	.fields = fields,
	.check = check,
};
