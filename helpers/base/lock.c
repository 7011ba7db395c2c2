// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The locks: each a file of root's, each with a deadline.
 */
#include "base/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"

/*
 * How often is looked.  A blocking flock(2) has no deadline but by a signal, which needs the
 * process's only timer and reaches any of its threads.  5 ms of a hundred processes that
 * wait cost a tenth of one processor.
 */
#define LOOK_FIRST_MS 1
#define LOOK_MOST_MS  5

static const char *const names[] = {
	[LOCK_HOST] = "lock",	     [LOCK_MOUNTS] = "mounts.lock",
	[LOCK_FILES] = "files.lock", [LOCK_PAGERD] = "pagerd.lock",
	[LOCK_CONF] = "conf.lock",   [LOCK_WRITE_BACK] = "writing.lock",
};

/* What a wait that was too short may help */
static const char *const advice[] = {
	[LOCK_HOST] = "; if the host is only busy, raise lock_deadline in membacking.conf",
	[LOCK_MOUNTS] = "",
	[LOCK_FILES] = "",
	[LOCK_PAGERD] = "",
	[LOCK_CONF] = "",
	[LOCK_WRITE_BACK] = "",
};

static int check(int fd, const char *name, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(err, errno, "cannot examine /" STATE_DIR "/%s", name);
	if (!S_ISREG(st.st_mode))
		return err_set(err, EINVAL, "/" STATE_DIR "/%s is not a regular file", name);
	/* Our own effective user for unit tests; in a hook both are root */
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return err_set(err, EPERM,
			       "/" STATE_DIR "/%s belongs to user %lu, who could hold it for "
			       "ever: remove it",
			       name, (unsigned long)st.st_uid);
	if ((st.st_mode & 077) && fchmod(fd, 0600) < 0)
		return err_sys(err, errno, "cannot change the mode of /" STATE_DIR "/%s", name);
	return 0;
}

static int open_lock(int dirfd, const char *name, struct err *err)
{
	int fd = openat(dirfd, name,
			O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK, 0600);
	int rc;

	if (fd < 0)
		return err_sys(err, errno, "cannot open /" STATE_DIR "/%s", name);
	rc = check(fd, name, err);
	if (rc == 0)
		return fd;
	close(fd);
	return rc;
}

/* Return: 0, -EWOULDBLOCK when @deadline has passed, -errno */
static int wait_for(int fd, uint64_t deadline)
{
	uint64_t pause = LOOK_FIRST_MS;

	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EINTR)
			continue;
		if (errno != EWOULDBLOCK || !clock_left_ms(deadline))
			return -errno;
		clock_sleep_ms(pause);
		if (pause < LOOK_MOST_MS)
			pause++;
	}
	return 0;
}

/* A lock whose file was removed keeps out only those who opened it before */
static bool is_there(int dirfd, const char *name, int fd)
{
	struct stat ours, there;

	return fstat(fd, &ours) == 0 && fstatat(dirfd, name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	       ours.st_ino == there.st_ino && ours.st_dev == there.st_dev;
}

static int refused(int errnum, enum lock_name which, uint64_t deadline, struct err *err)
{
	const char *name = names[which];

	if (errnum != EWOULDBLOCK)
		return err_sys(err, errnum, "cannot lock /" STATE_DIR "/%s", name);
	if (!deadline)
		return err_set(err, EAGAIN, "another libvirt-membacking operation is under way");
	return err_set(err, ETIMEDOUT,
		       "another libvirt-membacking operation holds /" STATE_DIR
		       "/%s (see: fuser -v /" STATE_DIR "/%s)%s",
		       name, name, advice[which]);
}

int lock_take_at(int dirfd, enum lock_name which, uint64_t deadline, struct err *err)
{
	const char *name = names[which];

	for (;;) {
		int fd = open_lock(dirfd, name, err);
		int rc = fd < 0 ? fd : wait_for(fd, deadline);

		if (fd < 0)
			return rc;
		if (rc == 0 && is_there(dirfd, name, fd))
			return fd;
		close(fd);
		if (rc < 0)
			return refused(-rc, which, deadline, err);
	}
}

int lock_take(int rootfd, enum lock_name which, uint64_t deadline, struct err *err)
{
	int dirfd = file_make_dir(rootfd, STATE_DIR, err), fd;

	if (dirfd < 0)
		return err_prefix(err, dirfd, "the state directory /" STATE_DIR);
	fd = lock_take_at(dirfd, which, deadline, err);
	close(dirfd);
	return fd;
}

void lock_release(int *fd)
{
	if (*fd < 0)
		return;
	/* A child that could not be killed has the descriptor too */
	flock(*fd, LOCK_UN);
	close(*fd);
	*fd = -1;
}
