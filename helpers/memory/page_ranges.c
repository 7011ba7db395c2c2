// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What lies in each range that could be a huge page, from the flags of its pages.
 */
#include "memory/page_ranges.h"

#include <errno.h>
#include <linux/kernel-page-flags.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/text.h"
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

/* Truncation takes a page out of its file, and its dirty mark.  A page that was only ever read
 * looks the same */
#define SHMEM_MASK   (FLAG(KPF_ANON) | FLAG(KPF_SWAPBACKED))
#define WITH_FILE    (FLAG(KPF_DIRTY) | FLAG(KPF_WRITEBACK) | FLAG(KPF_MMAP))

#define IN_THP	     (FLAG(KPF_THP) | FLAG(KPF_COMPOUND_TAIL))
#define FIRST_OF_THP (FLAG(KPF_THP) | FLAG(KPF_COMPOUND_HEAD))

static void add_moved(struct page_range *range, uint64_t flags)
{
	bool shmem = (flags & SHMEM_MASK) == FLAG(KPF_SWAPBACKED) && !(flags & FLAG(KPF_SWAPCACHE));

	range->moved++;
	range->held += (flags & (FLAG(KPF_SWAPBACKED) | FLAG(KPF_UNEVICTABLE))) != 0;
	range->shmem += shmem;
	range->loose += shmem && !(flags & WITH_FILE);
	range->thp += (flags & IN_THP) == IN_THP && flags & SHMEM_MASK;
	range->lazy += (flags & (FIRST_OF_THP | SHMEM_MASK)) == (FIRST_OF_THP | FLAG(KPF_ANON));
}

/* In the balloon of a host that is itself a guest: compaction moves such pages.  Memory that
 * virtio-mem has unplugged has the same mark and stays, but it has whole blocks of 2 MiB, which a
 * gigantic range can be made of in part */
static bool in_balloon(const struct page_ranges *ranges, uint64_t flags)
{
	return flags & FLAG(KPF_OFFLINE) && ranges->pages * ranges->page_kib < KIB_PER_GIB;
}

static void add_fixed(const struct page_ranges *ranges, struct page_range *range, uint64_t flags)
{
	enum page_owner owner = page_owner(flags);
	bool moves = flags & HAS_CONTENT || in_balloon(ranges, flags);

	if (owner == OWNER_SLAB)
		range->slab++;
	else if (owner == OWNER_OTHER && moves && !(flags & FLAG(KPF_HWPOISON)))
		add_moved(range, flags);
	else
		range->fixed++;
}

static void add_page(const struct page_ranges *ranges, struct page_range *range, uint64_t flags)
{
	enum page_kind kind = page_kind(flags);

	if (kind == PAGE_ABSENT)
		return;
	range->seen++;
	if (kind == PAGE_FIXED)
		add_fixed(ranges, range, flags);
	else if (kind == PAGE_HUGE)
		range->huge++;
	else if (kind == PAGE_FREE || kind == PAGE_UNMARKED)
		range->free++;
	else if (!(flags & CACHE) || flags & NOT_CLEAN)
		add_moved(range, flags);
}

/* The last one, or a new one behind it; NULL: no memory */
static struct page_range *range_at(struct page_ranges *ranges, unsigned int node, size_t zone,
				   uint64_t index)
{
	struct page_range *last = ranges->n ? &ranges->ranges[ranges->n - 1] : NULL;

	if (last && last->zone == zone && last->index == index)
		return last;
	last = reallocarray(ranges->ranges, ranges->n + 1, sizeof(*last));
	if (!last)
		return NULL;
	ranges->ranges = last;
	last += ranges->n++;
	*last = (struct page_range){ .node = node, .zone = zone, .index = index };
	return last;
}

int page_ranges_add(struct page_ranges *ranges, unsigned int node, size_t zone, uint64_t pfn,
		    const uint64_t *flags, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		struct page_range *range = range_at(ranges, node, zone, (pfn + i) / ranges->pages);

		if (!range)
			return -ENOMEM;
		add_page(ranges, range, flags[i]);
	}
	return 0;
}

bool page_range_is_thp(const struct page_ranges *ranges, const struct page_range *range)
{
	return range->thp && range->thp + 1 >= ranges->pages && !range->lazy;
}

bool page_range_is_good(const struct page_ranges *ranges, const struct page_range *range)
{
	return range->seen == ranges->pages && !range->fixed && !range->slab && !range->huge &&
	       !range->loose && !page_range_is_thp(ranges, range);
}

struct look {
	const struct page_ranges_look *what;
	const struct fragmentation *f;
	struct page_ranges *ranges;
	int rc;
};

static void take_chunk(void *data, const struct fragmentation_zone *zone, uint64_t pfn,
		       const uint64_t *flags, size_t n)
{
	struct look *look = data;

	if (look->rc < 0)
		return;
	look->rc = page_ranges_add(look->ranges, zone->node, (size_t)(zone - look->f->zones), pfn,
				   flags, n);
}

/* What is not asked for is not read */
static void leave_zones_out(struct fragmentation *f, const struct page_ranges_look *what)
{
	size_t i;

	for (i = 0; i < f->n_zones; i++)
		if (!nodeset_has(&what->nodes, f->zones[i].node) ||
		    (fragmentation_is_movable(&f->zones[i]) && !what->movable))
			f->zones[i].managed = 0;
}

/* Pages of a part: 16 MiB, or a range, if that is more */
#define PART 4096

static size_t pages_of_part(const struct page_ranges *ranges)
{
	return ranges->pages < KIB_PER_GIB / ranges->page_kib ? u64_max(PART, ranges->pages) : PART;
}

/* Of @one_of parts it is another one each time: what lies at the same place in each block of memory
 * is not all that is seen */
static uint64_t next_of_sample(uint64_t part, uint64_t one_of)
{
	uint64_t group = part / one_of, chosen = group * one_of + group % one_of;

	if (part <= chosen)
		return chosen;
	group++;
	return group * one_of + group % one_of;
}

static uint64_t next_part(void *data, const struct fragmentation_zone *zone, uint64_t pfn)
{
	const struct look *look = data;
	const struct page_ranges *ranges = look->ranges;
	const struct page_range *last = ranges->n ? &ranges->ranges[ranges->n - 1] : NULL;
	size_t part = pages_of_part(ranges);

	if (look->what->one_of > 1 && pfn % part == 0)
		return next_of_sample(pfn / part, look->what->one_of) * part;
	if (look->what->whole && last && last->index == pfn / ranges->pages &&
	    last->zone == (size_t)(zone - look->f->zones) && (last->fixed || last->huge))
		return (last->index + 1) * ranges->pages;
	return pfn;
}

static int look_at_pages(const struct kfs *kfs, struct fragmentation *f, struct look *look,
			 struct err *err)
{
	const struct page_flags_watch watch = {
		.deadline = look->what->deadline,
		.chunk = take_chunk,
		.next = next_part,
		.part = pages_of_part(look->ranges),
		.chunk_data = look,
	};
	int rc;

	leave_zones_out(f, look->what);
	rc = page_flags_read(kfs, f, &look->what->size_kib, 1, &watch, err);
	return rc == 0 && look->rc < 0 ? err_nomem(err) : rc;
}

int page_ranges_read(const struct kfs *kfs, const struct page_ranges_look *what,
		     struct page_ranges *ranges, struct err *err)
{
	struct fragmentation f = { 0 };
	struct look look = { .what = what, .f = &f, .ranges = ranges };
	int rc = fragmentation_read(kfs, &f, err);

	*ranges = (struct page_ranges){ .page_kib = f.page_kib, .sample = what->one_of > 1 };
	if (rc == 0 && f.page_kib)
		ranges->pages = what->size_kib / f.page_kib;
	if (rc == 0)
		rc = ranges->pages ? look_at_pages(kfs, &f, &look, err) : -ENOENT;
	fragmentation_free(&f);
	return rc;
}

void page_ranges_free(struct page_ranges *ranges)
{
	free(ranges->ranges);
	ranges->ranges = NULL;
	ranges->n = 0;
}
