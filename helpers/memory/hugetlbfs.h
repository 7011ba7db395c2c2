/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hugetlbfs mounts, one per page size.
 *
 * libvirt looks for them once, when its QEMU driver starts.
 */
#ifndef MEMBACKING_MEMORY_HUGETLBFS_H
#define MEMBACKING_MEMORY_HUGETLBFS_H

#include <stdbool.h>
#include <stddef.h>
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

#define HUGETLBFS_DIR_SIZE 512

/**
 * struct hugetlbfs_fs - A mounted hugetlbfs
 * @dir:	Where
 * @max_kib:	size=: all that can be mapped through it at a time; 0: no limit
 * @min_kib:	min_size=: reserved for those who map through it; 0: nothing
 * @left_kib:	Of @max_kib, what is not in use.  Of a captured host: all of it
 */
struct hugetlbfs_fs {
	char dir[HUGETLBFS_DIR_SIZE];
	uint64_t page_kib;
	uint64_t max_kib;
	uint64_t min_kib;
	uint64_t left_kib;
};

/**
 * hugetlbfs_list() - All of them in the order of /proc/mounts, as libvirt finds them
 * @list:	Result, to be freed
 * Return: 0, -ENOMEM, or -errno where /proc/mounts can't be read
 */
int hugetlbfs_list(const struct kfs *kfs, uint64_t default_kib, struct hugetlbfs_fs **list,
		   size_t *n);

/* The one that @dir lies on.  Return: 1, 0 if it is none or is not there, or -errno */
int hugetlbfs_at(const struct kfs *kfs, const char *dir, uint64_t default_kib,
		 struct hugetlbfs_fs *fs);

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
