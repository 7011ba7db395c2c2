// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * virt-membacking metrics: status for Prometheus, to stdout or into a file.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "ctl/ctl.h"
#include "ctl/output_file.h"
#include "report/status_metrics.h"
#include "report/status_report.h"

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
		return output_file(output, text, len, err);
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
