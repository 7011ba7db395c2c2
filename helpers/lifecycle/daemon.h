/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What happens when a libvirt daemon starts or is reloaded.
 */
#ifndef MEMBACKING_LIFECYCLE_DAEMON_H
#define MEMBACKING_LIFECYCLE_DAEMON_H

struct err;
struct kfs;

/**
 * daemon_mount_hugetlbfs() - A mount for each page size that has none
 *
 * Nothing is done where qemu.conf says which mounts to use or [hugepages] has
 * "manage = no".  Changes the mount namespace of the daemon that calls.
 */
int daemon_mount_hugetlbfs(const struct kfs *kfs, struct err *err);

/**
 * daemon_mount_stores() - The stores with "mount = daemon"
 *
 * They stay mounted.  What can't be mounted is logged, and refused to the guest that
 * needs it.  All of them have one deadline together, and the lock for mounting.
 */
int daemon_mount_stores(const struct kfs *kfs, struct err *err);

/**
 * daemon_reconcile() - Settle the ledgers of guests that are gone, and sweep the stores
 *
 * Only if the lock is free: each of libvirt's daemons calls at its start, and
 * whoever has the lock settles too.
 */
int daemon_reconcile(const struct kfs *kfs, struct err *err);

#endif
