// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The page size of the host, as its files tell it.
 */
#include "memory/base_page.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "kernel/kfs.h"
#include "unit/unit.h"

#define ZONE(managed)                                                                                       \
	"Node 0, zone   Normal\n  pages free     17\n        present  99999999\n        managed  " #managed \
	"\n      nr_managed 5\n"

/* 0: like this machine */
static const struct {
	const char *meminfo;
	const char *zoneinfo;
	uint64_t kib;
} rows[] = {
	{ "MemTotal:  4194304 kB\n", ZONE(1048576), 4 },
	{ "MemTotal:  4194304 kB\n", ZONE(524288), 8 },
	{ "MemTotal:  4194304 kB\n", ZONE(262144), 16 },
	{ "MemTotal:  4194304 kB\n", ZONE(65536), 64 },
	/* Over all zones and nodes */
	{ "MemTotal:  4194304 kB\n", ZONE(1000) ZONE(0) ZONE(64536), 64 },
	{ "MemTotal:  4194304 kB\nMemFree: 1 kB\n", ZONE(1048500), 4 },
	/* Memory was plugged between one file and the other */
	{ "MemTotal:  4094304 kB\n", ZONE(65536), 64 },
	{ "MemTotal:  4194304 kB\n", ZONE(200000), 0 },
	{ "MemTotal:  4194304 kB\n", ZONE(3), 0 },
	{ "MemTotal:  4194304 kB\n", ZONE(18446744073709551615), 0 },
	{ "MemTotal:  4194304 kB\n", "", 0 },
	{ "", ZONE(65536), 0 },
	{ NULL, NULL, 0 },
};

static void test_captured(void)
{
	const uint64_t here = (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
	const char *dir = unit_tmpdir();
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		char root[256], name[64];
		struct kfs kfs;

		snprintf(name, sizeof(name), "%zu/there", i);
		unit_write(dir, name, "");
		snprintf(name, sizeof(name), "%zu/proc/meminfo", i);
		if (rows[i].meminfo)
			unit_write(dir, name, rows[i].meminfo);
		snprintf(name, sizeof(name), "%zu/proc/zoneinfo", i);
		if (rows[i].zoneinfo)
			unit_write(dir, name, rows[i].zoneinfo);
		snprintf(root, sizeof(root), "%s/%zu", dir, i);
		CU_ASSERT_FATAL(kfs_open(&kfs, root, NULL) == 0);
		UNIT_CHECK(base_page_kib(&kfs) == (rows[i].kib ? rows[i].kib : here),
			   "row %zu: %llu", i, (unsigned long long)base_page_kib(&kfs));
		kfs_close(&kfs);
	}
}

/* What every capture so far says */
static void test_hosts(void)
{
	static const char *const hosts[] = { "one-node", "two-nodes-6.1", "two-nodes-6.12" };
	char root[512];
	struct kfs kfs;
	size_t i;

	for (i = 0; i < ROWS(hosts); i++) {
		snprintf(root, sizeof(root), TESTS_DIR "/hosts/%s", hosts[i]);
		CU_ASSERT_FATAL(kfs_open(&kfs, root, NULL) == 0);
		UNIT_CHECK(base_page_kib(&kfs) == 4, "%s", hosts[i]);
		kfs_close(&kfs);
	}
}

static void test_this_host(void)
{
	char arch[BASE_ARCH_SIZE];
	struct kfs kfs;

	CU_ASSERT_FATAL(kfs_open(&kfs, "/", NULL) == 0);
	CU_ASSERT_EQUAL(base_page_kib(&kfs) * 1024, (uint64_t)sysconf(_SC_PAGESIZE));
	base_page_arch(&kfs, arch);
	CU_ASSERT(*arch);
	kfs_close(&kfs);
}

static void test_arch(void)
{
	const char *dir = unit_tmpdir();
	char arch[BASE_ARCH_SIZE];
	struct kfs kfs;

	CU_ASSERT_FATAL(kfs_open(&kfs, dir, NULL) == 0);
	base_page_arch(&kfs, arch);
	CU_ASSERT_STRING_EQUAL(arch, "");
	unit_write(dir, "proc/sys/kernel/arch", "s390x\n");
	base_page_arch(&kfs, arch);
	CU_ASSERT_STRING_EQUAL(arch, "s390x");
	unit_write(dir, "proc/sys/kernel/arch", "a-very-long-name-of-a-machine\n");
	base_page_arch(&kfs, arch);
	CU_ASSERT_STRING_EQUAL(arch, "");
	kfs_close(&kfs);
}

static CU_TestInfo tests[] = {
	{ "a captured host's page", test_captured },
	{ "captures of this project", test_hosts },
	{ "this host's page", test_this_host },
	{ "the architecture", test_arch },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_base_page", tests);
}
