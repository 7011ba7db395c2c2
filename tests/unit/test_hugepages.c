// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Reading and writing pools.
 */
#include "memory/hugepages.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "unit/fake_kernel.h"
#include "unit/unit.h"

static const struct numa with_nodes = { .sysfs = true };
static const struct numa without_nodes = { .sysfs = false };

static void test_captured(void)
{
	/* two-nodes-6.1 was captured with a static pool */
	static const struct {
		const char *host;
		unsigned int node;
		uint64_t page_kib, total;
	} rows[] = {
		{ "one-node", 0, PAGE_2M, 0 },	     { "one-node", 0, PAGE_1G, 0 },
		{ "two-nodes-6.1", 0, PAGE_2M, 16 }, { "two-nodes-6.1", 1, PAGE_2M, 8 },
		{ "two-nodes-6.1", 0, PAGE_1G, 0 },  { "two-nodes-6.1", 1, PAGE_1G, 1 },
		{ "two-nodes-6.12", 0, PAGE_2M, 0 }, { "two-nodes-6.12", 1, PAGE_1G, 0 },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		cleanup_free uint64_t *sizes = NULL;
		struct hugepages_pool pool;
		struct err err = { "" };
		uint64_t reserved = 77;
		FAKE_KERNEL(fk, rows[i].host);

		if (UNIT_CHECK(hugepages_sizes(&fk.kfs, &sizes, &err) == 2, "%s: %s", rows[i].host,
			       err.text))
			CU_ASSERT(sizes[0] == PAGE_2M && sizes[1] == PAGE_1G);
		UNIT_CHECK(hugepages_default_kib(&fk.kfs) == PAGE_2M, "%s", rows[i].host);
		UNIT_CHECK(hugepages_reserved(&fk.kfs, rows[i].page_kib, &reserved, &err) == 0,
			   "%s", err.text);
		CU_ASSERT_EQUAL(reserved, 0);
		if (UNIT_CHECK(hugepages_read_pool(&fk.kfs, &with_nodes, rows[i].node,
						   rows[i].page_kib, &pool, &err) == 0,
			       "%s: %s", rows[i].host, err.text))
			UNIT_CHECK(pool.total == rows[i].total && pool.free == rows[i].total &&
					   !pool.surplus && pool.node == rows[i].node &&
					   pool.page_kib == rows[i].page_kib,
				   "%s, node %u", rows[i].host, rows[i].node);
	}
}

static void test_missing(void)
{
	struct hugepages_pool pool = { .total = 77 };
	struct err err = { "" };
	struct fake_kernel fk;
	uint64_t *sizes, n;
	struct kfs kfs;

	fake_open(&fk, "one-node");
	CU_ASSERT_EQUAL(hugepages_read_pool(&fk.kfs, &with_nodes, 1, PAGE_2M, &pool, &err),
			-ENOENT);
	CU_ASSERT_EQUAL(hugepages_read_pool(&fk.kfs, &with_nodes, 0, 64, &pool, &err), -ENOENT);
	CU_ASSERT_EQUAL(hugepages_reserved(&fk.kfs, 64, &n, &err), -ENOENT);
	CU_ASSERT_EQUAL(pool.total, 77);
	fake_put(&fk, "sys/devices/system/node/node0/hugepages/hugepages-2048kB/free_hugepages",
		 "x\n");
	CU_ASSERT_EQUAL(hugepages_read_pool(&fk.kfs, &with_nodes, 0, PAGE_2M, &pool, &err),
			-EINVAL);
	UNIT_CHECK(strstr(err.text, "free_hugepages: 'x' is no number"), "%s", err.text);
	CU_ASSERT_EQUAL(pool.total, 77);
	fake_close(&fk);

	/* A kernel without hugetlb */
	CU_ASSERT_EQUAL_FATAL(kfs_open(&kfs, unit_tmpdir(), &err), 0);
	CU_ASSERT_EQUAL(hugepages_sizes(&kfs, &sizes, &err), 0);
	CU_ASSERT_PTR_NULL(sizes);
	CU_ASSERT_EQUAL(hugepages_default_kib(&kfs), 0);
	kfs_close(&kfs);
}

static void test_persistent(void)
{
	struct hugepages_pool pool = { .total = 10, .surplus = 3 };

	CU_ASSERT_EQUAL(hugepages_persistent(&pool), 7);
	/* Between two reads a surplus page can go */
	pool.surplus = 11;
	CU_ASSERT_EQUAL(hugepages_persistent(&pool), 0);
}

/* What the kernel gave is what counts */
static void test_write(void)
{
	struct hugepages_pool pool;
	struct err err = { "" };
	FAKE_KERNEL(fk, "two-nodes-6.12");

	fake_set_obtainable(&fk, 1, 60);
	CU_ASSERT_EQUAL_FATAL(hugepages_read_pool(&fk.kfs, &with_nodes, 1, PAGE_2M, &pool, &err),
			      0);
	UNIT_CHECK(hugepages_write_pool(&fk.kfs, &with_nodes, &pool, 100, 0, &err) == 0, "%s",
		   err.text);
	CU_ASSERT(pool.total == 60 && pool.free == 60);
	UNIT_CHECK(hugepages_write_pool(&fk.kfs, &with_nodes, &pool, 10, 500, &err) == 0, "%s",
		   err.text);
	CU_ASSERT(pool.total == 10 && pool.free == 10);
	fake_pool_is(&fk, 0, PAGE_2M, 0, 0, 0);
	fk.write_error = EINVAL;
	CU_ASSERT_EQUAL(hugepages_write_pool(&fk.kfs, &with_nodes, &pool, 20, 500, &err), -EINVAL);
	CU_ASSERT_EQUAL(pool.total, 10);
}

/* A search that only a signal ends.  The result is what was found so far */
static void search_for_ever(struct fake_kernel *fk)
{
	struct timespec rest = { .tv_sec = 10 };

	fk->write_error = nanosleep(&rest, NULL) < 0 ? errno : EDOM;
}

static void test_limit(void)
{
	struct hugepages_pool pool;
	struct err err = { "" };
	uint64_t begin = clock_ms(), took;
	FAKE_KERNEL(fk, "two-nodes-6.12");

	fk.before_write = search_for_ever;
	CU_ASSERT_EQUAL_FATAL(hugepages_read_pool(&fk.kfs, &with_nodes, 0, PAGE_2M, &pool, &err),
			      0);
	UNIT_CHECK(hugepages_write_pool(&fk.kfs, &with_nodes, &pool, 100, 100, &err) == 0, "%s",
		   err.text);
	took = clock_ms() - begin;
	UNIT_CHECK(took >= 90 && took < 5000, "%llu ms", (unsigned long long)took);
	CU_ASSERT_EQUAL(pool.total, 0);
}

static char written[KFS_PATH_SIZE];

static int note_path(const struct kfs *kfs, const char *path, const char *text)
{
	(void)kfs;
	(void)text;
	snprintf(written, sizeof(written), "%s", path);
	return 0;
}

static void test_without_nodes(void)
{
	struct hugepages_pool pool;
	struct err err = { "" };
	FAKE_KERNEL(fk, "one-node");

	fake_set_pool(&fk, 0, PAGE_2M, (struct fake_pool){ 9, 5, 1 });
	CU_ASSERT_EQUAL_FATAL(hugepages_read_pool(&fk.kfs, &without_nodes, 0, PAGE_2M, &pool, &err),
			      0);
	CU_ASSERT(pool.total == 9 && pool.free == 5 && pool.surplus == 1);
	fk.kfs.write = note_path;
	CU_ASSERT_EQUAL(hugepages_write_pool(&fk.kfs, &without_nodes, &pool, 9, 0, &err), 0);
	UNIT_CHECK_STR(written, "sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "path");
}

static CU_TestInfo tests[] = {
	{ "captured hosts", test_captured },
	{ "what isn't there", test_missing },
	{ "persistent pages", test_persistent },
	{ "writes are read back", test_write },
	{ "a write that takes too long", test_limit },
	{ "a kernel without NUMA", test_without_nodes },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_hugepages", tests);
}
