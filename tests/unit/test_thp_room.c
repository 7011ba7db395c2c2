// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Room for transparent huge pages: how long it goes on, and on which nodes.
 */
#include "steps/thp_room.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "policy/step.h"
#include "unit/fake_kernel.h"
#include "unit/unit.h"

/* Blocks of 2 MiB that a compaction of a node brings, and all that there can be */
enum { BROUGHT = 16, MOST = 400 };

/**
 * struct desk - A host whose memory comes in larger blocks each time a node is compacted
 * @most: Blocks that a node can have
 */
struct desk {
	struct fake_kernel fk;
	struct numa numa;
	unsigned int most[2];
};

static unsigned int blocks(const struct fake_kernel *fk, int node)
{
	char name[32], text[32];

	snprintf(name, sizeof(name), "fake/blocks-%d", node);
	fake_get(fk, name, text, sizeof(text));
	return (unsigned int)strtoul(text, NULL, 10);
}

static void set_blocks(const struct fake_kernel *fk, int node, unsigned int n)
{
	char name[32], text[256];

	snprintf(name, sizeof(name), "fake/blocks-%d", node);
	fake_put_u64(fk, name, n);
	snprintf(text, sizeof(text),
		 "Node 0, zone Normal 9999 0 0 0 0 0 0 0 0 %u 0\n"
		 "Node 1, zone Normal 9999 0 0 0 0 0 0 0 0 %u 0\n",
		 blocks(fk, 0), blocks(fk, 1));
	fake_put(fk, "proc/buddyinfo", text);
}

/* In a child */
static int compact(const struct kfs *kfs, const char *path, const char *text)
{
	const struct desk *d = kfs->data;
	int node;

	(void)text;
	if (sscanf(path, "sys/devices/system/node/node%d/compact", &node) != 1)
		return -ENOENT;
	set_blocks(&d->fk, node,
		   (unsigned int)u64_min(d->most[node], blocks(&d->fk, node) + BROUGHT));
	return 0;
}

static void open_desk(struct desk *d)
{
	struct err err = { "" };

	fake_open(&d->fk, "two-nodes-6.12");
	CU_ASSERT_EQUAL_FATAL(numa_read(&d->fk.kfs, &d->numa, &err), 0);
	d->fk.kfs.write = compact;
	d->fk.kfs.data = d;
	d->most[0] = d->most[1] = MOST;
	set_blocks(&d->fk, 0, 0);
	set_blocks(&d->fk, 1, 0);
}

static void close_desk(struct desk *d)
{
	numa_free(&d->numa);
	fake_close(&d->fk);
}

#define DESK(name) UNIT_FIXTURE(struct desk, name, close_desk, open_desk(&(name)))

/* And 32 MiB, which are 16 blocks, for others on each */
static void test_rounds(void)
{
	static const struct {
		uint64_t mib;
		const char *nodes;
		unsigned int most[2], blocks[2];
	} rows[] = {
		/* Each round brings some, and none all of it */
		{ 256, "0", { MOST, MOST }, { 144, 0 } },
		{ 256, "1", { MOST, MOST }, { 0, 144 } },
		{ 32, "1", { MOST, MOST }, { 0, 32 } },
		{ 256, "0", { 96, MOST }, { 96, 0 } },
		/* Half of it on each, and on the second what the first lacks */
		{ 256, "0-1", { MOST, MOST }, { 80, 80 } },
		{ 256, "0-1", { 32, MOST }, { 32, 112 } },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		struct step_thp thp = { .room_kib = rows[i].mib * KIB_PER_MIB, .compact = true };
		DESK(d);

		CU_ASSERT_EQUAL_FATAL(nodeset_parse(rows[i].nodes, &thp.nodes), 0);
		memcpy(d.most, rows[i].most, sizeof(d.most));
		thp_room_make(&d.fk.kfs, &d.numa, &thp, clock_ms() + 60000);
		UNIT_CHECK(blocks(&d.fk, 0) == rows[i].blocks[0], "row %zu, node 0: %u", i,
			   blocks(&d.fk, 0));
		UNIT_CHECK(blocks(&d.fk, 1) == rows[i].blocks[1], "row %zu, node 1: %u", i,
			   blocks(&d.fk, 1));
	}
}

static void test_no_time(void)
{
	struct step_thp thp = { .room_kib = KIB_PER_GIB, .compact = true };
	DESK(d);

	nodeset_add(&thp.nodes, 0);
	thp_room_make(&d.fk.kfs, &d.numa, &thp, clock_ms());
	CU_ASSERT_EQUAL(blocks(&d.fk, 0), 0);
}

static CU_TestInfo tests[] = {
	{ "rounds", test_rounds },
	{ "no time", test_no_time },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_thp_room", tests);
}
