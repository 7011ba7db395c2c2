// SPDX-License-Identifier: LGPL-2.1-or-later
/* Which pages stay, and which go in which order. */
#include "pager/hot.h"

#include <stdlib.h>
#include <string.h>

#include "unit/unit.h"

static void close_hot(struct hot **hot)
{
	hot_free(*hot);
}

#define HOT(name, pages, limit)                                                                    \
	UNIT_FIXTURE(struct hot *, name, close_hot,                                                \
		     name = hot_new(pages, limit, (struct hot_options){ 0 }))

static void fault_range(struct hot *hot, uint64_t first, uint64_t n)
{
	while (n--)
		hot_faulted(hot, first++);
}

static uint64_t one_victim(struct hot *hot)
{
	uint64_t page = UINT64_MAX;

	CU_ASSERT_EQUAL(hot_victims(hot, &page, 1), 1);
	return page;
}

/* The first to come are the first to go, and a batch is in the order of the addresses */
static void test_order(void)
{
	static const uint64_t arrivals[] = { 7, 3, 9, 1, 8, 2 };
	HOT(hot, 10, 6);
	uint64_t victims[HOT_VICTIMS_MAX];
	size_t i;

	CU_ASSERT_PTR_NOT_NULL_FATAL(hot);
	for (i = 0; i < ROWS(arrivals); i++)
		hot_faulted(hot, arrivals[i]);
	hot_faulted(hot, 7); /* it is there */
	CU_ASSERT_EQUAL(hot_resident(hot), 6);
	CU_ASSERT_EQUAL(hot_victims(hot, victims, 4), 4);
	CU_ASSERT(victims[0] == 1 && victims[1] == 3 && victims[2] == 7 && victims[3] == 9);
	CU_ASSERT_EQUAL(hot_resident(hot), 2);
	CU_ASSERT_EQUAL(hot_victims(hot, victims, 64), 2);
	CU_ASSERT(victims[0] == 2 && victims[1] == 8);
	CU_ASSERT_EQUAL(hot_victims(hot, victims, 64), 0);
	CU_ASSERT_EQUAL(hot_resident(hot), 0);
}

/* How many other pages go before this one does, each followed by a new page */
static unsigned int rounds_of(struct hot *hot, uint64_t page, uint64_t limit, uint64_t *fresh)
{
	unsigned int gone = 0;

	while (one_victim(hot) != page && gone < 100 * limit) {
		hot_faulted(hot, (*fresh)++);
		gone++;
	}
	hot_faulted(hot, (*fresh)++);
	return gone / (unsigned int)limit;
}

/* Each time that a page comes back soon it stays longer, up to 15 rounds; once late, it is new */
static void test_lives(void)
{
	static const unsigned int rounds[] = { 0, 1, 3, 7, 15, 15 };
	enum { LIMIT = 100 };
	/* 40 evictions are soon: three limits count as out */
	UNIT_FIXTURE(struct hot *, hot, close_hot,
		     hot = hot_new(100000, LIMIT, (struct hot_options){ 0.4 / 3 }));
	uint64_t fresh = 1;
	size_t i;

	CU_ASSERT_PTR_NOT_NULL_FATAL(hot);
	hot_faulted(hot, 0);
	fault_range(hot, fresh, LIMIT - 1);
	fresh += LIMIT - 1;
	for (i = 0; i < ROWS(rounds); i++) {
		unsigned int stayed = rounds_of(hot, 0, LIMIT, &fresh), j;

		UNIT_CHECK(stayed == rounds[i] || stayed + 1 == rounds[i], "%zu: %u", i, stayed);
		/* 38 evictions later */
		for (j = 0; j < 37; j++) {
			one_victim(hot);
			hot_faulted(hot, fresh++);
		}
		one_victim(hot);
		hot_faulted(hot, 0);
	}
	rounds_of(hot, 0, LIMIT, &fresh);
	for (i = 0; i < 45; i++) {
		one_victim(hot);
		hot_faulted(hot, fresh++);
	}
	one_victim(hot);
	hot_faulted(hot, 0);
	CU_ASSERT_EQUAL(rounds_of(hot, 0, LIMIT, &fresh), 0);
}

static void test_limit(void)
{
	static const struct {
		uint64_t pages, limit, near;
	} rows[] = {
		{ 1000, 10, 15 },
		{ 1000, 400, 300 },
		{ 1000, 800, 400 },
		{ 1000, 2000, 1000 },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		HOT(hot, 1000, 1);
		uint64_t n;

		hot_set_limit(hot, rows[i].limit);
		hot_faulted(hot, 0);
		hot_faulted(hot, 1);
		CU_ASSERT_EQUAL(one_victim(hot), 0);
		CU_ASSERT_EQUAL(one_victim(hot), 1);
		/* Page 1 went near, page 0 one eviction too long ago */
		for (n = 0; n < rows[i].near; n++) {
			hot_faulted(hot, 2 + n % 900);
			one_victim(hot);
		}
		hot_faulted(hot, 0);
		hot_faulted(hot, 1);
		UNIT_CHECK(one_victim(hot) == 0, "row %zu", i);
		hot_faulted(hot, 999);
		UNIT_CHECK(one_victim(hot) == 999, "row %zu", i);
	}
}

static void test_discards(void)
{
	HOT(hot, 100, 100);

	fault_range(hot, 0, 4);
	hot_discarded(hot, 1);
	hot_discarded(hot, 1);
	hot_discarded(hot, 50);
	CU_ASSERT_EQUAL(hot_resident(hot), 3);
	hot_evicted(hot, 2);
	CU_ASSERT_EQUAL(hot_resident(hot), 2);
	hot_faulted(hot, 1); /* again, in its old place */
	CU_ASSERT_EQUAL(hot_resident(hot), 3);
	CU_ASSERT_EQUAL(one_victim(hot), 0);
	CU_ASSERT_EQUAL(one_victim(hot), 1);
	hot_discarded(hot, 1); /* out, and then gone: nothing of its past counts */
	hot_faulted(hot, 1);
	CU_ASSERT_EQUAL(one_victim(hot), 3);
	hot_faulted(hot, 2);
	CU_ASSERT_EQUAL(one_victim(hot), 1);
	CU_ASSERT_EQUAL(one_victim(hot), 2);
	CU_ASSERT_EQUAL(hot_resident(hot), 0);
}

static void test_kept(void)
{
	HOT(hot, 100, 100);

	hot_kept(hot, 5); /* found in RAM at the beginning */
	hot_kept(hot, 6);
	CU_ASSERT_EQUAL(one_victim(hot), 5);
	hot_kept(hot, 5); /* could not be evicted */
	hot_kept(hot, 5);
	CU_ASSERT_EQUAL(hot_resident(hot), 2);
	CU_ASSERT_EQUAL(one_victim(hot), 6);
	CU_ASSERT_EQUAL(one_victim(hot), 5);
	hot_kept(hot, 100);
	hot_faulted(hot, 100);
	hot_prefetched(hot, UINT64_MAX);
	hot_discarded(hot, 100);
	hot_evicted(hot, 100);
	hot_prefetch_used(hot, 100, false);
	CU_ASSERT_EQUAL(hot_resident(hot), 0);
}

/* A page that was brought in for nothing has not come back soon when its fault comes */
static void test_prefetched(void)
{
	bool used;

	for (used = false;; used = true) {
		HOT(hot, 100, 20);

		hot_prefetched(hot, 1);
		CU_ASSERT_EQUAL(one_victim(hot), 1);
		hot_prefetch_used(hot, 1, used);
		hot_faulted(hot, 1);
		hot_faulted(hot, 2);
		CU_ASSERT_EQUAL(one_victim(hot), used ? 2 : 1);
		if (used)
			break;
	}
}

/* Pages that all have lives: a victim is found at once all the same */
static void test_bounded(void)
{
	enum { PAGES = 20000 };
	HOT(hot, PAGES, PAGES * 3);
	uint64_t victims[HOT_VICTIMS_MAX];
	unsigned int round;
	size_t i;

	for (round = 0; round < 6; round++) {
		fault_range(hot, 0, PAGES);
		for (i = 0; round < 5 && i < PAGES; i++)
			one_victim(hot);
	}
	/* 64 x 256 pages were passed by, fewer than there are: those that come next have all lives
	 */
	CU_ASSERT_EQUAL(hot_victims(hot, victims, 64), 64);
	CU_ASSERT_EQUAL(victims[0], 256);
	CU_ASSERT_EQUAL(victims[63], 64 * 257 - 1);
	CU_ASSERT(hot_bytes(hot) <= PAGES * 5 + 200);
}

/* Random events beside a plain set */
static void test_random(void)
{
	enum { PAGES = 300, EVENTS = 200000 };
	HOT(hot, PAGES, 100);
	bool there[PAGES] = { false };
	uint64_t n = 0, state = 1, victims[HOT_VICTIMS_MAX];
	size_t i, j, got;

	for (i = 0; i < EVENTS; i++) {
		uint64_t page;

		state = state * 6364136223846793005 + 1442695040888963407;
		page = (state >> 33) % PAGES;
		switch ((state >> 50) % 8) {
		case 0:
			hot_discarded(hot, page);
			n -= there[page];
			there[page] = false;
			break;
		case 1:
			hot_evicted(hot, page);
			n -= there[page];
			there[page] = false;
			break;
		case 2:
			got = hot_victims(hot, victims, (state >> 40) % 20);
			for (j = 0; j < got; j++) {
				UNIT_CHECK(there[victims[j]], "event %zu", i);
				UNIT_CHECK(!j || victims[j] > victims[j - 1], "event %zu", i);
				there[victims[j]] = false;
			}
			n -= got;
			break;
		case 3:
			hot_prefetch_used(hot, page, state & 1 << 20);
			break;
		default:
			if (state >> 52 & 1)
				hot_prefetched(hot, page);
			else if (state >> 53 & 1)
				hot_kept(hot, page);
			else
				hot_faulted(hot, page);
			n += !there[page];
			there[page] = true;
		}
		if (!UNIT_CHECK(hot_resident(hot) == n, "event %zu", i))
			return;
	}
	while (n) {
		CU_ASSERT_FATAL(hot_victims(hot, victims, 1) == 1 && there[victims[0]]);
		there[victims[0]] = false;
		n--;
	}
	CU_ASSERT_EQUAL(hot_victims(hot, victims, 1), 0);
}

static CU_TestInfo tests[] = {
	{ "the first to come go first", test_order },
	{ "lives are earned, and lost", test_lives },
	{ "soon is a share of what is out", test_limit },
	{ "discarded pages leave no trace", test_discards },
	{ "kept pages stay, strange ones don't count", test_kept },
	{ "prefetched for nothing", test_prefetched },
	{ "the search for a victim ends", test_bounded },
	{ "random events", test_random },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_hot", tests);
}
