// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Where a huge page of 1 GiB can be made, page by page.
 */
#include "report/page_scan.h"

#include <stddef.h>

#include "base/clock.h"
#include "memory/fragmentation.h"
#include "memory/memory_map.h"
#include "memory/page_flags.h"
#include "policy/host_view.h"
#include "terminal/progress.h"

static void show(void *data, uint64_t done_kib, uint64_t all_kib)
{
	progress_draw(data, done_kib, all_kib);
}

static void add_to_map(void *data, const struct fragmentation_zone *zone, uint64_t pfn,
		       const uint64_t *flags, size_t n)
{
	memory_map_add(data, zone, pfn, flags, n);
}

int page_scan_read(const struct kfs *kfs, const struct host_view *host, struct fragmentation *f,
		   struct memory_map *map, uint64_t patience_ms)
{
	uint64_t sizes[FRAGMENTATION_SIZES];
	struct progress progress;
	struct page_flags_watch watch = { .data = &progress, .chunk_data = map };
	size_t n = u64_min(host->n_sizes, FRAGMENTATION_SIZES), i;
	int rc;

	for (i = 0; i < n; i++)
		sizes[i] = host->sizes[i].page_kib;
	if (map) {
		map->page_kib = f->page_kib;
		watch.chunk = add_to_map;
	}
	progress_begin(&progress, "looking at pages");
	if (patience_ms)
		watch.deadline = clock_ms() + patience_ms;
	else
		watch.progress = show;
	rc = page_flags_read(kfs, f, sizes, n, &watch, NULL);
	progress_end(&progress);
	return rc;
}
