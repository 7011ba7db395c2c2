/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Mounts: what is mounted where, mounting and unmounting, by libmount.
 *
 * libmount is loaded at the first call that needs it: it costs a guest's start a
 * millisecond, and most guests need no mount.
 */
#ifndef MEMBACKING_MEMORY_MOUNT_H
#define MEMBACKING_MEMORY_MOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct kfs;

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
 * @id, @parent: The kernel's numbers of this mount and the one it was mounted on
 */
struct mount_info {
	char target[MOUNT_PATH_SIZE];
	char fstype[MOUNT_FSTYPE_SIZE];
	char source[MOUNT_SOURCE_SIZE];
	char devno[24];
	char identity[48];
	bool readonly;
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

/* Something mounted and its options.  Return: 0 to go on */
typedef int mount_visit(void *arg, const struct mount_info *info, const char *options);

/**
 * mount_for_each() - All that is mounted, in no order that means anything
 *
 * Without what is mounted deeper than MOUNT_PATH_SIZE.
 * Return: what @visit returned last, or -errno
 */
int mount_for_each(const struct kfs *kfs, mount_visit *visit, void *arg, struct err *err);

/**
 * struct mount_spec - What to mount.  NULL or "" is "not said"
 * @source:	Device, LABEL=, UUID=, PARTUUID=, or what the type takes
 * @fstype:	Without it and without @source: as /etc/fstab says for @target
 * @options:	Separated by commas
 */
struct mount_spec {
	const char *target;
	const char *source;
	const char *fstype;
	const char *options;
};

/**
 * mount_make() - Mount it, in a child that is killed at the deadline
 * @deadline:	clock_ms()
 *
 * The mount point must exist.  Where others could put a link on the way to it (memory/path.h)
 * no helper program is used: types that need one, as NFS does, can't be mounted there.  Changes
 * the mount namespace we are in.
 * Return: 0, -ENODEV (no such device, label, or line in fstab), -EBUSY,
 * -ETIMEDOUT, -EIO..., with what was to be mounted where and what came back
 */
int mount_make(const struct mount_spec *spec, uint64_t deadline, struct err *err);

/**
 * mount_remove() - Unmount @target if it is still the mount @identity
 * Return: 0 also if that is not mounted there; -EBUSY
 */
int mount_remove(const struct kfs *kfs, const char *target, const char *identity, struct err *err);

/* Do two identities mean one mount?  Where one has no unique number, the devices are compared */
bool mount_is_same(const char *a, const char *b);

/**
 * mount_source_is() - Does @wanted mean the mounted @actual?
 *
 * LABEL= and UUID= are resolved, links of devices followed.
 */
bool mount_source_is(const char *wanted, const char *actual);

/* Is another host's guest possibly alive on such a file system?  Network and
 * cluster file systems, FUSE included */
bool mount_is_shared_type(const char *fstype);

/* Is there a device with the LABEL= or UUID= that @source is?  If it is none, or that can't
 * be told: true */
bool mount_has_device(const char *source);

/* Does /etc/fstab have a line for @target? */
bool mount_in_fstab(const char *target);

#endif
