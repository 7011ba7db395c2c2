/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Filling the host view: transparent huge pages.
 */
#ifndef MEMBACKING_LIFECYCLE_VIEW_THP_H
#define MEMBACKING_LIFECYCLE_VIEW_THP_H

struct host_view;
struct kfs;

/* The host's settings, and the mount option of the store in use where stores were read.
 * What can't be read is as if it were not there */
void view_thp(const struct kfs *kfs, struct host_view *host);

#endif
