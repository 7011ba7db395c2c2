// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Sums of /proc/PID/smaps_rollup, and what of a process is resident.
 */
#include "memory/smaps.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "kernel/kfs.h"

/* @value of "KEY:   123 kB"; lines of other keys leave it alone */
static void take(const char *line, const char *key, uint64_t *value)
{
	size_t len = strlen(key);
	unsigned long long kib;

	if (!strncmp(line, key, len) && line[len] == ':' &&
	    sscanf(line + len + 1, " %llu kB", &kib) == 1)
		*value = kib;
}

int smaps_read(const struct kfs *kfs, pid_t pid, struct smaps *smaps, struct err *err)
{
	char path[KFS_PATH_SIZE], text[4096], *line, *save = NULL;
	struct smaps result = { 0 };
	int rc;

	snprintf(path, sizeof(path), "proc/%d/smaps_rollup", pid);
	rc = kfs_read(kfs, path, text, sizeof(text), err);
	if (rc < 0)
		return rc;
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		take(line, "Rss", &result.rss_kib);
		take(line, "Pss", &result.pss_kib);
		take(line, "AnonHugePages", &result.anon_huge_kib);
		take(line, "ShmemPmdMapped", &result.shmem_huge_kib);
	}
	*smaps = result;
	return 0;
}

/* @line: "\\nKEY:" */
static int read_status(const struct kfs *kfs, pid_t pid, const char *line, uint64_t *kib,
		       struct err *err)
{
	char path[KFS_PATH_SIZE], text[16384];
	unsigned long long value = 0;
	char *found, *end = NULL;
	int rc;

	snprintf(path, sizeof(path), "proc/%d/status", pid);
	rc = kfs_read(kfs, path, text, sizeof(text), err);
	if (rc < 0)
		return rc;
	found = strstr(text, line);
	if (found)
		value = strtoull(found + strlen(line), &end, 10);
	if (!end || strncmp(end, " kB", 3) != 0)
		return err_set(err, EINVAL, "/%s: no line %s", path, line + 1);
	*kib = value;
	return 0;
}

int smaps_read_resident(const struct kfs *kfs, pid_t pid, uint64_t *kib, struct err *err)
{
	return read_status(kfs, pid, "\nVmRSS:", kib, err);
}

int smaps_read_hugetlb(const struct kfs *kfs, pid_t pid, uint64_t *kib, struct err *err)
{
	return read_status(kfs, pid, "\nHugetlbPages:", kib, err);
}
