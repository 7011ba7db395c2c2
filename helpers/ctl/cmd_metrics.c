// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * virt-membacking metrics: status for Prometheus, to stdout or into a file.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "check/check_all.h"
#include "check/check_host.h"
#include "check/findings.h"
#include "check/hook_links.h"
#include "ctl/ctl.h"
#include "ctl/output_file.h"
#include "lifecycle/counters.h"
#include "memory/fragmentation.h"
#include "process/child.h"
#include "report/host_metrics.h"
#include "report/page_scan.h"
#include "report/status_metrics.h"
#include "report/status_report.h"

/* Leaves out what the kernel does not report */
static void put_potential(const struct ctl *ctl, const struct status_report *status, FILE *f)
{
	const struct host_view *host = &status->session.host;
	struct fragmentation fragmentation = { 0 };

	if (fragmentation_read(&ctl->kfs, &fragmentation, NULL) == 0) {
		page_scan_read(&ctl->kfs, host, &fragmentation, NULL, PAGE_SCAN_PATIENCE_MS);
		host_metrics_potential(f, host, &fragmentation);
	}
	fragmentation_free(&fragmentation);
}

/* ---- what check finds ---- */

/* How long libvirt may take to answer.  A scrape must not wait for one that hangs */
#define CHECK_MS 10000

static const char *const levels[] = { "hint", "warn", "fail" };

/* Filled by the child; @ctl is from before the fork */
struct counting {
	const struct ctl *ctl;
	size_t counts[ARRAY_SIZE(levels)];
};

static int count_findings(void *arg)
{
	struct counting *c = arg;
	const struct check_scope scope = { c->ctl->root, 0, NULL };
	struct findings findings = { 0 };
	bool blind;
	int rc = check_all(&c->ctl->kfs, &scope, &findings, &blind, NULL);

	if (rc == 0 && findings.failed)
		rc = -ENOMEM;
	c->counts[0] = findings_count(&findings, FINDING_HINT);
	c->counts[1] = findings_count(&findings, FINDING_WARN);
	c->counts[2] = findings_count(&findings, FINDING_FAIL);
	findings_free(&findings);
	return rc;
}

/* Without root some of it can't be looked at */
static void put_findings(const struct ctl *ctl, FILE *f)
{
	struct counting c = { .ctl = ctl };
	int rc;

	if (ctl_need_root(ctl, "check", NULL) < 0)
		return;
	rc = child_call(count_findings, &c, sizeof(c), clock_ms() + CHECK_MS);
	if (rc == 0)
		host_metrics_findings(f, levels, c.counts, ARRAY_SIZE(levels));
	else if (rc == -ETIMEDOUT)
		log_warning(
			"check has not ended within %d seconds, most likely because libvirt does "
			"not answer: check_findings is left out",
			CHECK_MS / 1000);
}

static void put_all(const struct ctl *ctl, const struct status_report *status, FILE *f)
{
	struct counters counters;

	host_metrics_program(f, hook_would_run(&ctl->kfs, ctl->root));
	counters_read(&ctl->kfs, &counters);
	host_metrics_counters(f, &counters);
	status_metrics(status, f);
	put_potential(ctl, status, f);
	put_findings(ctl, f);
}

static int report(const struct ctl *ctl, const struct status_report *status, struct err *err)
{
	const char *output = ctl->output;
	cleanup_free char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return err_nomem(err);
	put_all(ctl, status, f);
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
		rc = report(ctl, &status, err);
	status_report_close(&status);
	return rc;
}

const struct command cmd_metrics = {
	.name = "metrics",
	.usage = "metrics [--output FILE]",
	.summary = "write what status shows, and counters, in Prometheus' format",
	.help = "Writes what status shows, what the hooks counted since the boot, and what could\n"
		"become huge pages, in Prometheus' text format, for the textfile collector of\n"
		"node_exporter. With --output, FILE is replaced as a whole; its name must end\n"
		"in .prom for the collector to read it. Changes nothing else.",
	.options = CTL_ROOT | CTL_OUTPUT,
	.run = run,
};
