// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * How much page cache is freed for huge pages, and when that ends.
 */
#include "policy/room_rules.h"

#include "base/text.h"
#include "unit/unit.h"

#define PAGE UINT64_C(2048)
#define MIB  KIB_PER_MIB
#define GIB  KIB_PER_GIB

static void test_bite(void)
{
	static const struct {
		uint64_t missing_kib;
		unsigned int percent;
		uint64_t free_kib, cache_kib, bite_kib;
	} rows[] = {
		{ 1000 * MIB, 100, 0, 8 * GIB, 1128 * MIB },
		{ 1000 * MIB, 35, 64 * MIB, 8 * GIB, 414 * MIB },
		{ 1000 * MIB, 110, 64 * MIB, 8 * GIB, 1164 * MIB },
		/* What is free already is not freed again */
		{ 1000 * MIB, 110, 1228 * MIB, 8 * GIB, 0 },
		/* Not worth asking for */
		{ 1000 * MIB, 100, 1113 * MIB, 8 * GIB, 0 },
		{ 1000 * MIB, 100, 1112 * MIB, 8 * GIB, 16 * MIB },
		/* Some cache stays */
		{ 1000 * MIB, 100, 0, 300 * MIB, 44 * MIB },
		{ 1000 * MIB, 100, 0, 256 * MIB, 0 },
		{ 1000 * MIB, 100, 0, 0, 0 },
		{ UINT64_MAX, 110, 0, 8 * GIB, 8 * GIB - 256 * MIB },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		uint64_t bite = room_bite_kib(rows[i].missing_kib, rows[i].percent,
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
		{ { PAGE, 35, 100, 100, 100, 0 }, 0 },
		{ { PAGE, 35, 100, 120, 120, 0 }, 0 },
		/* Progress: again, as little as at first, whatever it cost */
		{ { PAGE, 35, 1000, 50, 50, 8 * GIB }, 35 },
		{ { PAGE, 70, 1000, 600, 600, 0 }, 35 },
		{ { PAGE, 110, 1000, 600, 600, 0 }, 35 },
		/* None, at no cost: more memory may help, up to eight times what the pages need */
		{ { PAGE, 35, 1000, 49, 49, 0 }, 70 },
		{ { PAGE, 70, 1000, 0, 0, 0 }, 140 },
		{ { PAGE, 560, 1000, 49, 49, 0 }, 800 },
		{ { PAGE, 800, 1000, 49, 49, 0 }, 0 },
		/* None, whatever it cost, before all would fit */
		{ { PAGE, 35, 1000, 0, 0, 8 * GIB }, 70 },
		{ { PAGE, 70, 1000, 0, 0, 8 * GIB }, 140 },
		/* None, and four times the pages got so far was lost */
		{ { PAGE, 140, 1000, 0, 0, 64 * MIB }, 280 },
		{ { PAGE, 140, 1000, 0, 0, 65 * MIB }, 0 },
		{ { PAGE, 140, 1000, 0, 1000, 8063 * MIB }, 280 },
		{ { PAGE, 140, 1000, 0, 1000, 8065 * MIB }, 0 },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		unsigned int next = room_next_percent(&rows[i].round);

		UNIT_CHECK(next == rows[i].next, "row %zu: %u", i, next);
	}
}

static CU_TestInfo tests[] = {
	{ "how much is freed", test_bite },
	{ "whether anything has to be", test_short },
	{ "what is too little", test_poor },
	{ "what comes next", test_next },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_room_rules", tests);
}
