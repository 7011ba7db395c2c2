// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Nodes: their memory, their processors, and sets of them.
 */
#include "memory/numa.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "kernel/kfs.h"
#include "unit/fake_kernel.h"
#include "unit/unit.h"

static void test_parse(void)
{
	static const struct {
		const char *text;
		int rc;
		const char *want; /* NULL: as @text */
	} rows[] = {
		{ "0", 0, NULL },
		{ "0-3", 0, NULL },
		{ "0-3,8", 0, NULL },
		{ "0,1,2", 0, "0-2" },
		{ "8,0", 0, "0,8" },
		{ " 0 , 2 - 3 ", 0, "0,2-3" },
		{ "0\n", 0, "0" },
		{ "0-7,^3", 0, "0-2,4-7" },
		{ "^3,0-7", 0, "0-7" },
		{ "0-1,^0", 0, "1" },
		{ "5-5", 0, "5" },
		{ "007", 0, "7" },
		{ "1023", 0, NULL },
		{ "0-1023", 0, NULL },
		{ "", -EINVAL, "" },
		{ " ", -EINVAL, "" },
		{ ",", -EINVAL, "" },
		{ "0,", -EINVAL, "" },
		{ ",0", -EINVAL, "" },
		{ "0,,1", -EINVAL, "" },
		{ "3-1", -EINVAL, "" },
		{ "-1", -EINVAL, "" },
		{ "1-", -EINVAL, "" },
		{ "1--2", -EINVAL, "" },
		{ "0-1-2", -EINVAL, "" },
		{ "^0", -EINVAL, "" },
		{ "0,^0", -EINVAL, "" },
		{ "0-3,^0-1", -EINVAL, "" },
		{ "^", -EINVAL, "" },
		{ "a", -EINVAL, "" },
		{ "0x1", -EINVAL, "" },
		{ "1 2", -EINVAL, "" },
		{ "0;1", -EINVAL, "" },
		{ "1024", -ERANGE, "" },
		{ "0-1024", -ERANGE, "" },
		{ "99999999999999999999999", -ERANGE, "" },
		{ "0-99999999999999999999999", -ERANGE, "" },
	};
	char text[NODESET_TEXT_SIZE];
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		struct nodeset set = { { 0 } };
		int rc = nodeset_parse(rows[i].text, &set);

		UNIT_CHECK(rc == rows[i].rc, "'%s' gave %d", rows[i].text, rc);
		UNIT_CHECK_STR(nodeset_format(&set, text),
			       rows[i].want ? rows[i].want : rows[i].text, "'%s'", rows[i].text);
	}
}

static void test_sets(void)
{
	struct nodeset a = { { 0 } }, b = { { 0 } };

	CU_ASSERT_TRUE(nodeset_empty(&a));
	CU_ASSERT_EQUAL(nodeset_count(&a), 0);
	nodeset_add(&a, 0);
	nodeset_add(&a, 63);
	nodeset_add(&a, 64);
	nodeset_add(&a, 1023);
	nodeset_add(&a, 1024);
	CU_ASSERT_EQUAL(nodeset_count(&a), 4);
	CU_ASSERT_TRUE(nodeset_has(&a, 63) && nodeset_has(&a, 64) && nodeset_has(&a, 1023));
	CU_ASSERT_FALSE(nodeset_has(&a, 1) || nodeset_has(&a, 1024) || nodeset_has(&a, UINT32_MAX));
	CU_ASSERT_FALSE(nodeset_equal(&a, &b));
	b = a;
	CU_ASSERT_TRUE(nodeset_equal(&a, &b));
}

/* The longest set fits, and is read back */
static void test_long_format(void)
{
	struct nodeset set = { { 0 } }, back;
	char text[NODESET_TEXT_SIZE];
	unsigned int i;

	for (i = 0; i < NUMA_NODES_MAX; i += 2)
		nodeset_add(&set, i);
	nodeset_format(&set, text);
	CU_ASSERT(strlen(text) < sizeof(text));
	CU_ASSERT_EQUAL_FATAL(nodeset_parse(text, &back), 0);
	CU_ASSERT_TRUE(nodeset_equal(&set, &back));
}

static uint64_t captured(const char *host, int node, const char *key)
{
	char path[128], want[64];
	unsigned long long kib = 0;
	char *text, *at;

	snprintf(path, sizeof(path), "hosts/%s/sys/devices/system/node/node%d/meminfo", host, node);
	snprintf(want, sizeof(want), "Node %d %s:", node, key);
	text = unit_read(path, NULL);
	at = strstr(text, want);
	if (UNIT_CHECK(at, "%s has no '%s'", path, want))
		sscanf(at + strlen(want), "%llu", &kib);
	free(text);
	return kib;
}

static void test_captured(void)
{
	static const struct {
		const char *host;
		size_t n;
	} rows[] = { { "one-node", 1 }, { "two-nodes-6.1", 2 }, { "two-nodes-6.12", 2 } };
	struct err err = { "" };
	char path[512];
	size_t i, j;

	for (i = 0; i < ROWS(rows); i++) {
		const char *host = rows[i].host;
		struct numa numa;
		struct kfs kfs;

		snprintf(path, sizeof(path), "%s/hosts/%s", TESTS_DIR, host);
		CU_ASSERT_EQUAL_FATAL(kfs_open(&kfs, path, &err), 0);
		if (!UNIT_CHECK(numa_read(&kfs, &numa, &err) == 0, "%s: %s", host, err.text))
			continue;
		CU_ASSERT_TRUE(numa.sysfs);
		UNIT_CHECK(numa.n_nodes == rows[i].n, "%s has %zu", host, numa.n_nodes);
		for (j = 0; j < numa.n_nodes; j++) {
			const struct numa_node *node = &numa.nodes[j];
			struct numa_node again = { 0 };
			int id = (int)j;
			uint64_t file = captured(host, id, "Active(file)") +
					captured(host, id, "Inactive(file)");

			UNIT_CHECK(node->id == j, "%s: %u", host, node->id);
			UNIT_CHECK(node->total_kib == captured(host, id, "MemTotal"), "%s", host);
			UNIT_CHECK(node->free_kib == captured(host, id, "MemFree"), "%s", host);
			UNIT_CHECK(node->file_kib == file, "%s", host);
			UNIT_CHECK(node->reclaimable_kib ==
					   file + captured(host, id, "KReclaimable"),
				   "%s", host);
			UNIT_CHECK(node->swappable_kib ==
					   captured(host, id, "Active(anon)") +
						   captured(host, id, "Inactive(anon)"),
				   "%s", host);
			CU_ASSERT_PTR_EQUAL(numa_find(&numa, node->id), node);
			UNIT_CHECK(numa_read_node(&kfs, &numa, node->id, &again, &err) == 0, "%s",
				   err.text);
			/* What zones and processors say is read for all nodes at once */
			again.percpu_kib = node->percpu_kib;
			again.cpus = node->cpus;
			CU_ASSERT_FALSE(cpuset_empty(&node->cpus));
			CU_ASSERT_EQUAL(memcmp(&again, node, sizeof(again)), 0);
		}
		CU_ASSERT_PTR_NULL(numa_find(&numa, 77));
		numa_free(&numa);
		kfs_close(&kfs);
	}
}

/* Node numbers with holes, and one without memory */
static void test_holes(void)
{
	struct err err = { "" };
	struct numa numa;
	FAKE_KERNEL(fk, "two-nodes-6.12");

	fake_put(&fk, "sys/devices/system/node/has_memory", "0,2\n");
	fake_put(&fk, "sys/devices/system/node/node2/meminfo",
		 "Node 2 MemTotal:       1000 kB\nNode 2 MemFree:         400 kB\n");
	CU_ASSERT_EQUAL_FATAL(numa_read(&fk.kfs, &numa, &err), 0);
	CU_ASSERT_EQUAL_FATAL(numa.n_nodes, 2);
	CU_ASSERT_EQUAL(numa.nodes[1].id, 2);
	CU_ASSERT_EQUAL(numa.nodes[1].free_kib, 400);
	CU_ASSERT_PTR_NULL(numa_find(&numa, 1));
	numa_free(&numa);
}

/* A kernel without NUMA: everything is node 0 */
static void test_without_numa(void)
{
	const char *root = unit_tmpdir();
	struct err err = { "" };
	struct numa_node node;
	struct numa numa;
	struct kfs kfs;

	unit_write(
		root, "proc/meminfo",
		"MemTotal:        8000 kB\nMemFree:         5000 kB\nActive(anon):      10 kB\n"
		"Inactive(anon):    20 kB\nActive(file):     300 kB\nInactive(file):   400 kB\n"
		"SReclaimable:      50 kB\nSwapTotal:        900 kB\nSwapFree:         800 kB\n");
	CU_ASSERT_EQUAL_FATAL(kfs_open(&kfs, root, &err), 0);
	CU_ASSERT_EQUAL_FATAL(numa_read(&kfs, &numa, &err), 0);
	CU_ASSERT_FALSE(numa.sysfs);
	CU_ASSERT_EQUAL_FATAL(numa.n_nodes, 1);
	CU_ASSERT_EQUAL(numa.nodes[0].id, 0);
	CU_ASSERT_EQUAL(numa.nodes[0].free_kib, 5000);
	CU_ASSERT_EQUAL(numa.nodes[0].reclaimable_kib, 750);
	CU_ASSERT_EQUAL(numa.nodes[0].swappable_kib, 30);
	CU_ASSERT_EQUAL(numa.swap_free_kib, 800);
	CU_ASSERT_EQUAL(numa_read_node(&kfs, &numa, 0, &node, &err), 0);
	CU_ASSERT_EQUAL(node.free_kib, 5000);
	numa_free(&numa);
	kfs_close(&kfs);
}

static void test_damaged(void)
{
	static const struct {
		const char *file, *text, *words;
	} rows[] = {
		{ "sys/devices/system/node/has_memory", "\n", "has_memory" },
		{ "sys/devices/system/node/has_memory", "0-9999\n", "has_memory" },
		{ "sys/devices/system/node/has_memory", "0-3\n", "node2/meminfo" },
		{ "sys/devices/system/node/node1/meminfo", "", "node1/meminfo has no MemTotal" },
		{ "sys/devices/system/node/node1/meminfo", "Node 1 MemTotal: lots kB\n",
		  "node1/meminfo has no MemTotal" },
		{ "proc/meminfo", "nothing\n", "proc/meminfo" },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		struct numa numa = { .n_nodes = 77 };
		struct err err = { "" };
		FAKE_KERNEL(fk, "two-nodes-6.12");

		fake_put(&fk, rows[i].file, rows[i].text);
		UNIT_CHECK(numa_read(&fk.kfs, &numa, &err) < 0, "%zu", i);
		UNIT_CHECK(strstr(err.text, rows[i].words), "%zu: %s", i, err.text);
		UNIT_CHECK(numa.n_nodes == 77, "%zu: the result is touched", i);
	}
}

static void test_cpusets(void)
{
	struct cpuset a = { 0 }, b = { 0 };

	CU_ASSERT_TRUE(cpuset_empty(&a));
	CU_ASSERT_EQUAL(cpuset_parse("0-3,64,^2", &a), 0);
	CU_ASSERT_EQUAL(cpuset_parse("2,8191", &b), 0);
	CU_ASSERT_FALSE(cpuset_overlaps(&a, &b));
	cpuset_add(&b, &a);
	CU_ASSERT_TRUE(cpuset_overlaps(&a, &b));
	CU_ASSERT_EQUAL(b.word[0], 15);
	CU_ASSERT_EQUAL(b.word[127], UINT64_C(1) << 63);
	CU_ASSERT_EQUAL(cpuset_parse("8192", &b), -ERANGE);
	CU_ASSERT_EQUAL(cpuset_parse("1,^1", &b), -EINVAL);
	CU_ASSERT_EQUAL(cpuset_parse("", &b), -EINVAL);
}

#define NODES "sys/devices/system/node/"

static bool has_cpu(const struct numa_node *node, unsigned int cpu)
{
	return node->cpus.word[cpu / 64] >> (cpu % 64) & 1;
}

/* Node 1 has processors only, and node 0 memory only.  Node 3 is as far from both others */
static void test_processors(void)
{
	struct err err = { "" };
	struct numa numa;
	FAKE_KERNEL(fk, "two-nodes-6.12");

	fake_put(&fk, NODES "online", "0-3\n");
	fake_put(&fk, NODES "has_memory", "0,2\n");
	fake_put(&fk, NODES "node2/meminfo", "Node 2 MemTotal:       1000 kB\n");
	fake_put(&fk, NODES "node0/cpulist", "\n");
	fake_put(&fk, NODES "node1/cpulist", "0-7\n");
	fake_put(&fk, NODES "node2/cpulist", "8-9\n");
	fake_put(&fk, NODES "node3/cpulist", "70\n");
	fake_put(&fk, NODES "node1/distance", "31 10 21 20\n");
	fake_put(&fk, NODES "node3/distance", "20 30 20 10\n");
	CU_ASSERT_EQUAL_FATAL(numa_read(&fk.kfs, &numa, &err), 0);
	CU_ASSERT_TRUE(numa.cpus_known);
	CU_ASSERT_EQUAL(nodeset_count(&numa.online), 4);
	CU_ASSERT_EQUAL_FATAL(numa.n_nodes, 2);
	CU_ASSERT_FALSE(has_cpu(&numa.nodes[0], 0));
	CU_ASSERT_TRUE(has_cpu(&numa.nodes[1], 7));
	CU_ASSERT_TRUE(has_cpu(&numa.nodes[1], 9));
	CU_ASSERT_TRUE(has_cpu(&numa.nodes[0], 70));
	numa_free(&numa);
	/* Without distances only that node's processors are left out */
	fake_put(&fk, NODES "node1/distance", "31 10\n");
	CU_ASSERT_EQUAL_FATAL(numa_read(&fk.kfs, &numa, &err), 0);
	CU_ASSERT_FALSE(has_cpu(&numa.nodes[0], 0) || has_cpu(&numa.nodes[1], 0));
	CU_ASSERT_TRUE(has_cpu(&numa.nodes[1], 8));
	numa_free(&numa);
}

static void test_zones(void)
{
	struct err err = { "" };
	struct numa numa;
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
	FAKE_KERNEL(fk, "two-nodes-6.12");

	fake_put(&fk, "proc/zoneinfo",
		 "Node 0, zone   Normal\n  pages free     50\n        managed  90\n"
		 "    cpu: 0\n              count: 3\n"
		 "Node 1, zone  Movable\n  pages free     70\n        managed  100\n"
		 "    cpu: 0\n              count: 4\n");
	CU_ASSERT_EQUAL_FATAL(numa_read(&fk.kfs, &numa, &err), 0);
	CU_ASSERT_EQUAL(numa.nodes[0].movable_kib, 0);
	CU_ASSERT_EQUAL(numa.nodes[0].percpu_kib, 3 * page);
	CU_ASSERT_EQUAL(numa.nodes[1].movable_kib, 100 * page);
	CU_ASSERT_EQUAL(numa.nodes[1].movable_free_kib, 70 * page);
	CU_ASSERT_EQUAL(numa.nodes[1].percpu_kib, 4 * page);
	numa_free(&numa);
}

/* What is swapped to zram stays in memory.  The kernel's sum counts it */
static void test_swaps(void)
{
	static const struct {
		const char *swaps;
		uint64_t kib;
	} rows[] = {
		{ "Filename Type Size Used Priority\n", 0 },
		{ "Filename Type Size Used Priority\n/dev/zram0 partition 5000 0 100\n", 0 },
		{ "Filename Type Size Used Priority\n/dev/zram0 partition 5000 0 100\n"
		  "/dev/sda2 partition 700 100 -2\n/swap\\040file file 50 50 -3\n",
		  600 },
	};
	struct err err = { "" };
	struct numa numa;
	size_t i;
	FAKE_KERNEL(fk, "one-node");

	for (i = 0; i < ROWS(rows); i++) {
		fake_put(&fk, "proc/swaps", rows[i].swaps);
		CU_ASSERT_EQUAL_FATAL(numa_read(&fk.kfs, &numa, &err), 0);
		UNIT_CHECK(numa.swap_free_kib == rows[i].kib, "%zu: %llu", i,
			   (unsigned long long)numa.swap_free_kib);
		numa_free(&numa);
	}
	/* Reclaim would swap there nevertheless */
	fake_put(&fk, "proc/swaps", rows[1].swaps);
	fake_put(&fk, "proc/meminfo", "MemTotal: 9000 kB\nSwapFree: 5000 kB\n");
	CU_ASSERT_EQUAL_FATAL(numa_read(&fk.kfs, &numa, &err), 0);
	CU_ASSERT_TRUE(numa.swaps);
	CU_ASSERT_EQUAL(numa.swap_free_kib, 0);
	numa_free(&numa);
}

static void test_arc(void)
{
	struct numa_node node = { .total_kib = 1000,
				  .free_kib = 100,
				  .percpu_kib = 10,
				  .reclaimable_kib = 200,
				  .swappable_kib = 50,
				  .arc_kib = 300 };
	struct err err = { "" };
	struct fake_kernel fk;
	struct numa numa;

	fake_open(&fk, "two-nodes-6.12");
	fake_put(&fk, "proc/spl/kstat/zfs/arcstats",
		 "13 1 0x01 123 33456 71 9000\nname                            type data\n"
		 "hits                            4    77\nc_min                           4    "
		 "1048576\nc_max                           4    90000000\nsize                   "
		 "         4    3145728\n");
	CU_ASSERT_EQUAL_FATAL(numa_read(&fk.kfs, &numa, &err), 0);
	CU_ASSERT_EQUAL(numa.arc_kib, 2048);
	CU_ASSERT_EQUAL(numa.nodes[1].arc_kib, 2048);
	numa_free(&numa);
	fake_put(&fk, "proc/spl/kstat/zfs/arcstats", "size 4 1000\nc_min 4 2000\n");
	CU_ASSERT_EQUAL_FATAL(numa_read(&fk.kfs, &numa, &err), 0);
	CU_ASSERT_EQUAL(numa.arc_kib, 0);
	numa_free(&numa);
	fake_close(&fk);
	/* Never more than the node has that is not known to be something else */
	CU_ASSERT_EQUAL(numa_arc(&node, 0), 300);
	CU_ASSERT_EQUAL(numa_arc(&node, 500), 140);
	CU_ASSERT_EQUAL(numa_arc(&node, 900), 0);
}

/* The pools would be taken for those of a machine without nodes */
static void test_unseen_nodes(void)
{
	struct numa numa;
	struct err err;
	FAKE_KERNEL(fk, "two-nodes-6.12");

	fake_remove(&fk, NODES "has_memory");
	CU_ASSERT_EQUAL_FATAL(symlinkat("has_memory", fk.kfs.rootfd, NODES "has_memory"), 0);
	CU_ASSERT_EQUAL(numa_read(&fk.kfs, &numa, &err), -ELOOP);
}

static CU_TestInfo tests[] = {
	{ "nodes that can't be looked for", test_unseen_nodes },
	{ "sets of processors", test_cpusets },
	{ "processors and the memory near them", test_processors },
	{ "zones", test_zones },
	{ "swap that is room", test_swaps },
	{ "what ZFS could give back", test_arc },
	{ "lists of nodes", test_parse },
	{ "sets of nodes", test_sets },
	{ "a long list", test_long_format },
	{ "captured hosts", test_captured },
	{ "nodes with holes", test_holes },
	{ "a kernel without NUMA", test_without_numa },
	{ "files that can't be understood", test_damaged },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_numa", tests);
}
