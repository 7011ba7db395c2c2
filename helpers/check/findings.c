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
	const char *one; /* in the line that counts them */
	const char *many;
	enum term_colour colour;
} levels[] = {
	[FINDING_PASS] = { "PASS", "pass", "fine", "fine", TERM_GREEN },
	[FINDING_HINT] = { "HINT", "hint", "hint", "hints", TERM_CYAN },
	[FINDING_WARN] = { "WARN", "warn", "warning", "warnings", TERM_YELLOW },
	[FINDING_FAIL] = { "FAIL", "fail", "failure", "failures", TERM_RED },
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

#define PLACE_SIZE 512

/* "/PATH:", "/PATH:LINE".  Return: false: @where names no file; @line is 0 without a line */
static bool read_place(const char *where, char path[PLACE_SIZE], unsigned int *line)
{
	size_t len = strcspn(where, ": ");

	if (*where != '/' || where[len] != ':' || len >= PLACE_SIZE)
		return false;
	memcpy(path, where, len);
	path[len] = '\0';
	*line = 0;
	if (where[len + 1] >= '0' && where[len + 1] <= '9')
		sscanf(where + len + 1, "%9u", line);
	return true;
}

static void find_place(struct findings *findings, struct finding *finding)
{
	char path[PLACE_SIZE];

	if (!finding->message || !read_place(finding->message, path, &finding->line))
		return;
	finding->file = strdup(path);
	findings->failed |= !finding->file;
}

void finding_add(struct findings *findings, enum finding_level level, const char *what,
		 const char *fmt, ...)
{
	struct finding *finding = append(findings);
	va_list ap;

	if (!finding)
		return;
	finding->level = level;
	snprintf(finding->id, sizeof(finding->id), "%s.%s", findings->check, what);
	va_start(ap, fmt);
	finding->message = format(findings, fmt, ap);
	va_end(ap);
	find_place(findings, finding);
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

void finding_guest(struct findings *findings, const char *name)
{
	if (findings->failed || !findings->n)
		return;
	snprintf(findings->list[findings->n - 1].guest, FINDING_GUEST_SIZE, "%s", name);
	text_mend(findings->list[findings->n - 1].guest);
}

void finding_edit(struct findings *findings, const char *name, const char *uuid)
{
	finding_guest(findings, name);
	finding_remedy(findings, "virsh edit %s", text_shell_name(name, uuid));
}

void finding_remedy_line(struct findings *findings, const char *where)
{
	char path[PLACE_SIZE];
	unsigned int line;

	if (read_place(where, path, &line) && line && text_is_shell_word(path))
		finding_remedy(findings, "sed -i '%us/^/# /' %s", line, path);
}

size_t findings_count(const struct findings *findings, enum finding_level level)
{
	size_t n = 0, i;

	for (i = 0; i < findings->n; i++)
		n += findings->list[i].level == level;
	return n;
}

void findings_free(struct findings *findings)
{
	size_t i;

	for (i = 0; i < findings->n; i++) {
		free(findings->list[i].file);
		free(findings->list[i].message);
		free(findings->list[i].remedy);
	}
	free(findings->list);
	*findings = (struct findings){ 0 };
}

/* ---- JSON ---- */

/* Text from other programs' files need not be UTF-8, but JSON must be */
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

static json_t *words_or_null(const char *text)
{
	return text && *text ? words(text) : json_null();
}

/* A line with more than plain words needs a shell */
static bool needs_shell(const char *line)
{
	char quote = 0;

	for (; *line; line++) {
		if (quote == '\'' && *line != quote)
			continue;
		if (*line == quote)
			quote = 0;
		else if (*line == '\'' || (*line == '"' && !quote))
			quote = *line;
		else if (strchr(quote ? "$`\\" : "$`\\&|;<>()*?[]{}~#", *line))
			return true;
	}
	return false;
}

/* The next word of @rest, quotes taken off.  Return: it, to be freed; NULL at the end */
static char *next_word(const char **rest)
{
	const char *from = *rest + strspn(*rest, " ");
	char *word = *from ? calloc(1, strlen(from) + 1) : NULL, *to = word, quote = 0;

	for (; word && *from && (quote || *from != ' '); from++) {
		if (*from == quote)
			quote = 0;
		else if (!quote && strchr("'\"", *from))
			quote = *from;
		else
			*to++ = *from;
	}
	*rest = from;
	return word;
}

/* As a program can execute it without a shell of its own */
static json_t *to_argv(const char *line)
{
	json_t *argv;
	char *word;

	if (!line)
		return json_null();
	if (needs_shell(line))
		return json_pack("[s, s, o]", "sh", "-c", words(line));
	argv = json_array();
	while ((word = next_word(&line))) {
		json_add(&argv, words(word));
		free(word);
	}
	return argv;
}

static json_t *finding_to_json(const struct finding *finding)
{
	return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "level",
			 levels[finding->level].json, "check", finding->check, "id", finding->id,
			 "guest", words_or_null(finding->guest), "file",
			 words_or_null(finding->file), "line",
			 finding->line ? json_integer(finding->line) : json_null(), "message",
			 words(finding->message), "remedy", words_or_null(finding->remedy), "argv",
			 to_argv(finding->remedy));
}

static json_t *counts_to_json(const struct findings *findings)
{
	json_t *counts = json_object();
	enum finding_level i;

	for (i = 0; i < FINDING_LEVELS; i++)
		json_object_set_new(counts, levels[i].json,
				    json_integer((json_int_t)findings_count(findings, i)));
	return counts;
}

json_t *findings_to_json(const struct findings *findings)
{
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < findings->n; i++)
		json_add(&array, finding_to_json(&findings->list[i]));
	return json_pack("{s:o, s:o}", "findings", array, "counts", counts_to_json(findings));
}

/* ---- text ---- */

enum { LEVEL, CHECK, MESSAGE, COLUMNS };

static const struct table_column columns[] = {
	[LEVEL] = { "", TABLE_PLAIN },
	[CHECK] = { "", TABLE_PLAIN },
	[MESSAGE] = { "", TABLE_WORDS },
};

static void add_row(struct table *table, const struct finding *finding)
{
	struct libscols_line *row = table_row(table, NULL);

	table_cell(table, row, LEVEL, "%s", levels[finding->level].word);
	table_colour(table, row, LEVEL, levels[finding->level].colour);
	table_cell(table, row, CHECK, "%s", finding->check);
	table_words(table, row, finding->message, finding->remedy);
}

/* "2 failures, 1 warning, 10 fine" */
static void print_counts(const struct findings *findings)
{
	const char *between = "";
	enum finding_level i;

	for (i = FINDING_LEVELS; i-- > 0;) {
		size_t n = findings_count(findings, i);

		if (!n)
			continue;
		printf("%s%s%zu %s%s", between, term_colour(levels[i].colour), n,
		       n == 1 ? levels[i].one : levels[i].many, term_colour(TERM_PLAIN));
		between = ", ";
	}
	putchar('\n');
}

int findings_print(const struct findings *findings, bool all, struct err *err)
{
	enum finding_level level = all ? FINDING_PASS : FINDING_HINT;
	struct table table;
	size_t i;
	int rc;

	table_begin(&table, columns, COLUMNS);
	table_headless(&table);
	for (; level < FINDING_LEVELS; level++)
		for (i = 0; i < findings->n; i++)
			if (findings->list[i].level == level)
				add_row(&table, &findings->list[i]);
	rc = table_end(&table, err);
	if (rc == 0)
		print_counts(findings);
	return rc;
}
