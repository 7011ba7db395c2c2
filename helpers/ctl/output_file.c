// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A file that a command writes because it was told to.
 */
#include "ctl/output_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "memory/path.h"

/* Root may be told to write below another user's directory: no link of that user is followed */
static int open_directory(const char *path)
{
	cleanup_close int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char here[PATH_MAX] = "", all[2 * PATH_MAX];

	if (*path != '/' && !getcwd(here, sizeof(here)))
		return -errno;
	snprintf(all, sizeof(all), "%s/%s", here, path);
	return path_open(root, all, O_RDONLY | O_DIRECTORY | O_NONBLOCK, NULL);
}

int output_file(const char *file, const char *text, size_t len, struct err *err)
{
	cleanup_close int dir = -1;
	char path[PATH_MAX], *slash;
	const char *name;
	int rc;

	if ((size_t)snprintf(path, sizeof(path), "%s", file) >= sizeof(path))
		return err_sys(err, ENAMETOOLONG, "'%.512s'", file);
	slash = strrchr(path, '/');
	name = slash ? slash + 1 : path;
	/* "FILE" is in "."; of "/FILE" the slash is the directory */
	if (slash)
		*slash = '\0';
	dir = open_directory(!slash ? "." : *path ? path : "/");
	if (dir < 0)
		return err_set(err, -dir, "cannot open the directory of '%.512s': %s", file,
			       path_why(-dir));
	rc = file_publish_at(dir, name, text, len, err);
	return err_prefix(err, rc, "'%.512s'", file);
}
