// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ctl/prometheus.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>

#define PREFIX "libvirt_membacking_"

void prom_family(FILE *f, const char *name, const char *help)
{
	fprintf(f, "# HELP " PREFIX "%s %s\n# TYPE " PREFIX "%s gauge\n", name, help, name);
}

static bool is_utf8(const char *text)
{
	json_t *string = json_string(text);

	json_decref(string);
	return string;
}

static void put_value(FILE *f, const char *text)
{
	bool utf8 = is_utf8(text);

	for (; *text; text++) {
		switch (*text) {
		case '\n':
			fputs("\\n", f);
			break;
		case '\\':
		case '"':
			fputc('\\', f);
			fputc(*text, f);
			break;
		default:
			fputc(!utf8 && (unsigned char)*text >= 0x80 ? '?' : *text, f);
		}
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

void prom_sample(FILE *f, const char *name, const struct prom_label *labels, uint64_t value)
{
	put_name(f, name, labels);
	fprintf(f, "%" PRIu64 "\n", value);
}

void prom_sample_signed(FILE *f, const char *name, const struct prom_label *labels, int64_t value)
{
	put_name(f, name, labels);
	fprintf(f, "%" PRId64 "\n", value);
}
