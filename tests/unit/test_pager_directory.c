// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pager/pager_directory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "unit/own_disk.h"
#include "unit/unit.h"

#define UUID_A "aaaaaaaa-cdaf-9455-926a-d65c16db1809"
#define UUID_B "bbbbbbbb-cdaf-9455-926a-d65c16db1809"
#define MIB    ((uint64_t)1 << 20)

static int open_dir(const char *dir)
{
	return open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static bool make_file(int dir, const char *name)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	return fd >= 0 && close(fd) == 0;
}

static bool exists(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool has_size(const struct pager_directory *d, uint64_t bytes)
{
	struct statvfs st;

	return fstatvfs(d->fd, &st) == 0 && (uint64_t)st.f_blocks * st.f_frsize == bytes;
}

static int check_mount(const char *dir)
{
	cleanup_close int state = open_dir(dir);
	struct pager_directory d = PAGER_DIRECTORY_CLOSED(state), next = d;
	struct err err = { "" };
	struct stat st;
	int fd;

	EXPECT(pager_directory_find(&d, &err) == -ENOENT);
	EXPECT(pager_directory_leave(&d, &err) == 0);
	EXPECT(pager_directory_mount(&d, 8 * MIB, &err) == 0);
	EXPECT(has_size(&d, 8 * MIB));
	EXPECT(fstat(d.fd, &st) == 0 && (st.st_mode & 07777) == 0700);
	/* Again: another size, nothing mounted over it */
	fd = pager_directory_add(&d, UUID_A, &err);
	EXPECT(fd >= 0 && make_file(fd, "map"));
	close(fd);
	EXPECT(pager_directory_mount(&d, 16 * MIB, &err) == 0);
	EXPECT(has_size(&d, 16 * MIB));
	/* The next daemon: the same files, and the same answer about swap */
	EXPECT(pager_directory_find(&next, &err) == 0);
	EXPECT(pager_directory_mount(&next, 4 * MIB, &err) == 0);
	EXPECT(has_size(&next, 4 * MIB) && next.noswap == d.noswap);
	fd = pager_directory_open(&next, UUID_A, &err);
	EXPECT(fd >= 0 && exists(fd, "map"));
	close(fd);
	/* Not with a guest in it */
	EXPECT(pager_directory_leave(&next, &err) == 0 && next.fd >= 0);
	EXPECT(pager_directory_remove(&next, UUID_A, &err) == 0);
	pager_directory_close(&d);
	EXPECT(pager_directory_leave(&next, &err) == 0 && next.fd == -1);
	EXPECT(!exists(state, PAGER_DIRECTORY));
	EXPECT(pager_directory_mount(&next, 4 * MIB, &err) == 0);
	EXPECT(pager_directory_leave(&next, &err) == 0 && next.fd == -1);
	return 0;
}

static void test_mount(void)
{
	own_disk_child(check_mount, "the pager's tmpfs");
}

static int check_guests(const char *dir)
{
	cleanup_close int state = open_dir(dir);
	struct pager_directory d = PAGER_DIRECTORY_CLOSED(state);
	char(*uuids)[PAGER_UUID_SIZE] = NULL;
	struct err err = { "" };
	struct stat st;
	size_t n = 7;
	int a;

	EXPECT(pager_directory_mount(&d, 8 * MIB, &err) == 0);
	EXPECT(pager_directory_guests(&d, &uuids, &n, &err) == 0 && n == 0);
	free(uuids);
	EXPECT(pager_directory_open(&d, UUID_A, &err) == -ENOENT);
	EXPECT(pager_directory_remove(&d, UUID_A, &err) == 0);
	a = pager_directory_add(&d, UUID_A, &err);
	EXPECT(a >= 0 && fstat(a, &st) == 0 && (st.st_mode & 07777) == 0700);
	EXPECT(pager_directory_add(&d, UUID_A, &err) == -EEXIST);
	EXPECT(pager_directory_add(&d, "../x", &err) == -EINVAL);
	EXPECT(pager_directory_remove(&d, "..", &err) == 0 && exists(state, PAGER_DIRECTORY));
	EXPECT(mkdirat(d.fd, "other", 0700) == 0 && make_file(d.fd, "file"));
	EXPECT(make_file(a, "map") && make_file(a, "slots"));
	/* A link is a name like any other: removed, and never followed */
	EXPECT(symlinkat("..", a, "link") == 0 && symlinkat(".", d.fd, UUID_B) == 0);
	EXPECT(pager_directory_open(&d, UUID_B, &err) == -ENOTDIR ||
	       pager_directory_open(&d, UUID_B, &err) == -ELOOP);
	EXPECT(pager_directory_guests(&d, &uuids, &n, &err) == 0 && n == 2);
	free(uuids);
	EXPECT(pager_directory_remove(&d, UUID_B, &err) < 0);
	close(a);
	EXPECT(pager_directory_remove(&d, UUID_A, &err) == 0 && !exists(d.fd, UUID_A));
	EXPECT(exists(d.fd, "other") && exists(d.fd, "file"));
	pager_directory_close(&d);
	return 0;
}

static void test_guests(void)
{
	own_disk_child(check_guests, "directories of guests");
}

/* Another user's, or a link: not used */
static int check_distrust(const char *dir)
{
	cleanup_close int state = open_dir(dir);
	struct pager_directory d = PAGER_DIRECTORY_CLOSED(state);
	struct err err = { "" };

	EXPECT(symlinkat("/tmp", state, PAGER_DIRECTORY) == 0);
	EXPECT(pager_directory_find(&d, &err) == -ENOTDIR ||
	       pager_directory_find(&d, &err) == -ELOOP);
	EXPECT(pager_directory_mount(&d, MIB, &err) < 0 && d.fd == -1);
	EXPECT(unlinkat(state, PAGER_DIRECTORY, 0) == 0);
	EXPECT(pager_directory_mount(&d, MIB, &err) == 0);
	EXPECT(fchmod(d.fd, 0777) == 0);
	EXPECT(pager_directory_find(&d, &err) == 0);
	if (!own_disk_is_root() || fchown(d.fd, 1, 1) < 0)
		return 0;
	EXPECT(pager_directory_find(&d, &err) == -EPERM);
	return 0;
}

static void test_distrust(void)
{
	own_disk_child(check_distrust, "a tmpfs of another user");
}

static CU_TestInfo tests[] = {
	{ "mounted, found, left", test_mount },
	{ "directories of guests", test_guests },
	{ "what is not ours", test_distrust },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_pager_directory", tests);
}
