// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Files of the kernel that list words with the chosen one in brackets.
 */
#include "memory/sysfs_choice.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "kernel/kfs.h"

int sysfs_choice_parse(const char *text, char *word, size_t size)
{
	const char *begin = strchr(text, '[');
	const char *end = begin ? strchr(begin, ']') : NULL;
	size_t len = end ? (size_t)(end - begin) - 1 : 0;

	if (!end || len >= size)
		return -EINVAL;
	memcpy(word, begin + 1, len);
	word[len] = '\0';
	return 0;
}

int sysfs_choice_read(const struct kfs *kfs, const char *path, char *word, size_t size,
		      struct err *err)
{
	char text[256];
	int rc = kfs_read(kfs, path, text, sizeof(text), err);

	if (rc < 0)
		return rc;
	if (sysfs_choice_parse(text, word, size) < 0)
		return err_set(err, EINVAL, "/%s: '%s' names no choice in brackets", path, text);
	return 0;
}
