/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Is a file open or mapped by any process?
 *
 * DOC: two ways to know
 *
 * The kernel counts who has a file open, mappings included, and says so when it is asked
 * for a write lease: -EAGAIN if that is another process.  This sees processes in every
 * container, and the kernel's own use (a loop device).  It does not say who it is,
 * and network file systems and FUSE can't or answer something else.
 *
 * /proc/PID/fd and /proc/PID/map_files name the process, if it is one that we see.
 * On overlayfs of older kernels a mapping that outlives its descriptor shows neither way.
 */
#ifndef MEMBACKING_MEMORY_OPEN_FILES_H
#define MEMBACKING_MEMORY_OPEN_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct kfs;

/**
 * open_files_lease() - Ask the kernel for a lease and give it back at once
 * @fd:		Of a regular file, read-only, the only one of this process
 * Return: 1 if others have it open or mapped, 0 if not, -EOPNOTSUPP if this file
 * system (or who we are) gives no answer
 */
int open_files_lease(int fd);

/* A process.  comm is what the kernel calls it */
struct open_files_user {
	pid_t pid;
	char comm[64];
};

/**
 * open_files_find() - Look for a process that has the file open or mapped
 * @dev, @ino:	As stat() gives them
 * Return: 1 and @user, 0, or -errno: it may be in use.  Costs a look at each open file on the host
 */
int open_files_find(const struct kfs *kfs, dev_t dev, ino_t ino, struct open_files_user *user);

/**
 * struct open_files - One look at all open and mapped files of the host, sorted
 * @rc:	0 if all that we may see is in it
 *
 * For those who ask for many files: open_files_find() costs such a look for each.  Starts as
 * all zero.
 */
struct open_files {
	bool taken;
	int rc;
	size_t n, room;
	struct open_file {
		dev_t dev;
		ino_t ino;
		pid_t pid;
	} * list;
};

/**
 * open_files_in() - open_files_find() in a look that is taken at the first question
 * @deadline:	clock_ms(), for taking it
 * Return: also -ETIMEDOUT, -ENOMEM: not known
 */
int open_files_in(const struct kfs *kfs, struct open_files *files, uint64_t deadline, dev_t dev,
		  ino_t ino, struct open_files_user *user);
void open_files_free(struct open_files *files);

/* The same as open_files_find() for any file of a file system: unmounting it here does not fail
 * while processes with mounts of their own, as libvirt's QEMUs are, go on using it there */
int open_files_on(const struct kfs *kfs, dev_t dev, struct open_files_user *user);

#endif
