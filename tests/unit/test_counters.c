// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Counters: what becomes of starts, and of their file.
 */
#include "lifecycle/counters.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "unit/fake_host.h"

#define FILE_NAME STATE "counters"

static void test_starts(void)
{
	static const struct {
		int rc;
		const char *reason;
	} rows[] = {
		{ -ENOSPC, "no_room" },	     { -ETIMEDOUT, "timeout" },	 { -EAGAIN, "timeout" },
		{ -EINVAL, "invalid" },	     { -ENODEV, "unavailable" }, { -ENOENT, "unavailable" },
		{ -ECANCELED, "cancelled" }, { -EIO, "other" },
	};
	size_t i;
	int j;

	for (i = 0; i < ROWS(rows); i++) {
		struct counters counters = { 0 };

		counters_note_start(&counters, rows[i].rc, 7);
		for (j = 0; j < REFUSED_REASONS; j++)
			UNIT_CHECK(counters.refused[j] == !strcmp(counters_reason((enum refused)j),
								  rows[i].reason),
				   "row %zu, %s", i, counters_reason((enum refused)j));
		CU_ASSERT_EQUAL(counters.started, 0);
		counters_note_start(&counters, 0, 5);
		CU_ASSERT_EQUAL(counters.started, 1);
		CU_ASSERT_EQUAL(counters.prepares, 2);
		CU_ASSERT_EQUAL(counters.prepare_ms, 12);
	}
}

/* A guest of 100 pages starts on a host with 7 that are free, and one that is too large doesn't */
static void test_hook(void)
{
	FAKE_HOST(h, "two-nodes-6.1", NULL);
	struct counters counters;

	fake_set_pool(&h.fk, 0, PAGE_2M, (struct fake_pool){ 7, 7, 0 });
	OK(&h, hook_prepare, "a", XML(1, "a", UUID_A, 200, PAGES(2, "M") ON_NODE(0)));
	CU_ASSERT_EQUAL(
		run(&h, hook_prepare, "b", XML(2, "b", UUID_B, 900000, PAGES(2, "M") ON_NODE(0))),
		-ENOSPC);
	OK(&h, hook_prepare, "c", DOMAIN("id='3'", "c", UUID_C, 200, ""));
	counters_read(&h.fk.kfs, &counters);
	CU_ASSERT_EQUAL(counters.started, 1);
	CU_ASSERT_EQUAL(counters.refused[REFUSED_ROOM], 1);
	CU_ASSERT_EQUAL(counters.prepares, 2);
	CU_ASSERT_EQUAL(counters.steps.grown[0].page_kib, PAGE_2M);
	CU_ASSERT_EQUAL(counters.steps.grown[0].pages, 93);
	CU_ASSERT_EQUAL(counters.steps.grown[1].page_kib, 0);
	CU_ASSERT_EQUAL(counters.steps.compactions, 0);
}

/* Making room is counted too, and what came of it */
static void test_compaction(void)
{
	FAKE_HOST(h, "two-nodes-6.1", NULL);
	struct counters counters;

	fake_set_pool(&h.fk, 0, PAGE_2M, (struct fake_pool){ 0, 0, 0 });
	fake_set_obtainable(&h.fk, 0, 60);
	CU_ASSERT_EQUAL(
		run(&h, hook_prepare, "a", XML(1, "a", UUID_A, 200, PAGES(2, "M") ON_NODE(0))),
		-ENOSPC);
	counters_read(&h.fk.kfs, &counters);
	CU_ASSERT_EQUAL(counters.steps.grown[0].pages, 60);
	CU_ASSERT(counters.steps.compactions > 0);
}

static void test_sizes(void)
{
	struct step_tally tally = { 0 };
	uint64_t i;

	step_tally_grown(NULL, PAGE_2M, 1);
	step_tally_grown(&tally, 0, 1);
	CU_ASSERT_EQUAL(tally.grown[0].pages, 0);
	for (i = 1; i <= 2 * STEP_TALLY_SIZES; i++)
		step_tally_grown(&tally, i, 1);
	step_tally_grown(&tally, 2, 4);
	CU_ASSERT_EQUAL(tally.grown[1].pages, 5);
	CU_ASSERT_EQUAL(tally.grown[STEP_TALLY_SIZES - 1].pages, 1);
}

static void test_file(void)
{
	FAKE_HOST(h, "two-nodes-6.1", NULL);
	struct counters more = { .started = 2, .steps = { .grown = { { 64, 3 }, { 2048, 4 } } } };
	struct counters counters;

	/* No file without counts, nor where the caller forbids to make one */
	counters_add(&h.fk.kfs, &(struct counters){ 0 }, true);
	counters_add(&h.fk.kfs, &more, false);
	CU_ASSERT_FALSE(fake_exists(&h.fk, "run/libvirt-membacking"));
	counters_add(&h.fk.kfs, &(struct counters){ .prepares = 1 }, true);
	more.prepares = 1;
	counters_add(&h.fk.kfs, &more, false);
	counters_add(&h.fk.kfs, &more, false);
	counters_read(&h.fk.kfs, &counters);
	CU_ASSERT_EQUAL(counters.prepares, 3);
	CU_ASSERT_EQUAL(counters.started, 4);
	CU_ASSERT_EQUAL(counters.steps.grown[0].pages, 6);
	CU_ASSERT_EQUAL(counters.steps.grown[1].pages, 8);
}

/* Whatever is in the file: a start counts, and is not kept from starting */
static void test_damaged(void)
{
	static const char *const texts[] = { "",
					     "{",
					     "[]",
					     "{\"version\": 7}",
					     "{\"version\": 1, \"started\": \"x\"}",
					     "{\"version\": 1, \"grown\": [{}]}",
					     "{\"version\": 1, \"grown\": 3}" };
	struct counters counters;
	size_t i;

	for (i = 0; i < ROWS(texts); i++) {
		FAKE_HOST(h, "two-nodes-6.1", NULL);

		fake_put(&h.fk, FILE_NAME, texts[i]);
		counters_add(&h.fk.kfs, &(struct counters){ .prepares = 1, .started = 1 }, true);
		counters_read(&h.fk.kfs, &counters);
		UNIT_CHECK(counters.started == 1 && counters.prepares == 1, "%s", texts[i]);
	}
}

static CU_TestInfo tests[] = {
	{ "what becomes of a start", test_starts },
	{ "the hook counts", test_hook },
	{ "compactions", test_compaction },
	{ "pages by size", test_sizes },
	{ "the file", test_file },
	{ "a damaged file", test_damaged },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_counters", tests);
}
