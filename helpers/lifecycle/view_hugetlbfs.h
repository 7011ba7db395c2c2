/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Through which hugetlbfs libvirt gives guests their huge pages.
 */
#ifndef MEMBACKING_LIFECYCLE_VIEW_HUGETLBFS_H
#define MEMBACKING_LIFECYCLE_VIEW_HUGETLBFS_H

struct host_view;
struct kfs;

/**
 * view_hugetlbfs() - Fill @host's qemu_conf, hugetlbfs, bare_page_kib, and its sizes' mount_min
 *
 * libvirt's list is hugetlbfs_mount of qemu.conf, else all mounts in the order of /proc/mounts.
 * What can't be read is not known, and no guest is refused for that.
 */
void view_hugetlbfs(const struct kfs *kfs, struct host_view *host);

#endif
