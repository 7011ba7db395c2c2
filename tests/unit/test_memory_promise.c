// SPDX-License-Identifier: LGPL-2.1-or-later
/* Running guests' plain memory: what is promised, touched, and may still be taken. */
#include "policy/memory_promise.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "guest/guest.h"
#include "lifecycle/view_memory.h"
#include "unit/fake_kernel.h"
#include "unit/unit.h"

#define GIB KIB_PER_GIB

static struct nodeset on(unsigned int node)
{
	struct nodeset nodes = { 0 };

	nodeset_add(&nodes, node);
	return nodes;
}

static void add(struct host_view *host, const char *name, struct guest_memory *memory, size_t n,
		uint64_t rss_kib)
{
	const struct guest guest = { .memory = memory, .n_memory = n };
	const struct smaps smaps = { .rss_kib = rss_kib, .pss_kib = rss_kib / 2 };

	CU_ASSERT_EQUAL_FATAL(memory_promise_add(host, name, &guest, &smaps), 0);
}

/* Two nodes with 10 GiB free each */
static struct host_view make_host(struct numa_node nodes[2])
{
	nodes[0] = (struct numa_node){ .id = 0, .free_kib = 10 * GIB };
	nodes[1] = (struct numa_node){ .id = 1, .free_kib = 10 * GIB };
	return (struct host_view){ .numa = { .n_nodes = 2, .nodes = nodes } };
}

/* 1 of 8 GiB is touched: 8 are promised, and 7 of them missing in what is free */
static void test_touched(void)
{
	struct guest_memory memory = { .size_kib = 8 * GIB };
	struct numa_node nodes[2];
	struct host_view host = make_host(nodes);
	size_t n;

	add(&host, "g", &memory, 1, GIB);
	CU_ASSERT_EQUAL_FATAL(host.n_memory, 1);
	UNIT_CHECK_STR(host.memory[0].guest, "g", "its name");
	CU_ASSERT_EQUAL(host.memory[0].promised_kib, 8 * GIB);
	CU_ASSERT_EQUAL(host.memory[0].resident_kib, GIB);
	CU_ASSERT_TRUE(nodeset_empty(&host.memory[0].nodes));
	CU_ASSERT_EQUAL(memory_promise_left(&host.memory[0]), 7 * GIB);
	CU_ASSERT_EQUAL(memory_promises_left(&host, NULL), 7 * GIB);
	CU_ASSERT_EQUAL(memory_promises_sum(&host, &n), 7 * GIB + GIB / 2);
	CU_ASSERT_EQUAL(n, 1);
	/* More than its memory: QEMU's own */
	memory_promise_end(&host, "g");
	CU_ASSERT_EQUAL(host.n_memory, 0);
	add(&host, "g", &memory, 1, 9 * GIB);
	CU_ASSERT_EQUAL(memory_promises_left(&host, NULL), 0);
	CU_ASSERT_EQUAL(memory_promises_sum(&host, &n), 9 * GIB / 2);
	free(host.memory);
}

/* What is promised elsewhere, by pools and stores, is none of it */
static void test_kinds(void)
{
	struct guest_memory all[] = {
		{ .size_kib = GIB, .hugepages = true },
		{ .size_kib = 2 * GIB, .source = GUEST_SOURCE_MEMFD, .hugepages = true },
		{ .size_kib = 4 * GIB, .source = GUEST_SOURCE_FILE },
		{ .size_kib = 8 * GIB, .source = GUEST_SOURCE_MEMFD },
		{ .size_kib = 16 * GIB },
	};
	struct host_view host = { 0 };
	const struct guest none = { 0 };
	const struct smaps smaps = { .rss_kib = 100, .pss_kib = 60 };
	size_t n;

	add(&host, "all", all, ROWS(all), 3 * GIB);
	CU_ASSERT_EQUAL_FATAL(host.n_memory, 1);
	CU_ASSERT_EQUAL(host.memory[0].promised_kib, 24 * GIB);
	memory_promise_end(&host, "all");
	/* Without any plain memory, and one of which nothing can be read: what they have counts */
	add(&host, "huge", all, 2, 100);
	CU_ASSERT_EQUAL(memory_promise_add(&host, "unknown", NULL, &smaps), 0);
	CU_ASSERT_EQUAL(memory_promise_add(&host, "none", &none, &smaps), 0);
	CU_ASSERT_EQUAL(memory_promises_left(&host, NULL), 0);
	CU_ASSERT_EQUAL(memory_promises_sum(&host, &n), 50 + 60 + 60);
	CU_ASSERT_EQUAL(n, 3);
	free(host.memory);
}

/* guest_memfd is not in a process' page tables */
static void test_guest_memfd(void)
{
	struct guest_memory memory = { .size_kib = 4 * GIB };
	const struct guest guest = { .memory = &memory, .n_memory = 1, .security = GUEST_TDX };
	const struct smaps smaps = { .rss_kib = 100 };
	struct host_view host = { 0 };

	CU_ASSERT_TRUE_FATAL(guest_has_guest_memfd(&guest));
	CU_ASSERT_EQUAL_FATAL(memory_promise_add(&host, "g", &guest, &smaps), 0);
	CU_ASSERT_EQUAL(host.memory[0].promised_kib, 4 * GIB);
	CU_ASSERT_EQUAL(memory_promises_left(&host, NULL), 0);
	free(host.memory);
}

/* Backends of one node set are one promise; what is touched is divided by size */
static void test_node_sets(void)
{
	struct guest_memory memory[] = {
		{ .size_kib = 2 * GIB, .bind = GUEST_BIND_STRICT, .nodes = on(0) },
		{ .size_kib = GIB, .bind = GUEST_BIND_PREFERRED, .nodes = on(0) },
		{ .size_kib = 4 * GIB, .bind = GUEST_BIND_STRICT, .nodes = on(1) },
		{ .size_kib = GIB, .bind = GUEST_BIND_INTERLEAVE, .nodes = on(0) },
	};
	struct numa_node nodes[2];
	struct host_view host = make_host(nodes);
	size_t n;

	add(&host, "g", memory, ROWS(memory), 4 * GIB);
	CU_ASSERT_EQUAL_FATAL(host.n_memory, 3);
	CU_ASSERT(nodeset_has(&host.memory[0].nodes, 0) && host.memory[0].promised_kib == 3 * GIB);
	CU_ASSERT(nodeset_empty(&host.memory[1].nodes) && host.memory[1].promised_kib == GIB);
	CU_ASSERT(nodeset_has(&host.memory[2].nodes, 1) && host.memory[2].promised_kib == 4 * GIB);
	CU_ASSERT_EQUAL(host.memory[0].resident_kib, 3 * GIB / 2);
	CU_ASSERT_EQUAL(host.memory[1].resident_kib, GIB / 2);
	CU_ASSERT_EQUAL(host.memory[2].resident_kib, 2 * GIB);
	CU_ASSERT_EQUAL(memory_promises_sum(&host, &n), 2 * GIB + 4 * GIB);
	CU_ASSERT_EQUAL(n, 1);
	memory_promise_end(&host, "other");
	CU_ASSERT_EQUAL(host.n_memory, 3);
	free(host.memory);
}

/* Of a node: what is bound to it, and what other nodes have no room for */
static void test_left_on(void)
{
	static const struct {
		uint64_t free_there, bound_here, bound_there, loose, left;
	} rows[] = {
		{ 10, 3, 0, 0, 3 }, { 10, 0, 4, 0, 0 },	 { 10, 0, 0, 5, 0 }, { 10, 0, 0, 12, 2 },
		{ 10, 1, 8, 5, 4 }, { 10, 0, 12, 1, 1 }, { 0, 0, 0, 7, 7 },
	};
	const struct nodeset here = on(0);
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		struct guest_memory memory[] = {
			{ .size_kib = rows[i].bound_here * GIB,
			  .bind = GUEST_BIND_STRICT,
			  .nodes = on(0) },
			{ .size_kib = rows[i].bound_there * GIB,
			  .bind = GUEST_BIND_STRICT,
			  .nodes = on(1) },
			{ .size_kib = rows[i].loose * GIB },
		};
		struct numa_node nodes[2];
		struct host_view host = make_host(nodes);

		nodes[1].free_kib = rows[i].free_there * GIB;
		add(&host, "g", memory, ROWS(memory), 0);
		UNIT_CHECK(memory_promises_left(&host, &here) == rows[i].left * GIB, "row %zu", i);
		UNIT_CHECK(memory_promises_left(&host, NULL) ==
				   (rows[i].bound_here + rows[i].bound_there + rows[i].loose) * GIB,
			   "row %zu", i);
		free(host.memory);
	}
}

/* Nothing that XML can say makes a small number of a large one */
static void test_absurd(void)
{
	struct guest_memory memory[] = {
		{ .size_kib = UINT64_MAX - 5 },
		{ .size_kib = UINT64_MAX, .bind = GUEST_BIND_STRICT, .nodes = on(0) },
	};
	struct host_view host = { 0 };

	add(&host, "g", memory, 2, UINT64_MAX / 2);
	CU_ASSERT(memory_promises_left(&host, NULL) <= UINT64_MAX);
	CU_ASSERT(host.memory[0].resident_kib <= host.memory[0].promised_kib);
	CU_ASSERT(host.memory[1].resident_kib <= host.memory[1].promised_kib);
	free(host.memory);
}

/* ---- read from a host ---- */

#define DOMAIN(name)                                                                               \
	"<domstatus state='running' pid='1'>\n  <domain type='kvm' id='3'>\n    <name>" name       \
	"</name>\n    <uuid>c7a5fdbd-cdaf-9455-926a-d65c16db1809</uuid>\n"                         \
	"    <memory unit='GiB'>8</memory>\n  </domain>\n</domstatus>\n"

static pid_t start(struct fake_kernel *fk, const char *name, const char *domain, const char *smaps)
{
	pid_t pid = fake_qemu(fk, name);
	char path[256];

	snprintf(path, sizeof(path), "run/libvirt/qemu/%s.xml", name);
	if (domain)
		fake_put(fk, path, domain);
	if (smaps)
		fake_put_process(fk, pid, "smaps_rollup", smaps);
	return pid;
}

/* Neither has a ledger.  One whose XML can't be read has what it has, and one whose QEMU can't
 * be looked at is left out */
static void test_view(void)
{
	struct host_view host = { 0 };
	const struct memory_promise *g;
	pid_t pids[3];
	size_t i, n;
	FAKE_KERNEL(fk, "one-node");

	pids[0] = start(&fk, "g", "\n" DOMAIN("g"), "Rss: 1048576 kB\nPss: 1000000 kB\n");
	pids[1] = start(&fk, "other", NULL, "Rss: 500 kB\nPss: 300 kB\n");
	pids[2] = start(&fk, "closed", "\n" DOMAIN("closed"), NULL);
	/* Twice is as good as once */
	for (i = 0; i < 2; i++)
		CU_ASSERT_EQUAL_FATAL(view_memory(&fk.kfs, &host, NULL), 0);
	CU_ASSERT_EQUAL_FATAL(host.n_memory, 2);
	g = &host.memory[strcmp(host.memory[0].guest, "g") != 0];
	CU_ASSERT_EQUAL(g->promised_kib, 8 * GIB);
	CU_ASSERT_EQUAL(g->resident_kib, GIB);
	CU_ASSERT_EQUAL(memory_promises_left(&host, NULL), 7 * GIB);
	CU_ASSERT_EQUAL(memory_promises_sum(&host, &n), 7 * GIB + 1000300);
	CU_ASSERT_EQUAL(n, 2);
	for (i = 0; i < ROWS(pids); i++)
		fake_end(&fk, pids[i]);
	CU_ASSERT_EQUAL(view_memory(&fk.kfs, &host, NULL), 0);
	CU_ASSERT_EQUAL(host.n_memory, 0);
	view_memory_free(&host);
}

static CU_TestInfo tests[] = {
	{ "guests that run", test_view },	{ "one that has touched a part", test_touched },
	{ "what is plain memory", test_kinds }, { "guest_memfd", test_guest_memfd },
	{ "node sets", test_node_sets },	{ "what is left of a node", test_left_on },
	{ "absurd sizes", test_absurd },	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_memory_promise", tests);
}
