// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What is idle, may be lent and may go, computed from the numbers of a pool.
 */
#include "policy/host_view.h"

#include "unit/unit.h"

static void test_find(void)
{
	struct pool_view small[2] = { { .pool = { .node = 0 } }, { .pool = { .node = 3 } } };
	struct pool_view large[1] = { { .pool = { .node = 3 } } };
	struct size_view sizes[2] = {
		{ .page_kib = 2048, .n_pools = 2, .pools = small },
		{ .page_kib = 1048576, .n_pools = 1, .pools = large },
	};
	const struct host_view host = { .n_sizes = 2, .sizes = sizes };
	const struct host_view nothing = { .n_sizes = 0 };

	CU_ASSERT_PTR_EQUAL(host_view_size(&host, 2048), &sizes[0]);
	CU_ASSERT_PTR_EQUAL(host_view_size(&host, 1048576), &sizes[1]);
	CU_ASSERT_PTR_NULL(host_view_size(&host, 64));
	CU_ASSERT_PTR_EQUAL(host_view_pool(&host, 2048, 3), &small[1]);
	CU_ASSERT_PTR_EQUAL(host_view_pool(&host, 1048576, 3), &large[0]);
	CU_ASSERT_PTR_NULL(host_view_pool(&host, 1048576, 0));
	CU_ASSERT_PTR_NULL(host_view_pool(&host, 64, 0));
	CU_ASSERT_PTR_NULL(host_view_pool(&nothing, 2048, 0));
}

static void test_idle(void)
{
	static const struct {
		uint64_t free, claimed, reserved, covered, want;
	} rows[] = {
		{ 0, 0, 0, 0, 0 },
		{ 10, 0, 0, 0, 10 },
		{ 10, 4, 0, 0, 6 },
		{ 10, 0, 3, 0, 7 },
		{ 10, 4, 3, 0, 3 },
		/* the reservations are those of the claim */
		{ 10, 4, 3, 3, 6 },
		/* some are */
		{ 10, 4, 5, 3, 4 },
		/* a QEMU that reserved since: never more than there were */
		{ 10, 4, 2, 3, 6 },
		{ 10, 11, 0, 0, 0 },
		{ 10, 0, 11, 0, 0 },
		{ 10, UINT64_MAX, UINT64_MAX, 0, 0 },
		{ UINT64_MAX, 0, 0, UINT64_MAX, UINT64_MAX },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		struct size_view size = { .reserved = rows[i].reserved,
					  .covered = rows[i].covered };
		struct pool_view pool = { .pool = { .total = rows[i].free, .free = rows[i].free },
					  .claimed = rows[i].claimed };
		uint64_t got = host_view_idle(&size, &pool);

		UNIT_CHECK(got == rows[i].want, "row %zu: %llu", i, (unsigned long long)got);
	}
}

static void test_missing(void)
{
	static const struct {
		uint64_t total, surplus, own, foreign, want;
	} rows[] = {
		{ 0, 0, 0, 0, 0 },
		{ 180, 0, 80, 100, 0 },
		{ 179, 0, 80, 100, 1 },
		{ 100, 0, 80, 100, 80 },
		{ 40, 0, 80, 100, 140 }, /* more than is ours: theirs are short as well */
		{ 250, 0, 80, 100, 0 },
		{ 185, 5, 80, 100, 0 }, /* surplus pages are nobody's */
		{ 180, 5, 80, 100, 5 },
		{ 80, 0, 80, 0, 0 },
		{ 0, 0, UINT64_MAX, UINT64_MAX, UINT64_MAX },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		struct pool_view pool = { .pool = { .total = rows[i].total,
						    .surplus = rows[i].surplus },
					  .own = rows[i].own,
					  .foreign = rows[i].foreign };
		uint64_t got = host_view_missing(&pool);

		UNIT_CHECK(got == rows[i].want, "row %zu: %llu", i, (unsigned long long)got);
	}
}

/* What a guest may be lent, and what may go: 100 pages, 60 of them free, none reserved */
static void test_rights(void)
{
	static const struct {
		uint64_t own, debt, claimed, lives_on, foreign, late, lendable, may_go;
	} rows[] = {
		{ 0, 0, 0, 0, 100, 0, 60, 0 },	/* all is the administrator's */
		{ 50, 0, 0, 50, 50, 0, 60, 0 }, /* a guest lives on what was added */
		{ 50, 0, 20, 50, 50, 0, 40, 0 },
		{ 50, 50, 0, 0, 50, 0, 10, 50 },  /* it is gone: no guest is lent its pages */
		{ 50, 50, 0, 0, 50, 40, 50, 10 }, /* but not what a back end keeps */
		{ 50, 50, 0, 0, 70, 0, 30, 30 },  /* 20 of ours are missing */
		{ 50, 20, 0, 30, 50, 0, 40, 20 },
		{ 90, 90, 10, 0, 10, 0, 0, 50 }, /* idle ones only */
		{ UINT64_MAX, UINT64_MAX, 0, UINT64_MAX, UINT64_MAX, UINT64_MAX, 60, 0 },
	};
	struct size_view size = { .page_kib = 2048 };
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		const struct pool_view pool = { .pool = { .total = 100, .free = 60 },
						.own = rows[i].own,
						.debt = rows[i].debt,
						.claimed = rows[i].claimed,
						.lives_on = rows[i].lives_on,
						.foreign = rows[i].foreign,
						.late = rows[i].late };
		uint64_t lendable = host_view_lendable(&size, &pool);
		uint64_t may_go = host_view_may_go(&size, &pool);

		UNIT_CHECK(lendable == rows[i].lendable, "row %zu: lendable %llu", i,
			   (unsigned long long)lendable);
		UNIT_CHECK(may_go == rows[i].may_go, "row %zu: may go %llu", i,
			   (unsigned long long)may_go);
	}
}

static CU_TestInfo tests[] = {
	{ "sizes and pools are found", test_find },
	{ "idle pages", test_idle },
	{ "missing pages", test_missing },
	{ "lendable, and what may go", test_rights },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_host_view", tests);
}
