// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The map of a node's memory as text and as JSON.
 */
#include "report/map_picture.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "memory/memory_map.h"
#include "report/map_note.h"
#include "terminal/term.h"

#define GIB_COLUMNS 7 /* "  24 G " */

/* Behind the cells: a number, or a sentence where there is room for it */
#define NUMBER_COLUMNS 9
#define NOTE_COLUMNS   60

/* A map reads without colours too */
static const struct {
	const char *utf8;
	char ascii;
	const char *colour;
	const char *name;
} looks[LOOKS] = {
	[LOOK_ABSENT] = { " ", ' ', "", "" },
	[LOOK_FREE] = { "·", '.', "\033[32m", "free" },
	[LOOK_PART] = { "▒", '-', "\033[36m", "in use, movable: less than half" },
	[LOOK_USED] = { "▓", '+', "\033[36m", "half or more" },
	[LOOK_HUGE] = { "■", 'H', "\033[34m", "huge pages" },
	[LOOK_UNSURE] = { "?", '?', "\033[33m", "not known" },
	[LOOK_FIXED] = { "×", 'x', "\033[31m", "has a page that can't be moved" },
};

_Static_assert(sizeof(looks) / sizeof(looks[0]) == LOOKS, "a look has no sign");

static void print_sign(enum memory_map_look look)
{
	if (term_is_utf8())
		fputs(looks[look].utf8, stdout);
	else
		putchar(looks[look].ascii);
}

void map_print_legend(void)
{
	static const enum memory_map_look order[] = { LOOK_FREE, LOOK_PART,   LOOK_USED,
						      LOOK_HUGE, LOOK_UNSURE, LOOK_FIXED };
	size_t i;

	for (i = 0; i < sizeof(order) / sizeof(*order); i++) {
		fputs(i == 3 ? "\n  " : "  ", stdout);
		print_sign(order[i]);
		printf(" %s", looks[order[i]].name);
	}
	puts("");
}

/* How many cells go into one sign, so that a row has room */
static size_t merged(unsigned int width)
{
	size_t n = 1;

	while (n < MEMORY_MAP_CELLS / 4 &&
	       GIB_COLUMNS + MEMORY_MAP_CELLS / n + NUMBER_COLUMNS > width)
		n *= 2;
	return n;
}

static void print_cells(const struct memory_map_row *row, size_t n)
{
	const bool colours = term_colours();
	const char *last = "";
	size_t i;

	for (i = 0; i < MEMORY_MAP_CELLS; i += n) {
		enum memory_map_look look = memory_map_look(row, i, n);

		if (colours && strcmp(looks[look].colour, last) != 0)
			printf("%s%s", *last ? "\033[0m" : "", looks[look].colour);
		last = looks[look].colour;
		print_sign(look);
	}
	if (colours && *last)
		fputs("\033[0m", stdout);
}

/* In few columns: a number, or whether the row could become a page of 1 GiB */
static void print_number(const struct memory_map *map, const struct memory_map_row *row)
{
	struct memory_map_cell sum = memory_map_sum(row, 0, MEMORY_MAP_CELLS);
	const char *text = "-";

	if (memory_map_is_clean(map, row))
		text = row->unsure && sum.unmarked ? "none?" : "none";
	if (sum.fixed)
		printf(" %*" PRIu32 "\n", NUMBER_COLUMNS - 1, sum.fixed);
	else
		printf(" %*s\n", NUMBER_COLUMNS - 1, text);
}

static void print_row(const struct memory_map *map, const struct memory_map_row *row, size_t n,
		      bool sentences)
{
	char note[MAP_NOTE_SIZE];

	printf("%4" PRIu64 " G ", row->gib);
	print_cells(row, n);
	if (sentences)
		printf(" %s\n", map_note(map, row, note));
	else
		print_number(map, row);
}

void map_print(const struct memory_map *map, unsigned int node, unsigned int width)
{
	size_t n = merged(width), i;
	int cells = (int)(MEMORY_MAP_CELLS / n);
	bool sentences = width >= GIB_COLUMNS + MEMORY_MAP_CELLS + NOTE_COLUMNS;
	char cell[TEXT_KIB_SIZE], lead[64];

	snprintf(lead, sizeof(lead), "one sign is %s",
		 text_from_kib(n * MEMORY_MAP_CELL_KIB, cell));
	if (sentences)
		printf("%*s%-*s IN THE WAY\n", GIB_COLUMNS, "", cells, lead);
	else
		printf("%*s%-*.*s IN THE WAY\n", GIB_COLUMNS, "", cells - 2, cells - 2, lead);
	for (i = 0; i < map->n_rows; i++)
		if (map->rows[i].node == node)
			print_row(map, &map->rows[i], n, sentences);
}

/* ---- JSON ---- */

static json_t *owners_to_json(const struct memory_map_row *row)
{
	json_t *owners = json_object();
	int i;

	for (i = 0; owners && i < PAGE_OWNERS; i++)
		json_object_set_new(owners, map_owner_key(i),
				    json_integer(json_number(row->owners[i])));
	return owners;
}

static json_t *row_to_json(const struct memory_map *map, const struct memory_map_row *row)
{
	struct memory_map_cell sum = memory_map_sum(row, 0, MEMORY_MAP_CELLS);
	char cells[MEMORY_MAP_CELLS + 1] = "";
	size_t i;

	for (i = 0; i < MEMORY_MAP_CELLS; i++)
		cells[i] = looks[memory_map_look(row, i, 1)].ascii;
	return json_pack("{s:I, s:s, s:I, s:I, s:I, s:I, s:I, s:o, s:b, s:b}", "gib",
			 json_number(row->gib), "cells", cells, "kib",
			 json_number(sum.seen * map->page_kib), "free_kib",
			 json_number(sum.free * map->page_kib), "huge_kib",
			 json_number(sum.huge * map->page_kib), "unmarked_kib",
			 json_number(sum.unmarked * map->page_kib), "fixed_pages",
			 json_number(sum.fixed), "fixed_by", owners_to_json(row), "clean",
			 memory_map_is_clean(map, row), "unsure", row->unsure && sum.unmarked);
}

json_t *map_to_json(const struct memory_map *map, unsigned int node)
{
	json_t *rows = json_array();
	size_t i;

	for (i = 0; i < map->n_rows; i++)
		if (map->rows[i].node == node)
			json_add(&rows, row_to_json(map, &map->rows[i]));
	return rows;
}
