// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * On captured hosts, and on a small one whose numbers can be added up by hand.
 */
#include "memory/fragmentation.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "kernel/kfs.h"
#include "memory/numa.h"
#include "unit/unit.h"

#define KIB_2M UINT64_C(2048)
#define KIB_1G UINT64_C(1048576)

/* Zone Normal of 4 GiB at 4 GiB, where all other numbers are chosen */
#define ZONE(node, name, free, min, start, spanned, managed, protection)                           \
	"Node " node ", zone " name "\n  pages free     " free "\n        min      " min           \
	"\n        low      7\n        spanned  " spanned "\n        present  " spanned            \
	"\n        managed  " managed "\n        protection: " protection                          \
	"\n  pagesets\n    cpu: 0\n              count: 5\n  start_pfn:           " start "\n"

static const char zoneinfo[] =
	"Node 0, zone      DMA\n  per-node stats\n      nr_slab_unreclaimable 1024\n"
	"      nr_kernel_stack 2048\n      nr_page_table_pages 512\n"
	"  pages free     3840\n        min      10\n        spanned  4095\n"
	"        managed  3840\n        protection: (0, 0, 8000, 8000, 8000)\n"
	"  start_pfn:           1\n" ZONE("0", "  Normal", "300000", "10000", "1048576", "1048576",
					  "1000000", "(0, 0, 0, 0, 0)");

static const char buddyinfo[] =
	"Node 0, zone      DMA      0      0      0      0      0      0      0      0      1"
	"      1      3 \n"
	/* 1000 + 2 * 100 of single pages and pairs, 4 of 1 MiB, 10 of 2 MiB, 200 of 4 MiB */
	"Node 0, zone   Normal   1000    100      0      0      0      0      0      0      4"
	"     10    200 \n";

static const char pagetypeinfo[] =
	"Page block order: 9\nPages per block:  512\n\n"
	"Free pages count per migrate type at order       0      1      2      3      4      5"
	"      6      7      8      9     10 \n"
	"Node    0, zone   Normal, type    Unmovable    400      0      0      0      0      0"
	"      0      0      2      3      0 \n"
	"Node    0, zone   Normal, type      Movable >100000    100      0      0      0      0"
	"      0      0      2      7    200 \n"
	"Node    0, zone   Normal, type          CMA      0      0      0      0      0      0"
	"      0      0      0      0      0 \n"
	"Node    0, zone   Normal, type  Reclaimable    100      0      0      0      0      0"
	"      0      0      0      0      0 \n"
	"\nNumber of blocks type     Unmovable      Movable          CMA  Reclaimable \n"
	"Node 0, zone   Normal           20         1900           64           64 \n"
	"\nNumber of mixed blocks    Unmovable      Movable          CMA  Reclaimable \n"
	"Node 0, zone   Normal          900          900          900          900 \n";

static const struct numa_node node0 = { .id = 0, .total_kib = 4015360, .file_kib = 500000 };

static const char *hosts(void)
{
	static const char *dir;

	if (!dir)
		dir = unit_tmpdir();
	return dir;
}

/* HOST/proc/NAME; no text: no file */
static void write_file(const char *host, const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/proc/%s", host, name);
	if (text)
		unit_write(hosts(), path, text);
}

static const char *small_host(bool types)
{
	static char root[256];
	const char *name = types ? "types" : "without";

	write_file(name, "buddyinfo", buddyinfo);
	write_file(name, "zoneinfo", zoneinfo);
	if (types)
		write_file(name, "pagetypeinfo", pagetypeinfo);
	snprintf(root, sizeof(root), "%s/%s", hosts(), name);
	return root;
}

static int read_root(const char *root, struct fragmentation *f, struct err *err)
{
	struct kfs kfs;
	int rc;

	CU_ASSERT_FATAL(kfs_open(&kfs, root, err) == 0);
	rc = fragmentation_read(&kfs, f, err);
	kfs_close(&kfs);
	return rc;
}

static void need(const char *root, struct fragmentation *f)
{
	struct err err = { "" };

	if (!UNIT_CHECK(read_root(root, f, &err) == 0, "%s", err.text))
		CU_FAIL_FATAL("the host can't be read");
}

static void check_sum(const char *what, const struct fragmentation_share *s)
{
	UNIT_CHECK(s->now_kib + s->compact_kib + s->cache_kib + s->used_kib + s->huge_kib +
				   s->never_kib ==
			   s->total_kib,
		   "%s: parts don't add up", what);
}

static void test_small_pages(void)
{
	struct fragmentation_share s;
	struct fragmentation f;

	need(small_host(true), &f);
	CU_ASSERT(f.types && f.block_order == 9 && f.orders == 11 && f.n_zones == 2);
	fragmentation_share(&f, &node0, KIB_2M, 6144, &s);
	check_sum("with types", &s);
	CU_ASSERT_EQUAL(s.total_kib, node0.total_kib);
	/* Zone DMA protects its own from this; 10 + 2 * 200 of Normal */
	CU_ASSERT_EQUAL(s.now_kib, 410 * KIB_2M);
	/* 1000 + 200 + 4 * 256 pages, less 400 + 100 + 2 * 256: 1212, which is 2 of 512 */
	CU_ASSERT_EQUAL(s.compact_kib, 2 * KIB_2M);
	/* 20 + 64 blocks less 3 that are free; slab, stacks and tables are DMA's, 8 MiB */
	CU_ASSERT_EQUAL(s.never_kib, 81 * KIB_2M + 2048 * 4);
	CU_ASSERT_EQUAL(s.cache_kib, node0.file_kib);
	CU_ASSERT_EQUAL(s.huge_kib, 6144);
	fragmentation_free(&f);
}

/* As a user who is not root sees it */
static void test_without_types(void)
{
	struct fragmentation_share s;
	struct fragmentation f;

	need(small_host(false), &f);
	CU_ASSERT(!f.types);
	fragmentation_share(&f, &node0, KIB_2M, 0, &s);
	check_sum("without types", &s);
	CU_ASSERT_EQUAL(s.now_kib, 410 * KIB_2M);
	CU_ASSERT_EQUAL(s.compact_kib, 4 * KIB_2M);
	CU_ASSERT_EQUAL(s.never_kib, (1024 + 512 + 512) * 4);
	fragmentation_free(&f);
}

/* Where the kernel has no pagetypeinfo, too; none of another node, and none that is gigantic */
static void test_free_pages(void)
{
	struct err err = { "" };
	struct kfs kfs;

	CU_ASSERT_FATAL(kfs_open(&kfs, small_host(false), &err) == 0);
	CU_ASSERT_EQUAL(fragmentation_free_pages(&kfs, 0, KIB_2M), 410);
	CU_ASSERT_EQUAL(fragmentation_free_pages(&kfs, 1, KIB_2M), 0);
	CU_ASSERT_EQUAL(fragmentation_free_pages(&kfs, 0, KIB_1G), 0);
	kfs_close(&kfs);
	write_file("empty", "buddyinfo", "");
	CU_ASSERT_FATAL(kfs_open(&kfs, hosts(), &err) == 0);
	CU_ASSERT_EQUAL(fragmentation_free_pages(&kfs, 0, KIB_2M), 0);
	kfs_close(&kfs);
}

static void test_watermark(void)
{
	struct fragmentation_share s;
	struct fragmentation f;

	need(small_host(true), &f);
	/* 5 pages of 2 MiB and a bit above it */
	f.zones[1].spare = 5 * 512 + 300;
	fragmentation_share(&f, &node0, KIB_2M, 0, &s);
	CU_ASSERT_EQUAL(s.now_kib, 5 * KIB_2M);
	CU_ASSERT_EQUAL(s.compact_kib, 0);
	f.zones[1].spare = 0;
	fragmentation_share(&f, &node0, KIB_2M, 0, &s);
	CU_ASSERT_EQUAL(s.now_kib + s.compact_kib, 0);
	check_sum("nothing to spare", &s);
	fragmentation_free(&f);
}

static void test_gigantic(void)
{
	struct fragmentation_share s;
	struct fragmentation f;

	need(small_host(true), &f);
	CU_ASSERT(fragmentation_gigantic(&f, KIB_1G));
	CU_ASSERT(!fragmentation_gigantic(&f, KIB_2M));
	fragmentation_share(&f, &node0, KIB_1G, 0, &s);
	check_sum("1 GiB", &s);
	/* 290000 pages are 1.1 GiB.  4 ranges, and 1000000 - 81 * 512 pages are 3.6 */
	CU_ASSERT_EQUAL(s.now_kib, KIB_1G);
	CU_ASSERT_EQUAL(s.compact_kib, 0);
	CU_ASSERT_EQUAL(s.cache_kib, 0);
	CU_ASSERT_EQUAL(s.used_kib, 2 * KIB_1G);
	CU_ASSERT_EQUAL(s.never_kib, node0.total_kib - 3 * KIB_1G);
	/* A zone that begins within a range has one less */
	f.zones[1].start += 512;
	f.zones[1].spanned = 4 * 262144 - 1024;
	f.zones[1].fixed_blocks = 3;
	fragmentation_share(&f, &node0, KIB_1G, 0, &s);
	CU_ASSERT_EQUAL(s.never_kib, node0.total_kib - 2 * KIB_1G);
	snprintf(f.zones[1].name, sizeof(f.zones[1].name), "Movable");
	fragmentation_share(&f, &node0, KIB_1G, 0, &s);
	CU_ASSERT_EQUAL(s.never_kib, node0.total_kib);
	fragmentation_free(&f);
}

static void test_cache_for_gigantic(void)
{
	struct numa_node node = node0;
	struct fragmentation_share s;
	struct fragmentation f;

	need(small_host(true), &f);
	node.file_kib = 3 * KIB_1G;
	fragmentation_share(&f, &node, KIB_1G, 0, &s);
	CU_ASSERT_EQUAL(s.now_kib, KIB_1G);
	CU_ASSERT_EQUAL(s.cache_kib, 2 * KIB_1G);
	/* Those that are in the pool are not there again */
	fragmentation_share(&f, &node, KIB_1G, 3 * KIB_1G, &s);
	check_sum("pool", &s);
	CU_ASSERT_EQUAL(s.now_kib + s.cache_kib, 0);
	fragmentation_free(&f);
}

/* Against what the kernel's formula gives, computed by hand */
static void test_index(void)
{
	static const struct {
		uint64_t free[4]; /* of orders 0, 8, 9, 10 */
		int want;
	} rows[] = {
		{ { 0, 0, 0, 0 }, 0 },
		{ { 1, 0, 1, 0 }, -1000 },
		{ { 1, 0, 0, 1 }, -1000 },
		/* 512 single pages: 1000 - (1000 + 1000) / 512 */
		{ { 512, 0, 0, 0 }, 997 },
		/* one block of 1 MiB: 1000 - (1000 + 500) / 1 */
		{ { 0, 1, 0, 0 }, -500 },
		/* 1000 - (1000 + 1000) / 2 */
		{ { 0, 2, 0, 0 }, 0 },
		{ { 0, 100, 0, 0 }, 490 },
	};
	struct fragmentation f = { .page_kib = 4, .orders = 11 };
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		struct fragmentation_zone zone = { 0 };
		int got;

		zone.free[0] = rows[i].free[0];
		zone.free[8] = rows[i].free[1];
		zone.free[9] = rows[i].free[2];
		zone.free[10] = rows[i].free[3];
		got = fragmentation_index(&f, &zone, KIB_2M);
		UNIT_CHECK(got == rows[i].want, "row %zu: %d", i, got);
	}
}

static void test_captured(void)
{
	static const struct {
		const char *host;
		unsigned int nodes;
		size_t zones;
	} rows[] = {
		{ "one-node", 1, 3 },
		{ "two-nodes-6.1", 2, 4 },
		{ "two-nodes-6.12", 2, 4 },
	};
	size_t i, j;

	for (i = 0; i < ROWS(rows); i++) {
		struct err err = { "" };
		struct fragmentation f;
		struct numa numa;
		struct kfs kfs;
		char root[512];

		snprintf(root, sizeof(root), "%s/hosts/%s", TESTS_DIR, rows[i].host);
		need(root, &f);
		UNIT_CHECK(f.n_zones == rows[i].zones && f.types, "%s", rows[i].host);
		CU_ASSERT_FATAL(kfs_open(&kfs, root, &err) == 0);
		CU_ASSERT_FATAL(numa_read(&kfs, &numa, &err) == 0);
		kfs_close(&kfs);
		for (j = 0; j < numa.n_nodes; j++) {
			struct fragmentation_share s, giant;

			fragmentation_share(&f, &numa.nodes[j], KIB_2M, 0, &s);
			fragmentation_share(&f, &numa.nodes[j], KIB_1G, 0, &giant);
			check_sum(rows[i].host, &s);
			check_sum(rows[i].host, &giant);
			UNIT_CHECK(s.now_kib > s.total_kib / 2, "%s: an idle host", rows[i].host);
			UNIT_CHECK(s.now_kib % KIB_2M == 0 && giant.now_kib % KIB_1G == 0,
				   "%s: whole pages", rows[i].host);
			UNIT_CHECK(giant.now_kib <= s.now_kib + s.compact_kib, "%s", rows[i].host);
			UNIT_CHECK(s.never_kib > 0, "%s: a kernel is somewhere", rows[i].host);
		}
		numa_free(&numa);
		fragmentation_free(&f);
	}
}

/* The kernel prints none of this.  Nothing may crash on it */
static void test_damaged(void)
{
	static const struct {
		const char *buddyinfo, *zoneinfo, *pagetypeinfo;
		int rc;
	} rows[] = {
		{ NULL, "", NULL, -ENOENT },
		{ "", "", NULL, -EIO },
		{ "no zone here\n", "", NULL, -EIO },
		{ "Node 0, zone Normal 1 2 3\n", NULL, NULL, -ENOENT },
		{ "Node 0, zone Normal 1 2 3\n", "", NULL, 0 },
		{ "Node 0, zone Normal 1 x 3\n", "Node 7, zone Normal\n  min 5\n", "", 0 },
		{ "Node 0, zone Normal 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1\n",
		  "Node 0, zone Normal\n  managed 99999999999999999999\n",
		  "Page block order: 999\n", 0 },
		{ "Node 0, zone Normal 99999999999999999999 9999999999999999999\n",
		  "Node 0, zone Normal\n  protection: (\n        protection: (,,\n",
		  "Page block order: 9\nNumber of blocks type\nNode 0, zone Normal 1 2\n"
		  "Number of blocks type a b c d e f g h i j\nNode 0, zone Normal 1 2 3 4 5 6 7 8 9\n"
		  "Node 0, zone Normal, type\nNode 0, zone Normal, type X\n"
		  "Node 0, zone Normal, type Y 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1\n",
		  0 },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		struct fragmentation_share s;
		struct fragmentation f = { 0 };
		struct err err = { "" };
		char root[256], name[32];
		int rc;

		snprintf(name, sizeof(name), "damaged%zu", i);
		snprintf(root, sizeof(root), "%s/%s", hosts(), name);
		write_file(name, "nothing", "");
		write_file(name, "buddyinfo", rows[i].buddyinfo);
		write_file(name, "zoneinfo", rows[i].zoneinfo);
		write_file(name, "pagetypeinfo", rows[i].pagetypeinfo);
		rc = read_root(root, &f, &err);
		UNIT_CHECK(rc == rows[i].rc, "row %zu: %d %s", i, rc, err.text);
		if (rc < 0) {
			UNIT_CHECK(*err.text, "row %zu says why", i);
			continue;
		}
		fragmentation_share(&f, &node0, KIB_2M, 0, &s);
		check_sum("damaged", &s);
		fragmentation_share(&f, &node0, KIB_1G, 0, &s);
		check_sum("damaged, 1 GiB", &s);
		fragmentation_index(&f, &f.zones[0], KIB_2M);
		fragmentation_free(&f);
	}
}

/* A guest that ends: its huge pages are whole, the rest of its memory is not */
static void test_give_back(void)
{
	struct fragmentation_share s;
	struct fragmentation f;

	need(small_host(true), &f);
	fragmentation_give_back(&f, 0, KIB_2M, 5);
	fragmentation_share(&f, &node0, KIB_2M, 0, &s);
	CU_ASSERT_EQUAL(s.now_kib, 415 * KIB_2M);
	CU_ASSERT_EQUAL(s.compact_kib, 2 * KIB_2M);
	fragmentation_give_back(&f, 0, 4, 1024);
	fragmentation_share(&f, &node0, KIB_2M, 0, &s);
	CU_ASSERT_EQUAL(s.now_kib, 415 * KIB_2M);
	CU_ASSERT_EQUAL(s.compact_kib, 4 * KIB_2M);
	/* What is known of each page knows of these, too */
	f.exact = true;
	f.n_sizes = 2;
	f.sizes[0] = KIB_2M;
	f.sizes[1] = KIB_1G;
	f.zones[1].ranges[0] = (struct fragmentation_ranges){ .movable = 20 };
	f.zones[1].ranges[1] = (struct fragmentation_ranges){ .movable = 1 };
	fragmentation_give_back(&f, 0, KIB_1G, 1);
	CU_ASSERT_EQUAL(f.zones[1].ranges[0].movable, 20 + 512);
	CU_ASSERT_EQUAL(f.zones[1].ranges[1].movable, 2);
	CU_ASSERT_EQUAL(f.zones[1].free[10], 200 + 256);
	/* no such node */
	fragmentation_give_back(&f, 7, KIB_2M, 5);
	fragmentation_free(&f);
}

static CU_TestInfo tests[] = {
	{ "what the page allocator has", test_small_pages },
	{ "without pagetypeinfo", test_without_types },
	{ "the kernel keeps some back", test_watermark },
	{ "blocks that are free as a whole", test_free_pages },
	{ "gigantic pages", test_gigantic },
	{ "cache in the way of gigantic pages", test_cache_for_gigantic },
	{ "the kernel's fragmentation index", test_index },
	{ "memory that comes back", test_give_back },
	{ "captured hosts", test_captured },
	{ "damaged files", test_damaged },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_fragmentation", tests);
}
