/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Looking at every page of the host, while a command waits for it.
 */
#ifndef MEMBACKING_REPORT_PAGE_SCAN_H
#define MEMBACKING_REPORT_PAGE_SCAN_H

#include <stdint.h>

struct fragmentation;
struct host_view;
struct kfs;
struct memory_map;

/* For commands that have other things to say: a host of 128 GiB was looked at in that */
#define PAGE_SCAN_PATIENCE_MS 2000

/**
 * page_scan_read() - page_flags_read() for the huge pages of @host
 * @map:	Filled, too; NULL: not
 * @patience_ms: Give up after that; 0: never, and show on the terminal how far it is
 * Return: as page_flags_read().  Without it @f is as good as it was
 */
int page_scan_read(const struct kfs *kfs, const struct host_view *host, struct fragmentation *f,
		   struct memory_map *map, uint64_t patience_ms);

#endif
