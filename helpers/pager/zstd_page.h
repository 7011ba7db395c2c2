/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Single pages through zstd, in memory that is there from the beginning.
 *
 * DOC: no page is lost to a lack of memory
 *
 * What reads pages is made, and used once, when a guest's tiers are opened: later no read allocates
 * anything.  There are two of them, so that the thread that answers faults rarely meets another
 * thread that reads, and then waits for one page.
 */
#ifndef MEMBACKING_PAGER_ZSTD_PAGE_H
#define MEMBACKING_PAGER_ZSTD_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct zstd_page;

/* Return: 0 or -ENOMEM */
int zstd_page_open(struct zstd_page **zstd, struct err *err);
void zstd_page_close(struct zstd_page *zstd);
/* What all of it takes, in bytes */
size_t zstd_page_bytes(const struct zstd_page *zstd);

/**
 * zstd_page_pack() - Compress a page
 * @packed:	Room for @max bytes
 *
 * One thread at a time.  Return: bytes; 0: it gets no smaller than @max, or there is no memory
 */
size_t zstd_page_pack(struct zstd_page *zstd, const void *page, void *packed, size_t max);

/**
 * zstd_page_unpack() - The page again
 * @packed:	@bytes in memory that no other thread changes, and that has no errors
 *
 * Any thread.  It holds a lock meanwhile, and survives a memory error of the host in what it works
 * with.
 *
 * Return: false: these bytes are no page, or can't be read now
 */
bool zstd_page_unpack(struct zstd_page *zstd, const void *packed, size_t bytes, void *page);

#endif
