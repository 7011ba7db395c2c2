// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The host view: what the kernel says, and whose pages they are by the ledgers.
 */
#include "lifecycle/view.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "lifecycle/ledger.h"
#include "lifecycle/next_start.h"
#include "memory/fragmentation.h"
#include "steps/steps.h"
#include "unit/fake_kernel.h"
#include "unit/unit.h"

/* A ledger of one step on both nodes */
struct book {
	struct ledger ledger;
	struct step step;
	struct step_share shares[2];
};

static struct ledger *open_book(struct book *b, const char *name, uint64_t page_kib,
				const struct step_share shares[2])
{
	memset(b, 0, sizeof(*b));
	memcpy(b->shares, shares, sizeof(b->shares));
	b->step.kind = STEP_HUGEPAGES;
	b->step.hugepages = (struct step_hugepages){
		.page_kib = page_kib,
		.n_shares = 2,
		.shares = b->shares,
		.pages = shares[0].have + shares[1].have,
	};
	b->ledger.list = (struct step_list){ 1, &b->step };
	b->ledger.alive = true;
	snprintf(b->ledger.name, sizeof(b->ledger.name), "%s", name);
	return &b->ledger;
}

struct scene {
	size_t n_seen;
	struct ledger **seen;
	struct fake_kernel fk;
	struct host_view host;
	struct err err;
};

static void open_scene(struct scene *s)
{
	int node;

	memset(s, 0, sizeof(*s));
	fake_open(&s->fk, "two-nodes-6.12");
	for (node = 0; node < 2; node++)
		fake_set_pool(&s->fk, node, PAGE_2M, (struct fake_pool){ 200, 200, 0 });
}

static void look(struct scene *s, struct ledger **list, size_t n)
{
	struct ledgers ledgers = { .n = n, .list = list };

	s->n_seen = n;
	s->seen = list;
	view_free(&s->host);
	UNIT_CHECK(view_read(&s->fk.kfs, &s->host, &s->err) == 0, "%s", s->err.text);
	UNIT_CHECK(view_account(&s->fk.kfs, &ledgers, &s->host, &s->err) == 0, "%s", s->err.text);
}

static void close_scene(struct scene *s)
{
	size_t i;

	for (i = 0; i < s->n_seen; i++) {
		qemu_memory_free(&s->seen[i]->qemu.mapped);
		qemu_memory_free(&s->seen[i]->qemu.reserved);
	}
	view_free(&s->host);
	fake_close(&s->fk);
}

#define SCENE(name) UNIT_FIXTURE(struct scene, name, close_scene, open_scene(&(name)))

static bool pool_is(const struct scene *s, unsigned int node, uint64_t own, uint64_t claimed,
		    uint64_t foreign)
{
	const struct pool_view *pool = host_view_pool(&s->host, PAGE_2M, node);

	return UNIT_CHECK(pool->own == own && pool->claimed == claimed && pool->foreign == foreign,
			  "node %u: own %" PRIu64 ", claimed %" PRIu64 ", foreign %" PRIu64, node,
			  pool->own, pool->claimed, pool->foreign);
}

/* A QEMU whose memory lies so */
static pid_t qemu(const struct scene *s, const char *name, uint64_t on_0, uint64_t on_1)
{
	pid_t pid = fake_qemu(&s->fk, name);
	char text[256];

	snprintf(text, sizeof(text),
		 "7f0 default file=/x huge N0=%" PRIu64 " N1=%" PRIu64 " kernelpagesize_kB=2048\n",
		 on_0, on_1);
	fake_put_process(&s->fk, pid, "numa_maps", text);
	return pid;
}

/* Too many mappings to look at */
static void put_many(const struct scene *s, pid_t pid)
{
	static const char line[] = "7f0 default file=/x huge N0=1 kernelpagesize_kB=2048\n";
	size_t n = (16U << 20) / (sizeof(line) - 1), i;
	char *text = malloc(n * (sizeof(line) - 1) + 1);

	for (i = 0; text && i < n; i++)
		memcpy(text + i * (sizeof(line) - 1), line, sizeof(line));
	if (text)
		fake_put_process(&s->fk, pid, "numa_maps", text);
	free(text);
}

static void test_read(void)
{
	static const char *const hosts[] = { "one-node", "two-nodes-6.1", "two-nodes-6.12" };
	size_t i, j;

	for (i = 0; i < ROWS(hosts); i++) {
		struct host_view host;
		struct err err = { "" };
		FAKE_KERNEL(fk, hosts[i]);

		if (UNIT_CHECK(view_read(&fk.kfs, &host, &err) == 0, "%s: %s", hosts[i],
			       err.text)) {
			CU_ASSERT_EQUAL(host.n_sizes, 2);
			CU_ASSERT_EQUAL(host.default_page_kib, PAGE_2M);
			for (j = 0; j < host.n_sizes; j++)
				UNIT_CHECK(host.sizes[j].n_pools == host.numa.n_nodes, "%s",
					   hosts[i]);
			view_free(&host);
		}
		CU_ASSERT_EQUAL(host.n_sizes, 0);
	}
}

/* Before its QEMU is there a ledger claims all it has */
static void test_prepared(void)
{
	static const struct step_share shares[2] = {
		{ .node = 0, .have = 100, .own = 60, .foreign = 140 }, { .node = 1, .have = 30 }
	};
	struct ledger *list[1];
	struct book book;
	SCENE(s);

	list[0] = open_book(&book, "g", PAGE_2M, shares);
	look(&s, list, 1);
	pool_is(&s, 0, 60, 100, 140);
	pool_is(&s, 1, 0, 30, 0);
	CU_ASSERT_EQUAL(step_list_pages(&list[0]->list, PAGE_2M, 0).promised, 100);
	CU_ASSERT_EQUAL(step_list_pages(&list[0]->list, PAGE_2M, 7).promised, 0);
	CU_ASSERT_EQUAL(step_list_pages(&list[0]->list, PAGE_1G, 0).promised, 0);
	/* the dead claim nothing, but what they own is theirs until it is given back */
	list[0]->alive = false;
	look(&s, list, 1);
	pool_is(&s, 0, 60, 0, 140);
}

/* What QEMU has taken is no claim any more, wherever it lies */
static void test_running(void)
{
	static const struct {
		uint64_t on_0, on_1, claimed_0, claimed_1;
	} rows[] = {
		{ 0, 0, 100, 30 },
		{ 40, 0, 60, 30 },
		{ 100, 30, 0, 0 },
		/* the kernel took from node 1 what was meant to come from node 0 */
		{ 0, 130, 0, 0 },
		{ 0, 60, 70, 0 },
		{ 50, 60, 20, 0 },
		{ 130, 0, 0, 0 },
		{ 200, 200, 0, 0 },
	};
	static const struct step_share shares[2] = { { .node = 0, .have = 100 },
						     { .node = 1, .have = 30 } };
	struct ledger *list[1];
	struct book book;
	size_t i;
	SCENE(s);

	list[0] = open_book(&book, "g", PAGE_2M, shares);
	for (i = 0; i < ROWS(rows); i++) {
		pid_t pid = qemu(&s, "g", rows[i].on_0, rows[i].on_1);

		look(&s, list, 1);
		UNIT_CHECK(pool_is(&s, 0, 0, rows[i].claimed_0, 0) &&
				   pool_is(&s, 1, 0, rows[i].claimed_1, 0),
			   "row %zu", i);
		fake_end(&s.fk, pid);
	}
}

/* Claims on two nodes of one guest that lacks fewer pages than either */
static void test_never_more_than_lacking(void)
{
	static const struct step_share shares[2] = { { .node = 0, .have = 100 },
						     { .node = 1, .have = 100 } };
	struct ledger *list[1];
	struct book book;
	pid_t pid;
	SCENE(s);

	list[0] = open_book(&book, "g", PAGE_2M, shares);
	pid = qemu(&s, "g", 0, 0);
	fake_put_process(&s.fk, pid, "numa_maps",
			 "7f0 default file=/x huge N0=10 N1=150 kernelpagesize_kB=2048\n");
	look(&s, list, 1);
	/* 40 are lacking; 90 of node 0's were not taken */
	pool_is(&s, 0, 0, 40, 0);
	pool_is(&s, 1, 0, 0, 0);
	fake_end(&s.fk, pid);
}

/* However a QEMU maps what it has: it is not more than is taken, and its maps are read once */
static void test_mapped_again(void)
{
	static const struct step_share shares[2] = { { .node = 0, .have = 100 }, { .node = 1 } };
	const struct pool_view *pool;
	struct ledger *list[1];
	struct book book;
	pid_t pid;
	SCENE(s);

	list[0] = open_book(&book, "g", PAGE_2M, shares);
	pid = qemu(&s, "g", 5000, 0);
	fake_set_pool(&s.fk, 0, PAGE_2M, (struct fake_pool){ 300, 150, 0 });
	look(&s, list, 1);
	pool = host_view_pool(&s.host, PAGE_2M, 0);
	UNIT_CHECK(pool->mapped == 150 && pool->lives_on == 50, "%" PRIu64 ", %" PRIu64,
		   pool->mapped, pool->lives_on);
	/* Another dead ledger, another look: no second reading */
	fake_put_process(&s.fk, pid, "numa_maps", "");
	look(&s, list, 1);
	pool_is(&s, 0, 0, 0, 0);
	/* One that is not read to its end claims all */
	list[0]->qemu.again = 0;
	put_many(&s, pid);
	look(&s, list, 1);
	pool_is(&s, 0, 0, 100, 0);
	fake_end(&s.fk, pid);
}

/* Of a guest that has all its pages the kernel's count says so, where that is certain: its
 * mappings, which say something else here, are not read */
static void test_told_by_count(void)
{
	static const struct {
		const char *what, *host;
		bool private;
		enum guest_bind bind;
		const char *status;
		bool told;
	} rows[] = {
		{ "all", "two-nodes-6.12", true, GUEST_BIND_STRICT, "204800 kB", true },
		{ "one less", "two-nodes-6.12", true, GUEST_BIND_STRICT, "202752 kB", false },
		{ "one more", "two-nodes-6.12", true, GUEST_BIND_STRICT, "206848 kB", false },
		{ "none", "two-nodes-6.12", true, GUEST_BIND_STRICT, "0 kB", false },
		{ "shared", "two-nodes-6.12", false, GUEST_BIND_STRICT, "204800 kB", false },
		{ "preferred", "two-nodes-6.12", true, GUEST_BIND_PREFERRED, "204800 kB", false },
		{ "anywhere", "two-nodes-6.12", true, GUEST_BIND_ANY, "204800 kB", false },
		{ "anywhere, on one node", "one-node", true, GUEST_BIND_ANY, "204800 kB", true },
		{ "damaged", "two-nodes-6.12", true, GUEST_BIND_STRICT, "x", false },
	};
	static const struct step_share shares[2] = { { .node = 0, .have = 100 }, { .node = 0 } };
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		struct ledger *list[1];
		const struct pool_view *pool;
		struct step_hugepages *hp;
		struct book book;
		char status[64];
		pid_t pid;
		SCENE(s);

		fake_close(&s.fk);
		fake_open(&s.fk, rows[i].host);
		fake_set_pool(&s.fk, 0, PAGE_2M, (struct fake_pool){ 200, 100, 0 });
		list[0] = open_book(&book, "g", PAGE_2M, shares);
		hp = &book.step.hugepages;
		hp->private = rows[i].private;
		hp->bind = rows[i].bind;
		nodeset_add(&hp->nodes, 0);
		pid = qemu(&s, "g", 20, 0);
		snprintf(status, sizeof(status), "Name:\tq\nHugetlbPages:\t  %s\n", rows[i].status);
		fake_put_process(&s.fk, pid, "status", status);
		look(&s, list, 1);
		pool = host_view_pool(&s.host, PAGE_2M, 0);
		UNIT_CHECK(pool->claimed == (rows[i].told ? 0 : 80) &&
				   pool->mapped == (rows[i].told ? 100 : 20),
			   "%s: claimed %" PRIu64 ", mapped %" PRIu64, rows[i].what, pool->claimed,
			   pool->mapped);
		fake_end(&s.fk, pid);
	}
}

/* Bound to a set of two nodes, or with one step of two that may lie anywhere */
static void test_not_told_by_count(void)
{
	static const struct step_share shares[2] = { { .node = 0, .have = 50 },
						     { .node = 1, .have = 50 } };
	struct step steps[2];
	struct ledger *list[1];
	struct book book;
	pid_t pid;
	SCENE(s);

	list[0] = open_book(&book, "g", PAGE_2M, shares);
	book.step.hugepages.private = true;
	book.step.hugepages.bind = GUEST_BIND_STRICT;
	nodeset_add(&book.step.hugepages.nodes, 0);
	nodeset_add(&book.step.hugepages.nodes, 1);
	pid = qemu(&s, "g", 20, 0);
	fake_put_process(&s.fk, pid, "status", "Name:\tq\nHugetlbPages:\t204800 kB\n");
	look(&s, list, 1);
	CU_ASSERT_EQUAL(host_view_pool(&s.host, PAGE_2M, 0)->claimed, 30);
	steps[0] = steps[1] = book.step;
	steps[0].hugepages.nodes = steps[1].hugepages.nodes = (struct nodeset){ 0 };
	nodeset_add(&steps[0].hugepages.nodes, 0);
	steps[0].hugepages.n_shares = steps[1].hugepages.n_shares = 1;
	nodeset_add(&steps[1].hugepages.nodes, 1);
	steps[1].hugepages.shares = &book.shares[1];
	list[0]->list = (struct step_list){ 2, steps };
	list[0]->qemu.again = 0;
	look(&s, list, 1);
	CU_ASSERT_EQUAL(host_view_pool(&s.host, PAGE_2M, 0)->claimed, 0);
	steps[1].hugepages.bind = GUEST_BIND_ANY;
	list[0]->qemu.again = 0;
	look(&s, list, 1);
	CU_ASSERT_EQUAL(host_view_pool(&s.host, PAGE_2M, 0)->claimed, 30);
	fake_end(&s.fk, pid);
}

static void test_covered(void)
{
	static const struct step_share shares[2] = { { .node = 0, .have = 100 }, { .node = 1 } };
	struct ledger *list[1];
	const struct size_view *size;
	struct book book;
	pid_t pid;
	SCENE(s);

	list[0] = open_book(&book, "g", PAGE_2M, shares);
	pid = qemu(&s, "g", 10, 0);
	fake_put_process(&s.fk, pid, "smaps",
			 "Size: 204800 kB\nKernelPageSize: 2048 kB\nShared_Hugetlb: 20480 kB\n"
			 "VmFlags: rd wr sh \n");
	fake_set_pool(&s.fk, 0, PAGE_2M, (struct fake_pool){ 200, 190, 0 });
	fake_set_reserved(&s.fk, PAGE_2M, 95);
	look(&s, list, 1);
	size = host_view_size(&s.host, PAGE_2M);
	pool_is(&s, 0, 0, 90, 0);
	CU_ASSERT_EQUAL(size->reserved, 95);
	CU_ASSERT_EQUAL(size->covered, 90);
	/* 190 free, 90 the guest's, 5 reserved by another program */
	CU_ASSERT_EQUAL(host_view_idle(size, host_view_pool(&s.host, PAGE_2M, 0)), 95);
	fake_end(&s.fk, pid);
}

/* Memfds go through no hugetlbfs, whose size= others may still use */
static void test_memfd(void)
{
	static const struct {
		uint64_t memfd, pages, mapped, want;
	} rows[] = {
		{ 0, 100, 0, 0 },			    /* none */
		{ 100, 100, 0, 100 },			    /* nothing else */
		{ 60, 100, 0, 60 },   { 100, 100, 30, 70 }, /* the rest of them */
		{ 60, 100, 30, 30 }, /* at least: what it has mapped may be of either */
		{ 60, 100, 70, 0 },   { 60, 100, 100, 0 },
		{ 60, 0, 0, 0 }, /* what is left of a step */
	};
	static const struct step_share shares[2] = { { .node = 0, .have = 70 },
						     { .node = 1, .have = 30 } };
	struct ledger *list[2];
	struct book a, b;
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		struct size_view *size;
		struct scene s;
		pid_t pid = 0;

		open_scene(&s);
		list[0] = open_book(&a, "g", PAGE_2M, shares);
		list[1] = open_book(&b, "other", PAGE_2M, shares);
		a.step.hugepages.memfd = rows[i].memfd;
		a.step.hugepages.pages = rows[i].pages;
		b.step.hugepages.memfd = 10;
		if (rows[i].mapped)
			pid = qemu(&s, "g", rows[i].mapped, 0);
		look(&s, list, 2);
		size = host_view_size(&s.host, PAGE_2M);
		UNIT_CHECK(size->memfd == rows[i].want + 10, "row %zu: %" PRIu64, i, size->memfd);
		/* Its own reservation is no other guest's */
		view_hold(&b.ledger, &s.host);
		UNIT_CHECK(size->memfd == rows[i].want, "row %zu: %" PRIu64, i, size->memfd);
		if (pid)
			fake_end(&s.fk, pid);
		close_scene(&s);
	}
}

static void test_two_guests(void)
{
	static const struct step_share one[2] = {
		{ .node = 0, .have = 50, .own = 50, .foreign = 150 }, { .node = 1 }
	};
	static const struct step_share two[2] = {
		{ .node = 0, .have = 20, .own = 10, .foreign = 140 },
		{ .node = 1, .have = 5, .own = 5, .foreign = 195 }
	};
	struct ledger *list[2];
	struct book a, b;
	SCENE(s);

	list[0] = open_book(&a, "a", PAGE_2M, one);
	list[1] = open_book(&b, "b", PAGE_2M, two);
	look(&s, list, 2);
	pool_is(&s, 0, 60, 70, 150);
	pool_is(&s, 1, 5, 5, 195);
}

/* Ledgers that speak of pools this host doesn't have */
static void test_unknown_pools(void)
{
	static const struct step_share shares[2] = { { .node = 0, .have = 9, .own = 9 },
						     { .node = 900, .have = 9, .own = 9 } };
	struct ledger *list[2];
	struct book a, b;
	SCENE(s);

	list[0] = open_book(&a, "a", 64, shares);
	list[1] = open_book(&b, "b", PAGE_2M, shares);
	look(&s, list, 2);
	pool_is(&s, 0, 9, 9, 0);
	list[0]->alive = list[1]->alive = false;
	look(&s, list, 2);
	next_start_give_back(&(struct ledgers){ .n = 2, .list = list }, &s.host, NULL);
	pool_is(&s, 0, 0, 0, 0);
}

/* As if the dead had been settled: their idle pages are free memory again */
static void test_settle(void)
{
	static const struct {
		bool keep, alive;
		uint64_t free, total, left_total, left_free;
	} rows[] = {
		{ false, false, 200, 200, 140, 140 },
		{ false, false, 30, 200, 170, 0 }, /* the rest is in use */
		{ true, false, 200, 200, 200, 200 },
		{ false, true, 200, 200, 200, 200 },
		{ false, false, 190, 190, 140, 140 }, /* ten are gone: charged to us */
	};
	static const struct step_share shares[2] = {
		{ .node = 0, .have = 60, .own = 60, .foreign = 140 }, { .node = 1 }
	};
	struct ledger *list[1];
	struct book book;
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		const struct pool_view *pool;
		uint64_t before;
		SCENE(s);

		fake_set_pool(&s.fk, 0, PAGE_2M,
			      (struct fake_pool){ rows[i].total, rows[i].free, 0 });
		list[0] = open_book(&book, "g", PAGE_2M, shares);
		list[0]->alive = rows[i].alive;
		book.step.hugepages.keep = rows[i].keep;
		look(&s, list, 1);
		before = s.host.numa.nodes[0].free_kib;
		next_start_give_back(&(struct ledgers){ .n = 1, .list = list }, &s.host, NULL);
		pool = host_view_pool(&s.host, PAGE_2M, 0);
		UNIT_CHECK(pool->pool.total == rows[i].left_total &&
				   pool->pool.free == rows[i].left_free,
			   "row %zu: %" PRIu64 "/%" PRIu64, i, pool->pool.total, pool->pool.free);
		UNIT_CHECK(s.host.numa.nodes[0].free_kib - before ==
				   (rows[i].total - rows[i].left_total) * PAGE_2M,
			   "row %zu", i);
	}
}

/* A guest that runs, as its own next start will find the host */
static void test_end(void)
{
	static const struct step_share shares[2] = {
		{ .node = 0, .have = 60, .own = 50, .foreign = 150 }, { .node = 1 }
	};
	struct fragmentation_zone zone = { .managed = 1000000 };
	struct fragmentation f = { .page_kib = 4, .orders = 11, .n_zones = 1, .zones = &zone };
	const struct pool_view *pool;
	struct ledger *list[1];
	struct book book;
	uint64_t before;
	pid_t pid;
	SCENE(s);

	fake_set_pool(&s.fk, 0, PAGE_2M, (struct fake_pool){ 200, 140, 0 });
	list[0] = open_book(&book, "g", PAGE_2M, shares);
	list[0]->alive = false;
	pid = qemu(&s, "g", 0, 0);
	look(&s, list, 1);
	before = s.host.numa.nodes[0].free_kib;
	pool = host_view_pool(&s.host, PAGE_2M, 0);
	/* who may not look changes nothing */
	CU_ASSERT_NOT_EQUAL(next_start_end_qemu(&s.fk.kfs, pid, &s.host, &f), 0);
	CU_ASSERT_EQUAL(pool->pool.free, 140);
	fake_put_process(&s.fk, pid, "smaps_rollup", "Pss: 400000 kB\n");
	fake_put_process(&s.fk, pid, "numa_maps",
			 "7f0 default file=/x huge N0=60 kernelpagesize_kB=2048\n"
			 "7f1 default anon=1000 dirty=1000 N0=1000 kernelpagesize_kB=4\n"
			 "7f2 default anon=10 dirty=10 N9=10 kernelpagesize_kB=4\n");
	CU_ASSERT_EQUAL(next_start_end_qemu(&s.fk.kfs, pid, &s.host, &f), 0);
	CU_ASSERT_EQUAL(pool->pool.free, 200);
	CU_ASSERT_EQUAL(s.host.numa.nodes[0].free_kib - before, 4000);
	CU_ASSERT(zone.free[0] == 1000 && zone.spare == 1000);
	next_start_give_back(&(struct ledgers){ .n = 1, .list = list }, &s.host, &f);
	CU_ASSERT(pool->pool.free == 150 && pool->pool.total == 150);
	CU_ASSERT_EQUAL(s.host.numa.nodes[0].free_kib - before, 4000 + 50 * PAGE_2M);
	CU_ASSERT(zone.free[9] == 50 && zone.spare == 1000 + 50 * 512);
	fake_end(&s.fk, pid);
}

static CU_TestInfo tests[] = {
	{ "a QEMU with many mappings", test_mapped_again },
	{ "captured hosts", test_read },
	{ "a guest that is prepared", test_prepared },
	{ "a guest that runs", test_running },
	{ "claims never exceed what is lacking", test_never_more_than_lacking },
	{ "a guest that has all", test_told_by_count },
	{ "a guest that seems to have all", test_not_told_by_count },
	{ "claims that are reserved", test_covered },
	{ "claims of memfds", test_memfd },
	{ "two guests", test_two_guests },
	{ "pools that don't exist", test_unknown_pools },
	{ "the dead are settled in the view", test_settle },
	{ "a guest that runs ends in the view", test_end },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_view", tests);
}
