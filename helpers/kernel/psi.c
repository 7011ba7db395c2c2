// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * /proc/pressure/memory: read, and watched.
 */
#include "kernel/psi.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/err.h"
#include "kernel/kfs.h"

#define MEMORY "proc/pressure/memory"

int psi_memory(const struct kfs *kfs, uint64_t *stalled_us, struct err *err)
{
	char text[512];
	const char *total;
	uint64_t us;
	int rc = kfs_read(kfs, MEMORY, text, sizeof(text), err);

	if (rc < 0)
		return rc;
	/* The first line is "some avg10=0.00 avg60=0.00 avg300=0.00 total=0" */
	total = strstr(text, " total=");
	if (strncmp(text, "some ", 5) != 0 || !total || sscanf(total, " total=%" SCNu64, &us) != 1)
		return err_set(err, EINVAL, "/" MEMORY ": not understood");
	*stalled_us = us;
	return 0;
}

/* Into a captured file it would only be written */
static bool is_kernels(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC;
}

/* With its zero byte */
static int ask(int fd, const char *text, struct err *err)
{
	size_t len = strlen(text) + 1;

	if (!is_kernels(fd))
		return err_set(err, EOPNOTSUPP, "/" MEMORY ": no file of a kernel");
	return write(fd, text, len) == (ssize_t)len ?
		       0 :
		       err_sys(err, errno, "/" MEMORY ": '%s'", text);
}

int psi_watch_memory(const struct kfs *kfs, uint64_t stall_us, uint64_t window_us, struct err *err)
{
	int fd = openat(kfs->rootfd, MEMORY, O_RDWR | O_NONBLOCK | O_CLOEXEC), rc;
	char text[64];

	if (fd < 0)
		return err_sys(err, errno, "/" MEMORY);
	snprintf(text, sizeof(text), "some %" PRIu64 " %" PRIu64, stall_us, window_us);
	rc = ask(fd, text, err);
	if (rc == 0)
		return fd;
	close(fd);
	return rc;
}
