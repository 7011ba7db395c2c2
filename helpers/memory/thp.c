// SPDX-License-Identifier: LGPL-2.1-or-later
#include "memory/thp.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "kernel/kfs.h"

#define THP_DIR "sys/kernel/mm/transparent_hugepage/"

/* The one in brackets: "always [madvise] never" */
static int read_choice(const struct kfs *kfs, const char *path, char word[THP_WORD_SIZE],
		       struct err *err)
{
	char text[256], *begin, *end;
	int rc = kfs_read(kfs, path, text, sizeof(text), err);

	if (rc < 0)
		return rc;
	begin = strchr(text, '[');
	end = begin ? strchr(begin, ']') : NULL;
	if (!end || end - begin > THP_WORD_SIZE)
		return err_set(err, EINVAL, "/%s: '%s' names no choice in brackets", path, text);
	*end = '\0';
	memcpy(word, begin + 1, (size_t)(end - begin));
	return 0;
}

static int none_is_fine(int rc)
{
	return rc == -ENOENT ? 0 : rc;
}

int thp_read(const struct kfs *kfs, struct thp *thp, struct err *err)
{
	struct thp result = { 0 };
	int rc = read_choice(kfs, THP_DIR "enabled", result.enabled, err);

	if (rc == 0)
		rc = none_is_fine(read_choice(kfs, THP_DIR "defrag", result.defrag, err));
	if (rc == 0)
		rc = none_is_fine(
			read_choice(kfs, THP_DIR "shmem_enabled", result.shmem_enabled, err));
	if (rc == 0)
		*thp = result;
	return rc;
}
