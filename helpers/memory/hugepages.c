// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * DOC: what the kernel does with a write to nr_hugepages
 *
 * The write sets the *persistent* number (nr - surplus) and succeeds even if
 * fewer pages came.  Growing turns surplus pages into persistent ones first,
 * which adds nothing to the free ones.  Shrinking takes any idle page, whichever program
 * wanted it, and then turns pages in use into surplus.  The search for pages
 * ends when a signal is pending, which is how a write is bounded in time.
 * Before 6.7 a per-node write comes out larger by the surplus of the other
 * nodes; callers look at what they got.
 * (mm/hugetlb.c: set_max_huge_pages, __nr_hugepages_store_common)
 */
#include "memory/hugepages.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/text.h"
#include "kernel/kfs.h"
#include "memory/numa.h"
#include "process/alarm.h"

#define SIZES_DIR "sys/kernel/mm/hugepages"

int hugepages_sizes(const struct kfs *kfs, uint64_t **sizes, struct err *err)
{
	int n = kfs_list_numbers(kfs, SIZES_DIR, "hugepages-", "kB", sizes, err);

	if (n != -ENOENT)
		return n;
	*sizes = NULL;
	return 0;
}

uint64_t hugepages_default_kib(const struct kfs *kfs)
{
	cleanup_fclose FILE *f = kfs_stream(kfs, "proc/meminfo");
	unsigned long long kib;
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Hugepagesize: %llu kB", &kib) == 1)
			return kib;
	return 0;
}

int hugepages_reserved(const struct kfs *kfs, uint64_t page_kib, uint64_t *pages, struct err *err)
{
	char path[KFS_PATH_SIZE];

	snprintf(path, sizeof(path), SIZES_DIR "/hugepages-%llukB/resv_hugepages",
		 (unsigned long long)page_kib);
	return kfs_read_u64(kfs, path, pages, err);
}

static void pool_path(char path[KFS_PATH_SIZE], const struct numa *numa, unsigned int node,
		      uint64_t page_kib, const char *file)
{
	unsigned long long kib = page_kib;

	if (numa->sysfs)
		snprintf(path, KFS_PATH_SIZE,
			 "sys/devices/system/node/node%u/hugepages/hugepages-%llukB/%s", node, kib,
			 file);
	else
		snprintf(path, KFS_PATH_SIZE, SIZES_DIR "/hugepages-%llukB/%s", kib, file);
}

int hugepages_read_pool(const struct kfs *kfs, const struct numa *numa, unsigned int node,
			uint64_t page_kib, struct hugepages_pool *pool, struct err *err)
{
	struct hugepages_pool result = { .node = node, .page_kib = page_kib };
	const struct {
		const char *file;
		uint64_t *value;
	} files[] = {
		{ "nr_hugepages", &result.total },
		{ "free_hugepages", &result.free },
		{ "surplus_hugepages", &result.surplus },
	};
	char path[KFS_PATH_SIZE];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(files); i++) {
		int rc;

		pool_path(path, numa, node, page_kib, files[i].file);
		rc = kfs_read_u64(kfs, path, files[i].value, err);
		if (rc < 0)
			return rc;
	}
	*pool = result;
	return 0;
}

bool hugepages_read_only(const struct kfs *kfs, const struct numa *numa, uint64_t page_kib)
{
	cleanup_close int fd = -1;
	char path[KFS_PATH_SIZE];
	struct statfs fs;

	pool_path(path, numa, numa->nodes[0].id, page_kib, "nr_hugepages");
	fd = openat(kfs->rootfd, path, O_PATH | O_CLOEXEC);
	return fd >= 0 && fstatfs(fd, &fs) == 0 && fs.f_type == SYSFS_MAGIC &&
	       (fs.f_flags & ST_RDONLY);
}

static int timed_write(const struct kfs *kfs, const char *path, uint64_t value, uint64_t limit_ms,
		       struct err *err)
{
	int rc;

	if (!limit_ms)
		return kfs_write_u64(kfs, path, value, err);
	alarm_start(limit_ms);
	rc = kfs_write_u64(kfs, path, value, err);
	alarm_stop();
	return rc == -EINTR ? 0 : rc;
}

int hugepages_write_pool(const struct kfs *kfs, const struct numa *numa,
			 struct hugepages_pool *pool, uint64_t persistent, uint64_t limit_ms,
			 struct err *err)
{
	char path[KFS_PATH_SIZE];
	int rc;

	pool_path(path, numa, pool->node, pool->page_kib, "nr_hugepages");
	rc = timed_write(kfs, path, persistent, limit_ms, err);
	if (rc < 0)
		return rc;
	return hugepages_read_pool(kfs, numa, pool->node, pool->page_kib, pool, err);
}
