/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What to bring in ahead of faults.  Pure: no clock, no system call.
 *
 * Streams: a fault on the page after the last loaded window goes on with a window twice as large,
 * 8 to 63 pages.  Neighbourhoods: a fault loads the rest of its 64 KiB while more of what was so
 * loaded turns out to be used than chance explains; a probe now and then notices a change.
 *
 * One thread calls at a time.
 */
#ifndef MEMBACKING_PAGER_READ_AHEAD_H
#define MEMBACKING_PAGER_READ_AHEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* With the page that faulted a stream's window is as much as is loaded at once */
enum { READ_AHEAD_MAX = 64, STREAM_MOST = READ_AHEAD_MAX - 1 };

struct read_ahead;

/*
 * Return: NULL without memory.  @pages: of the guest; @limit:
 * resident ones.  It takes less than a page, however many
 */
struct read_ahead *read_ahead_new(uint64_t pages, uint64_t limit);
void read_ahead_free(struct read_ahead *ra);
/* Any thread */
void read_ahead_set_limit(struct read_ahead *ra, uint64_t limit);

/**
 * struct read_ahead_range - Pages worth loading beside the one that faulted
 * @first, @n:	They may contain that page, and pages that are in RAM: the caller leaves these out.
 *		@n is 0: none; never above READ_AHEAD_MAX
 * @stream:	They belong to a stream: load and map them (COPY).  Else neighbours: into the file
 *		only, so that the page table tells later which were used
 * @full:	The stream's windows have their largest size: the next ones begin every
 *		READ_AHEAD_MAX pages behind this one, whatever pages were in RAM at its beginning
 */
struct read_ahead_range {
	uint64_t first;
	uint64_t n;
	bool stream, full;
};

/* A fault on a page that has to be loaded */
struct read_ahead_range read_ahead_fault(struct read_ahead *ra, uint64_t page);
/*
 * Of @loaded neighbours @used were used before they were evicted again.  Said of used ones too
 * when they go, not earlier: otherwise the used ones of a moment come before its unused ones
 */
void read_ahead_result(struct read_ahead *ra, uint64_t loaded, uint64_t used);

#endif
