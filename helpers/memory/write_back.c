// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Dirty page cache is written to its disks, in a child.
 */
#include "memory/write_back.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/lock.h"
#include "kernel/kfs.h"
#include "memory/mount_table.h"
#include "process/child.h"

/* The kernel says "nodev" of those that need no block device.  FUSE has some that do, and then a
 * program answers for the disk */
static bool is_on_disk(const struct kfs *kfs, const char *fstype)
{
	cleanup_fclose FILE *f = kfs_stream(kfs, "proc/filesystems");
	char line[128], name[MOUNT_FSTYPE_SIZE];

	if (!strncmp(fstype, "fuse", 4))
		return false;
	while (f && fgets(line, sizeof(line), f))
		if (line[0] == '\t' && sscanf(line, "%63s", name) == 1 && !strcmp(name, fstype))
			return true;
	return false;
}

static int write_mount(void *arg, const struct mount_info *info, const char *options)
{
	const struct kfs *kfs = arg;
	const char *target = info->target + strspn(info->target, "/");
	cleanup_close int fd = -1;

	(void)options;
	if (info->part || info->readonly || !is_on_disk(kfs, info->fstype))
		return 0;
	fd = openat(kfs->rootfd, *target ? target : ".",
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0)
		syncfs(fd);
	return 0;
}

static int write_back(void *arg)
{
	struct kfs kfs = *(const struct kfs *)arg;
	cleanup_lock int lock = -1;

	kfs.rootfd = child_keep_only(kfs.rootfd);
	if (kfs.rootfd < 0)
		return kfs.rootfd;
	lock = lock_take(kfs.rootfd, LOCK_WRITE_BACK, 0, NULL);
	return lock < 0 ? lock : mount_for_each(&kfs, write_mount, &kfs, NULL);
}

pid_t write_back_start(const struct kfs *kfs)
{
	return child_start(write_back, (void *)(uintptr_t)kfs);
}
