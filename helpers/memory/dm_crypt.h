/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Does a device write only what dm-crypt has encrypted?
 */
#ifndef MEMBACKING_MEMORY_DM_CRYPT_H
#define MEMBACKING_MEMORY_DM_CRYPT_H

#include <sys/types.h>

struct kfs;
struct err;

/**
 * dm_crypt_check() - Is all that a device holds encrypted below it?
 * @device:	st_dev of a file, or st_rdev of a block device
 *
 * Logical volumes, RAID and partitions are looked through: each device that they lie on has to be
 * encrypted.  What has no block device of its own (btrfs, ZFS, tmpfs, network file systems), or is
 * a file behind a loop device, can't be told and counts as not encrypted; so does a disk that
 * encrypts by itself.
 *
 * Return: 0; -ENOKEY: no, or it can't be told; the sentence says which device it is about
 */
int dm_crypt_check(const struct kfs *kfs, dev_t device, struct err *err);

/**
 * dm_crypt_check_path() - dm_crypt_check() of what a file or block device lies on
 * @path:	Absolute.  Where it is not there yet, what its directory lies on
 *
 * Return: 0; -ENOKEY; -errno: the path can't be followed
 */
int dm_crypt_check_path(const struct kfs *kfs, const char *path, struct err *err);

/* The same of a descriptor */
int dm_crypt_check_file(const struct kfs *kfs, int fd, struct err *err);

#endif
