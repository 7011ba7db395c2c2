// SPDX-License-Identifier: LGPL-2.1-or-later
/* What a fault brings in beside its page. */
#include "pager/read_ahead.h"

#include <string.h>

#include "unit/unit.h"

static void close_read_ahead(struct read_ahead **ra)
{
	read_ahead_free(*ra);
}

/* Neighbourhoods are off: one half of them was used, where chance explains 63 % */
static struct read_ahead *open_read_ahead(uint64_t pages)
{
	struct read_ahead *ra = read_ahead_new(pages, pages / 2);

	CU_ASSERT_PTR_NOT_NULL_FATAL(ra);
	read_ahead_result(ra, 60, 30);
	return ra;
}

#define READ_AHEAD(name, pages)                                                                    \
	UNIT_FIXTURE(struct read_ahead *, name, close_read_ahead, name = open_read_ahead(pages))

static bool is(struct read_ahead_range got, uint64_t first, uint64_t n, bool stream)
{
	return got.n == n && (!n || (got.first == first && got.stream == stream));
}

struct row {
	uint64_t fault, first, n;
	bool stream;
};

static void check_rows(const struct row *rows, size_t n, uint64_t pages)
{
	READ_AHEAD(ra, pages);
	size_t i;

	for (i = 0; i < n; i++) {
		struct read_ahead_range got = read_ahead_fault(ra, rows[i].fault);

		UNIT_CHECK(is(got, rows[i].first, rows[i].n, rows[i].stream),
			   "row %zu: %lu pages from %lu", i, (unsigned long)got.n,
			   (unsigned long)got.first);
	}
}

static void test_stream(void)
{
	static const struct row rows[] = {
		{ 100, 0, 0, false },	{ 101, 102, 8, true },	{ 110, 111, 16, true },
		{ 127, 128, 32, true }, { 160, 161, 63, true }, { 224, 225, 63, true },
		{ 288, 289, 63, true }, { 359, 360, 56, true }, /* 352 to 358 were in RAM */
		{ 500, 0, 0, false },				/* another place */
		{ 416, 417, 63, true },				/* and it goes on */
		{ 500, 0, 0, false },	{ 502, 0, 0, false },	{ 501, 502, 8, true },
		{ 980, 0, 0, false },	{ 981, 982, 8, true },	{ 990, 991, 9, true },
		{ 999, 0, 0, false },
	};

	check_rows(rows, ROWS(rows), 1000);
}

static void test_interleaved(void)
{
	READ_AHEAD(ra, 1 << 20);
	uint64_t next[8];
	unsigned int round;
	size_t i;

	for (i = 0; i < ROWS(next); i++) {
		next[i] = i * 100000;
		CU_ASSERT(is(read_ahead_fault(ra, next[i]++), 0, 0, false));
	}
	for (round = 0; round < 10; round++)
		for (i = 0; i < ROWS(next); i++) {
			uint64_t n = round < 3 ? UINT64_C(8) << round : STREAM_MOST;

			UNIT_CHECK(is(read_ahead_fault(ra, next[i]), next[i] + 1, n, true),
				   "round %u of stream %zu", round, i);
			next[i] += n + 1;
		}
}

/* One that nothing was heard of for long is over */
static void test_stream_ends(void)
{
	unsigned int others;

	for (others = 511; others <= 512; others++) {
		READ_AHEAD(ra, 1 << 20);
		uint64_t page = 1000;
		unsigned int i;

		read_ahead_fault(ra, 10);
		read_ahead_fault(ra, 11);
		for (i = 0; i < others - 1; i++)
			read_ahead_fault(ra, page += 100);
		CU_ASSERT_EQUAL(read_ahead_fault(ra, 20).stream, others == 511);
	}
}

/* Faults far from one another until one brings its neighbours.  Return: how many */
static unsigned int until_probe(struct read_ahead *ra, uint64_t *page)
{
	struct read_ahead_range got = { .n = 0 };
	unsigned int faults = 0;

	while (!got.n && faults < 10000) {
		*page = (*page + 70001) % (1 << 20);
		got = read_ahead_fault(ra, *page);
		faults++;
	}
	CU_ASSERT(is(got, *page / 16 * 16, 16, false));
	return faults;
}

static void test_neighbours(void)
{
	READ_AHEAD(ra, 1 << 20);
	uint64_t page = 0;
	unsigned int i;

	CU_ASSERT_EQUAL(until_probe(ra, &page), 128);
	CU_ASSERT_EQUAL(until_probe(ra, &page), 128);
	read_ahead_result(ra, 60, 55); /* 70 % of 120 */
	CU_ASSERT_EQUAL(until_probe(ra, &page), 128);
	read_ahead_result(ra, 30, 24); /* 72 % of 150 */
	for (i = 0; i < 5; i++)
		CU_ASSERT_EQUAL(until_probe(ra, &page), 1);
	read_ahead_result(ra, 50, 15); /* 62 % of 200: still on */
	CU_ASSERT_EQUAL(until_probe(ra, &page), 1);
	read_ahead_result(ra, 20, 2); /* 57 % of 220 */
	CU_ASSERT_EQUAL(until_probe(ra, &page), 128);
	for (i = 0; i < 20; i++)
		read_ahead_result(ra, 15, 0);
	CU_ASSERT_EQUAL(until_probe(ra, &page), 512);
	for (i = 0; i < 100; i++)
		read_ahead_result(ra, 15, 15);
	CU_ASSERT_EQUAL(until_probe(ra, &page), 1);
	/* A stream is found among neighbourhoods: it begins where one of them ends */
	page -= page % 16;
	CU_ASSERT(is(read_ahead_fault(ra, page + 16), page + 17, 8, true));
	CU_ASSERT(is(read_ahead_fault(ra, page + 25), page + 26, 16, true));
	read_ahead_result(ra, 5, 50);
}

/* Where accesses are uniform 63 of 100 neighbours are used, and what chance adds changes nothing */
static void test_chance(void)
{
	READ_AHEAD(ra, 1 << 20);
	uint64_t random = 1, page = 0;
	unsigned int i, k, used;

	/* Those of the beginning come at once */
	read_ahead_result(ra, 1000, 630);
	for (i = 0; i < 20000; i++) {
		for (k = used = 0; k < 15; k++) {
			random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
			used += (random >> 33) % 100 < 63;
		}
		read_ahead_result(ra, 15, used);
		if (i % 100 == 0 && until_probe(ra, &page) == 1)
			break;
	}
	UNIT_CHECK(i == 20000, "on by chance at result %u", i);
}

/* They begin switched on, so that it is known soon; a few results say nothing */
static void test_beginning(void)
{
	UNIT_FIXTURE(struct read_ahead *, ra, close_read_ahead, ra = read_ahead_new(1 << 20, 1));
	uint64_t page = 0;

	CU_ASSERT_EQUAL(until_probe(ra, &page), 1);
	read_ahead_result(ra, 29, 0);
	CU_ASSERT_EQUAL(until_probe(ra, &page), 1);
	read_ahead_result(ra, 1, 0);
	CU_ASSERT_EQUAL(until_probe(ra, &page), 512);
}

/* In a large guest results take long, and it does not load for nothing meanwhile */
static void test_trial(void)
{
	UNIT_FIXTURE(struct read_ahead *, ra, close_read_ahead,
		     ra = read_ahead_new(1 << 20, 1 << 19));
	uint64_t page = 0;
	unsigned int i;

	for (i = 0; i < 4096; i++)
		CU_ASSERT_EQUAL(until_probe(ra, &page), 1);
	CU_ASSERT_EQUAL(until_probe(ra, &page), 512);
	read_ahead_result(ra, 60, 60);
	CU_ASSERT_EQUAL(until_probe(ra, &page), 1);
}

/* So many percent of many were used.  Return: neighbourhoods are on */
static bool on_after(struct read_ahead *ra, unsigned int percent)
{
	uint64_t page = 7;

	read_ahead_result(ra, 1000000, UINT64_C(10000) * (percent < 100 ? percent : 100));
	return until_probe(ra, &page) == 1;
}

/* How many are used by chance depends on how much is resident */
static void test_thresholds(void)
{
	static const struct {
		unsigned int resident, on; /* percent */
	} rows[] = {
		{ 10, 50 }, { 25, 50 }, { 50, 71 }, { 60, 82 }, { 75, 95 }, { 90, 99 }, { 100, 99 },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		READ_AHEAD(ra, 1 << 20);
		unsigned int on = rows[i].on;

		read_ahead_set_limit(ra, (UINT64_C(1) << 20) * rows[i].resident / 100);
		UNIT_CHECK(!on_after(ra, on - 14), "%u %% resident", rows[i].resident);
		UNIT_CHECK(!on_after(ra, on - 1), "%u %% resident", rows[i].resident);
		UNIT_CHECK(on_after(ra, on + 2), "%u %% resident", rows[i].resident);
		UNIT_CHECK(on_after(ra, on - 10), "%u %% resident", rows[i].resident);
		UNIT_CHECK(!on_after(ra, on - 14), "%u %% resident", rows[i].resident);
	}
}

/* Where no results come, probes become rare, and don't end */
static void test_unjudged(void)
{
	READ_AHEAD(ra, 1 << 20);
	uint64_t page = 0;
	unsigned int i, expected, loaded = 0;

	for (i = 0; i < 40; i++) {
		expected = 128U << (loaded / 64 < 2 ? loaded / 64 : 2);
		UNIT_CHECK(until_probe(ra, &page) == expected, "probe %u", i);
		loaded += 15;
	}
	read_ahead_result(ra, 1000, 620);
	CU_ASSERT_EQUAL(until_probe(ra, &page), 128);
}

static void test_end(void)
{
	READ_AHEAD(ra, 20);
	unsigned int i;

	read_ahead_result(ra, 100, 100);
	for (i = 0; i < 3; i++)
		CU_ASSERT(is(read_ahead_fault(ra, 18), 16, 4, false));
}

static CU_TestInfo tests[] = {
	{ "a stream's windows", test_stream },
	{ "eight streams at once", test_interleaved },
	{ "a stream is over", test_stream_ends },
	{ "neighbourhoods switch on and off", test_neighbours },
	{ "neighbourhoods and chance", test_chance },
	{ "neighbourhoods at the beginning", test_beginning },
	{ "the trial at the beginning ends", test_trial },
	{ "thresholds by how much is resident", test_thresholds },
	{ "probes without a result", test_unjudged },
	{ "the guest's last pages", test_end },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_read_ahead", tests);
}
