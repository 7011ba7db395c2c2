/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What keeps a GiB from becoming one huge page, in words.
 */
#ifndef MEMBACKING_REPORT_MAP_NOTE_H
#define MEMBACKING_REPORT_MAP_NOTE_H

struct memory_map;
struct memory_map_row;

#define MAP_NOTE_SIZE 128

/* Return: @buf, "8977: 8000 slab, 977 page tables" */
const char *map_note(const struct memory_map *map, const struct memory_map_row *row,
		     char buf[MAP_NOTE_SIZE]);

/* In JSON.  @owner: enum page_owner */
const char *map_owner_key(int owner);

#endif
