// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Whether the kernel may make huge pages of shared memory: sysfs and mount options.
 */
#include "pager/shmem_thp.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "memory/sysfs_choice.h"

#define DIR	  "sys/kernel/mm/transparent_hugepage"
#define WORD_SIZE 32

static int refuse(const char *path, const char *word, struct err *err)
{
	return err_set(err, ENOTSUP,
		       "/%s is '%s', and a part of a huge page can't be paged: write 'never' to it",
		       path, word);
}

/* Return: 0 and @word, "" on a kernel without such a file; -errno */
static int read_word(const struct kfs *kfs, const char *path, char word[WORD_SIZE], struct err *err)
{
	int rc = sysfs_choice_read(kfs, path, word, WORD_SIZE, err);

	if (rc != -ENOENT)
		return rc;
	word[0] = '\0';
	return 0;
}

/* "inherit" is what the file for all sizes says */
static int check_sizes(const struct kfs *kfs, struct err *err)
{
	cleanup_free uint64_t *sizes = NULL;
	char path[KFS_PATH_SIZE], word[WORD_SIZE];
	int n = kfs_list_numbers(kfs, DIR, "hugepages-", "kB", &sizes, err), i, rc;

	if (n < 0)
		return n == -ENOENT ? 0 : n;
	for (i = 0; i < n; i++) {
		snprintf(path, sizeof(path), DIR "/hugepages-%" PRIu64 "kB/shmem_enabled",
			 sizes[i]);
		rc = read_word(kfs, path, word, err);
		if (rc < 0)
			return rc;
		if (word[0] && strcmp(word, "never") != 0 && strcmp(word, "inherit") != 0)
			return refuse(path, word, err);
	}
	return 0;
}

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
	static const char path[] = DIR "/shmem_enabled";
	char word[WORD_SIZE];
	int rc = read_word(kfs, path, word, err);

	/* "deny" is above all the others */
	if (rc < 0 || !strcmp(word, "deny"))
		return rc;
	if (word[0] && strcmp(word, "never") != 0)
		return refuse(path, word, err);
	rc = check_sizes(kfs, err);
	return rc < 0 ? rc : check_mounts(kfs, pid, ram, err);
}
