// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What the flags of all pages say of hosts on which they were captured: how many huge pages can be
 * made at most.
 *
 * "fresh" has just booted, "mixed" and "cache" are in these states of tests/bench/fragment.c.
 */
#include "memory/page_ranges.h"
#include "policy/gigantic_rules.h"
#include "policy/room_rules.h"
#include "steps/make_room.h"
#include "unit/fake_kernel.h"
#include "unit/unit.h"

static void unpack(const struct fake_kernel *fk, const char *host)
{
	char command[512];

	snprintf(command, sizeof(command),
		 "gzip -dc %s/hosts/%s/proc/kpageflags.gz >%s/proc/kpageflags", TESTS_DIR, host,
		 fk->root);
	CU_ASSERT_EQUAL_FATAL(system(command), 0);
}

static void look(const struct fake_kernel *fk, uint64_t page_kib, bool gigantic,
		 struct page_ranges *ranges)
{
	struct page_ranges_look what = { .size_kib = page_kib, .movable = true, .whole = gigantic };
	struct err err = { 0 };

	nodeset_add(&what.nodes, 0);
	UNIT_CHECK(page_ranges_read(&fk->kfs, &what, ranges, &err) == 0, "%s", err.text);
}

/* @good: Blocks in which nothing stays; @swap: pages, if programs' memory could leave */
static const struct {
	const char *host;
	uint64_t pages, swap, good;
	unsigned int beside;
	uint64_t sure, hope;
} hosts[] = {
	{ "fresh", 2948, 2948, 2946, 0, 2, 0 },
	{ "mixed", 708, 750, 606, 19, 0, 0 },
	{ "cache", 751, 751, 745, 1, 0, 0 },
};

static void test_huge(void)
{
	size_t i, k;

	for (i = 0; i < ROWS(hosts); i++) {
		struct room_estimate held, leaves;
		struct page_ranges ranges;
		struct numa_node node;
		uint64_t good = 0;
		struct numa numa;
		FAKE_KERNEL(fk, hosts[i].host);

		unpack(&fk, hosts[i].host);
		CU_ASSERT_EQUAL_FATAL(numa_read(&fk.kfs, &numa, NULL), 0);
		CU_ASSERT_EQUAL(numa_read_node(&fk.kfs, &numa, 0, &node, NULL), 0);
		look(&fk, PAGE_2M, false, &ranges);
		for (k = 0; k < ranges.n; k++)
			good += page_range_is_good(&ranges, &ranges.ranges[k]);
		held = room_rules_estimate(&ranges, &node, false);
		leaves = room_rules_estimate(&ranges, &node, true);
		UNIT_CHECK(held.pages == hosts[i].pages && leaves.pages == hosts[i].swap &&
				   good == hosts[i].good && held.beside == hosts[i].beside,
			   "%s: %" PRIu64 ", %" PRIu64 ", %" PRIu64 ", %u", hosts[i].host,
			   held.pages, leaves.pages, good, held.beside);
		page_ranges_free(&ranges);
		numa_free(&numa);
	}
}

static void test_gigantic(void)
{
	size_t i;

	for (i = 0; i < ROWS(hosts); i++) {
		struct gigantic_need need;
		struct page_ranges ranges;
		struct numa_node node;
		struct numa numa;
		FAKE_KERNEL(fk, hosts[i].host);

		unpack(&fk, hosts[i].host);
		CU_ASSERT_EQUAL_FATAL(numa_read(&fk.kfs, &numa, NULL), 0);
		CU_ASSERT_EQUAL(numa_read_node(&fk.kfs, &numa, 0, &node, NULL), 0);
		look(&fk, PAGE_1G, true, &ranges);
		need = gigantic_rules_need(&ranges, &node, 0, 1);
		UNIT_CHECK(need.sure == hosts[i].sure && need.hope == hosts[i].hope,
			   "%s: %" PRIu64 ", %" PRIu64, hosts[i].host, need.sure, need.hope);
		page_ranges_free(&ranges);
		numa_free(&numa);
	}
}

/* What a start, plan and advise ask for says the same */
static void test_most(void)
{
	size_t i, k;

	for (i = 0; i < ROWS(hosts); i++) {
		static const uint64_t sizes[] = { PAGE_2M, PAGE_1G };
		struct nodeset nodes = { 0 };
		struct numa numa;
		FAKE_KERNEL(fk, hosts[i].host);

		unpack(&fk, hosts[i].host);
		nodeset_add(&nodes, 0);
		CU_ASSERT_EQUAL_FATAL(numa_read(&fk.kfs, &numa, NULL), 0);
		for (k = 0; k < ROWS(sizes); k++) {
			uint64_t want = k ? hosts[i].sure + hosts[i].hope : hosts[i].pages, most;
			struct page_ranges ranges;

			if (!UNIT_CHECK(
				    make_room_look(&fk.kfs, &numa, sizes[k], &nodes, 0, &ranges),
				    "%s", hosts[i].host))
				continue;
			most = make_room_most(&fk.kfs, &numa, sizes[k], 0, &ranges, NULL);
			UNIT_CHECK(most == want, "%s, size %zu: %" PRIu64, hosts[i].host, k, most);
			page_ranges_free(&ranges);
		}
		numa_free(&numa);
	}
}

static CU_TestInfo tests[] = {
	{ "pages of 2 MiB", test_huge },
	{ "pages of 1 GiB", test_gigantic },
	{ "at most", test_most },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_captured_flags", tests);
}
