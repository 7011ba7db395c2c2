// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What lies in each range that could be a huge page, from the flags of its pages.
 */
#include "memory/page_ranges.h"

#include <errno.h>
#include <linux/kernel-page-flags.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/text.h"
#include "memory/fragmentation.h"
#include "memory/page_flags.h"
#include "process/child.h"

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

/**
 * struct look - What one process looks at
 * @taken:	Of each part, which of two processes reads it; NULL: there is only this one
 * @process:	Which this one is: 1 or 2
 */
struct look {
	const struct page_ranges_look *what;
	const struct fragmentation *f;
	struct page_ranges *ranges;
	_Atomic unsigned char *taken;
	unsigned char process;
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

static size_t parts_of_zone(const struct fragmentation_zone *zone, size_t part)
{
	return (zone->start + zone->spanned) / part - zone->start / part + 1;
}

/* All zones' parts are numbered one after the other; with @zone NULL: how many there are */
static size_t part_number(const struct look *look, const struct fragmentation_zone *zone,
			  uint64_t pfn)
{
	size_t part = pages_of_part(look->ranges), n = 0, i;

	for (i = 0; i < look->f->n_zones && &look->f->zones[i] != zone; i++)
		n += parts_of_zone(&look->f->zones[i], part);
	return zone ? n + pfn / part - zone->start / part : n;
}

/* Is the part this process's, or nobody's yet? */
static bool take_part(const struct look *look, size_t number)
{
	unsigned char none = 0;

	return atomic_compare_exchange_strong(&look->taken[number], &none, look->process) ||
	       none == look->process;
}

/* Past the end of the zone nothing is read */
static uint64_t next_not_taken(const struct look *look, const struct fragmentation_zone *zone,
			       uint64_t pfn)
{
	size_t part = pages_of_part(look->ranges);

	while (pfn < zone->start + zone->spanned && !take_part(look, part_number(look, zone, pfn)))
		pfn = (pfn / part + 1) * part;
	return pfn;
}

static uint64_t next_part(void *data, const struct fragmentation_zone *zone, uint64_t pfn)
{
	const struct look *look = data;
	const struct page_ranges *ranges = look->ranges;
	const struct page_range *last = ranges->n ? &ranges->ranges[ranges->n - 1] : NULL;
	size_t part = pages_of_part(ranges);

	if (look->taken)
		return next_not_taken(look, zone, pfn);
	if (look->what->one_of > 1 && pfn % part == 0)
		return next_of_sample(pfn / part, look->what->one_of) * part;
	if (look->what->whole && last && last->index == pfn / ranges->pages &&
	    last->zone == (size_t)(zone - look->f->zones) && (last->fixed || last->huge))
		return (last->index + 1) * ranges->pages;
	return pfn;
}

static int look_alone(const struct kfs *kfs, struct fragmentation *f, struct look *look,
		      struct err *err)
{
	const struct page_flags_watch watch = {
		.deadline = look->what->deadline,
		.chunk = take_chunk,
		.next = next_part,
		.part = pages_of_part(look->ranges),
		.chunk_data = look,
	};
	int rc = page_flags_read(kfs, f, &look->what->size_kib, 1, &watch, err);

	return rc == 0 && look->rc < 0 ? err_nomem(err) : rc;
}

/* ---- by two processes ---- */

/* Below 1 GiB it is not worth it */
#define PARTS_WORTH_IT 64

/* For the other process to end, when this one has */
#define OTHER_MS 1000

/**
 * struct other - The other process
 * @n:		Ranges that it found, written behind @taken
 * @taken:	As in struct look, for both
 */
struct other {
	const struct kfs *kfs;
	struct fragmentation *f;
	struct look look;
	size_t size;
	struct other_found {
		size_t n;
		_Atomic unsigned char taken[];
	} * found;
};

static size_t bytes_taken(const struct look *look)
{
	size_t n = part_number(look, NULL, 0), align = _Alignof(struct page_range);

	return (sizeof(struct other_found) + n + align - 1) / align * align;
}

static struct page_range *ranges_found(const struct other *other)
{
	return (struct page_range *)((char *)other->found + bytes_taken(&other->look));
}

static size_t most_ranges(const struct look *look)
{
	size_t n = 0, i;

	for (i = 0; i < look->f->n_zones; i++)
		n += parts_of_zone(&look->f->zones[i], look->ranges->pages);
	return n;
}

static int look_in_child(void *arg)
{
	struct other *other = arg;
	struct page_ranges ranges = { .page_kib = other->look.ranges->page_kib,
				      .pages = other->look.ranges->pages };
	int rc;

	other->look.ranges = &ranges;
	other->look.process = 2;
	rc = look_alone(other->kfs, other->f, &other->look, NULL);
	if (rc == 0 && ranges.n) {
		memcpy(ranges_found(other), ranges.ranges, ranges.n * sizeof(*ranges.ranges));
		other->found->n = ranges.n;
	}
	return rc;
}

static bool comes_before(const struct page_range *a, const struct page_range *b)
{
	return a->zone < b->zone || (a->zone == b->zone && a->index < b->index);
}

static int merge(struct page_ranges *ranges, const struct page_range *more, size_t n)
{
	struct page_range *all = calloc(ranges->n + n + 1, sizeof(*all));
	size_t a = 0, b = 0, i;

	if (!all)
		return -ENOMEM;
	for (i = 0; i < ranges->n + n; i++)
		if (b == n || (a < ranges->n && comes_before(&ranges->ranges[a], &more[b])))
			all[i] = ranges->ranges[a++];
		else
			all[i] = more[b++];
	free(ranges->ranges);
	ranges->ranges = all;
	ranges->n += n;
	return 0;
}

static int look_with(struct other *other, struct look *look, struct err *err)
{
	pid_t pid = child_start(look_in_child, other);
	int rc = look_alone(other->kfs, other->f, look, err), theirs;

	if (pid < 0) /* this one has read all */
		return rc;
	if (rc < 0) {
		child_stop(pid);
		return rc;
	}
	theirs = child_wait(pid, clock_ms() + OTHER_MS);
	if (theirs < 0)
		return err_sys(err, -theirs, "cannot read the flags of all pages");
	return merge(look->ranges, ranges_found(other), other->found->n) < 0 ? err_nomem(err) : 0;
}

static int look_by_two(const struct kfs *kfs, struct fragmentation *f, struct look *look,
		       struct err *err)
{
	struct other other = { .kfs = kfs, .f = f, .look = *look };
	int rc;

	other.size = bytes_taken(look) + most_ranges(look) * sizeof(struct page_range);
	other.found = mmap(NULL, other.size, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (other.found == MAP_FAILED)
		return look_alone(kfs, f, look, err);
	look->taken = other.look.taken = other.found->taken;
	look->process = 1;
	rc = look_with(&other, look, err);
	munmap(other.found, other.size);
	return rc;
}

/* Where each page is read, on a host with processors for it */
static bool is_for_two(const struct look *look)
{
	cpu_set_t cpus;

	return look->what->one_of <= 1 && !look->what->whole &&
	       part_number(look, NULL, 0) >= PARTS_WORTH_IT &&
	       (sched_getaffinity(0, sizeof(cpus), &cpus) < 0 || CPU_COUNT(&cpus) > 1);
}

static int look_at_pages(const struct kfs *kfs, struct fragmentation *f, struct look *look,
			 struct err *err)
{
	leave_zones_out(f, look->what);
	return is_for_two(look) ? look_by_two(kfs, f, look, err) : look_alone(kfs, f, look, err);
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
