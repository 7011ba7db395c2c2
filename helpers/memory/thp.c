// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Settings of transparent huge pages.
 */
#include "memory/thp.h"

#include <errno.h>

#include "memory/smaps.h"
#include "memory/sysfs_choice.h"

static int none_is_fine(int rc)
{
	return rc == -ENOENT ? 0 : rc;
}

int thp_read(const struct kfs *kfs, struct thp *thp, struct err *err)
{
	struct thp result = { 0 };
	int rc = sysfs_choice_read(kfs, THP_DIR "/enabled", result.enabled, THP_WORD_SIZE, err);

	if (rc == 0)
		rc = none_is_fine(sysfs_choice_read(kfs, THP_DIR "/defrag", result.defrag,
						    THP_WORD_SIZE, err));
	if (rc == 0)
		rc = none_is_fine(sysfs_choice_read(kfs, THP_DIR "/shmem_enabled",
						    result.shmem_enabled, THP_WORD_SIZE, err));
	if (rc == 0)
		*thp = result;
	return rc;
}

int thp_process(const struct kfs *kfs, pid_t pid, struct thp_process *process, struct err *err)
{
	struct smaps smaps;
	int rc = smaps_read(kfs, pid, &smaps, err);

	if (rc < 0)
		return rc;
	process->resident_kib = smaps.rss_kib;
	process->anon_kib = smaps.anon_huge_kib;
	process->shmem_kib = smaps.shmem_huge_kib;
	return 0;
}
