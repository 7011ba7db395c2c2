// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A process beside the pager that must not make it lose a page.
 *
 *	bystander pin		registers a buffer with io_uring: a page is pinned for good
 *	bystander trace PID	traces a process as a debugger does, and lets it run
 *	bystander map PID	maps the memory of a process, and so reads its holes as zeros
 *
 * Says "ready", and ends with its stdin or with whichever program started it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
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

static int trace(const char *pid)
{
	return ptrace(PTRACE_SEIZE, (pid_t)atoi(pid), NULL, NULL) < 0 ? die("ptrace") : 0;
}

/* As a vhost-user back end does, which is given the descriptor */
static int map(const char *pid)
{
	unsigned long begin, end;
	char path[128], line[512];
	int fd, n = 0;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%s/maps", pid);
	maps = fopen(path, "re");
	while (maps && fgets(line, sizeof(line), maps)) {
		if (!strstr(line, "memory-backend") || sscanf(line, "%lx-%lx", &begin, &end) != 2)
			continue;
		snprintf(path, sizeof(path), "/proc/%s/map_files/%lx-%lx", pid, begin, end);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0 || mmap(NULL, end - begin, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) ==
				      MAP_FAILED)
			return die("another process's memory");
		close(fd);
		n++;
	}
	if (maps)
		fclose(maps);
	return n ? 0 : die("another process's memory files");
}

int main(int argc, char **argv)
{
	char byte;
	int rc = 1;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (argc == 2 && !strcmp(argv[1], "pin"))
		rc = pin();
	else if (argc == 3 && !strcmp(argv[1], "map"))
		rc = map(argv[2]);
	else if (argc == 3 && !strcmp(argv[1], "trace"))
		rc = trace(argv[2]);
	if (rc)
		return rc;
	puts("ready");
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		;
	return 0;
}
