// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What the kernel's command line and its CMA say of 1 GiB pages.
 */
#include "memory/gigantic.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "kernel/kfs.h"
#include "unit/unit.h"

#define NO_CMA "MemTotal: 1000 kB\n"
#define CMA    NO_CMA "CmaTotal:       4194304 kB\nCmaFree:        1048576 kB\n"

static const struct row {
	const char *meminfo;
	const char *cmdline;
	bool cma;
	const char *hugetlb_cma;
	const char *at_boot;
} rows[] = {
	{ NO_CMA, "", false, "", "" },
	{ NO_CMA, "quiet hugetlb_cma=4G", false, "4G", "" },
	{ CMA, "ro hugetlb_cma=0:2G,1:2G quiet\n", true, "0:2G,1:2G", "" },
	{ CMA, "hugepagesz=1G hugepages=8", true, "", "8" },
	{ CMA, "hugepages=512", true, "", "" },
	{ CMA, "default_hugepagesz=1G hugepages=4", true, "", "4" },
	{ CMA, "hugepagesz=1G hugepages=2 hugepagesz=2M hugepages=512", true, "", "2" },
	{ CMA, "hugepagesz=2M hugepages=512 hugepagesz=1GB hugepages=0:1,1:1", true, "",
	  "0:1,1:1" },
	{ CMA, "xhugetlb_cma=1G hugetlb_cma_only=1 hugetlb_cma", true, "", "" },
	/* What follows "--" is for the first process */
	{ CMA, "quiet -- hugetlb_cma=1G", true, "", "" },
};

static void test_rows(void)
{
	const char *dir = unit_tmpdir();
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		struct err err = { "" };
		struct gigantic g;
		struct kfs kfs;
		char root[256], name[64];

		snprintf(name, sizeof(name), "%zu/proc/meminfo", i);
		unit_write(dir, name, rows[i].meminfo);
		snprintf(name, sizeof(name), "%zu/proc/cmdline", i);
		unit_write(dir, name, rows[i].cmdline);
		snprintf(root, sizeof(root), "%s/%zu", dir, i);
		CU_ASSERT_FATAL(kfs_open(&kfs, root, &err) == 0);
		gigantic_read(&kfs, &g);
		kfs_close(&kfs);
		UNIT_CHECK(g.cma == rows[i].cma, "row %zu", i);
		UNIT_CHECK(g.cma_total_kib == (g.cma ? 4194304 : 0), "row %zu", i);
		UNIT_CHECK(g.cma_free_kib == (g.cma ? 1048576 : 0), "row %zu", i);
		UNIT_CHECK(!g.present, "row %zu", i);
		UNIT_CHECK_STR(g.hugetlb_cma, rows[i].hugetlb_cma, "row %zu", i);
		UNIT_CHECK_STR(g.at_boot, rows[i].at_boot, "row %zu", i);
	}
}

static void test_captured(void)
{
	struct err err = { "" };
	struct gigantic g;
	struct kfs kfs;

	CU_ASSERT_FATAL(kfs_open(&kfs, TESTS_DIR "/hosts/one-node", &err) == 0);
	gigantic_read(&kfs, &g);
	kfs_close(&kfs);
	CU_ASSERT(g.present && !g.cma && !*g.hugetlb_cma && !*g.at_boot);
}

static void test_nothing_there(void)
{
	struct err err = { "" };
	struct gigantic g;
	struct kfs kfs;

	CU_ASSERT_FATAL(kfs_open(&kfs, unit_tmpdir(), &err) == 0);
	memset(&g, 1, sizeof(g));
	gigantic_read(&kfs, &g);
	kfs_close(&kfs);
	CU_ASSERT(!g.present && !g.cma && !*g.hugetlb_cma && !*g.at_boot);
}

static CU_TestInfo tests[] = {
	{ "boot parameters and meminfo", test_rows },
	{ "a captured host", test_captured },
	{ "no files", test_nothing_there },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_gigantic", tests);
}
