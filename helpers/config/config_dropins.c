// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The files of membacking.conf.d, in byte order.
 */
#include "config/config_dropins.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* An editor's ".#a.conf" is none */
static bool is_dropin(const char *name)
{
	size_t len = strlen(name);

	return *name != '.' && len > 5 && !strcmp(name + len - 5, ".conf");
}

/* One too many is enough to know */
static int collect(DIR *dir, struct config_dropins *dropins)
{
	struct dirent *entry;

	while (errno = 0, (entry = readdir(dir))) {
		if (!is_dropin(entry->d_name))
			continue;
		if (dropins->n == CONFIG_DROPINS_MAX)
			return -E2BIG;
		dropins->name[dropins->n] = strdup(entry->d_name);
		if (!dropins->name[dropins->n])
			return -ENOMEM;
		dropins->n++;
	}
	return -errno;
}

int config_dropins_list(int dirfd, struct config_dropins *dropins)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	int rc = -errno;

	dropins->n = 0;
	if (!dir) {
		if (fd >= 0)
			close(fd);
		return rc;
	}
	rc = collect(dir, dropins);
	closedir(dir);
	if (rc < 0)
		config_dropins_free(dropins);
	else
		qsort(dropins->name, dropins->n, sizeof(*dropins->name), by_bytes);
	return rc;
}

void config_dropins_free(struct config_dropins *dropins)
{
	while (dropins->n)
		free(dropins->name[--dropins->n]);
}
