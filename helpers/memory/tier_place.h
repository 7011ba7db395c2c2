/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where the file or the directory of a tier may lie.  The pager opens it, check says so before.
 *
 * Sentences begin with the path.
 */
#ifndef MEMBACKING_MEMORY_TIER_PLACE_H
#define MEMBACKING_MEMORY_TIER_PLACE_H

struct err;
struct stat;

/**
 * tier_place_directory() - Open a directory, all of whose path is root's alone
 *
 * The user who runs us counts as root, as in the following.
 * Return: a descriptor for reading; -EPERM: others can change it; -errno
 */
int tier_place_directory(int rootfd, const char *path, struct err *err);

/* The same of the directory that @path lies in */
int tier_place_parent(int rootfd, const char *path, struct err *err);

/**
 * tier_place_find() - Find a file or block device, by a path that is root's alone
 *
 * Return: a descriptor that can't read, so that no device begins to do something because it was
 * opened; -ENOENT; -EPERM: others can change what leads to it; -errno
 */
int tier_place_find(int rootfd, const char *path, struct err *err);

/* A file or block device, no other user's.  A device may have a group: its members read the host's
 * disks anyway.  Return: 0; -EISDIR; -EINVAL; -EPERM */
int tier_place_check(const char *path, const struct stat *st, struct err *err);

/* Does a file or directory lie on a disk?  In memory it would be a worse tier than ram.  Return: 0;
 * -EINVAL: no; -errno */
int tier_place_on_disk(int fd, const char *path, struct err *err);

#endif
