// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A process beside the pager that must not make it lose a page.
 *
 *	bystander pin		registers a buffer with io_uring: a page of the host is pinned for
 *good bystander map PID	maps the shared memory of a process, and so reads its holes as zeros
 *
 * Says "ready", and ends with its stdin or with whichever program started it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static int die(const char *what)
{
	printf("failed: %s: %s\n", what, strerror(errno));
	return 1;
}

static int pin(void)
{
	struct io_uring_params params = { 0 };
	struct iovec buffer = { .iov_len = 4096 };
	int ring = (int)syscall(SYS_io_uring_setup, 4, &params);

	if (ring < 0)
		return die("io_uring");
	buffer.iov_base =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &buffer, 1) < 0)
		return die("a registered buffer");
	return 0;
}

/* The first shared and writable mapping of a file */
static int map_memory(const char *pid)
{
	char path[4400], line[4096], range[64], permissions[8];
	FILE *maps;
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "/proc/%s/maps", pid);
	maps = fopen(path, "re");
	while (maps && fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%63s %7s", range, permissions) != 2 ||
		    strcmp(permissions, "rw-s") != 0)
			continue;
		snprintf(path, sizeof(path), "/proc/%s/map_files/%s", pid, range);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0 || fstat(fd, &st) < 0)
			return die(path);
		if (mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) ==
		    MAP_FAILED)
			return die("mmap");
		fclose(maps);
		return 0;
	}
	errno = ENOENT;
	return die("shared memory");
}

int main(int argc, char **argv)
{
	char byte;
	int rc = 1;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (argc == 2 && !strcmp(argv[1], "pin"))
		rc = pin();
	else if (argc == 3 && !strcmp(argv[1], "map"))
		rc = map_memory(argv[2]);
	if (rc)
		return rc;
	puts("ready");
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		;
	return 0;
}
