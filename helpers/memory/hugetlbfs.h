/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hugetlbfs mounts, one per page size.
 *
 * libvirt looks for them once, when its QEMU driver starts.
 */
#ifndef MEMBACKING_MEMORY_HUGETLBFS_H
#define MEMBACKING_MEMORY_HUGETLBFS_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct kfs;

/* Room for a mount point of ours: "/dev/hugepages1G" */
#define HUGETLBFS_PATH_SIZE 64

/**
 * hugetlbfs_find() - Is there a mount for pages of this size?
 * @default_kib: The kernel's default size: that of mounts which don't name one
 * Return: 1, 0 or -errno
 */
int hugetlbfs_find(const struct kfs *kfs, uint64_t page_kib, uint64_t default_kib, struct err *err);

/**
 * hugetlbfs_known() - Does libvirt know of a mount for pages of this size?
 * @where:	Result: such a mount; empty: there is none
 *
 * When its QEMU driver starts, it makes a directory libvirt/qemu in each mount that it
 * finds.  A mount without one came later.
 */
bool hugetlbfs_known(const struct kfs *kfs, uint64_t page_kib, uint64_t default_kib,
		     char where[HUGETLBFS_PATH_SIZE]);

/**
 * hugetlbfs_mount() - Mount one, nosuid and nodev
 * @where:	Result: /dev/hugepages for the default size, as systemd has it,
 *		/dev/hugepages<SIZE> for others
 *
 * Changes the mount namespace we are in, and creates the mount point.
 */
int hugetlbfs_mount(uint64_t page_kib, uint64_t default_kib, char where[HUGETLBFS_PATH_SIZE],
		    struct err *err);

#endif
