// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Cells of a map, from flags that were made up.
 */
#include "memory/memory_map.h"

#include <linux/kernel-page-flags.h>
#include <string.h>

#include "base/err.h"
#include "memory/fragmentation.h"
#include "unit/unit.h"

#define BIT(flag) (UINT64_C(1) << (flag))

/* Base pages of 4 KiB */
#define CELL 4096
#define ROW  (64 * CELL)

static uint64_t flags[CELL];
static struct memory_map map;
static struct fragmentation_zone zone;

static void begin(void)
{
	memory_map_free(&map);
	map.page_kib = 4;
	zone = (struct fragmentation_zone){ .name = "Normal", .spanned = 8 * ROW };
}

/* A cell: @n pages with @some, the rest with @rest */
static void add(uint64_t cell, size_t n, uint64_t some, uint64_t rest)
{
	size_t i;

	for (i = 0; i < CELL; i++)
		flags[i] = i < n ? some : rest;
	memory_map_add(&map, &zone, cell * CELL, flags, CELL);
}

static void finish(void)
{
	struct fragmentation f = { .page_kib = 4, .n_zones = 1, .zones = &zone };

	CU_ASSERT_EQUAL_FATAL(memory_map_finish(&map, &f, NULL), 0);
}

static void test_looks(void)
{
	static const struct {
		size_t n;
		uint64_t some;
		uint64_t rest;
		bool unsure;
		enum memory_map_look look;
	} rows[] = {
		{ 0, 0, BIT(KPF_BUDDY), false, LOOK_FREE },
		{ CELL, BIT(KPF_NOPAGE), 0, false, LOOK_ABSENT },
		{ 1, BIT(KPF_LRU), BIT(KPF_BUDDY), false, LOOK_PART },
		{ CELL / 2 - 1, BIT(KPF_LRU), BIT(KPF_BUDDY), false, LOOK_PART },
		{ CELL / 2, BIT(KPF_LRU), BIT(KPF_BUDDY), false, LOOK_USED },
		{ CELL, BIT(KPF_ANON), 0, false, LOOK_USED },
		{ CELL / 2, BIT(KPF_HUGE), BIT(KPF_LRU), false, LOOK_HUGE },
		{ CELL / 2 - 1, BIT(KPF_HUGE), BIT(KPF_LRU), false, LOOK_USED },
		{ 1, BIT(KPF_SLAB), BIT(KPF_HUGE), false, LOOK_FIXED },
		{ 1, BIT(KPF_SLAB), 0, true, LOOK_FIXED },
		{ 1, 0, BIT(KPF_BUDDY), false, LOOK_FREE },
		{ 1, 0, BIT(KPF_BUDDY), true, LOOK_UNSURE },
		{ 1, 0, BIT(KPF_HUGE), true, LOOK_HUGE },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		begin();
		zone.unmarked = rows[i].unsure ? 100000 : 0;
		add(5, rows[i].n, rows[i].some, rows[i].rest);
		finish();
		UNIT_CHECK(map.n_rows == 1 && memory_map_look(map.rows, 5, 1) == rows[i].look,
			   "row %zu: %d", i, (int)memory_map_look(map.rows, 5, 1));
		UNIT_CHECK(memory_map_look(map.rows, 4, 1) == LOOK_ABSENT, "row %zu", i);
		UNIT_CHECK(memory_map_look(map.rows, 4, 2) == rows[i].look, "row %zu", i);
	}
	memory_map_free(&map);
}

static void test_clean(void)
{
	uint64_t cell;

	begin();
	for (cell = 0; cell < 3 * 64; cell++)
		add(cell, cell == 64 + 7, BIT(KPF_SLAB), BIT(KPF_BUDDY));
	for (; cell < 3 * 64 + 63; cell++)
		add(cell, 0, 0, BIT(KPF_LRU));
	finish();
	CU_ASSERT_EQUAL_FATAL(map.n_rows, 4);
	CU_ASSERT_TRUE(memory_map_is_clean(&map, &map.rows[0]));
	CU_ASSERT_FALSE(memory_map_is_clean(&map, &map.rows[1]));
	CU_ASSERT_TRUE(memory_map_is_clean(&map, &map.rows[2]));
	CU_ASSERT_FALSE(memory_map_is_clean(&map, &map.rows[3]));
	map.rows[2].cells[9].free--;
	map.rows[2].cells[9].huge++;
	CU_ASSERT_FALSE(memory_map_is_clean(&map, &map.rows[2]));
	map.rows[0].movable_zone = true;
	CU_ASSERT_FALSE(memory_map_is_clean(&map, &map.rows[0]));
	memory_map_free(&map);
}

static void test_owners(void)
{
	/* Not in the header for programs: page tables, and what the kernel kept at boot */
	static const uint64_t owned[] = { BIT(KPF_SLAB), BIT(26), BIT(32), BIT(KPF_MMAP) };
	size_t i;

	begin();
	for (i = 0; i < ROWS(owned); i++)
		add(i, 10 + i, owned[i], BIT(KPF_BUDDY));
	finish();
	for (i = 0; i < ROWS(owned); i++)
		UNIT_CHECK(map.rows[0].owners[i] == 10 + i, "owner %zu: %d", i,
			   (int)map.rows[0].owners[i]);
	CU_ASSERT_EQUAL(memory_map_sum(map.rows, 0, 64).fixed, 10 + 11 + 12 + 13);
	memory_map_free(&map);
}

/* Two nodes may have parts of one GiB, and a chunk may end in the next */
static void test_rows(void)
{
	size_t i;

	begin();
	zone.node = 1;
	for (i = 0; i < CELL; i++)
		flags[i] = BIT(KPF_BUDDY);
	memory_map_add(&map, &zone, 2 * ROW - CELL / 2, flags, CELL);
	zone.node = 0;
	memory_map_add(&map, &zone, ROW, flags, CELL);
	strcpy(zone.name, FRAGMENTATION_MOVABLE);
	memory_map_add(&map, &zone, ROW + CELL, flags, CELL);
	zone.unmarked = 1;
	finish();
	CU_ASSERT_EQUAL_FATAL(map.n_rows, 3);
	CU_ASSERT_EQUAL(map.rows[0].node, 0);
	CU_ASSERT_EQUAL(map.rows[0].gib, 1);
	CU_ASSERT_EQUAL(map.rows[0].cells[1].seen, CELL);
	CU_ASSERT_TRUE(map.rows[0].movable_zone);
	CU_ASSERT_EQUAL(map.rows[1].node, 1);
	CU_ASSERT_EQUAL(map.rows[1].cells[63].seen, CELL / 2);
	CU_ASSERT_FALSE(map.rows[1].movable_zone);
	CU_ASSERT_EQUAL(map.rows[2].gib, 2);
	CU_ASSERT_EQUAL(map.rows[2].cells[0].seen, CELL / 2);
	CU_ASSERT_FALSE(map.rows[2].unsure);
	memory_map_free(&map);
}

static CU_TestInfo tests[] = {
	{ "how a cell looks", test_looks },
	{ "which rows could become one page", test_clean },
	{ "what has the pages that can't be moved", test_owners },
	{ "rows of nodes and zones", test_rows },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_memory_map", tests);
}
