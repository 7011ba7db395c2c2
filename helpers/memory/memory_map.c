// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Pages counted into the cells of a map.
 */
#include "memory/memory_map.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/text.h"
#include "memory/fragmentation.h"

static uint64_t row_pages(const struct memory_map *map)
{
	return MEMORY_MAP_ROW_KIB / map->page_kib;
}

static uint64_t cell_pages(const struct memory_map *map)
{
	return MEMORY_MAP_CELL_KIB / map->page_kib;
}

/* Zones of a node follow one another, and two of them may share a row */
static struct memory_map_row *find_row(struct memory_map *map, unsigned int node, uint64_t gib)
{
	struct memory_map_row *rows;
	size_t i;

	for (i = map->n_rows; i > 0; i--)
		if (map->rows[i - 1].node == node && map->rows[i - 1].gib == gib)
			return &map->rows[i - 1];
	rows = reallocarray(map->rows, map->n_rows + 1, sizeof(*rows));
	if (!rows) {
		map->failed = true;
		return NULL;
	}
	map->rows = rows;
	rows[map->n_rows] = (struct memory_map_row){ .node = node, .gib = gib };
	return &rows[map->n_rows++];
}

static void count(struct memory_map_row *row, struct memory_map_cell *cell, uint64_t flags)
{
	enum page_kind kind = page_kind(flags);

	cell->seen += kind != PAGE_ABSENT;
	cell->free += kind == PAGE_FREE;
	cell->unmarked += kind == PAGE_UNMARKED;
	cell->huge += kind == PAGE_HUGE;
	cell->fixed += kind == PAGE_FIXED;
	if (kind == PAGE_FIXED)
		row->owners[page_owner(flags)]++;
}

static void add_to_row(struct memory_map *map, struct memory_map_row *row, uint64_t pfn,
		       const uint64_t *flags, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		uint64_t cell = (pfn + i) % row_pages(map) / cell_pages(map);

		count(row, &row->cells[cell], flags[i]);
	}
}

void memory_map_add(struct memory_map *map, const struct fragmentation_zone *zone, uint64_t pfn,
		    const uint64_t *flags, size_t n)
{
	while (n) {
		size_t part = u64_min(n, row_pages(map) - pfn % row_pages(map));
		struct memory_map_row *row = find_row(map, zone->node, pfn / row_pages(map));

		if (!row)
			return;
		row->movable_zone |= fragmentation_is_movable(zone);
		add_to_row(map, row, pfn, flags, part);
		pfn += part;
		flags += part;
		n -= part;
	}
}

static bool has_part_of(const struct memory_map *map, const struct memory_map_row *row,
			const struct fragmentation_zone *zone)
{
	uint64_t first = row->gib * row_pages(map);

	return zone->node == row->node && zone->start < first + row_pages(map) &&
	       u64_add_sat(zone->start, zone->spanned) > first;
}

/* By node, then by address */
static int compare_rows(const void *a, const void *b)
{
	const struct memory_map_row *x = a, *y = b;

	if (x->node != y->node)
		return x->node < y->node ? -1 : 1;
	return x->gib < y->gib ? -1 : x->gib > y->gib;
}

int memory_map_finish(struct memory_map *map, const struct fragmentation *f, struct err *err)
{
	size_t i, j;

	if (map->failed)
		return err_nomem(err);
	for (i = 0; i < map->n_rows; i++)
		for (j = 0; j < f->n_zones; j++)
			map->rows[i].unsure |= has_part_of(map, &map->rows[i], &f->zones[j]) &&
					       fragmentation_unsure(&f->zones[j]);
	if (map->n_rows)
		qsort(map->rows, map->n_rows, sizeof(*map->rows), compare_rows);
	return 0;
}

void memory_map_free(struct memory_map *map)
{
	free(map->rows);
	*map = (struct memory_map){ 0 };
}

struct memory_map_cell memory_map_sum(const struct memory_map_row *row, size_t first, size_t n)
{
	struct memory_map_cell sum = { 0 };
	size_t i;

	for (i = first; i < first + n && i < MEMORY_MAP_CELLS; i++) {
		sum.seen += row->cells[i].seen;
		sum.free += row->cells[i].free;
		sum.unmarked += row->cells[i].unmarked;
		sum.huge += row->cells[i].huge;
		sum.fixed += row->cells[i].fixed;
	}
	return sum;
}

enum memory_map_look memory_map_look(const struct memory_map_row *row, size_t first, size_t n)
{
	struct memory_map_cell sum = memory_map_sum(row, first, n);
	uint32_t idle = sum.free + sum.unmarked;

	if (!sum.seen)
		return LOOK_ABSENT;
	if (sum.fixed)
		return LOOK_FIXED;
	if (sum.huge && 2 * sum.huge >= sum.seen)
		return LOOK_HUGE;
	if (sum.unmarked && row->unsure)
		return LOOK_UNSURE;
	if (idle == sum.seen)
		return LOOK_FREE;
	return 2 * idle > sum.seen ? LOOK_PART : LOOK_USED;
}

bool memory_map_is_clean(const struct memory_map *map, const struct memory_map_row *row)
{
	struct memory_map_cell sum = memory_map_sum(row, 0, MEMORY_MAP_CELLS);

	return sum.seen == row_pages(map) && !sum.fixed && !sum.huge && !row->movable_zone;
}
