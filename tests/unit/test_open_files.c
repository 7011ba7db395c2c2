// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Which processes have files of a file system open.
 */
#include "memory/open_files.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "kernel/kfs.h"
#include "unit/holder.h"
#include "unit/own_disk.h"
#include "unit/unit.h"

/* In /tmp and in /dev/shm: a disk's file system and a tmpfs, usually */
static const char *const places[] = { "/tmp", "/dev/shm" };

static const struct row {
	const char *how;
	struct hold hold;
	bool seen_by_lease;
} rows[] = {
	{ "writing", { O_WRONLY, 0, false }, true },
	{ "both", { O_RDWR, 0, false }, true },
	{ "reading", { O_RDONLY, 0, false }, true },
	{ "mapped, with its descriptor", { O_RDWR, PROT_READ | PROT_WRITE, false }, true },
	{ "mapped, descriptor closed", { O_RDWR, PROT_READ | PROT_WRITE, true }, true },
	{ "mapped for reading, descriptor closed", { O_RDONLY, PROT_READ, true }, true },
	/* No access to its content */
	{ "path only", { O_PATH, 0, false }, false },
};

static void make_file(const char *place, char path[64])
{
	int fd;

	snprintf(path, 64, "%s/membacking-unit-XXXXXX", place);
	fd = mkstemp(path);
	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL_FATAL(ftruncate(fd, 65536), 0);
	close(fd);
}

static int lease(const char *path)
{
	cleanup_close int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	CU_ASSERT_FATAL(fd >= 0);
	return open_files_lease(fd);
}

static int find(const char *path, struct open_files_user *user)
{
	struct stat st;
	struct kfs kfs;
	int rc;

	CU_ASSERT_EQUAL_FATAL(stat(path, &st), 0);
	CU_ASSERT_EQUAL_FATAL(kfs_open(&kfs, "/", NULL), 0);
	rc = open_files_find(&kfs, st.st_dev, st.st_ino, user);
	kfs_close(&kfs);
	return rc;
}

/* Is the file system one that answers, and shows the same numbers everywhere? */
static bool is_plain(const char *path)
{
	bool plain = lease(path) == 0;

	if (!plain)
		printf("skip - %s: its file system has no leases\n", path);
	return plain;
}

static void check_hold(const char *path, const struct row *row)
{
	pid_t pid = holder_start(AT_FDCWD, path, row->hold);
	struct open_files_user user = { .pid = -1 };
	int rc = lease(path);

	UNIT_CHECK(rc == row->seen_by_lease, "%s, %s: %d", path, row->how, rc);
	/* map_files is root's */
	if (geteuid() == 0 || !row->hold.close) {
		UNIT_CHECK(find(path, &user) == 1, "%s, %s", path, row->how);
		UNIT_CHECK(user.pid == pid, "%s, %s: %d", path, row->how, (int)user.pid);
		UNIT_CHECK_STR(user.comm, HOLDER, "%s, %s", path, row->how);
	}
	holder_end(pid);
	UNIT_CHECK(lease(path) == 0, "%s, after %s", path, row->how);
	UNIT_CHECK(find(path, &user) == 0, "%s, after %s", path, row->how);
}

static void test_holds(void)
{
	size_t i, j;

	for (i = 0; i < ROWS(places); i++) {
		char path[64];

		make_file(places[i], path);
		for (j = 0; is_plain(path) && j < ROWS(rows); j++)
			check_hold(path, &rows[j]);
		unlink(path);
	}
}

/* A hard link is the same file; another file is not */
static void test_other_names(void)
{
	const char *dir = unit_tmpdir();
	char a[128], b[128], c[128];
	struct open_files_user user;
	pid_t pid;

	snprintf(a, sizeof(a), "%s/a", dir);
	snprintf(b, sizeof(b), "%s/b", dir);
	snprintf(c, sizeof(c), "%s/c", dir);
	unit_write(dir, "a", "");
	unit_write(dir, "c", "");
	CU_ASSERT_EQUAL_FATAL(link(a, b), 0);
	pid = holder_start(AT_FDCWD, a, HOLD_OPEN);
	if (is_plain(c))
		CU_ASSERT_EQUAL(lease(b), 1);
	CU_ASSERT_EQUAL(find(b, &user), 1);
	CU_ASSERT_EQUAL(find(c, &user), 0);
	holder_end(pid);
}

/* The lease is gone, and the program that opened the file meanwhile did not end us */
static void test_lease_is_given_back(void)
{
	struct sigaction before, after;
	char path[64];
	pid_t opener;
	int i;

	make_file("/tmp", path);
	sigaction(SIGIO, NULL, &before);
	opener = fork();
	CU_ASSERT_FATAL(opener >= 0);
	if (!opener) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			close(open(path, O_RDWR | O_CLOEXEC));
	}
	for (i = 0; i < 20000; i++)
		lease(path);
	holder_end(opener);
	sigaction(SIGIO, NULL, &after);
	CU_ASSERT_EQUAL(before.sa_handler, after.sa_handler);
	CU_ASSERT(lease(path) <= 0);
	unlink(path);
}

/* A mapping there is one of the file below, which the lease does not see: it may only
 * say that a file is in use */
static int try_overlay(const char *dir)
{
	static const char *const names[] = { "lower", "upper", "work", "all" };
	char path[256], options[512];
	struct err err = { "" };
	pid_t pid;
	size_t i;

	for (i = 0; i < ROWS(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		EXPECT(mkdir(path, 0755) == 0);
	}
	snprintf(options, sizeof(options), "lowerdir=%s/lower,upperdir=%s/upper,workdir=%s/work",
		 dir, dir, dir);
	if (!own_disk_is_root() || mount("none", path, "overlay", 0, options) < 0)
		return NO_OWN_DISK;
	unit_write(path, "file", "");
	strcat(path, "/file");
	EXPECT(truncate(path, 65536) == 0 && lease(path) == -EOPNOTSUPP);
	pid = holder_start(AT_FDCWD, path, HOLD_OPEN);
	EXPECT(lease(path) == 1);
	holder_end(pid);
	pid = holder_start(AT_FDCWD, path, HOLD_MAPPED);
	EXPECT(lease(path) != 0);
	holder_end(pid);
	return 0;
}

static void test_overlay(void)
{
	own_disk_child(try_overlay, "overlayfs");
}

static void test_no_answer(void)
{
	const char *dir = unit_tmpdir();
	cleanup_close int closed = -1, dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct open_files_user user;
	struct kfs kfs;

	CU_ASSERT_EQUAL(open_files_lease(closed), -EOPNOTSUPP);
	CU_ASSERT_EQUAL(open_files_lease(dirfd), -EOPNOTSUPP);
	/* A captured host has no processes */
	CU_ASSERT_EQUAL_FATAL(kfs_open(&kfs, dir, NULL), 0);
	CU_ASSERT_EQUAL(open_files_find(&kfs, 1, 1, &user), 0);
	unit_write(dir, "proc/77/comm", "x");
	unit_write(dir, "proc/78/fd/0", "x");
	CU_ASSERT_EQUAL(open_files_find(&kfs, 1, 1, &user), 0);
	kfs_close(&kfs);
}

static CU_TestInfo tests[] = {
	{ "each way to have a file", test_holds },
	{ "hard links", test_other_names },
	{ "the lease is given back", test_lease_is_given_back },
	{ "overlayfs", test_overlay },
	{ "nobody to ask", test_no_answer },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_open_files", tests);
}
