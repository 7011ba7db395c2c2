// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Compaction of one node.
 */
#include "memory/compaction.h"

#include <stdio.h>

#include "kernel/kfs.h"
#include "memory/numa.h"
#include "process/child.h"

struct work {
	const struct kfs *kfs;
	char path[KFS_PATH_SIZE];
};

static int compact(void *arg)
{
	const struct work *work = arg;

	return work->kfs->write(work->kfs, work->path, "1");
}

pid_t compaction_start(const struct kfs *kfs, const struct numa *numa, unsigned int node)
{
	struct work work = { .kfs = kfs };

	if (numa->sysfs)
		snprintf(work.path, sizeof(work.path), "sys/devices/system/node/node%u/compact",
			 node);
	else
		snprintf(work.path, sizeof(work.path), "proc/sys/vm/compact_memory");
	return child_start(compact, &work);
}
