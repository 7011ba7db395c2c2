// SPDX-License-Identifier: LGPL-2.1-or-later
#include "memory/hugetlbfs.h"

#include <errno.h>
#include <libmount/libmount.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/text.h"
#include "kernel/kfs.h"

/* pagesize= as the kernel shows it, or the default size */
static uint64_t page_size_of(struct libmnt_fs *fs, uint64_t default_kib)
{
	char *value, text[32];
	uint64_t kib;
	size_t len;

	if (mnt_fs_get_option(fs, "pagesize", &value, &len) != 0 || len >= sizeof(text))
		return default_kib;
	memcpy(text, value, len);
	text[len] = '\0';
	return text_to_kib(text, &kib) == 0 ? kib : default_kib;
}

static int find_in_table(struct libmnt_table *table, uint64_t page_kib, uint64_t default_kib)
{
	struct libmnt_iter *iter = mnt_new_iter(MNT_ITER_FORWARD);
	struct libmnt_fs *fs;
	int found = 0;

	while (iter && !found && mnt_table_next_fs(table, iter, &fs) == 0) {
		const char *type = mnt_fs_get_fstype(fs);

		found = type && !strcmp(type, "hugetlbfs") &&
			page_size_of(fs, default_kib) == page_kib;
	}
	mnt_free_iter(iter);
	return found;
}

int hugetlbfs_find(const struct kfs *kfs, uint64_t page_kib, uint64_t default_kib, struct err *err)
{
	cleanup_fclose FILE *f = kfs_stream(kfs, "proc/self/mountinfo");
	struct libmnt_table *table = mnt_new_table();
	int rc = -ENOMEM;

	if (f && table && mnt_table_parse_stream(table, f, "/proc/self/mountinfo") == 0)
		rc = find_in_table(table, page_kib, default_kib);
	mnt_unref_table(table);
	if (rc < 0)
		return err_set(err, -rc, "cannot read /proc/self/mountinfo");
	return rc;
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

static int mount_at(const char *target, const char *options, struct err *err)
{
	struct libmnt_context *mount = mnt_new_context();
	char why[256] = "out of memory";
	int rc = -ENOMEM, code = 0;

	if (mount && mnt_context_set_fstype(mount, "hugetlbfs") == 0 &&
	    mnt_context_set_source(mount, "hugetlbfs") == 0 &&
	    mnt_context_set_target(mount, target) == 0 &&
	    mnt_context_set_options(mount, options) == 0) {
		rc = mnt_context_mount(mount);
		code = mnt_context_get_excode(mount, rc, why, sizeof(why));
	}
	mnt_free_context(mount);
	if (rc == 0 && code == 0)
		return 0;
	return err_set(err, EIO, "cannot mount hugetlbfs (%s) on %s: %s", options, target, why);
}

int hugetlbfs_mount(uint64_t page_kib, uint64_t default_kib, char where[HUGETLBFS_PATH_SIZE],
		    struct err *err)
{
	char size[24], options[64];

	short_size(page_kib, size, sizeof(size));
	snprintf(where, HUGETLBFS_PATH_SIZE, "/dev/hugepages%s",
		 page_kib == default_kib ? "" : size);
	/* Only root can make names in /dev: no link can be planted there */
	if (mkdir(where, 0755) < 0 && errno != EEXIST)
		return err_sys(err, errno, "cannot create the mount point %s", where);
	snprintf(options, sizeof(options), "nosuid,nodev,pagesize=%s", size);
	return mount_at(where, options, err);
}
