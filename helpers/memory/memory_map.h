/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A map of memory: a row per GiB, a cell per 16 MiB, and what is in the way of huge pages.
 */
#ifndef MEMBACKING_MEMORY_MEMORY_MAP_H
#define MEMBACKING_MEMORY_MEMORY_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory/page_flags.h"

struct err;
struct fragmentation;
struct fragmentation_zone;

#define MEMORY_MAP_ROW_KIB  (UINT64_C(1) << 20)
#define MEMORY_MAP_CELL_KIB (UINT64_C(16) << 10)
#define MEMORY_MAP_CELLS    (MEMORY_MAP_ROW_KIB / MEMORY_MAP_CELL_KIB)

/**
 * struct memory_map_cell - Pages of 16 MiB by their kind
 * @seen:	All that are memory
 */
struct memory_map_cell {
	uint32_t seen;
	uint32_t free;
	uint32_t unmarked;
	uint32_t huge;
	uint32_t fixed;
};

/**
 * struct memory_map_row - One GiB, as far as it lies in @node
 * @gib:	Its physical address
 * @owners:	Pages that can't be moved, by what has them
 * @unsure:	Its zone has more pages without a mark than processors keep ready
 * @movable_zone: In a zone that gigantic pages are not taken from
 */
struct memory_map_row {
	unsigned int node;
	uint64_t gib;
	bool unsure;
	bool movable_zone;
	uint64_t owners[PAGE_OWNERS];
	struct memory_map_cell cells[MEMORY_MAP_CELLS];
};

/**
 * struct memory_map - Rows in the order of nodes and addresses
 * @failed:	Memory ran out on the way
 */
struct memory_map {
	uint64_t page_kib;
	bool failed;
	size_t n_rows;
	struct memory_map_row *rows;
};

/* memory_map_add() - @n pages of @zone from @pfn on.  Pages must come in rising order by zone */
void memory_map_add(struct memory_map *map, const struct fragmentation_zone *zone, uint64_t pfn,
		    const uint64_t *flags, size_t n);

/* What is known only when all pages of @f were added.  Return: 0; -ENOMEM with a sentence */
int memory_map_finish(struct memory_map *map, const struct fragmentation *f, struct err *err);

void memory_map_free(struct memory_map *map);

/* How a cell looks */
enum memory_map_look {
	LOOK_ABSENT, /* no memory */
	LOOK_FREE,
	LOOK_PART,   /* less than half is in use, all of it movable */
	LOOK_USED,   /* half or more is */
	LOOK_UNSURE, /* has pages without a mark, which may be in use by the kernel */
	LOOK_HUGE,   /* half or more is huge pages */
	LOOK_FIXED,  /* has a page that can't be moved */
	LOOKS
};

/**
 * memory_map_look() - Of @n cells of @row, from @first on
 *
 * What keeps a huge page from being made is seen before all else.
 */
enum memory_map_look memory_map_look(const struct memory_map_row *row, size_t first, size_t n);

/* Sum of its cells */
struct memory_map_cell memory_map_sum(const struct memory_map_row *row, size_t first, size_t n);

/* Can the whole row become one page?  Only if it is memory from end to end.  Look at @unsure */
bool memory_map_is_clean(const struct memory_map *map, const struct memory_map_row *row);

#endif
