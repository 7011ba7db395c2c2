// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Settings of transparent huge pages.
 */
#include "memory/thp.h"

#include <errno.h>
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

/* @file: In THP_DIR.  Return: 0 and @word, empty on a kernel without such a file; -errno */
static int read_word(const struct kfs *kfs, const char *file, char word[THP_WORD_SIZE],
		     struct err *err)
{
	char path[KFS_PATH_SIZE];

	word[0] = '\0';
	snprintf(path, sizeof(path), THP_DIR "/%s", file);
	return none_is_fine(sysfs_choice_read(kfs, path, word, THP_WORD_SIZE, err));
}

static void note_huge(const char *file, const char *word, char setting[THP_SETTING_SIZE])
{
	if (*word && strcmp(word, "never") != 0 && strcmp(word, "deny") != 0)
		snprintf(setting, THP_SETTING_SIZE, "%s is '%s'", file, word);
}

/* "inherit" is what the file for all sizes says */
static int look_at_size(const struct kfs *kfs, uint64_t kib, char setting[THP_SETTING_SIZE],
			struct err *err)
{
	char file[48], word[THP_WORD_SIZE];
	int rc;

	snprintf(file, sizeof(file), "hugepages-%llukB/shmem_enabled", (unsigned long long)kib);
	rc = read_word(kfs, file, word, err);
	if (rc == 0 && strcmp(word, "inherit") != 0)
		note_huge(file, word, setting);
	return rc;
}

int thp_shmem_huge(const struct kfs *kfs, char setting[THP_SETTING_SIZE], struct err *err)
{
	cleanup_free uint64_t *sizes = NULL;
	char word[THP_WORD_SIZE];
	int rc = read_word(kfs, "shmem_enabled", word, err), n, i;

	setting[0] = '\0';
	if (rc == 0)
		note_huge("shmem_enabled", word, setting);
	/* "deny" is above all the others */
	if (rc < 0 || *setting || !strcmp(word, "deny"))
		return rc;
	n = kfs_list_numbers(kfs, THP_DIR, "hugepages-", "kB", &sizes, err);
	if (n < 0)
		return none_is_fine(n);
	for (i = 0; rc == 0 && i < n && !*setting; i++)
		rc = look_at_size(kfs, sizes[i], setting, err);
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
