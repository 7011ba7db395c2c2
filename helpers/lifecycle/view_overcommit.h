/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Filling the host view: what guests under the pager need of the host, and have of it. */
#ifndef MEMBACKING_LIFECYCLE_VIEW_OVERCOMMIT_H
#define MEMBACKING_LIFECYCLE_VIEW_OVERCOMMIT_H

struct config;
struct host_view;
struct kfs;
struct ledger;

/* The kernel's side, and with @config where the tiers lie; NULL: not that */
void view_overcommit(const struct kfs *kfs, const struct config *config, struct host_view *host);

/* What the running guest of @ledger may still take of its resident limit.  Nothing for a guest that
 * is not under the pager */
void view_overcommit_guest(const struct kfs *kfs, const struct ledger *ledger,
			   struct host_view *host);

/* As if no guest were promised anything */
void view_overcommit_forget(struct host_view *host);

#endif
