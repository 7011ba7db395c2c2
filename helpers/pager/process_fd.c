// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Another process and its open files, by pidfd.
 */
#include "pager/process_fd.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

/* "PID (NAME) S ...": a name may have parentheses and blanks, the last ")" ends it */
int process_start_time(const struct kfs *kfs, pid_t pid, uint64_t *ticks, struct err *err)
{
	char path[KFS_PATH_SIZE], text[1024];
	const char *end;
	char state;
	int rc;

	snprintf(path, sizeof(path), "proc/%d/stat", (int)pid);
	rc = kfs_read(kfs, path, text, sizeof(text), err);
	if (rc == -ENOENT || rc == -ESRCH)
		return err_set(err, ESRCH, "no process %d", (int)pid);
	if (rc < 0)
		return rc;
	end = strrchr(text, ')');
	if (!end || sscanf(end,
			   ") %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
			   "%*s %*s %" SCNu64,
			   &state, ticks) != 2)
		return err_set(err, EINVAL, "%s: not as expected", path);
	if (state == 'Z' || state == 'X')
		return err_set(err, ESRCH, "process %d ended", (int)pid);
	return 0;
}

int process_open(const struct kfs *kfs, pid_t pid, uint64_t start_time, struct err *err)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	uint64_t found = 0;
	int rc;

	if (pidfd < 0)
		return err_sys(err, errno, "pidfd_open of process %d", (int)pid);
	rc = process_start_time(kfs, pid, &found, err);
	if (rc == 0 && found != start_time)
		rc = err_set(err, ESRCH, "process %d is another one now", (int)pid);
	if (rc == 0)
		return pidfd;
	close(pidfd);
	return rc;
}

bool process_gone(int pidfd)
{
	struct pollfd end = { .fd = pidfd, .events = POLLIN };

	return poll(&end, 1, 0) > 0;
}

int process_fd_take(int pidfd, int number, struct err *err)
{
	int fd = (int)syscall(SYS_pidfd_getfd, pidfd, number, 0);

	if (fd < 0)
		return err_sys(err, errno, "pidfd_getfd of descriptor %d", number);
	return fd;
}

enum fd_kind process_fd_kind(const struct kfs *kfs, pid_t pid, int number, uint64_t *ino)
{
	static const char device[] = "/dev/userfaultfd";
	char path[KFS_PATH_SIZE], target[256];
	uint64_t found = 0;
	ssize_t n;

	snprintf(path, sizeof(path), "proc/%d/fd/%d", (int)pid, number);
	n = readlinkat(kfs->rootfd, path, target, sizeof(target) - 1);
	if (n < 0)
		return FD_OTHER;
	target[n] = '\0';
	if (!ino)
		ino = &found;
	if (sscanf(target, "socket:[%" SCNu64, ino) == 1)
		return FD_SOCKET;
	if (sscanf(target, "pipe:[%" SCNu64, ino) == 1)
		return FD_PIPE;
	if (!strcmp(target, "anon_inode:[userfaultfd]"))
		return FD_USERFAULTFD;
	/* With another root it may be shown with something in front */
	if (n >= (ssize_t)strlen(device) && !strcmp(target + n - strlen(device), device))
		return FD_USERFAULTFD_DEVICE;
	return FD_OTHER;
}

int process_fd_stat(const struct kfs *kfs, pid_t pid, int pidfd, int number, struct stat *st,
		    struct err *err)
{
	cleanup_close int fd = -1;

	if (process_fd_kind(kfs, pid, number, NULL) == FD_OTHER)
		return err_set(err, EBADF, "descriptor %d of process %d is none of ours", number,
			       (int)pid);
	fd = process_fd_take(pidfd, number, err);
	if (fd < 0)
		return fd;
	if (fstat(fd, st) < 0)
		return err_sys(err, errno, "fstat of descriptor %d", number);
	return 0;
}

bool fd_is_userfaultfd(int fd)
{
	char path[64], target[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return false;
	target[n] = '\0';
	return !strcmp(target, "anon_inode:[userfaultfd]");
}
