// SPDX-License-Identifier: LGPL-2.1-or-later
#include "terminal/table.h"

#include <errno.h>
#include <libsmartcols/libsmartcols.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/text.h"

static int scols_flags(unsigned int look)
{
	int flags = 0;

	if (look & TABLE_RIGHT)
		flags |= SCOLS_FL_RIGHT;
	if (look & TABLE_TREE)
		flags |= SCOLS_FL_TREE;
	if (look & TABLE_LINES)
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
	if (column->look & TABLE_LINES) {
		scols_column_set_wrapfunc(added, scols_wrapnl_chunksize, scols_wrapnl_nextchunk,
					  NULL);
		scols_column_set_safechars(added, "\n");
	}
}

void table_begin(struct table *table, const struct table_column *columns, size_t n)
{
	size_t i;

	table->scols = scols_new_table();
	table->failed = !table->scols;
	if (table->failed)
		return;
	scols_table_set_column_separator(table->scols, "  ");
	for (i = 0; i < n; i++)
		add_column(table, &columns[i]);
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

int table_drop(struct table *table, struct err *err)
{
	scols_unref_table(table->scols);
	table->scols = NULL;
	return table->failed ? err_set(err, ENOMEM, "out of memory") : 0;
}

int table_end(struct table *table, struct err *err)
{
	char *text = NULL;

	if (!table->failed && scols_print_table_to_string(table->scols, &text) < 0)
		table->failed = true;
	if (!table->failed)
		print_trimmed(text);
	free(text);
	return table_drop(table, err);
}
