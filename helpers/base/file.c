// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Reading and replacing small files as root.
 *
 * DOC: what is opened may belong to any user
 *
 * A name can lead to a FIFO, a device or a link by the time it is opened.
 * O_NONBLOCK keeps a FIFO from holding us for ever, fstat() on the descriptor
 * then says what it really is, and only that descriptor is used further.
 * Sizes are counted while reading: a file may grow, and st_size of files in
 * /proc is 0.
 *
 * Every sentence begins with the name as the caller gave it, so that a caller
 * who knows the directory can put it in front.
 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"

/* A guest's XML is 5 to 10 KiB: one read() and one for the end of file */
#define FIRST_ROOM 16384

static int too_big(struct err *err, const char *name, size_t max)
{
	return err_set(err, EFBIG, "%s: larger than %zu bytes, which is the most accepted here",
		       name, max);
}

/* read() that waits, also on a descriptor that is non-blocking */
static ssize_t read_some(int fd, char *buf, size_t room)
{
	for (;;) {
		ssize_t n = read(fd, buf, room);

		if (n >= 0)
			return n;
		if (errno == EAGAIN) {
			struct pollfd pfd = { .fd = fd, .events = POLLIN };

			if (poll(&pfd, 1, -1) >= 0 || errno == EINTR)
				continue;
		}
		if (errno != EINTR)
			return -errno;
	}
}

/* Reads to the end into a buffer that starts with @room bytes and grows up to
 * one byte more than @max, which tells "exactly full" from "too much" */
static int read_all(int fd, const char *name, size_t room, size_t max, char **buf, size_t *len,
		    struct err *err)
{
	cleanup_free char *text = NULL;
	size_t used = 0;

	if (max > SSIZE_MAX / 2)
		max = SSIZE_MAX / 2;
	for (;;) {
		ssize_t n;

		if (!text || used == room) {
			char *bigger;

			room = text ? room * 2 : room;
			if (room > max + 1)
				room = max + 1;
			bigger = realloc(text, room + 1);
			if (!bigger)
				return err_sys(err, ENOMEM, "%s: cannot read", name);
			text = bigger;
		}
		n = read_some(fd, text + used, room - used);
		if (n < 0)
			return err_sys(err, (int)-n, "%s: cannot read", name);
		if (!n)
			break;
		used += (size_t)n;
		if (used > max)
			return too_big(err, name, max);
	}
	text[used] = '\0';
	*buf = text;
	text = NULL;
	if (len)
		*len = used;
	return 0;
}

int file_read_stream(int fd, size_t max, char **buf, size_t *len, struct err *err)
{
	return read_all(fd, "input", FIRST_ROOM, max, buf, len, err);
}

static int cannot_open(int errnum, const char *name, int flags, struct err *err)
{
	if (errnum == ELOOP && (flags & O_NOFOLLOW))
		err_set(err, errnum, "%s: is a symbolic link, which is not followed", name);
	else
		err_sys(err, errnum, "%s: cannot open", name);
	return -errnum;
}

/* Opens for reading and looks at what was opened */
static int open_regular(int dirfd, const char *name, int flags, struct stat *st, struct err *err)
{
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | flags);
	int rc = 0;

	if (fd < 0)
		return cannot_open(errno, name, flags, err);
	if (fstat(fd, st) < 0)
		rc = err_sys(err, errno, "%s: cannot examine", name);
	else if (!S_ISREG(st->st_mode))
		rc = err_set(err, EINVAL, "%s: is not a regular file", name);
	if (!rc)
		return fd;
	close(fd);
	return rc;
}

static int read_regular(int fd, const char *name, const struct stat *st, size_t max, char **buf,
			size_t *len, struct err *err)
{
	size_t room = FIRST_ROOM;

	if (st->st_size > 0) {
		if ((uintmax_t)st->st_size > max)
			return too_big(err, name, max);
		/* One byte more than needed: the read that finds the end
		 * must not make the buffer grow */
		room = (size_t)st->st_size + 1;
	}
	return read_all(fd, name, room, max, buf, len, err);
}

int file_read_at(int dirfd, const char *name, size_t max, char **buf, size_t *len, struct err *err)
{
	cleanup_close int fd = -1;
	struct stat st = { 0 };

	fd = open_regular(dirfd, name, O_NOFOLLOW, &st, err);
	if (fd < 0)
		return fd;
	return read_regular(fd, name, &st, max, buf, len, err);
}

static int check_trusted(const struct stat *st, const char *name, struct err *err)
{
	/* Our own effective user for unit tests; in a hook both are root */
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return err_set(err, EPERM, "%s: belongs to user %lu, but only root's is trusted",
			       name, (unsigned long)st->st_uid);
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return err_set(err, EPERM,
			       "%s: others than root may write to it (mode %04o); "
			       "\"chmod go-w\" makes it trusted",
			       name, (unsigned int)(st->st_mode & 07777));
	return 0;
}

int file_check_trusted(int fd, const char *name, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(err, errno, "%s: cannot examine", name);
	return check_trusted(&st, name, err);
}

int file_read_trusted_at(int dirfd, const char *name, size_t max, char **buf, size_t *len,
			 struct err *err)
{
	cleanup_close int fd = -1;
	struct stat st = { 0 };
	int rc;

	fd = open_regular(dirfd, name, 0, &st, err);
	if (fd < 0)
		return fd;
	rc = check_trusted(&st, name, err);
	if (rc < 0)
		return rc;
	return read_regular(fd, name, &st, max, buf, len, err);
}

/* "No space left on device" sends people looking for a broken device */
static int cannot_write(struct err *err, int errnum, const char *name)
{
	if (errnum == ENOSPC || errnum == EDQUOT)
		return err_set(err, errnum,
			       "%s: cannot write, because the file system that holds it is full; "
			       "free some space or inodes there (df and df -i show them)",
			       name);
	return err_sys(err, errnum, "%s: cannot write", name);
}

static int write_all(int fd, const char *buf, size_t len)
{
	while (len) {
		ssize_t n = write(fd, buf, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		buf += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Never what lies there: a FIFO would hold us, a link or a second name would have us write
 * elsewhere.  A leftover of a killed process goes; one that comes back was put there */
static int create(int dirfd, const char *name, mode_t mode)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(dirfd, name, flags, mode);

	if (fd < 0 && errno == EEXIST) {
		if (unlinkat(dirfd, name, 0) < 0 && errno != ENOENT)
			return -errno;
		fd = openat(dirfd, name, flags, mode);
	}
	return fd < 0 ? -errno : fd;
}

/* Creates @name with the content.  close() counts: it can be the one to say
 * that there was no room */
static int write_new(int dirfd, const char *name, mode_t mode, const char *buf, size_t len)
{
	int fd = create(dirfd, name, mode), rc;

	if (fd < 0)
		return fd;
	rc = write_all(fd, buf, len);
	if (close(fd) < 0 && !rc)
		rc = -errno;
	return rc;
}

static int write_and_rename(int dirfd, const char *name, const char *new, mode_t mode,
			    const char *buf, size_t len, struct err *err)
{
	int rc = write_new(dirfd, new, mode, buf, len);

	if (!rc && renameat(dirfd, new, dirfd, name) < 0)
		rc = -errno;
	/* If it is not there the failure was the open's: no harm */
	if (rc)
		unlinkat(dirfd, new, 0);
	return rc ? cannot_write(err, -rc, name) : 0;
}

static int new_name(char new[PATH_MAX], const char *name, struct err *err)
{
	int n = snprintf(new, PATH_MAX, "%s.new", name);

	return n < PATH_MAX ? 0 : err_sys(err, ENAMETOOLONG, "%s: cannot write", name);
}

int file_replace_at(int dirfd, const char *name, const char *buf, size_t len, struct err *err)
{
	char new[PATH_MAX];
	int rc = new_name(new, name, err);

	return rc < 0 ? rc : write_and_rename(dirfd, name, new, 0644, buf, len, err);
}

int file_replace_private_at(int dirfd, const char *name, const char *buf, size_t len,
			    struct err *err)
{
	char new[PATH_MAX];
	int rc = new_name(new, name, err);

	return rc < 0 ? rc : write_and_rename(dirfd, name, new, 0600, buf, len, err);
}

int file_publish_at(int dirfd, const char *name, const char *buf, size_t len, struct err *err)
{
	unsigned long long number = 0;
	char new[NAME_MAX + 32];

	/* Without randomness one of several at a time may fail, and no more */
	if (getrandom(&number, sizeof(number), GRND_NONBLOCK) < 0)
		number = (unsigned long long)getpid();
	snprintf(new, sizeof(new), ".%.200s.%016llx.new", name, number);
	return write_and_rename(dirfd, name, new, 0644, buf, len, err);
}

/* Copies the next component of *@path to @name and steps over it.
 * Return: 1, 0 at the end, -errno */
static int next_component(const char **path, char name[NAME_MAX + 1])
{
	const char *start = *path;
	size_t len;

	while (*start == '/')
		start++;
	len = strcspn(start, "/");
	if (len > NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(name, start, len);
	name[len] = '\0';
	*path = start + len;
	if (!strcmp(name, ".") || !strcmp(name, ".."))
		return -EINVAL;
	return len > 0;
}

/* One directory below another; made if @make and missing */
static int step_into(int parent, const char *name, bool make)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
	int fd, rc;

	fd = openat(parent, name, flags);
	if (fd >= 0 || errno != ENOENT || !make)
		return fd >= 0 ? fd : -errno;
	/* Another process may have been quicker, which is fine */
	if (mkdirat(parent, name, 0755) < 0)
		rc = -errno;
	else
		rc = 0;
	if (rc && rc != -EEXIST)
		return rc;
	fd = openat(parent, name, flags);
	if (fd < 0)
		return -errno;
	/* The umask is the caller's caller's; status for everybody needs r-x */
	if (!rc && fchmod(fd, 0755) < 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

static int dir_error(struct err *err, int errnum, const char *path, const char *name, bool make)
{
	if (errnum == ENOTDIR || errnum == ELOOP)
		return err_set(err, errnum,
			       "%s: \"%s\" is a link or no directory, and links are not followed",
			       path, name);
	if (errnum == ENOSPC || errnum == EDQUOT)
		return cannot_write(err, errnum, path);
	return err_sys(err, errnum,
		       make ? "%s: cannot make or open \"%s\"" : "%s: cannot open \"%s\"", path,
		       name);
}

static int walk(int rootfd, const char *path, bool make, struct err *err)
{
	const char *rest = path;
	char name[NAME_MAX + 1];
	int fd = -1, next, rc;

	while ((rc = next_component(&rest, name)) > 0) {
		next = step_into(fd < 0 ? rootfd : fd, name, make);
		if (fd >= 0)
			close(fd);
		if (next < 0)
			return dir_error(err, -next, path, name, make);
		fd = next;
	}
	if (!rc && fd < 0)
		rc = -EINVAL;
	if (!rc)
		rc = file_check_trusted(fd, path, err);
	else
		err_sys(err, -rc, "%s: no path of a directory", path);
	if (rc < 0 && fd >= 0)
		close(fd);
	return rc < 0 ? rc : fd;
}

int file_make_dir(int rootfd, const char *path, struct err *err)
{
	return walk(rootfd, path, true, err);
}

int file_open_dir(int rootfd, const char *path, struct err *err)
{
	return walk(rootfd, path, false, err);
}

void file_keep_stdio(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}
