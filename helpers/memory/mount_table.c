// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The table of what is mounted, and which of it a path lies on.
 */
#include "memory/mount_table.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "kernel/kfs.h"
#include "memory/libmount.h"
#include "memory/path.h"
#include "memory/statx.h"

#define MOUNTINFO "proc/self/mountinfo"

static const char *or_none(const char *text)
{
	return text ? text : "none";
}

static bool is_part(const char *root, const char *fstype)
{
	static const char *const named[] = { "btrfs", "bcachefs", "nfs", "nfs4", "cifs" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(named); i++)
		if (!strcmp(fstype, named[i]))
			return false;
	return *root == '/' && root[1];
}

/* Return: false for what can't be meant by a path that fits in MOUNT_PATH_SIZE */
static bool fill_info(struct libmnt_fs *fs, struct mount_info *info)
{
	const char *target = libmount.mnt_fs_get_target(fs);
	dev_t devno = libmount.mnt_fs_get_devno(fs);
	size_t len = target ? strlen(target) : sizeof(info->target);

	if (len >= sizeof(info->target))
		return false;
	memcpy(info->target, target, len + 1);
	snprintf(info->fstype, sizeof(info->fstype), "%s", or_none(libmount.mnt_fs_get_fstype(fs)));
	snprintf(info->source, sizeof(info->source), "%s", or_none(libmount.mnt_fs_get_source(fs)));
	snprintf(info->devno, sizeof(info->devno), "%u:%u", major(devno), minor(devno));
	info->id = libmount.mnt_fs_get_id(fs);
	info->parent = libmount.mnt_fs_get_parent_id(fs);
	info->part = is_part(or_none(libmount.mnt_fs_get_root(fs)), info->fstype);
	info->readonly = libmount.mnt_fs_get_option(fs, "ro", NULL, NULL) == 0;
	return true;
}

static int visit_all(struct libmnt_table *table, mount_visit *visit, void *arg)
{
	struct libmnt_iter *iter = libmount.mnt_new_iter(MNT_ITER_FORWARD);
	struct libmnt_fs *fs;
	int rc = iter ? 0 : -ENOMEM;

	while (!rc && libmount.mnt_table_next_fs(table, iter, &fs) == 0) {
		struct mount_info info;
		const char *options = libmount.mnt_fs_get_options(fs);

		if (fill_info(fs, &info))
			rc = visit(arg, &info, options ? options : "");
	}
	libmount.mnt_free_iter(iter);
	return rc;
}

int mount_for_each(const struct kfs *kfs, mount_visit *visit, void *arg, struct err *err)
{
	cleanup_fclose FILE *f = kfs_stream(kfs, MOUNTINFO);
	struct libmnt_table *table;
	int rc = f ? libmount_load(err) : err_sys(err, errno, "cannot open /" MOUNTINFO);

	if (rc < 0)
		return rc;
	table = libmount.mnt_new_table();
	if (!table)
		return err_nomem(err);
	rc = libmount.mnt_table_parse_stream(table, f, "/" MOUNTINFO);
	if (rc)
		rc = err_set(err, EIO, "cannot read /" MOUNTINFO);
	else
		rc = visit_all(table, visit, arg);
	if (rc == -ENOMEM)
		err_nomem(err);
	libmount.mnt_unref_table(table);
	return rc;
}

/* ---- what a path lies on ---- */

/* Append @rest to @name, with one slash before each component */
static bool append(char *name, size_t size, const char *rest)
{
	size_t used = strlen(name);

	if (used && name[used - 1] == '/')
		name[--used] = '\0';
	for (; *rest; rest += strcspn(rest, "/")) {
		int len;

		rest += strspn(rest, "/");
		len = (int)strcspn(rest, "/");
		if (!len || (len == 1 && *rest == '.'))
			continue;
		used += (size_t)snprintf(name + used, size - used, "/%.*s", len, rest);
		if (used >= size)
			return false;
	}
	if (!used)
		snprintf(name, size, "/");
	return true;
}

/* A place, and the kernel's number of the mount that is seen there: no other mount ever has
 * it; 0: this kernel gives none */
struct found {
	struct path path;
	uint64_t unique;
};

#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x4000U
#endif

static int look_at(const struct kfs *kfs, const char *path, struct found *found)
{
	cleanup_close int fd = path_open(kfs->rootfd, path, O_PATH, &found->path);
	struct statx st;

	if (fd < 0)
		return fd;
	found->unique = 0;
	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID_UNIQUE, &st) == 0 &&
	    st.stx_mask & STATX_MNT_ID_UNIQUE)
		found->unique = st.stx_mnt_id;
	return 0;
}

/* The real name of as much of @path as exists, and the rest as it is */
static int resolve(const struct kfs *kfs, const char *path, struct found *found, struct err *err)
{
	char head[MOUNT_PATH_SIZE];
	size_t len = strlen(path);
	int rc;

	if (*path != '/' || len >= sizeof(head))
		return err_set(err, EINVAL, "'%s' is no absolute path of less than %zu bytes", path,
			       sizeof(head));
	memcpy(head, path, len + 1);
	while ((rc = look_at(kfs, head, found)) == -ENOENT && len > 1) {
		while (len > 1 && head[len - 1] == '/')
			len--;
		while (len > 1 && head[len - 1] != '/')
			len--;
		head[len] = '\0';
	}
	if (rc < 0)
		return err_set(err, -rc, "cannot resolve %s: %s", path, path_why(-rc));
	if (!append(found->path.name, PATH_MAX, path + len))
		return err_set(err, ENAMETOOLONG, "%s is too long", path);
	return 0;
}

static bool is_at_or_above(const char *target, const char *path)
{
	size_t len = strlen(target);

	if (len == 1)
		return true;
	return !strncmp(target, path, len) && (!path[len] || path[len] == '/');
}

/* The mounts at @path or above it, hidden ones too */
struct candidates {
	const char *path;
	struct mount_info *list;
	size_t n;
};

static int keep_candidate(void *arg, const struct mount_info *info, const char *options)
{
	struct candidates *c = arg;
	struct mount_info *list;

	(void)options;
	if (!is_at_or_above(info->target, c->path))
		return 0;
	list = reallocarray(c->list, c->n + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	c->list = list;
	list[c->n++] = *info;
	return 0;
}

static bool is_top(const struct candidates *c, const struct mount_info *info)
{
	size_t i;

	for (i = 0; i < c->n; i++)
		if (&c->list[i] != info && c->list[i].id == info->parent)
			return false;
	return true;
}

/* The first mount that a walk along the path comes to from @from, or from nowhere.
 * Of two on one mount the deeper one is hidden */
static const struct mount_info *next_mount(const struct candidates *c,
					   const struct mount_info *from)
{
	const struct mount_info *best = NULL;
	size_t i;

	for (i = 0; i < c->n; i++) {
		const struct mount_info *info = &c->list[i];

		if (info == from || (from ? info->parent != from->id : !is_top(c, info)))
			continue;
		if (!best || strlen(info->target) < strlen(best->target))
			best = info;
	}
	return best;
}

/* As the kernel does it.  The table's order would not do: what an initramfs mounted and
 * then moved comes before the root it lies on now */
static const struct mount_info *walk(const struct candidates *c)
{
	const struct mount_info *at = NULL, *next;
	size_t steps = 0;

	while (steps++ < c->n && (next = next_mount(c, at)))
		at = next;
	return at;
}

int mount_find_path(const struct kfs *kfs, const char *path, struct mount_info *info,
		    struct path *real, struct err *err)
{
	struct candidates c = { 0 };
	const struct mount_info *best;
	struct found found;
	int rc = resolve(kfs, path, &found, err);

	c.path = found.path.name;
	if (rc == 0)
		rc = mount_for_each(kfs, keep_candidate, &c, err);
	best = walk(&c);
	if (rc == 0 && !best)
		rc = err_set(err, ENOENT, "no file system in /" MOUNTINFO " holds %s", path);
	if (rc == 0) {
		*info = *best;
		snprintf(info->identity, sizeof(info->identity), "%s", info->devno);
		if (found.unique)
			snprintf(info->identity, sizeof(info->identity), "%s#%llu", info->devno,
				 (unsigned long long)found.unique);
		*real = found.path;
		rc = !strcmp(best->target, real->name);
	}
	free(c.list);
	return rc;
}

int mount_find(const struct kfs *kfs, const char *path, struct mount_info *info, struct err *err)
{
	struct path real;

	return mount_find_path(kfs, path, info, &real, err);
}

bool mount_is_same(const char *a, const char *b)
{
	size_t len = strcspn(a, "#");

	if (len != strcspn(b, "#") || strncmp(a, b, len) != 0)
		return false;
	return !a[len] || !b[len] || !strcmp(a + len, b + len);
}
