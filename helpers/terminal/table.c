// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Tables, laid out by libsmartcols.
 */
#include "terminal/table.h"

#include <errno.h>
#include <libsmartcols/libsmartcols.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/text.h"
#include "terminal/wrap.h"

#define SEPARATOR "  "

static int scols_flags(unsigned int look)
{
	int flags = 0;

	if (look & TABLE_RIGHT)
		flags |= SCOLS_FL_RIGHT;
	if (look & TABLE_TREE)
		flags |= SCOLS_FL_TREE;
	if (look & (TABLE_LINES | TABLE_WORDS))
		flags |= SCOLS_FL_WRAP;
	return flags;
}

static void add_column(struct table *table, const struct table_column *column)
{
	struct libscols_column *added =
		scols_table_new_column(table->scols, column->name, 0, scols_flags(column->look));

	if (!added) {
		table->failed = true;
		return;
	}
	/* Only at a newline: numbers torn apart are no numbers */
	if (column->look & (TABLE_LINES | TABLE_WORDS)) {
		scols_column_set_wrapfunc(added, scols_wrapnl_chunksize, scols_wrapnl_nextchunk,
					  NULL);
		scols_column_set_safechars(added, "\n");
	}
}

void table_begin(struct table *table, const struct table_column *columns, size_t n)
{
	size_t i;

	table->scols = scols_new_table();
	table->words = 0;
	table->failed = !table->scols;
	if (table->failed)
		return;
	scols_table_set_column_separator(table->scols, SEPARATOR);
	for (i = 0; i < n; i++) {
		add_column(table, &columns[i]);
		if (columns[i].look & TABLE_WORDS)
			table->words = i;
	}
	/* Sentences are broken here; commands below them must not be */
	if (table->words)
		scols_table_set_termforce(table->scols, SCOLS_TERMFORCE_NEVER);
}

void table_headless(struct table *table)
{
	if (!table->failed)
		scols_table_enable_noheadings(table->scols, 1);
}

struct libscols_line *table_row(struct table *table, struct libscols_line *parent)
{
	struct libscols_line *row = table->failed ? NULL :
						    scols_table_new_line(table->scols, parent);

	if (!row)
		table->failed = true;
	return row;
}

void table_cell(struct table *table, struct libscols_line *row, size_t column, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	if (text)
		text_disarm(text, "\n");
	if (table->failed || !text || scols_line_refer_data(row, column, text) < 0) {
		table->failed = true;
		free(text);
	}
}

void table_words(struct table *table, struct libscols_line *row, const char *text,
		 const char *command)
{
	table_cell(table, row, table->words, "%s", text);
	if (!table->failed)
		scols_line_set_userdata(row, (void *)(uintptr_t)command);
}

void table_colour(struct table *table, struct libscols_line *row, size_t column,
		  enum term_colour colour)
{
	struct libscols_cell *cell;

	if (table->failed || colour == TERM_PLAIN || !term_colours())
		return;
	cell = scols_line_get_cell(row, column);
	if (scols_table_enable_colors(table->scols, 1) < 0 || !cell ||
	    scols_cell_set_color(cell, term_colour(colour)) < 0)
		table->failed = true;
}

/* libsmartcols fills empty cells at the end of a line with blanks */
static void print_trimmed(const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "\n"), shown = len;

		while (shown && text[shown - 1] == ' ')
			shown--;
		printf("%.*s\n", (int)shown, text);
		text += len + (text[len] == '\n');
	}
}

/* Where the column of sentences begins */
static size_t words_begin(const struct table *table, struct libscols_iter *lines)
{
	bool headless = scols_table_is_noheadings(table->scols);
	struct libscols_line *line;
	size_t column, begin = 0;

	for (column = 0; column < table->words; column++) {
		const char *name =
			scols_column_get_name(scols_table_get_column(table->scols, column));
		size_t width = headless || !name ? 0 : wrap_width(name);

		scols_reset_iter(lines, SCOLS_ITER_FORWARD);
		while (scols_table_next_line(table->scols, lines, &line) == 0) {
			const char *text = scols_cell_get_data(scols_line_get_cell(line, column));

			if (text && wrap_width(text) > width)
				width = wrap_width(text);
		}
		begin += width + strlen(SEPARATOR);
	}
	return begin;
}

/* Once it is known how wide the columns before are */
static void wrap_words(struct table *table)
{
	struct libscols_iter *lines = scols_new_iter(SCOLS_ITER_FORWARD);
	size_t begin = lines ? words_begin(table, lines) : 0;
	struct libscols_line *line;

	table->failed = !lines;
	scols_reset_iter(lines, SCOLS_ITER_FORWARD);
	while (!table->failed && scols_table_next_line(table->scols, lines, &line) == 0) {
		struct libscols_cell *cell = scols_line_get_cell(line, table->words);
		char *text =
			wrap_cell(begin, scols_cell_get_data(cell), scols_line_get_userdata(line));

		if (!text || scols_cell_refer_data(cell, text) < 0)
			table->failed = true;
	}
	scols_free_iter(lines);
}

int table_drop(struct table *table, struct err *err)
{
	scols_unref_table(table->scols);
	table->scols = NULL;
	return table->failed ? err_nomem(err) : 0;
}

int table_end(struct table *table, struct err *err)
{
	char *text = NULL;

	if (!table->failed && table->words)
		wrap_words(table);
	if (!table->failed && scols_print_table_to_string(table->scols, &text) < 0)
		table->failed = true;
	if (!table->failed)
		print_trimmed(text);
	free(text);
	return table_drop(table, err);
}
