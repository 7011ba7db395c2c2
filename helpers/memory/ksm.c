// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * KSM's settings and counters.
 */
#include "memory/ksm.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "kernel/kfs.h"
#include "memory/base_page.h"
#include "memory/sysfs_choice.h"

static int64_t pages_to_kib(const struct kfs *kfs, uint64_t pages)
{
	return (int64_t)u64_min(u64_mul_sat(pages, base_page_kib(kfs)), INT64_MAX);
}

/* A number that may be negative */
static int to_i64(const char *text, int64_t *value)
{
	bool negative = *text == '-';
	uint64_t n;
	int rc = text_to_u64(text + negative, &n);

	if (rc < 0)
		return rc;
	if (n > INT64_MAX)
		return -ERANGE;
	*value = negative ? -(int64_t)n : (int64_t)n;
	return 0;
}

/* Since 6.4 */
static int read_profit(const struct kfs *kfs, int64_t *saved_kib)
{
	char text[64];
	int64_t bytes;
	int rc = kfs_read(kfs, KSM_DIR "/general_profit", text, sizeof(text), NULL);

	if (rc == 0)
		rc = to_i64(text, &bytes);
	if (rc == 0)
		*saved_kib = bytes / 1024;
	return rc;
}

int ksm_read(const struct kfs *kfs, struct ksm *ksm, struct err *err)
{
	struct ksm result = { 0 };
	uint64_t pages;
	int rc = kfs_read_u64(kfs, KSM_DIR "/run", &result.run, err);

	if (rc == 0 && read_profit(kfs, &result.saved_kib) < 0) {
		rc = kfs_read_u64(kfs, KSM_DIR "/pages_sharing", &pages, err);
		if (rc == 0)
			result.saved_kib = pages_to_kib(kfs, pages);
	}
	if (rc == 0)
		*ksm = result;
	return rc;
}

int ksm_read_merged(const struct kfs *kfs, struct ksm_merged *merged, struct err *err)
{
	uint64_t shared, sharing, zero = 0;
	int rc = kfs_read_u64(kfs, KSM_DIR "/pages_shared", &shared, err);

	if (rc == 0)
		rc = kfs_read_u64(kfs, KSM_DIR "/pages_sharing", &sharing, err);
	if (rc < 0)
		return rc;
	/* Since 6.6, and only with use_zero_pages: empty pages, which are counted apart */
	kfs_read_u64(kfs, KSM_DIR "/ksm_zero_pages", &zero, NULL);
	merged->shared = shared;
	merged->apart_kib = (uint64_t)pages_to_kib(kfs, u64_add_sat(sharing, zero));
	return 0;
}

bool ksm_has_advisor(const struct kfs *kfs, bool *advising)
{
	char word[32];

	*advising = false;
	if (sysfs_choice_read(kfs, KSM_DIR "/advisor_mode", word, sizeof(word), NULL) < 0)
		return false;
	*advising = strcmp(word, "none") != 0;
	return true;
}

#define ROUSE_MS      500
#define ROUSE_POLL_MS 50

uint64_t ksm_passes(const struct kfs *kfs)
{
	uint64_t passes = 0;

	kfs_read_u64(kfs, KSM_DIR "/full_scans", &passes, NULL);
	return passes;
}

static bool is_roused(const struct kfs *kfs, uint64_t passes, uint64_t least)
{
	uint64_t pages = 0;

	if (ksm_passes(kfs) <= passes)
		return false;
	kfs_read_u64(kfs, KSM_DIR "/pages_to_scan", &pages, NULL);
	return pages >= least;
}

/* It begins with its least rate, and comes back to that from below */
static int wait_roused(const struct kfs *kfs, uint64_t passes)
{
	uint64_t deadline = clock_ms() + ROUSE_MS, least = 0;

	kfs_read_u64(kfs, KSM_DIR "/advisor_min_pages_to_scan", &least, NULL);
	while (!is_roused(kfs, passes, least)) {
		if (!clock_left_ms(deadline))
			return -ETIMEDOUT;
		clock_sleep_ms(ROUSE_POLL_MS);
	}
	return 0;
}

/* ksmd makes no pass at all while no memory is mergeable */
int ksm_rouse_advisor(const struct kfs *kfs, uint64_t passes)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int rc;

	if (page == MAP_FAILED)
		return -errno;
	rc = madvise(page, size, MADV_MERGEABLE) < 0 ? -errno : wait_roused(kfs, passes);
	munmap(page, size);
	return rc;
}

/* The value of "KEY VALUE" in the lines of ksm_stat */
static int find_value(char *text, const char *key, int64_t *value)
{
	char *line, *save = NULL;
	size_t len = strlen(key);

	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (!strncmp(line, key, len) && line[len] == ' ')
			return to_i64(line + len + 1, value);
	return -ENOENT;
}

int ksm_process_saved(const struct kfs *kfs, pid_t pid, int64_t *saved_kib)
{
	char path[KFS_PATH_SIZE], text[1024];
	uint64_t pages;
	int64_t bytes;
	int rc;

	snprintf(path, sizeof(path), "proc/%d/ksm_stat", pid);
	rc = kfs_read(kfs, path, text, sizeof(text), NULL);
	if (rc == 0 && find_value(text, "ksm_process_profit", &bytes) == 0) {
		*saved_kib = bytes / 1024;
		return 0;
	}
	/* Before 6.4 the pages only, in a file of their own */
	snprintf(path, sizeof(path), "proc/%d/ksm_merging_pages", pid);
	rc = kfs_read_u64(kfs, path, &pages, NULL);
	if (rc == 0)
		*saved_kib = pages_to_kib(kfs, pages);
	return rc;
}
