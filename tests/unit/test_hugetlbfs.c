// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Mounts of hugetlbfs: size, options, and which one libvirt takes.
 */
#include "memory/hugetlbfs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/err.h"
#include "kernel/kfs.h"
#include "memory/hugepages.h"
#include "memory/mount.h"
#include "unit/own_disk.h"
#include "unit/unit.h"

#define K2M UINT64_C(2048)
#define K1G UINT64_C(1048576)

static void test_captured(void)
{
	static const struct {
		const char *host;
		uint64_t page_kib;
		int rc;
	} rows[] = {
		{ "one-node", K2M, 0 },	     { "one-node", K1G, 0 },
		{ "two-nodes-6.1", K2M, 1 }, { "two-nodes-6.1", K1G, 1 },
		{ "two-nodes-6.1", 64, 0 },  { "two-nodes-6.12", K2M, 0 },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		struct err err = { "" };
		char root[512];
		struct kfs kfs;
		int rc;

		snprintf(root, sizeof(root), TESTS_DIR "/hosts/%s", rows[i].host);
		CU_ASSERT_EQUAL_FATAL(kfs_open(&kfs, root, NULL), 0);
		rc = hugetlbfs_find(&kfs, rows[i].page_kib, K2M, &err);
		UNIT_CHECK(rc == rows[i].rc, "row %zu gave %d: %s", i, rc, err.text);
		kfs_close(&kfs);
	}
}

/* Told by a directory that libvirt makes in what it finds */
static void test_known(void)
{
	const char *dir = unit_tmpdir();
	char where[HUGETLBFS_PATH_SIZE];
	struct kfs kfs;

	unit_write(dir, "proc/self/mountinfo",
		   "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n"
		   "2 1 0:1 / /dev/hugepages rw - hugetlbfs hugetlbfs rw,pagesize=2M\n"
		   "3 1 0:2 / /mnt/more rw - hugetlbfs hugetlbfs rw,pagesize=2M\n"
		   "4 1 0:3 / /dev/hugepages1G rw - hugetlbfs hugetlbfs rw,pagesize=1024M\n");
	unit_write(dir, "dev/hugepages1G/libvirt/qemu/x", "");
	CU_ASSERT_EQUAL_FATAL(kfs_open(&kfs, dir, NULL), 0);
	CU_ASSERT_FALSE(hugetlbfs_known(&kfs, K2M, K2M, where));
	CU_ASSERT_STRING_NOT_EQUAL(where, "");
	CU_ASSERT_TRUE(hugetlbfs_known(&kfs, K1G, K2M, where));
	CU_ASSERT_STRING_EQUAL(where, "/dev/hugepages1G");
	CU_ASSERT_FALSE(hugetlbfs_known(&kfs, 64, K2M, where));
	CU_ASSERT_STRING_EQUAL(where, "");
	/* One of two is enough */
	unit_write(dir, "dev/hugepages/libvirt/qemu/x", "");
	CU_ASSERT_TRUE(hugetlbfs_known(&kfs, K2M, K2M, where));
	CU_ASSERT_STRING_EQUAL(where, "/dev/hugepages");
	kfs_close(&kfs);
}

static void test_options(void)
{
	static const struct {
		const char *options;
		uint64_t page_kib, default_kib;
		int rc;
	} rows[] = {
		{ "rw,pagesize=2M", K2M, K1G, 1 },
		{ "rw,pagesize=2M", K1G, K1G, 0 },
		{ "rw,pagesize=1024M", K1G, K2M, 1 },
		{ "rw,pagesize=1G,size=4G", K1G, K2M, 1 },
		{ "rw,pagesize=64K", 64, K2M, 1 },
		/* Older kernels don't show the default */
		{ "rw", K2M, K2M, 1 },
		{ "rw", K1G, K2M, 0 },
		{ "rw,uid=36,gid=36", K1G, K1G, 1 },
		{ "rw,mypagesize=1G", K2M, K2M, 1 },
		{ "rw,pagesize=", K2M, K2M, 1 },
		{ "rw,pagesize=nonsense", K2M, K2M, 1 },
		{ "rw,pagesize=11111111111111111111111111111111111111111", K2M, K2M, 1 },
	};
	const char *dir = unit_tmpdir();
	struct kfs kfs;
	size_t i;

	CU_ASSERT_EQUAL_FATAL(kfs_open(&kfs, dir, NULL), 0);
	for (i = 0; i < ROWS(rows); i++) {
		struct err err = { "" };
		char table[256];
		int rc;

		snprintf(table, sizeof(table),
			 "1 0 8:1 / / rw - ext4 /dev/sda1 rw,pagesize=2M\n"
			 "2 1 0:2 / /h rw - hugetlbfs none %s\n",
			 rows[i].options);
		unit_write(dir, "proc/self/mountinfo", table);
		rc = hugetlbfs_find(&kfs, rows[i].page_kib, rows[i].default_kib, &err);
		UNIT_CHECK(rc == rows[i].rc, "row %zu gave %d: %s", i, rc, err.text);
	}
	unit_write(dir, "proc/self/mountinfo", "");
	CU_ASSERT_EQUAL(hugetlbfs_find(&kfs, K2M, K2M, NULL), 0);
	kfs_close(&kfs);
}

/* In the order of the table, and with what the mounts let through */
static void test_list(void)
{
	const char *dir = unit_tmpdir();
	struct hugetlbfs_fs *list = NULL, fs;
	struct kfs kfs;
	size_t n = 0;

	CU_ASSERT_EQUAL_FATAL(kfs_open(&kfs, dir, NULL), 0);
	CU_ASSERT_EQUAL(hugetlbfs_list(&kfs, K2M, &list, &n), -ENOENT);
	CU_ASSERT_EQUAL(hugetlbfs_at(&kfs, "/dev/hugepages", K2M, &fs), -ENOENT);
	unit_write(dir, "proc/mounts",
		   "/dev/sda1 / ext4 rw 0 0\n"
		   "none /dev/huge\\040pages hugetlbfs rw,gid=36,pagesize=1024M 0 0\n"
		   "none /dev/hugepages hugetlbfs rw,size=8388608K,min_size=1024K 0 0\n"
		   "none /dev/hugepages/sub tmpfs rw 0 0\n"
		   "none /mnt tmpfs rw 0 0\nnone /mnt hugetlbfs rw,pagesize=2M 0 0\n"
		   "none /over hugetlbfs rw 0 0\nnone /over tmpfs rw 0 0\n");
	CU_ASSERT_EQUAL_FATAL(hugetlbfs_list(&kfs, K2M, &list, &n), 0);
	CU_ASSERT_EQUAL_FATAL(n, 4);
	CU_ASSERT_STRING_EQUAL(list[0].dir, "/dev/huge pages");
	CU_ASSERT_EQUAL(list[0].page_kib, K1G);
	CU_ASSERT_EQUAL(list[0].max_kib, 0);
	CU_ASSERT_EQUAL(list[1].page_kib, K2M);
	CU_ASSERT_EQUAL(list[1].max_kib, 8388608);
	CU_ASSERT_EQUAL(list[1].left_kib, 8388608);
	CU_ASSERT_EQUAL(list[1].min_kib, 1024);
	free(list);
	CU_ASSERT_EQUAL(hugetlbfs_at(&kfs, "/dev/hugepages", K2M, &fs), 1);
	CU_ASSERT_EQUAL(fs.max_kib, 8388608);
	/* libvirt asks the file system, and so a directory in it will do */
	CU_ASSERT_EQUAL(hugetlbfs_at(&kfs, "/dev/huge pages/kvm", K2M, &fs), 1);
	CU_ASSERT_EQUAL(fs.page_kib, K1G);
	CU_ASSERT_STRING_EQUAL(fs.dir, "/dev/huge pages/kvm");
	CU_ASSERT_EQUAL(hugetlbfs_at(&kfs, "/mnt", K2M, &fs), 1);
	CU_ASSERT_EQUAL(hugetlbfs_at(&kfs, "/dev/hugepages/sub/x", K2M, &fs), 0);
	CU_ASSERT_EQUAL(hugetlbfs_at(&kfs, "/dev/hugepages1G", K2M, &fs), 0);
	CU_ASSERT_EQUAL(hugetlbfs_at(&kfs, "/over", K2M, &fs), 0);
	CU_ASSERT_EQUAL(hugetlbfs_at(&kfs, "/", K2M, &fs), 0);
	CU_ASSERT_EQUAL(symlinkat("/dev/hugepages", kfs.rootfd, "link"), 0);
	CU_ASSERT_EQUAL(hugetlbfs_at(&kfs, "/link", K2M, &fs), 1);
	CU_ASSERT_STRING_EQUAL(fs.dir, "/dev/hugepages");
	kfs_close(&kfs);
}

static void test_no_table(void)
{
	struct err err = { "" };
	struct kfs kfs;

	CU_ASSERT_EQUAL_FATAL(kfs_open(&kfs, unit_tmpdir(), NULL), 0);
	CU_ASSERT_EQUAL(hugetlbfs_find(&kfs, K2M, K2M, &err), -ENOENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "/proc/self/mountinfo"));
	kfs_close(&kfs);
}

static int try_mount(uint64_t page_kib, uint64_t default_kib, const char *want)
{
	char where[HUGETLBFS_PATH_SIZE] = "";
	struct mount_info info;
	struct err err = { "" };
	struct statvfs fs;
	struct kfs kfs;

	EXPECT(kfs_open(&kfs, "/", &err) == 0);
	EXPECT(hugetlbfs_mount(page_kib, default_kib, where, &err) == 0);
	EXPECT(!strcmp(where, want));
	EXPECT(mount_find(&kfs, where, &info, &err) == 1 && !strcmp(info.fstype, "hugetlbfs"));
	EXPECT(statvfs(where, &fs) == 0 && (uint64_t)fs.f_bsize == page_kib * 1024);
	EXPECT(fs.f_flag & ST_NOSUID && fs.f_flag & ST_NODEV);
	EXPECT(hugetlbfs_find(&kfs, page_kib, default_kib, &err) == 1);
	kfs_close(&kfs);
	return 0;
}

/* /dev is an empty tmpfs here */
static int try_mounts(const char *dir)
{
	char where[HUGETLBFS_PATH_SIZE] = "";
	struct err err = { "" };
	uint64_t default_kib;
	struct kfs kfs;

	(void)dir;
	/* The file system belongs to the first user namespace */
	if (!own_disk_is_root())
		return NO_OWN_DISK;
	EXPECT(kfs_open(&kfs, "/", &err) == 0);
	default_kib = hugepages_default_kib(&kfs);
	EXPECT(mount("none", "/dev", "tmpfs", 0, NULL) == 0);
	EXPECT(hugetlbfs_mount(4, K2M, where, &err) < 0);
	EXPECT(strstr(err.text, "cannot mount hugetlbfs on /dev/hugepages4K (type hugetlbfs, "));
	if (try_mount(default_kib, default_kib, "/dev/hugepages"))
		return 1;
	/* By its own name where another size is the default */
	return try_mount(K2M, K1G, "/dev/hugepages2M");
}

static void test_mount(void)
{
	own_disk_child(try_mounts, "mounting hugetlbfs");
}

static CU_TestInfo tests[] = {
	{ "what libvirt may use", test_list },
	{ "captured hosts", test_captured },
	{ "what libvirt has found", test_known },
	{ "what options say of the page size", test_options },
	{ "no table of mounts", test_no_table },
	{ "mounting", test_mount },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_hugetlbfs", tests);
}
