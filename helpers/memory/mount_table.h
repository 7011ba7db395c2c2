/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is mounted where, by libmount from /proc/self/mountinfo.
 */
#ifndef MEMBACKING_MEMORY_MOUNT_TABLE_H
#define MEMBACKING_MEMORY_MOUNT_TABLE_H

#include <stdbool.h>

struct err;
struct kfs;
struct path;

#define MOUNT_PATH_SIZE	  512
#define MOUNT_FSTYPE_SIZE 64
#define MOUNT_SOURCE_SIZE 256

/**
 * struct mount_info - A mounted file system, as /proc/self/mountinfo says
 * @target:	Where, without links
 * @source:	As the kernel shows it: "/dev/vdb", "tmpfs", "host:/export"
 * @devno:	"MAJOR:MINOR" of its files; the kernel gives a number again once it is free
 * @identity:	For mount_is_same(): with the mount's unique number where the kernel has one (6.8).
 *		Of mount_find() only
 * @readonly:	The mount or the file system
 * @part:	A directory of its file system, by a bind mount.  Not a subvolume or an export,
 *which are as good as file systems
 * @id, @parent: The kernel's numbers of this mount and the one it was mounted on
 */
struct mount_info {
	char target[MOUNT_PATH_SIZE];
	char fstype[MOUNT_FSTYPE_SIZE];
	char source[MOUNT_SOURCE_SIZE];
	char devno[24];
	char identity[48];
	bool readonly;
	bool part;
	int id;
	int parent;
};

/**
 * mount_find() - What @path lies on
 * @path:	Absolute; need not exist.  Links count as for path_open()
 * @info:	Result: the mount that is seen there, not those it hides
 * Return: 1 if @path itself is the mount point, 0 if it lies below one, or -errno
 */
int mount_find(const struct kfs *kfs, const char *path, struct mount_info *info, struct err *err);

/* mount_find(), with @real: @path without links, and whether others can change the way there */
int mount_find_path(const struct kfs *kfs, const char *path, struct mount_info *info,
		    struct path *real, struct err *err);

/* Something mounted and its options.  Return: 0 to go on */
typedef int mount_visit(void *arg, const struct mount_info *info, const char *options);

/**
 * mount_for_each() - All that is mounted, in no order that means anything
 *
 * Without what is mounted deeper than MOUNT_PATH_SIZE.
 * Return: what @visit returned last, or -errno
 */
int mount_for_each(const struct kfs *kfs, mount_visit *visit, void *arg, struct err *err);

/* Do two identities mean one mount?  Where one has no unique number, the devices are compared */
bool mount_is_same(const char *a, const char *b);

#endif
