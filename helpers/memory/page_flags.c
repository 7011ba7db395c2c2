// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What each page of memory is used for, from /proc/kpageflags.
 */
#include "memory/page_flags.h"

#include <errno.h>
#include <linux/kernel-page-flags.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/text.h"
#include "kernel/kfs.h"
#include "memory/fragmentation.h"

#define FLAGS_FILE "proc/kpageflags"

/* Pages that are read at once: the flags of 256 MiB */
#define CHUNK 65536

/* As many as the largest compound pages have, but those of 1 GiB */
#define UNIT	   512

#define FLAG(name) (UINT64_C(1) << (name))

/* In the kernel's headers for programs since 5.1, and not in older ones */
#ifndef KPF_PGTABLE
#define KPF_PGTABLE 26
#endif
/* Only in the kernel's own headers (include/linux/kernel-page-flags.h) */
#define KPF_RESERVED 32

#define FIXED_FLAGS                                                                                \
	(FLAG(KPF_SLAB) | FLAG(KPF_RESERVED) | FLAG(KPF_PGTABLE) | FLAG(KPF_HWPOISON) |            \
	 FLAG(KPF_ZERO_PAGE))
#define MOVABLE_FLAGS (FLAG(KPF_LRU) | FLAG(KPF_ANON) | FLAG(KPF_THP))

enum page_kind page_kind(uint64_t flags)
{
	if (!flags)
		return PAGE_UNMARKED;
	if (flags & FLAG(KPF_NOPAGE))
		return PAGE_ABSENT;
	if (flags & FIXED_FLAGS)
		return PAGE_FIXED;
	if (flags & FLAG(KPF_BUDDY))
		return PAGE_FREE;
	if (flags & FLAG(KPF_HUGE))
		return PAGE_HUGE;
	return flags & MOVABLE_FLAGS ? PAGE_MOVABLE : PAGE_FIXED;
}

enum page_owner page_owner(uint64_t flags)
{
	if (flags & FLAG(KPF_SLAB))
		return OWNER_SLAB;
	if (flags & FLAG(KPF_PGTABLE))
		return OWNER_TABLES;
	return flags & FLAG(KPF_RESERVED) ? OWNER_RESERVED : OWNER_OTHER;
}

/* ---- ranges ---- */

/**
 * struct range - An aligned range of one size, as far as it was looked at.  In base pages
 * @kinds:	Bits of enum page_kind
 * @seen, @fixed: All, and those that can't be moved
 * @managed:	Without what the kernel never gave to the page allocator, which MemTotal
 *		does not count either
 */
struct range {
	uint64_t index;
	unsigned int kinds;
	uint64_t seen;
	uint64_t fixed;
	uint64_t managed;
};

/**
 * struct walk - Over a zone
 * @pages:	Of a range, by size
 */
struct walk {
	struct fragmentation_zone *zone;
	size_t n;
	uint64_t pages[FRAGMENTATION_SIZES];
	struct range range[FRAGMENTATION_SIZES];
};

static void end_range(struct walk *w, size_t size)
{
	struct fragmentation_ranges *count = &w->zone->ranges[size];
	struct range *range = &w->range[size];
	bool whole = range->seen == w->pages[size] && !(range->kinds & PAGE_ABSENT);

	count->whole += whole;
	if (!whole || range->kinds & PAGE_FIXED)
		count->fixed_pages += range->managed;
	if (whole && range->kinds & PAGE_FIXED)
		count->least = count->least ? u64_min(count->least, range->fixed) : range->fixed;
	else if (whole && range->kinds & PAGE_HUGE)
		count->huge++;
	else if (whole)
		count->movable++;
	if (whole && !(range->kinds & (PAGE_FIXED | PAGE_HUGE)) && range->kinds & PAGE_UNMARKED)
		count->unsure++;
	*range = (struct range){ 0 };
}

/* @part: of the smallest size, or what a chunk has of it */
static void add_part(struct walk *w, uint64_t pfn, const struct range *part)
{
	size_t i;

	for (i = 0; i < w->n; i++) {
		struct range *range = &w->range[i];

		if (range->seen && range->index != pfn / w->pages[i])
			end_range(w, i);
		range->index = pfn / w->pages[i];
		range->kinds |= part->kinds;
		range->seen += part->seen;
		range->fixed += part->fixed;
		range->managed += part->managed;
	}
}

static void end_walk(struct walk *w)
{
	size_t i;

	for (i = 0; i < w->n; i++)
		if (w->range[i].seen)
			end_range(w, i);
}

/* ---- flags ---- */

/* @n pages from @pfn on, all in one range of every size */
static void take_part(struct walk *w, uint64_t pfn, const uint64_t *flags, size_t n)
{
	struct range part = { .seen = n };
	size_t i;

	for (i = 0; i < n; i++) {
		enum page_kind kind = page_kind(flags[i]);

		part.kinds |= kind;
		part.fixed += kind == PAGE_FIXED;
		part.managed += kind != PAGE_ABSENT && !(flags[i] & FLAG(KPF_RESERVED));
		w->zone->unmarked += kind == PAGE_UNMARKED;
	}
	add_part(w, pfn, &part);
}

static void take_chunk(struct walk *w, uint64_t pfn, const uint64_t *flags, size_t n)
{
	size_t done = 0;

	while (done < n) {
		size_t part = u64_min(n - done, w->pages[0] - (pfn + done) % w->pages[0]);

		take_part(w, pfn + done, flags + done, part);
		done += part;
	}
}

/**
 * struct reader - What is read from
 * @done, @all:	Base pages
 */
struct reader {
	const struct page_flags_watch *watch;
	FILE *file;
	uint64_t *flags;
	uint64_t page_kib;
	uint64_t done;
	uint64_t all;
};

static int go_on(const struct reader *r, struct err *err)
{
	if (r->watch->progress)
		r->watch->progress(r->watch->data, r->done * r->page_kib, r->all * r->page_kib);
	if (r->watch->deadline && clock_ms() >= r->watch->deadline)
		return err_set(err, ETIMEDOUT, "/" FLAGS_FILE " takes too long to read");
	return 0;
}

/* Flags of @n pages from @pfn on.  Return: 0 or -errno; fewer where the file ends */
static int read_flags(const struct reader *r, uint64_t pfn, uint64_t *flags, size_t *n)
{
	if (fseeko(r->file, (off_t)(pfn * sizeof(*flags)), SEEK_SET) < 0)
		return -errno;
	*n = fread(flags, sizeof(*flags), *n, r->file);
	return ferror(r->file) ? -EIO : 0;
}

/* A tail in the middle of a unit: one compound page has all of it, since each lies at a multiple of
 * its size.  So memory in huge pages, mostly that of guests, is looked at twice for each: older
 * kernels say of the first page alone what the program does with it */
static int read_unit(const struct reader *r, uint64_t pfn, uint64_t *flags, size_t *n)
{
	uint64_t middle = 0;
	size_t one = 1, i;
	int rc;

	if (*n < UNIT)
		return read_flags(r, pfn, flags, n);
	rc = read_flags(r, pfn + UNIT / 2, &middle, &one);
	if (rc < 0 || !(middle & FLAG(KPF_COMPOUND_TAIL)))
		return rc < 0 ? rc : read_flags(r, pfn, flags, n);
	for (i = 1; i < UNIT; i++)
		flags[i] = middle;
	one = 1;
	return read_flags(r, pfn, flags, &one);
}

static int read_chunk(const struct reader *r, uint64_t first, size_t *n)
{
	size_t want = *n, done = 0, part;
	int rc = 0;

	while (rc == 0 && done < want) {
		size_t ask = u64_min(want - done, UNIT - (first + done) % UNIT);

		part = ask;
		rc = read_unit(r, first + done, r->flags + done, &part);
		done += part;
		if (part < ask)
			break;
	}
	*n = done;
	return rc;
}

/* Pages from @first up to @end, and not it */
static int read_span(struct reader *r, struct walk *w, uint64_t first, uint64_t end,
		     struct err *err)
{
	const struct page_flags_watch *watch = r->watch;
	size_t part = watch->part && watch->part < CHUNK ? watch->part : CHUNK;

	while (first < end) {
		size_t want, n;
		int rc = go_on(r, err);

		if (rc == 0 && watch->next)
			first = u64_max(first, watch->next(watch->chunk_data, w->zone, first));
		if (rc < 0 || first >= end)
			return rc;
		want = n = u64_min(end - first, part - first % part);
		rc = read_chunk(r, first, &n);
		if (rc < 0)
			return err_sys(err, -rc, "cannot read /" FLAGS_FILE);
		take_chunk(w, first, r->flags, n);
		if (watch->chunk)
			watch->chunk(watch->chunk_data, w->zone, first, r->flags, n);
		r->done += want;
		first += want;
		if (n < want)
			break;
	}
	return 0;
}

/* ---- zones ---- */

/**
 * struct blocks - Which parts of a node's address space have memory
 * @pages:	Of a block; 0: not known, so all may have it
 */
struct blocks {
	uint64_t pages;
	size_t n;
	uint64_t *numbers; /* rising */
};

/* Only kernels that can plug memory have them.  Without, what lies between two parts
 * of memory is known by its flags only */
static void read_blocks(const struct kfs *kfs, const struct fragmentation *f, unsigned int node,
			struct blocks *blocks)
{
	char text[32], path[KFS_PATH_SIZE], *end;
	uint64_t size;
	int n;

	*blocks = (struct blocks){ 0 };
	if (kfs_read(kfs, "sys/devices/system/memory/block_size_bytes", text, sizeof(text), NULL) <
	    0)
		return;
	size = strtoull(text, &end, 16) / 1024 / f->page_kib;
	snprintf(path, sizeof(path), "sys/devices/system/node/node%u", node);
	n = kfs_list_numbers(kfs, path, "memory", "", &blocks->numbers, NULL);
	if (n <= 0 || *end)
		return;
	blocks->n = (size_t)n;
	blocks->pages = size;
}

static uint64_t zone_end(const struct fragmentation_zone *zone)
{
	return u64_add_sat(zone->start, zone->spanned);
}

/* Memory that could be unplugged has flags that mean nothing */
static bool is_online(const struct kfs *kfs, uint64_t block)
{
	char path[KFS_PATH_SIZE];
	uint64_t online;

	snprintf(path, sizeof(path), "sys/devices/system/memory/memory%llu/online",
		 (unsigned long long)block);
	return kfs_read_u64(kfs, path, &online, NULL) < 0 || online;
}

static int read_blocks_of(const struct kfs *kfs, struct reader *r, struct walk *w,
			  const struct blocks *blocks, struct err *err)
{
	uint64_t end = zone_end(w->zone);
	size_t i;
	int rc = 0;

	if (!blocks->pages)
		return read_span(r, w, w->zone->start, end, err);
	for (i = 0; rc == 0 && i < blocks->n; i++) {
		uint64_t from = u64_mul_sat(blocks->numbers[i], blocks->pages);

		if (!is_online(kfs, blocks->numbers[i]))
			continue;
		rc = read_span(r, w, u64_max(from, w->zone->start),
			       u64_min(u64_add_sat(from, blocks->pages), end), err);
	}
	return rc;
}

static int read_zone(const struct kfs *kfs, struct reader *r, struct fragmentation *f,
		     struct fragmentation_zone *zone, struct err *err)
{
	struct walk walk = { .zone = zone, .n = f->n_sizes };
	struct blocks blocks;
	size_t i;
	int rc;

	for (i = 0; i < f->n_sizes; i++)
		walk.pages[i] = f->sizes[i] / f->page_kib;
	read_blocks(kfs, f, zone->node, &blocks);
	rc = read_blocks_of(kfs, r, &walk, &blocks, err);
	end_walk(&walk);
	free(blocks.numbers);
	return rc;
}

static int read_zones(const struct kfs *kfs, struct reader *r, struct fragmentation *f,
		      struct err *err)
{
	size_t i;
	int rc = 0;

	for (i = 0; i < f->n_zones; i++)
		r->all = u64_add_sat(r->all, f->zones[i].managed);
	for (i = 0; rc == 0 && i < f->n_zones; i++)
		if (f->zones[i].managed)
			rc = read_zone(kfs, r, f, &f->zones[i], err);
	return rc;
}

static void clear(struct fragmentation *f)
{
	size_t i;

	f->exact = false;
	for (i = 0; i < f->n_zones; i++) {
		memset(f->zones[i].ranges, 0, sizeof(f->zones[i].ranges));
		f->zones[i].unmarked = 0;
	}
}

int page_flags_read(const struct kfs *kfs, struct fragmentation *f, const uint64_t *sizes,
		    size_t n_sizes, const struct page_flags_watch *watch, struct err *err)
{
	cleanup_fclose FILE *file = kfs_stream(kfs, FLAGS_FILE);
	cleanup_free uint64_t *flags = NULL;
	struct reader reader = { .watch = watch, .file = file, .page_kib = f->page_kib };
	int rc = file ? 0 : err_sys(err, errno, "cannot open /" FLAGS_FILE);

	clear(f);
	if (rc < 0)
		return rc;
	flags = malloc(CHUNK * sizeof(*flags));
	if (!flags)
		return err_nomem(err);
	/* Large blocks go right to where they belong */
	setvbuf(file, NULL, _IONBF, 0);
	reader.flags = flags;
	f->n_sizes = u64_min(n_sizes, FRAGMENTATION_SIZES);
	memcpy(f->sizes, sizes, f->n_sizes * sizeof(*sizes));
	if (f->n_sizes)
		rc = read_zones(kfs, &reader, f, err);
	else
		rc = err_set(err, ENODEV, "this kernel has no huge pages");
	f->exact = rc == 0 && !watch->next;
	if (!f->exact)
		clear(f);
	return rc;
}
