// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A step in words.
 */
#include "report/step_text.h"

#include <string.h>

#include "steps/steps.h"

const char *step_text(const struct step *step, char *buf, size_t size)
{
	char *part;

	buf[0] = '\0';
	step_ops(step->kind)->describe(step, buf, size);
	while ((part = strstr(buf, "; "))) {
		*part = '\n';
		memmove(part + 1, part + 2, strlen(part + 2) + 1);
	}
	return buf;
}
