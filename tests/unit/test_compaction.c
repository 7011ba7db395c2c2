// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What is written where to make room.  The children's writes are noted in a file.
 */
#include "memory/compaction.h"
#include "memory/reclaim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "process/child.h"
#include "unit/fake_kernel.h"
#include "unit/unit.h"

#define CGROUP "sys/fs/cgroup/memory.reclaim"

/* "PATH=TEXT" of each write, one a line; longer texts than @data are refused */
static int note(const struct kfs *kfs, const char *path, const char *text)
{
	const char *const *refused = kfs->data;
	char line[512];
	int fd = openat(kfs->rootfd, "notes", O_WRONLY | O_CREAT | O_APPEND, 0644);

	snprintf(line, sizeof(line), "%s=%s\n", path, text);
	if (fd < 0 || write(fd, line, strlen(line)) < 0)
		return -EIO;
	close(fd);
	return *refused && strstr(text, *refused) ? -EINVAL : 0;
}

struct desk {
	struct fake_kernel fk;
	struct numa numa;
	const char *refused;
};

static void open_desk(struct desk *d, const char *host)
{
	struct err err = { "" };

	d->refused = NULL;
	fake_open(&d->fk, host);
	CU_ASSERT_EQUAL_FATAL(numa_read(&d->fk.kfs, &d->numa, &err), 0);
	d->fk.kfs.write = note;
	d->fk.kfs.data = &d->refused;
}

static void close_desk(struct desk *d)
{
	numa_free(&d->numa);
	fake_close(&d->fk);
}

#define DESK(name, ...) UNIT_FIXTURE(struct desk, name, close_desk, open_desk(&(name), __VA_ARGS__))

static void check_notes(const struct desk *d, pid_t pid, int rc, const char *want)
{
	char text[1024];

	if (!UNIT_CHECK(pid > 0, "no child: %d", pid))
		return;
	UNIT_CHECK(child_wait(pid, clock_ms() + 20000) == rc, "not %d", rc);
	fake_get(&d->fk, "notes", text, sizeof(text));
	UNIT_CHECK_STR(text, want, "written");
}

static void test_compact(void)
{
	struct desk d;

	open_desk(&d, "two-nodes-6.12");
	check_notes(&d, compaction_start(&d.fk.kfs, &d.numa, 1), 0,
		    "sys/devices/system/node/node1/compact=1");
	close_desk(&d);

	open_desk(&d, "one-node");
	d.numa.sysfs = false;
	check_notes(&d, compaction_start(&d.fk.kfs, &d.numa, 0), 0, "proc/sys/vm/compact_memory=1");
	close_desk(&d);

	open_desk(&d, "one-node");
	d.refused = "1";
	check_notes(&d, compaction_start(&d.fk.kfs, &d.numa, 0), -EINVAL,
		    "sys/devices/system/node/node0/compact=1");
	close_desk(&d);
}

static void test_way(void)
{
	struct desk d;

	/* 6.18 has nodeN/reclaim, the others don't */
	open_desk(&d, "one-node");
	CU_ASSERT_EQUAL(reclaim_way(&d.fk.kfs, &d.numa, 0), RECLAIM_NODE);
	fake_put(&d.fk, CGROUP, "");
	CU_ASSERT_EQUAL(reclaim_way(&d.fk.kfs, &d.numa, 0), RECLAIM_NODE);
	d.numa.sysfs = false;
	CU_ASSERT_EQUAL(reclaim_way(&d.fk.kfs, &d.numa, 0), RECLAIM_CGROUP);
	close_desk(&d);

	open_desk(&d, "two-nodes-6.1");
	CU_ASSERT_EQUAL(reclaim_way(&d.fk.kfs, &d.numa, 1), RECLAIM_NONE);
	fake_put(&d.fk, CGROUP, "");
	CU_ASSERT_EQUAL(reclaim_way(&d.fk.kfs, &d.numa, 1), RECLAIM_CGROUP);
	close_desk(&d);
}

static void test_reclaim_node(void)
{
	struct desk d;

	open_desk(&d, "one-node");
	check_notes(&d, reclaim_start(&d.fk.kfs, &d.numa, 0, 4096), 0,
		    "sys/devices/system/node/node0/reclaim=4096K swappiness=0");
	close_desk(&d);

	/* Refused: not tried without swappiness, which would swap the host out */
	open_desk(&d, "one-node");
	d.refused = "swappiness";
	check_notes(&d, reclaim_start(&d.fk.kfs, &d.numa, 0, 4096), -EINVAL,
		    "sys/devices/system/node/node0/reclaim=4096K swappiness=0");
	close_desk(&d);
}

static void test_reclaim_cgroup(void)
{
	struct desk d;

	open_desk(&d, "two-nodes-6.12");
	fake_put(&d.fk, CGROUP, "");
	check_notes(&d, reclaim_start(&d.fk.kfs, &d.numa, 1, 10), 0, CGROUP "=10K swappiness=0");
	close_desk(&d);

	/* Before 6.9 swappiness= is not understood: without swap that is no loss */
	open_desk(&d, "two-nodes-6.1");
	fake_put(&d.fk, CGROUP, "");
	d.refused = "swappiness";
	check_notes(&d, reclaim_start(&d.fk.kfs, &d.numa, 1, 10), 0,
		    CGROUP "=10K swappiness=0\n" CGROUP "=10K");
	close_desk(&d);

	open_desk(&d, "two-nodes-6.1");
	fake_put(&d.fk, CGROUP, "");
	d.refused = "swappiness";
	d.numa.swaps = true;
	check_notes(&d, reclaim_start(&d.fk.kfs, &d.numa, 1, 10), -EINVAL,
		    CGROUP "=10K swappiness=0");
	close_desk(&d);
}

/* A node with 1000 MiB of cache whose kernel gives up after so many MiB, one call after the other;
 * in the end it frees all it is asked for.  What is written by the child is in files */
static const struct fake_kernel *tired;
static uint64_t frees_mib[3];

static int give_up(const struct kfs *kfs, const char *path, const char *text)
{
	static const char *none;
	static unsigned int call;
	const struct kfs noting = { .rootfd = kfs->rootfd, .data = &none };
	static uint64_t cache_mib = 1000;
	bool last = call >= ROWS(frees_mib) || frees_mib[call] == UINT64_MAX;

	cache_mib -= last ? 0 : frees_mib[call];
	call++;
	fake_set_meminfo(tired, 0, "Active(file)", cache_mib * KIB_PER_MIB);
	return note(&noting, path, text) < 0 ? -EIO : last ? 0 : -EAGAIN;
}

/* The kernel adds up what cgroups have when their counters are read: once for each call in vain.  A
 * pipe in place of the file shows it */
static void test_adds_up(void)
{
	static const char *const files[] = { "sys/fs/cgroup/memory.stat",
					     "sys/fs/cgroup/memory/memory.stat" };
	size_t i;

	for (i = 0; i < ROWS(files); i++) {
		int left = -1, fd;
		DESK(d, "one-node");

		fake_put(&d.fk, files[i], "");
		fake_remove(&d.fk, files[i]);
		CU_ASSERT_EQUAL_FATAL(mkfifoat(d.fk.kfs.rootfd, files[i], 0600), 0);
		fd = openat(d.fk.kfs.rootfd, files[i], O_RDWR | O_CLOEXEC);
		CU_ASSERT_EQUAL_FATAL(write(fd, "anon 1\n", 7), 7);
		tired = &d.fk;
		memset(frees_mib, 0, sizeof(frees_mib));
		frees_mib[1] = UINT64_MAX;
		d.fk.kfs.write = give_up;
		CU_ASSERT_EQUAL(
			child_wait(reclaim_start(&d.fk.kfs, &d.numa, 0, 1024), clock_ms() + 20000),
			0);
		CU_ASSERT_EQUAL(ioctl(fd, FIONREAD, &left), 0);
		UNIT_CHECK(left == 0, "/%s was not read: %d bytes", files[i], left);
		close(fd);
	}
}

/* Asked again for what is left, as long as it frees a sixteenth of that */
static void test_gives_up(void)
{
	static const struct {
		uint64_t frees_mib[3];
		const char *asked_kib;
		int rc;
	} rows[] = {
		{ { 400, UINT64_MAX, 0 }, "819200 409600", 0 },
		{ { 400, 200, UINT64_MAX }, "819200 409600 204800", 0 },
		{ { 50, 46, 0 }, "819200 768000 720896", -EAGAIN },
		{ { 49, 0, 0 }, "819200 769024", -EAGAIN },
		/* In vain once: cgroups' pages had not been added up */
		{ { 0, UINT64_MAX, 0 }, "819200 819200", 0 },
		{ { 0, 0, 0 }, "819200 819200", -EAGAIN },
		/* Another program's loss counts as well */
		{ { 800, 0, 0 }, "819200", -EAGAIN },
		{ { 900, 0, 0 }, "819200", -EAGAIN },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		char want[512] = "", kib[64], *word, *save = NULL;
		DESK(d, "one-node");

		tired = &d.fk;
		memcpy(frees_mib, rows[i].frees_mib, sizeof(frees_mib));
		fake_set_meminfo(&d.fk, 0, "Active(file)", 1000 * KIB_PER_MIB);
		fake_set_meminfo(&d.fk, 0, "Inactive(file)", 0);
		d.fk.kfs.write = give_up;
		snprintf(kib, sizeof(kib), "%s", rows[i].asked_kib);
		for (word = strtok_r(kib, " ", &save); word; word = strtok_r(NULL, " ", &save))
			snprintf(want + strlen(want), sizeof(want) - strlen(want),
				 "%ssys/devices/system/node/node0/reclaim=%sK swappiness=0",
				 *want ? "\n" : "", word);
		check_notes(&d, reclaim_start(&d.fk.kfs, &d.numa, 0, 800 * KIB_PER_MIB), rows[i].rc,
			    want);
	}
}

static void test_no_reclaim(void)
{
	DESK(d, "two-nodes-6.1");

	CU_ASSERT_EQUAL(reclaim_start(&d.fk.kfs, &d.numa, 0, 10), -EOPNOTSUPP);
	CU_ASSERT_FALSE(fake_exists(&d.fk, "notes"));
}

static void test_drop_caches(void)
{
	DESK(d, "one-node");

	check_notes(&d, reclaim_drop_caches(&d.fk.kfs), 0, "proc/sys/vm/drop_caches=3");
}

static CU_TestInfo tests[] = {
	{ "compaction", test_compact },
	{ "ways to reclaim", test_way },
	{ "reclaim on a node", test_reclaim_node },
	{ "reclaim through cgroups", test_reclaim_cgroup },
	{ "reclaim that gives up", test_gives_up },
	{ "counters of cgroups", test_adds_up },
	{ "no way to reclaim", test_no_reclaim },
	{ "dropping caches", test_drop_caches },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_compaction", tests);
}
