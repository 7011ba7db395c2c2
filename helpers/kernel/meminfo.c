// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Lines of /proc/meminfo.
 */
#include "kernel/meminfo.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "kernel/kfs.h"

#define MEMINFO "proc/meminfo"

int meminfo_available(const struct kfs *kfs, uint64_t *kib, struct err *err)
{
	cleanup_fclose FILE *f = kfs_stream(kfs, MEMINFO);
	char line[128];

	if (!f)
		return err_sys(err, errno, "/" MEMINFO);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %" SCNu64 " kB", kib) == 1)
			return 0;
	return err_set(err, ENOENT, "/" MEMINFO ": it has no MemAvailable");
}
