/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Filling the host view: the kernel's counters and what the ledgers say of them.
 */
#ifndef MEMBACKING_LIFECYCLE_VIEW_H
#define MEMBACKING_LIFECYCLE_VIEW_H

#include <sys/types.h>

#include "policy/host_view.h"

struct err;
struct fragmentation;
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
 * view_settle() - Change @host as if the dead among @ledgers had been settled
 * @f:		Changed likewise; or NULL
 *
 * For a plan that is shown and not carried out: prepare settles them first.
 */
void view_settle(const struct ledgers *ledgers, struct host_view *host, struct fragmentation *f);

/**
 * view_end() - Change @host and @f as if the QEMU @pid had ended
 *
 * Its huge pages lie free in the pools then, and the rest of its memory is free.  Its
 * ledger is the caller's business: one that is not alive, and view_settle() afterwards.
 * Return: 0, or -errno where it can't be seen what it has: nothing is changed
 */
int view_end(const struct kfs *kfs, pid_t pid, struct host_view *host, struct fragmentation *f);

/**
 * view_hold() - Set aside what @ledger, which is accounted for, has reserved
 *
 * For the plan of its guest.  Pages that others took from the pool are not held.
 */
void view_hold(const struct ledger *ledger, struct host_view *host);

void view_free(struct host_view *host);

#endif
