/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The map of a node's memory: as text, as JSON, and as a drawing.
 */
#ifndef MEMBACKING_REPORT_MAP_PICTURE_H
#define MEMBACKING_REPORT_MAP_PICTURE_H

#include <jansson.h>
#include <stdio.h>

struct memory_map;

/**
 * map_print() - The rows of @node, on stdout
 * @width:	Columns of the terminal.  Where a row does not fit, cells are put together
 */
void map_print(const struct memory_map *map, unsigned int node, unsigned int width);

/* What the signs mean */
void map_print_legend(void);

/* An array of rows.  NULL when memory ran out */
json_t *map_to_json(const struct memory_map *map, unsigned int node);

/**
 * map_draw() - All rows of all nodes as SVG
 * @node:	This one only; -1: all
 */
void map_draw(const struct memory_map *map, int node, FILE *f);

#endif
