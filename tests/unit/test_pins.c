// SPDX-License-Identifier: LGPL-2.1-or-later
/* What is said of a guest whose processors are pinned and whose memory is not. */
#include "policy/pins.h"

#include <stdio.h>
#include <string.h>

#include "guest/guest.h"
#include "unit/unit.h"

static void add_cpus(struct cpuset *set, const char *text)
{
	struct cpuset more;

	CU_ASSERT_FATAL(cpuset_parse(text, &more) == 0);
	cpuset_add(set, &more);
}

/* Nodes 0 and 2 have memory, node 3 has not: its processors count for node 2 as well */
struct host {
	struct numa_node nodes[2];
	struct numa_bare bare;
	struct numa numa;
};

static void fill(struct host *h, unsigned int near)
{
	*h = (struct host){ .nodes = { { .id = 0 }, { .id = 2 } }, .bare = { 3, near, { { 0 } } } };
	add_cpus(&h->nodes[0].cpus, "0-7");
	add_cpus(&h->nodes[1].cpus, "16-23");
	add_cpus(&h->bare.cpus, "24-31");
	if (near == 2)
		cpuset_add(&h->nodes[1].cpus, &h->bare.cpus);
	h->numa = (struct numa){
		.cpus_known = true, .n_nodes = 2, .nodes = h->nodes, .n_bare = 1, .bare = &h->bare
	};
}

static const struct {
	const char *vcpus; /* NULL: not pinned */
	const char *emulator;
	enum guest_bind bind;
	unsigned int near;
	const char *want; /* NULL: nothing is said */
} rows[] = {
	{ "24-27", NULL, GUEST_BIND_ANY, 2,
	  "its processors are pinned to node 3, which has no memory: its memory comes from node 2, "
	  "the nearest one that has" },
	{ NULL, "24", GUEST_BIND_ANY, 2,
	  "its processors are pinned to node 3, which has no memory: its memory comes from node 2, "
	  "the nearest one that has" },
	{ "24-27", NULL, GUEST_BIND_ANY, NUMA_NODES_MAX,
	  "its processors are pinned to node 3, which has no memory, and which node is the nearest "
	  "one that has can't be told: its memory may come from any" },
	/* Some of them have memory of their own */
	{ "20-27", NULL, GUEST_BIND_ANY, 2, NULL },
	{ "0-3", NULL, GUEST_BIND_ANY, 2, NULL },
	{ NULL, NULL, GUEST_BIND_ANY, 2, NULL },
	{ "24-27", NULL, GUEST_BIND_STRICT, 2, NULL },
};

static void test_bare(void)
{
	struct guest_memory memory;
	struct guest guest;
	struct host h;
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		char words[PINS_WORDS_SIZE] = "";
		bool said;

		memory = (struct guest_memory){ .bind = rows[i].bind };
		guest = (struct guest){ .n_memory = 1, .memory = &memory };
		if (rows[i].vcpus)
			add_cpus(&guest.vcpu_cpus, rows[i].vcpus);
		if (rows[i].emulator)
			add_cpus(&guest.emulator_cpus, rows[i].emulator);
		fill(&h, rows[i].near);
		said = pins_bare_words(&guest, &h.numa, words, sizeof(words));
		UNIT_CHECK(said == !!rows[i].want && !strcmp(words, said ? rows[i].want : ""),
			   "%zu: %s", i, words);
	}
}

/* Its own processors are not "pinned to" the node that its memory comes from */
static void test_near(void)
{
	struct guest_memory memory = { .bind = GUEST_BIND_ANY };
	struct guest guest = { .n_memory = 1, .memory = &memory };
	char words[PINS_WORDS_SIZE] = "";
	struct host h;

	fill(&h, 2);
	add_cpus(&guest.vcpu_cpus, "24-27");
	CU_ASSERT_TRUE(pins_words(&guest, &h.numa, words, sizeof(words)));
	CU_ASSERT_PTR_NOT_NULL(strstr(words, "nearest to node 2,"));
	guest.vcpu_cpus = (struct cpuset){ { 0 } };
	add_cpus(&guest.vcpu_cpus, "16-19");
	CU_ASSERT_TRUE(pins_words(&guest, &h.numa, words, sizeof(words)));
	CU_ASSERT_PTR_NOT_NULL(strstr(words, "pinned to node 2,"));
}

static CU_TestInfo tests[] = {
	{ "processors of a node without memory", test_bare },
	{ "near, or there", test_near },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_pins", tests);
}
