// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The difference of two texts, as diff -u shows it.
 */
#include "profiles/difference.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define CONTEXT 3

/**
 * struct side - The lines of a text
 * @line:	Where each begins, and behind them where the text ends
 * @end:	What follows is the same in both texts
 */
struct side {
	const char **line;
	size_t n;
	size_t end;
};

static size_t length(const struct side *side, size_t i)
{
	return (size_t)(side->line[i + 1] - side->line[i]);
}

static size_t count_lines(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += *text == '\n' || !text[1];
	return n;
}

static int side_begin(struct side *side, const char *text, struct err *err)
{
	size_t i;

	side->n = side->end = count_lines(text);
	side->line = calloc(side->n + 1, sizeof(*side->line));
	if (!side->line)
		return err_nomem(err);
	for (i = 0; i < side->n; i++) {
		side->line[i] = text;
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	side->line[i] = text;
	return 0;
}

static bool same_line(const struct side *a, size_t i, const struct side *b, size_t k)
{
	return length(a, i) == length(b, k) && !memcmp(a->line[i], b->line[k], length(a, i));
}

/* Return: the first line that differs */
static size_t narrow(struct side *a, struct side *b)
{
	size_t first = 0;

	while (first < a->n && first < b->n && same_line(a, first, b, first))
		first++;
	while (a->end > first && b->end > first && same_line(a, a->end - 1, b, b->end - 1)) {
		a->end--;
		b->end--;
	}
	return first;
}

static void print_lines(FILE *f, char sign, const struct side *side, size_t first, size_t end)
{
	for (; first < end; first++) {
		size_t len = length(side, first);

		fprintf(f, "%c%.*s", sign, (int)len, side->line[first]);
		if (side->line[first][len - 1] != '\n')
			fputs("\n\\ No newline at end of file\n", f);
	}
}

/* An empty range is named by the line before it */
static void print_range(FILE *f, const char *sign, size_t first, size_t n)
{
	fprintf(f, "%s%zu,%zu", sign, n ? first + 1 : first, n);
}

/* From line @start of both on, with @after lines behind the last that differs */
static void print_changes(FILE *f, const struct side *a, const struct side *b, size_t start,
			  size_t first, size_t after)
{
	print_lines(f, ' ', a, start, first);
	print_lines(f, '-', a, first, a->end);
	print_lines(f, '+', b, first, b->end);
	print_lines(f, ' ', a, a->end, a->end + after);
}

static void print_hunk(FILE *f, const struct side *a, const struct side *b, size_t first)
{
	size_t before = first < CONTEXT ? first : CONTEXT;
	size_t after = a->n - a->end < CONTEXT ? a->n - a->end : CONTEXT;
	size_t start = first - before;

	print_range(f, "@@ -", start, a->end + after - start);
	print_range(f, " +", start, b->end + after - start);
	fputs(" @@\n", f);
	print_changes(f, a, b, start, first, after);
}

static void print_name(FILE *f, const char *lead, const char *prefix, const char *path, bool is)
{
	if (is)
		fprintf(f, "%s %s/%s\n", lead, prefix, path);
	else
		fprintf(f, "%s /dev/null\n", lead);
}

static void print(FILE *f, const char *path, struct side *a, struct side *b, bool was, bool is)
{
	size_t first = narrow(a, b);

	if (!path)
		print_changes(f, a, b, 0, first, a->n - a->end);
	if (!path || (a->end == first && b->end == first))
		return;
	print_name(f, "---", "a", path, was);
	print_name(f, "+++", "b", path, is);
	print_hunk(f, a, b, first);
}

int difference(const char *path, const char *old, const char *new, char **text, struct err *err)
{
	struct side a = { 0 }, b = { 0 };
	int rc = side_begin(&a, old ? old : "", err);
	FILE *f = NULL;
	size_t size;

	if (rc == 0)
		rc = side_begin(&b, new ? new : "", err);
	if (rc == 0)
		f = open_memstream(text, &size);
	if (f)
		print(f, path, &a, &b, old, new);
	free(a.line);
	free(b.line);
	if (f && fclose(f) == 0)
		return 0;
	if (f)
		free(*text);
	return err_nomem(err);
}
