// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The map of memory as a drawing, for documents and browsers.
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>

#include "memory/memory_map.h"
#include "report/map_note.h"
#include "report/map_picture.h"

/* In pixels */
#define CELL   9
#define ROW    12
#define LEFT   56
#define NOTES  330
#define MARGIN 16
#define TOP    48

static const struct {
	const char *colour;
	const char *name;
} looks[LOOKS] = {
	[LOOK_ABSENT] = { NULL, NULL },
	[LOOK_FREE] = { "#d8eedb", "free" },
	[LOOK_PART] = { "#9ecbe6", "in use, less than half" },
	[LOOK_USED] = { "#4f94c4", "in use, can be moved" },
	[LOOK_HUGE] = { "#4b3f9e", "huge pages" },
	[LOOK_UNSURE] = { "#e8c268", "not known" },
	[LOOK_FIXED] = { "#d1495b", "has a page that can't be moved" },
};

static void draw_legend(FILE *f, int y)
{
	int x = LEFT, i;

	for (i = LOOK_FREE; i < LOOKS; i++) {
		fprintf(f,
			"<rect x=\"%d\" y=\"%d\" width=\"9\" height=\"9\" fill=\"%s\"/>\n"
			"<text x=\"%d\" y=\"%d\">%s</text>\n",
			x, y, looks[i].colour, x + 13, y + 9, looks[i].name);
		x += i == LOOK_PART || i == LOOK_USED ? 165 : 105;
	}
}

/* Equal neighbours are one rectangle */
static void draw_cells(const struct memory_map_row *row, FILE *f, int y)
{
	size_t i, end;

	for (i = 0; i < MEMORY_MAP_CELLS; i = end) {
		enum memory_map_look look = memory_map_look(row, i, 1);

		for (end = i + 1; end < MEMORY_MAP_CELLS && memory_map_look(row, end, 1) == look;)
			end++;
		if (looks[look].colour)
			fprintf(f,
				"<rect x=\"%zu\" y=\"%d\" width=\"%zu\" height=\"%d\" fill=\"%s\"/>\n",
				LEFT + i * CELL, y, (end - i) * CELL, ROW - 2, looks[look].colour);
	}
}

static void draw_row(const struct memory_map *map, const struct memory_map_row *row, FILE *f, int y)
{
	char note[MAP_NOTE_SIZE];
	const char *c;

	fprintf(f, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%" PRIu64 " G</text>\n", LEFT - 8,
		y + 9, row->gib);
	draw_cells(row, f, y);
	fprintf(f, "<text x=\"%d\" y=\"%d\">", (int)(LEFT + MEMORY_MAP_CELLS * CELL + 8), y + 9);
	for (c = map_note(map, row, note); *c; c++)
		fputs((char[]){ *c == '"' ? '\'' : *c, '\0' }, f);
	fputs("</text>\n", f);
}

/* Each node has a line above its rows */
static void draw_rows(const struct memory_map *map, int node, FILE *f)
{
	const struct memory_map_row *last = NULL;
	int y = TOP;
	size_t i;

	for (i = 0; i < map->n_rows; i++) {
		const struct memory_map_row *row = &map->rows[i];

		if (node >= 0 && row->node != (unsigned int)node)
			continue;
		if (!last || last->node != row->node) {
			fprintf(f, "<text x=\"%d\" y=\"%d\">Node %u</text>\n", LEFT, y + 9,
				row->node);
			y += ROW;
		}
		last = row;
		draw_row(map, row, f, y);
		y += ROW;
	}
}

static int count_lines(const struct memory_map *map, int node)
{
	int lines = 0;
	size_t i;

	for (i = 0; i < map->n_rows; i++)
		if (node < 0 || map->rows[i].node == (unsigned int)node)
			lines += !lines || map->rows[i].node != map->rows[i - 1].node ? 2 : 1;
	return lines;
}

void map_draw(const struct memory_map *map, int node, FILE *f)
{
	const int width = (int)(LEFT + MEMORY_MAP_CELLS * CELL + NOTES);
	const int height = TOP + count_lines(map, node) * ROW + MARGIN;

	fprintf(f,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
		"font-family=\"monospace\" font-size=\"10\" fill=\"#333\">\n"
		"<title>A map of memory: one row is 1 GiB, one cell 16 MiB</title>\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n"
		"<text x=\"%d\" y=\"18\" font-size=\"12\">One row is 1 GiB, one cell 16 MiB. "
		"On the right: the pages in the way of a huge page of 1 GiB</text>\n",
		width, height, width, LEFT);
	draw_legend(f, 28);
	draw_rows(map, node, f);
	fputs("</svg>\n", f);
}
