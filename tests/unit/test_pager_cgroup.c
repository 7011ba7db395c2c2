// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pager/pager_cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "unit/unit.h"

#define PID    4711
#define CGROUP "sys/fs/cgroup/"
#define SCOPE  "machine.slice/machine-qemu\\x2d1\\x2dweb1.scope"
#define SWAP   CGROUP SCOPE "/memory.swap.max"

/* A host as libvirt makes it under systemd */
struct stage {
	const char *dir;
	struct kfs kfs;
	int directory;
};

static void open_stage(struct stage *stage, const char *cgroup)
{
	char line[512];

	stage->dir = unit_tmpdir();
	snprintf(line, sizeof(line), "0::/%s\n", cgroup);
	unit_write(stage->dir, "proc/4711/cgroup", line);
	unit_write(stage->dir, CGROUP "cgroup.controllers", "cpu memory\n");
	unit_write(stage->dir, SWAP, "1073741824\n");
	unit_write(stage->dir, CGROUP SCOPE "/memory.max", "5000000\n");
	unit_write(stage->dir, CGROUP SCOPE "/memory.current", "1000000\n");
	unit_write(stage->dir, CGROUP "machine.slice/memory.max", "max\n");
	unit_write(stage->dir, CGROUP "machine.slice/memory.current", "7000000\n");
	CU_ASSERT_EQUAL_FATAL(kfs_open(&stage->kfs, stage->dir, NULL), 0);
	stage->directory = open(unit_tmpdir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void close_stage(struct stage *stage)
{
	kfs_close(&stage->kfs);
	close(stage->directory);
}

#define STAGE(name, cgroup)                                                                        \
	UNIT_FIXTURE(struct stage, name, close_stage, open_stage(&(name), cgroup))

static void check_swap(const struct stage *stage, const char *want)
{
	char value[64] = "";

	CU_ASSERT_EQUAL(kfs_read(&stage->kfs, SWAP, value, sizeof(value), NULL), 0);
	/* A file is written over, not replaced: what is behind the value is a directory's manner */
	UNIT_CHECK(strncmp(value, want, strlen(want)) == 0, "it is %s", value);
}

static bool note_is_there(const struct stage *stage)
{
	return faccessat(stage->directory, PAGER_CGROUP_NOTE, F_OK, 0) == 0;
}

/* The kernel's file has one value */
static int write_value(const struct kfs *kfs, const char *path, const char *text)
{
	int fd = openat(kfs->rootfd, path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	int rc = fd < 0 ? -errno : 0;

	if (fd >= 0 && write(fd, text, strlen(text)) < 0)
		rc = -errno;
	if (fd >= 0)
		close(fd);
	return rc;
}

static void test_there_and_back(void)
{
	struct err err = { "" };
	STAGE(stage, SCOPE "/libvirt/emulator");

	stage.kfs.write = write_value;
	UNIT_CHECK(pager_cgroup_begin(&stage.kfs, PID, stage.directory, &err) == 0, "%s", err.text);
	check_swap(&stage, "0");
	/* A successor does the same: what it was before stays noted */
	CU_ASSERT_EQUAL(pager_cgroup_begin(&stage.kfs, PID, stage.directory, &err), 0);
	UNIT_CHECK(pager_cgroup_end(&stage.kfs, stage.directory, &err) == 0, "%s", err.text);
	check_swap(&stage, "1073741824");
	CU_ASSERT_FALSE(note_is_there(&stage));
	CU_ASSERT_EQUAL(pager_cgroup_end(&stage.kfs, stage.directory, &err), 0);
}

static void test_changed_since(void)
{
	struct err err = { "" };
	STAGE(stage, SCOPE);

	stage.kfs.write = write_value;
	CU_ASSERT_EQUAL(pager_cgroup_begin(&stage.kfs, PID, stage.directory, &err), 0);
	unit_write(stage.dir, SWAP, "4096\n");
	CU_ASSERT_EQUAL(pager_cgroup_end(&stage.kfs, stage.directory, &err), 0);
	check_swap(&stage, "4096");
	CU_ASSERT_FALSE(note_is_there(&stage));
}

static void test_gone(void)
{
	struct err err = { "" };
	char path[512];
	STAGE(stage, SCOPE);

	stage.kfs.write = write_value;
	CU_ASSERT_EQUAL(pager_cgroup_begin(&stage.kfs, PID, stage.directory, &err), 0);
	snprintf(path, sizeof(path), "%s/%s", stage.dir, SWAP);
	CU_ASSERT_EQUAL(unlink(path), 0);
	UNIT_CHECK(pager_cgroup_end(&stage.kfs, stage.directory, &err) == 0, "%s", err.text);
	CU_ASSERT_FALSE(note_is_there(&stage));
}

static void test_whose(void)
{
	static const struct {
		const char *cgroup;
		int rc;
	} rows[] = {
		{ SCOPE "/libvirt/vcpu0", 0 },
		{ "system.slice/libvirtd.service", -ENOTSUP },
		{ "machine.slice", -ENOTSUP },
		{ "", -ENOTSUP },
		/* No memory.swap.max there */
		{ "machine/qemu-1-web1.libvirt-qemu/emulator", -ENOTSUP },
		{ "../../x", -ENOTSUP },
		{ "user.slice/machine-qemu.slice/x", -ENOTSUP },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		struct err err = { "" };
		STAGE(stage, rows[i].cgroup);
		int rc = pager_cgroup_begin(&stage.kfs, PID, stage.directory, &err);

		UNIT_CHECK(rc == rows[i].rc, "row %zu gave %d: %s", i, rc, err.text);
		CU_ASSERT_EQUAL(note_is_there(&stage), rc == 0);
	}
}

static void test_room(void)
{
	uint64_t bytes = 1;
	struct err err = { "" };
	STAGE(stage, SCOPE "/libvirt/emulator");

	UNIT_CHECK(pager_cgroup_room(&stage.kfs, PID, &bytes, &err) == 0, "%s", err.text);
	CU_ASSERT_EQUAL(bytes, 4000000);
	unit_write(stage.dir, CGROUP "machine.slice/memory.max", "7100000\n");
	CU_ASSERT_EQUAL(pager_cgroup_room(&stage.kfs, PID, &bytes, &err), 0);
	CU_ASSERT_EQUAL(bytes, 100000);
	unit_write(stage.dir, CGROUP SCOPE "/memory.current", "6000000\n");
	CU_ASSERT_EQUAL(pager_cgroup_room(&stage.kfs, PID, &bytes, &err), 0);
	CU_ASSERT_EQUAL(bytes, 0);
	unit_write(stage.dir, "proc/4711/cgroup", "0::/\n");
	CU_ASSERT_EQUAL(pager_cgroup_room(&stage.kfs, PID, &bytes, &err), 0);
	CU_ASSERT_EQUAL(bytes, UINT64_MAX);
	unit_write(stage.dir, "proc/4711/cgroup", "4:memory:/x\n");
	CU_ASSERT_EQUAL(pager_cgroup_room(&stage.kfs, PID, &bytes, &err), -ENOTSUP);
	CU_ASSERT_EQUAL(pager_cgroup_room(&stage.kfs, 1, &bytes, &err), -ESRCH);
}

/* A disk's cache gives way; the guest's own memory may stay as it is */
static void test_cache_and_memory(void)
{
	uint64_t bytes = 1;
	struct err err = { "" };
	STAGE(stage, SCOPE "/libvirt/emulator");

	unit_write(stage.dir, CGROUP SCOPE "/memory.stat",
		   "anon 100\ninactive_file 20000\nactive_file 30000\nshmem 700000\n");
	unit_write(stage.dir, CGROUP "machine.slice/memory.stat",
		   "inactive_file 200000\nactive_file 1\nshmem 5000000\n");
	CU_ASSERT_EQUAL(pager_cgroup_room(&stage.kfs, PID, &bytes, &err), 0);
	CU_ASSERT_EQUAL(bytes, 4050000);
	CU_ASSERT_EQUAL(pager_cgroup_most(&stage.kfs, PID, &bytes, &err), 0);
	CU_ASSERT_EQUAL(bytes, 4750000);
	/* Of other guests in the slice nothing is given away */
	unit_write(stage.dir, CGROUP "machine.slice/memory.max", "7100000\n");
	CU_ASSERT_EQUAL(pager_cgroup_most(&stage.kfs, PID, &bytes, &err), 0);
	CU_ASSERT_EQUAL(bytes, 100000 + 200001 + 700000);
	unit_write(stage.dir, CGROUP "machine.slice/memory.max", "max\n");
	unit_write(stage.dir, CGROUP SCOPE "/memory.max", "max\n");
	CU_ASSERT_EQUAL(pager_cgroup_most(&stage.kfs, PID, &bytes, &err), 0);
	CU_ASSERT_EQUAL(bytes, UINT64_MAX);
}

/* As on RHEL 8; a hybrid host has a hierarchy of version 2 beside it, without the controller */
static void test_room_version_1(void)
{
	static const char *const lines[] = {
		"11:cpu,cpuacct:/x\n4:memory:/machine/qemu-1-web1.libvirt-qemu/emulator\n0::/y\n",
		"5:hugetlb,memory:/machine/qemu-1-web1.libvirt-qemu/emulator\n",
	};
	static const char machine[] = CGROUP "memory/machine/";
	const char *dir = unit_tmpdir();
	uint64_t bytes = 1;
	char path[256];
	struct err err = { "" };
	struct kfs kfs;
	size_t i;

	unit_write(dir, CGROUP "memory/memory.limit_in_bytes", "9223372036854771712\n");
	snprintf(path, sizeof(path), "%smemory.limit_in_bytes", machine);
	unit_write(dir, path, "9223372036854771712\n");
	snprintf(path, sizeof(path), "%smemory.usage_in_bytes", machine);
	unit_write(dir, path, "9000000\n");
	snprintf(path, sizeof(path), "%sqemu-1-web1.libvirt-qemu/memory.limit_in_bytes", machine);
	unit_write(dir, path, "8000000\n");
	snprintf(path, sizeof(path), "%sqemu-1-web1.libvirt-qemu/memory.usage_in_bytes", machine);
	unit_write(dir, path, "1000000\n");
	snprintf(path, sizeof(path), "%sqemu-1-web1.libvirt-qemu/memory.stat", machine);
	unit_write(dir, path,
		   "shmem 5\ninactive_file 7\ntotal_shmem 400000\ntotal_active_file 9\n");
	CU_ASSERT_EQUAL_FATAL(kfs_open(&kfs, dir, NULL), 0);
	for (i = 0; i < ROWS(lines); i++) {
		unit_write(dir, "proc/4711/cgroup", lines[i]);
		UNIT_CHECK(pager_cgroup_room(&kfs, PID, &bytes, &err) == 0, "%s", err.text);
		CU_ASSERT_EQUAL(bytes, 7000009);
		CU_ASSERT_EQUAL(pager_cgroup_most(&kfs, PID, &bytes, &err), 0);
		CU_ASSERT_EQUAL(bytes, 7400009);
	}
	unit_write(dir, "proc/4711/cgroup", "4:cpu,memory_x:/machine\n0::/\n");
	CU_ASSERT_EQUAL(pager_cgroup_room(&kfs, PID, &bytes, &err), -ENOTSUP);
	UNIT_CHECK_STR(err.text, "process 4711 has no cgroup of version 1", "none");
	kfs_close(&kfs);
}

/* The pager's cgroup, which is this process's here, and the one above it */
static void put_pager(const struct stage *stage, const char *above, const char *own)
{
	char path[64];

	snprintf(path, sizeof(path), "proc/%d/cgroup", (int)getpid());
	unit_write(stage->dir, path, "0::/system.slice/pagerd.service\n");
	unit_write(stage->dir, CGROUP "system.slice/memory.swap.max", above);
	unit_write(stage->dir, CGROUP "system.slice/pagerd.service/memory.swap.max", own);
}

static void test_limited(void)
{
	STAGE(stage, SCOPE "/libvirt/emulator");

	CU_ASSERT(pager_cgroup_is_limited(&stage.kfs, PID));
	unit_write(stage.dir, CGROUP SCOPE "/memory.max", "max\n");
	CU_ASSERT(!pager_cgroup_is_limited(&stage.kfs, PID));
	unit_write(stage.dir, CGROUP "machine.slice/memory.high", "5000000\n");
	CU_ASSERT(pager_cgroup_is_limited(&stage.kfs, PID));
	CU_ASSERT(!pager_cgroup_is_limited(&stage.kfs, PID + 1));
	/* Version 1 has a number for none */
	unit_write(stage.dir, "proc/4711/cgroup", "4:memory:/x\n");
	unit_write(stage.dir, CGROUP "memory/memory.limit_in_bytes", "9223372036854771712\n");
	unit_write(stage.dir, CGROUP "memory/x/memory.usage_in_bytes", "9000000\n");
	unit_write(stage.dir, CGROUP "memory/x/memory.limit_in_bytes", "9223372036854771712\n");
	CU_ASSERT(!pager_cgroup_is_limited(&stage.kfs, PID));
	unit_write(stage.dir, CGROUP "memory/x/memory.limit_in_bytes", "9223372036854\n");
	CU_ASSERT(pager_cgroup_is_limited(&stage.kfs, PID));
}

static void test_may_swap(void)
{
	STAGE(stage, SCOPE "/libvirt/emulator");

	/* Unknown, then some, with and without leave */
	CU_ASSERT(pager_cgroup_may_swap(&stage.kfs, PID));
	unit_write(stage.dir, "proc/meminfo", "MemTotal: 100 kB\nSwapTotal:  5 kB\n");
	CU_ASSERT(pager_cgroup_may_swap(&stage.kfs, PID));
	unit_write(stage.dir, SWAP, "0\n");
	/* Not the guest's; but the pager's own memory, of which some becomes the guest's */
	CU_ASSERT(pager_cgroup_may_swap(&stage.kfs, PID));
	put_pager(&stage, "max\n", "max\n");
	CU_ASSERT(pager_cgroup_may_swap(&stage.kfs, PID));
	put_pager(&stage, "max\n", "0\n");
	CU_ASSERT(!pager_cgroup_may_swap(&stage.kfs, PID));
	put_pager(&stage, "0\n", "max\n");
	CU_ASSERT(!pager_cgroup_may_swap(&stage.kfs, PID));
	CU_ASSERT(pager_cgroup_may_swap(&stage.kfs, PID + 1));
	unit_write(stage.dir, "proc/meminfo", "MemTotal: 100 kB\nSwapTotal:  0 kB\n");
	CU_ASSERT(!pager_cgroup_may_swap(&stage.kfs, PID + 1));
}

static CU_TestInfo tests[] = {
	{ "no swap, and what it was", test_there_and_back },
	{ "an administrator's later value stays", test_changed_since },
	{ "the cgroup ended with its guest", test_gone },
	{ "only a guest's own cgroup is changed", test_whose },
	{ "room is what the tightest cgroup leaves", test_room },
	{ "with the cache, and what the guest has", test_cache_and_memory },
	{ "below cgroups of version 1, too", test_room_version_1 },
	{ "may the kernel swap?", test_may_swap },
	{ "is there a limit?", test_limited },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_pager_cgroup", tests);
}
