/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Mounting and unmounting, by libmount.
 */
#ifndef MEMBACKING_MEMORY_MOUNT_H
#define MEMBACKING_MEMORY_MOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory/mount_table.h"

struct err;
struct kfs;

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
