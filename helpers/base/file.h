/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Safe file access for a program that runs as root.
 *
 * Everything is named relative to a directory descriptor, no symbolic link is
 * followed in the last component, only regular files are read, and no more of
 * them than the caller is ready for.  Sentences begin with the name as given.
 */
#ifndef MEMBACKING_BASE_FILE_H
#define MEMBACKING_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct err;

/**
 * file_read_at() - A whole regular file, NUL-terminated
 * @max:	Largest size in bytes that is accepted
 * @buf:	Result, to be freed; unchanged on failure
 * @len:	Its length without the NUL; may be NULL
 * Return: 0, -ENOENT, -EFBIG, -EINVAL (no regular file), -ELOOP (a link), ...
 */
int file_read_at(int dirfd, const char *name, size_t max, char **buf, size_t *len, struct err *err);

/**
 * file_read_trusted_at() - file_read_at() of a file that only root may change
 * Return: also -EPERM if it belongs to another user, or group or others may write it.
 * The last component may be a link (administrators link their configuration);
 * what it leads to is what is judged.
 */
int file_read_trusted_at(int dirfd, const char *name, size_t max, char **buf, size_t *len,
			 struct err *err);

/**
 * file_check_trusted() - May only root change what @fd is?
 * @name:	For the sentence
 * Return: 0 or -EPERM
 */
int file_check_trusted(int fd, const char *name, struct err *err);

/**
 * file_read_stream() - Everything up to end of file from a pipe or socket
 * @max:	Bytes; one more and the result is -EFBIG, with nothing kept
 */
int file_read_stream(int fd, size_t max, char **buf, size_t *len, struct err *err);

/**
 * file_replace_at() - Write NAME.new and rename it over NAME
 *
 * Readers see the old or the new content, never a part.  Not synced to disk:
 * our files live in /run and are worth nothing after a crash of the host.
 */
int file_replace_at(int dirfd, const char *name, const char *buf, size_t len, struct err *err);

/* Likewise, and only its owner may read it (0600) */
int file_replace_private_at(int dirfd, const char *name, const char *buf, size_t len,
			    struct err *err);

/**
 * file_publish_at() - file_replace_at() in a directory that others may write to
 *
 * The new name can't be known in advance, and several may do it at once.
 */
int file_publish_at(int dirfd, const char *name, const char *buf, size_t len, struct err *err);

/**
 * file_make_dir() - Open @path below @rootfd for use by root only
 *
 * Creates the missing parts with mode 0755.  Each component must be a
 * directory, no link, and the last one root's own and writable by root only.
 * Return: a descriptor or -errno
 */
int file_make_dir(int rootfd, const char *path, struct err *err);

/* file_make_dir() without the making: -ENOENT if it isn't there */
int file_open_dir(int rootfd, const char *path, struct err *err);

/**
 * file_keep_stdio() - Open /dev/null where a standard stream is closed
 *
 * Else a file of ours could become one, and be written to by any later print.
 */
void file_keep_stdio(void);

#endif
