// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The list of findings, as text and as JSON.
 */
#include "check/findings.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/json.h"
#include "base/text.h"
#include "terminal/table.h"

static const struct {
	const char *word;
	const char *json;
	enum term_colour colour;
} levels[] = {
	[FINDING_PASS] = { "PASS", "pass", TERM_GREEN },
	[FINDING_HINT] = { "HINT", "hint", TERM_CYAN },
	[FINDING_WARN] = { "WARN", "warn", TERM_YELLOW },
	[FINDING_FAIL] = { "FAIL", "fail", TERM_RED },
};

_Static_assert(ARRAY_SIZE(levels) == FINDING_LEVELS, "a word for each level");

/* ---- the list ---- */

static struct finding *append(struct findings *findings)
{
	struct finding *more =
		reallocarray(findings->list, findings->n + 1, sizeof(*findings->list));

	if (!more) {
		findings->failed = true;
		return NULL;
	}
	findings->list = more;
	more += findings->n++;
	*more = (struct finding){ .check = findings->check };
	return more;
}

static char *format(struct findings *findings, const char *fmt, va_list ap)
{
	char *text;

	if (vasprintf(&text, fmt, ap) >= 0)
		return text;
	findings->failed = true;
	return NULL;
}

void finding_add(struct findings *findings, enum finding_level level, const char *fmt, ...)
{
	struct finding *finding = append(findings);
	va_list ap;

	if (!finding)
		return;
	finding->level = level;
	va_start(ap, fmt);
	finding->message = format(findings, fmt, ap);
	va_end(ap);
}

void finding_remedy(struct findings *findings, const char *fmt, ...)
{
	va_list ap;

	if (findings->failed || !findings->n)
		return;
	va_start(ap, fmt);
	findings->list[findings->n - 1].remedy = format(findings, fmt, ap);
	va_end(ap);
}

void finding_remedy_line(struct findings *findings, const char *where)
{
	char path[512];
	unsigned int line;

	if (*where == '/' && sscanf(where, "%511[^:]:%u", path, &line) == 2 &&
	    text_is_shell_word(path))
		finding_remedy(findings, "sed -i '%us/^/# /' %s", line, path);
}

bool findings_bad(const struct findings *findings)
{
	size_t i;

	for (i = 0; i < findings->n; i++)
		if (findings->list[i].level >= FINDING_WARN)
			return true;
	return false;
}

void findings_free(struct findings *findings)
{
	size_t i;

	for (i = 0; i < findings->n; i++) {
		free(findings->list[i].message);
		free(findings->list[i].remedy);
	}
	free(findings->list);
	*findings = (struct findings){ 0 };
}

/* ---- JSON ---- */

/* What comes out of other people's files need not be UTF-8, and JSON has nothing else */
static json_t *words(const char *text)
{
	json_t *string = json_string(text);
	char *ascii = string ? NULL : strdup(text), *c;

	for (c = ascii; c && *c; c++)
		if ((unsigned char)*c > 0x7e)
			*c = '?';
	if (!string)
		string = json_string(ascii);
	free(ascii);
	return string;
}

json_t *findings_to_json(const struct findings *findings)
{
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < findings->n; i++) {
		const struct finding *finding = &findings->list[i];

		json_add(&array, json_pack("{s:s, s:s, s:o, s:o}", "level",
					   levels[finding->level].json, "check", finding->check,
					   "message", words(finding->message), "remedy",
					   finding->remedy ? words(finding->remedy) : json_null()));
	}
	return json_pack("{s:o}", "findings", array);
}

/* ---- text ---- */

enum { LEVEL, CHECK, MESSAGE, COLUMNS };

static const struct table_column columns[] = {
	[LEVEL] = { "", TABLE_PLAIN },
	[CHECK] = { "", TABLE_PLAIN },
	[MESSAGE] = { "", TABLE_WORDS },
};

int findings_print(const struct findings *findings, struct err *err)
{
	struct table table;
	size_t i;

	table_begin(&table, columns, COLUMNS);
	table_headless(&table);
	for (i = 0; i < findings->n; i++) {
		const struct finding *finding = &findings->list[i];
		struct libscols_line *row = table_row(&table, NULL);

		table_cell(&table, row, LEVEL, "%s", levels[finding->level].word);
		table_colour(&table, row, LEVEL, levels[finding->level].colour);
		table_cell(&table, row, CHECK, "%s", finding->check);
		table_words(&table, row, finding->message, finding->remedy);
	}
	return table_end(&table, err);
}
