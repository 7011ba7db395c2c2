// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A step in words.
 */
#include "report/step_text.h"

#include <stdio.h>
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

const char *steps_fact(const struct step_list *list, char *buf, size_t size)
{
	size_t i, used = 0;

	buf[0] = '\0';
	for (i = 0; i < list->n && used + 3 < size; i++) {
		used += (size_t)snprintf(buf + used, size - used, "%s", i ? ", " : "");
		step_ops(list->steps[i].kind)->fact(&list->steps[i], buf + used, size - used);
		used += strlen(buf + used);
	}
	return buf;
}
