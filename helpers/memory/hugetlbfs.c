// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Mounted hugetlbfs: page size, limits, who uses it.
 */
#include "memory/hugetlbfs.h"

#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/text.h"
#include "kernel/kfs.h"
#include "memory/mount.h"
#include "memory/path.h"

/* No device is waited for */
#define MOUNT_MS 10000

struct wanted {
	uint64_t page_kib;
	uint64_t default_kib;
	const struct kfs *kfs; /* to look into it */
	char *where;
};

/* A size among the options, as the kernel shows it; @fallback: it is not there */
static uint64_t option_kib(const char *options, const char *key, uint64_t fallback)
{
	size_t key_len = strlen(key);
	char text[32];
	uint64_t kib;

	for (; *options; options += strcspn(options, ","), options += *options == ',') {
		size_t len = strcspn(options, ",") - key_len;

		if (strncmp(options, key, key_len) != 0 || len >= sizeof(text))
			continue;
		memcpy(text, options + key_len, len);
		text[len] = '\0';
		return text_to_kib(text, &kib) == 0 ? kib : fallback;
	}
	return fallback;
}

static uint64_t page_size_of(const char *options, uint64_t default_kib)
{
	return option_kib(options, "pagesize=", default_kib);
}

static int is_wanted(void *arg, const struct mount_info *info, const char *options)
{
	const struct wanted *wanted = arg;

	return !strcmp(info->fstype, "hugetlbfs") &&
	       page_size_of(options, wanted->default_kib) == wanted->page_kib;
}

int hugetlbfs_find(const struct kfs *kfs, uint64_t page_kib, uint64_t default_kib, struct err *err)
{
	struct wanted wanted = { .page_kib = page_kib, .default_kib = default_kib };

	return mount_for_each(kfs, is_wanted, &wanted, err);
}

static int is_known(void *arg, const struct mount_info *info, const char *options)
{
	const struct wanted *wanted = arg;
	char path[MOUNT_PATH_SIZE + 16];

	if (!is_wanted(arg, info, options))
		return 0;
	snprintf(wanted->where, HUGETLBFS_PATH_SIZE, "%.*s", HUGETLBFS_PATH_SIZE - 1, info->target);
	snprintf(path, sizeof(path), "%s/libvirt/qemu", info->target + 1);
	return kfs_exists(wanted->kfs, path);
}

bool hugetlbfs_known(const struct kfs *kfs, uint64_t page_kib, uint64_t default_kib,
		     char where[HUGETLBFS_PATH_SIZE])
{
	struct wanted wanted = { page_kib, default_kib, kfs, where };

	*where = '\0';
	return mount_for_each(kfs, is_known, &wanted, NULL) > 0;
}

/* ---- as libvirt sees them ---- */

#define HUGETLBFS_MAGIC 0x958458f6

/* What the file system says of itself.  In a captured host another one lies there */
static bool ask(const struct kfs *kfs, const char *dir, struct statfs *st)
{
	cleanup_close int fd = path_open(kfs->rootfd, dir, O_PATH, NULL);

	return *dir == '/' && fd >= 0 && fstatfs(fd, st) == 0 && st->f_type == HUGETLBFS_MAGIC;
}

static void fill(const struct kfs *kfs, const char *dir, const char *options, uint64_t default_kib,
		 struct hugetlbfs_fs *fs)
{
	struct statfs st;

	snprintf(fs->dir, sizeof(fs->dir), "%s", dir);
	fs->page_kib = page_size_of(options, default_kib);
	fs->max_kib = option_kib(options, "size=", 0);
	fs->min_kib = option_kib(options, "min_size=", 0);
	fs->left_kib = fs->max_kib;
	if (fs->max_kib && ask(kfs, dir, &st))
		fs->left_kib = u64_min(fs->max_kib, u64_mul_sat((uint64_t)st.f_bfree,
								(uint64_t)st.f_bsize / 1024));
}

int hugetlbfs_list(const struct kfs *kfs, uint64_t default_kib, struct hugetlbfs_fs **list,
		   size_t *n)
{
	cleanup_fclose FILE *f = kfs_stream(kfs, "proc/mounts");
	struct hugetlbfs_fs *result = NULL;
	struct mntent entry;
	char line[4096];
	size_t found = 0;

	if (!f)
		return -errno;
	while (getmntent_r(f, &entry, line, sizeof(line))) {
		struct hugetlbfs_fs *more;

		if (strcmp(entry.mnt_type, "hugetlbfs") != 0)
			continue;
		more = reallocarray(result, found + 1, sizeof(*more));
		if (!more) {
			free(result);
			return -ENOMEM;
		}
		result = more;
		fill(kfs, entry.mnt_dir, entry.mnt_opts, default_kib, &result[found++]);
	}
	*list = result;
	*n = found;
	return 0;
}

static bool lies_in(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return !strncmp(path, dir, len) && (len == 1 || path[len] == '/' || path[len] == '\0');
}

/* By the table of mounts alone: a file system whose server is gone would never answer.
 * @mute: Result: it may lie on such a one */
static int find_at(const struct kfs *kfs, const char *dir, uint64_t default_kib,
		   struct hugetlbfs_fs *fs, bool *mute)
{
	cleanup_fclose FILE *f = kfs_stream(kfs, "proc/mounts");
	struct mntent entry;
	char line[4096];
	size_t best = 0;
	int rc = 0;

	*mute = true;
	if (!f)
		return -errno;
	/* The longest name, and of two mounts at one place the later one */
	while (getmntent_r(f, &entry, line, sizeof(line))) {
		if (!lies_in(dir, entry.mnt_dir) || strlen(entry.mnt_dir) < best)
			continue;
		best = strlen(entry.mnt_dir);
		*mute = mount_is_shared_type(entry.mnt_type);
		rc = !strcmp(entry.mnt_type, "hugetlbfs");
		if (rc)
			fill(kfs, dir, entry.mnt_opts, default_kib, fs);
	}
	return rc;
}

int hugetlbfs_at(const struct kfs *kfs, const char *dir, uint64_t default_kib,
		 struct hugetlbfs_fs *fs)
{
	char target[HUGETLBFS_DIR_SIZE];
	bool mute;
	int rc = find_at(kfs, dir, default_kib, fs, &mute);
	ssize_t n;

	if (rc || mute || *dir != '/' || !dir[1])
		return rc;
	/* A link in place of the directory */
	n = readlinkat(kfs->rootfd, dir + 1, target, sizeof(target) - 1);
	if (n <= 0 || *target != '/')
		return 0;
	target[n] = '\0';
	return find_at(kfs, target, default_kib, fs, &mute);
}

/* "1G", "2M", "64K": short and without a blank */
static void short_size(uint64_t kib, char *buf, size_t size)
{
	static const char units[] = "KMGT";
	size_t unit = 0;

	while (kib % 1024 == 0 && kib && unit < 3) {
		kib /= 1024;
		unit++;
	}
	snprintf(buf, size, "%llu%c", (unsigned long long)kib, units[unit]);
}

int hugetlbfs_mount(uint64_t page_kib, uint64_t default_kib, char where[HUGETLBFS_PATH_SIZE],
		    struct err *err)
{
	char size[24], options[64];
	const struct mount_spec spec = {
		.target = where,
		.fstype = "hugetlbfs",
		.options = options,
	};

	short_size(page_kib, size, sizeof(size));
	snprintf(where, HUGETLBFS_PATH_SIZE, "/dev/hugepages%s",
		 page_kib == default_kib ? "" : size);
	/* Only root can make names in /dev: no link can be planted there */
	if (mkdir(where, 0755) < 0 && errno != EEXIST)
		return err_sys(err, errno, "cannot create the mount point %s", where);
	snprintf(options, sizeof(options), "nosuid,nodev,pagesize=%s", size);
	return mount_make(&spec, clock_ms() + MOUNT_MS, err);
}
