// SPDX-License-Identifier: LGPL-2.1-or-later
/* A child that has a file open or mapped. */
#include "unit/holder.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static bool holder_take(int dirfd, const char *name, const struct hold *hold)
{
	int fd = openat(dirfd, name, hold->flags | O_CLOEXEC);

	if (fd < 0)
		return false;
	if (hold->protection && mmap(NULL, 4096, hold->protection, MAP_SHARED, fd, 0) == MAP_FAILED)
		return false;
	if (hold->close)
		close(fd);
	return true;
}

pid_t holder_start(int dirfd, const char *name, struct hold hold)
{
	int ready[2];
	char byte;
	pid_t pid;

	if (pipe(ready) < 0)
		return -1;
	fflush(stdout);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, HOLDER);
		if (!holder_take(dirfd, name, &hold) || write(ready[1], "y", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		pid = -1;
	close(ready[0]);
	return pid;
}

void holder_end(pid_t pid)
{
	if (pid <= 0)
		return;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}
