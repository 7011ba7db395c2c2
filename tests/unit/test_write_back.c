// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Which file systems are written back, and what the child that does it keeps of its parent's.
 */
#include "memory/write_back.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/lock.h"
#include "process/child.h"
#include "unit/fake_kernel.h"
#include "unit/unit.h"

/* In place of the kernel's: notes the directory, and how many descriptors are open */
int syncfs(int fd)
{
	char link[64], place[512], line[600];
	ssize_t n;
	int i, open_fds = 0, notes;

	for (i = 0; i < 1024; i++)
		open_fds += fcntl(i, F_GETFD) >= 0;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, place, sizeof(place) - 1);
	if (n < 0)
		return -1;
	place[n] = '\0';
	notes = openat(3, "notes", O_WRONLY | O_CREAT | O_APPEND, 0644);
	n = snprintf(line, sizeof(line), "%s %d\n", strrchr(place, '/') + 1, open_fds);
	if (notes < 0 || write(notes, line, (size_t)n) != n)
		return -1;
	return close(notes);
}

#define FILESYSTEMS "nodev\ttmpfs\nnodev\tnfs4\n\text4\n\tfuseblk\n\txfs\n"

#define MOUNT(id, device, root, place, options, type)                                              \
#id " 1 " device " " root " /" place " " options " - " type " none rw\n"

static void open_host(struct fake_kernel *fk)
{
	fake_open(fk, "one-node");
	fake_put(fk, "proc/filesystems", FILESYSTEMS);
	fake_put(fk, "proc/self/mountinfo",
		 MOUNT(20, "8:1", "/", "disk", "rw",
		       "ext4") MOUNT(21, "8:2", "/", "read-only", "ro",
				     "xfs") MOUNT(22, "8:1", "/sub", "part", "rw", "ext4")
			 MOUNT(23, "0:40", "/", "far", "rw", "nfs4") MOUNT(24, "0:41", "/",
									   "memory", "rw", "tmpfs")
				 MOUNT(25, "8:3", "/", "program", "rw", "fuseblk")
					 MOUNT(26, "8:4", "/", "gone", "rw", "xfs")
						 MOUNT(27, "8:5", "/", "large", "rw", "xfs"));
	fake_put(fk, "disk/x", "");
	fake_put(fk, "read-only/x", "");
	fake_put(fk, "part/x", "");
	fake_put(fk, "far/x", "");
	fake_put(fk, "memory/x", "");
	fake_put(fk, "program/x", "");
	fake_put(fk, "large/x", "");
}

#define HOST(name) UNIT_FIXTURE(struct fake_kernel, name, fake_close, open_host(&(name)))

static int write_all(const struct fake_kernel *fk)
{
	return child_wait(write_back_start(&fk->kfs), clock_ms() + 20000);
}

/* Each on a disk, once, and nothing else is even opened.  Open meanwhile: stdio, the host, the
 * lock, the directory, and what libmount reads */
static void test_which(void)
{
	char text[256];
	int i, fd[20];
	HOST(fk);

	for (i = 0; i < 20; i++)
		fd[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	CU_ASSERT_EQUAL(write_all(&fk), 0);
	fake_get(&fk, "notes", text, sizeof(text));
	UNIT_CHECK_STR(text, "disk 7\nlarge 7", "written");
	for (i = 0; i < 20; i++)
		close(fd[i]);
}

/* While one hangs, no other is started beside it */
static void test_one_at_a_time(void)
{
	struct err err = { "" };
	int lock;
	HOST(fk);

	lock = lock_take(fk.kfs.rootfd, LOCK_WRITE_BACK, 0, &err);
	CU_ASSERT_FATAL(lock >= 0);
	CU_ASSERT_EQUAL(write_all(&fk), -EAGAIN);
	CU_ASSERT_FALSE(fake_exists(&fk, "notes"));
	lock_release(&lock);
	CU_ASSERT_EQUAL(write_all(&fk), 0);
	CU_ASSERT_TRUE(fake_exists(&fk, "notes"));
}

/* A kernel that says nothing of its file systems */
static void test_unknown(void)
{
	HOST(fk);

	fake_remove(&fk, "proc/filesystems");
	CU_ASSERT_EQUAL(write_all(&fk), 0);
	CU_ASSERT_FALSE(fake_exists(&fk, "notes"));
}

static CU_TestInfo tests[] = {
	{ "file systems on disks", test_which },
	{ "one at a time", test_one_at_a_time },
	{ "unknown file systems", test_unknown },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_write_back", tests);
}
