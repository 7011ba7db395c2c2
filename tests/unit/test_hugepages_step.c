// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The hugepages step on pools with the kernel's manners: whose pages are whose,
 * whatever the kernel gives and other programs write, and wherever we are killed.
 */
#include "steps/hugepages_step.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/kernel-page-flags.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "lifecycle/view.h"
#include "steps/pool_change.h"
#include "unit/fake_kernel.h"
#include "unit/unit.h"

/* The ledger of this room: the step as JSON */
#define LEDGER "run/step.json"

/* Other guests' claims, and what back ends of this one keep in use, by node */
struct others {
	uint64_t claimed[FAKE_NODES_MAX];
	uint64_t late[FAKE_NODES_MAX];
};

/**
 * struct bench - A step on a host
 * @saves:	How often the ledger was written
 * @save_fails:	The write of that number fails, 0: none
 * @die_at:	The process ends at that event (a save or a kernel write, before
 *		or after it); 0: never
 * @on_save:	What others do between the ledger's write and the kernel's
 */
struct bench {
	struct err err;
	struct fake_kernel fk;
	struct host_view host;
	struct step_ctx ctx;
	struct step step;
	struct share_room {
		struct step_share shares[4];
	} room;
	struct others others;
	bool leaving;
	unsigned int saves;
	unsigned int save_fails;
	unsigned int pauses;
	unsigned int events;
	unsigned int die_at;
	void (*on_save)(struct bench *b);
	void (*on_pause)(struct bench *b);
};

static struct bench *bench_of(struct step_ctx *ctx)
{
	return (struct bench *)((char *)ctx - offsetof(struct bench, ctx));
}

static void event(struct bench *b)
{
	if (++b->events == b->die_at)
		_exit(0);
}

/* What a round does: reads the host, adds what the ledgers hold and claim */
static void look(struct bench *b)
{
	struct step_hugepages *hp = &b->step.hugepages;
	struct err err = { "" };
	size_t i;
	unsigned int node;

	view_free(&b->host);
	UNIT_CHECK(view_read(&b->fk.kfs, &b->host, &err) == 0, "%s", err.text);
	hugepages_step_ops.account(&b->step, true, &b->host);
	for (i = 0; !b->leaving && i < hp->n_shares; i++) {
		struct pool_view *pool = host_view_pool(&b->host, hp->page_kib, hp->shares[i].node);

		if (pool)
			pool->claimed += hp->shares[i].have;
	}
	for (node = 0; node < FAKE_NODES_MAX; node++) {
		struct pool_view *pool = host_view_pool(&b->host, hp->page_kib, node);

		if (!pool)
			continue;
		pool->claimed += b->others.claimed[node];
		pool->late += b->others.late[node];
		pool->missing = host_view_missing(pool);
	}
}

static int save(struct step_ctx *ctx, struct err *err)
{
	struct bench *b = bench_of(ctx);
	json_t *json;
	char *text;

	event(b);
	if (++b->saves == b->save_fails)
		return err_set(err, ENOSPC, "the ledger cannot be written");
	json = step_to_json(&b->step);
	text = json_dumps(json, JSON_INDENT(1));
	fake_put(&b->fk, LEDGER, text);
	free(text);
	json_decref(json);
	event(b);
	if (b->on_save)
		b->on_save(b);
	return 0;
}

static int pause_bench(struct step_ctx *ctx, void (*work)(void *arg), void *arg, struct err *err)
{
	struct bench *b = bench_of(ctx);

	(void)err;
	b->pauses++;
	if (work)
		work(arg);
	if (b->on_pause)
		b->on_pause(b);
	look(b);
	return 0;
}

static void before_write(struct fake_kernel *fk)
{
	event(fk->data);
}

static void open_bench(struct bench *b)
{
	memset(b, 0, sizeof(*b));
	fake_open(&b->fk, "two-nodes-6.12");
	b->fk.data = b;
	b->fk.before_write = before_write;
	b->fk.after_write = before_write;
	fake_empty_nodes(&b->fk);
	b->ctx = (struct step_ctx){
		.kfs = &b->fk.kfs,
		.host = &b->host,
		.guest_name = "g",
		.deadline = clock_ms() + 60000,
		.patient = true,
		.save = save,
		.pause = pause_bench,
	};
	b->step = (struct step){
		.kind = STEP_HUGEPAGES,
		.hugepages = { .page_kib = PAGE_2M, .shares = b->room.shares },
	};
}

static void close_bench(struct bench *b)
{
	view_free(&b->host);
	fake_close(&b->fk);
}

#define BENCH(name) UNIT_FIXTURE(struct bench, name, close_bench, open_bench(&(name)))

/* One more node for the step, and what the plan wants of it */
static struct step_share *want(struct bench *b, unsigned int node, uint64_t idle, uint64_t grow)
{
	struct step_hugepages *hp = &b->step.hugepages;
	struct step_share *share = &hp->shares[hp->n_shares++];

	*share = (struct step_share){ .node = node, .want_idle = idle, .want_grow = grow };
	hp->pages += idle + grow;
	return share;
}

static int apply(struct bench *b, struct err *err)
{
	look(b);
	return hugepages_step_ops.apply(&b->ctx, &b->step, err);
}

static int undo(struct bench *b, enum undo_reason reason, struct err *err)
{
	b->leaving = true;
	look(b);
	return hugepages_step_ops.undo(&b->ctx, &b->step, reason, err);
}

static bool share_is(const struct step_share *share, uint64_t have, uint64_t own)
{
	return UNIT_CHECK(share->have == have && share->own == own,
			  "node %u: have %" PRIu64 " and own %" PRIu64 ", expected %" PRIu64
			  " and %" PRIu64,
			  share->node, share->have, share->own, have, own) &&
	       UNIT_CHECK(!share->chunk.grow && !share->chunk.shrink, "a chunk is left");
}

/* What the administrator adds to the pool of node 0 between our write and our read-back,
 * once; negative: takes */
static int64_t after_write_pages;

static void admin_after_write(struct fake_kernel *fk)
{
	struct fake_pool pool = fake_pool(fk, 0, PAGE_2M);
	uint64_t persistent = pool.nr - pool.surplus;

	event(fk->data);
	if (after_write_pages)
		fake_write_pool(fk, 0, PAGE_2M, persistent + (uint64_t)after_write_pages);
	after_write_pages = 0;
}

/* ---- apply and undo ---- */

static void test_grow_and_give_back(void)
{
	BENCH(b);

	want(&b, 1, 0, 700);
	UNIT_CHECK(apply(&b, &b.err) == 0, "%s", b.err.text);
	share_is(&b.room.shares[0], 700, 700);
	fake_pool_is(&b.fk, 1, PAGE_2M, 700, 700, 0);
	fake_pool_is(&b.fk, 0, PAGE_2M, 0, 0, 0);
	UNIT_CHECK(undo(&b, UNDO_RELEASE, &b.err) == 0, "%s", b.err.text);
	share_is(&b.room.shares[0], 0, 0);
	fake_pool_is(&b.fk, 1, PAGE_2M, 0, 0, 0);
	CU_ASSERT_EQUAL(fake_free_kib(&b.fk, 1), 3 * KIB_PER_GIB);
}

static void test_idle_needs_no_write(void)
{
	BENCH(b);

	fake_set_pool(&b.fk, 0, PAGE_2M, (struct fake_pool){ 100, 100, 0 });
	want(&b, 0, 60, 0);
	UNIT_CHECK(apply(&b, &b.err) == 0, "%s", b.err.text);
	share_is(&b.room.shares[0], 60, 0);
	CU_ASSERT_EQUAL(b.fk.writes, 0);
	CU_ASSERT_EQUAL(b.saves, 1);
	UNIT_CHECK(undo(&b, UNDO_RELEASE, &b.err) == 0, "%s", b.err.text);
	CU_ASSERT_EQUAL(b.fk.writes, 0);
	fake_pool_is(&b.fk, 0, PAGE_2M, 100, 100, 0);
}

static void test_idle_and_growth(void)
{
	BENCH(b);

	fake_set_pool(&b.fk, 0, PAGE_2M, (struct fake_pool){ 100, 80, 0 });
	want(&b, 0, 80, 20);
	UNIT_CHECK(apply(&b, &b.err) == 0, "%s", b.err.text);
	share_is(&b.room.shares[0], 100, 20);
	CU_ASSERT_EQUAL(b.room.shares[0].foreign, 100);
	fake_pool_is(&b.fk, 0, PAGE_2M, 120, 100, 0);
	UNIT_CHECK(undo(&b, UNDO_ROLLBACK, &b.err) == 0, "%s", b.err.text);
	fake_pool_is(&b.fk, 0, PAGE_2M, 100, 80, 0);
}

/* Between the plan and this step the lock was let go: a page that was idle then may
 * be another guest's by now */
static void test_idle_taken_meanwhile(void)
{
	BENCH(b);

	fake_set_pool(&b.fk, 0, PAGE_2M, (struct fake_pool){ 100, 100, 0 });
	b.others.claimed[0] = 70;
	want(&b, 0, 60, 0);
	UNIT_CHECK(apply(&b, &b.err) == 0, "%s", b.err.text);
	UNIT_CHECK(b.room.shares[0].have == 60, "have %" PRIu64, b.room.shares[0].have);
	UNIT_CHECK(
		b.room.shares[0].own == 30,
		"70 of 100 idle pages are another guest's by now: 30 must be added, not %" PRIu64,
		b.room.shares[0].own);
}

/* What the kernel has reserved for others is not taken for idle either, nor are another
 * guest's pages, also where a part was reserved by hand and the plan is older than that */
static void test_idle_limit(void)
{
	static const struct {
		uint64_t idle, reserved, claimed, by_hand, own;
	} rows[] = {
		{ 60, 70, 0, 0, 30 },	{ 60, 100, 0, 0, 60 }, { 60, 30, 40, 0, 30 },
		{ 60, 40, 0, 0, 0 },	{ 60, 0, 70, 25, 55 }, { 60, 70, 0, 25, 55 },
		{ 30, 40, 20, 25, 15 },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		struct step_share *share;
		BENCH(b);

		fake_set_pool(&b.fk, 0, PAGE_2M, (struct fake_pool){ 100, 100, 0 });
		fake_set_reserved(&b.fk, PAGE_2M, rows[i].reserved);
		b.others.claimed[0] = rows[i].claimed;
		share = want(&b, 0, rows[i].idle, 0);
		share->have = rows[i].by_hand;
		b.step.hugepages.pages += rows[i].by_hand;
		UNIT_CHECK(apply(&b, &b.err) == 0, "%zu: %s", i, b.err.text);
		UNIT_CHECK(share->own == rows[i].own, "%zu: own %" PRIu64, i, share->own);
		CU_ASSERT_EQUAL(share->have, rows[i].idle + rows[i].by_hand);
	}
}

/* ---- making room ---- */

#define RECLAIM "sys/devices/system/node/node0/reclaim"

/* MiB that come free at each call of reclaim.  It runs in a child: what it does is in files */
static const uint64_t reclaim_brings[] = { 0, 1200, 4096 };

static int write_and_reclaim(const struct kfs *kfs, const char *path, const char *text)
{
	struct fake_kernel *fk = kfs->data;
	uint64_t n = 0;
	char name[32];

	if (strcmp(path, RECLAIM) != 0)
		return fake_write(kfs, path, text);
	kfs_read_u64(kfs, "fake/reclaims", &n, NULL);
	snprintf(name, sizeof(name), "fake/reclaim-%" PRIu64, n);
	fake_put(fk, name, text);
	fake_put_u64(fk, "fake/reclaims", n + 1);
	fake_set_meminfo(fk, 0, "MemFree",
			 fake_free_kib(fk, 0) +
				 reclaim_brings[u64_min(n, ROWS(reclaim_brings) - 1)] *
					 KIB_PER_MIB);
	return 0;
}

static uint64_t asked_mib(const struct bench *b, unsigned int n)
{
	unsigned long long kib = 0;
	char name[32], text[64];

	snprintf(name, sizeof(name), "fake/reclaim-%u", n);
	fake_get(&b->fk, name, text, sizeof(text));
	sscanf(text, "%lluK", &kib);
	return kib / KIB_PER_MIB;
}

/* A poor round doubles the bite, and after a good one it is as small as at first: what is
 * freed beyond need is another program's cache */
static void test_bites(void)
{
	BENCH(b);

	b.fk.kfs.write = write_and_reclaim;
	fake_put(&b.fk, RECLAIM, "");
	fake_set_meminfo(&b.fk, 0, "MemFree", 64 * KIB_PER_MIB);
	fake_set_meminfo(&b.fk, 0, "Active(file)", 8 * KIB_PER_GIB);
	b.step.hugepages.reclaim = true;
	want(&b, 0, 0, 1000);
	UNIT_CHECK(apply(&b, &b.err) == 0, "%s", b.err.text);
	/* 35 % of 2000 MiB and 128 MiB beside, of which 64 are free */
	CU_ASSERT_EQUAL(asked_mib(&b, 0), 764);
	/* 32 pages came: 70 % of 1936 MiB and 128 MiB */
	CU_ASSERT_EQUAL(asked_mib(&b, 1), 1483);
	/* 600 came: 35 % of 736 MiB and 128 MiB */
	CU_ASSERT_EQUAL(asked_mib(&b, 2), 385);
	CU_ASSERT_EQUAL(asked_mib(&b, 3), 0);
}

/* Frees what it is asked for */
static int write_and_free_cache(const struct kfs *kfs, const char *path, const char *text)
{
	struct fake_kernel *fk = kfs->data;
	unsigned long long kib = 0;
	uint64_t n = 0, lost = 0;
	char name[32];

	if (strcmp(path, RECLAIM) != 0)
		return fake_write(kfs, path, text);
	sscanf(text, "%lluK", &kib);
	kfs_read_u64(kfs, "fake/reclaims", &n, NULL);
	snprintf(name, sizeof(name), "fake/reclaim-%" PRIu64, n);
	fake_put(fk, name, text);
	kfs_read_u64(kfs, "fake/lost", &lost, NULL);
	lost += kib;
	fake_put_u64(fk, "fake/reclaims", n + 1);
	fake_put_u64(fk, "fake/lost", lost);
	fake_set_meminfo(fk, 0, "MemFree", fake_free_kib(fk, 0) + kib);
	fake_set_meminfo(fk, 0, "Active(file)", 8 * KIB_PER_GIB - lost);
	return 0;
}

/* A node full of cache, of which only so many pages can be made.  Return: bites taken */
static uint64_t bites_in_vain(uint64_t free_mib, uint64_t obtainable, uint64_t *lost_mib)
{
	uint64_t bites = 0, lost = 0;
	BENCH(b);

	b.fk.kfs.write = write_and_free_cache;
	fake_put(&b.fk, RECLAIM, "");
	fake_set_meminfo(&b.fk, 0, "MemFree", free_mib * KIB_PER_MIB);
	fake_set_meminfo(&b.fk, 0, "Active(file)", 8 * KIB_PER_GIB);
	fake_set_obtainable(&b.fk, 0, obtainable);
	b.step.hugepages.reclaim = true;
	want(&b, 0, 0, 1000);
	CU_ASSERT_EQUAL(apply(&b, &b.err), -ENOSPC);
	UNIT_CHECK(strstr(b.err.text, "trying further brought no more"), "%s", b.err.text);
	kfs_read_u64(&b.fk.kfs, "fake/reclaims", &bites, NULL);
	kfs_read_u64(&b.fk.kfs, "fake/lost", &lost, NULL);
	*lost_mib = lost / KIB_PER_MIB;
	return bites;
}

/* A start that must fail frees the bites into which all its pages would fit, and not one after the
 * other; more only as long as it is in proportion to the pages that came */
static void test_refusal_is_cheap(void)
{
	uint64_t lost = 0, bites = bites_in_vain(64, 10, &lost);

	UNIT_CHECK(bites == 3 && lost == 2855, "%" PRIu64 " bites, %" PRIu64 " MiB", bites, lost);
	bites = bites_in_vain(500, 600, &lost);
	UNIT_CHECK(bites == 7 && lost == 5308, "%" PRIu64 " bites, %" PRIu64 " MiB", bites, lost);
}

static int count_compactions(const struct kfs *kfs, const char *path, const char *text)
{
	uint64_t n = 0;

	if (!strstr(path, "/compact"))
		return write_and_free_cache(kfs, path, text);
	kfs_read_u64(kfs, "fake/compactions", &n, NULL);
	fake_put_u64(kfs->data, "fake/compactions", n + 1);
	return 0;
}

/* Where no cache is left, or none may be freed, a round that brings little is the last one */
static void test_ends_without_cache(void)
{
	static const struct {
		uint64_t cache_mib;
		bool reclaim;
	} rows[] = {
		{ 271, true },
		{ 8192, false },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		uint64_t n = 0;
		BENCH(b);

		b.fk.kfs.write = count_compactions;
		fake_put(&b.fk, RECLAIM, "");
		fake_set_meminfo(&b.fk, 0, "MemFree", 64 * KIB_PER_MIB);
		fake_set_meminfo(&b.fk, 0, "Active(file)", rows[i].cache_mib * KIB_PER_MIB);
		fake_set_obtainable(&b.fk, 0, 0);
		b.step.hugepages.reclaim = rows[i].reclaim;
		b.step.hugepages.compact = true;
		want(&b, 0, 0, 1000);
		CU_ASSERT_EQUAL(apply(&b, &b.err), -ENOSPC);
		kfs_read_u64(&b.fk.kfs, "fake/compactions", &n, NULL);
		UNIT_CHECK(n == 1, "row %zu: %" PRIu64, i, n);
	}
}

/* Notes a letter for what is written, in the order of the writes: reclaim, compaction, pool */
static int note_and_free_cache(const struct kfs *kfs, const char *path, const char *text)
{
	const char *letter = strstr(path, "/reclaim")	   ? "r" :
			     strstr(path, "/compact")	   ? "c" :
			     strstr(path, "/nr_hugepages") ? "w" :
							     "";
	int fd = openat(kfs->rootfd, "fake/order", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, letter, strlen(letter)) < 0)
		return -EIO;
	close(fd);
	return *letter == 'c' ? 0 : write_and_free_cache(kfs, path, text);
}

/* Frees nothing before the child that writes dirty pages is there */
static int wait_for_writing(const struct kfs *kfs, const char *path, const char *text)
{
	struct fake_kernel *fk = kfs->data;
	uint64_t until = clock_ms() + 20000, n = 0;

	kfs_read_u64(kfs, "fake/reclaims", &n, NULL);
	if (strcmp(path, RECLAIM) != 0 || n > 1)
		return write_and_free_cache(kfs, path, text);
	fake_put_u64(fk, "fake/reclaims", n + 1);
	while (!fake_exists(fk, STATE_DIR "/writing.lock") && clock_left_ms(until))
		clock_sleep_ms(1);
	return -EAGAIN;
}

/* Where clean pages are not enough, dirty ones are written meanwhile, and freed then */
static void test_writes_back(void)
{
	static const struct {
		uint64_t dirty_mib;
		bool writes;
	} rows[] = { { 1395, true }, { 1394, false } };
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		BENCH(b);

		b.fk.kfs.write = rows[i].writes ? wait_for_writing : write_and_free_cache;
		fake_put(&b.fk, RECLAIM, "");
		fake_set_meminfo(&b.fk, 0, "MemFree", 64 * KIB_PER_MIB);
		fake_set_meminfo(&b.fk, 0, "Active(file)", 2158 * KIB_PER_MIB);
		fake_set_meminfo(&b.fk, 0, "Dirty", rows[i].dirty_mib * KIB_PER_MIB);
		fake_set_obtainable(&b.fk, 0, 1000);
		b.step.hugepages.reclaim = true;
		b.step.hugepages.compact = true;
		want(&b, 0, 0, 1000);
		UNIT_CHECK(apply(&b, &b.err) == 0, "row %zu: %s", i, b.err.text);
		UNIT_CHECK(fake_exists(&b.fk, STATE_DIR "/writing.lock") == rows[i].writes,
			   "row %zu", i);
		/* Twice in vain, and then as much once more */
		UNIT_CHECK(!rows[i].writes || asked_mib(&b, 2) == 764, "row %zu: %" PRIu64, i,
			   asked_mib(&b, 2));
	}
}

/* ---- what the flags of all pages say ---- */

/* In the header for programs since 5.1 */
#define PGTABLE (UINT64_C(1) << 26)

/* Of node 0 all blocks but so many have one page with @flags, and no others have any */
#define GOOD_BLOCKS 90U
#define NODE0_END   2816U

static int open_flags(const struct fake_kernel *fk)
{
	int fd = openat(fk->kfs.rootfd, "proc/kpageflags", O_WRONLY | O_CLOEXEC);

	CU_ASSERT_FATAL(fd >= 0);
	return fd;
}

static void put_flag(int fd, uint64_t pfn, uint64_t flags)
{
	CU_ASSERT_EQUAL(pwrite(fd, &flags, sizeof(flags), (off_t)(pfn * sizeof(flags))),
			sizeof(flags));
}

static void put_block_flags(const struct fake_kernel *fk, uint64_t flags)
{
	unsigned int i;
	int fd;

	fake_put(fk, "proc/kpageflags", "");
	fd = open_flags(fk);
	for (i = 0; i < NODE0_END - GOOD_BLOCKS; i++)
		put_flag(fd, i * 512 + i * 37 % 512, flags);
	CU_ASSERT_EQUAL(ftruncate(fd, (off_t)(NODE0_END * 512 * sizeof(flags))), 0);
	close(fd);
}

/* But for the one with the first 2 MiB, which the kernel keeps in part */
#define SAMPLE_GOOD (NODE0_END / 8 - 1)

/* All blocks of node 0 can become pages where an eighth of memory is looked at, and none elsewhere:
 * in each 128 MiB it is another 16 MiB */
static void put_flags_beside_sample(const struct fake_kernel *fk)
{
	unsigned int i;
	int fd;

	put_block_flags(fk, 0);
	fd = open_flags(fk);
	for (i = 0; i < NODE0_END; i++)
		if (i / 8 % 8 != i / 64 % 8)
			put_flag(fd, i * 512, PGTABLE);
	close(fd);
}

/* For what there is beyond doubt not all of memory is looked at, and it is tried.  For one page
 * more it is */
static void test_plenty(void)
{
	static const struct {
		uint64_t pages;
		bool tried;
	} rows[] = { { SAMPLE_GOOD * 8 * 7 / 10, true }, { SAMPLE_GOOD * 8 * 7 / 10 + 1, false } };
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		uint64_t bites = 0;
		int rc;
		BENCH(b);

		b.fk.kfs.write = write_and_free_cache;
		fake_put(&b.fk, RECLAIM, "");
		put_flags_beside_sample(&b.fk);
		fake_set_meminfo(&b.fk, 0, "MemFree", 64 * KIB_PER_MIB);
		fake_set_meminfo(&b.fk, 0, "Active(file)", 8 * KIB_PER_GIB);
		fake_set_meminfo(&b.fk, 0, "SReclaimable", 0);
		b.step.hugepages.reclaim = true;
		want(&b, 0, 0, rows[i].pages);
		rc = apply(&b, &b.err);
		kfs_read_u64(&b.fk.kfs, "fake/reclaims", &bites, NULL);
		UNIT_CHECK(rc == (rows[i].tried ? 0 : -ENOSPC) && !bites == !rows[i].tried,
			   "row %zu: %" PRIu64 " bites: %s", i, bites, b.err.text);
	}
}

/* What can't be is refused with nothing freed for it, and what may be is tried */
static void test_bound(void)
{
	static const uint64_t table = UINT64_C(1) << 26,
			      loose = (UINT64_C(1) << KPF_LRU) | (UINT64_C(1) << KPF_SWAPBACKED);
	static const struct {
		uint64_t flags, pages, shmem_kib;
		const char *words; /* NULL: tried */
	} rows[] = {
		{ table, 91, 0, "only 90 could be allocated (1 missing), and nothing was freed" },
		{ table, 90, 0, NULL },
		/* By the kernel's count files have one of these pages, and 64 may have come since
		 */
		{ loose, 156, 4, "only 155 could be allocated" },
		{ loose, 155, 4, NULL },
		/* Files may have all of them */
		{ loose, 1000, 2726 * 4, NULL },
		{ UINT64_C(1) << KPF_ANON, 1000, 0, NULL },
		/* Slab is given up as far as the kernel says so */
		{ UINT64_C(1) << KPF_SLAB, 100, 0, "only 90 could be allocated" },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		uint64_t bites = 0;
		int rc;
		BENCH(b);

		b.fk.kfs.write = write_and_free_cache;
		fake_put(&b.fk, RECLAIM, "");
		put_block_flags(&b.fk, rows[i].flags);
		fake_set_meminfo(&b.fk, 0, "MemFree", 64 * KIB_PER_MIB);
		fake_set_meminfo(&b.fk, 0, "Active(file)", 8 * KIB_PER_GIB);
		fake_set_meminfo(&b.fk, 0, "SReclaimable", 0);
		fake_set_meminfo(&b.fk, 0, "Shmem", rows[i].shmem_kib);
		b.step.hugepages.reclaim = true;
		want(&b, 0, 0, rows[i].pages);
		rc = apply(&b, &b.err);
		kfs_read_u64(&b.fk.kfs, "fake/reclaims", &bites, NULL);
		UNIT_CHECK(rc == (rows[i].words ? -ENOSPC : 0) && !bites == !!rows[i].words,
			   "row %zu: %" PRIu64 " bites: %s", i, bites, b.err.text);
		UNIT_CHECK(!rows[i].words || strstr(b.err.text, rows[i].words), "row %zu: %s", i,
			   b.err.text);
	}
}

/* Of a node that is too large for a second a part is looked at: that says how much has to be freed,
 * and refuses nothing */
static void test_sample(void)
{
	static const struct {
		uint64_t node0_gib, node1_gib;
		bool refused;
	} rows[] = {
		{ 66, 1000, true },
		{ 67, 1, false },
		{ 500, 1, false },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		int rc;
		BENCH(b);

		b.fk.kfs.write = write_and_free_cache;
		b.step.hugepages.reclaim = true;
		fake_put(&b.fk, RECLAIM, "");
		put_block_flags(&b.fk, PGTABLE);
		fake_set_meminfo(&b.fk, 0, "MemFree", 64 * KIB_PER_MIB);
		fake_set_meminfo(&b.fk, 0, "Active(file)", 8 * KIB_PER_GIB);
		fake_set_meminfo(&b.fk, 0, "MemTotal", rows[i].node0_gib * KIB_PER_GIB);
		fake_set_meminfo(&b.fk, 1, "MemTotal", rows[i].node1_gib * KIB_PER_GIB);
		want(&b, 0, 0, 91);
		rc = apply(&b, &b.err);
		UNIT_CHECK(rc == (rows[i].refused ? -ENOSPC : 0), "row %zu: %s", i, b.err.text);
		UNIT_CHECK(b.ctx.beside > 80, "row %zu: %u", i, b.ctx.beside);
	}
}

/* Where most blocks can't become a page, half is freed, the other half while the node is compacted,
 * and then it is compacted again; not where compaction is forbidden, nor for nearly all there is,
 * nor where it is not known */
static void test_compacts_meanwhile(void)
{
	static const struct {
		uint64_t cache_mib, asked_mib;
		bool compact, seen;
		const char *orders[2];
	} rows[] = {
		{ 8192, 543, true, true, { "rrccw", "rcrcw" } },
		{ 8192, 1087, false, true, { "rw", "rw" } },
		{ 2048, 1087, true, true, { "rw", "rw" } },
		{ 8192, 105, true, false, { "rw", "rw" } },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		char order[8192], *end;
		BENCH(b);

		b.fk.kfs.write = note_and_free_cache;
		fake_put(&b.fk, RECLAIM, "");
		fake_put(&b.fk, "fake/order", "");
		if (rows[i].seen)
			put_block_flags(&b.fk, PGTABLE);
		fake_set_meminfo(&b.fk, 0, "MemFree", 64 * KIB_PER_MIB);
		fake_set_meminfo(&b.fk, 0, "Active(file)", rows[i].cache_mib * KIB_PER_MIB);
		b.step.hugepages.reclaim = true;
		b.step.hugepages.compact = rows[i].compact;
		want(&b, 0, 0, 60);
		apply(&b, &b.err);
		fake_get(&b.fk, "fake/order", order, sizeof(order));
		end = strchr(order, 'w');
		if (!UNIT_CHECK(end != NULL, "row %zu: %s", i, order))
			continue;
		end[1] = '\0';
		UNIT_CHECK(!strcmp(order, rows[i].orders[0]) || !strcmp(order, rows[i].orders[1]),
			   "row %zu: %s", i, order);
		UNIT_CHECK(asked_mib(&b, 0) == rows[i].asked_mib, "row %zu: %" PRIu64, i,
			   asked_mib(&b, 0));
	}
}

/* What compaction makes whole is taken, a few blocks left, as long as that brings a quarter of what
 * is missing, once more when memory was freed for that, and then it is written until nothing comes
 */
static void test_takes_blocks(void)
{
	static const struct {
		const char *blocks, *orders[2];
		uint64_t pages;
	} rows[] = {
		{ "20 0", { "rrccwcwcwcw", "rcrcwcwcwcw" }, 60 },
		{ "2 9", { "rrccwcwcwcw", "rcrcwcwcwcw" }, 60 },
		{ "10 0", { "rrccwrcww", "rcrcwrcww" }, 60 },
		{ "4 0", { "rrccrcw", "rcrcrcw" }, 60 },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		char text[256], order[8192];
		BENCH(b);

		b.fk.kfs.write = note_and_free_cache;
		fake_put(&b.fk, RECLAIM, "");
		fake_put(&b.fk, "fake/order", "");
		put_block_flags(&b.fk, PGTABLE);
		snprintf(text, sizeof(text),
			 "Node 0, zone DMA 0\nNode 0, zone DMA32 0\n"
			 "Node 0, zone Normal 9 9 9 9 9 9 9 9 9 %s\n"
			 "Node 1, zone Normal 0 0 0 0 0 0 0 0 0 99\n",
			 rows[i].blocks);
		fake_put(&b.fk, "proc/buddyinfo", text);
		fake_set_meminfo(&b.fk, 0, "MemFree", 64 * KIB_PER_MIB);
		fake_set_meminfo(&b.fk, 0, "Active(file)", 8 * KIB_PER_GIB);
		b.step.hugepages.reclaim = b.step.hugepages.compact = true;
		want(&b, 0, 0, rows[i].pages);
		UNIT_CHECK(apply(&b, &b.err) == 0, "row %zu: %s", i, b.err.text);
		fake_get(&b.fk, "fake/order", order, sizeof(order));
		UNIT_CHECK(!strcmp(order, rows[i].orders[0]) || !strcmp(order, rows[i].orders[1]),
			   "row %zu: %s", i, order);
	}
}

/* Where nine of ten blocks can't become a page, nearly all cache has to go, and at once: but no
 * more than eight times the pages */
static void test_seen_bites(void)
{
	BENCH(b);

	b.fk.kfs.write = write_and_reclaim;
	fake_put(&b.fk, RECLAIM, "");
	put_block_flags(&b.fk, UINT64_C(1) << 26);
	fake_set_meminfo(&b.fk, 0, "MemFree", 64 * KIB_PER_MIB);
	fake_set_meminfo(&b.fk, 0, "Active(file)", 8 * KIB_PER_GIB);
	b.step.hugepages.reclaim = true;
	want(&b, 0, 0, 60);
	UNIT_CHECK(apply(&b, &b.err) == 0, "%s", b.err.text);
	/* 120 of 330 MiB that can become pages: 36 %, and with the other 96 % beside, 59 % of
	 * 8256 MiB.  That would be 4887.  960 and 128, rounded down */
	UNIT_CHECK(asked_mib(&b, 0) == 1087, "%" PRIu64, asked_mib(&b, 0));
}

/* ---- gigantic pages ---- */

#define NODE1_RECLAIM "sys/devices/system/node/node1/reclaim"

#define SLAB	      (UINT64_C(1) << KPF_SLAB)
#define GIB_PAGES     UINT64_C(262144)

/* Node 1 has three whole GiBs, from 6 GiB on.  All pages are free but so many in each, of
 * which the flags are given */
#define IN_WAY 40U

/* Writes those from page @first on */
static void put_flags(const struct fake_kernel *fk, const uint64_t flags[3], unsigned int first,
		      unsigned int n)
{
	int fd = open_flags(fk);
	size_t i;

	CU_ASSERT_EQUAL(ftruncate(fd, (off_t)(9 * GIB_PAGES * sizeof(*flags))), 0);
	for (i = 0; i < 3 * (size_t)n; i++)
		put_flag(fd, (6 + i / n) * GIB_PAGES + 5000 + first + i % n, flags[i / n]);
	close(fd);
}

/* Each time a quarter of what is in the way comes free, or "fake/each" pages of each GiB, as long
 * as "fake/most" says.  Runs in a child */
static int count_reclaim(const struct kfs *kfs, const char *path, const char *text)
{
	static const uint64_t none[3];
	struct fake_kernel *fk = kfs->data;
	uint64_t n = 0, most = UINT64_MAX, each = IN_WAY / 4;

	if (strcmp(path, NODE1_RECLAIM) != 0)
		return fake_write(kfs, path, text);
	kfs_read_u64(kfs, "fake/reclaims", &n, NULL);
	fake_put(fk, "fake/reclaimed", text);
	fake_put_u64(fk, "fake/reclaims", n + 1);
	kfs_read_u64(kfs, "fake/most", &most, NULL);
	kfs_read_u64(kfs, "fake/each", &each, NULL);
	if (n < most)
		put_flags(fk, none, (unsigned int)(each * n % IN_WAY), (unsigned int)each);
	return 0;
}

static uint64_t reclaims(const struct bench *b)
{
	uint64_t n = 0;

	kfs_read_u64(&b->fk.kfs, "fake/reclaims", &n, NULL);
	return n;
}

/* Two pages a slab */
static void put_trees(const struct fake_kernel *fk, uint64_t pages)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "slabinfo - version: 2.1\n"
		 "radix_tree_node_x 1 1 584 14 2 : tunables 0 0 0 : slabdata 9000 9000 0\n"
		 "radix_tree_node   1 1 584 14 2 : tunables 0 0 0 : slabdata 0 %" PRIu64 " 0\n",
		 pages / 2);
	fake_put(fk, "proc/slabinfo", text);
}

static void open_gigantic(struct bench *b, const uint64_t flags[3], uint64_t slab_kib)
{
	b->fk.kfs.write = count_reclaim;
	fake_put(&b->fk, NODE1_RECLAIM, "");
	fake_put(&b->fk, "proc/kpageflags", "");
	put_flags(&b->fk, flags, 0, IN_WAY);
	fake_set_meminfo(&b->fk, 1, "Active(file)", 8 * KIB_PER_GIB);
	fake_set_meminfo(&b->fk, 1, "SReclaimable", slab_kib);
	b->step.hugepages.page_kib = PAGE_1G;
	b->step.hugepages.reclaim = b->step.hugepages.compact = true;
}

/* As many as can become whole are served.  More are refused, with nothing freed for them */
static void test_gigantic_bound(void)
{
	static const struct {
		uint64_t flags[3];
		uint64_t slab_kib;
		uint64_t pages;
		const char *words; /* NULL: served */
	} rows[] = {
		{ { 0, 0, 0 }, 0, 3, NULL },
		{ { PGTABLE, 0, PGTABLE }, 0, 1, NULL },
		{ { PGTABLE, 0, PGTABLE }, 0, 2, "only 1 could be allocated" },
		{ { PGTABLE, PGTABLE, PGTABLE },
		  0,
		  1,
		  "only 0 could be allocated (1 missing), and nothing was freed for more" },
		/* The kernel gives up the slab pages of one GiB at most, or of two */
		{ { SLAB, SLAB, PGTABLE }, 79 * 4, 2, "only 1 could be allocated" },
		{ { SLAB, SLAB, PGTABLE }, 80 * 4, 3, "only 2 could be allocated" },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		BENCH(b);
		int rc;

		open_gigantic(&b, rows[i].flags, rows[i].slab_kib);
		/* Too little to write at once */
		fake_set_meminfo(&b.fk, 1, "MemFree",
				 rows[i].pages * KIB_PER_GIB + 100 * KIB_PER_MIB);
		want(&b, 1, 0, rows[i].pages);
		rc = apply(&b, &b.err);
		UNIT_CHECK(rc == (rows[i].words ? -ENOSPC : 0), "row %zu: %s", i, b.err.text);
		if (!rows[i].words)
			continue;
		UNIT_CHECK(strstr(b.err.text, rows[i].words), "row %zu: %s", i, b.err.text);
		UNIT_CHECK(!b.fk.writes && !reclaims(&b), "row %zu", i);
	}
}

/* Where a look can't tell what the kernel can empty, it is tried: first as it is, and then with a
 * part of a page's worth freed, as long as that brings any */
static void test_gigantic_unseen(void)
{
	static const uint64_t flags[3] = { PGTABLE, PGTABLE, PGTABLE };
	static const char *const why[] = { "moves huge pages", "ZFS", "large" };
	size_t i;

	for (i = 0; i < 2 * ROWS(why); i++) {
		bool none = i % 2;
		char text[64];
		BENCH(b);

		open_gigantic(&b, flags, 0);
		fake_set_meminfo(&b.fk, 1, "MemFree", KIB_PER_GIB + 100 * KIB_PER_MIB);
		/* Another node's size doesn't matter */
		fake_set_meminfo(&b.fk, 0, "MemTotal", 1000 * KIB_PER_GIB);
		if (i / 2 == 0)
			fake_put(&b.fk, "proc/sys/vm/movable_gigantic_pages", "0\n");
		else if (i / 2 == 1)
			fake_put(&b.fk, "proc/spl/kstat/zfs/arcstats",
				 "size 4 4294967296\nc_min 4 1048576\n");
		else
			fake_set_meminfo(&b.fk, 1, "MemTotal", 134 * KIB_PER_GIB);
		if (none)
			fake_set_obtainable(&b.fk, 1, 0);
		want(&b, 1, 0, 1);
		UNIT_CHECK(apply(&b, &b.err) == (none ? -ENOSPC : 0), "%s: %s", why[i / 2],
			   b.err.text);
		UNIT_CHECK(reclaims(&b) == none, "%s: %d", why[i / 2], (int)reclaims(&b));
		if (!none)
			continue;
		fake_get(&b.fk, "fake/reclaimed", text, sizeof(text));
		UNIT_CHECK(strncmp(text, "131072K", 7) == 0, "%s: %s", why[i / 2], text);
	}
}

/* The kernel makes none of a GiB that looks empty: what is free already is not freed again,
 * and it ends */
static void test_gigantic_in_vain(void)
{
	static const uint64_t flags[3] = { 0, 0, 0 };
	BENCH(b);

	open_gigantic(&b, flags, 0);
	fake_set_obtainable(&b.fk, 1, 1);
	want(&b, 1, 0, 3);
	CU_ASSERT_EQUAL(apply(&b, &b.err), -ENOSPC);
	UNIT_CHECK(strstr(b.err.text, "trying further brought no more"), "%s", b.err.text);
	share_is(&b.room.shares[0], 1, 1);
	CU_ASSERT_EQUAL(reclaims(&b), 0);
	CU_ASSERT(b.fk.writes < 20);
}

/* Slab pages are in the way: cache is freed by the eighth of a page, as long as they become fewer,
 * and not at all if they are what the cache's own trees are in */
static void test_gigantic_slab(void)
{
	static const uint64_t flags[3] = { SLAB, SLAB, SLAB };
	static const struct {
		uint64_t in_trees;
		uint64_t most; /* reclaims that bring anything, */
		uint64_t each; /* and what */
		uint64_t pages;
		uint64_t reclaims;
		const char *words; /* NULL: served */
	} rows[] = {
		/* Half of what is there is this node's, as half of the cache is */
		{ 2 * (1024 - 120), 4, 10, 3, 4, NULL },
		{ 2 * (1024 - 119), 4, 10, 3, 0, "only 0 could be allocated (3 missing)" },
		{ 0, 2, 10, 3, 3, "only 0 could be allocated (3 missing)" },
		{ 0, 0, 10, 3, 1, "only 0 could be allocated (3 missing)" },
		/* A page's worth, and it would take more */
		{ 0, 99, 2, 1, 8, "only 0 could be allocated (1 missing)" },
		{ 0, 99, 1, 1, 1, "only 0 could be allocated (1 missing)" },
	};
	char text[64];
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		BENCH(b);
		int rc;

		open_gigantic(&b, flags, 4096);
		put_trees(&b.fk, rows[i].in_trees);
		fake_put_u64(&b.fk, "fake/most", rows[i].most);
		fake_put_u64(&b.fk, "fake/each", rows[i].each);
		fake_set_meminfo(&b.fk, 0, "Active(file)", 8 * KIB_PER_GIB);
		fake_set_meminfo(&b.fk, 1, "MemFree",
				 rows[i].pages * KIB_PER_GIB + 100 * KIB_PER_MIB);
		want(&b, 1, 0, rows[i].pages);
		rc = apply(&b, &b.err);
		UNIT_CHECK(rc == (rows[i].words ? -ENOSPC : 0), "row %zu: %s", i, b.err.text);
		UNIT_CHECK(!rows[i].words || strstr(b.err.text, rows[i].words), "row %zu: %s", i,
			   b.err.text);
		UNIT_CHECK(reclaims(&b) == rows[i].reclaims, "row %zu: %d", i, (int)reclaims(&b));
		if (!reclaims(&b))
			continue;
		fake_get(&b.fk, "fake/reclaimed", text, sizeof(text));
		UNIT_CHECK(strncmp(text, "131072K", 7) == 0, "row %zu: %s", i, text);
	}
}

/* What could be made, and would be given back, is not made: its cache stays */
static void test_gigantic_too_few(void)
{
	static const uint64_t flags[3] = { 0, 0, SLAB };
	BENCH(b);

	open_gigantic(&b, flags, 4096);
	fake_put_u64(&b.fk, "fake/most", 0);
	fake_set_meminfo(&b.fk, 1, "MemFree", 3 * KIB_PER_GIB + 100 * KIB_PER_MIB);
	want(&b, 1, 0, 3);
	CU_ASSERT_EQUAL(apply(&b, &b.err), -ENOSPC);
	UNIT_CHECK(strstr(b.err.text, "only 2 could be allocated (1 missing)"), "%s", b.err.text);
	CU_ASSERT_EQUAL(reclaims(&b), 1);
	CU_ASSERT_EQUAL(b.fk.writes, 0);
}

/* Where the kernel finds no room for the pages that have to be moved, it is made for these, and not
 * for the whole GiB */
static void test_gigantic_moved(void)
{
	static const uint64_t anon = (UINT64_C(1) << KPF_ANON) | (UINT64_C(1) << KPF_LRU);
	static const uint64_t flags[3] = { anon, PGTABLE, PGTABLE };
	uint64_t pages;

	for (pages = 0; pages < 2; pages++) {
		char text[64] = "";
		BENCH(b);

		open_gigantic(&b, flags, 0);
		fake_set_meminfo(&b.fk, 1, "MemFree", KIB_PER_GIB + 100 * KIB_PER_MIB);
		fake_set_obtainable(&b.fk, 1, pages);
		fake_put_u64(&b.fk, "fake/most", 0);
		want(&b, 1, 0, 1);
		CU_ASSERT_EQUAL(apply(&b, &b.err), pages ? 0 : -ENOSPC);
		CU_ASSERT_EQUAL(reclaims(&b), pages ? 0 : 1);
		if (pages)
			continue;
		UNIT_CHECK(strstr(b.err.text, "only 0 could be allocated"), "%s", b.err.text);
		fake_get(&b.fk, "fake/reclaimed", text, sizeof(text));
		UNIT_CHECK(strncmp(text, "28672K", 6) == 0, "%s", text);
	}
}

/* Fewer than asked on one node: the others serve the rest */
static void test_fewer_than_asked(void)
{
	BENCH(b);

	fake_set_obtainable(&b.fk, 0, 60);
	want(&b, 0, 0, 100);
	want(&b, 1, 0, 0);
	b.step.hugepages.bind = GUEST_BIND_ANY;
	UNIT_CHECK(apply(&b, &b.err) == 0, "%s", b.err.text);
	share_is(&b.room.shares[0], 60, 60);
	share_is(&b.room.shares[1], 40, 40);
	UNIT_CHECK(undo(&b, UNDO_RELEASE, &b.err) == 0, "%s", b.err.text);
	fake_pool_is(&b.fk, 0, PAGE_2M, 0, 0, 0);
	fake_pool_is(&b.fk, 1, PAGE_2M, 0, 0, 0);
}

/* A node without processors serves when all others have given what they can, and not before:
 * here node 2 could give all at once */
static void test_last_comes_last(void)
{
	json_t *json;
	BENCH(b);

	fake_set_obtainable(&b.fk, 0, 60);
	want(&b, 0, 0, 100);
	want(&b, 1, 0, 0)->last = true;
	b.step.hugepages.bind = GUEST_BIND_ANY;
	b.ctx.deadline = clock_ms() + 2000;
	UNIT_CHECK(apply(&b, &b.err) == 0, "%s", b.err.text);
	share_is(&b.room.shares[0], 60, 60);
	share_is(&b.room.shares[1], 40, 40);
	/* The time that making room takes leaves some for it */
	CU_ASSERT_TRUE(clock_left_ms(b.ctx.deadline) > 0);
	json = step_to_json(&b.step);
	CU_ASSERT_TRUE(json_is_true(
		json_object_get(json_array_get(json_object_get(json, "shares"), 1), "last")));
	json_decref(json);
	UNIT_CHECK(undo(&b, UNDO_RELEASE, &b.err) == 0, "%s", b.err.text);
}

/* What the plan wanted elsewhere comes from another node with processors first */
static void test_last_after_near(void)
{
	BENCH(b);

	want(&b, 0, 0, 0)->last = true;
	want(&b, 1, 0, 100);
	fake_set_pool(&b.fk, 1, PAGE_2M, (struct fake_pool){ 100, 100, 0 });
	b.step.hugepages.shares[1].want_idle = 100;
	b.step.hugepages.shares[1].want_grow = 0;
	b.others.claimed[1] = 70;
	b.step.hugepages.bind = GUEST_BIND_ANY;
	UNIT_CHECK(apply(&b, &b.err) == 0, "%s", b.err.text);
	share_is(&b.room.shares[0], 0, 0);
	share_is(&b.room.shares[1], 100, 70);
	UNIT_CHECK(undo(&b, UNDO_RELEASE, &b.err) == 0, "%s", b.err.text);
}

/* min_size= of libvirt's hugetlbfs reserves all of the pool, for those who map through it */
static void test_idle_of_the_mount(void)
{
	bool mounted;

	for (mounted = false;; mounted = true) {
		struct bench b;

		open_bench(&b);
		fake_put(&b.fk, "proc/mounts",
			 "none /dev/hugepages hugetlbfs rw,pagesize=2M,min_size=204800K 0 0\n");
		fake_set_pool(&b.fk, 0, PAGE_2M, (struct fake_pool){ 100, 100, 0 });
		fake_put(&b.fk, "sys/kernel/mm/hugepages/hugepages-2048kB/resv_hugepages", "100\n");
		want(&b, 0, 60, 0);
		b.step.hugepages.mounted = mounted;
		UNIT_CHECK(apply(&b, &b.err) == 0, "%s", b.err.text);
		share_is(&b.room.shares[0], 60, mounted ? 0 : 60);
		close_bench(&b);
		if (mounted)
			break;
	}
}

static void test_too_few(void)
{
	BENCH(b);

	fake_set_pool(&b.fk, 0, PAGE_2M, (struct fake_pool){ 10, 10, 0 });
	fake_set_obtainable(&b.fk, 0, 60);
	b.ctx.deadline = clock_ms() + 300;
	want(&b, 0, 10, 90);
	b.step.hugepages.bind = GUEST_BIND_STRICT;
	nodeset_add(&b.step.hugepages.nodes, 0);
	CU_ASSERT_EQUAL(apply(&b, &b.err), -ENOSPC);
	share_is(&b.room.shares[0], 70, 60);
	UNIT_CHECK(strstr(b.err.text, "guest 'g' needs 200 MiB (100 pages of 2 MiB) on node 0"),
		   "%s", b.err.text);
	UNIT_CHECK(strstr(b.err.text, "only 70 could be allocated (30 missing)"), "%s", b.err.text);
	UNIT_CHECK(!strstr(b.err.text, "guest 'g': guest"), "%s", b.err.text);
	UNIT_CHECK(undo(&b, UNDO_ROLLBACK, &b.err) == 0, "%s", b.err.text);
	fake_pool_is(&b.fk, 0, PAGE_2M, 10, 10, 0);
	fake_pool_is(&b.fk, 1, PAGE_2M, 0, 0, 0);
}

/* Surplus pages are promoted first: they are ours to take back, but no gain */
static void test_surplus_promoted(void)
{
	BENCH(b);

	fake_set_pool(&b.fk, 0, PAGE_2M, (struct fake_pool){ 50, 0, 30 });
	want(&b, 0, 0, 100);
	UNIT_CHECK(apply(&b, &b.err) == 0, "%s", b.err.text);
	share_is(&b.room.shares[0], 100, 130);
	CU_ASSERT_EQUAL(b.room.shares[0].foreign, 20);
	fake_pool_is(&b.fk, 0, PAGE_2M, 150, 100, 0);
	/* 50 are in use: 100 idle ones go, and 30 become surplus again */
	UNIT_CHECK(undo(&b, UNDO_RELEASE, &b.err) == 0, "%s", b.err.text);
	share_is(&b.room.shares[0], 0, 0);
	fake_pool_is(&b.fk, 0, PAGE_2M, 50, 0, 30);
}

/* Idle pages of others would go in their place: then it waits until nothing is idle,
 * or until the pages that were promoted are */
static void test_surplus_promoted_beside_idle(void)
{
	BENCH(b);

	fake_set_pool(&b.fk, 0, PAGE_2M, (struct fake_pool){ 50, 0, 30 });
	want(&b, 0, 0, 100);
	UNIT_CHECK(apply(&b, &b.err) == 0, "%s", b.err.text);
	b.others.claimed[0] = 5;
	CU_ASSERT_EQUAL(undo(&b, UNDO_RELEASE, &b.err), -EAGAIN);
	share_is(&b.room.shares[0], 0, 35);
	fake_pool_is(&b.fk, 0, PAGE_2M, 55, 5, 0);
	b.others.claimed[0] = 0;
	fake_unuse(&b.fk, 0, PAGE_2M, 50);
	UNIT_CHECK(undo(&b, UNDO_RELEASE, &b.err) == 0, "%s", b.err.text);
	fake_pool_is(&b.fk, 0, PAGE_2M, 20, 20, 0);
}

/* Nor do those that a back end of the guest keeps.  The ledger says so at once: what looks
 * like a change that is under way would be looked for again, when others have changed more */
static void test_surplus_promoted_late(void)
{
	char text[4096];
	BENCH(b);

	fake_set_pool(&b.fk, 0, PAGE_2M, (struct fake_pool){ 50, 0, 30 });
	want(&b, 0, 0, 100);
	UNIT_CHECK(apply(&b, &b.err) == 0, "%s", b.err.text);
	b.others.late[0] = 10;
	CU_ASSERT_EQUAL(undo(&b, UNDO_RELEASE, &b.err), -EAGAIN);
	share_is(&b.room.shares[0], 0, 10);
	fake_pool_is(&b.fk, 0, PAGE_2M, 50, 0, 20);
	fake_get(&b.fk, LEDGER, text, sizeof(text));
	UNIT_CHECK(strstr(text, "\"own\": 10"), "%s", text);
	UNIT_CHECK(!strstr(text, "chunk"), "%s", text);
	b.others.late[0] = 0;
	UNIT_CHECK(undo(&b, UNDO_RELEASE, &b.err) == 0, "%s", b.err.text);
	fake_pool_is(&b.fk, 0, PAGE_2M, 50, 0, 30);
}

/* A part of ours is in use late, another was taken by others: that may come back as long as
 * the ledger waits */
static void test_missing_beside_late(void)
{
	BENCH(b);

	fake_set_pool(&b.fk, 0, PAGE_2M, (struct fake_pool){ 20, 20, 0 });
	want(&b, 0, 0, 100);
	UNIT_CHECK(apply(&b, &b.err) == 0, "%s", b.err.text);
	fake_use(&b.fk, 0, PAGE_2M, 10);
	fake_write_pool(&b.fk, 0, PAGE_2M, 115);
	b.others.late[0] = 10;
	CU_ASSERT_EQUAL(undo(&b, UNDO_RELEASE, &b.err), -EAGAIN);
	share_is(&b.room.shares[0], 0, 15);
	fake_pool_is(&b.fk, 0, PAGE_2M, 30, 20, 0);
	fake_write_pool(&b.fk, 0, PAGE_2M, 35);
	fake_unuse(&b.fk, 0, PAGE_2M, 10);
	b.others.late[0] = 0;
	UNIT_CHECK(undo(&b, UNDO_RELEASE, &b.err) == 0, "%s", b.err.text);
	fake_pool_is(&b.fk, 0, PAGE_2M, 20, 20, 0);
}

/* What others took just now may be their own: the next round says so */
static void test_missing_just_now(void)
{
	BENCH(b);

	fake_set_pool(&b.fk, 0, PAGE_2M, (struct fake_pool){ 20, 20, 0 });
	want(&b, 0, 0, 100);
	UNIT_CHECK(apply(&b, &b.err) == 0, "%s", b.err.text);
	b.leaving = true;
	look(&b);
	fake_write_pool(&b.fk, 0, PAGE_2M, 115);
	CU_ASSERT_EQUAL(hugepages_step_ops.undo(&b.ctx, &b.step, UNDO_RELEASE, &b.err), -EAGAIN);
	share_is(&b.room.shares[0], 0, 5);
	UNIT_CHECK(undo(&b, UNDO_RELEASE, &b.err) == 0, "%s", b.err.text);
	fake_pool_is(&b.fk, 0, PAGE_2M, 20, 20, 0);
}

/* What others add while we give back is theirs, where ours are missing too */
static void test_added_beside_missing(void)
{
	BENCH(b);

	fake_set_pool(&b.fk, 0, PAGE_2M, (struct fake_pool){ 20, 20, 0 });
	want(&b, 0, 0, 100);
	UNIT_CHECK(apply(&b, &b.err) == 0, "%s", b.err.text);
	fake_write_pool(&b.fk, 0, PAGE_2M, 80);
	b.fk.after_write = admin_after_write;
	after_write_pages = 7;
	UNIT_CHECK(undo(&b, UNDO_RELEASE, &b.err) == 0, "%s", b.err.text);
	fake_pool_is(&b.fk, 0, PAGE_2M, 27, 27, 0);
	CU_ASSERT_EQUAL(host_view_pool(&b.host, PAGE_2M, 0)->foreign, 27);
}

/* More surplus than one chunk asks for: no page comes of the first writes */
static void test_much_surplus(void)
{
	BENCH(b);

	fake_set_pool(&b.fk, 0, PAGE_2M, (struct fake_pool){ 700, 0, 700 });
	want(&b, 0, 0, 100);
	UNIT_CHECK(apply(&b, &b.err) == 0, "%s", b.err.text);
	share_is(&b.room.shares[0], 100, 800);
	fake_pool_is(&b.fk, 0, PAGE_2M, 800, 100, 0);
}

/* Before 6.7 a write for one node brings as many more as others have surplus, and
 * no write can make the pool smaller than that */
static void test_old_kernel(void)
{
	BENCH(b);

	b.fk.adds_surplus = true;
	fake_put(&b.fk, "proc/sys/kernel/osrelease", "6.1.0\n");
	fake_set_pool(&b.fk, 1, PAGE_2M, (struct fake_pool){ 40, 0, 40 });
	want(&b, 0, 0, 100);
	UNIT_CHECK(apply(&b, &b.err) == 0, "%s", b.err.text);
	share_is(&b.room.shares[0], 100, 100);
	fake_pool_is(&b.fk, 0, PAGE_2M, 100, 100, 0);
	fake_pool_is(&b.fk, 1, PAGE_2M, 40, 0, 40);
	CU_ASSERT_EQUAL(undo(&b, UNDO_RELEASE, &b.err), -EAGAIN);
	share_is(&b.room.shares[0], 0, 40);
	fake_pool_is(&b.fk, 0, PAGE_2M, 40, 40, 0);
	/* The program with the surplus pages ends */
	fake_unuse(&b.fk, 1, PAGE_2M, 40);
	UNIT_CHECK(undo(&b, UNDO_RELEASE, &b.err) == 0, "%s", b.err.text);
	fake_pool_is(&b.fk, 0, PAGE_2M, 0, 0, 0);
	fake_pool_is(&b.fk, 1, PAGE_2M, 0, 0, 0);
}

/* From 6.7 on no kernel adds the others' surplus, so as many pages more are another
 * writer's; before, they are what the kernel added.  @own: how many count as ours */
static void test_old_kernel_boundary(void)
{
	static const struct {
		const char *release;
		bool adds;
		uint64_t own;
	} rows[] = {
		{ "5.10.0\n", true, 140 },    { "6.6.99\n", true, 140 },
		{ "6.6.0-rc1\n", true, 140 }, { "6.7.0\n", false, 100 },
		{ "6.12.1\n", false, 100 },   { "7.0.0\n", false, 100 },
		{ "10.1.0\n", false, 100 },   { "strange\n", false, 100 },
	};
	struct step_share *share;
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		BENCH(b);
		b.fk.adds_surplus = rows[i].adds;
		b.fk.after_write = admin_after_write;
		fake_put(&b.fk, "proc/sys/kernel/osrelease", rows[i].release);
		fake_set_pool(&b.fk, 1, PAGE_2M, (struct fake_pool){ 40, 0, 40 });
		share = want(&b, 0, 0, 100);
		look(&b);
		after_write_pages = rows[i].adds ? 0 : 40;
		CU_ASSERT_EQUAL(
			pool_grow(&b.ctx, &b.step.hugepages, share, 100, UINT64_MAX, &b.err),
			(int64_t)rows[i].own);
		UNIT_CHECK(share->own == rows[i].own, "%s: own %" PRIu64, rows[i].release,
			   share->own);
	}
}

/* The same release number, but a distribution that has backported the fix */
static void test_old_kernel_fixed(void)
{
	BENCH(b);

	fake_put(&b.fk, "proc/sys/kernel/osrelease", "5.14.0-427.el9\n");
	fake_set_pool(&b.fk, 0, PAGE_2M, (struct fake_pool){ 60, 60, 0 });
	fake_set_pool(&b.fk, 1, PAGE_2M, (struct fake_pool){ 40, 0, 40 });
	want(&b, 0, 0, 100);
	UNIT_CHECK(apply(&b, &b.err) == 0, "%s", b.err.text);
	share_is(&b.room.shares[0], 100, 100);
	UNIT_CHECK(undo(&b, UNDO_RELEASE, &b.err) == 0, "%s", b.err.text);
	fake_pool_is(&b.fk, 0, PAGE_2M, 60, 60, 0);
}

/* An old kernel whose surplus elsewhere is as large as what goes back: without a
 * correction the pool would not shrink at all */
static void test_old_kernel_large_surplus(void)
{
	static const uint64_t surplus[] = { 1, 99, 100, 101, 1000 };
	size_t i;

	for (i = 0; i < ROWS(surplus); i++) {
		BENCH(b);
		b.fk.adds_surplus = true;
		fake_put(&b.fk, "proc/sys/kernel/osrelease", "5.10.0-30-amd64\n");
		fake_set_pool(&b.fk, 0, PAGE_2M, (struct fake_pool){ 1100, 1100, 0 });
		want(&b, 0, 0, 100);
		UNIT_CHECK(apply(&b, &b.err) == 0, "%s", b.err.text);
		fake_set_pool(&b.fk, 1, PAGE_2M, (struct fake_pool){ surplus[i], 0, surplus[i] });
		UNIT_CHECK(undo(&b, UNDO_RELEASE, &b.err) == 0, "surplus %" PRIu64 ": %s",
			   surplus[i], b.err.text);
		fake_pool_is(&b.fk, 0, PAGE_2M, 1100, 1100, 0);
		fake_pool_is(&b.fk, 1, PAGE_2M, surplus[i], 0, surplus[i]);
	}
}

/* The kernel leaves as many pages idle as there are surplus pages in use.  They stay
 * ours until it takes them: called surplus, they would stay for ever */
static void test_surplus_keeps_idle(void)
{
	BENCH(b);

	fake_set_pool(&b.fk, 1, PAGE_2M, (struct fake_pool){ 40, 0, 40 });
	want(&b, 0, 0, 100);
	UNIT_CHECK(apply(&b, &b.err) == 0, "%s", b.err.text);
	CU_ASSERT_EQUAL(undo(&b, UNDO_RELEASE, &b.err), -EAGAIN);
	share_is(&b.room.shares[0], 0, 40);
	fake_pool_is(&b.fk, 0, PAGE_2M, 40, 40, 0);
	/* its user ends */
	fake_set_pool(&b.fk, 1, PAGE_2M, (struct fake_pool){ 0, 0, 0 });
	UNIT_CHECK(undo(&b, UNDO_RELEASE, &b.err) == 0, "%s", b.err.text);
	share_is(&b.room.shares[0], 0, 0);
	fake_pool_is(&b.fk, 0, PAGE_2M, 0, 0, 0);
}

static void test_keep(void)
{
	struct bench b;

	open_bench(&b);
	b.step.hugepages.keep = true;
	want(&b, 0, 0, 100);
	UNIT_CHECK(apply(&b, &b.err) == 0, "%s", b.err.text);
	UNIT_CHECK(undo(&b, UNDO_RELEASE, &b.err) == 0, "%s", b.err.text);
	share_is(&b.room.shares[0], 0, 0);
	fake_pool_is(&b.fk, 0, PAGE_2M, 100, 100, 0);
	close_bench(&b);

	/* A start that failed leaves nothing behind, kept or not */
	open_bench(&b);
	b.step.hugepages.keep = true;
	want(&b, 0, 0, 100);
	UNIT_CHECK(apply(&b, &b.err) == 0, "%s", b.err.text);
	UNIT_CHECK(undo(&b, UNDO_ROLLBACK, &b.err) == 0, "%s", b.err.text);
	fake_pool_is(&b.fk, 0, PAGE_2M, 0, 0, 0);
	close_bench(&b);
}

static void test_in_use(void)
{
	BENCH(b);

	want(&b, 0, 0, 100);
	UNIT_CHECK(apply(&b, &b.err) == 0, "%s", b.err.text);
	fake_use(&b.fk, 0, PAGE_2M, 30);
	CU_ASSERT_EQUAL(undo(&b, UNDO_RELEASE, &b.err), -EAGAIN);
	share_is(&b.room.shares[0], 0, 30);
	fake_pool_is(&b.fk, 0, PAGE_2M, 30, 0, 0);
	UNIT_CHECK(strstr(b.err.text, "30 pages of 2 MiB on node 0: still in use"), "%s",
		   b.err.text);
	fake_unuse(&b.fk, 0, PAGE_2M, 30);
	UNIT_CHECK(undo(&b, UNDO_RELEASE, &b.err) == 0, "%s", b.err.text);
	fake_pool_is(&b.fk, 0, PAGE_2M, 0, 0, 0);
}

/* Idle is not enough: what is reserved or another guest's is left */
static void test_others_idle(void)
{
	BENCH(b);

	fake_set_pool(&b.fk, 0, PAGE_2M, (struct fake_pool){ 50, 50, 0 });
	want(&b, 0, 0, 100);
	UNIT_CHECK(apply(&b, &b.err) == 0, "%s", b.err.text);
	fake_set_reserved(&b.fk, PAGE_2M, 20);
	b.others.claimed[0] = 60;
	CU_ASSERT_EQUAL(undo(&b, UNDO_RELEASE, &b.err), -EAGAIN);
	share_is(&b.room.shares[0], 0, 30);
	fake_pool_is(&b.fk, 0, PAGE_2M, 80, 80, 0);
	b.others.claimed[0] = 0;
	fake_set_reserved(&b.fk, PAGE_2M, 0);
	UNIT_CHECK(undo(&b, UNDO_RELEASE, &b.err) == 0, "%s", b.err.text);
	fake_pool_is(&b.fk, 0, PAGE_2M, 50, 50, 0);
}

/* ---- other writers ---- */

static void set_pool_by_hand(struct bench *b, int node, uint64_t persistent)
{
	fake_write_pool(&b->fk, node, PAGE_2M, persistent);
}

/* The administrator changes the pool while the ledger is being written, once */
static void admin_adds_50(struct bench *b)
{
	b->on_save = NULL;
	set_pool_by_hand(b, 0, fake_pool(&b->fk, 0, PAGE_2M).nr + 50);
}

static void admin_takes_50(struct bench *b)
{
	b->on_save = NULL;
	set_pool_by_hand(b, 0, fake_pool(&b->fk, 0, PAGE_2M).nr - 50);
}

static void test_writer_while_growing(void)
{
	static const struct {
		void (*writer)(struct bench *b);
		uint64_t left;
	} rows[] = { { admin_adds_50, 150 }, { admin_takes_50, 50 } };
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		BENCH(b);
		fake_set_pool(&b.fk, 0, PAGE_2M, (struct fake_pool){ 100, 100, 0 });
		want(&b, 0, 0, 80);
		b.on_save = rows[i].writer;
		UNIT_CHECK(apply(&b, &b.err) == 0, "%zu: %s", i, b.err.text);
		UNIT_CHECK(b.room.shares[0].have == 80 && b.room.shares[0].own == 80,
			   "%zu: have %" PRIu64 ", own %" PRIu64, i, b.room.shares[0].have,
			   b.room.shares[0].own);
		UNIT_CHECK(undo(&b, UNDO_RELEASE, &b.err) == 0, "%zu: %s", i, b.err.text);
		fake_pool_is(&b.fk, 0, PAGE_2M, rows[i].left, rows[i].left, 0);
	}
}

static void test_writer_while_giving_back(void)
{
	BENCH(b);

	fake_set_pool(&b.fk, 0, PAGE_2M, (struct fake_pool){ 100, 100, 0 });
	want(&b, 0, 0, 80);
	UNIT_CHECK(apply(&b, &b.err) == 0, "%s", b.err.text);
	b.on_save = admin_adds_50;
	UNIT_CHECK(undo(&b, UNDO_RELEASE, &b.err) == 0, "%s", b.err.text);
	fake_pool_is(&b.fk, 0, PAGE_2M, 150, 150, 0);
}

static void test_added_before_the_reading(void)
{
	static const int64_t pages[] = { 1, 50, 500 };
	size_t i;

	for (i = 0; i < ROWS(pages); i++) {
		BENCH(b);
		b.fk.after_write = admin_after_write;
		fake_set_pool(&b.fk, 0, PAGE_2M, (struct fake_pool){ 100, 100, 0 });
		want(&b, 0, 0, 80);
		after_write_pages = pages[i];
		UNIT_CHECK(apply(&b, &b.err) == 0, "%zu: %s", i, b.err.text);
		share_is(&b.room.shares[0], 80, 80);
		/* and while we give back */
		after_write_pages = pages[i];
		UNIT_CHECK(undo(&b, UNDO_RELEASE, &b.err) == 0, "%zu: %s", i, b.err.text);
		share_is(&b.room.shares[0], 0, 0);
		fake_pool_is(&b.fk, 0, PAGE_2M, 100 + 2 * (uint64_t)pages[i],
			     100 + 2 * (uint64_t)pages[i], 0);
	}
}

/* Taken while we give back in part: no more of ours is gone than we gave */
static void test_taken_before_the_reading(void)
{
	BENCH(b);

	b.fk.after_write = admin_after_write;
	fake_set_pool(&b.fk, 0, PAGE_2M, (struct fake_pool){ 100, 100, 0 });
	want(&b, 0, 0, 80);
	UNIT_CHECK(apply(&b, &b.err) == 0, "%s", b.err.text);
	b.leaving = true;
	look(&b);
	after_write_pages = -20;
	CU_ASSERT_EQUAL(pool_shrink(&b.ctx, &b.step.hugepages, &b.room.shares[0], 30, &b.err), 30);
	share_is(&b.room.shares[0], 80, 50);
	fake_pool_is(&b.fk, 0, PAGE_2M, 130, 130, 0);
}

static void admin_adds_1(struct bench *b)
{
	set_pool_by_hand(b, 0, fake_pool(&b->fk, 0, PAGE_2M).nr + 1);
}

/* A writer that never stops: given up with a word, and nothing of its own is taken */
static void test_writer_that_never_stops(void)
{
	struct fake_pool pool;
	BENCH(b);

	want(&b, 0, 0, 80);
	b.on_save = admin_adds_1;
	CU_ASSERT_EQUAL(apply(&b, &b.err), -EBUSY);
	UNIT_CHECK(strstr(b.err.text, "keeps changing the pool"), "%s", b.err.text);
	share_is(&b.room.shares[0], 0, 0);
	b.on_save = NULL;
	pool = fake_pool(&b.fk, 0, PAGE_2M);
	UNIT_CHECK(undo(&b, UNDO_ROLLBACK, &b.err) == 0, "%s", b.err.text);
	fake_pool_is(&b.fk, 0, PAGE_2M, pool.nr, pool.free, 0);
}

/* The administrator makes the pool smaller while the guest runs */
static void test_loss_is_ours(void)
{
	static const struct {
		uint64_t set_to, left;
	} rows[] = {
		{ 180, 100 }, /* nothing happened */
		{ 170, 100 }, /* ten of ours: we give back 70 */
		{ 100, 100 }, /* exactly ours: nothing to give back */
		{ 40, 40 },   /* some of their own as well */
		{ 250, 170 }, /* more: all of ours go back */
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		BENCH(b);
		fake_set_pool(&b.fk, 0, PAGE_2M, (struct fake_pool){ 100, 100, 0 });
		want(&b, 0, 0, 80);
		UNIT_CHECK(apply(&b, &b.err) == 0, "%s", b.err.text);
		set_pool_by_hand(&b, 0, rows[i].set_to);
		UNIT_CHECK(undo(&b, UNDO_RELEASE, &b.err) == 0, "%zu: %s", i, b.err.text);
		fake_pool_is(&b.fk, 0, PAGE_2M, rows[i].left, rows[i].left, 0);
	}
}

/* ---- failures ---- */

static void test_write_refused(void)
{
	BENCH(b);

	b.fk.write_error = EINVAL;
	want(&b, 0, 0, 80);
	CU_ASSERT_EQUAL(apply(&b, &b.err), -EINVAL);
	UNIT_CHECK(strstr(b.err.text,
			  "guest 'g': cannot write '80' to /sys/devices/system/node/node0/"
			  "hugepages/hugepages-2048kB/nr_hugepages: Invalid argument"),
		   "%s", b.err.text);
	share_is(&b.room.shares[0], 0, 0);
	CU_ASSERT_EQUAL(undo(&b, UNDO_ROLLBACK, &b.err), 0);
}

/* On one node the kernel refuses, on the other pages are in use: the refusal is told, in
 * the return and in words, whichever comes first */
static void test_gravest_error(void)
{
	int used;

	for (used = 0; used < 2; used++) {
		BENCH(b);
		want(&b, 0, 0, 80);
		want(&b, 1, 0, 80);
		UNIT_CHECK(apply(&b, &b.err) == 0, "%s", b.err.text);
		fake_use(&b.fk, used, PAGE_2M, 80);
		b.fk.write_error = EIO;
		CU_ASSERT_EQUAL(undo(&b, UNDO_RELEASE, &b.err), -EIO);
		UNIT_CHECK(strstr(b.err.text, "Input/output error"), "%s", b.err.text);
		UNIT_CHECK(!strstr(b.err.text, "later"), "%s", b.err.text);
	}
}

/* The ledger can't be written: before the kernel is told nothing has happened,
 * after it everything is given back */
static void test_ledger_unwritable(void)
{
	unsigned int n, writes = 0;
	struct bench b;

	for (n = 1; n <= 8; n++) {
		open_bench(&b);
		fake_set_pool(&b.fk, 0, PAGE_2M, (struct fake_pool){ 20, 20, 0 });
		want(&b, 0, 20, 600);
		b.save_fails = n;
		if (apply(&b, &b.err) == 0) {
			close_bench(&b);
			break;
		}
		UNIT_CHECK(strstr(b.err.text, "the ledger cannot be written"), "%s", b.err.text);
		if (n == 2)
			writes = b.fk.writes;
		UNIT_CHECK(undo(&b, UNDO_ROLLBACK, &b.err) == 0, "%u: %s", n, b.err.text);
		fake_pool_is(&b.fk, 0, PAGE_2M, 20, 20, 0);
		close_bench(&b);
	}
	CU_ASSERT_EQUAL(writes, 0);
	/* once for the idle pages, twice for each of two chunks */
	CU_ASSERT_EQUAL(n, 6);

	/* Giving back goes on without a ledger */
	open_bench(&b);
	want(&b, 0, 0, 80);
	UNIT_CHECK(apply(&b, &b.err) == 0, "%s", b.err.text);
	b.save_fails = b.saves + 1;
	UNIT_CHECK(undo(&b, UNDO_RELEASE, &b.err) == 0, "%s", b.err.text);
	fake_pool_is(&b.fk, 0, PAGE_2M, 0, 0, 0);
	close_bench(&b);
}

/* The host lost the node, or the pool */
static void test_pool_gone(void)
{
	struct bench b;

	open_bench(&b);
	want(&b, 3, 0, 80);
	b.room.shares[0].own = 80;
	CU_ASSERT_EQUAL(undo(&b, UNDO_RELEASE, &b.err), 0);
	share_is(&b.room.shares[0], 0, 0);
	close_bench(&b);

	open_bench(&b);
	want(&b, 3, 0, 80);
	CU_ASSERT_EQUAL(apply(&b, &b.err), -ENODEV);
	UNIT_CHECK(strstr(b.err.text, "node 3 has no pool of 2 MiB pages"), "%s", b.err.text);
	close_bench(&b);
}

/* The lock is given to others in between, and the view read anew */
static void test_deadline(void)
{
	BENCH(b);

	want(&b, 0, 0, 80);
	b.step.hugepages.compact = b.step.hugepages.reclaim = true;
	b.ctx.deadline = clock_ms();
	CU_ASSERT_EQUAL(apply(&b, &b.err), -ENOSPC);
	UNIT_CHECK(strstr(b.err.text, "before the deadline"), "%s", b.err.text);
	UNIT_CHECK(strstr(b.err.text, "more time (deadline)"), "%s", b.err.text);
	CU_ASSERT_EQUAL(b.fk.writes, 0);
	/* Where there was time, more of it is no way out */
	fake_set_obtainable(&b.fk, 0, 0);
	b.ctx.deadline = clock_ms() + 60000;
	CU_ASSERT_EQUAL(apply(&b, &b.err), -ENOSPC);
	UNIT_CHECK(strstr(b.err.text, "trying further brought no more"), "%s", b.err.text);
	UNIT_CHECK(!strstr(b.err.text, "deadline"), "%s", b.err.text);
}

/* ---- killed ---- */

static bool load(struct bench *b, struct step *step)
{
	char text[8192];
	struct err err = { "" };
	json_t *json;
	int rc;

	fake_get(&b->fk, LEDGER, text, sizeof(text));
	if (!*text)
		return false;
	json = json_loads(text, 0, NULL);
	rc = step_from_json(json, step, &err);
	json_decref(json);
	return UNIT_CHECK(rc == 0, "%s", err.text);
}

/* The next operation: reads the ledger, confirms what was under way, gives back */
static void settle(struct bench *b, const char *what)
{
	struct err err = { "" };
	struct step step = { 0 };

	if (!load(b, &step))
		return;
	b->step = step;
	b->leaving = true;
	look(b);
	if (hugepages_step_ops.confirm(&b->fk.kfs, &b->host, &b->step) > 0)
		look(b);
	UNIT_CHECK(hugepages_step_ops.undo(&b->ctx, &b->step, UNDO_RELEASE, &err) == 0, "%s: %s",
		   what, err.text);
	step_free(&b->step);
}

/**
 * struct killed - A step that is killed at each of its events in turn
 * @surplus:	On node 0 at the beginning, in use
 * @release:	The kill comes while everything is given back
 */
struct killed {
	const char *name;
	struct fake_pool pools[2];
	uint64_t idle, grow[2];
	bool adds_surplus;
	bool release;
};

static const struct killed killed_rows[] = {
	{ "growing", { { 0, 0, 0 }, { 0, 0, 0 } }, 0, { 700, 100 }, false, false },
	{ "growing beside others", { { 90, 40, 0 }, { 20, 0, 0 } }, 30, { 700, 0 }, false, false },
	{ "growing where surplus is promoted",
	  { { 50, 0, 30 }, { 0, 0, 0 } },
	  0,
	  { 700, 0 },
	  false,
	  false },
	{ "giving back", { { 90, 40, 0 }, { 20, 20, 0 } }, 30, { 700, 100 }, false, true },
	{ "growing on an old kernel",
	  { { 90, 90, 0 }, { 40, 0, 40 } },
	  0,
	  { 100, 0 },
	  true,
	  false },
	{ "giving back on an old kernel",
	  { { 90, 90, 0 }, { 40, 0, 40 } },
	  0,
	  { 100, 0 },
	  true,
	  true },
};

static void open_killed(struct bench *b, const struct killed *row)
{
	open_bench(b);
	fake_set_pool(&b->fk, 0, PAGE_2M, row->pools[0]);
	fake_set_pool(&b->fk, 1, PAGE_2M, row->pools[1]);
	if (row->adds_surplus) {
		b->fk.adds_surplus = true;
		fake_put(&b->fk, "proc/sys/kernel/osrelease", "6.1.0\n");
	}
	want(b, 0, row->idle, row->grow[0]);
	if (row->grow[1])
		want(b, 1, 0, row->grow[1]);
}

#define KILLED(name, ...)                                                                          \
	UNIT_FIXTURE(struct bench, name, close_bench, open_killed(&(name), __VA_ARGS__))

/* @die_at: 0: never.  Return: how many events there were; 0: it was killed */
static unsigned int run_and_die(struct bench *b, const struct killed *row, unsigned int die_at)
{
	unsigned int events = 0;
	struct err err;
	int ended[2];
	pid_t pid;

	if (row->release) {
		apply(b, &err);
		b->events = 0;
	}
	fflush(stdout);
	CU_ASSERT_FATAL(pipe2(ended, O_CLOEXEC) == 0);
	pid = fork();
	if (!pid) {
		b->die_at = die_at;
		if (row->release)
			undo(b, UNDO_RELEASE, &err);
		else
			apply(b, &err);
		_exit(write(ended[1], &b->events, sizeof(b->events)) == sizeof(b->events));
	}
	close(ended[1]);
	UNIT_CHECK(read(ended[0], &events, sizeof(events)) >= 0, "%s", row->name);
	close(ended[0]);
	waitpid(pid, NULL, 0);
	return events;
}

/* Return: as run_and_die() */
static unsigned int kill_at(const struct killed *row, unsigned int at)
{
	unsigned int events;
	char what[128];
	int node;
	KILLED(b, row);

	snprintf(what, sizeof(what), "%s, killed at event %u", row->name, at);
	events = run_and_die(&b, row, at);
	UNIT_CHECK(!events == !!at, "%s", what);
	settle(&b, what);
	for (node = 0; node < 2; node++)
		UNIT_CHECK(fake_pool_is(&b.fk, node, PAGE_2M, row->pools[node].nr,
					row->pools[node].free, row->pools[node].surplus),
			   "%s", what);
	return events;
}

static void test_killed(void)
{
	unsigned int n, events;
	size_t i;

	for (i = 0; i < ROWS(killed_rows); i++) {
		events = kill_at(&killed_rows[i], 0);
		UNIT_CHECK(events > 5, "%s: only %u events", killed_rows[i].name, events);
		for (n = 0; n < events; n++)
			if (unit_takes(n, events, 3, i))
				kill_at(&killed_rows[i], n + 1);
	}
}

/* Under way when the process died, from 100 pages */
#define GROW                                                                                       \
	{                                                                                          \
		.before = 100, .grow = 50                                                          \
	}
#define SHRINK                                                                                     \
	{                                                                                          \
		.before = 100, .shrink = 50                                                        \
	}

/* Whatever the counters say after a kill, not more than was asked is ours */
static void test_confirm(void)
{
	static const struct {
		struct step_chunk chunk;
		uint64_t now, own, want_own, want_have;
	} rows[] = {
		{ GROW, 100, 0, 0, 0 },				      /* not written yet */
		{ GROW, 130, 0, 30, 30 },			      /* fewer came */
		{ GROW, 150, 0, 50, 50 },   { GROW, 170, 0, 50, 50 }, /* and another program added
									 20 */
		{ GROW, 90, 0, 0, 0 },	  /* and another program took 10 */
		{ GROW, 120, 7, 27, 20 }, /* a later chunk */
		{ SHRINK, 100, 50, 50, 0 }, { SHRINK, 70, 50, 20, 0 },	{ SHRINK, 50, 50, 0, 0 },
		{ SHRINK, 20, 50, 0, 0 }, /* and another program took 30 more */
		{ SHRINK, 20, 60, 10, 0 },  { SHRINK, 120, 50, 50, 0 },
	};
	size_t i;
	BENCH(b);

	want(&b, 0, 0, 50);
	for (i = 0; i < ROWS(rows); i++) {
		struct step_share *share = &b.room.shares[0];

		*share = (struct step_share){ .own = rows[i].own, .chunk = rows[i].chunk };
		/* with surplus pages, which don't count */
		fake_set_pool(&b.fk, 0, PAGE_2M, (struct fake_pool){ rows[i].now + 9, 0, 9 });
		look(&b);
		UNIT_CHECK(pool_confirm(&b.fk.kfs, &b.host, &b.step.hugepages, share), "%zu", i);
		UNIT_CHECK(share->own == rows[i].want_own && share->have == rows[i].want_have,
			   "%zu: own %" PRIu64 ", have %" PRIu64, i, share->own, share->have);
		UNIT_CHECK(!share->chunk.grow && !share->chunk.shrink, "%zu", i);
		UNIT_CHECK(!pool_confirm(&b.fk.kfs, &b.host, &b.step.hugepages, share), "%zu", i);
	}
}

/* ---- two guests ---- */

/* Both grow one pool; the one that ends first takes only its own */
static void test_two_guests(void)
{
	struct step_share *share;
	struct err err = { "" };
	struct bench a, b;

	open_bench(&a);
	fake_set_pool(&a.fk, 0, PAGE_2M, (struct fake_pool){ 30, 0, 0 });
	want(&a, 0, 0, 100);
	UNIT_CHECK(apply(&a, &err) == 0, "%s", err.text);

	/* The second on the same host: its view has what the first holds */
	b = a;
	memset(&b.host, 0, sizeof(b.host));
	b.fk.kfs.data = &b.fk;
	b.fk.data = &b;
	b.ctx.kfs = &b.fk.kfs;
	b.ctx.host = &b.host;
	b.step.hugepages.shares = b.room.shares;
	b.step.hugepages.n_shares = 0;
	b.step.hugepages.pages = 0;
	share = want(&b, 0, 0, 50);
	b.others.claimed[0] = 100;
	look(&b);
	hugepages_step_ops.account(&a.step, true, &b.host);
	UNIT_CHECK(hugepages_step_ops.apply(&b.ctx, &b.step, &err) == 0, "%s", err.text);
	share_is(share, 50, 50);
	CU_ASSERT_EQUAL(share->foreign, 30);
	fake_pool_is(&a.fk, 0, PAGE_2M, 180, 150, 0);

	a.others.claimed[0] = 50;
	a.leaving = true;
	look(&a);
	hugepages_step_ops.account(&b.step, true, &a.host);
	UNIT_CHECK(hugepages_step_ops.undo(&a.ctx, &a.step, UNDO_RELEASE, &err) == 0, "%s",
		   err.text);
	fake_pool_is(&a.fk, 0, PAGE_2M, 80, 50, 0);
	b.others.claimed[0] = 0;
	UNIT_CHECK(undo(&b, UNDO_RELEASE, &err) == 0, "%s", err.text);
	fake_pool_is(&a.fk, 0, PAGE_2M, 30, 0, 0);
	view_free(&b.host);
	close_bench(&a);
}

/* ---- for people ---- */

static void test_describe(void)
{
	char text[256], small[24];
	BENCH(b);

	want(&b, 0, 12, 500);
	want(&b, 1, 0, 0);
	hugepages_step_ops.describe(&b.step, text, sizeof(text));
	UNIT_CHECK_STR(text, "512 pages of 2 MiB (1 GiB); node 0: use 12 idle, add 500", "text");
	b.step.hugepages.keep = true;
	hugepages_step_ops.describe(&b.step, text, sizeof(text));
	UNIT_CHECK(strstr(text, "; kept after release"), "%s", text);
	hugepages_step_ops.describe(&b.step, small, sizeof(small));
	CU_ASSERT_EQUAL(strlen(small), sizeof(small) - 1);
}

/* As in a container without privileges */
static void test_read_only(void)
{
	char text[256];
	BENCH(b);

	want(&b, 0, 12, 0);
	want(&b, 1, 0, 4);
	CU_ASSERT_FALSE(hugepages_step_ops.doubt(&b.step, &b.host, text, sizeof(text)));
	b.host.pools_read_only = true;
	CU_ASSERT_TRUE(hugepages_step_ops.doubt(&b.step, &b.host, text, sizeof(text)));
	UNIT_CHECK(strstr(text, "/sys is mounted read-only"), "%s", text);
	b.step.hugepages.shares[1].want_grow = 0;
	CU_ASSERT_FALSE(hugepages_step_ops.doubt(&b.step, &b.host, text, sizeof(text)));
}

static CU_TestInfo tests[] = {
	{ "memory without processors comes last", test_last_comes_last },
	{ "and after what is near", test_last_after_near },
	{ "pages that a mount holds", test_idle_of_the_mount },
	{ "grown and given back", test_grow_and_give_back },
	{ "idle pages need no write", test_idle_needs_no_write },
	{ "idle pages and growth", test_idle_and_growth },
	{ "idle pages that were taken meanwhile", test_idle_taken_meanwhile },
	{ "the limit of idle pages", test_idle_limit },
	{ "bites of the page cache", test_bites },
	{ "more than the flags of all pages allow", test_bound },
	{ "no more is looked at than it takes", test_plenty },
	{ "a part of the pages of a large node", test_sample },
	{ "bites by the flags of all pages", test_seen_bites },
	{ "a start that must fail frees a few bites", test_refusal_is_cheap },
	{ "a round without cache is the last", test_ends_without_cache },
	{ "compaction while cache is freed", test_compacts_meanwhile },
	{ "what compaction makes whole", test_takes_blocks },
	{ "dirty pages are written where clean ones are not enough", test_writes_back },
	{ "more gigantic pages than can be", test_gigantic_bound },
	{ "gigantic pages where a look can't tell", test_gigantic_unseen },
	{ "gigantic pages that only look possible", test_gigantic_in_vain },
	{ "slab pages where gigantic ones could be", test_gigantic_slab },
	{ "gigantic pages that would be too few", test_gigantic_too_few },
	{ "what has to be moved out of a gigantic page", test_gigantic_moved },
	{ "fewer pages than asked", test_fewer_than_asked },
	{ "too few pages", test_too_few },
	{ "surplus pages are promoted", test_surplus_promoted },
	{ "surplus pages are promoted beside idle ones", test_surplus_promoted_beside_idle },
	{ "surplus pages are promoted, and some kept by a back end", test_surplus_promoted_late },
	{ "some are missing, and some in use late", test_missing_beside_late },
	{ "some are missing since just now", test_missing_just_now },
	{ "some are missing, and others are added", test_added_beside_missing },
	{ "much surplus", test_much_surplus },
	{ "an old kernel gives more than asked", test_old_kernel },
	{ "kernels before and after 6.7", test_old_kernel_boundary },
	{ "an old kernel with the fix", test_old_kernel_fixed },
	{ "an old kernel with much surplus elsewhere", test_old_kernel_large_surplus },
	{ "surplus in use keeps pages idle", test_surplus_keeps_idle },
	{ "pages are kept", test_keep },
	{ "pages in use", test_in_use },
	{ "idle pages of others", test_others_idle },
	{ "another writer while growing", test_writer_while_growing },
	{ "another writer while giving back", test_writer_while_giving_back },
	{ "added before the reading", test_added_before_the_reading },
	{ "taken before the reading", test_taken_before_the_reading },
	{ "another writer that never stops", test_writer_that_never_stops },
	{ "a loss is charged to us", test_loss_is_ours },
	{ "the kernel refuses the write", test_write_refused },
	{ "the gravest of two errors", test_gravest_error },
	{ "the ledger can't be written", test_ledger_unwritable },
	{ "a pool that is gone", test_pool_gone },
	{ "a deadline that has passed", test_deadline },
	{ "killed at each point", test_killed },
	{ "what came of a chunk", test_confirm },
	{ "two guests on one pool", test_two_guests },
	{ "words for people", test_describe },
	{ "a read-only /sys", test_read_only },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_hugepages_step", tests);
}
