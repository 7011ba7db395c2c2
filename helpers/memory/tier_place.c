// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Which files and directories the pager takes for a tier.
 */
#include "memory/tier_place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/err.h"
#include "memory/path.h"

static bool is_roots(const struct stat *st)
{
	return st->st_uid == 0 || st->st_uid == geteuid();
}

static int not_roots(const char *path, struct err *err)
{
	return err_set(err, EPERM,
		       "%s: other users could change it or what leads to it: it must be root's "
		       "alone, and so must all directories on its path",
		       path);
}

static int open_trusted(int rootfd, const char *path, int flags, struct err *err)
{
	struct path found;
	int fd = path_open(rootfd, path, flags | O_CLOEXEC, &found);

	if (fd < 0)
		return err_set(err, -fd, "%s: %s", path, path_why(-fd));
	if (found.trusted)
		return fd;
	close(fd);
	return not_roots(path, err);
}

int tier_place_directory(int rootfd, const char *path, struct err *err)
{
	int fd = open_trusted(rootfd, path, O_RDONLY | O_DIRECTORY, err);
	struct stat st;

	if (fd < 0 || (fstat(fd, &st) == 0 && is_roots(&st) && !(st.st_mode & 022)))
		return fd;
	close(fd);
	return not_roots(path, err);
}

int tier_place_parent(int rootfd, const char *path, struct err *err)
{
	const char *slash = strrchr(path, '/');
	char directory[PATH_MAX];

	snprintf(directory, sizeof(directory), "%.*s", slash == path ? 1 : (int)(slash - path),
		 path);
	return tier_place_directory(rootfd, directory, err);
}

int tier_place_find(int rootfd, const char *path, struct err *err)
{
	return open_trusted(rootfd, path, O_PATH, err);
}

int tier_place_check(const char *path, const struct stat *st, struct err *err)
{
	if (S_ISDIR(st->st_mode))
		return err_set(err, EISDIR, "%s: is a directory: name a file in it", path);
	if (!S_ISREG(st->st_mode) && !S_ISBLK(st->st_mode))
		return err_set(err, EINVAL, "%s: neither a file nor a block device", path);
	if (!is_roots(st) || (st->st_mode & (S_ISBLK(st->st_mode) ? 007 : 077)))
		return not_roots(path, err);
	return 0;
}

int tier_place_on_disk(int fd, const char *path, struct err *err)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return err_sys(err, errno, "%s", path);
	if (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC || fs.f_type == HUGETLBFS_MAGIC)
		return err_set(err, EINVAL, "%s: lies in memory, not on a disk", path);
	return 0;
}
