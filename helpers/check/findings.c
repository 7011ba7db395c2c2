// SPDX-License-Identifier: LGPL-2.1-or-later
#include "check/findings.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "terminal/wrap.h"

static const struct {
	const char *word;
	const char *json;
	const char *colour;
} levels[] = {
	[FINDING_PASS] = { "PASS", "pass", "\033[32m" },
	[FINDING_HINT] = { "HINT", "hint", "\033[36m" },
	[FINDING_WARN] = { "WARN", "warn", "\033[33m" },
	[FINDING_FAIL] = { "FAIL", "fail", "\033[31m" },
};

_Static_assert(sizeof(levels) / sizeof(levels[0]) == FINDING_LEVELS, "a word for each level");

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
static bool put_words(json_t *object, const char *key, const char *text)
{
	char *ascii, *c;
	bool ok;

	if (json_put_string(object, key, text))
		return true;
	ascii = strdup(text);
	for (c = ascii; c && *c; c++)
		if ((unsigned char)*c > 0x7e)
			*c = '?';
	ok = ascii && json_put_string(object, key, ascii);
	free(ascii);
	return ok;
}

static json_t *finding_to_json(const struct finding *finding)
{
	json_t *object = json_object();
	bool ok = json_put_string(object, "level", levels[finding->level].json) &&
		  json_put_string(object, "check", finding->check) &&
		  put_words(object, "message", finding->message) &&
		  (finding->remedy ? put_words(object, "remedy", finding->remedy) :
				     json_object_set_new(object, "remedy", json_null()) == 0);

	if (ok)
		return object;
	json_decref(object);
	return NULL;
}

json_t *findings_to_json(const struct findings *findings)
{
	json_t *root = json_object(), *array = json_array();
	bool ok = array;
	size_t i;

	for (i = 0; ok && i < findings->n; i++)
		ok = json_array_append_new(array, finding_to_json(&findings->list[i])) == 0;
	ok = json_object_set_new(root, "findings", array) == 0 && ok;
	if (ok)
		return root;
	json_decref(root);
	return NULL;
}

/* ---- text ---- */

static void print_finding(const struct finding *finding, size_t check_width, bool colour)
{
	size_t indent = strlen("PASS  ") + check_width + strlen("  ");

	printf("%s%s%s  %-*s  ", colour ? levels[finding->level].colour : "",
	       levels[finding->level].word, colour ? "\033[0m" : "", (int)check_width,
	       finding->check);
	wrap_print(indent, finding->message);
	if (finding->remedy)
		wrap_command(indent, finding->remedy);
}

void findings_print(const struct findings *findings, bool colour)
{
	size_t check_width = 0, i;

	for (i = 0; i < findings->n; i++)
		if (strlen(findings->list[i].check) > check_width)
			check_width = strlen(findings->list[i].check);
	for (i = 0; i < findings->n; i++)
		print_finding(&findings->list[i], check_width, colour);
}
