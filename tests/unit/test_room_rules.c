// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * How much page cache is freed for huge pages, and when that ends.
 */
#include "policy/room_rules.h"

#include "base/text.h"
#include "memory/numa.h"
#include "memory/page_ranges.h"
#include "unit/unit.h"

#define PAGE UINT64_C(2048)
#define MIB  KIB_PER_MIB
#define GIB  KIB_PER_GIB

/* Of 512 base pages.  What is not said of a block is clean cache */
static struct page_range block(uint64_t fixed, uint64_t slab, uint64_t loose, uint64_t moved)
{
	return (struct page_range){ .seen = 512,
				    .fixed = fixed,
				    .slab = slab,
				    .loose = loose,
				    .moved = moved + loose,
				    .shmem = moved + loose };
}

/* Of two good blocks, two with slab, and three with pages that may have lost their files */
static void test_estimate(void)
{
	struct page_range blocks[] = {
		block(0, 0, 0, 512),	    block(0, 0, 0, 0),	 block(0, 3, 0, 0),
		block(0, 2, 0, 0),	    block(1, 0, 0, 0),	 block(0, 0, 1, 0),
		block(0, 0, 9, 11),	    block(0, 1, 1, 0),	 block(0, 0, 0, 0),
		{ .node = 1, .seen = 512 }, block(0, 0, 0, 512),
	};
	const struct page_ranges all = {
		.page_kib = 4, .pages = 512, .n = ROWS(blocks), .ranges = blocks
	};
	/* Of 534 pages in files, 11 may be loose; 64 come and go */
	static const struct {
		uint64_t slab_kib, shmem_kib, pages;
	} rows[] = {
		{ 0, 4 * (534 - 11 - 64), 2 },
		{ 0, 4 * (534 - 11 - 63), 3 },
		{ 0, 4 * (534 - 11 - 62), 4 },
		/* All of them have one */
		{ 0, 4 * 534, 5 },
		{ 4, 4 * 400, 2 },
		{ 8, 4 * 400, 3 },
		{ 16, 4 * 400, 3 },
		{ 20, 4 * 400, 4 },
		{ UINT64_MAX, UINT64_MAX / 8, 7 },
		/* The kernel doesn't count */
		{ 0, 0, 5 },
	};
	static const struct numa_node empty = { .anon_thp_kib = 2048 }, other = { .id = 2 },
				      small = { 0 };
	size_t i;

	blocks[8].seen = 511;
	blocks[10].shmem = 0;
	blocks[10].thp = 511;
	for (i = 0; i < ROWS(rows); i++) {
		const struct numa_node node = { .reclaimable_kib = rows[i].slab_kib,
						.shmem_kib = rows[i].shmem_kib,
						.anon_thp_kib = 2048 };
		struct room_estimate e = room_rules_estimate(&all, &node, false);

		UNIT_CHECK(e.pages == rows[i].pages, "row %zu: %llu", i,
			   (unsigned long long)e.pages);
		/* 512 pages of cache are in good blocks, 3546 in others */
		UNIT_CHECK(e.beside == 87, "row %zu: %u", i, e.beside);
	}
	CU_ASSERT_EQUAL(room_rules_estimate(&all, &empty, false).pages, 5);
	CU_ASSERT_EQUAL(room_rules_estimate(&all, &empty, true).pages, 6);
	/* A part of the program's huge page was given up: it isn't mapped as one */
	CU_ASSERT_EQUAL(room_rules_estimate(&all, &small, false).pages, 6);
	CU_ASSERT_EQUAL(room_rules_estimate(&all, &other, false).beside, 0);
}

/* What is held in good blocks goes up, and what is at the top stays there */
static void test_packing(void)
{
	enum { BLOCKS = 256 };
	static const struct {
		uint64_t held;	 /* in each block */
		uint64_t pinned; /* of so many blocks one has a page that stays; 0: none */
		uint64_t slab_kib, pages, leaves;
	} rows[] = {
		/* Nothing is held */
		{ 0, 0, 0, 256, 256 },
		{ 0, 2, 0, 128, 128 },
		/* Half of memory is held, and fills half of the blocks.  4096 pages come and go */
		{ 256, 0, 0, 136, 256 },
		/* All is */
		{ 512, 0, 0, 8, 256 },
		/* A quarter of each, and a page that stays in half of them: what goes fills 28
		 * blocks at the top, 14 of them good ones */
		{ 128, 2, 0, 114, 128 },
		/* With 16 MiB of slab given up elsewhere */
		{ 128, 2, 16384, 118, 128 },
	};
	size_t i, k;

	for (i = 0; i < ROWS(rows); i++) {
		static struct page_range blocks[BLOCKS];
		const struct page_ranges all = {
			.page_kib = 4, .pages = 512, .n = BLOCKS, .ranges = blocks
		};
		const struct numa_node node = { .reclaimable_kib = rows[i].slab_kib };
		uint64_t pages, leaves;

		for (k = 0; k < BLOCKS; k++) {
			blocks[k] = block(rows[i].pinned && k % rows[i].pinned == 0, 0, 0,
					  rows[i].held);
			blocks[k].held = rows[i].held;
			if (blocks[k].fixed && blocks[k].held == 512)
				blocks[k].held = 511;
		}
		pages = room_rules_estimate(&all, &node, false).pages;
		leaves = room_rules_estimate(&all, &node, true).pages;
		UNIT_CHECK(pages == rows[i].pages && leaves == rows[i].leaves,
			   "row %zu: %llu, %llu", i, (unsigned long long)pages,
			   (unsigned long long)leaves);
	}
}

/* Pages don't go from one zone to another, nor down */
static void test_packing_zones(void)
{
	static struct page_range blocks[128];
	const struct page_ranges all = {
		.page_kib = 4, .pages = 512, .n = ROWS(blocks), .ranges = blocks
	};
	static const struct numa_node node = { 0 };
	size_t i;

	/* 64 blocks that are full, and above them 64 in which one page stays */
	for (i = 0; i < ROWS(blocks); i++) {
		blocks[i] = block(i >= 64, 0, 0, i < 64 ? 512 : 0);
		blocks[i].held = blocks[i].moved;
		blocks[i].zone = i / 64;
	}
	/* In two zones only what comes and goes is room: eight blocks */
	CU_ASSERT_EQUAL(room_rules_estimate(&all, &node, false).pages, 8);
	for (i = 0; i < ROWS(blocks); i++)
		blocks[i].zone = 0;
	CU_ASSERT_EQUAL(room_rules_estimate(&all, &node, false).pages, 64);
	/* Upside down */
	for (i = 0; i < ROWS(blocks); i++) {
		blocks[i] = block(i < 64, 0, 0, i < 64 ? 0 : 512);
		blocks[i].held = blocks[i].moved;
	}
	CU_ASSERT_EQUAL(room_rules_estimate(&all, &node, false).pages, 8);
}

/* Seven tenths of what a sample says, and nothing of less than 128 blocks */
static void test_surely(void)
{
	static struct page_range blocks[129];
	struct page_ranges sample = {
		.page_kib = 4, .pages = 512, .sample = true, .ranges = blocks
	};
	size_t i;

	for (i = 0; i < ROWS(blocks); i++)
		blocks[i] = block(0, 0, 0, 0);
	blocks[128].node = 1;
	blocks[128].zone = 1;
	sample.n = 127;
	CU_ASSERT_EQUAL(room_rules_surely(&sample, 0, 8), 0);
	sample.n = 129;
	CU_ASSERT_EQUAL(room_rules_surely(&sample, 0, 8), 128 * 8 * 7 / 10);
	CU_ASSERT_EQUAL(room_rules_surely(&sample, 1, 8), 0);
	CU_ASSERT_EQUAL(room_rules_surely(&sample, 0, UINT32_MAX),
			UINT64_C(128) * UINT32_MAX * 7 / 10);
	/* Slab is not counted on: 64 are left */
	for (i = 0; i < 64; i++)
		blocks[i].slab = 1;
	CU_ASSERT_EQUAL(room_rules_surely(&sample, 0, 8), 64 * 8 * 7 / 10);
	/* These are full of what stays in memory, and only what comes and goes leaves a place for
	 * it */
	for (i = 64; i < 128; i++)
		blocks[i].moved = blocks[i].held = 512;
	for (i = 0; i < 64; i++)
		blocks[i] = block(512, 0, 0, 0);
	CU_ASSERT_EQUAL(room_rules_surely(&sample, 0, 8), 8 * 8 * 7 / 10);
}

static void test_need(void)
{
	static const struct {
		uint64_t missing_mib;
		unsigned int beside;
		uint64_t all_mib, need_mib;
	} rows[] = {
		/* What they take, where every block can become one */
		{ 1000, 0, 10000, 1000 },
		{ 20000, 0, 10000, 20000 },
		/* 600 of 1000 where half of the blocks can't: half way to the root of it */
		{ 3000, 50, 10000, 6870 },
		{ 1250, 50, 10000, 3750 },
		{ 4900, 50, 10000, 9840 },
		{ 5000, 50, 10000, 10000 },
		{ 9000, 50, 10000, 10000 },
		{ 600, 90, 10000, 7560 },
		{ 1, 100, 10000, 10000 },
		{ 0, 50, 0, 0 },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		uint64_t need = room_need_kib(rows[i].missing_mib * MIB, rows[i].beside,
					      rows[i].all_mib * MIB) /
				MIB;

		UNIT_CHECK(need == rows[i].need_mib, "row %zu: %llu MiB", i,
			   (unsigned long long)need);
	}
}

static void test_bite(void)
{
	static const struct {
		uint64_t missing_kib;
		unsigned int percent;
		uint64_t free_kib, cache_kib, bite_kib;
		uint64_t need_kib; /* 0: what is missing */
	} rows[] = {
		{ 1000 * MIB, 100, 0, 8 * GIB, 1128 * MIB, 0 },
		{ 1000 * MIB, 35, 64 * MIB, 8 * GIB, 414 * MIB, 0 },
		{ 1000 * MIB, 110, 64 * MIB, 8 * GIB, 1164 * MIB, 0 },
		/* What is free already is not freed again */
		{ 1000 * MIB, 110, 1228 * MIB, 8 * GIB, 0, 0 },
		/* Not worth asking for */
		{ 1000 * MIB, 100, 1113 * MIB, 8 * GIB, 0, 0 },
		{ 1000 * MIB, 100, 1112 * MIB, 8 * GIB, 16 * MIB, 0 },
		/* Some cache stays */
		{ 1000 * MIB, 100, 0, 300 * MIB, 44 * MIB, 0 },
		{ 1000 * MIB, 100, 0, 256 * MIB, 0, 0 },
		{ 1000 * MIB, 100, 0, 0, 0, 0 },
		{ UINT64_MAX, 110, 0, 8 * GIB, 8 * GIB - 256 * MIB, 0 },
		/* Where hardly any block can become a page: what it takes, and not a large host's
		 * whole cache */
		{ 1000 * MIB, 100, 12000 * MIB, 180 * GIB, 2128 * MIB, 14000 * MIB },
		{ 1000 * MIB, 100, 12000 * MIB, 180 * GIB, 8128 * MIB, 48000 * MIB },
		{ 1000 * MIB, 800, 12000 * MIB, 180 * GIB, 8128 * MIB, 48000 * MIB },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		uint64_t need = rows[i].need_kib ? rows[i].need_kib : rows[i].missing_kib;
		uint64_t bite = room_bite_kib(rows[i].missing_kib, need, rows[i].percent,
					      rows[i].free_kib, rows[i].cache_kib);

		UNIT_CHECK(bite == rows[i].bite_kib, "row %zu: %llu KiB", i,
			   (unsigned long long)bite);
	}
}

static void test_short(void)
{
	CU_ASSERT_TRUE(room_is_short(GIB, GIB + 127 * MIB, 8 * GIB));
	CU_ASSERT_FALSE(room_is_short(GIB, GIB + 128 * MIB, 8 * GIB));
	CU_ASSERT_FALSE(room_is_short(GIB, 0, 256 * MIB));
	CU_ASSERT_TRUE(room_is_short(UINT64_MAX, GIB, 257 * MIB));
}

/* Of 8 GiB of page cache: MiB that reclaim shall free, and MiB that are dirty */
static void test_dirty(void)
{
	static const struct {
		uint64_t bite_mib, dirty_mib;
		bool dirty;
	} rows[] = {
		{ 4096, 4096, false }, { 4096, 4097, true }, { 7936, 256, false },
		{ 7936, 257, true },   { 8192, 16, true },   { 8192, 15, false },
		{ 0, 0, false },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++)
		UNIT_CHECK(room_is_dirty(rows[i].bite_mib * MIB, 8 * GIB,
					 rows[i].dirty_mib * MIB) == rows[i].dirty,
			   "row %zu", i);
}

static void test_pack(void)
{
	CU_ASSERT_TRUE(room_can_pack(100, 0, GIB));
	CU_ASSERT_TRUE(room_can_pack(30, 900 * GIB - 1, 1000 * GIB));
	CU_ASSERT_FALSE(room_can_pack(29, 900 * GIB - 1, 1000 * GIB));
	CU_ASSERT_FALSE(room_can_pack(50, 900 * GIB, 1000 * GIB));
	CU_ASSERT_FALSE(room_can_pack(50, UINT64_MAX, GIB));
	CU_ASSERT_FALSE(room_can_pack(50, 0, 0));
}

/* Nearly all there can be only where most blocks are good; nothing is known: beside is 0 */
static void test_blocks(void)
{
	CU_ASSERT_FALSE(room_takes_blocks(0, 0, GIB));
	CU_ASSERT_TRUE(room_takes_blocks(1, UINT64_MAX, GIB));
	CU_ASSERT_TRUE(room_takes_blocks(29, 900 * GIB, 1000 * GIB));
	CU_ASSERT_TRUE(room_takes_blocks(30, 900 * GIB - 1, 1000 * GIB));
	CU_ASSERT_FALSE(room_takes_blocks(30, 900 * GIB, 1000 * GIB));
	CU_ASSERT_EQUAL(room_more_kib(GIB, GIB + 256 * MIB), GIB);
	CU_ASSERT_EQUAL(room_more_kib(GIB, GIB + 255 * MIB), GIB - MIB);
	CU_ASSERT_EQUAL(room_more_kib(GIB, 272 * MIB), 16 * MIB);
	CU_ASSERT_EQUAL(room_more_kib(GIB, 272 * MIB - 1), 0);
	CU_ASSERT_EQUAL(room_more_kib(16 * MIB - 1, GIB), 0);
	CU_ASSERT_TRUE(room_compacts_well(1000, 250));
	CU_ASSERT_FALSE(room_compacts_well(1000, 249));
	CU_ASSERT_TRUE(room_compacts_well(3, 1));
	CU_ASSERT_FALSE(room_compacts_well(3, 0));
}

static void test_poor(void)
{
	CU_ASSERT_TRUE(room_is_poor(1000, 49));
	CU_ASSERT_FALSE(room_is_poor(1000, 50));
	/* Of a few pages, one is progress */
	CU_ASSERT_TRUE(room_is_poor(8, 0));
	CU_ASSERT_FALSE(room_is_poor(8, 1));
}

/* @lost_kib is what all rounds cost, @gained_all what they brought */
static void test_next(void)
{
	static const struct {
		struct room_round round;
		unsigned int next;
	} rows[] = {
		/* All there */
		{ { PAGE, 35, 35, 100, 100, 100, 0, 8 * GIB }, 0 },
		{ { PAGE, 35, 35, 100, 120, 120, 0, 8 * GIB }, 0 },
		/* Progress: again, as little as at first, whatever it cost */
		{ { PAGE, 35, 35, 1000, 50, 50, 8 * GIB, 8 * GIB }, 35 },
		{ { PAGE, 70, 35, 1000, 600, 600, 0, 8 * GIB }, 35 },
		{ { PAGE, 110, 35, 1000, 600, 600, 0, 8 * GIB }, 35 },
		{ { PAGE, 170, 85, 1000, 600, 600, 0, 8 * GIB }, 85 },
		/* None, at no cost: more memory may help, up to eight times what the pages need */
		{ { PAGE, 35, 35, 1000, 49, 49, 0, 8 * GIB }, 70 },
		{ { PAGE, 70, 35, 1000, 0, 0, 0, 8 * GIB }, 140 },
		{ { PAGE, 560, 35, 1000, 49, 49, 0, 8 * GIB }, 800 },
		{ { PAGE, 800, 35, 1000, 49, 49, 0, 8 * GIB }, 0 },
		/* None, and no cache is left of which more could be freed; progress all the same */
		{ { PAGE, 35, 35, 1000, 49, 49, 0, 272 * MIB }, 70 },
		{ { PAGE, 35, 35, 1000, 49, 49, 0, 272 * MIB - 1 }, 0 },
		{ { PAGE, 35, 35, 1000, 49, 49, 0, 0 }, 0 },
		{ { PAGE, 35, 35, 1000, 50, 50, 0, 0 }, 35 },
		/* None, whatever it cost, before all would fit */
		{ { PAGE, 35, 35, 1000, 0, 0, 8 * GIB, 8 * GIB }, 70 },
		{ { PAGE, 70, 35, 1000, 0, 0, 8 * GIB, 8 * GIB }, 140 },
		/* None, and four times the pages got so far was lost */
		{ { PAGE, 140, 35, 1000, 0, 0, 64 * MIB, 8 * GIB }, 280 },
		{ { PAGE, 140, 35, 1000, 0, 0, 65 * MIB, 8 * GIB }, 0 },
		{ { PAGE, 140, 35, 1000, 0, 1000, 8063 * MIB, 8 * GIB }, 280 },
		{ { PAGE, 140, 35, 1000, 0, 1000, 8065 * MIB, 8 * GIB }, 0 },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		unsigned int next = room_next_percent(&rows[i].round);

		UNIT_CHECK(next == rows[i].next, "row %zu: %u", i, next);
	}
}

static CU_TestInfo tests[] = {
	{ "how many there can be", test_estimate },
	{ "what is held goes up", test_packing },
	{ "zone by zone", test_packing_zones },
	{ "what there is beyond doubt", test_surely },
	{ "what they take", test_need },
	{ "how much is freed", test_bite },
	{ "whether anything has to be", test_short },
	{ "whether to compact meanwhile", test_pack },
	{ "whole blocks", test_blocks },
	{ "dirty pages that have to be written", test_dirty },
	{ "what is too little", test_poor },
	{ "what comes next", test_next },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_room_rules", tests);
}
