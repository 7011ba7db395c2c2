// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Whether the kernel may make huge pages of shared memory: sysfs and mount options.
 */
#include "pager/shmem_thp.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "memory/sysfs_choice.h"
#include "memory/thp.h"

#define WORD_SIZE 32

/* "36 35 0:31 / /run/backing rw - tmpfs tmpfs rw,size=1048576k,huge=advise" */
static bool read_huge(const char *line, dev_t *dev, char word[WORD_SIZE])
{
	const char *options = strstr(line, " - "), *huge;
	unsigned int major, minor;

	if (!options || sscanf(line, "%*d %*d %u:%u", &major, &minor) != 2)
		return false;
	*dev = makedev(major, minor);
	huge = strstr(options, ",huge=");
	word[0] = '\0';
	if (huge)
		sscanf(huge, ",huge=%31[a-z_]", word);
	return true;
}

static bool has_object_on(const struct ram *ram, dev_t dev)
{
	size_t i;

	for (i = 0; i < ram->n; i++)
		if (ram->object[i].dev == dev)
			return true;
	return false;
}

/* memfds lie on a mount of the kernel's own, which isn't listed and goes by shmem_enabled */
static int check_mounts(const struct kfs *kfs, pid_t pid, const struct ram *ram, struct err *err)
{
	cleanup_fclose FILE *f = NULL;
	cleanup_free char *line = NULL;
	char path[KFS_PATH_SIZE], word[WORD_SIZE];
	size_t room = 0;
	dev_t dev;

	snprintf(path, sizeof(path), "proc/%d/mountinfo", (int)pid);
	f = kfs_stream(kfs, path);
	if (!f)
		return err_sys(err, errno, "open /%s", path);
	while (getline(&line, &room, f) > 0) {
		if (!read_huge(line, &dev, word) || !has_object_on(ram, dev))
			continue;
		if (word[0] && strcmp(word, "never") != 0)
			return err_set(
				err, ENOTSUP,
				"its memory files lie on a tmpfs mounted with huge=%s, and a part "
				"of a huge page can't be paged: mount it with huge=never",
				word);
	}
	return 0;
}

int shmem_thp_refusal(const struct kfs *kfs, pid_t pid, const struct ram *ram, struct err *err)
{
	char setting[THP_SETTING_SIZE], word[WORD_SIZE];
	int rc = thp_shmem_huge(kfs, setting, err);

	if (rc < 0)
		return rc;
	if (*setting)
		return err_set(err, ENOTSUP,
			       "/" THP_DIR "/%s, and a part of a huge page can't be paged: write "
			       "'never' to it",
			       setting);
	/* "deny" is above mount options too */
	if (sysfs_choice_read(kfs, THP_DIR "/shmem_enabled", word, sizeof(word), NULL) == 0 &&
	    !strcmp(word, "deny"))
		return 0;
	return check_mounts(kfs, pid, ram, err);
}
