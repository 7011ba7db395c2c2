// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * How many huge pages free memory could give, from buddyinfo and pagetypeinfo.
 */
#include "memory/fragmentation.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/text.h"
#include "kernel/kfs.h"
#include "memory/base_page.h"
#include "memory/numa.h"

/* A node has five zones at most */
#define ZONES_MAX (5 * NUMA_NODES_MAX)

/* Longer than any line of these files: a number for each order or type */
#define LINE_SIZE 1024

static struct fragmentation_zone *find_zone(const struct fragmentation *f, unsigned int node,
					    const char *name)
{
	size_t i;

	for (i = 0; i < f->n_zones; i++)
		if (f->zones[i].node == node && !strcmp(f->zones[i].name, name))
			return &f->zones[i];
	return NULL;
}

/* "Node 0, zone   Normal" at the beginning; @rest: what follows the name */
static bool zone_line(const char *line, unsigned int *node, char name[FRAGMENTATION_ZONE_SIZE],
		      const char **rest)
{
	int used = 0;

	if (sscanf(line, "Node %u, zone %15[A-Za-z0-9]%n", node, name, &used) != 2)
		return false;
	*rest = line + used;
	return true;
}

/* Numbers at the beginning of @text.  ">100000" is how pagetypeinfo stops counting */
static unsigned int take_numbers(const char *text, uint64_t *numbers, unsigned int max)
{
	unsigned int n;

	for (n = 0; n < max; n++) {
		char *end;

		text += strspn(text, " \t>");
		numbers[n] = strtoull(text, &end, 10);
		if (end == text)
			break;
		text = end;
	}
	return n;
}

/* ---- /proc/buddyinfo: which zones there are ---- */

static int add_zone(struct fragmentation *f, const struct fragmentation_zone *zone)
{
	struct fragmentation_zone *more;

	if (f->n_zones == ZONES_MAX)
		return -EINVAL;
	more = reallocarray(f->zones, f->n_zones + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	f->zones = more;
	more[f->n_zones++] = *zone;
	return 0;
}

static int read_buddyinfo(const struct kfs *kfs, struct fragmentation *f, struct err *err)
{
	cleanup_fclose FILE *file = kfs_stream(kfs, "proc/buddyinfo");
	char line[LINE_SIZE];

	if (!file)
		return err_sys(err, errno, "cannot open /proc/buddyinfo");
	while (fgets(line, sizeof(line), file)) {
		struct fragmentation_zone zone = { 0 };
		const char *rest;
		unsigned int n;

		if (!zone_line(line, &zone.node, zone.name, &rest))
			continue;
		n = take_numbers(rest, zone.free, FRAGMENTATION_ORDERS);
		f->orders = n > f->orders ? n : f->orders;
		if (add_zone(f, &zone) < 0)
			return err_nomem(err);
	}
	if (ferror(file) || !f->n_zones)
		return err_set(err, EIO, "/proc/buddyinfo names no zone");
	return 0;
}

/* ---- /proc/zoneinfo: sizes and watermarks ---- */

struct zone_counters {
	struct fragmentation_zone *zone;
	unsigned long long free, min, protection;
};

/* Requests for huge pages come from the highest zone, and pay the most: counted over
 * all zones above, it never falls from one entry to the next */
static unsigned long long highest(const char *list)
{
	unsigned long long most = 0;

	for (; *list; list += strcspn(list, ","), list += *list == ',') {
		unsigned long long value;

		list += strspn(list, "( ");
		if (sscanf(list, "%llu", &value) == 1 && value > most)
			most = value;
	}
	return most;
}

static void take_counter(const struct fragmentation *f, struct zone_counters *c, const char *line)
{
	struct fragmentation_zone *zone = c->zone;
	unsigned long long value;
	char key[32];

	if (sscanf(line, " pages free %llu", &value) == 1)
		c->free = value;
	else if (sscanf(line, " count: %llu", &value) == 1)
		zone->per_cpu += value;
	else if (!strncmp(line, "        protection: ", 20))
		c->protection = highest(line + 20);
	else if (sscanf(line, " %31[a-z_] %llu", key, &value) == 2) {
		if (!strcmp(key, "min"))
			c->min = value;
		else if (!strcmp(key, "spanned"))
			zone->spanned = value;
		else if (!strcmp(key, "managed"))
			zone->managed = value;
		else if (!strcmp(key, "nr_slab_unreclaimable") ||
			 !strcmp(key, "nr_page_table_pages"))
			zone->kernel += value;
		else if (!strcmp(key, "nr_kernel_stack")) /* the only one in KiB */
			zone->kernel += u64_div_up(value, f->page_kib);
	} else if (sscanf(line, " start_pfn: %llu", &value) == 1)
		zone->start = value;
}

static void end_zone(struct zone_counters *c)
{
	if (c->zone)
		c->zone->spare = u64_sub_floor(c->free, u64_add_sat(c->min, c->protection));
	memset(c, 0, sizeof(*c));
}

static int read_zoneinfo(const struct kfs *kfs, struct fragmentation *f, struct err *err)
{
	cleanup_fclose FILE *file = kfs_stream(kfs, "proc/zoneinfo");
	struct zone_counters counters = { 0 };
	char line[LINE_SIZE];

	if (!file)
		return err_sys(err, errno, "cannot open /proc/zoneinfo");
	while (fgets(line, sizeof(line), file)) {
		char name[FRAGMENTATION_ZONE_SIZE];
		unsigned int node;
		const char *rest;

		if (zone_line(line, &node, name, &rest)) {
			end_zone(&counters);
			counters.zone = find_zone(f, node, name);
		} else if (counters.zone) {
			take_counter(f, &counters, line);
		}
	}
	end_zone(&counters);
	return ferror(file) ? err_set(err, EIO, "/proc/zoneinfo can't be read") : 0;
}

/* ---- /proc/pagetypeinfo ---- */

/* Types whose pages compaction moves out of the way */
static bool moves(const char *type)
{
	return !strcmp(type, "Movable") || !strcmp(type, "CMA");
}

/* ", type      Movable      0      1 ..." */
static void take_free(struct fragmentation_zone *zone, const char *rest)
{
	uint64_t numbers[FRAGMENTATION_ORDERS];
	unsigned int n, i;
	char type[24];
	int used = 0;

	if (sscanf(rest, ", type %23s%n", type, &used) != 1 || moves(type))
		return;
	n = take_numbers(rest + used, numbers, FRAGMENTATION_ORDERS);
	for (i = 0; i < n; i++)
		zone->fixed_free[i] += numbers[i];
}

#define TYPES_MAX 8

/* "Number of blocks type     Unmovable      Movable ...": which columns move */
static bool types_line(const char *line, bool movable[TYPES_MAX], unsigned int *n)
{
	static const char lead[] = "Number of blocks type";
	char type[24];
	int used;

	if (strncmp(line, lead, sizeof(lead) - 1))
		return false;
	line += sizeof(lead) - 1;
	for (*n = 0; *n < TYPES_MAX && sscanf(line, "%23s%n", type, &used) == 1; line += used)
		movable[(*n)++] = moves(type);
	return true;
}

static void take_blocks(struct fragmentation_zone *zone, const char *rest,
			const bool movable[TYPES_MAX], unsigned int n)
{
	uint64_t numbers[TYPES_MAX];
	unsigned int i;

	n = take_numbers(rest, numbers, n);
	for (i = 0; i < n; i++)
		if (!movable[i])
			zone->fixed_blocks += numbers[i];
}

/* With page owner tracking, a second list ("Number of mixed blocks") follows that looks
 * alike: hence @columns, which only the line above the first list sets */
static void take_types(struct fragmentation *f, FILE *file)
{
	bool movable[TYPES_MAX] = { false };
	char line[LINE_SIZE], name[FRAGMENTATION_ZONE_SIZE];
	unsigned int columns = 0, node;
	const char *rest;

	while (fgets(line, sizeof(line), file)) {
		struct fragmentation_zone *zone;

		if (!zone_line(line, &node, name, &rest)) {
			if (sscanf(line, "Page block order: %u", &f->block_order) != 1 &&
			    !types_line(line, movable, &columns))
				columns = 0;
			continue;
		}
		zone = find_zone(f, node, name);
		if (zone && *rest == ',')
			take_free(zone, rest);
		else if (zone && columns)
			take_blocks(zone, rest, movable, columns);
	}
}

static void read_pagetypeinfo(const struct kfs *kfs, struct fragmentation *f)
{
	cleanup_fclose FILE *file = kfs_stream(kfs, "proc/pagetypeinfo");

	if (!file)
		return;
	take_types(f, file);
	/* A file that is there and empty says nothing either */
	f->types = f->block_order > 0 && f->block_order < FRAGMENTATION_ORDERS;
}

static int read_zones(const struct kfs *kfs, struct fragmentation *f, struct err *err)
{
	struct fragmentation result = { .page_kib = base_page_kib(kfs) };
	int rc = read_buddyinfo(kfs, &result, err);

	if (rc == 0)
		rc = read_zoneinfo(kfs, &result, err);
	if (rc < 0)
		fragmentation_free(&result);
	else
		*f = result;
	return rc;
}

int fragmentation_read(const struct kfs *kfs, struct fragmentation *f, struct err *err)
{
	int rc = read_zones(kfs, f, err);

	if (rc == 0)
		read_pagetypeinfo(kfs, f);
	return rc;
}

void fragmentation_free(struct fragmentation *f)
{
	free(f->zones);
	f->zones = NULL;
	f->n_zones = 0;
}

/* ---- what follows from it ---- */

bool fragmentation_gigantic(const struct fragmentation *f, uint64_t page_kib)
{
	return page_kib / f->page_kib >= UINT64_C(1) << f->orders;
}

bool fragmentation_is_movable(const struct fragmentation_zone *zone)
{
	return !strcmp(zone->name, FRAGMENTATION_MOVABLE);
}

/* Pages in blocks of @from and more, below @to */
static uint64_t pages_in(const uint64_t *blocks, unsigned int from, unsigned int to)
{
	uint64_t pages = 0;

	for (; from < to; from++)
		pages = u64_add_sat(pages, u64_mul_sat(blocks[from], UINT64_C(1) << from));
	return pages;
}

static unsigned int order_of(const struct fragmentation *f, uint64_t page_kib)
{
	unsigned int order = 0;

	while (order < FRAGMENTATION_ORDERS && f->page_kib << order < page_kib)
		order++;
	return order;
}

const struct fragmentation_ranges *fragmentation_ranges(const struct fragmentation *f,
							const struct fragmentation_zone *zone,
							uint64_t page_kib)
{
	size_t i;

	for (i = 0; f->exact && i < f->n_sizes; i++)
		if (f->sizes[i] == page_kib)
			return &zone->ranges[i];
	return NULL;
}

/* The lists are filled and emptied while we count */
bool fragmentation_unsure(const struct fragmentation_zone *zone)
{
	return zone->unmarked > u64_add_sat(zone->per_cpu, zone->per_cpu / 4 + 1024);
}

/* Pages of a zone that no huge page of that size will ever be made of */
static uint64_t fixed_pages(const struct fragmentation *f, const struct fragmentation_zone *zone,
			    uint64_t page_kib)
{
	const struct fragmentation_ranges *ranges = fragmentation_ranges(f, zone, page_kib);
	uint64_t blocks;

	if (ranges)
		return u64_min(ranges->fixed_pages, zone->managed);
	if (!f->types)
		return u64_min(zone->kernel, zone->managed);
	blocks = u64_mul_sat(zone->fixed_blocks, UINT64_C(1) << f->block_order);
	blocks = u64_sub_floor(blocks,
			       pages_in(zone->fixed_free, f->block_order, FRAGMENTATION_ORDERS));
	return u64_min(u64_max(blocks, zone->kernel), zone->managed);
}

/* In base pages */
struct zone_share {
	uint64_t now;
	uint64_t compact;
	uint64_t ever; /* gigantic: what nothing stands against in principle */
	uint64_t held; /* gigantic: ranges with huge pages in them */
};

static void small_share(const struct fragmentation *f, const struct fragmentation_zone *zone,
			unsigned int order, struct zone_share *share)
{
	const struct fragmentation_ranges *ranges =
		fragmentation_ranges(f, zone, f->page_kib << order);
	const uint64_t mask = (UINT64_C(1) << order) - 1;
	uint64_t whole = pages_in(zone->free, order, FRAGMENTATION_ORDERS);
	uint64_t loose = pages_in(zone->free, 0, order);

	if (f->types)
		loose = u64_sub_floor(loose, pages_in(zone->fixed_free, 0, order));
	if (ranges)
		loose = u64_min(loose, u64_sub_floor(ranges->movable << order, whole));
	share->now += u64_min(whole, zone->spare) & ~mask;
	share->compact += u64_min(loose, u64_sub_floor(zone->spare, whole)) & ~mask;
}

static void gigantic_share(const struct fragmentation *f, const struct fragmentation_zone *zone,
			   uint64_t pages, struct zone_share *share)
{
	const struct fragmentation_ranges *exact =
		fragmentation_ranges(f, zone, pages * f->page_kib);
	uint64_t first = u64_div_up(zone->start, pages);
	uint64_t ranges = u64_sub_floor((zone->start + zone->spanned) / pages, first);
	uint64_t ever = u64_min(ranges, (zone->managed - fixed_pages(f, zone, 0)) / pages);

	if (fragmentation_is_movable(zone))
		return;
	if (exact) {
		ever = exact->movable;
		share->held += exact->huge * pages;
	}
	share->ever += ever * pages;
	share->now += u64_min(ever, zone->spare / pages) * pages;
}

uint64_t fragmentation_free_pages(const struct kfs *kfs, unsigned int node, uint64_t page_kib)
{
	struct fragmentation f = { 0 };
	struct zone_share sum = { 0 };
	uint64_t pages = 0;
	size_t i;

	if (read_zones(kfs, &f, NULL) < 0)
		return 0;
	if (!fragmentation_gigantic(&f, page_kib)) {
		for (i = 0; i < f.n_zones; i++)
			if (f.zones[i].node == node)
				small_share(&f, &f.zones[i], order_of(&f, page_kib), &sum);
		pages = sum.now * f.page_kib / page_kib;
	}
	fragmentation_free(&f);
	return pages;
}

/* Takes @kib of what is left to be shared out, in whole units */
static uint64_t take(uint64_t *left, uint64_t kib, uint64_t unit)
{
	kib = u64_min(kib, *left);
	kib -= kib % unit;
	*left -= kib;
	return kib;
}

void fragmentation_share(const struct fragmentation *f, const struct numa_node *node,
			 uint64_t page_kib, uint64_t huge_kib, struct fragmentation_share *share)
{
	bool gigantic = fragmentation_gigantic(f, page_kib);
	struct zone_share sum = { 0 };
	uint64_t left = node->total_kib, fixed = 0, ever, held,
		 cache = u64_add_sat(node->file_kib, numa_arc(node, huge_kib));
	size_t i;

	for (i = 0; i < f->n_zones; i++) {
		if (f->zones[i].node != node->id)
			continue;
		fixed += fixed_pages(f, &f->zones[i], page_kib) * f->page_kib;
		if (gigantic)
			gigantic_share(f, &f->zones[i], page_kib / f->page_kib, &sum);
		else
			small_share(f, &f->zones[i], order_of(f, page_kib), &sum);
	}
	share->total_kib = left;
	share->huge_kib = take(&left, huge_kib, 1);
	share->now_kib = take(&left, sum.now * f->page_kib, page_kib);
	share->compact_kib = take(&left, sum.compact * f->page_kib, page_kib);
	if (gigantic) {
		/* What is left over of whole ranges is nothing to hope for either */
		ever = u64_min(u64_sub_floor(sum.ever * f->page_kib, share->now_kib), left);
		ever -= ever % page_kib;
		held = u64_sub_floor(sum.held * f->page_kib, huge_kib);
		cache = u64_min(cache - cache % page_kib, ever);
		fixed = u64_sub_floor(left, ever + held);
	}
	share->never_kib = take(&left, fixed, 1);
	share->cache_kib = take(&left, cache, 1);
	share->used_kib = left;
}

static struct fragmentation_zone *largest_zone(struct fragmentation *f, unsigned int node)
{
	struct fragmentation_zone *largest = NULL;
	size_t i;

	for (i = 0; i < f->n_zones; i++)
		if (f->zones[i].node == node &&
		    (!largest || f->zones[i].managed > largest->managed))
			largest = &f->zones[i];
	return largest;
}

void fragmentation_give_back(struct fragmentation *f, unsigned int node, uint64_t page_kib,
			     uint64_t pages)
{
	struct fragmentation_zone *zone = largest_zone(f, node);
	uint64_t base = u64_mul_sat(pages, page_kib / f->page_kib);
	unsigned int order = order_of(f, page_kib);
	size_t i;

	if (!zone)
		return;
	while (order && order >= f->orders)
		order--;
	zone->free[order] = u64_add_sat(zone->free[order], base >> order);
	zone->spare = u64_add_sat(zone->spare, base);
	/* Those of a huge page count apart as long as it is one */
	for (i = 0; f->exact && page_kib > f->page_kib && i < f->n_sizes; i++)
		if (f->sizes[i] <= page_kib)
			zone->ranges[i].movable += base / (f->sizes[i] / f->page_kib);
}

int fragmentation_index(const struct fragmentation *f, const struct fragmentation_zone *zone,
			uint64_t page_kib)
{
	unsigned int order = order_of(f, page_kib), i;
	uint64_t blocks = 0, pages = pages_in(zone->free, 0, FRAGMENTATION_ORDERS);

	for (i = 0; i < FRAGMENTATION_ORDERS; i++)
		blocks += zone->free[i];
	if (!blocks)
		return 0;
	if (pages_in(zone->free, order, FRAGMENTATION_ORDERS))
		return -1000;
	return 1000 - (int)((1000 + pages * 1000 / (UINT64_C(1) << order)) / blocks);
}
