/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Other programs' configuration files: read whole, and replaced at once or not at all.
 *
 * Paths are relative to a root directory.  No link is followed, in none of their parts:
 * who has made /etc/libvirt/qemu.conf a link decides himself where it is edited.
 */
#ifndef MEMBACKING_PROFILES_PLACE_H
#define MEMBACKING_PROFILES_PLACE_H

#include <stdbool.h>

struct err;

/**
 * place_read() - A whole file
 * @text:	To be freed; NULL if there is no such file
 * Return: 0 or -errno; -EINVAL for one with NUL bytes
 */
int place_read(int rootfd, const char *path, char **text, struct err *err);

/**
 * place_replace() - Let @path have other content
 * @old:	What it has now; NULL: there is no such file
 * @new:	NULL: the file is removed
 * @made_dir:	Set if its directory was made for it; may be NULL
 *
 * Owner, mode, ACL and SELinux label stay; a new file is root's, 0644, and missing
 * directories are made.  On the disk when this returns.
 * Return: 0, -EBUSY if it is no longer @old, -errno
 */
int place_replace(int rootfd, const char *path, const char *old, const char *new, bool *made_dir,
		  struct err *err);

/* Remove the directory that @path is in, if it is empty */
void place_remove_dir(int rootfd, const char *path);

#endif
