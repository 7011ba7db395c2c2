/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What happens when a libvirt daemon starts or is reloaded.
 */
#ifndef MEMBACKING_LIFECYCLE_DAEMON_H
#define MEMBACKING_LIFECYCLE_DAEMON_H

struct err;
struct kfs;
struct session;

/**
 * daemon_prepare_host() - Mount what guests will need, and give back what guests left behind
 *
 * A hugetlbfs for each page size that has none, unless qemu.conf says which mounts to use or
 * [hugepages] has "manage = no"; then the stores with "mount = daemon", all of them within one
 * deadline.  Both change the mount namespace of the daemon that calls, and stay.  Then
 * daemon_reconcile().  Failures are logged: what can't be mounted is refused to the guest that
 * needs it.
 */
void daemon_prepare_host(const struct kfs *kfs);

/**
 * daemon_reconcile() - One round of giving back, and of removing leftovers from the stores
 * @session:	Opened for change, with the configuration and its stores
 *
 * Only if the lock is free: each of libvirt's daemons calls at its start, and the operation
 * that has the lock gives back too.
 */
int daemon_reconcile(struct session *session, struct err *err);

#endif
