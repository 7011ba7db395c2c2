// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Which ways to 1 GiB pages there are, for every kind of host.
 */
#include "policy/gigantic_rules.h"

#include <stdio.h>
#include <string.h>

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

static CU_TestInfo tests[] = {
	{ "which ways there are", test_ways },
	{ "a processor without such pages", test_no_such_pages },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_gigantic_rules", tests);
}
