/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Filling the host view: the kernel's counters and what the ledgers say of them.
 */
#ifndef MEMBACKING_LIFECYCLE_VIEW_H
#define MEMBACKING_LIFECYCLE_VIEW_H

#include "policy/host_view.h"

struct err;
struct kfs;
struct ledger;
struct ledgers;

/* Whether this kernel has KSM and THP, and no more of @host */
int view_kernel(const struct kfs *kfs, struct host_view *host, struct err *err);

/* The kernel's side: nodes, page sizes, pools */
int view_read(const struct kfs *kfs, struct host_view *host, struct err *err);

/* Read the nodes' memory again.  What a survey found of it is forgotten */
int view_read_nodes(const struct kfs *kfs, struct host_view *host, struct err *err);

/* The ledgers' side as if there were none: before they are counted anew */
void view_forget_ledgers(struct host_view *host);

/**
 * view_account() - The ledgers' side: whose pages, and claims on them
 *
 * claim(guest, size) = promised - what its QEMU has mapped of it, in sum and on
 * each node.  A ledger that is not alive claims nothing.
 *
 * Reads the pools again after the claims: a QEMU that takes pages meanwhile then
 * makes fewer pages look idle than there are, never more.
 */
int view_account(const struct kfs *kfs, const struct ledgers *ledgers, struct host_view *host,
		 struct err *err);

/**
 * view_hold() - Set aside what @ledger, which is accounted for, has reserved
 *
 * For the plan of its guest.  Pages that others took from the pool are not held.
 */
void view_hold(const struct ledger *ledger, struct host_view *host);

void view_free(struct host_view *host);

#endif
