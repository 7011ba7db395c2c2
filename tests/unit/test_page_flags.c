// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * On flags that were made up, for huge pages of 8 and of 32 base pages.
 */
#include "memory/page_flags.h"

#include <errno.h>
#include <linux/kernel-page-flags.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "kernel/kfs.h"
#include "memory/fragmentation.h"
#include "memory/numa.h"
#include "unit/unit.h"

#define BIT(flag) (UINT64_C(1) << (flag))

#define SMALL_KIB 32
#define LARGE_KIB 128
#define SMALL	  (SMALL_KIB / 4)
#define LARGE	  (LARGE_KIB / 4)
#define PAGES	  (5 * LARGE)

/* What is read at once */
#define UNIT 512

/* Not in the header for programs */
#define PGTABLE	 BIT(26)
#define RESERVED BIT(32)

static const uint64_t sizes[] = { SMALL_KIB, LARGE_KIB };

static uint64_t flags[2 * UNIT];
static struct fragmentation_zone zone;
static struct fragmentation f;

/* A zone from the second small range to the end of the fifth large one, free */
static void a_zone(void)
{
	size_t i;

	for (i = 0; i < PAGES; i++)
		flags[i] = BIT(KPF_BUDDY);
	zone = (struct fragmentation_zone){
		.name = "Normal", .start = SMALL, .spanned = PAGES - SMALL, .managed = PAGES - SMALL
	};
	f = (struct fragmentation){ .page_kib = 4, .orders = 3, .n_zones = 1, .zones = &zone };
}

static const char *write_flags(size_t n)
{
	static char dir[256];
	char path[300];
	FILE *file;

	snprintf(dir, sizeof(dir), "%s", unit_tmpdir());
	unit_write(dir, "proc/kpageflags", "");
	snprintf(path, sizeof(path), "%s/proc/kpageflags", dir);
	file = fopen(path, "w");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	CU_ASSERT_EQUAL_FATAL(fwrite(flags, sizeof(*flags), n, file), n);
	fclose(file);
	return dir;
}

static int read_root(const char *root, const struct page_flags_watch *watch)
{
	struct kfs kfs;
	int rc;

	CU_ASSERT_EQUAL_FATAL(kfs_open(&kfs, root, NULL), 0);
	rc = page_flags_read(&kfs, &f, sizes, ROWS(sizes), watch, NULL);
	kfs_close(&kfs);
	return rc;
}

static int read_flags(void)
{
	static const struct page_flags_watch no_watch;

	return read_root(write_flags(PAGES), &no_watch);
}

static void test_kinds(void)
{
	static const struct {
		uint64_t flags;
		char kind; /* movable, unsure, huge, fixed */
	} rows[] = {
		{ BIT(KPF_BUDDY), 'm' },
		{ BIT(KPF_LRU), 'm' },
		{ BIT(KPF_LRU) | BIT(KPF_UNEVICTABLE) | BIT(KPF_MMAP), 'm' },
		{ BIT(KPF_LRU) | BIT(KPF_ANON) | BIT(KPF_KSM), 'm' },
		/* On its way to a list; in a transparent huge page of an older kernel */
		{ BIT(KPF_ANON) | BIT(KPF_MMAP) | BIT(KPF_SWAPBACKED), 'm' },
		{ BIT(KPF_COMPOUND_TAIL) | BIT(KPF_THP), 'm' },
		{ 0, 'u' },
		{ BIT(KPF_HUGE) | BIT(KPF_COMPOUND_HEAD) | BIT(KPF_UPTODATE), 'h' },
		{ BIT(KPF_HUGE) | BIT(KPF_COMPOUND_TAIL) | BIT(KPF_MMAP), 'h' },
		{ BIT(KPF_SLAB), 'f' },
		{ PGTABLE | BIT(KPF_MMAP), 'f' },
		{ BIT(KPF_COMPOUND_HEAD), 'f' },
		{ BIT(KPF_MMAP), 'f' },
		{ BIT(KPF_LRU) | BIT(KPF_HWPOISON), 'f' },
		{ BIT(KPF_OFFLINE), 'f' },
		{ BIT(KPF_ZERO_PAGE) | BIT(KPF_THP), 'f' },
		{ RESERVED, 'f' },
		{ BIT(63), 'f' },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		const struct fragmentation_ranges *large = &zone.ranges[1];

		a_zone();
		flags[LARGE + 3] = rows[i].flags;
		UNIT_CHECK(read_flags() == 0 && f.exact, "row %zu", i);
		UNIT_CHECK(large->whole == 4 &&
				   large->movable == (strchr("mu", rows[i].kind) ? 4 : 3) &&
				   large->unsure == (rows[i].kind == 'u') &&
				   large->huge == (rows[i].kind == 'h') &&
				   large->least == (rows[i].kind == 'f'),
			   "row %zu: movable %d unsure %d huge %d least %d", i, (int)large->movable,
			   (int)large->unsure, (int)large->huge, (int)large->least);
	}
}

static void test_counts(void)
{
	const struct fragmentation_ranges *small = &zone.ranges[0], *large = &zone.ranges[1];

	a_zone();
	flags[2 * LARGE] = BIT(KPF_LRU);
	/* Two pages of three are the page allocator's, and in two small ranges */
	flags[3 * LARGE] = BIT(KPF_SLAB);
	flags[3 * LARGE + 1] = RESERVED;
	flags[4 * LARGE - 1] = BIT(KPF_SLAB);
	flags[4 * LARGE] = BIT(KPF_HUGE);
	flags[5 * LARGE - 1] = PGTABLE;
	flags[4 * LARGE + SMALL] = flags[4 * LARGE + SMALL + 1] = 0;
	CU_ASSERT_EQUAL_FATAL(read_flags(), 0);
	CU_ASSERT_EQUAL(large->whole, 4);
	CU_ASSERT_EQUAL(large->movable, 2);
	CU_ASSERT_EQUAL(large->unsure, 0);
	CU_ASSERT_EQUAL(large->huge, 0);
	CU_ASSERT_EQUAL(large->least, 1);
	/* The first range is no whole one */
	CU_ASSERT_EQUAL(large->fixed_pages, (LARGE - SMALL) + (LARGE - 1) + LARGE);
	CU_ASSERT_EQUAL(small->whole, 19);
	CU_ASSERT_EQUAL(small->movable, 15);
	CU_ASSERT_EQUAL(small->unsure, 1);
	CU_ASSERT_EQUAL(small->huge, 1);
	CU_ASSERT_EQUAL(small->least, 1);
	CU_ASSERT_EQUAL(small->fixed_pages, (SMALL - 1) + SMALL + SMALL);
	CU_ASSERT_EQUAL(zone.unmarked, 2);
}

static void test_holes(void)
{
	const struct fragmentation_ranges *large = &zone.ranges[1];
	static const struct page_flags_watch no_watch;
	const char *dir;
	size_t i;

	a_zone();
	for (i = LARGE; i < 2 * LARGE; i++)
		flags[i] = BIT(KPF_NOPAGE);
	flags[2 * LARGE + 1] = BIT(KPF_NOPAGE);
	CU_ASSERT_EQUAL(read_flags(), 0);
	CU_ASSERT(large->whole == 2 && large->movable == 2 && large->least == 0);
	CU_ASSERT_EQUAL(large->fixed_pages, LARGE - SMALL + LARGE - 1);
	/* Some kernels have no flag for what is not there, but say where memory is */
	a_zone();
	for (i = LARGE; i < 2 * LARGE; i++)
		flags[i] = 0;
	dir = write_flags(PAGES);
	unit_write(dir, "sys/devices/system/memory/block_size_bytes", "20000\n");
	unit_write(dir, "sys/devices/system/memory/memory2/online", "0\n");
	unit_write(dir, "sys/devices/system/memory/memory3/online", "1\n");
	unit_write(dir, "sys/devices/system/node/node0/memory0/x", "");
	unit_write(dir, "sys/devices/system/node/node0/memory2/x", "");
	unit_write(dir, "sys/devices/system/node/node0/memory3/x", "");
	unit_write(dir, "sys/devices/system/node/node0/memory4/x", "");
	unit_write(dir, "sys/devices/system/node/node1/memory1/x", "");
	CU_ASSERT_EQUAL(read_root(dir, &no_watch), 0);
	CU_ASSERT(large->whole == 2 && large->movable == 2 && !zone.unmarked);
	/* A file that ends before the zone does */
	a_zone();
	CU_ASSERT_EQUAL(read_root(write_flags(2 * LARGE + 1), &no_watch), 0);
	CU_ASSERT(large->whole == 1 && large->movable == 1);
}

static void count_call(void *data, uint64_t done_kib, uint64_t all_kib)
{
	int *calls = data;

	CU_ASSERT(done_kib <= all_kib);
	CU_ASSERT_EQUAL(all_kib, (PAGES - SMALL) * 4);
	(*calls)++;
}

static void test_watch(void)
{
	int calls = 0;
	struct page_flags_watch watch = { .progress = count_call, .data = &calls };

	a_zone();
	CU_ASSERT_EQUAL(read_root(write_flags(PAGES), &watch), 0);
	CU_ASSERT(calls > 0 && f.exact && zone.ranges[0].whole);
	watch.deadline = 1;
	CU_ASSERT_EQUAL(read_root(write_flags(PAGES), &watch), -ETIMEDOUT);
	CU_ASSERT(!f.exact && !zone.ranges[0].whole);
	CU_ASSERT_PTR_NULL(fragmentation_ranges(&f, &zone, SMALL_KIB));
	watch.deadline = clock_ms() + 600000;
	CU_ASSERT_EQUAL(read_root(write_flags(PAGES), &watch), 0);
	CU_ASSERT_EQUAL(read_root(unit_tmpdir(), &watch), -ENOENT);
	CU_ASSERT(!f.exact);
}

/* Of zone Normal; of zone Movable no gigantic pages are taken */
static void test_share(void)
{
	struct numa_node node = { .id = 0, .total_kib = (PAGES - SMALL) * 4 };
	struct fragmentation_share share;
	size_t i;

	a_zone();
	zone.spare = zone.managed;
	for (i = 2 * LARGE; i < 3 * LARGE; i++)
		flags[i] = i % 2 ? BIT(KPF_LRU) : BIT(KPF_BUDDY);
	flags[3 * LARGE] = BIT(KPF_SLAB);
	for (i = 4 * LARGE; i < 4 * LARGE + SMALL; i++)
		flags[i] = BIT(KPF_HUGE);
	CU_ASSERT_EQUAL_FATAL(read_flags(), 0);
	fragmentation_share(&f, &node, LARGE_KIB, SMALL_KIB, &share);
	CU_ASSERT_EQUAL(share.huge_kib, SMALL_KIB);
	CU_ASSERT_EQUAL(share.now_kib, 2 * LARGE_KIB);
	CU_ASSERT_EQUAL(share.compact_kib, 0);
	/* Free when its huge page is given back */
	CU_ASSERT_EQUAL(share.used_kib, LARGE_KIB - SMALL_KIB);
	CU_ASSERT_EQUAL(share.never_kib, 2 * LARGE_KIB - SMALL_KIB);
	zone.spare = LARGE;
	node.file_kib = node.total_kib;
	fragmentation_share(&f, &node, LARGE_KIB, SMALL_KIB, &share);
	CU_ASSERT_EQUAL(share.now_kib, LARGE_KIB);
	CU_ASSERT_EQUAL(share.cache_kib, LARGE_KIB);
	snprintf(zone.name, sizeof(zone.name), "Movable");
	fragmentation_share(&f, &node, LARGE_KIB, SMALL_KIB, &share);
	CU_ASSERT_EQUAL(share.now_kib, 0);
	CU_ASSERT_EQUAL(share.never_kib, node.total_kib - SMALL_KIB);
}

/* Below what the page allocator has, compaction gets no further than ranges it can clear */
static void test_share_of_small_pages(void)
{
	const struct numa_node node = { .id = 0, .total_kib = (PAGES - SMALL) * 4 };
	struct fragmentation_share share;

	a_zone();
	f.orders = 4;
	zone.spare = zone.managed;
	zone.free[0] = 7 * SMALL;
	zone.free[3] = 10;
	CU_ASSERT_EQUAL_FATAL(read_flags(), 0);
	fragmentation_share(&f, &node, SMALL_KIB, 0, &share);
	CU_ASSERT_EQUAL(share.now_kib, 10 * SMALL_KIB);
	CU_ASSERT_EQUAL(share.compact_kib, 7 * SMALL_KIB);
	CU_ASSERT_EQUAL(share.never_kib, 0);
	zone.ranges[0].movable = 13;
	zone.ranges[0].fixed_pages = 6 * SMALL;
	fragmentation_share(&f, &node, SMALL_KIB, 0, &share);
	CU_ASSERT_EQUAL(share.compact_kib, 3 * SMALL_KIB);
	CU_ASSERT_EQUAL(share.never_kib, 6 * SMALL_KIB);
}

static void test_unsure(void)
{
	a_zone();
	zone.per_cpu = 100000;
	zone.unmarked = 100000;
	CU_ASSERT_FALSE(fragmentation_unsure(&zone));
	zone.unmarked = 120000;
	CU_ASSERT_FALSE(fragmentation_unsure(&zone));
	zone.unmarked = 200000;
	CU_ASSERT_TRUE(fragmentation_unsure(&zone));
	zone.per_cpu = zone.unmarked = 0;
	CU_ASSERT_FALSE(fragmentation_unsure(&zone));
}

/* One page of a compound page tells of all of it, if it lies in the middle and is no head.  So the
 * slab page of the second unit is seen, and that of the first not even looked at */
static void test_units(void)
{
	static const struct page_flags_watch no_watch;
	const struct fragmentation_ranges *large = &zone.ranges[1];
	size_t i;

	a_zone();
	zone.start = 0;
	zone.spanned = zone.managed = 2 * UNIT;
	for (i = 0; i < 2 * UNIT; i++)
		flags[i] = BIT(KPF_BUDDY);
	flags[3] = flags[UNIT + 3] = BIT(KPF_SLAB);
	flags[UNIT / 2] = BIT(KPF_HUGE) | BIT(KPF_COMPOUND_TAIL);
	flags[UNIT + UNIT / 2] = BIT(KPF_HUGE) | BIT(KPF_COMPOUND_HEAD);
	CU_ASSERT_EQUAL(read_root(write_flags(2 * UNIT), &no_watch), 0);
	UNIT_CHECK(large->whole == 32 && large->huge == 17 && large->movable == 14 &&
			   large->least == 1,
		   "%llu huge, %llu movable, least %llu", (unsigned long long)large->huge,
		   (unsigned long long)large->movable, (unsigned long long)large->least);
	/* The file ends within the second */
	CU_ASSERT_EQUAL(read_root(write_flags(UNIT + 100), &no_watch), 0);
	UNIT_CHECK(large->huge == 16 && large->whole == 19, "%llu huge, %llu whole",
		   (unsigned long long)large->huge, (unsigned long long)large->whole);
}

static CU_TestInfo tests[] = {
	{ "what a page's flags mean", test_kinds },
	{ "ranges of two sizes", test_counts },
	{ "memory that is not there", test_holes },
	{ "somebody waits, and not for ever", test_watch },
	{ "pages that the allocator does not have", test_share },
	{ "pages that it has", test_share_of_small_pages },
	{ "pages without a mark", test_unsure },
	{ "compound pages", test_units },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_page_flags", tests);
}
