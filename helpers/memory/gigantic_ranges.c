// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What lies in each range that could be a gigantic page, from the flags of its pages.
 */
#include "memory/gigantic_ranges.h"

#include <errno.h>
#include <linux/kernel-page-flags.h>
#include <stdlib.h>

#include "base/err.h"
#include "memory/fragmentation.h"
#include "memory/page_flags.h"

#define FLAG(name) (UINT64_C(1) << (name))

/* In /proc/kpageflags, and in none of the kernel's headers for programs */
#define KPF_PRIVATE 36

/* What clean page cache has, and what it has not.  Programs' memory in files of a tmpfs is
 * swapbacked */
#define CACHE FLAG(KPF_LRU)
#define NOT_CLEAN                                                                                  \
	(FLAG(KPF_ANON) | FLAG(KPF_SWAPBACKED) | FLAG(KPF_DIRTY) | FLAG(KPF_WRITEBACK) |           \
	 FLAG(KPF_UNEVICTABLE))

/* A page that a processor has yet to put on the LRU lists or has taken off to move it, that is
 * being read from disk, or that another part of the kernel knows how to move.  In doubt a page
 * counts as one that can be moved */
#define HAS_CONTENT                                                                                \
	(FLAG(KPF_LOCKED) | FLAG(KPF_PRIVATE) | FLAG(KPF_UPTODATE) | FLAG(KPF_REFERENCED) |        \
	 FLAG(KPF_ACTIVE) | FLAG(KPF_DIRTY) | FLAG(KPF_WRITEBACK) | FLAG(KPF_SWAPBACKED) |         \
	 FLAG(KPF_MMAP))

static void add_fixed(struct gigantic_range *range, uint64_t flags)
{
	enum page_owner owner = page_owner(flags);

	if (owner == OWNER_SLAB)
		range->slab++;
	else if (owner == OWNER_OTHER && flags & HAS_CONTENT && !(flags & FLAG(KPF_HWPOISON)))
		range->moved++;
	else
		range->fixed++;
}

static void add_page(struct gigantic_range *range, uint64_t flags)
{
	enum page_kind kind = page_kind(flags);

	if (kind == PAGE_ABSENT)
		return;
	range->seen++;
	if (kind == PAGE_FIXED)
		add_fixed(range, flags);
	else if (kind == PAGE_HUGE)
		range->huge++;
	else if (kind == PAGE_FREE || kind == PAGE_UNMARKED)
		range->free++;
	else if (!(flags & CACHE) || flags & NOT_CLEAN)
		range->moved++;
}

/* The last one, or a new one behind it; NULL: no memory */
static struct gigantic_range *range_at(struct gigantic_ranges *ranges, unsigned int node,
				       size_t zone, uint64_t index)
{
	struct gigantic_range *last = ranges->n ? &ranges->ranges[ranges->n - 1] : NULL;

	if (last && last->zone == zone && last->index == index)
		return last;
	last = reallocarray(ranges->ranges, ranges->n + 1, sizeof(*last));
	if (!last)
		return NULL;
	ranges->ranges = last;
	last += ranges->n++;
	*last = (struct gigantic_range){ .node = node, .zone = zone, .index = index };
	return last;
}

int gigantic_ranges_add(struct gigantic_ranges *ranges, unsigned int node, size_t zone,
			uint64_t pfn, const uint64_t *flags, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		struct gigantic_range *range =
			range_at(ranges, node, zone, (pfn + i) / ranges->pages);

		if (!range)
			return -ENOMEM;
		add_page(range, flags[i]);
	}
	return 0;
}

struct look {
	const struct fragmentation *f;
	struct gigantic_ranges *ranges;
	int rc;
};

static void take_chunk(void *data, const struct fragmentation_zone *zone, uint64_t pfn,
		       const uint64_t *flags, size_t n)
{
	struct look *look = data;

	if (look->rc == 0 && !fragmentation_is_movable(zone))
		look->rc = gigantic_ranges_add(look->ranges, zone->node,
					       (size_t)(zone - look->f->zones), pfn, flags, n);
}

int gigantic_ranges_read(const struct kfs *kfs, uint64_t size_kib, uint64_t deadline,
			 struct gigantic_ranges *ranges, struct err *err)
{
	struct fragmentation f = { 0 };
	struct look look = { .f = &f, .ranges = ranges };
	const struct page_flags_watch watch = {
		.deadline = deadline,
		.chunk = take_chunk,
		.chunk_data = &look,
	};
	int rc = fragmentation_read(kfs, &f, err);

	*ranges = (struct gigantic_ranges){ .page_kib = f.page_kib };
	if (rc == 0 && f.page_kib)
		ranges->pages = size_kib / f.page_kib;
	if (rc == 0)
		rc = ranges->pages ? page_flags_read(kfs, &f, &size_kib, 1, &watch, err) : -ENOENT;
	if (rc == 0 && look.rc < 0)
		rc = err_nomem(err);
	fragmentation_free(&f);
	return rc;
}

void gigantic_ranges_free(struct gigantic_ranges *ranges)
{
	free(ranges->ranges);
	ranges->ranges = NULL;
	ranges->n = 0;
}
