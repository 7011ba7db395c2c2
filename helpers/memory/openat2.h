/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * openat2(2), which says what a path may pass through.  For whole paths: memory/path.h
 */
#ifndef MEMBACKING_MEMORY_OPENAT2_H
#define MEMBACKING_MEMORY_OPENAT2_H

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Names in a directory that others own */
#define OPENAT2_DISTRUST                                                                           \
	(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV)

/* Return: a descriptor, or -1 with errno */
static inline int openat2_open(int dirfd, const char *path, int flags, uint64_t resolve)
{
	const struct open_how how = {
		.flags = (uint64_t)(unsigned int)(flags | O_CLOEXEC),
		.resolve = resolve,
	};
	int tries = 0;
	long fd;

	/* EAGAIN: something was renamed meanwhile and ".." is not surely inside.
	 * The number, as glibc of the oldest distribution has no name for it */
	do {
		fd = syscall(__NR_openat2, dirfd, path, &how, sizeof(how));
	} while (fd < 0 && (errno == EINTR || errno == EAGAIN) && tries++ < 20);
	return (int)fd;
}

#endif
