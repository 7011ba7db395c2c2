// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * On flags that were made up, for huge pages of 16 base pages.
 */
#include "memory/page_ranges.h"

#include <linux/kernel-page-flags.h>

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

static CU_TestInfo tests[] = {
	{ "what a page is", test_kinds },
	{ "offline pages of a gigantic one", test_offline_gigantic },
	{ "pages that have no file", test_loose },
	{ "huge pages of programs' memory", test_thp },
	{ "pieces of ranges", test_pieces },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_page_ranges", tests);
}
