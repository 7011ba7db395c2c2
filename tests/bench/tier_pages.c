// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What zstd saves of pages that lz4 has compressed, and what a page costs in each tier.
 *
 *	tier_pages PID [PAGES]		"make bench-tiers PID=N"
 *
 * Pages are taken at equal distances from what a process has in memory, such as a guest's QEMU;
 * those that repeat one word are left out.  First the two libraries, at several levels, then the
 * tiers themselves: each page is stored in RAM, loaded from there, goes on to zstd if that has a
 * gain, and is loaded from there.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <lz4.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zstd.h>

#include "pager/ram.h"
#include "pager/tier.h"
#include "pager/tier_io.h"

enum { PAGES_DEFAULT = 20000, BATCH = TIER_PIECES_MAX, ROOM = 2 * PAGE_BYTES };

static unsigned char *pages;
static size_t n_pages;

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static const void *page_at(size_t i)
{
	return pages + i * PAGE_BYTES;
}

/* ---- pages of a process ---- */

static bool repeats(const unsigned char *page)
{
	return !memcmp(page, page + 8, PAGE_BYTES - 8);
}

static int open_of(const char *pid, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%s/%s", pid, name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* In memory: a read must not make pages */
static bool is_there(int pagemap, uint64_t address)
{
	uint64_t entry = 0;

	return pread(pagemap, &entry, sizeof(entry), (off_t)(address / PAGE_BYTES * 8)) == 8 &&
	       entry >> 63;
}

static void take_range(int memory, int pagemap, uint64_t from, uint64_t to, uint64_t step)
{
	unsigned char page[PAGE_BYTES];

	for (; from < to; from += step * PAGE_BYTES) {
		if (!is_there(pagemap, from) ||
		    pread(memory, page, sizeof(page), (off_t)from) != PAGE_BYTES || repeats(page))
			continue;
		memcpy(pages + n_pages++ * PAGE_BYTES, page, sizeof(page));
	}
}

/* One of @step pages of what is writable.  Return: how many there are at most */
static uint64_t take(const char *pid, uint64_t step)
{
	int memory = open_of(pid, "mem"), pagemap = open_of(pid, "pagemap");
	uint64_t from, to, all = 0;
	char path[64], line[512], rights[8];
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%s/maps", pid);
	maps = fopen(path, "re");
	while (maps && fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s", &from, &to, rights) != 3 ||
		    strncmp(rights, "rw", 2) != 0)
			continue;
		all += (to - from) / PAGE_BYTES;
		if (step)
			take_range(memory, pagemap, from, to, step);
	}
	if (maps)
		fclose(maps);
	close(memory);
	close(pagemap);
	return all;
}

/* ---- libraries ---- */

static void say_library(const char *name, uint64_t bytes, uint64_t pack_ns, uint64_t unpack_ns)
{
	printf("%-8s %5.1f %% of a page, packed in %5.2f us, unpacked in %5.2f us\n", name,
	       100.0 * (double)bytes / ((double)n_pages * PAGE_BYTES),
	       (double)pack_ns / 1000 / (double)n_pages,
	       (double)unpack_ns / 1000 / (double)n_pages);
}

static size_t capped(size_t bytes)
{
	return bytes < PAGE_BYTES ? bytes : PAGE_BYTES;
}

static void try_lz4(void)
{
	uint64_t begin, pack = 0, unpack = 0, bytes = 0;
	char packed[ROOM], page[PAGE_BYTES];
	size_t i;
	int n;

	for (i = 0; i < n_pages; i++) {
		begin = now_ns();
		n = LZ4_compress_fast(page_at(i), packed, PAGE_BYTES, ROOM, 1);
		pack += now_ns() - begin;
		begin = now_ns();
		LZ4_decompress_safe(packed, page, n, PAGE_BYTES);
		unpack += now_ns() - begin;
		bytes += capped((size_t)n);
	}
	say_library("lz4", bytes, pack, unpack);
}

static void try_zstd(int level)
{
	uint64_t begin, pack = 0, unpack = 0, bytes = 0;
	ZSTD_CCtx *writer = ZSTD_createCCtx();
	ZSTD_DCtx *reader = ZSTD_createDCtx();
	char packed[ROOM], page[PAGE_BYTES], name[16];
	size_t i, n;

	for (i = 0; i < n_pages; i++) {
		begin = now_ns();
		n = ZSTD_compressCCtx(writer, packed, ROOM, page_at(i), PAGE_BYTES, level);
		pack += now_ns() - begin;
		begin = now_ns();
		ZSTD_decompressDCtx(reader, page, PAGE_BYTES, packed, n);
		unpack += now_ns() - begin;
		bytes += capped(n);
	}
	snprintf(name, sizeof(name), "zstd %d", level);
	say_library(name, bytes, pack, unpack);
	ZSTD_freeCCtx(writer);
	ZSTD_freeDCtx(reader);
}

/* ---- tiers ---- */

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Those of @kind, each once, in an order that caches know nothing of */
static void say_loads(struct tiers *tiers, const struct page_place *place, unsigned int kind)
{
	uint64_t *took = malloc(n_pages * sizeof(*took)), begin;
	size_t i, at = 0, n = 0, wrong = 0;
	char page[PAGE_BYTES];

	for (i = 0; i < n_pages; i++, at = (at + 7919) % n_pages) {
		if (place[at].tier != kind)
			continue;
		begin = now_ns();
		wrong += tiers_load(tiers, place[at], page) != 0;
		took[n++] = now_ns() - begin;
		wrong += memcmp(page, page_at(at), PAGE_BYTES) != 0;
	}
	qsort(took, n, sizeof(*took), compare);
	if (n)
		printf("%-8s %zu pages loaded: p50 %.2f us, p99 %.2f us, %zu wrong\n",
		       kind == TIER_RAM ? "ram" : "zstd", n, (double)took[n / 2] / 1000,
		       (double)took[n * 99 / 100] / 1000, wrong);
	free(took);
}

static void demote_all(struct tiers *tiers, struct page_place *place)
{
	struct page_place to[BATCH];
	size_t i, k, n;

	for (i = 0; i < n_pages; i += n) {
		n = n_pages - i < BATCH ? n_pages - i : BATCH;
		if (tiers_demote(tiers, page_at(i), n, &place[i], false, to, NULL) <= 0)
			continue;
		for (k = 0; k < n; k++) {
			if (to[k].tier >= TIERS_MAX)
				continue;
			tiers_free(tiers, place[i + k]);
			place[i + k] = to[k];
		}
	}
}

static void say_usage(struct tiers *tiers, const char *when)
{
	struct tier_usage usage[TIERS_MAX];
	size_t i, n = tiers_usage(tiers, usage, TIERS_MAX);

	for (i = 0; i < n; i++)
		printf("%s: %-4s %7" PRIu64 " pages in %7" PRIu64 " KiB\n", when, usage[i].name,
		       usage[i].pages, usage[i].bytes / 1024);
}

static int try_tiers(void)
{
	static struct tier_budget ram, zstd;
	static const struct tier_spec spec[] = { { .kind = TIER_RAM, .budget = &ram },
						 { .kind = TIER_ZSTD, .budget = &zstd } };
	struct page_place *place = calloc(n_pages, sizeof(*place));
	char home[] = "/dev/shm/membacking-bench.XXXXXX";
	int directory = mkdtemp(home) ? open(home, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	struct tiers *tiers;
	size_t i;
	int rc = tiers_open(&tiers, directory, NULL, spec, 2, true, NULL);

	for (i = 0; i < n_pages && rc == 0; i++)
		rc = tiers_store(tiers, page_at(i), &place[i]);
	if (rc == 0) {
		say_usage(tiers, "lz4 ");
		say_loads(tiers, place, TIER_RAM);
		demote_all(tiers, place);
		say_usage(tiers, "both");
		say_loads(tiers, place, TIER_RAM);
		say_loads(tiers, place, TIER_ZSTD);
		tiers_close(tiers);
	}
	unlinkat(directory, "slots", 0);
	unlinkat(directory, "zstd-slots", 0);
	rmdir(home);
	free(place);
	return rc;
}

int main(int argc, char **argv)
{
	uint64_t all, wanted = argc > 2 ? strtoull(argv[2], NULL, 10) : PAGES_DEFAULT;
	int levels[] = { 1, 2, 3, 6 };
	size_t i;

	if (argc < 2 || !wanted) {
		fprintf(stderr, "usage: tier_pages PID [PAGES]\n");
		return 2;
	}
	all = take(argv[1], 0);
	/* Each mapping gives one more than its share at most */
	pages = aligned_alloc(PAGE_BYTES, (wanted + 65536) * PAGE_BYTES);
	if (!pages || !all)
		return 1;
	take(argv[1], all / wanted + 1);
	printf("%zu pages of process %s\n", n_pages, argv[1]);
	try_lz4();
	for (i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		try_zstd(levels[i]);
	return n_pages && try_tiers() == 0 ? 0 : 1;
}
