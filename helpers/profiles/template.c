// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Texts of conf-snippets with values filled in.
 */
#include "profiles/template.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

/* The value whose word is nearest to the beginning of @text, which is at @at then */
static const struct template_value *next_value(const char *text,
					       const struct template_value *values, const char **at)
{
	const struct template_value *found = NULL;

	for (; values->word; values++) {
		const char *here = strstr(text, values->word);

		if (here && (!found || here < *at)) {
			found = values;
			*at = here;
		}
	}
	return found;
}

int template_fill(const char *template, const struct template_value *values, char **result,
		  struct err *err)
{
	const struct template_value *value;
	const char *at = NULL;
	size_t size;
	FILE *f = open_memstream(result, &size);

	if (!f)
		return err_nomem(err);
	while ((value = next_value(template, values, &at))) {
		fprintf(f, "%.*s%s", (int)(at - template), template, value->text);
		template = at + strlen(value->word);
	}
	fputs(template, f);
	if (fclose(f) == 0)
		return 0;
	free(*result);
	return err_nomem(err);
}
