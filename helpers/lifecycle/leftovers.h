/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory directories in a store that belong to no running guest.
 *
 * A crash of the host, or a delete of libvirt's that failed, leaves them behind, and
 * no ledger knows of them.
 */
#ifndef MEMBACKING_LIFECYCLE_LEFTOVERS_H
#define MEMBACKING_LIFECYCLE_LEFTOVERS_H

struct session;

/**
 * leftovers_remove() - Remove them, in all stores of the session's host view, for a second
 *
 * Under the host lock.  On local file systems only: on others the guest may live on
 * another host.  What came of it is in @session->report.  A directory stays if it may be that of a
 * QEMU that runs, with or without a ledger, or if any process has a file in it open.
 */
void leftovers_remove(struct session *session);

#endif
