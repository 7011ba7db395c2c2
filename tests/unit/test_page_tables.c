// SPDX-License-Identifier: LGPL-2.1-or-later
/* How much memory page tables take, by architecture, base page and page size. */
#include "policy/page_tables.h"

#include <stdio.h>

#include "base/text.h"
#include "unit/unit.h"

#define GIB KIB_PER_GIB
#define MIB KIB_PER_MIB

static const struct {
	struct page_tables tables;
	uint64_t size_kib, page_kib, kib;
} rows[] = {
	/* 512 tables of 2 MiB, one of a GiB, one of 512 GiB */
	{ { "x86_64", 4, false }, GIB, 4, 2048 + 4 + 4 },
	{ { "x86_64", 4, false }, GIB, 2 * MIB, 4 + 4 },
	{ { "x86_64", 4, false }, GIB, GIB, 4 },
	{ { "x86_64", 4, false }, GIB + 1, 4, 2052 + 8 + 4 },
	{ { "x86_64", 4, false }, 0, 4, 0 },
	{ { "", 4, false }, GIB, 4, 2056 },
	/* 8192 entries of 64 KiB; pages of 2 MiB are 32 entries of that table */
	{ { "aarch64", 64, false }, GIB, 64, 128 + 64 },
	{ { "aarch64", 64, false }, GIB, 2 * MIB, 128 + 64 },
	{ { "aarch64", 64, false }, GIB, 512 * MIB, 64 },
	{ { "aarch64", 16, false }, GIB, 16, 512 + 16 + 16 },
	/* As much again for storage keys; segments of 1 MiB, 2048 of them in a table */
	{ { "s390x", 4, false }, GIB, 4, 4096 + 16 },
	{ { "s390x", 4, false }, 4 * GIB, MIB, 32 },
	{ { "s390x", 4, false }, 4 * GIB, 2 * GIB, 0 },
	{ { "ppc64le", 64, true }, GIB, 64, 256 + 8 + 8 },
	{ { "ppc64le", 64, true }, 32 * GIB, 16 * MIB, 16 + 8 },
	{ { "ppc64le", 64, true }, 32 * GIB, 16 * GIB, 8 },
	{ { "ppc64", 64, false }, GIB, 64, 128 + 4 + 4 },
	{ { "ppc64le", 64, false }, GIB, 2 * MIB, 4 + 4 },
	{ { "ppc64le", 64, false }, GIB, GIB, 4 },
	/* Small base pages: tables like others' */
	{ { "ppc64le", 4, true }, GIB, 4, 2056 },
};

static void test_rows(void)
{
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		uint64_t kib = page_tables_kib(&rows[i].tables, rows[i].size_kib, rows[i].page_kib);

		UNIT_CHECK(kib == rows[i].kib, "%zu: %s in pages of %llu: %llu", i,
			   rows[i].tables.arch, (unsigned long long)rows[i].page_kib,
			   (unsigned long long)kib);
	}
}

static void test_bounds(void)
{
	const struct page_tables none = { "x86_64", 0, false }, all = { "x86_64", 4, false };

	CU_ASSERT_EQUAL(page_tables_kib(&none, GIB, 4), 0);
	CU_ASSERT_EQUAL(page_tables_kib(&all, UINT64_MAX, 4), UINT64_MAX / 1024 + 1);
}

static CU_TestInfo tests[] = {
	{ "by architecture", test_rows },
	{ "nothing, and more than there can be", test_bounds },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_page_tables", tests);
}
