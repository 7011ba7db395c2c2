// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Samples in Prometheus' text format.
 */
#include "report/prometheus.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"

#define PREFIX "libvirt_membacking_"

/* By convention the names of counters, and no others, end so */
static bool is_counter(const char *name)
{
	size_t len = strlen(name);

	return len > 6 && !strcmp(name + len - 6, "_total");
}

void prometheus_family(FILE *f, const char *name, const char *help)
{
	fprintf(f, "# HELP " PREFIX "%s %s\n# TYPE " PREFIX "%s %s\n", name, help, name,
		is_counter(name) ? "counter" : "gauge");
}

static void put_value(FILE *f, const char *value)
{
	cleanup_free char *copy = strdup(value);
	const char *text = copy ? copy : "";

	if (copy)
		text_disarm(copy, "\n");
	for (; *text; text++) {
		if (*text == '\n')
			fputs("\\n", f);
		else
			fprintf(f, *text == '\\' || *text == '"' ? "\\%c" : "%c", *text);
	}
}

static void put_name(FILE *f, const char *name, const struct prom_label *labels)
{
	const char *separator = "{";

	fprintf(f, PREFIX "%s", name);
	for (; labels && labels->name; labels++, separator = ",") {
		fprintf(f, "%s%s=\"", separator, labels->name);
		put_value(f, labels->value);
		fputc('"', f);
	}
	fputs(*separator == ',' ? "} " : " ", f);
}

void prometheus_sample(FILE *f, const char *name, const struct prom_label *labels, int64_t value)
{
	put_name(f, name, labels);
	fprintf(f, "%" PRId64 "\n", value);
}

void prometheus_summary(FILE *f, const char *name, const char *help, uint64_t sum_ms, uint64_t n)
{
	fprintf(f,
		"# HELP " PREFIX "%s %s\n# TYPE " PREFIX "%s summary\n" PREFIX "%s_sum %" PRIu64
		".%03u\n" PREFIX "%s_count %" PRIu64 "\n",
		name, help, name, name, sum_ms / 1000, (unsigned int)(sum_ms % 1000), name, n);
}
