/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Samples that status doesn't show: the program, what hooks did, what could become huge pages.
 */
#ifndef MEMBACKING_REPORT_HOST_METRICS_H
#define MEMBACKING_REPORT_HOST_METRICS_H

#include <stddef.h>
#include <stdio.h>

struct counters;
struct fragmentation;
struct host_view;

/* @hook_enabled: 1, 0, or below for not known */
void host_metrics_program(FILE *f, int hook_enabled);

void host_metrics_counters(FILE *f, const struct counters *counters);

/* How many findings of check there are of each of @n levels */
void host_metrics_findings(FILE *f, const char *const *levels, const size_t *counts, size_t n);

/* hugepage_potential_bytes: the early warning that a guest can't be started again */
void host_metrics_potential(FILE *f, const struct host_view *host,
			    const struct fragmentation *fragmentation);

#endif
