// SPDX-License-Identifier: LGPL-2.1-or-later
#include "memory/hugetlbfs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/text.h"
#include "kernel/kfs.h"
#include "memory/mount.h"

/* No device is waited for */
#define MOUNT_MS 10000

struct wanted {
	uint64_t page_kib;
	uint64_t default_kib;
	const struct kfs *kfs; /* to look into it */
	char *where;
};

/* pagesize= as the kernel shows it, or the default size */
static uint64_t page_size_of(const char *options, uint64_t default_kib)
{
	static const char key[] = "pagesize=";
	char text[32];
	uint64_t kib;

	for (; *options; options += strcspn(options, ","), options += *options == ',') {
		size_t len = strcspn(options, ",") - (sizeof(key) - 1);

		if (strncmp(options, key, sizeof(key) - 1) != 0 || len >= sizeof(text))
			continue;
		memcpy(text, options + sizeof(key) - 1, len);
		text[len] = '\0';
		return text_to_kib(text, &kib) == 0 ? kib : default_kib;
	}
	return default_kib;
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
