// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Planned steps take over what earlier ones hold.
 */
#include "steps/take_over.h"

#include <stdlib.h>

#include "steps/steps.h"
#include "unit/unit.h"

/* A list of one step of 2 MiB pages with one share */
static struct step_list one(struct step_share share)
{
	struct step_list list = { .n = 1, .steps = calloc(1, sizeof(*list.steps)) };

	list.steps[0].kind = STEP_HUGEPAGES;
	list.steps[0].hugepages.page_kib = 2048;
	list.steps[0].hugepages.pages = share.have;
	list.steps[0].hugepages.n_shares = 1;
	list.steps[0].hugepages.shares = calloc(1, sizeof(struct step_share));
	list.steps[0].hugepages.shares[0] = share;
	return list;
}

/* @to takes over from @from, which gets both.  Return: how many steps are left behind @to */
static size_t take_over(struct step_list *from, struct step_list *to)
{
	size_t held = from->n, planned = to->n;

	CU_ASSERT_EQUAL_FATAL(steps_append(from, to), 0);
	CU_ASSERT_EQUAL(to->n, 0);
	CU_ASSERT_EQUAL(steps_take_over(from, held), planned);
	return from->n - planned;
}

static const struct step_share *share_of(const struct step_list *list, size_t i)
{
	return &list->steps[i].hugepages.shares[0];
}

/* Which of the reserved pages move, and which are left to be given back */
static void test_shares(void)
{
	static const struct {
		const char *what;
		struct step_share from;
		uint64_t reserved;
		struct step_share got, left;
		bool empty;
	} rows[] = {
		{ "all, grown",
		  { .have = 10, .own = 10, .foreign = 3 },
		  10,
		  { .have = 10, .own = 10, .foreign = 3 },
		  { 0 },
		  true },
		{ "all, idle ones", { .have = 10 }, 10, { .have = 10 }, { 0 }, true },
		{ "part: what was grown is left",
		  { .have = 10, .own = 6 },
		  7,
		  { .have = 7, .own = 3 },
		  { .have = 3, .own = 3 },
		  false },
		{ "part: nothing grown moves",
		  { .have = 10, .own = 3 },
		  5,
		  { .have = 5 },
		  { .have = 5, .own = 3 },
		  false },
		{ "with promoted surplus pages",
		  { .have = 10, .own = 14, .promoted = 4 },
		  10,
		  { .have = 10, .own = 14, .promoted = 4 },
		  { 0 },
		  true },
		{ "promoted ones go with the rest",
		  { .have = 10, .own = 14, .promoted = 4 },
		  6,
		  { .have = 6, .own = 10, .promoted = 4 },
		  { .have = 4, .own = 4 },
		  false },
		{ "none", { .have = 10, .own = 10 }, 0, { 0 }, { .have = 10, .own = 10 }, false },
		{ "on another node",
		  { .node = 1, .have = 10, .own = 10 },
		  10,
		  { 0 },
		  { .have = 10, .own = 10 },
		  false },
		{ "under way",
		  { .have = 10, .own = 10, .chunk = { .grow = 5 } },
		  10,
		  { 0 },
		  { .have = 10, .own = 10 },
		  false },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		struct step_list to = one((struct step_share){ .reserved = rows[i].reserved });
		struct step_list from = one(rows[i].from);
		const struct step_share *got, *left;
		size_t n = take_over(&from, &to);

		got = share_of(&from, 0);
		UNIT_CHECK(!got->reserved, "%s: reserved", rows[i].what);
		UNIT_CHECK(got->have == rows[i].got.have && got->own == rows[i].got.own &&
				   got->promoted == rows[i].got.promoted &&
				   got->foreign == rows[i].got.foreign,
			   "%s: got", rows[i].what);
		UNIT_CHECK((n == 0) == rows[i].empty, "%s: %zu left", rows[i].what, n);
		left = n ? share_of(&from, 1) : NULL;
		UNIT_CHECK(!left || (left->have == rows[i].left.have &&
				     left->own == rows[i].left.own && !left->promoted),
			   "%s: left", rows[i].what);
		step_list_free(&from);
	}
}

static void test_page_sizes(void)
{
	struct step_list to = one((struct step_share){ .reserved = 5 });
	struct step_list from = one((struct step_share){ .have = 5, .own = 5 });

	from.steps[0].hugepages.page_kib = 1048576;
	CU_ASSERT_EQUAL(take_over(&from, &to), 1);
	CU_ASSERT_EQUAL(share_of(&from, 0)->have, 0);
	step_list_free(&from);
}

/* Pages of one pool in two steps, as after a reserve for two devices */
static void test_several(void)
{
	struct step_list to = one((struct step_share){ .reserved = 12 });
	struct step_list from = one((struct step_share){ .have = 8, .own = 8 });
	struct step_list more = one((struct step_share){ .have = 8 });

	CU_ASSERT_EQUAL(steps_append(&from, &more), 0);
	CU_ASSERT_EQUAL(more.n, 0);
	CU_ASSERT_EQUAL(from.n, 2);
	CU_ASSERT_EQUAL_FATAL(take_over(&from, &to), 1);
	CU_ASSERT_EQUAL(share_of(&from, 0)->have, 12);
	CU_ASSERT_EQUAL(share_of(&from, 0)->own, 8);
	CU_ASSERT_EQUAL(share_of(&from, 1)->have, 4);
	step_list_free(&from);
}

/* A step of another kind stays as it is, behind the planned ones */
static void test_other_kinds(void)
{
	struct step_list to = one((struct step_share){ .reserved = 5 });
	struct step_list from = { .n = 1, .steps = calloc(1, sizeof(*from.steps)) };

	from.steps[0].kind = STEP_STORE;
	CU_ASSERT_EQUAL(take_over(&from, &to), 1);
	CU_ASSERT_EQUAL(from.steps[0].kind, STEP_HUGEPAGES);
	CU_ASSERT_EQUAL(from.steps[1].kind, STEP_STORE);
	step_list_free(&from);
}

/* What is planned comes first, in its order; what holds nothing goes */
static void test_order(void)
{
	struct step_list from = one((struct step_share){ .have = 5, .own = 5 });
	struct step_list rest = { .n = 1, .steps = calloc(1, sizeof(*rest.steps)) };
	struct step_list to = { .n = 1, .steps = calloc(1, sizeof(*to.steps)) };
	struct step_list more = one((struct step_share){ .reserved = 5 });

	rest.steps[0].kind = STEP_KSM;
	to.steps[0].kind = STEP_THP;
	CU_ASSERT_EQUAL_FATAL(steps_append(&from, &rest), 0);
	CU_ASSERT_EQUAL_FATAL(steps_append(&to, &more), 0);
	CU_ASSERT_EQUAL(take_over(&from, &to), 1);
	CU_ASSERT_EQUAL_FATAL(from.n, 3);
	CU_ASSERT_EQUAL(from.steps[0].kind, STEP_THP);
	CU_ASSERT_EQUAL(share_of(&from, 1)->have, 5);
	CU_ASSERT_EQUAL(from.steps[2].kind, STEP_KSM);
	step_list_free(&from);
}

static CU_TestInfo tests[] = {
	{ "shares", test_shares },	   { "page sizes", test_page_sizes },
	{ "several steps", test_several }, { "other kinds of steps", test_other_kinds },
	{ "order", test_order },	   CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_take_over", tests);
}
