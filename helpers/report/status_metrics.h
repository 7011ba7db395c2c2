/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * status for Prometheus.
 */
#ifndef MEMBACKING_REPORT_STATUS_METRICS_H
#define MEMBACKING_REPORT_STATUS_METRICS_H

#include <stdio.h>

struct status_report;

void status_metrics(const struct status_report *report, FILE *f);

#endif
