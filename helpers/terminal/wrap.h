/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sentences, broken at the width of the terminal; in 80 columns elsewhere.
 */
#ifndef MEMBACKING_TERMINAL_WRAP_H
#define MEMBACKING_TERMINAL_WRAP_H

#include <stddef.h>

/**
 * wrap_print() - A paragraph on stdout, with a newline behind it
 * @indent:	The column where the cursor is, and where each further line begins
 *
 * Names and values in what all these print may come from elsewhere: see text_disarm().
 */
void wrap_print(size_t indent, const char *text);

/**
 * wrap_cell() - A paragraph for a table, and a command below it
 * @indent:	The column where the cell begins
 * @command:	Not broken: it is there to be copied.  NULL: none
 *
 * Return: lines separated by "\n", to be freed; NULL when memory ran out
 */
char *wrap_cell(size_t indent, const char *text, const char *command);

/* Columns that @text takes on a terminal */
size_t wrap_width(const char *text);

/* A line that isn't broken; without a newline in @fmt */
void wrap_print_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Lines as they are */
void wrap_print_text(const char *text);

/* wrap_print() from the first column on */
void wrap_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* "note: ...", below the others and, if it is the first one, below an empty line */
void wrap_note(size_t index, const char *text);

/* A command in a line of its own.  It is not broken: it is there to be copied */
void wrap_command(size_t indent, const char *command);

#endif
