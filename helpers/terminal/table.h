/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tables on stdout, through libsmartcols.
 */
#ifndef MEMBACKING_TERMINAL_TABLE_H
#define MEMBACKING_TERMINAL_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "terminal/term.h"

struct err;
struct libscols_line;
struct libscols_table;

/**
 * struct table - A table while it is filled
 * @words:	The column of table_words(); 0: none
 * @failed:	Memory ran out on the way; table_end() says so
 */
struct table {
	struct libscols_table *scols;
	size_t words;
	bool failed;
};

/* How a column is shown */
enum table_look {
	TABLE_PLAIN = 0,
	TABLE_RIGHT = 1 << 0, /* numbers */
	TABLE_TREE = 1 << 1,  /* rows below their parent row */
	TABLE_LINES = 1 << 2, /* cells of several lines, separated by "\n" */
	TABLE_WORDS = 1 << 3, /* sentences, broken at words.  The last column */
};

struct table_column {
	const char *name;
	unsigned int look;
};

void table_begin(struct table *table, const struct table_column *columns, size_t n);

/* @parent: in a table with a tree, or NULL */
struct libscols_line *table_row(struct table *table, struct libscols_line *parent);

void table_cell(struct table *table, struct libscols_line *row, size_t column, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/**
 * table_words() - A cell of a column with TABLE_WORDS
 * @command:	Goes below it and is not broken; lives as long as the table.  NULL: none
 */
void table_words(struct table *table, struct libscols_line *row, const char *text,
		 const char *command);

/* Print no names of columns.  An empty name takes no width either */
void table_headless(struct table *table);

/* In @colour where the terminal has colours */
void table_colour(struct table *table, struct libscols_line *row, size_t column,
		  enum term_colour colour);

/* Print and free */
int table_end(struct table *table, struct err *err);

/* Free only */
int table_drop(struct table *table, struct err *err);

#endif
