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

/* "50-local", "50-local.cnf".  "50-local.conf.bak" and "50-local.conf~" are meant to be unread */
static bool is_mistaken(const struct dirent *entry)
{
	const char *name = entry->d_name;

	return *name != '.' && entry->d_type != DT_DIR && !strstr(name, ".conf") &&
	       strncmp(name, "README", 6) != 0;
}

static int keep(char **names, size_t *n, const char *name)
{
	names[*n] = strdup(name);
	if (!names[*n])
		return -ENOMEM;
	(*n)++;
	return 0;
}

/* One too many is enough to know */
static int take(struct config_dropins *dropins, const struct dirent *entry)
{
	if (is_dropin(entry->d_name))
		return dropins->n == CONFIG_DROPINS_MAX ?
			       -E2BIG :
			       keep(dropins->name, &dropins->n, entry->d_name);
	if (is_mistaken(entry) && dropins->n_unread < CONFIG_UNREAD_MAX)
		return keep(dropins->unread, &dropins->n_unread, entry->d_name);
	return 0;
}

static int collect(DIR *dir, struct config_dropins *dropins)
{
	struct dirent *entry;
	int rc;

	while (errno = 0, (entry = readdir(dir))) {
		rc = take(dropins, entry);
		if (rc < 0)
			return rc;
	}
	return -errno;
}

static void sort(char **names, size_t n)
{
	qsort(names, n, sizeof(*names), by_bytes);
}

int config_dropins_list(int dirfd, struct config_dropins *dropins)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	int rc = -errno;

	dropins->n = dropins->n_unread = 0;
	if (!dir) {
		if (fd >= 0)
			close(fd);
		return rc;
	}
	rc = collect(dir, dropins);
	closedir(dir);
	if (rc < 0)
		config_dropins_free(dropins);
	sort(dropins->name, dropins->n);
	sort(dropins->unread, dropins->n_unread);
	return rc;
}

void config_dropins_free(struct config_dropins *dropins)
{
	while (dropins->n)
		free(dropins->name[--dropins->n]);
	while (dropins->n_unread)
		free(dropins->unread[--dropins->n_unread]);
}
