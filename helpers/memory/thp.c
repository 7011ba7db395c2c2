// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Settings of transparent huge pages.
 */
#include "memory/thp.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "kernel/kfs.h"
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

static bool allows_huge(const char *word)
{
	return *word && strcmp(word, "never") != 0 && strcmp(word, "deny") != 0;
}

/* hugepages-NkB/shmem_enabled.  The largest size follows the general setting */
static bool size_allows(const struct kfs *kfs, uint64_t kib, char setting[THP_SETTING_SIZE])
{
	char path[128], word[THP_WORD_SIZE];

	snprintf(path, sizeof(path), THP_DIR "/hugepages-%llukB/shmem_enabled",
		 (unsigned long long)kib);
	if (sysfs_choice_read(kfs, path, word, sizeof(word), NULL) < 0 ||
	    !strcmp(word, "inherit") || !allows_huge(word))
		return false;
	snprintf(setting, THP_SETTING_SIZE, "shmem_enabled of pages of %llu KiB is '%s'",
		 (unsigned long long)kib, word);
	return true;
}

void thp_shmem_huge(const struct kfs *kfs, char setting[THP_SETTING_SIZE])
{
	cleanup_free uint64_t *sizes = NULL;
	char word[THP_WORD_SIZE] = "";
	int n, i;

	setting[0] = '\0';
	if (sysfs_choice_read(kfs, THP_DIR "/shmem_enabled", word, sizeof(word), NULL) == 0 &&
	    allows_huge(word)) {
		snprintf(setting, THP_SETTING_SIZE, "shmem_enabled is '%s'", word);
		return;
	}
	/* "deny" rules them all out */
	if (!strcmp(word, "deny"))
		return;
	n = kfs_list_numbers(kfs, THP_DIR, "hugepages-", "kB", &sizes, NULL);
	for (i = 0; i < n && !size_allows(kfs, sizes[i], setting); i++)
		;
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
