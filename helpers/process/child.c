// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Work in a child process that can be killed.
 */
#include "process/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "process/signals.h"

#define POLL_MS 200

/* For dying.  What waits for a file system may do so where no signal reaches it: then
 * init reaps it */
#define DYING_MS 1000

static void leave_stdio(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	int i;

	for (i = 0; i < 3; i++) {
		if (fd >= 0)
			dup2(fd, i);
		else
			close(i);
	}
}

pid_t child_start(int (*work)(void *arg), void *arg)
{
	pid_t parent = getpid(), pid = fork();
	int rc;

	if (pid < 0)
		return -errno;
	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent) /* it died before the prctl */
		_exit(0);
	signals_set_default();
	leave_stdio();
	rc = work(arg);
	_exit(rc < 0 && rc > -256 ? -rc : rc != 0);
}

static int reap(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (WIFEXITED(status))
		return -WEXITSTATUS(status);
	return -EINTR;
}

void child_set_environment(void)
{
	clearenv();
	setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
}

int child_keep_only(int fd)
{
	int kept = STDERR_FILENO + 1;

	if (fd != kept && dup3(fd, kept, O_CLOEXEC) < 0)
		return -errno;
	if (syscall(SYS_close_range, (unsigned int)kept + 1u, ~0u, 0u) < 0)
		return -errno;
	return kept;
}

void child_let_go(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, WNOHANG);
}

void child_stop(pid_t pid)
{
	kill(pid, SIGKILL);
	reap(pid);
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

int child_wait(pid_t pid, uint64_t deadline)
{
	struct pollfd poller = { .events = POLLIN };
	int ready;

	/* glibc of the oldest distribution we build on has no wrapper */
	poller.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (poller.fd < 0) {
		int rc = -errno;

		child_stop(pid);
		return rc;
	}
	/* In slices: a signal just before poll() must not be missed for long */
	do {
		ready = poll(&poller, 1, (int)least(clock_left_ms(deadline), POLL_MS));
	} while ((ready < 0 && errno == EINTR) || (ready == 0 && clock_left_ms(deadline)));
	if (ready != 1) {
		kill(pid, SIGKILL);
		if (poll(&poller, 1, DYING_MS) == 1)
			reap(pid);
	}
	close(poller.fd);
	return ready == 1 ? reap(pid) : -ETIMEDOUT;
}

int child_call(int (*work)(void *arg), void *arg, size_t size, uint64_t deadline)
{
	void *shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid;
	int rc;

	if (shared == MAP_FAILED)
		return -errno;
	memcpy(shared, arg, size);
	pid = child_start(work, shared);
	rc = pid < 0 ? pid : child_wait(pid, deadline);
	memcpy(arg, shared, size);
	munmap(shared, size);
	return rc;
}
