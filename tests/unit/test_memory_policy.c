// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * From which nodes QEMU's pages come, and that a thread of ours takes that over.
 */
#include "pager/memory_policy.h"

#include <errno.h>
#include <linux/mempolicy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "kernel/kfs.h"
#include "unit/unit.h"

#define NODES  "sys/devices/system/node/has_memory"
#define STATUS "proc/4711/status"
#define MAPS   "proc/4711/numa_maps"

static void write_host(const char *dir, const char *allowed, const char *own)
{
	char text[512];

	unit_write(dir, NODES, "0-1\n");
	snprintf(text, sizeof(text), "Name:\tqemu\nMems_allowed:\t3\nMems_allowed_list:\t%s\n",
		 allowed);
	unit_write(dir, STATUS, text);
	snprintf(text, sizeof(text),
		 "7f00 bind:0 file=/memfd:memory-backend-memfd\\040(deleted) dirty=8 N0=8\n"
		 "7ffc1000 %s stack anon=3 dirty=3 N0=3\n7ffc5000 default\n",
		 own);
	unit_write(dir, MAPS, text);
}

static int read_policy(const char *dir, struct memory_policy *policy, struct err *err)
{
	struct kfs kfs;
	int rc;

	CU_ASSERT_EQUAL_FATAL(kfs_open(&kfs, dir, err), 0);
	rc = memory_policy_read(&kfs, 4711, policy, err);
	kfs_close(&kfs);
	return rc;
}

static void test_read(void)
{
	static const struct {
		const char *allowed, *own;
		int mode;
		const char *nodes;
	} rows[] = {
		/* The memory's own policy, in the first line, is not the thread's */
		{ "0-1", "default", MPOL_DEFAULT, "" },
		{ "0-1", "local", MPOL_DEFAULT, "" },
		{ "0-1", "bind:1", MPOL_BIND, "1" },
		{ "0-1", "bind=static:0-1", MPOL_BIND, "0-1" },
		{ "0-1", "prefer:1", MPOL_PREFERRED, "1" },
		{ "0-1", "prefer (many):0-1", MPOL_PREFERRED_MANY, "0-1" },
		{ "0-1", "interleave:0-1", MPOL_INTERLEAVE, "0-1" },
		{ "0-1", "something new:1", MPOL_DEFAULT, "" },
		/* As <numatune> with mode='restrictive' has it */
		{ "1", "default", MPOL_BIND, "1" },
		{ "0", "prefer:0", MPOL_BIND, "0" },
		{ "0", "bind:0", MPOL_BIND, "0" },
		/* Nodes without memory are none of ours */
		{ "0-63", "default", MPOL_DEFAULT, "" },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		const char *dir = unit_tmpdir();
		char text[NODESET_TEXT_SIZE] = "";
		struct memory_policy policy;
		struct err err = { "" };

		write_host(dir, rows[i].allowed, rows[i].own);
		UNIT_CHECK(read_policy(dir, &policy, &err) == 0, "row %zu: %s", i, err.text);
		if (!nodeset_empty(&policy.nodes))
			nodeset_format(&policy.nodes, text);
		UNIT_CHECK(policy.mode == rows[i].mode, "row %zu: mode %d", i, policy.mode);
		UNIT_CHECK_STR(text, rows[i].nodes, "row %zu", i);
	}
}

static void test_missing(void)
{
	const char *dir = unit_tmpdir();
	struct memory_policy policy = { .mode = 77 };
	struct err err = { "" };

	UNIT_CHECK(read_policy(dir, &policy, &err) == 0, "without NUMA: %s", err.text);
	CU_ASSERT_EQUAL(policy.mode, MPOL_DEFAULT);
	/* With one node nothing else is read */
	unit_write(dir, NODES, "1\n");
	policy.mode = 77;
	UNIT_CHECK(read_policy(dir, &policy, &err) == 0, "with one node: %s", err.text);
	CU_ASSERT_EQUAL(policy.mode, MPOL_DEFAULT);
	unit_write(dir, NODES, "0-1\n");
	CU_ASSERT_EQUAL(read_policy(dir, &policy, &err), -ESRCH);
	UNIT_CHECK_STR(err.text, "process 4711 is gone", "gone");
}

static void test_take(void)
{
	static const struct memory_policy any = { .mode = MPOL_DEFAULT };
	struct memory_policy first = { .mode = MPOL_BIND };
	struct nodeset nodes = { 0 };
	int mode = -1;

	if (syscall(SYS_get_mempolicy, &mode, NULL, 0, NULL, 0) < 0)
		return; /* a kernel without NUMA */
	nodeset_add(&first.nodes, 0);
	CU_ASSERT_EQUAL(memory_policy_take(&first), 0);
	CU_ASSERT_EQUAL(syscall(SYS_get_mempolicy, &mode, nodes.word, NUMA_NODES_MAX, NULL, 0), 0);
	CU_ASSERT_EQUAL(mode, MPOL_BIND);
	CU_ASSERT_TRUE(nodeset_equal(&nodes, &first.nodes));
	CU_ASSERT_EQUAL(memory_policy_take(&any), 0);
	CU_ASSERT_EQUAL(syscall(SYS_get_mempolicy, &mode, NULL, 0, NULL, 0), 0);
	CU_ASSERT_EQUAL(mode, MPOL_DEFAULT);
	/* Of a node that isn't there */
	memset(&first.nodes, 0, sizeof(first.nodes));
	nodeset_add(&first.nodes, NUMA_NODES_MAX - 1);
	CU_ASSERT_EQUAL(memory_policy_take(&first), -EINVAL);
}

static CU_TestInfo tests[] = {
	{ "a process' policy is read", test_read },
	{ "what is missing", test_missing },
	{ "and taken", test_take },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_memory_policy", tests);
}
