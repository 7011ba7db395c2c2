/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Paths of the administrator's, some of which lead through directories of others.
 *
 * DOC: which links count
 *
 * The kernel follows each link that it meets, and a user who can write a directory can put
 * one there: on Debian memory_backing_dir lies in a directory of QEMU's user.  So a path is
 * walked component by component.  A link counts if the directory that holds it is root's and
 * only root can write it.  Below the first directory that others can write, no link counts,
 * and no "..", which would lead elsewhere once a directory is moved.
 */
#ifndef MEMBACKING_MEMORY_PATH_H
#define MEMBACKING_MEMORY_PATH_H

#include <limits.h>
#include <stdbool.h>

/**
 * struct path - What a path names, without its links
 * @name:	Absolute from the root, each component a real one
 * @trusted:	All directories on the way to it are root's alone: no other user can make the
 *		same name mean another thing
 */
struct path {
	char name[PATH_MAX];
	bool trusted;
};

/**
 * path_open() - Open a path below @rootfd, with or without its first slash
 * @flags:	Of open(2); never creates
 * @found:	Result where all but the last component exist; may be NULL
 *
 * The user who runs us counts as root.
 * Return: a descriptor, or -errno; -ELOOP: a link that does not count, or too many
 */
int path_open(int rootfd, const char *path, int flags, struct path *found);

/* What -ELOOP and others mean to a person */
const char *path_why(int errnum);

#endif
