// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What keeps a GiB from becoming one huge page, in words.
 */
#include "report/map_note.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "memory/memory_map.h"

static const struct {
	const char *key;
	const char *name;
} owners[PAGE_OWNERS] = {
	[OWNER_SLAB] = { "slab", "slab" },
	[OWNER_TABLES] = { "page_tables", "page tables" },
	[OWNER_RESERVED] = { "reserved", "reserved" },
	[OWNER_OTHER] = { "other", "other" },
};

const char *map_owner_key(int owner)
{
	return owners[owner].key;
}

static const char *fixed_note(const struct memory_map_row *row, uint64_t fixed, char *buf)
{
	const char *lead = ": ";
	size_t used;
	int i;

	snprintf(buf, MAP_NOTE_SIZE, "%" PRIu64, fixed);
	for (i = 0; i < PAGE_OWNERS; i++) {
		if (!row->owners[i])
			continue;
		used = strlen(buf);
		snprintf(buf + used, MAP_NOTE_SIZE - used, "%s%" PRIu64 " %s", lead, row->owners[i],
			 owners[i].name);
		lead = ", ";
	}
	return buf;
}

const char *map_note(const struct memory_map *map, const struct memory_map_row *row,
		     char buf[MAP_NOTE_SIZE])
{
	struct memory_map_cell sum = memory_map_sum(row, 0, MEMORY_MAP_CELLS);
	const char *text = "-";
	char size[TEXT_KIB_SIZE];

	if (sum.fixed)
		return fixed_note(row, sum.fixed, buf);
	if (sum.huge) {
		snprintf(buf, MAP_NOTE_SIZE, "%s of huge pages",
			 text_from_kib(sum.huge * map->page_kib, size));
		return buf;
	}
	if (row->movable_zone)
		text = "none, but no page of 1 GiB comes from zone Movable";
	else if (memory_map_is_clean(map, row))
		text = row->unsure && sum.unmarked ? "none, if \"?\" is free" :
						     "none: could become a page of 1 GiB";
	else
		text = "none, but it is no whole GiB";
	snprintf(buf, MAP_NOTE_SIZE, "%s", text);
	return buf;
}
