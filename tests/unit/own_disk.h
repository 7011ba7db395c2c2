/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * File systems of a test's own: on loop devices, which take root, and checks in the
 * forked child that mounts them.
 */
#ifndef MEMBACKING_TESTS_OWN_DISK_H
#define MEMBACKING_TESTS_OWN_DISK_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/loop.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit/own_mounts.h"
#include "unit/unit.h"

/* What a child exits with when something else is missing */
#define NO_OWN_DISK 78

/* In a child, CUnit's own records are lost: leave with a line on stderr */
#define EXPECT(condition)                                                                          \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #condition,         \
				err.text);                                                         \
			return 1;                                                                  \
		}                                                                                  \
	} while (0)

/**
 * own_disk_child() - Run @work in a child with mounts of its own
 * @work:	Gets a directory with an empty tmpfs on it; returns 0 if all is well
 * @what:	For the line that says it was skipped
 */
static inline void own_disk_child(int (*work)(const char *dir), const char *what)
{
	static const char *dir;
	int status = -1;
	pid_t child;

	/* Each child covers it with its own */
	if (!dir)
		dir = unit_tmpdir();
	fflush(NULL);
	child = fork();
	CU_ASSERT_FATAL(child >= 0);
	if (!child)
		_exit(own_mounts_tmpfs(dir, "size=512m,mode=755") ? work(dir) : NO_OWN_MOUNTS);
	CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == NO_OWN_MOUNTS)
		printf("skip - %s: this user may make no mount namespace\n", what);
	else if (WIFEXITED(status) && WEXITSTATUS(status) == NO_OWN_DISK)
		printf("skip - %s: takes root, and loop devices, mkfs, overlayfs or /dev/fuse\n",
		       what);
	else
		UNIT_CHECK(status == 0, "%s: the child's status is %x", what, (unsigned int)status);
}

/* In a user namespace of its own every user looks like root */
static inline bool own_disk_is_root(void)
{
	unsigned int inside = 1, outside = 1, count = 0;
	FILE *f = fopen("/proc/self/uid_map", "re");
	bool first = f && fscanf(f, "%u %u %u", &inside, &outside, &count) == 3 && !inside &&
		     !outside && count == UINT_MAX;

	if (f)
		fclose(f);
	return first && geteuid() == 0;
}

static inline bool own_disk_run(const char *const argv[])
{
	int status = -1;
	pid_t pid;

	return posix_spawnp(
		       &pid, argv[0], NULL, NULL, (char *const *)(uintptr_t)argv,
		       (char *const[]){ (char *)(uintptr_t) "PATH=/usr/sbin:/sbin:/usr/bin:/bin",
					NULL }) == 0 &&
	       waitpid(pid, &status, 0) == pid && status == 0;
}

/**
 * own_disk_attach() - A loop device for a file
 * @device:	Result: "/dev/loop7"
 * Return: a descriptor.  When it is closed and nothing is mounted the device is free
 * again, even if the test dies
 */
static inline int own_disk_attach(const char *image, int flags, char device[32])
{
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int file = open(image, (flags & LO_FLAGS_READ_ONLY ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	struct loop_config config = { .fd = (__u32)file };
	int loop = -1, tries;

	config.info.lo_flags = (__u32)(LO_FLAGS_AUTOCLEAR | flags);
	/* Somebody else may take the free one first */
	for (tries = 0; control >= 0 && file >= 0 && loop < 0 && tries < 20; tries++) {
		int n = ioctl(control, LOOP_CTL_GET_FREE);

		if (n < 0)
			break;
		snprintf(device, 32, "/dev/loop%d", n);
		loop = open(device, O_RDWR | O_CLOEXEC);
		if (loop >= 0 && ioctl(loop, LOOP_CONFIGURE, &config) < 0) {
			close(loop);
			loop = -1;
		}
	}
	if (control >= 0)
		close(control);
	if (file >= 0)
		close(file);
	return loop;
}

/**
 * own_disk_make() - An image with a file system, and its loop device
 * @image:	File to make
 * @fstype:	"ext4" or "xfs"
 * Return: as own_disk_attach()
 */
static inline int own_disk_make(const char *image, const char *fstype, const char *label,
				char device[32])
{
	/* xfs: its smallest file system */
	off_t size = (strcmp(fstype, "xfs") == 0 ? 304 : 16) * (off_t)1048576;
	int fd = open(image, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	char mkfs[32];

	if (!own_disk_is_root() || fd < 0 || ftruncate(fd, size) < 0)
		return -1;
	close(fd);
	snprintf(mkfs, sizeof(mkfs), "mkfs.%s", fstype);
	if (!own_disk_run((const char *const[]){ mkfs, "-q", "-L", label, image, NULL }))
		return -1;
	return own_disk_attach(image, 0, device);
}

/**
 * own_disk_silent() - A file system that keeps everybody waiting, as one on a dead server
 * @fuse:	/dev/fuse: its other end, which nobody reads.  While it is open there is no
 *		answer, afterwards there are errors
 */
static inline bool own_disk_silent(int fuse, const char *dir)
{
	char options[64];

	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fuse);
	return fuse >= 0 && !mount("silent", dir, "fuse", MS_NOSUID | MS_NODEV, options);
}

#endif
