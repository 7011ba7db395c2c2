/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Prometheus' text format, as node_exporter's textfile collector reads it.
 */
#ifndef MEMBACKING_REPORT_PROMETHEUS_H
#define MEMBACKING_REPORT_PROMETHEUS_H

#include <stdint.h>
#include <stdio.h>

/* A label's name and value; a list of them ends with a name that is NULL */
struct prom_label {
	const char *name;
	const char *value;
};

/**
 * prometheus_family() - Begin a metric: its HELP and TYPE
 * @name:	Without our prefix.  Units are base units, and in the name
 * @help:	One sentence without line breaks and backslashes
 *
 * Names that end in "_total" are counters', all others gauges'.
 */
void prometheus_family(FILE *f, const char *name, const char *help);

/* As a sum and a number of what is measured: NAME_sum and NAME_count */
void prometheus_summary(FILE *f, const char *name, const char *help, uint64_t sum_ms, uint64_t n);

/* A sample of the metric @name.  Values of labels go through text_disarm(), and are escaped */
void prometheus_sample(FILE *f, const char *name, const struct prom_label *labels, int64_t value);

#endif
