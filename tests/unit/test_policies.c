// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What the pager's policy makes of rows of accesses, in numbers: a change of it is seen here.
 * "make simulate" prints the same at length.
 */
#include "pager/policies.h"

#include <stdlib.h>

#include "unit/unit.h"

enum { PAGES = 8192, ACCESSES = 1000000 };

/* Misses in 10,000 accesses, and for the pager pages loaded */
struct row {
	enum stream stream;
	unsigned int percent;
	unsigned int misses[POLICIES];
	unsigned int loads;
};

static unsigned int per_10000(uint64_t n)
{
	return (unsigned int)(n * 10000 / (ACCESSES / 2));
}

/* Zipf's law is computed by libm, whose last bits may differ: within one percent */
static bool near(unsigned int got, unsigned int want)
{
	return got * 100 + 100 >= want * 99 && got * 99 <= want * 100 + 100;
}

static void check_row(const struct row *row)
{
	size_t n = PAGES + ACCESSES;
	uint32_t *access = stream_make(row->stream, PAGES, n);
	struct replay replay = { .access = access,
				 .n = n,
				 .warm = n - ACCESSES / 2,
				 .pages = PAGES,
				 .limit = PAGES * row->percent / 100 };
	struct replayed got = { 0, 0 };
	int i;

	for (i = 0; i < POLICIES; i++) {
		got = policy_replay((enum policy)i, &replay);
		UNIT_CHECK(near(per_10000(got.misses), row->misses[i]), "%s, %u %%, %s: %u",
			   stream_names[row->stream], row->percent, policy_names[i],
			   per_10000(got.misses));
	}
	UNIT_CHECK(near(per_10000(got.loads), row->loads), "%s, %u %%, loads: %u",
		   stream_names[row->stream], row->percent, per_10000(got.loads));
	free(access);
}

static void test_numbers(void)
{
	static const struct row rows[] = {
		/* stream, percent, FIFO, LRU, two lists, optimum, look, lives, pager; loads */
		{ STREAM_UNIFORM, 50, { 4996, 5002, 4995, 4493, 5002, 5003, 5011 }, 5235 },
		{ STREAM_SEQUENTIAL, 50, { 10000, 10000, 8566, 4997, 10000, 10000, 157 }, 9999 },
		{ STREAM_ZIPF, 25, { 2456, 2070, 2196, 1444, 1866, 1877, 1888 }, 2008 },
		{ STREAM_ZIPF, 50, { 1322, 1049, 1122, 694, 971, 997, 1005 }, 1049 },
		{ STREAM_ZIPF, 75, { 582, 427, 454, 252, 426, 472, 474 }, 483 },
		{ STREAM_PHASE, 50, { 1372, 1305, 1353, 3967, 1372, 1599, 117 }, 1616 },
		{ STREAM_MIXED, 50, { 4794, 4839, 4802, 3378, 4496, 4552, 1734 }, 4772 },
		{ STREAM_ZIPF_SCAN, 50, { 3085, 2938, 3012, 1777, 2699, 2813, 983 }, 2688 },
		{ STREAM_ZIPF_MOVES, 50, { 1333, 1073, 1141, 864, 1050, 1163, 1165 }, 1216 },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++)
		check_row(&rows[i]);
}

static CU_TestInfo tests[] = {
	{ "misses of each policy", test_numbers },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_policies", tests);
}
