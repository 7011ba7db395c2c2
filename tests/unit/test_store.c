// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Stores: read, opened, and emptied without a step outside.
 */
#include "memory/store.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "kernel/kfs.h"
#include "memory/open_files.h"
#include "unit/holder.h"
#include "unit/own_disk.h"
#include "unit/unit.h"

static struct kfs host;

static int open_path(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	CU_ASSERT_FATAL(fd >= 0);
	return fd;
}

static bool exists(int dirfd, const char *name)
{
	return !faccessat(dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW);
}

static mode_t mode_of(int dirfd, const char *name)
{
	struct stat st;

	CU_ASSERT_EQUAL_FATAL(fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_mode & 07777;
}

/* A file with @kib of content */
static bool fill(int dirfd, const char *name, size_t kib)
{
	cleanup_close int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	char block[1024];

	memset(block, 'm', sizeof(block));
	while (fd >= 0 && kib--)
		if (write(fd, block, sizeof(block)) != (ssize_t)sizeof(block))
			return false;
	return fd >= 0;
}

/* ---- where BASE is ---- */

static void test_base(void)
{
	const char *dir = unit_tmpdir();
	cleanup_close int root = open_path(dir);
	cleanup_close int made = -1, again = -1, plain = -1, itself = -1;
	mode_t before = umask(077);
	struct err err = { "" };
	char want[128];

	CU_ASSERT_EQUAL(store_open_base(&host, dir, "libvirt/qemu", false, &err), -ENOENT);
	snprintf(want, sizeof(want), "cannot open 'libvirt' in %s: No such file or directory", dir);
	UNIT_CHECK_STR(err.text, want, "nothing is there");
	CU_ASSERT_FALSE(exists(root, "libvirt"));
	made = store_open_base(&host, dir, "libvirt/qemu", true, &err);
	CU_ASSERT_TRUE(made >= 0);
	CU_ASSERT_EQUAL(mode_of(root, "libvirt"), 0755);
	CU_ASSERT_EQUAL(mode_of(root, "libvirt/qemu"), 0755);
	CU_ASSERT_TRUE(fcntl(made, F_GETFD) & FD_CLOEXEC);

	/* As libvirt leaves them */
	CU_ASSERT_EQUAL_FATAL(fchmodat(root, "libvirt", 0700, 0), 0);
	CU_ASSERT_EQUAL_FATAL(fchmodat(root, "libvirt/qemu", 02750, 0), 0);
	plain = store_open_base(&host, dir, "libvirt/qemu", false, &err);
	CU_ASSERT_TRUE(plain >= 0);
	CU_ASSERT_EQUAL(mode_of(root, "libvirt"), 0700);
	again = store_open_base(&host, dir, "/libvirt//qemu/", true, &err);
	CU_ASSERT_TRUE(again >= 0);
	CU_ASSERT_EQUAL(mode_of(root, "libvirt"), 0711);
	CU_ASSERT_EQUAL(mode_of(root, "libvirt/qemu"), 02751);

	CU_ASSERT_EQUAL_FATAL(fchmodat(root, ".", 0700, 0), 0);
	itself = store_open_base(&host, dir, "", true, &err);
	CU_ASSERT_TRUE(itself >= 0);
	CU_ASSERT_EQUAL(mode_of(root, "."), 0700);
	umask(before);
}

/* Who may plant a link in the store must not lead us out of it, but the way to the
 * store is the administrator's */
static void test_base_links(void)
{
	static const struct {
		const char *name, *to, *below;
		int rc;
		const char *sentence;
	} rows[] = {
		{ "libvirt", "/tmp", "libvirt/qemu", -ELOOP, "'libvirt'" },
		{ "libvirt", "elsewhere", "libvirt", -ELOOP, "symbolic link: refusing" },
		{ "libvirt", "nowhere", "libvirt/qemu", -ELOOP, "'libvirt'" },
		{ "dir/qemu", "/tmp", "dir/qemu", -ELOOP, "'qemu'" },
		{ "dir/qemu", "../elsewhere", "dir/qemu", -ELOOP, "'qemu'" },
		{ "dir/qemu", ".", "dir/qemu", -ELOOP, "'qemu'" },
		{ "x", "y", "file", -ENOTDIR, "'file'" },
		{ "x", "y", "file/qemu", -ENOTDIR, "is not a directory" },
		{ "x", "y", "fifo", -ENOTDIR, "'fifo'" },
		{ "x", "y", "..", -EXDEV, "'..'" },
		{ "x", "y", "dir/../..", -EXDEV, "'..'" },
	};
	const char *tmp = unit_tmpdir();
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		cleanup_close int root = -1;
		struct err err = { "" };
		char dir[256];
		int make;

		snprintf(dir, sizeof(dir), "%s/%zu", tmp, i);
		CU_ASSERT_EQUAL_FATAL(mkdir(dir, 0755), 0);
		root = open_path(dir);
		unit_write(dir, "file", "x");
		CU_ASSERT_EQUAL_FATAL(mkdirat(root, "dir", 0755), 0);
		CU_ASSERT_EQUAL_FATAL(mkdirat(root, "elsewhere", 0700), 0);
		CU_ASSERT_EQUAL_FATAL(mkfifoat(root, "fifo", 0600), 0);
		CU_ASSERT_EQUAL_FATAL(symlinkat(rows[i].to, root, rows[i].name), 0);
		for (make = 0; make < 2; make++) {
			int rc = store_open_base(&host, dir, rows[i].below, make, &err);

			UNIT_CHECK(rc == rows[i].rc, "row %zu gave %d: %s", i, rc, err.text);
			UNIT_CHECK(strstr(err.text, rows[i].sentence), "row %zu: %s", i, err.text);
		}
		UNIT_CHECK(mode_of(root, "elsewhere") == 0700, "row %zu", i);
		UNIT_CHECK(!exists(root, "elsewhere/qemu") && !exists(root, "nowhere"), "row %zu",
			   i);
	}
}

/* A name of one byte too many, and the administrator's links */
static void test_base_path(void)
{
	const char *dir = unit_tmpdir();
	cleanup_close int root = open_path(dir);
	cleanup_close int by_link = -1;
	char name[STORE_NAME_SIZE + 1], path[256];
	struct err err = { "" };
	struct kfs kfs;

	memset(name, 'n', sizeof(name));
	name[STORE_NAME_SIZE] = '\0';
	CU_ASSERT_EQUAL(store_open_base(&host, dir, name, true, &err), -ENAMETOOLONG);
	CU_ASSERT_EQUAL_FATAL(mkdirat(root, "real", 0755), 0);
	CU_ASSERT_EQUAL_FATAL(symlinkat("real", root, "link"), 0);
	snprintf(path, sizeof(path), "%s/link", dir);
	/* Above @dir others can write */
	CU_ASSERT_EQUAL(store_open_base(&host, path, "libvirt", true, &err), -ELOOP);
	UNIT_CHECK(strstr(err.text, "refusing to follow it"), "%s", err.text);
	CU_ASSERT_FALSE(exists(root, "real/libvirt"));
	CU_ASSERT_EQUAL_FATAL(kfs_open(&kfs, dir, NULL), 0);
	by_link = store_open_base(&kfs, "/link", "libvirt", true, &err);
	kfs_close(&kfs);
	CU_ASSERT_TRUE(by_link >= 0);
	CU_ASSERT_TRUE(exists(root, "real/libvirt"));
	snprintf(path, sizeof(path), "%s/none", dir);
	CU_ASSERT_EQUAL(store_open_base(&host, path, "libvirt", true, &err), -ENOENT);
	CU_ASSERT_FALSE(exists(root, "none"));
	/* Another root, and a link that would leave it */
	CU_ASSERT_EQUAL_FATAL(symlinkat("/real", root, "real/absolute"), 0);
	CU_ASSERT_EQUAL_FATAL(kfs_open(&kfs, dir, NULL), 0);
	close(by_link);
	by_link = store_open_base(&kfs, "/real/absolute", "inner", true, &err);
	CU_ASSERT_TRUE(by_link >= 0);
	CU_ASSERT_TRUE(exists(root, "real/inner"));
	kfs_close(&kfs);
}

/* ---- a guest's directory ---- */

static void test_remove(void)
{
	static const char *const names[] = { "1-t1", "12-客户机客户机", "7-a b", "-", "x" };
	const char *dir = unit_tmpdir();
	cleanup_close int base = open_path(dir);
	char longest[STORE_NAME_SIZE];
	size_t i;

	memset(longest, 'n', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	for (i = 0; i <= ROWS(names); i++) {
		const char *name = i < ROWS(names) ? names[i] : longest;
		char file[STORE_NAME_SIZE + 16];
		struct err err = { "" };
		uint64_t kib = 1;

		CU_ASSERT_EQUAL(store_guest_use(base, name).held_kib, 0);
		CU_ASSERT_EQUAL(store_remove_guest(&host, base, name, &kib, &err), 0);
		CU_ASSERT_EQUAL(kib, 0);
		CU_ASSERT_EQUAL_FATAL(mkdirat(base, name, 0700), 0);
		CU_ASSERT_EQUAL(store_guest_use(base, name).held_kib, 0);
		snprintf(file, sizeof(file), "%s/pc.ram", name);
		CU_ASSERT_TRUE(fill(base, file, 64));
		snprintf(file, sizeof(file), "%s/dimm0", name);
		CU_ASSERT_TRUE(fill(base, file, 192));
		CU_ASSERT_EQUAL(store_guest_use(base, name).held_kib, 256);
		UNIT_CHECK(store_remove_guest(&host, base, name, &kib, &err) == 1, "%s: %s", name,
			   err.text);
		CU_ASSERT_EQUAL(kib, 256);
		CU_ASSERT_FALSE(exists(base, name));
		CU_ASSERT_EQUAL(store_remove_guest(&host, base, name, NULL, NULL), 0);
	}
}

static void test_bad_names(void)
{
	static const char *const names[] = { "", ".", "..", "/", "a/b", "../x", "a/", "/etc" };
	const char *dir = unit_tmpdir();
	cleanup_close int base = open_path(dir);
	char long_name[STORE_NAME_SIZE + 1];
	struct err err = { "" };
	size_t i;

	unit_write(dir, "a/b/file", "x");
	memset(long_name, 'n', sizeof(long_name));
	long_name[sizeof(long_name) - 1] = '\0';
	for (i = 0; i <= ROWS(names); i++) {
		const char *name = i < ROWS(names) ? names[i] : long_name;

		UNIT_CHECK(store_remove_guest(&host, base, name, NULL, &err) == -EINVAL, "%s",
			   name);
		UNIT_CHECK(strstr(err.text, "is no name of a guest's directory"), "%s", err.text);
		UNIT_CHECK(store_guest_use(base, name).held_kib == 0, "%s", name);
	}
	CU_ASSERT_TRUE(exists(base, "a/b/file"));
}

/* Links of both kinds, and what is neither file nor directory */
static void test_planted(void)
{
	const char *dir = unit_tmpdir();
	cleanup_close int root = open_path(dir);
	cleanup_close int base = -1, guest = -1;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char text[16] = "";
	struct err err = { "" };

	unit_write(dir, "victim/file", "precious");
	unit_write(dir, "base/1-t1/pc.ram", "m");
	base = openat(root, "base", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	guest = openat(base, "1-t1", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CU_ASSERT_TRUE_FATAL(base >= 0 && guest >= 0);
	CU_ASSERT_EQUAL_FATAL(symlinkat("../../victim/file", guest, "dimm0"), 0);
	CU_ASSERT_EQUAL_FATAL(symlinkat("../../victim", guest, "ram-node0"), 0);
	CU_ASSERT_EQUAL_FATAL(symlinkat("/nowhere", guest, "virtiomem1"), 0);
	CU_ASSERT_EQUAL_FATAL(linkat(root, "victim/file", guest, "ua-hard", 0), 0);
	CU_ASSERT_EQUAL_FATAL(mkfifoat(guest, "fifo.ram", 0600), 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/base/1-t1/dimm1", dir);
	CU_ASSERT_EQUAL_FATAL(bind(sock, (struct sockaddr *)&address, sizeof(address)), 0);
	/* The guest's directory is a link */
	CU_ASSERT_EQUAL_FATAL(symlinkat("../victim", base, "2-t2"), 0);
	CU_ASSERT_EQUAL_FATAL(symlinkat("/etc/passwd", base, "3-t3"), 0);
	CU_ASSERT_EQUAL_FATAL(symlinkat("3-t3", base, "4-t4"), 0);
	CU_ASSERT_EQUAL(store_guest_use(base, "2-t2").held_kib, 0);

	UNIT_CHECK(store_remove_guest(&host, base, "1-t1", NULL, &err) == 1, "%s", err.text);
	UNIT_CHECK(store_remove_guest(&host, base, "2-t2", NULL, &err) == 1, "%s", err.text);
	UNIT_CHECK(store_remove_guest(&host, base, "4-t4", NULL, &err) == 1, "%s", err.text);
	UNIT_CHECK(store_remove_guest(&host, base, "3-t3", NULL, &err) == 1, "%s", err.text);
	CU_ASSERT_FALSE(exists(base, "1-t1") || exists(base, "2-t2") || exists(base, "3-t3"));
	CU_ASSERT_TRUE(exists(root, "victim/file"));
	close(sock);
	sock = openat(root, "victim/file", O_RDONLY | O_CLOEXEC);
	CU_ASSERT_EQUAL(read(sock, text, sizeof(text) - 1), 8);
	UNIT_CHECK_STR(text, "precious", "behind all links");
	close(sock);
}

static void test_not_ours(void)
{
	const char *dir = unit_tmpdir();
	cleanup_close int base = open_path(dir);
	struct err err = { "" };
	uint64_t kib = 0;

	unit_write(dir, "1-file", "x");
	CU_ASSERT_EQUAL(store_remove_guest(&host, base, "1-file", NULL, &err), -ENOTDIR);
	UNIT_CHECK_STR(err.text, "cannot remove 1-file: it is not a directory", "a file");
	CU_ASSERT_EQUAL_FATAL(mkfifoat(base, "1-fifo", 0600), 0);
	CU_ASSERT_EQUAL(store_remove_guest(&host, base, "1-fifo", NULL, &err), -ENOTDIR);
	CU_ASSERT_TRUE(exists(base, "1-file") && exists(base, "1-fifo"));

	/* Old memory goes all the same: the next guest would map it */
	unit_write(dir, "1-t1/sub/pc.ram", "x");
	CU_ASSERT_TRUE(fill(base, "1-t1/pc.ram", 64));
	CU_ASSERT_EQUAL(store_remove_guest(&host, base, "1-t1", &kib, &err), -ENOTEMPTY);
	UNIT_CHECK(strstr(err.text, "1-t1 holds sub,") == err.text, "%s", err.text);
	CU_ASSERT_EQUAL(kib, 64);
	CU_ASSERT_TRUE(exists(base, "1-t1/sub/pc.ram"));
	CU_ASSERT_FALSE(exists(base, "1-t1/pc.ram"));
	/* Nobody reads the sentence */
	CU_ASSERT_EQUAL(store_remove_guest(&host, base, "1-t1", NULL, NULL), -ENOTEMPTY);
}

/* Names that libvirt doesn't give: an nvdimm's path is its owner's choice */
static void test_not_memory(void)
{
	static const char *const names[] = { "nvdimm0", "disk.img", "pc.ram.bak",  "dimm",
					     "dimm0x",	"ram-node", "virtiopmem0", "sram" };
	struct err err = { "" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *dir = unit_tmpdir();
		cleanup_close int base = open_path(dir);
		char path[64];

		snprintf(path, sizeof(path), "1-t1/%s", names[i]);
		unit_write(dir, path, "mine");
		UNIT_CHECK(store_remove_guest(&host, base, "1-t1", NULL, &err) == -ENOTEMPTY, "%s",
			   names[i]);
		UNIT_CHECK(exists(base, path), "%s", names[i]);
	}
}

static void test_too_many(void)
{
	const char *dir = unit_tmpdir();
	cleanup_close int base = open_path(dir);
	struct open_files files = { 0 };
	struct err err = { "" };
	char name[32];
	int i;

	CU_ASSERT_EQUAL_FATAL(mkdirat(base, "1-t1", 0700), 0);
	for (i = 0; i <= 4096; i++) {
		snprintf(name, sizeof(name), "1-t1/dimm%d", i);
		CU_ASSERT_EQUAL_FATAL(mknodat(base, name, S_IFREG | 0600, 0), 0);
	}
	CU_ASSERT_EQUAL(store_remove_guest_within(&host, &files, 0, base, "1-t1", NULL, &err),
			-ETIMEDOUT);
	UNIT_CHECK(strstr(err.text, "no time for all files of 1-t1"), "%s", err.text);
	CU_ASSERT_EQUAL(store_remove_guest(&host, base, "1-t1", NULL, &err), -E2BIG);
	UNIT_CHECK_STR(err.text, "1-t1 holds more than 4096 files: left as it is", "too many");
	CU_ASSERT_TRUE(exists(base, "1-t1/dimm0") && exists(base, "1-t1/dimm4096"));
	CU_ASSERT_EQUAL(unlinkat(base, "1-t1/dimm7", 0), 0);
	UNIT_CHECK(store_remove_guest(&host, base, "1-t1", NULL, &err) == 1, "%s", err.text);
}

/* ---- files in use ---- */

static void test_in_use(void)
{
	static const struct hold rows[] = { { O_RDWR, 0, false },
					    { O_RDWR, PROT_READ | PROT_WRITE, false },
					    { O_RDWR, PROT_READ | PROT_WRITE, true } };
	const char *dir = unit_tmpdir();
	cleanup_close int base = open_path(dir);
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		struct err err = { "" };
		char want[128];
		pid_t pid;

		unit_write(dir, "1-t1/ram-node0", "idle");
		unit_write(dir, "1-t1/ram-node1", "used");
		unit_write(dir, "1-t1/ram-node2", "idle");
		pid = holder_start(base, "1-t1/ram-node1", rows[i]);
		UNIT_CHECK(store_remove_guest(&host, base, "1-t1", NULL, &err) == -EBUSY, "%zu: %s",
			   i, err.text);
		snprintf(want, sizeof(want), "1-t1/ram-node1 is in use by " HOLDER " (process %d)",
			 (int)pid);
		/* map_files is root's */
		if (geteuid() == 0 || !rows[i].close)
			UNIT_CHECK_STR(err.text, want, "%zu", i);
		else
			UNIT_CHECK(strstr(err.text, "ram-node1 is in use by a process that can't"),
				   "%s", err.text);
		/* All of it stays */
		CU_ASSERT_TRUE(exists(base, "1-t1/ram-node0") && exists(base, "1-t1/ram-node1"));
		CU_ASSERT_TRUE(exists(base, "1-t1/ram-node2"));
		holder_end(pid);
		UNIT_CHECK(store_remove_guest(&host, base, "1-t1", NULL, &err) == 1, "%zu: %s", i,
			   err.text);
	}
}

/* In use by a process that /proc does not show, as in another container */
static void test_in_use_unseen(void)
{
	const char *dir = unit_tmpdir();
	cleanup_close int base = -1;
	struct err err = { "" };
	struct kfs blind;
	pid_t pid;

	unit_write(dir, "base/1-t1/pc.ram", "m");
	CU_ASSERT_EQUAL_FATAL(kfs_open(&blind, dir, NULL), 0);
	base = store_open_base(&blind, "/base", "", false, NULL);
	CU_ASSERT_TRUE_FATAL(base >= 0);
	pid = holder_start(base, "1-t1/pc.ram", HOLD_MAPPED);
	CU_ASSERT_EQUAL(store_remove_guest(&blind, base, "1-t1", NULL, &err), -EBUSY);
	UNIT_CHECK(strstr(err.text, "1-t1/pc.ram is in use by a process that can't be seen"), "%s",
		   err.text);
	holder_end(pid);
	CU_ASSERT_EQUAL(store_remove_guest(&blind, base, "1-t1", NULL, &err), 1);
	kfs_close(&blind);
}

static bool drop_capability(unsigned int number)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data) < 0)
		return false;
	data[CAP_TO_INDEX(number)].effective &= ~CAP_TO_MASK(number);
	return syscall(SYS_capset, &header, data) == 0;
}

/* Where there is no lease to be had: not for us, or not on this file system */
static int try_no_lease(const char *dir)
{
	int base = open_path(dir);
	struct err err = { "" };
	struct kfs root;
	char want[64];
	int map;

	if (!own_disk_is_root())
		return NO_OWN_DISK;
	EXPECT(kfs_open(&root, "/", &err) == 0 && drop_capability(CAP_LEASE));
	for (map = 0; map < 2; map++) {
		pid_t pid;

		unit_write(dir, "1-t1/pc.ram", "m");
		EXPECT(fchownat(base, "1-t1/pc.ram", 65534, 65534, 0) == 0);
		pid = holder_start(base, "1-t1/pc.ram", map ? HOLD_MAPPED : HOLD_OPEN);
		EXPECT(store_remove_guest(&root, base, "1-t1", NULL, &err) == -EBUSY);
		snprintf(want, sizeof(want), "1-t1/pc.ram is in use by " HOLDER " (process %d)",
			 (int)pid);
		EXPECT(!strcmp(err.text, want));
		holder_end(pid);
		EXPECT(store_remove_guest(&root, base, "1-t1", NULL, &err) == 1);
	}
	return 0;
}

static void test_no_lease(void)
{
	own_disk_child(try_no_lease, "files in use, without leases");
}

/* ---- all guests ---- */

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void test_guests(void)
{
	static const char *const dirs[] = { "1-t1", "22-客户机",  "4294967295-x", "3--",
					    "0-t0", "01-t1",	  "t1",		  "1",
					    "1-",   "-t1",	  "-1-t1",	  "12345678901-x",
					    "1 -x", "domain-1-t1" };
	static const char *const want[] = { "1-t1", "22-客户机", "3--", "4294967295-x", "5-link" };
	const char *dir = unit_tmpdir();
	cleanup_close int base = open_path(dir);
	struct err err = { "" };
	char **names = NULL;
	size_t n = 7, i;

	CU_ASSERT_EQUAL(store_guests(base, CLOCK_NEVER, &names, &n, &err), 0);
	CU_ASSERT_EQUAL(n, 0);
	free(names);
	for (i = 0; i < ROWS(dirs); i++)
		CU_ASSERT_EQUAL_FATAL(mkdirat(base, dirs[i], 0700), 0);
	unit_write(dir, "6-file", "x");
	CU_ASSERT_EQUAL_FATAL(symlinkat("nowhere", base, "5-link"), 0);
	/* Twice: the second reading begins at the start as well */
	for (int turn = 0; turn < 2; turn++) {
		CU_ASSERT_EQUAL_FATAL(store_guests(base, CLOCK_NEVER, &names, &n, &err), 0);
		qsort(names, n, sizeof(*names), compare_names);
		UNIT_CHECK(n == ROWS(want), "%zu", n);
		for (i = 0; i < n && i < ROWS(want); i++)
			UNIT_CHECK_STR(names[i], want[i], "%zu", i);
		while (n)
			free(names[--n]);
		free(names);
	}
	/* There was no time */
	CU_ASSERT_EQUAL(store_guests(base, 0, &names, &n, &err), 1);
	CU_ASSERT_EQUAL(n, 0);
	free(names);
	CU_ASSERT_EQUAL(store_guests(-1, CLOCK_NEVER, &names, &n, &err), -EBADF);
}

/* ---- file systems ---- */

static void test_read(void)
{
	struct store_state state = { .capacity_kib = 5 }, slash;
	const char *dir = unit_tmpdir();
	struct err err = { "" };
	char path[256];

	snprintf(path, sizeof(path), "%s/none", dir);
	CU_ASSERT_EQUAL(store_read(&host, path, &state, &err), 0);
	CU_ASSERT_FALSE(state.present);
	/* Distributions build in a chroot, which may be nowhere that something is mounted */
	if (mount_find(&host, "/", &slash.mount, &err) < 0) {
		printf("skip - states: %s\n", err.text);
		return;
	}
	CU_ASSERT_EQUAL(store_read(&host, "/", &slash, &err), 0);
	CU_ASSERT_TRUE(slash.present && slash.mountpoint && slash.root && slash.traversable);
	CU_ASSERT_TRUE(slash.capacity_kib >= slash.free_kib);
	CU_ASSERT_TRUE(slash.free_kib >= slash.available_kib);
	CU_ASSERT_EQUAL(store_read(&host, dir, &state, &err), 0);
	CU_ASSERT_TRUE(state.present && !state.mountpoint && !state.traversable);
	unit_write(dir, "file", "x");
	snprintf(path, sizeof(path), "%s/file", dir);
	CU_ASSERT_EQUAL(store_read(&host, path, &state, &err), -ENOTDIR);
	UNIT_CHECK(!strncmp(err.text, "cannot open /", 13) && strstr(err.text, path), "%s",
		   err.text);
}

static int make(const char *target, const char *source, const char *fstype, const char *options,
		struct err *err)
{
	const struct mount_spec spec = { target, source, fstype, options };

	return mount_make(&spec, clock_ms() + 10000, err);
}

/* A child with mounts of its own: the root opened before shows the others' */
static bool reopen_root(void)
{
	kfs_close(&host);
	return kfs_open(&host, "/", NULL) == 0;
}

/* dir is a tmpfs of 512 MiB.  What lies on it, and what is mounted in it */
static int try_states(const char *dir)
{
	struct store_state state;
	struct err err = { "" };
	char path[256];

	EXPECT(reopen_root() && store_read(&host, dir, &state, &err) == 0);
	EXPECT(state.mountpoint && state.in_ram && !state.root && state.traversable);
	EXPECT(state.capacity_kib == 512 * 1024 && state.available_kib == state.free_kib);
	EXPECT(!strcmp(state.mount.fstype, "tmpfs") && !state.mount.readonly);
	snprintf(path, sizeof(path), "%s/m", dir);
	EXPECT(mkdir(path, 0755) == 0);
	EXPECT(store_read(&host, path, &state, &err) == 0);
	EXPECT(!state.mountpoint && state.in_ram && !strcmp(state.mount.target, dir));
	EXPECT(make(path, NULL, "tmpfs", "size=4m,mode=700,ro", &err) == 0);
	EXPECT(store_read(&host, path, &state, &err) == 0);
	EXPECT(state.mountpoint && state.capacity_kib == 4096 && state.mount.readonly);
	EXPECT(!state.traversable);
	EXPECT(make(path, NULL, "ramfs", NULL, &err) == 0);
	EXPECT(store_read(&host, path, &state, &err) == 0);
	EXPECT(state.mountpoint && state.in_ram && state.capacity_kib == 0);
	return 0;
}

static void test_states(void)
{
	own_disk_child(try_states, "states of file systems");
}

/* A mount point on the way is none of ours */
static int try_mounts_below(const char *dir)
{
	struct err err = { "" };
	char path[256];
	int base;

	EXPECT(reopen_root());
	base = store_open_base(&host, dir, "libvirt/qemu", true, &err);
	EXPECT(base >= 0 && mkdirat(base, "1-t1", 0700) == 0);
	snprintf(path, sizeof(path), "%s/libvirt/qemu/1-t1", dir);
	EXPECT(make(path, NULL, "tmpfs", NULL, &err) == 0);
	unit_write(path, "file", "x");
	EXPECT(store_remove_guest(&host, base, "1-t1", NULL, &err) == -EXDEV);
	EXPECT(strstr(err.text, "cannot remove 1-t1: it is a mount point"));
	EXPECT(exists(base, "1-t1/file") && store_guest_use(base, "1-t1").held_kib == 0);
	snprintf(path, sizeof(path), "%s/libvirt", dir);
	EXPECT(make(path, NULL, "tmpfs", NULL, &err) == 0);
	EXPECT(store_open_base(&host, dir, "libvirt/qemu", true, &err) == -EXDEV);
	EXPECT(strstr(err.text, "cannot open 'libvirt' in ") && strstr(err.text, "a mount point"));
	EXPECT(store_open_base(&host, dir, "libvirt/qemu", false, &err) == -EXDEV);
	return 0;
}

static void test_mounts_below(void)
{
	own_disk_child(try_mounts_below, "mount points below a store");
}

/* xfs frees in the background */
static bool is_free_again(const char *path, uint64_t kib)
{
	struct store_state state;
	int tries;

	for (tries = 0; tries < 500; tries++) {
		if (store_read(&host, path, &state, NULL) == 0 && state.free_kib > kib)
			return true;
		clock_sleep_ms(10);
	}
	return false;
}

/* The whole life of a store on a disk's file system */
static int try_disk(const char *dir, const char *fstype)
{
	char image[256], mnt[256], device[32];
	struct store_state state;
	struct err err = { "" };
	uint64_t before, kib;
	int loop, base;
	pid_t user;

	snprintf(image, sizeof(image), "%s/image", dir);
	snprintf(mnt, sizeof(mnt), "%s/m", dir);
	loop = own_disk_make(image, fstype, "mb-store", device);
	if (loop < 0)
		return NO_OWN_DISK;
	EXPECT(reopen_root() && mkdir(mnt, 0755) == 0);
	EXPECT(make(mnt, device, fstype, "nodev,nosuid", &err) == 0);
	EXPECT(store_read(&host, mnt, &state, &err) == 0);
	EXPECT(state.mountpoint && !state.root && !state.in_ram && state.traversable);
	EXPECT(!strcmp(state.mount.fstype, fstype) && !strcmp(state.mount.source, device));
	EXPECT(state.capacity_kib > 10 * 1024 && state.capacity_kib < 310 * 1024);
	EXPECT(state.available_kib && state.available_kib <= state.free_kib);
	before = state.free_kib;

	base = store_open_base(&host, mnt, "libvirt/qemu", true, &err);
	EXPECT(base >= 0 && mkdirat(base, "1-t1", 0700) == 0);
	EXPECT(fill(base, "1-t1/pc.ram", 4096));
	kib = store_guest_use(base, "1-t1").held_kib;
	EXPECT(store_guest_use(base, "1-t1").size_kib == 4096);
	EXPECT(kib >= 4096 && kib < 2 * 4096);
	EXPECT(store_read(&host, mnt, &state, &err) == 0 && state.free_kib <= before - 4096);
	user = holder_start(base, "1-t1/pc.ram", HOLD_MAPPED);
	EXPECT(store_remove_guest(&host, base, "1-t1", &kib, &err) == -EBUSY && !kib);
	EXPECT(strstr(err.text, "1-t1/pc.ram is in use by " HOLDER " (process "));
	holder_end(user);
	EXPECT(store_remove_guest(&host, base, "1-t1", &kib, &err) == 1 && kib >= 4096);
	EXPECT(is_free_again(mnt, before - 4096));

	/* Turned read-only behind our back */
	EXPECT(mkdirat(base, "2-t2", 0700) == 0);
	EXPECT(fill(base, "2-t2/pc.ram", 1));
	EXPECT(mount(NULL, mnt, NULL, MS_REMOUNT | MS_RDONLY, NULL) == 0);
	EXPECT(store_remove_guest(&host, base, "2-t2", NULL, &err) == -EROFS);
	EXPECT(strstr(err.text, "cannot remove 2-t2/pc.ram: Read-only file system"));
	EXPECT(store_read(&host, mnt, &state, &err) == 0 && state.mount.readonly);
	close(base);
	EXPECT(mount_remove(&host, mnt, state.mount.identity, &err) == 0);
	close(loop);
	return 0;
}

static int try_ext4(const char *dir)
{
	return try_disk(dir, "ext4");
}

static int try_xfs(const char *dir)
{
	return try_disk(dir, "xfs");
}

static void test_disks(void)
{
	own_disk_child(try_ext4, "a store on ext4");
	own_disk_child(try_xfs, "a store on xfs");
}

static CU_TestInfo tests[] = {
	{ "BASE is made and made passable", test_base },
	{ "links on the way to BASE", test_base_links },
	{ "the administrator's path", test_base_path },
	{ "a guest's directory is removed", test_remove },
	{ "names that are none", test_bad_names },
	{ "planted links and oddities", test_planted },
	{ "what is not ours stays", test_not_ours },
	{ "an nvdimm's file stays", test_not_memory },
	{ "too many files", test_too_many },
	{ "files in use", test_in_use },
	{ "files in use by who can't be seen", test_in_use_unseen },
	{ "files in use, without leases", test_no_lease },
	{ "all guests", test_guests },
	{ "states", test_read },
	{ "states of file systems", test_states },
	{ "mount points below a store", test_mounts_below },
	{ "stores on disks", test_disks },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	if (kfs_open(&host, "/", NULL) < 0)
		return 1;
	return unit_main(argc, argv, "test_store", tests);
}
