// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The private tmpfs of paged guests: mounted, found again, and a directory of each guest's.
 *
 * By mount(2) itself: libmount and the helpers that the hooks have are for programs of one thread,
 * and of options there is nothing to understand here.
 */
#include "pager/pager_directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/lock.h"
#include "base/text.h"

#define NAME	    "/" STATE_DIR "/" PAGER_DIRECTORY
#define MOUNT_FLAGS (MS_NOSUID | MS_NODEV | MS_NOEXEC)
#define OPEN_DIR    (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* Room for "/proc/self/fd/N" */
#define FD_PATH_SIZE 32

/* Our own effective user for unit tests; in the daemon both are root */
static bool is_ours(const struct stat *st)
{
	return S_ISDIR(st->st_mode) && (st->st_uid == 0 || st->st_uid == geteuid());
}

/* Is @fd the root of a tmpfs other than the one it is mounted on? */
static bool is_mounted(int state_dir, int fd, struct stat *st)
{
	struct stat parent;
	struct statfs fs;

	return fstat(fd, st) == 0 && fstat(state_dir, &parent) == 0 && fstatfs(fd, &fs) == 0 &&
	       st->st_dev != parent.st_dev && fs.f_type == TMPFS_MAGIC;
}

static int check_root(int state_dir, int fd, struct err *err)
{
	struct stat st;

	if (!is_mounted(state_dir, fd, &st))
		return err_set(err, ENOENT, NAME " is not mounted");
	if (!is_ours(&st))
		return err_set(err, EPERM, NAME " is another user's: unmount it");
	if ((st.st_mode & 077) && fchmod(fd, 0700) < 0)
		return err_sys(err, errno, "cannot close " NAME " to others");
	return 0;
}

int pager_directory_find(struct pager_directory *d, struct err *err)
{
	int fd = openat(d->state_dir, PAGER_DIRECTORY, OPEN_DIR), rc;

	if (fd < 0)
		return err_sys(err, errno, "cannot open " NAME);
	rc = check_root(d->state_dir, fd, err);
	if (rc < 0) {
		close(fd);
		return rc;
	}
	pager_directory_close(d);
	d->fd = fd;
	return 0;
}

/* @flags 0, or MS_REMOUNT for what is mounted there.  The name is a descriptor's, so that it
 * can't come to mean another directory */
static int mount_at(int fd, unsigned long flags, uint64_t size, const char *more)
{
	char path[FD_PATH_SIZE], options[96];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	snprintf(options, sizeof(options), "mode=0700,size=%llu%s", (unsigned long long)size, more);
	if (mount("virt-membacking-pager", path, "tmpfs", MOUNT_FLAGS | flags, options) < 0)
		return -errno;
	return 0;
}

/* An older kernel doesn't know noswap, and a newer one doesn't take it away from a mount.  mpol: a
 * thread that works for a guest on one node doesn't put the tiers there, where they were not
 * admitted; a kernel without NUMA doesn't know it */
static int mount_either(int fd, unsigned long flags, uint64_t size, bool *noswap)
{
	static const char *const more[] = { ",noswap,mpol=local", ",noswap", ",mpol=local", "" };
	int rc = -EINVAL;
	size_t i;

	for (i = 0; rc == -EINVAL && i < ARRAY_SIZE(more); i++) {
		rc = mount_at(fd, flags, size, more[i]);
		*noswap = rc == 0 && strstr(more[i], "noswap") != NULL;
	}
	return rc;
}

static int mount_new(struct pager_directory *d, uint64_t size, struct err *err)
{
	cleanup_close int below = -1;
	int rc;

	if (mkdirat(d->state_dir, PAGER_DIRECTORY, 0700) < 0 && errno != EEXIST)
		return err_sys(err, errno, "cannot make " NAME);
	below = openat(d->state_dir, PAGER_DIRECTORY, OPEN_DIR);
	if (below < 0)
		return err_sys(err, errno, "cannot open " NAME);
	rc = mount_either(below, 0, size, &d->noswap);
	if (rc < 0)
		return err_sys(err, -rc, "cannot mount a tmpfs on " NAME);
	return pager_directory_find(d, err);
}

int pager_directory_mount(struct pager_directory *d, uint64_t size, struct err *err)
{
	int rc = d->fd < 0 ? pager_directory_find(d, err) : 0;

	if (rc == -ENOENT)
		return mount_new(d, size, err);
	if (rc < 0)
		return rc;
	rc = mount_either(d->fd, MS_REMOUNT, size, &d->noswap);
	return rc < 0 ? err_sys(err, -rc, "cannot set the size of " NAME) : 0;
}

void pager_directory_close(struct pager_directory *d)
{
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
}

/* ---- names in a directory ---- */

/**
 * each_name() - Call @call for each name in @fd, until it fails
 */
static int each_name(int fd, int (*call)(int fd, const char *name, void *arg), void *arg)
{
	/* One of its own: where in it we are is the open file's */
	int own = openat(fd, ".", OPEN_DIR), rc = 0;
	DIR *dir = own < 0 ? NULL : fdopendir(own);
	const struct dirent *entry;

	if (!dir) {
		rc = -errno;
		if (own >= 0)
			close(own);
		return rc;
	}
	while (rc == 0 && (errno = 0, entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			rc = call(fd, entry->d_name, arg);
	if (rc == 0 && errno)
		rc = -errno;
	closedir(dir);
	return rc;
}

static int not_empty(int fd, const char *name, void *arg)
{
	(void)fd;
	(void)name;
	(void)arg;
	return -ENOTEMPTY;
}

int pager_directory_leave(struct pager_directory *d, struct err *err)
{
	char path[FD_PATH_SIZE];
	int rc;

	if (d->fd < 0 || each_name(d->fd, not_empty, NULL) == -ENOTEMPTY)
		return 0;
	/* Detached: our own descriptor is in it still */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", d->fd);
	rc = umount2(path, MNT_DETACH) < 0 ? -errno : 0;
	if (rc < 0)
		return err_sys(err, -rc, "cannot unmount " NAME);
	pager_directory_close(d);
	unlinkat(d->state_dir, PAGER_DIRECTORY, AT_REMOVEDIR);
	return 0;
}

/* ---- guests ---- */

int pager_directory_open(const struct pager_directory *d, const char *uuid, struct err *err)
{
	struct stat st;
	int fd;

	if (!text_is_uuid(uuid) || d->fd < 0)
		return err_set(err, ENOENT, NAME " has no directory of the guest %s", uuid);
	fd = openat(d->fd, uuid, OPEN_DIR);
	if (fd < 0)
		return err_sys(err, errno, "cannot open " NAME "/%s", uuid);
	if (fstat(fd, &st) == 0 && is_ours(&st))
		return fd;
	close(fd);
	return err_set(err, EPERM, NAME "/%s is another user's", uuid);
}

int pager_directory_add(const struct pager_directory *d, const char *uuid, struct err *err)
{
	if (!text_is_uuid(uuid) || d->fd < 0)
		return err_set(err, EINVAL, NAME ": no place for the guest %s", uuid);
	if (mkdirat(d->fd, uuid, 0700) < 0)
		return err_sys(err, errno, "cannot make " NAME "/%s", uuid);
	return pager_directory_open(d, uuid, err);
}

static int remove_file(int fd, const char *name, void *arg)
{
	(void)arg;
	return unlinkat(fd, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

int pager_directory_remove(const struct pager_directory *d, const char *uuid, struct err *err)
{
	cleanup_close int fd = pager_directory_open(d, uuid, err);
	int rc;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	rc = each_name(fd, remove_file, NULL);
	if (rc == 0 && unlinkat(d->fd, uuid, AT_REMOVEDIR) < 0)
		rc = -errno;
	return rc < 0 ? err_sys(err, -rc, "cannot remove " NAME "/%s", uuid) : 0;
}

struct list {
	char (*uuids)[PAGER_UUID_SIZE];
	size_t n;
};

static int add_to_list(int fd, const char *name, void *arg)
{
	struct list *list = arg;
	char(*more)[PAGER_UUID_SIZE];

	(void)fd;
	if (!text_is_uuid(name))
		return 0;
	more = reallocarray(list->uuids, list->n + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	list->uuids = more;
	snprintf(more[list->n++], sizeof(*more), "%s", name);
	return 0;
}

int pager_directory_guests(const struct pager_directory *d, char (**uuids)[PAGER_UUID_SIZE],
			   size_t *n, struct err *err)
{
	struct list list = { 0 };
	int rc = d->fd < 0 ? 0 : each_name(d->fd, add_to_list, &list);

	if (rc < 0) {
		free(list.uuids);
		return err_sys(err, -rc, "cannot list " NAME);
	}
	*uuids = list.uuids;
	*n = list.n;
	return 0;
}
