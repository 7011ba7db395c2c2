// SPDX-License-Identifier: LGPL-2.1-or-later
/* Loop devices, file systems on them, and a child that may mount them. */
#include "unit/own_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/loop.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit/own_mounts.h"

void own_disk_child(int (*work)(const char *dir), const char *what)
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
		unit_end_child(own_mounts_tmpfs(dir, "size=512m,mode=755") ? work(dir) :
									     NO_OWN_MOUNTS);
	CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == NO_OWN_MOUNTS)
		printf("skip - %s: this user may make no mount namespace\n", what);
	else if (WIFEXITED(status) && WEXITSTATUS(status) == NO_OWN_DISK)
		printf("skip - %s: takes root, and loop devices, mkfs, overlayfs or /dev/fuse\n",
		       what);
	else
		UNIT_CHECK(status == 0, "%s: the child's status is %x", what, (unsigned int)status);
}

bool own_disk_is_root(void)
{
	unsigned int inside = 1, outside = 1, count = 0;
	FILE *f = fopen("/proc/self/uid_map", "re");
	bool first = f && fscanf(f, "%u %u %u", &inside, &outside, &count) == 3 && !inside &&
		     !outside && count == UINT_MAX;

	if (f)
		fclose(f);
	return first && geteuid() == 0;
}

static bool own_disk_run(const char *const argv[])
{
	int status = -1;
	pid_t pid;

	return posix_spawnp(
		       &pid, argv[0], NULL, NULL, (char *const *)(uintptr_t)argv,
		       (char *const[]){ (char *)(uintptr_t) "PATH=/usr/sbin:/sbin:/usr/bin:/bin",
					NULL }) == 0 &&
	       waitpid(pid, &status, 0) == pid && status == 0;
}

int own_disk_attach(const char *image, int flags, char device[32])
{
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int file = open(image, (flags & LO_FLAGS_READ_ONLY ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	struct loop_config config = { .fd = (__u32)file };
	int loop = -1, tries;

	config.info.lo_flags = (__u32)(LO_FLAGS_AUTOCLEAR | flags);
	/* Another program may take the free one first */
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

int own_disk_make(const char *image, const char *fstype, const char *label, char device[32])
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

bool own_disk_silent(int fuse, const char *dir)
{
	char options[64];

	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fuse);
	return fuse >= 0 && !mount("silent", dir, "fuse", MS_NOSUID | MS_NODEV, options);
}
