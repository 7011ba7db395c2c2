/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What "virt-membacking advise" shows, in text and in JSON.
 */
#ifndef MEMBACKING_REPORT_ADVISE_H
#define MEMBACKING_REPORT_ADVISE_H

#include <jansson.h>

#include "policy/advise.h"

struct err;

/**
 * struct advise_report - An advice and what it is made of
 * @before:	<memoryBacking> as it is
 */
struct advise_report {
	const struct advise_input *in;
	const struct advice *advice;
	const char *before;
};

/* What the guest's <memoryBacking> becomes with it, and with --apply.  NULL where @option is */
const struct guest_variant *advise_variant(const struct advise_report *report,
					   const struct advise_option *option);

/* NULL when memory ran out.  @applied: the key of that name */
json_t *advise_to_json(const struct advise_report *report, bool applied);

int advise_print(const struct advise_report *report, struct err *err);

/* Of that only what --apply puts into the guest's definition, and why */
void advise_print_taken(const struct advise_report *report);

#endif
