// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Writing another program's file, and putting it back.
 */
#include "profiles/place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"

/* libvirt's own qemu.conf has 40 KiB, most of it comments */
#define PLACE_MAX (1024u * 1024)

/* The directory's part of @path and what follows it */
static int split(const char *path, char dir[PATH_MAX], const char **name, struct err *err)
{
	const char *slash = strrchr(path, '/');

	if (!slash || !slash[1] || (size_t)(slash - path) >= PATH_MAX)
		return err_set(err, EINVAL, "/%s: is no path of a file", path);
	memcpy(dir, path, (size_t)(slash - path));
	dir[slash - path] = '\0';
	*name = slash + 1;
	return 0;
}

static int read_in(int dirfd, const char *name, char **text, struct err *err)
{
	size_t len = 0;
	int rc = file_read_at(dirfd, name, PLACE_MAX, text, &len, err);

	if (rc == -ENOENT)
		*text = NULL;
	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	if (strlen(*text) == len)
		return 0;
	free(*text);
	*text = NULL;
	return err_set(err, EINVAL, "%s: has NUL bytes in it, so it is no text", name);
}

int place_read(int rootfd, const char *path, char **text, struct err *err)
{
	cleanup_close int dirfd = -1;
	char dir[PATH_MAX];
	const char *name;
	int rc = split(path, dir, &name, err);

	if (rc < 0)
		return rc;
	*text = NULL;
	dirfd = file_open_dir(rootfd, dir, err);
	if (dirfd == -ENOENT)
		return 0;
	rc = dirfd < 0 ? dirfd : read_in(dirfd, name, text, err);
	return err_prefix(err, rc, "cannot read /%s", path);
}

/* ---- writing ---- */

static int write_whole(int fd, const char *text)
{
	size_t len = strlen(text);

	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		len -= (size_t)n;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

/* What a file can have beside owner and mode.  That a file system knows none is fine */
static int copy_attribute(int from, int to, const char *name)
{
	char value[1024];
	ssize_t n = fgetxattr(from, name, value, sizeof(value));

	if (n < 0)
		return errno == ENODATA || errno == EOPNOTSUPP ? 0 : -errno;
	return fsetxattr(to, name, value, (size_t)n, 0) < 0 ? -errno : 0;
}

static int copy_owner(int from, int to)
{
	struct stat st;
	int rc;

	if (fstat(from, &st) < 0)
		return -errno;
	/* Mode after owner: a change of that one clears bits */
	if (fchown(to, st.st_uid, st.st_gid) < 0 || fchmod(to, st.st_mode & 07777) < 0)
		return -errno;
	rc = copy_attribute(from, to, "system.posix_acl_access");
	return rc < 0 ? rc : copy_attribute(from, to, "security.selinux");
}

/* @old: the descriptor of the file in whose place it will come, or -1 */
static int fill(int fd, int old, const char *text)
{
	int rc = old < 0 ? (fchmod(fd, 0644) < 0 ? -errno : 0) : copy_owner(old, fd);

	return rc < 0 ? rc : write_whole(fd, text);
}

static int put(int dirfd, const char *name, const char *text)
{
	cleanup_close int old = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	cleanup_close int fd = -1;
	char new[NAME_MAX + 32];
	int rc;

	if (old < 0 && errno != ENOENT)
		return -errno;
	snprintf(new, sizeof(new), "%s.membacking-new", name);
	unlinkat(dirfd, new, 0);
	fd = openat(dirfd, new, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	rc = fill(fd, old, text);
	if (rc == 0 && renameat(dirfd, new, dirfd, name) < 0)
		rc = -errno;
	if (rc < 0)
		unlinkat(dirfd, new, 0);
	return rc;
}

static bool same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* An editor may have it open */
static int check_old(int dirfd, const char *name, const char *old, struct err *err)
{
	cleanup_free char *now = NULL;
	int rc = read_in(dirfd, name, &now, err);

	if (rc < 0 || same(now, old))
		return rc;
	return err_set(err, EBUSY, "another program has just changed it; try again");
}

static int replace_in(int dirfd, const char *name, const char *old, const char *new,
		      struct err *err)
{
	int rc = check_old(dirfd, name, old, err);

	if (rc < 0)
		return rc;
	if (new)
		rc = put(dirfd, name, new);
	else if (unlinkat(dirfd, name, 0) < 0)
		rc = -errno;
	if (rc == 0 && fsync(dirfd) < 0)
		rc = -errno;
	return rc < 0 ? err_sys(err, -rc, "writing failed") : 0;
}

/* Where there is nothing to be removed no directory is made either */
static int open_place(int rootfd, const char *dir, const char *new, bool *made_dir, struct err *err)
{
	int fd = file_open_dir(rootfd, dir, err);

	if (fd != -ENOENT || !new)
		return fd;
	fd = file_make_dir(rootfd, dir, err);
	if (fd >= 0 && made_dir)
		*made_dir = true;
	return fd;
}

int place_replace(int rootfd, const char *path, const char *old, const char *new, bool *made_dir,
		  struct err *err)
{
	cleanup_close int dirfd = -1;
	char dir[PATH_MAX];
	const char *name;
	int rc = split(path, dir, &name, err);

	if (rc < 0)
		return rc;
	dirfd = open_place(rootfd, dir, new, made_dir, err);
	if (dirfd == -ENOENT && !new)
		return 0;
	rc = dirfd < 0 ? dirfd : replace_in(dirfd, name, old, new, err);
	return err_prefix(err, rc, "cannot change /%s", path);
}

void place_remove_dir(int rootfd, const char *path)
{
	char dir[PATH_MAX], above[PATH_MAX];
	cleanup_close int parent = -1;
	const char *name;

	if (split(path, dir, &name, NULL) < 0 || split(dir, above, &name, NULL) < 0)
		return;
	parent = file_open_dir(rootfd, above, NULL);
	if (parent >= 0)
		unlinkat(parent, name, AT_REMOVEDIR);
}
