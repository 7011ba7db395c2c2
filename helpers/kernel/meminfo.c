// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Lines of /proc/meminfo.
 */
#include "kernel/meminfo.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "kernel/kfs.h"

#define MEMINFO "proc/meminfo"

/* @key: with its colon */
static int read_line(const struct kfs *kfs, const char *key, uint64_t *kib, struct err *err)
{
	cleanup_fclose FILE *f = kfs_stream(kfs, MEMINFO);
	size_t len = strlen(key);
	char line[128];

	if (!f)
		return err_sys(err, errno, "/" MEMINFO);
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, key, len) && sscanf(line + len, " %" SCNu64 " kB", kib) == 1)
			return 0;
	return err_set(err, ENOENT, "/" MEMINFO ": it has no %.*s", (int)len - 1, key);
}

int meminfo_available(const struct kfs *kfs, uint64_t *kib, struct err *err)
{
	return read_line(kfs, "MemAvailable:", kib, err);
}

int meminfo_total(const struct kfs *kfs, uint64_t *kib, struct err *err)
{
	return read_line(kfs, "MemTotal:", kib, err);
}
