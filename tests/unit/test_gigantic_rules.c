// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Which ways to 1 GiB pages there are, for every kind of host.
 */
#include "policy/gigantic_rules.h"

#include <stdio.h>
#include <string.h>

#include "memory/numa.h"
#include "memory/page_ranges.h"
#include "unit/unit.h"

#define GIB GIGANTIC_KIB

static void test_ways(void)
{
	static const struct {
		struct gigantic kernel;
		bool keep;
		enum gigantic_state states[GIGANTIC_WAYS];
		enum gigantic_way_kind told;
		const char *words;
	} rows[] = {
		{ { .present = true },
		  false,
		  { GIGANTIC_POSSIBLE, GIGANTIC_POSSIBLE, GIGANTIC_IMPOSSIBLE },
		  GIGANTIC_CMA,
		  "without CMA" },
		{ { .present = true, .cma = true },
		  true,
		  { GIGANTIC_POSSIBLE, GIGANTIC_DONE, GIGANTIC_POSSIBLE },
		  GIGANTIC_CMA,
		  "boot with hugetlb_cma=SIZE" },
		{ { .present = true, .at_boot = "0:1,1:1" },
		  false,
		  { GIGANTIC_DONE, GIGANTIC_POSSIBLE, GIGANTIC_IMPOSSIBLE },
		  GIGANTIC_AT_BOOT,
		  "hugepages=0:1,1:1" },
		{ { .present = true,
		    .cma = true,
		    .hugetlb_cma = "4G",
		    .cma_total_kib = 4 * GIB,
		    .cma_free_kib = 3 * GIB },
		  false,
		  { GIGANTIC_POSSIBLE, GIGANTIC_POSSIBLE, GIGANTIC_DONE },
		  GIGANTIC_CMA,
		  "3 GiB of 4 GiB" },
		{ { .present = true, .cma = true, .hugetlb_cma = "400G" },
		  false,
		  { GIGANTIC_POSSIBLE, GIGANTIC_POSSIBLE, GIGANTIC_FAILED },
		  GIGANTIC_CMA,
		  "hugetlb_cma=400G was given" },
		/* The parameter of another kernel: here it means nothing */
		{ { .present = true, .hugetlb_cma = "4G" },
		  false,
		  { GIGANTIC_POSSIBLE, GIGANTIC_POSSIBLE, GIGANTIC_IMPOSSIBLE },
		  GIGANTIC_CMA,
		  "without CMA" },
	};
	struct gigantic_way ways[GIGANTIC_WAYS];
	size_t i, j;

	for (i = 0; i < ROWS(rows); i++) {
		CU_ASSERT_TRUE(gigantic_rules_ways(&rows[i].kernel, rows[i].keep, ways));
		for (j = 0; j < GIGANTIC_WAYS; j++)
			UNIT_CHECK(ways[j].state == rows[i].states[j], "row %zu: %s: %s", i,
				   ways[j].name, ways[j].text);
		UNIT_CHECK(strstr(ways[rows[i].told].text, rows[i].words), "row %zu: %s", i,
			   ways[rows[i].told].text);
	}
}

static void test_no_such_pages(void)
{
	struct gigantic kernel = { .cma = true, .hugetlb_cma = "4G" };
	struct gigantic_way ways[GIGANTIC_WAYS];

	CU_ASSERT_FALSE(gigantic_rules_ways(&kernel, true, ways));
}

/* ---- what can be made now ---- */

/* A range of 1000 base pages of 4 KiB stands for a gigantic one.  Zone 2 is above zone 1 */
#define RANGE(zone, index, ...)                                                                    \
	{                                                                                          \
		.node = 0, zone, index, .seen = 1000, __VA_ARGS__                                  \
	}

static struct page_range golden[] = {
	{ .node = 0, .zone = 1, .index = 0, .seen = 900 },
	RANGE(1, 1, .moved = 500),
	RANGE(2, 4, .fixed = 1),
	RANGE(2, 5, .moved = 30, .free = 200),
	RANGE(2, 6, .slab = 7),
	RANGE(2, 7, .moved = 10),
	RANGE(2, 8, .huge = 512),
	RANGE(2, 9, .slab = 3),
	RANGE(2, 10, .slab = 7),
	{ .node = 1, .zone = 3, .index = 11, .seen = 1000 },
};

static void test_need(void)
{
	static const struct {
		unsigned int node;
		uint64_t pages;
		uint64_t slab_kib;
		uint64_t kept;
		uint64_t free_mib;
		struct gigantic_need need;
	} rows[] = {
		/* Nothing has to be moved */
		{ 1, 5, 0, 0, 0, { .sure = 1 } },
		{ 2, 5, 0, 0, 0, { 0 } },
		/* The lowest of the highest zone first, and then the zone below */
		{ 0, 1, 0, 0, 129, { 3, 0, 30, 0, 0 } },
		{ 0, 1, 0, 0, 100, { 3, 0, 30, 28 * 1024 + 30 * 4 + 200 * 4, 0 } },
		{ 0, 2, 0, 0, 1024, { 3, 0, 40, 0, 0 } },
		{ 0, 3, 0, 0, 1024, { 3, 0, 540, 0, 0 } },
		{ 0, 0, 0, 0, 0, { 3, 0, 0, 0, 0 } },
		/* Slab: 3 pages, 3 + 7, 3 + 7 + 7; not quite */
		{ 0, 4, 3 * 4, 0, 1024, { 3, 1, 543, 0, 3 } },
		{ 0, 4, 16 * 4, 0, 1024, { 3, 2, 543, 0, 3 } },
		{ 0, 9, 17 * 4, 0, 1024, { 3, 3, 557, 0, 17 } },
		{ 0, 9, 2 * 4, 0, 1024, { 3, 0, 540, 0, 0 } },
		/* Of these, some stay, or more than there are */
		{ 0, 9, 17 * 4, 7, 1024, { 3, 2, 550, 0, 10 } },
		{ 0, 9, 17 * 4, 18, 1024, { 3, 0, 540, 0, 0 } },
	};
	const struct page_ranges ranges = {
		.page_kib = 4, .pages = 1000, .n = ROWS(golden), .ranges = golden
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		const struct numa_node node = { .id = rows[i].node,
						.reclaimable_kib = rows[i].slab_kib,
						.free_kib = rows[i].free_mib * 1024 };
		struct gigantic_need need =
			gigantic_rules_need(&ranges, &node, rows[i].kept, rows[i].pages);

		UNIT_CHECK(memcmp(&need, &rows[i].need, sizeof(need)) == 0,
			   "row %zu: sure %d hope %d in way %d, %d of slab, reclaim %d KiB", i,
			   (int)need.sure, (int)need.hope, (int)need.in_way, (int)need.slab,
			   (int)need.reclaim_kib);
	}
}

#define UNTRIED GIGANTIC_UNTRIED

/* Slab pages first, while they become fewer by a sixteenth; and no page that would be of no use */
static void test_next(void)
{
	static const struct {
		struct gigantic_need need;
		struct gigantic_try last;
		enum gigantic_next next;
	} rows[] = {
		/* All can be made; that brought none, and what was in the way is there still */
		{ { 3, 0, 100, 0, 0 }, { 3, true, 1, UNTRIED, UNTRIED, false }, GIGANTIC_MAKE },
		{ { 3, 0, 100, 0, 0 }, { 3, true, 1, UNTRIED, 100, false }, GIGANTIC_END },
		{ { 3, 0, 94, 0, 0 }, { 3, true, 1, UNTRIED, 100, false }, GIGANTIC_MAKE },
		{ { 3, 0, 95, 0, 0 }, { 3, true, 1, UNTRIED, 100, false }, GIGANTIC_END },
		{ { 3, 0, 0, 0, 0 }, { 3, true, 1, UNTRIED, 0, false }, GIGANTIC_END },
		/* Room was not made yet, or can't be */
		{ { 3, 0, 100, 9, 0 }, { 3, true, 1, UNTRIED, UNTRIED, false }, GIGANTIC_MAKE },
		{ { 3, 0, 100, 9, 0 }, { 3, true, 1, UNTRIED, 100, false }, GIGANTIC_ROOM },
		{ { 3, 0, 100, 9, 0 }, { 3, true, 0, UNTRIED, 100, false }, GIGANTIC_END },
		{ { 3, 0, 100, 9, 0 }, { 3, true, 1, UNTRIED, 100, true }, GIGANTIC_END },
		{ { 2, 0, 100, 9, 0 }, { 3, true, 1, UNTRIED, 100, false }, GIGANTIC_END },
		{ { 2, 0, 100, 9, 0 }, { 3, false, 1, UNTRIED, 100, false }, GIGANTIC_ROOM },
		/* Too few, and none is left that slab pages hold up: of use only beside other nodes
		 */
		{ { 2, 0, 100, 0, 0 }, { 3, true, 1, UNTRIED, UNTRIED, false }, GIGANTIC_END },
		{ { 2, 0, 100, 0, 0 }, { 3, false, 1, UNTRIED, UNTRIED, false }, GIGANTIC_MAKE },
		{ { 0, 0, 0, 0, 0 }, { 3, false, 1, UNTRIED, UNTRIED, false }, GIGANTIC_END },
		/* With slab pages it would be enough */
		{ { 2, 1, 150, 0, 50 }, { 3, true, 1, UNTRIED, UNTRIED, false }, GIGANTIC_FREE },
		{ { 2, 1, 150, 0, 50 }, { 3, true, 0, UNTRIED, UNTRIED, false }, GIGANTIC_END },
		{ { 2, 1, 147, 0, 47 }, { 3, true, 1, 50, UNTRIED, false }, GIGANTIC_FREE },
		{ { 2, 1, 148, 0, 48 }, { 3, true, 1, 50, UNTRIED, false }, GIGANTIC_END },
		{ { 2, 1, 148, 0, 48 }, { 3, false, 1, 50, UNTRIED, false }, GIGANTIC_MAKE },
		{ { 3, 0, 100, 0, 0 }, { 3, true, 1, 50, UNTRIED, false }, GIGANTIC_MAKE },
		/* Or not even then */
		{ { 1, 1, 150, 0, 50 }, { 3, true, 1, UNTRIED, UNTRIED, false }, GIGANTIC_END },
		{ { 1, 1, 150, 0, 50 }, { 3, false, 1, UNTRIED, UNTRIED, false }, GIGANTIC_FREE },
		/* What only looks sure may be replaced */
		{ { 1, 1, 150, 0, 50 }, { 1, true, 1, UNTRIED, 150, false }, GIGANTIC_FREE },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++)
		UNIT_CHECK(gigantic_rules_next(&rows[i].need, &rows[i].last) == rows[i].next,
			   "row %zu", i);
}

static CU_TestInfo tests[] = {
	{ "what it takes to get pages now", test_need },
	{ "what is done next", test_next },
	{ "which ways there are", test_ways },
	{ "a processor without such pages", test_no_such_pages },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_gigantic_rules", tests);
}
