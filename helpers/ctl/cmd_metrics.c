// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * virt-membacking metrics: status for Prometheus, to stdout or into a file.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "ctl/ctl.h"
#include "memory/path.h"
#include "report/status_metrics.h"
#include "report/status_report.h"

/* Root may be told to write below another user's directory: no link of his is followed */
static int open_directory(const char *path)
{
	cleanup_close int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char here[PATH_MAX] = "", all[2 * PATH_MAX];

	if (*path != '/' && !getcwd(here, sizeof(here)))
		return -errno;
	snprintf(all, sizeof(all), "%s/%s", here, path);
	return path_open(root, all, O_RDONLY | O_DIRECTORY | O_NONBLOCK, NULL);
}

/* Whole or not at all: the collector may read at any moment.  It leaves names alone
 * that do not end in ".prom", as that of the file while it is written */
static int replace(const char *file, const char *text, size_t len, struct err *err)
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

static int report(const struct status_report *status, const char *output, struct err *err)
{
	cleanup_free char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return err_nomem(err);
	status_metrics(status, f);
	if (fclose(f) != 0)
		return err_nomem(err);
	if (output)
		return replace(output, text, len, err);
	fwrite(text, 1, len, stdout);
	return 0;
}

static int run(struct ctl *ctl, struct err *err)
{
	struct status_report status;
	int rc = status_report_read(&ctl->kfs, ctl->root, &status, err);

	if (rc == 0)
		rc = report(&status, ctl->output, err);
	status_report_close(&status);
	return rc;
}

const struct command cmd_metrics = {
	.name = "metrics",
	.usage = "metrics [--output FILE]",
	.summary = "show what status shows in Prometheus' format",
	.help = "Writes what status shows in Prometheus' text format, for the textfile collector\n"
		"of node_exporter. With --output, FILE is replaced as a whole; its name must end\n"
		"in .prom for the collector to read it. Changes nothing else.",
	.options = CTL_ROOT | CTL_OUTPUT,
	.run = run,
};
