// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Text wrapped to the terminal's width.
 */
#include "terminal/wrap.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "terminal/term.h"

/* Columns that the @len bytes at @text take on a terminal */
static size_t width(const char *text, size_t len)
{
	mbstate_t state = { 0 };
	size_t columns = 0, used;
	wchar_t wc;

	for (; len; text += used, len -= used) {
		used = mbrtowc(&wc, text, len, &state);
		if (used == 0 || used > len) {
			/* No character of this locale: a byte is a column */
			state = (mbstate_t){ 0 };
			used = 1;
			wc = L'?';
		}
		columns += wcwidth(wc) > 0 ? (size_t)wcwidth(wc) : 0;
	}
	return columns;
}

size_t wrap_width(const char *text)
{
	return width(text, strlen(text));
}

/* @indent: what there is in the line already; further lines begin with @margin blanks */
static void wrap_to(FILE *f, const char *given, size_t indent, size_t margin)
{
	/* A terminal need not go on in the same line after its last column */
	size_t columns_max = term_width() - 1;
	cleanup_free char *copy = strdup(given);
	const char *text = copy;
	size_t column = indent;

	if (!copy)
		return;
	text_disarm(copy, "");
	while (*text) {
		size_t len = strcspn(text, " "), columns = width(text, len);

		if (column > indent && column + 1 + columns > columns_max) {
			fprintf(f, "\n%*s", (int)margin, "");
			column = indent;
		} else if (column > indent) {
			fputc(' ', f);
			column++;
		}
		fprintf(f, "%.*s", (int)len, text);
		column += columns;
		text += len + (text[len] == ' ');
	}
}

void wrap_print(size_t indent, const char *text)
{
	wrap_to(stdout, text, indent, indent);
	putchar('\n');
}

char *wrap_cell(size_t indent, const char *text, const char *command)
{
	char *cell = NULL, *line;
	size_t size;
	FILE *f = open_memstream(&cell, &size);

	if (!f)
		return NULL;
	wrap_to(f, text, indent, 0);
	if (command) {
		fputs("\n-> ", f);
		line = strdup(command);
		if (line)
			text_disarm(line, "");
		fputs(line ? line : "", f);
		free(line);
	}
	if (fclose(f) == 0)
		return cell;
	free(cell);
	return NULL;
}

void wrap_print_line(const char *fmt, ...)
{
	cleanup_free char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	if (!text)
		return;
	text_disarm(text, "");
	puts(text);
}

void wrap_print_text(const char *given)
{
	cleanup_free char *text = strdup(given);

	if (!text)
		return;
	text_disarm(text, "\n\t");
	fputs(text, stdout);
}

void wrap_printf(const char *fmt, ...)
{
	cleanup_free char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	if (text)
		wrap_print(0, text);
}

void wrap_note(size_t index, const char *text)
{
	static const char lead[] = "note: ";

	printf("%s%s", index ? "" : "\n", lead);
	wrap_print(sizeof(lead) - 1, text);
}

void wrap_command(size_t indent, const char *command)
{
	printf("%*s", (int)indent, "");
	wrap_print_line("-> %s", command);
}
