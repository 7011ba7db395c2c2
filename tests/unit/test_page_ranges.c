// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * On flags that were made up, for huge pages of 16 base pages.
 */
#include "memory/page_ranges.h"

#include <linux/kernel-page-flags.h>

#include "unit/fake_kernel.h"
#include "unit/unit.h"

#define BIT(flag) (UINT64_C(1) << (flag))
#define PAGES	  16

/* Not in the header for programs */
#define PGTABLE	 BIT(26)
#define RESERVED BIT(32)

#define CLEAN	 (BIT(KPF_LRU) | BIT(KPF_UPTODATE) | BIT(KPF_REFERENCED))

static void test_kinds(void)
{
	static const struct {
		uint64_t flags;
		char kind; /* absent, fixed, slab, huge, moved, free, clean */
	} rows[] = {
		{ BIT(KPF_NOPAGE), 'a' },
		{ 0, 'f' },
		{ BIT(KPF_BUDDY), 'f' },
		{ CLEAN, 'c' },
		{ CLEAN | BIT(KPF_MMAP) | BIT(KPF_ACTIVE), 'c' },
		{ CLEAN | BIT(KPF_DIRTY), 'm' },
		{ CLEAN | BIT(KPF_WRITEBACK), 'm' },
		{ CLEAN | BIT(KPF_UNEVICTABLE), 'm' },
		{ CLEAN | BIT(KPF_SWAPBACKED), 'm' },
		{ CLEAN | BIT(KPF_SWAPBACKED) | BIT(KPF_ANON), 'm' },
		{ BIT(KPF_COMPOUND_TAIL) | BIT(KPF_THP), 'm' },
		/* Not yet on a list */
		{ BIT(KPF_UPTODATE), 'm' },
		{ BIT(KPF_REFERENCED) | BIT(KPF_UPTODATE), 'm' },
		{ BIT(KPF_UPTODATE) | BIT(KPF_HWPOISON), 'x' },
		{ BIT(KPF_SLAB), 's' },
		{ PGTABLE | BIT(KPF_MMAP), 'x' },
		{ RESERVED, 'x' },
		{ BIT(KPF_COMPOUND_HEAD), 'x' },
		/* In a balloon */
		{ BIT(KPF_OFFLINE), 'm' },
		{ BIT(KPF_OFFLINE) | BIT(KPF_HWPOISON), 'x' },
		{ BIT(KPF_HUGE) | BIT(KPF_COMPOUND_TAIL), 'h' },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		struct page_ranges all = { .page_kib = 4, .pages = PAGES };
		const struct page_range *r;
		char kind = rows[i].kind;

		CU_ASSERT_EQUAL(page_ranges_add(&all, 1, 2, 40, &rows[i].flags, 1), 0);
		CU_ASSERT_EQUAL_FATAL(all.n, 1);
		r = all.ranges;
		UNIT_CHECK(r->node == 1 && r->zone == 2 && r->index == 2, "row %zu", i);
		UNIT_CHECK(r->seen == (kind != 'a') && r->fixed == (kind == 'x') &&
				   r->slab == (kind == 's') && r->huge == (kind == 'h') &&
				   r->moved == (kind == 'm') && r->free == (kind == 'f'),
			   "row %zu", i);
		page_ranges_free(&all);
	}
}

/* It may be memory that virtio-mem has unplugged */
static void test_offline_gigantic(void)
{
	static const uint64_t flags = BIT(KPF_OFFLINE);
	struct page_ranges all = { .page_kib = 4, .pages = 262144 };

	CU_ASSERT_EQUAL(page_ranges_add(&all, 0, 0, 0, &flags, 1), 0);
	CU_ASSERT_EQUAL_FATAL(all.n, 1);
	CU_ASSERT_EQUAL(all.ranges[0].fixed, 1);
	CU_ASSERT_EQUAL(all.ranges[0].moved, 0);
	page_ranges_free(&all);
}

#define SHMEM (BIT(KPF_UPTODATE) | BIT(KPF_LRU) | BIT(KPF_SWAPBACKED))

/* A page that has no file any more has neither a mapping nor is it dirty */
static void test_loose(void)
{
	static const struct {
		uint64_t flags;
		bool loose, shmem;
	} rows[] = {
		{ SHMEM, true, true },
		{ SHMEM | BIT(KPF_ACTIVE) | BIT(KPF_REFERENCED), true, true },
		{ SHMEM | BIT(KPF_DIRTY), false, true },
		{ SHMEM | BIT(KPF_MMAP), false, true },
		{ SHMEM | BIT(KPF_WRITEBACK), false, true },
		{ SHMEM | BIT(KPF_SWAPCACHE), false, false },
		{ SHMEM | BIT(KPF_ANON), false, false },
		{ CLEAN, false, false },
		/* Not yet on a list */
		{ BIT(KPF_UPTODATE) | BIT(KPF_SWAPBACKED), true, true },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		struct page_ranges all = { .page_kib = 4, .pages = 1 };
		const struct page_range *r;

		CU_ASSERT_EQUAL(page_ranges_add(&all, 0, 0, 0, &rows[i].flags, 1), 0);
		r = &all.ranges[0];
		UNIT_CHECK(r->loose == rows[i].loose && r->shmem == rows[i].shmem, "row %zu", i);
		UNIT_CHECK(page_range_is_good(&all, r) == !rows[i].loose, "row %zu", i);
		page_ranges_free(&all);
	}
}

/* Of a program's huge page that is as large as the range nothing is moved for another one */
static void test_thp(void)
{
	const uint64_t in_thp = SHMEM | BIT(KPF_DIRTY) | BIT(KPF_THP);
	uint64_t flags[PAGES];
	size_t i, tails;

	for (tails = PAGES - 2; tails < PAGES; tails++) {
		struct page_ranges all = { .page_kib = 4, .pages = PAGES };

		for (i = 0; i < PAGES; i++)
			flags[i] = in_thp |
				   BIT(i + tails < PAGES ? KPF_COMPOUND_HEAD : KPF_COMPOUND_TAIL);
		CU_ASSERT_EQUAL(page_ranges_add(&all, 0, 0, 0, flags, PAGES), 0);
		CU_ASSERT_EQUAL_FATAL(all.n, 1);
		UNIT_CHECK(page_range_is_good(&all, &all.ranges[0]) == (tails < PAGES - 1),
			   "%zu tails", tails);
		page_ranges_free(&all);
	}
	/* Of a file it can be dropped */
	for (i = 0; i < PAGES; i++)
		flags[i] = CLEAN | BIT(KPF_THP) | BIT(KPF_COMPOUND_TAIL);
	{
		struct page_ranges all = { .page_kib = 4, .pages = PAGES };

		CU_ASSERT_EQUAL(page_ranges_add(&all, 0, 0, 0, flags, PAGES), 0);
		CU_ASSERT_TRUE(page_range_is_good(&all, &all.ranges[0]));
		page_ranges_free(&all);
	}
}

/* What can be dropped, or done without, is not held */
static void test_held(void)
{
	static const struct {
		uint64_t flags;
		uint64_t held;
	} rows[] = {
		{ SHMEM | BIT(KPF_DIRTY), 1 },
		{ SHMEM | BIT(KPF_ANON), 1 },
		{ CLEAN | BIT(KPF_UNEVICTABLE), 1 },
		{ CLEAN | BIT(KPF_DIRTY), 0 },
		{ CLEAN | BIT(KPF_ANON), 0 },
		{ CLEAN, 0 },
		{ BIT(KPF_OFFLINE), 0 },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		struct page_ranges all = { .page_kib = 4, .pages = PAGES };

		CU_ASSERT_EQUAL(page_ranges_add(&all, 0, 0, 0, &rows[i].flags, 1), 0);
		UNIT_CHECK(all.ranges[0].held == rows[i].held, "row %zu", i);
		page_ranges_free(&all);
	}
}

/* The kernel may take a huge page away that the program said it can do without */
static void test_lazy(void)
{
	uint64_t flags[PAGES];
	bool lazy;
	size_t i;

	for (i = 0; i < 2; i++) {
		struct page_ranges all = { .page_kib = 4, .pages = PAGES };
		size_t k;

		lazy = i == 1;
		for (k = 0; k < PAGES; k++)
			flags[k] = BIT(KPF_LRU) | BIT(KPF_UPTODATE) | BIT(KPF_ANON) | BIT(KPF_THP) |
				   (lazy ? 0 : BIT(KPF_SWAPBACKED)) |
				   BIT(k ? KPF_COMPOUND_TAIL : KPF_COMPOUND_HEAD);
		CU_ASSERT_EQUAL(page_ranges_add(&all, 0, 0, 0, flags, PAGES), 0);
		UNIT_CHECK(page_range_is_thp(&all, &all.ranges[0]) == !lazy, "%zu", i);
		page_ranges_free(&all);
	}
}

/* Flags come in pieces.  A range that two zones share is whole in neither */
static void test_pieces(void)
{
	struct page_ranges all = { .page_kib = 4, .pages = PAGES };
	static const uint64_t flags[3 * PAGES] = { CLEAN, PGTABLE };

	CU_ASSERT_EQUAL(page_ranges_add(&all, 0, 0, 8, flags, 2), 0);
	CU_ASSERT_EQUAL(page_ranges_add(&all, 0, 0, 10, flags, 6), 0);
	CU_ASSERT_EQUAL(page_ranges_add(&all, 0, 0, 16, flags + 2, 24), 0);
	CU_ASSERT_EQUAL(page_ranges_add(&all, 0, 1, 40, flags + 2, 8), 0);
	CU_ASSERT_EQUAL_FATAL(all.n, 4);
	CU_ASSERT(all.ranges[0].seen == 8 && all.ranges[0].fixed == 2);
	CU_ASSERT(all.ranges[1].seen == 16 && all.ranges[1].index == 1 && !all.ranges[1].fixed);
	CU_ASSERT(all.ranges[2].seen == 8 && all.ranges[2].zone == 0);
	CU_ASSERT(all.ranges[3].seen == 8 && all.ranges[3].zone == 1 && all.ranges[3].index == 2);
	page_ranges_free(&all);
}

/* ---- which pages are read ---- */

/* Node 0 of this host has memory from 4 to 5.5 GiB, node 1 from there to 9 GiB, and no node any
 * between 3 and 4 */
#define HOST	  "two-nodes-6.12"
#define END	  (UINT64_C(9) * 262144)
#define IN_NORMAL (UINT64_C(5) * 262144)

/* All pages are without a mark, but for @n from @pfn on */
static void put_flags(const struct fake_kernel *fk, uint64_t pfn, const uint64_t *flags, size_t n)
{
	char path[256];
	FILE *file;

	fake_put(fk, "proc/kpageflags", "");
	snprintf(path, sizeof(path), "%s/proc/kpageflags", fk->root);
	file = fopen(path, "r+");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	CU_ASSERT_EQUAL(ftruncate(fileno(file), (off_t)(END * sizeof(*flags))), 0);
	fseeko(file, (off_t)(pfn * sizeof(*flags)), SEEK_SET);
	CU_ASSERT_EQUAL(fwrite(flags, sizeof(*flags), n, file), n);
	fclose(file);
}

static uint64_t seen(const struct page_ranges *ranges)
{
	uint64_t pages = 0;
	size_t i;

	for (i = 0; i < ranges->n; i++)
		pages += ranges->ranges[i].seen;
	return pages;
}

static void test_sample(void)
{
	struct page_ranges_look look = { .size_kib = PAGE_2M, .movable = true };
	struct page_ranges all, part;
	uint64_t none = 0;
	FAKE_KERNEL(fk, HOST);

	put_flags(&fk, 0, &none, 1);
	nodeset_add(&look.nodes, 1);
	CU_ASSERT_EQUAL(page_ranges_read(&fk.kfs, &look, &all, NULL), 0);
	CU_ASSERT_FALSE(all.sample);
	CU_ASSERT_EQUAL(seen(&all), 917504);
	look.one_of = 7;
	CU_ASSERT_EQUAL(page_ranges_read(&fk.kfs, &look, &part, NULL), 0);
	CU_ASSERT_TRUE(part.sample);
	/* Of 224 parts of 4096 pages: of the first seven only five are on this node */
	CU_ASSERT_EQUAL(seen(&part), 31 * 4096);
	CU_ASSERT_EQUAL_FATAL(part.n, 31 * 8);
	/* Each is one place further in its seven */
	CU_ASSERT_EQUAL(part.ranges[8].index - part.ranges[0].index, 8 * 8);
	page_ranges_free(&all);
	page_ranges_free(&part);
}

/* Behind a page that stays the rest of its GiB is not read, and the next one is */
static void test_whole(void)
{
	static const uint64_t table[] = { PGTABLE };
	struct page_ranges_look look = { .size_kib = PAGE_1G, .whole = true };
	struct page_ranges ranges;
	FAKE_KERNEL(fk, HOST);

	put_flags(&fk, 7 * 262144 + 5000, table, 1);
	nodeset_add(&look.nodes, 1);
	CU_ASSERT_EQUAL(page_ranges_read(&fk.kfs, &look, &ranges, NULL), 0);
	CU_ASSERT_EQUAL_FATAL(ranges.n, 4);
	CU_ASSERT(ranges.ranges[1].index == 6 && ranges.ranges[1].seen == 262144);
	CU_ASSERT(ranges.ranges[2].index == 7 && ranges.ranges[2].fixed == 1 &&
		  ranges.ranges[2].seen == 8192);
	CU_ASSERT(ranges.ranges[3].index == 8 && ranges.ranges[3].seen == 262144);
	page_ranges_free(&ranges);
}

/* Older kernels say of the first page of a huge one alone that the program can do without */
static void test_lazy_read(void)
{
	struct page_ranges_look look = { .size_kib = PAGE_2M };
	uint64_t flags[1024];
	struct page_ranges ranges;
	size_t i;
	FAKE_KERNEL(fk, HOST);

	for (i = 0; i < ROWS(flags); i++)
		flags[i] = BIT(KPF_ANON) | BIT(KPF_THP) | BIT(KPF_LRU) |
			   BIT(i % 512 ? KPF_COMPOUND_TAIL : KPF_COMPOUND_HEAD);
	flags[0] |= BIT(KPF_SWAPBACKED);
	put_flags(&fk, IN_NORMAL, flags, ROWS(flags));
	nodeset_add(&look.nodes, 0);
	CU_ASSERT_EQUAL(page_ranges_read(&fk.kfs, &look, &ranges, NULL), 0);
	for (i = 0; i < ranges.n; i++) {
		const struct page_range *r = &ranges.ranges[i];

		UNIT_CHECK(page_range_is_thp(&ranges, r) == (r->index == IN_NORMAL / 512) &&
				   r->lazy == (r->index == IN_NORMAL / 512 + 1),
			   "%zu", i);
	}
	page_ranges_free(&ranges);
}

static CU_TestInfo tests[] = {
	{ "what a page is", test_kinds },
	{ "offline pages of a gigantic one", test_offline_gigantic },
	{ "pages that have no file", test_loose },
	{ "huge pages of programs' memory", test_thp },
	{ "memory that is held", test_held },
	{ "memory that a program can do without", test_lazy },
	{ "pieces of ranges", test_pieces },
	{ "a part of memory", test_sample },
	{ "ranges that can't become whole", test_whole },
	{ "the first page of a huge one", test_lazy_read },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_page_ranges", tests);
}
