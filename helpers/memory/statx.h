/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * statx(2), also where the C library has no function for it: musl before 1.2.5.
 */
#ifndef MEMBACKING_MEMORY_STATX_H
#define MEMBACKING_MEMORY_STATX_H

#include <fcntl.h>
#include <sys/stat.h>

#ifndef STATX_INO
#include <linux/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef AT_STATX_DONT_SYNC
#define AT_STATX_DONT_SYNC 0x4000
#endif

static inline int statx(int dirfd, const char *path, int flags, unsigned int mask, struct statx *st)
{
	return (int)syscall(SYS_statx, dirfd, path, flags, mask, st);
}
#endif

#endif
