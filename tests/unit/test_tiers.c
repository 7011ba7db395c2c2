// SPDX-License-Identifier: LGPL-2.1-or-later
/* Pages put into tiers come back as they were, or not at all. */
#include "pager/tier.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pager/page_hash.h"
#include "pager/ram.h"
#include "unit/own_mounts.h"
#include "unit/unit.h"

enum { SLAB = 64 * 1024, SAME = TIER_SAME_FILLED, RAM = TIER_RAM };

typedef union {
	unsigned char byte[PAGE_BYTES];
	uint32_t half[PAGE_BYTES / 4];
	uint64_t word[PAGE_BYTES / 8];
} page;

/* ---- pages ---- */

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	return *state ^= *state << 17;
}

/* @random: of each 64 bytes so many are noise: 64 does not compress, 30 by about half */
static void fill(page *p, uint64_t seed, unsigned int random)
{
	uint64_t state = seed * 2654435761 + 88172645463325252;
	size_t i;

	for (i = 0; i < PAGE_BYTES; i++)
		p->byte[i] = (unsigned char)(i % 64 < random ? next_random(&state) : i % 64);
	memcpy(p->byte, &seed, sizeof(seed));
}

static void fill_words(page *p, uint64_t word)
{
	size_t i;

	for (i = 0; i < ROWS(p->word); i++)
		p->word[i] = word;
}

/* ---- the fixture ---- */

struct bed {
	int directory;
	struct tier_budget budget;
	struct tier_spec spec[3];
	struct tiers *tiers;
};

static int bed_reopen(struct bed *bed, size_t n, bool fresh)
{
	struct err err = { "" };
	int rc;

	tiers_close(bed->tiers);
	bed->tiers = NULL;
	rc = tiers_open(&bed->tiers, bed->directory, NULL, bed->spec, n, fresh, &err);
	UNIT_CHECK(!rc == !err.text[0], "%d, and '%s'", rc, err.text);
	return rc;
}

static void bed_open(struct bed *bed, uint64_t limit)
{
	*bed = (struct bed){ .budget = { .limit = limit } };
	bed->directory = open(unit_tmpdir(), O_PATH | O_DIRECTORY | O_CLOEXEC);
	bed->spec[0] = (struct tier_spec){ .kind = TIER_SAME_FILLED };
	bed->spec[1] = (struct tier_spec){ .kind = TIER_RAM, .budget = &bed->budget };
	CU_ASSERT_EQUAL_FATAL(bed_reopen(bed, 2, true), 0);
}

static void bed_close(struct bed *bed)
{
	tiers_close(bed->tiers);
	close(bed->directory);
}

#define BED(name, limit) UNIT_FIXTURE(struct bed, name, bed_close, bed_open(&name, limit))

static struct tier_usage usage_of(const struct bed *bed, unsigned int tier)
{
	struct tier_usage usage[TIERS_MAX];

	CU_ASSERT_FATAL(tiers_usage(bed->tiers, usage, TIERS_MAX) > tier);
	return usage[tier];
}

static struct page_place store(struct bed *bed, const page *p)
{
	struct page_place place = { TIERS_MAX, UINT64_MAX };

	CU_ASSERT_EQUAL_FATAL(tiers_store(bed->tiers, p, &place), 0);
	CU_ASSERT(place.slot < UINT64_C(1) << SLOT_BITS);
	return place;
}

static bool comes_back(struct bed *bed, struct page_place place, const page *p)
{
	page got;

	memset(&got, 0xee, sizeof(got));
	return !tiers_load(bed->tiers, place, &got) && !memcmp(&got, p, sizeof(got)) &&
	       tiers_holds(bed->tiers, place, p);
}

/* ---- tests ---- */

static void test_same(void)
{
	static const struct {
		uint64_t word;
		unsigned int tier;
	} rows[] = {
		{ 0, SAME },
		{ UINT64_MAX, SAME },
		{ 0x5a5a5a5a5a5a5a5a, SAME },
		{ 0xdeadbeefdeadbeef, SAME },
		{ 1, SAME },
		{ 0x7ffffffff, SAME },
		{ 0x800000000, RAM },
		{ 0x0123456789abcdef, RAM },
		{ 0xffffffff00000000, RAM },
	};
	BED(bed, SLAB);
	size_t i;
	page p;

	for (i = 0; i < ROWS(rows); i++) {
		struct page_place place;

		fill_words(&p, rows[i].word);
		place = store(&bed, &p);
		UNIT_CHECK(place.tier == rows[i].tier, "row %zu is in tier %u", i, place.tier);
		UNIT_CHECK(comes_back(&bed, place, &p), "row %zu", i);
		p.byte[PAGE_BYTES / 2] ^= 1;
		UNIT_CHECK(!tiers_holds(bed.tiers, place, &p), "row %zu", i);
		CU_ASSERT_EQUAL(store(&bed, &p).tier, RAM);
	}
	CU_ASSERT_EQUAL(usage_of(&bed, SAME).pages, 6);
	CU_ASSERT_EQUAL(usage_of(&bed, SAME).bytes, 0);
	tiers_free(bed.tiers, (struct page_place){ SAME, 0 });
	CU_ASSERT_EQUAL(usage_of(&bed, SAME).pages, 5);
	CU_ASSERT_EQUAL(tiers_load(bed.tiers, (struct page_place){ SAME, UINT64_C(1) << 33 }, &p),
			-EIO);
}

/* Pages of every size after compression, alone and side by side */
static void test_sizes(void)
{
	BED(bed, 0);
	struct page_place place[65 * 20];
	size_t i;
	page p;

	for (i = 0; i < ROWS(place); i++) {
		fill(&p, i + 1, (unsigned int)(i % 65));
		place[i] = store(&bed, &p);
		CU_ASSERT_EQUAL(place[i].tier, RAM);
	}
	for (i = 0; i < ROWS(place); i++) {
		fill(&p, i + 1, (unsigned int)(i % 65));
		UNIT_CHECK(comes_back(&bed, place[i], &p), "page %zu", i);
		p.byte[i % PAGE_BYTES] ^= 0x10;
		UNIT_CHECK(!tiers_holds(bed.tiers, place[i], &p), "page %zu", i);
	}
	CU_ASSERT_EQUAL(usage_of(&bed, RAM).pages, ROWS(place));
	CU_ASSERT(usage_of(&bed, RAM).content_bytes < usage_of(&bed, RAM).bytes);
	CU_ASSERT_EQUAL(usage_of(&bed, RAM).bytes, bed.budget.used);
	for (i = 0; i < ROWS(place); i++)
		tiers_free(bed.tiers, place[i]);
	CU_ASSERT_EQUAL(usage_of(&bed, RAM).pages, 0);
	CU_ASSERT_EQUAL(usage_of(&bed, RAM).content_bytes, 0);
}

static uint64_t blocks_of(const struct bed *bed)
{
	struct stat st = { 0 };

	CU_ASSERT_EQUAL_FATAL(fstatat(bed->directory, "slots", &st, 0), 0);
	return (uint64_t)st.st_blocks * 512;
}

/* What is free goes back to the host, and can be had again */
static void test_gives_back(void)
{
	enum { PAGES = 600 };
	BED(bed, 0);
	struct page_place place[PAGES];
	unsigned int round;
	size_t i;
	page p;

	for (round = 0; round < 3; round++) {
		for (i = 0; i < PAGES; i++) {
			fill(&p, i, 64);
			place[i] = store(&bed, &p);
		}
		CU_ASSERT_EQUAL(usage_of(&bed, RAM).bytes, (uint64_t)PAGES / 15 * SLAB);
		CU_ASSERT(blocks_of(&bed) >= (uint64_t)PAGES * PAGE_BYTES);
		for (i = 0; i < PAGES; i++) {
			fill(&p, i, 64);
			UNIT_CHECK(comes_back(&bed, place[i], &p), "page %zu", i);
			tiers_free(bed.tiers, place[i]);
		}
		UNIT_CHECK(usage_of(&bed, RAM).bytes == 8 * SLAB, "round %u", round);
		UNIT_CHECK(blocks_of(&bed) <= 8 * SLAB, "round %u", round);
	}
	CU_ASSERT_EQUAL(bed.budget.used, 8 * SLAB);
	tiers_close(bed.tiers);
	bed.tiers = NULL;
	CU_ASSERT_EQUAL(bed.budget.used, 0);
}

static size_t store_until_full(struct bed *bed, struct page_place *place, size_t max)
{
	int rc = 0;
	size_t n;
	page p;

	for (n = 0; n < max; n++) {
		fill(&p, n, 64);
		rc = tiers_store(bed->tiers, &p, &place[n]);
		if (rc)
			break;
	}
	CU_ASSERT_EQUAL(rc, -ENOSPC);
	return n;
}

static void test_full(void)
{
	BED(bed, 3 * SLAB + 100);
	struct page_place place[100], more;
	size_t i, n = store_until_full(&bed, place, ROWS(place));
	page p;

	CU_ASSERT_EQUAL(n, 45);
	CU_ASSERT_EQUAL(bed.budget.used, 3 * SLAB);
	fill_words(&p, 7);
	CU_ASSERT_EQUAL(store(&bed, &p).tier, SAME);
	for (i = 0; i < n; i++) {
		fill(&p, i, 64);
		UNIT_CHECK(comes_back(&bed, place[i], &p), "page %zu", i);
	}
	tiers_free(bed.tiers, place[20]);
	fill(&p, 20, 64);
	CU_ASSERT_EQUAL(store(&bed, &p).slot, place[20].slot);
	CU_ASSERT_EQUAL(tiers_store(bed.tiers, &p, &more), -ENOSPC);
	bed.budget.limit = 4 * SLAB;
	CU_ASSERT_EQUAL(tiers_store(bed.tiers, &p, &more), 0);
	bed.budget.limit = SLAB; /* smaller than what is in it */
	CU_ASSERT(comes_back(&bed, more, &p));
}

/* What is stored changes its size: free slots of larger pages are used where no others are */
static void test_other_sizes(void)
{
	BED(bed, 4 * SLAB);
	struct page_place place[61], more;
	size_t i, n = 0;
	page p;

	CU_ASSERT_EQUAL_FATAL(store_until_full(&bed, place, ROWS(place)), 60);
	for (i = 0; i < 60; i += 4)
		tiers_free(bed.tiers, place[i]);
	for (i = 0; i < 20; i++) {
		fill(&p, i + 1000, 30);
		if (!tiers_store(bed.tiers, &p, &more))
			n += comes_back(&bed, more, &p);
	}
	CU_ASSERT_EQUAL(n, 15);
	for (i = 0; i < 60; i++) {
		fill(&p, i, 64);
		UNIT_CHECK(i % 4 == 0 || comes_back(&bed, place[i], &p), "page %zu", i);
	}
}

/* Two guests share one size: neither gets what the other has */
static void test_shared_budget(void)
{
	BED(one, 4 * SLAB);
	BED(two, 0);
	struct page_place place[100];

	two.spec[1].budget = &one.budget;
	CU_ASSERT_EQUAL_FATAL(bed_reopen(&two, 2, true), 0);
	CU_ASSERT_EQUAL(store_until_full(&one, place, ROWS(place)), 60);
	CU_ASSERT_EQUAL(store_until_full(&two, place, ROWS(place)), 0);
	CU_ASSERT_EQUAL_FATAL(bed_reopen(&one, 2, true), 0);
	CU_ASSERT_EQUAL(store_until_full(&two, place, ROWS(place)), 60);
	CU_ASSERT_EQUAL(one.budget.used, 4 * SLAB);
	CU_ASSERT_EQUAL_FATAL(bed_reopen(&two, 2, true), 0);
}

/* What one keeps for its next page the other one gets, if it asks; then it is kept again */
static void test_asked_for_room(void)
{
	BED(one, 16 * SLAB);
	BED(two, 0);
	struct page_place place[300];
	size_t i, n;

	two.spec[1].budget = &one.budget;
	CU_ASSERT_EQUAL_FATAL(bed_reopen(&two, 2, true), 0);
	n = store_until_full(&one, place, ROWS(place));
	CU_ASSERT_EQUAL(tiers_slab_filled(one.tiers, place[0]), 100);
	CU_ASSERT_EQUAL(tiers_slab_filled(one.tiers, (struct page_place){ SAME, 0 }), 100);
	CU_ASSERT_EQUAL(tiers_slab_filled(one.tiers, (struct page_place){ RAM, 1 << 30 }), 100);
	for (i = 0; i < 7 * 15 + 10; i++)
		tiers_free(one.tiers, place[i]);
	CU_ASSERT_EQUAL(tiers_slab_filled(one.tiers, place[i]), 33);
	tiers_tidy(one.tiers);
	CU_ASSERT(!tiers_is_room_asked_for(one.tiers, TIER_RAM));
	CU_ASSERT_EQUAL(store_until_full(&two, place, ROWS(place)), 0);
	tiers_ask_for_room(two.tiers, TIER_RAM);
	CU_ASSERT(tiers_is_room_asked_for(one.tiers, TIER_RAM));
	/* Neither is one that gets empty kept */
	for (; i < 8 * 15; i++)
		tiers_free(one.tiers, place[i]);
	CU_ASSERT_EQUAL(one.budget.used, 15 * SLAB);
	tiers_tidy(one.tiers);
	CU_ASSERT_EQUAL(one.budget.used, 8 * SLAB);
	CU_ASSERT(!tiers_is_room_asked_for(two.tiers, TIER_RAM));
	for (; i < n; i++)
		tiers_free(one.tiers, place[i]);
	CU_ASSERT_EQUAL(one.budget.used, 8 * SLAB);
	CU_ASSERT_EQUAL_FATAL(bed_reopen(&two, 2, true), 0);
}

/* A tmpfs without room is an error of the store, not a signal */
static void full_tmpfs_child(const char *dir)
{
	struct bed bed = { .directory = -1 };
	struct page_place place[200];
	size_t n;

	if (!own_mounts_tmpfs(dir, "size=256k"))
		unit_end_child(NO_OWN_MOUNTS);
	bed.directory = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	bed.spec[0] = (struct tier_spec){ .kind = TIER_RAM, .budget = &bed.budget };
	if (bed_reopen(&bed, 1, true))
		unit_end_child(1);
	n = store_until_full(&bed, place, ROWS(place));
	unit_end_child(n == 60 && bed.budget.used == 4 * SLAB ? 0 : 2);
}

static void test_full_tmpfs(void)
{
	const char *dir = unit_tmpdir();
	int status = -1;
	pid_t child = fork();

	CU_ASSERT_FATAL(child >= 0);
	if (!child)
		full_tmpfs_child(dir);
	CU_ASSERT_EQUAL_FATAL(waitpid(child, &status, 0), child);
	UNIT_CHECK(WIFEXITED(status) &&
			   (!WEXITSTATUS(status) || WEXITSTATUS(status) == NO_OWN_MOUNTS),
		   "status %#x", (unsigned int)status);
}

/* A byte of the file, damaged alone, is noticed or of no page */
static void test_damage(void)
{
	BED(bed, 0);
	struct page_place place[40];
	size_t i, offset, noticed = 0, step = unit_long() ? 97 : 389;
	page p[40], got;
	int fd;

	for (i = 0; i < ROWS(place); i++) {
		fill(&p[i], i + 1, (unsigned int)i + 25);
		place[i] = store(&bed, &p[i]);
	}
	fd = openat(bed.directory, "slots", O_RDWR | O_CLOEXEC);
	CU_ASSERT_FATAL(fd >= 0);
	for (offset = 0; offset < 40 * SLAB; offset += step) {
		unsigned char was, bad;

		if (pread(fd, &was, 1, (off_t)offset) != 1)
			break;
		bad = was ^ 0x20;
		CU_ASSERT_EQUAL_FATAL(pwrite(fd, &bad, 1, (off_t)offset), 1);
		for (i = 0; i < ROWS(place); i++) {
			int rc = tiers_load(bed.tiers, place[i], &got);

			if (rc == -EIO)
				noticed++;
			else if (!UNIT_CHECK(!rc && !memcmp(&got, &p[i], sizeof(got)),
					     "page %zu, byte %zu", i, offset))
				break;
		}
		CU_ASSERT_EQUAL_FATAL(pwrite(fd, &was, 1, (off_t)offset), 1);
	}
	close(fd);
	UNIT_CHECK(noticed > 200 * 97 / step, "%zu", noticed);
	CU_ASSERT_EQUAL(tiers_load(bed.tiers, (struct page_place){ RAM, 1 << 30 }, &got), -EIO);
	CU_ASSERT_EQUAL(tiers_load(bed.tiers, (struct page_place){ RAM, 511 }, &got), -EIO);
	CU_ASSERT_EQUAL(tiers_load(bed.tiers, (struct page_place){ 5, 0 }, &got), -EIO);
}

static void test_restart(void)
{
	enum { PAGES = 500 };
	BED(bed, 0);
	struct page_place place[PAGES], more;
	struct tier_usage before, after;
	struct err err = { "" };
	size_t i;
	page p;

	for (i = 0; i < PAGES; i++) {
		fill(&p, i, (unsigned int)(i % 65));
		place[i] = store(&bed, &p);
	}
	/* Half of them are in the map; the others were stored and never published */
	for (i = 1; i < PAGES; i += 2)
		tiers_free(bed.tiers, place[i]);
	before = usage_of(&bed, RAM);
	CU_ASSERT_EQUAL_FATAL(bed_reopen(&bed, 2, false), 0);
	for (i = 0; i < PAGES; i += 2) {
		UNIT_CHECK(!tiers_claim(bed.tiers, place[i]), "page %zu", i);
		CU_ASSERT_EQUAL(tiers_claim(bed.tiers, place[i]), -EEXIST);
	}
	CU_ASSERT_EQUAL(tiers_claim(bed.tiers, (struct page_place){ RAM, 1 << 30 }), -EINVAL);
	CU_ASSERT_EQUAL(tiers_claim(bed.tiers, (struct page_place){ RAM, 1000 << 9 }), -EINVAL);
	CU_ASSERT_EQUAL(tiers_claim(bed.tiers, (struct page_place){ 2, 0 }), -EINVAL);
	CU_ASSERT_EQUAL(tiers_ready(bed.tiers, &err), 0);
	after = usage_of(&bed, RAM);
	CU_ASSERT_EQUAL(after.pages, before.pages);
	CU_ASSERT_EQUAL(after.content_bytes, before.content_bytes);
	UNIT_CHECK(after.bytes <= before.bytes && after.bytes == blocks_of(&bed) &&
			   after.bytes == bed.budget.used,
		   "%lu, %lu, %lu", (unsigned long)after.bytes, (unsigned long)before.bytes,
		   (unsigned long)blocks_of(&bed));
	/* What is stored now takes no slot of theirs */
	for (i = 1; i < PAGES; i += 2) {
		fill(&p, i + PAGES, (unsigned int)(i % 65));
		more = store(&bed, &p);
		CU_ASSERT(comes_back(&bed, more, &p));
	}
	for (i = 0; i < PAGES; i += 2) {
		fill(&p, i, (unsigned int)(i % 65));
		UNIT_CHECK(comes_back(&bed, place[i], &p), "page %zu", i);
	}
}

/* The configuration of the next daemon has other tiers, in another order */
static void test_other_configuration(void)
{
	BED(bed, 0);
	struct page_place one, two, three;
	struct err err = { "" };
	page p, zeros;

	fill(&p, 1, 30);
	fill_words(&zeros, 0);
	one = store(&bed, &p);
	two = store(&bed, &zeros);
	bed.spec[0].kind = TIER_SAME_FILLED;
	CU_ASSERT_EQUAL_FATAL(bed_reopen(&bed, 1, false), 0);
	CU_ASSERT_EQUAL(tiers_claim(bed.tiers, one), 0);
	CU_ASSERT_EQUAL(tiers_claim(bed.tiers, two), 0);
	CU_ASSERT_EQUAL(tiers_ready(bed.tiers, &err), 0);
	CU_ASSERT(comes_back(&bed, one, &p) && comes_back(&bed, two, &zeros));
	CU_ASSERT_EQUAL(tiers_store(bed.tiers, &p, &three), -ENOSPC);
	bed.spec[0] = (struct tier_spec){ .kind = TIER_RAM, .budget = &bed.budget };
	CU_ASSERT_EQUAL_FATAL(bed_reopen(&bed, 1, false), 0);
	CU_ASSERT_EQUAL(tiers_claim(bed.tiers, one), 0);
	CU_ASSERT_EQUAL(tiers_claim(bed.tiers, two), 0);
	CU_ASSERT_EQUAL(tiers_ready(bed.tiers, &err), 0);
	CU_ASSERT(comes_back(&bed, one, &p) && comes_back(&bed, two, &zeros));
	CU_ASSERT_EQUAL(store(&bed, &zeros).tier, RAM);
	bed.spec[1].kind = TIER_RAM;
	CU_ASSERT_EQUAL(bed_reopen(&bed, 2, false), -EINVAL);
	bed.spec[1].kind = TIER_FILE;
	CU_ASSERT_EQUAL(bed_reopen(&bed, 2, false), -EINVAL);
	CU_ASSERT_EQUAL_FATAL(bed_reopen(&bed, 1, true), 0);
	CU_ASSERT_EQUAL(blocks_of(&bed), 0);
	CU_ASSERT_EQUAL(tiers_load(bed.tiers, one, &p), -EIO);
}

/* ---- zstd ---- */

enum { ZSTD_USAGE = 2 };

/* Letters of 16, which lz4 finds nothing in */
static void fill_letters(page *p, uint64_t seed)
{
	size_t i;

	fill(p, seed, 64);
	for (i = 0; i < ROWS(p->word); i++)
		p->word[i] = 0x6060606060606060 | (p->word[i] & 0x0f0f0f0f0f0f0f0f);
	memcpy(p->byte, &seed, sizeof(seed));
}

static void with_zstd(struct bed *bed, struct tier_budget *budget, bool fresh)
{
	bed->spec[2] = (struct tier_spec){ .kind = TIER_ZSTD, .budget = budget };
	CU_ASSERT_EQUAL_FATAL(bed_reopen(bed, 3, fresh), 0);
}

static int to_zstd(struct bed *bed, const page *pages, const struct page_place *from, size_t n,
		   struct page_place *to)
{
	struct err err = { "" };
	int rc = tiers_demote(bed->tiers, pages, n, from, true, to, &err);

	UNIT_CHECK((rc < 0 && rc != -ENOENT) == (err.text[0] != 0), "%d, and '%s'", rc, err.text);
	return rc;
}

/* What gets smaller goes there and comes back; the rest stays where it is */
static void test_zstd(void)
{
	BED(bed, 0);
	struct tier_budget budget = { 0 };
	struct page_place from[3], to[3];
	_Alignas(PAGE_BYTES) page pages[3];
	size_t i;
	page p;

	with_zstd(&bed, &budget, true);
	fill_letters(&pages[0], 1);
	fill(&pages[1], 2, 64);
	fill_letters(&pages[2], 3);
	for (i = 0; i < 3; i++) {
		from[i] = store(&bed, &pages[i]);
		CU_ASSERT_EQUAL(from[i].tier, RAM);
	}
	CU_ASSERT_EQUAL(to_zstd(&bed, pages, from, 3, to), 2);
	CU_ASSERT_EQUAL(to[1].tier, PLACE_NO_GAIN);
	for (i = 0; i < 3; i += 2) {
		CU_ASSERT_EQUAL(to[i].tier, TIER_ZSTD);
		CU_ASSERT(!tiers_is_slow(to[i]));
		CU_ASSERT(comes_back(&bed, to[i], &pages[i]));
		p = pages[i];
		p.byte[1000] ^= 1;
		CU_ASSERT(!tiers_holds(bed.tiers, to[i], &p));
	}
	UNIT_CHECK(usage_of(&bed, ZSTD_USAGE).content_bytes < 2 * 2400, "%lu bytes",
		   (unsigned long)usage_of(&bed, ZSTD_USAGE).content_bytes);
	CU_ASSERT_EQUAL(usage_of(&bed, ZSTD_USAGE).bytes, budget.used);
	/* A little smaller is not worth it */
	fill(&pages[0], 4, 30);
	from[0] = store(&bed, &pages[0]);
	CU_ASSERT_EQUAL(to_zstd(&bed, pages, from, 1, &to[0]), 0);
	CU_ASSERT_EQUAL(to[0].tier, PLACE_NO_GAIN);
	tiers_free(bed.tiers, to[2]);
	CU_ASSERT_EQUAL(usage_of(&bed, ZSTD_USAGE).pages, 1);
	/* There is nothing behind it */
	CU_ASSERT_EQUAL(to_zstd(&bed, pages, &to[2], 1, &to[0]), -ENOENT);
}

static size_t fill_zstd(struct bed *bed, struct page_place *to, size_t max)
{
	struct page_place from;
	size_t n = 0;
	int rc = 1;

	for (n = 0; n < max && rc > 0; n += rc > 0) {
		_Alignas(PAGE_BYTES) page p;

		fill_letters(&p, n);
		from = store(bed, &p);
		rc = to_zstd(bed, &p, &from, 1, &to[n]);
	}
	CU_ASSERT_EQUAL(rc, -ENOSPC);
	return n;
}

/* Full, and after a restart: with it in the configuration, and without */
static void test_zstd_again(void)
{
	BED(bed, 0);
	struct tier_budget budget = { .limit = 2 * SLAB };
	struct page_place place[100];
	size_t i, n, turn;
	page p;

	with_zstd(&bed, &budget, true);
	n = fill_zstd(&bed, place, ROWS(place));
	CU_ASSERT_FATAL(n > 40 && n < ROWS(place));
	CU_ASSERT_EQUAL(budget.used, 2 * SLAB);
	for (turn = 0; turn < 2; turn++) {
		CU_ASSERT_EQUAL_FATAL(bed_reopen(&bed, turn ? 2 : 3, false), 0);
		for (i = 0; i < n; i++)
			CU_ASSERT_EQUAL(tiers_claim(bed.tiers, place[i]), 0);
		CU_ASSERT_EQUAL(tiers_claim(bed.tiers, place[0]), -EEXIST);
		CU_ASSERT_EQUAL(tiers_ready(bed.tiers, NULL), 0);
		for (i = 0; i < n; i++) {
			fill_letters(&p, i);
			UNIT_CHECK(comes_back(&bed, place[i], &p), "page %zu, turn %zu", i, turn);
		}
	}
	CU_ASSERT(tiers_has(bed.tiers, TIER_ZSTD) && !tiers_takes(bed.tiers, TIER_ZSTD));
	/* One that never had it does not get it by that */
	CU_ASSERT_EQUAL_FATAL(unlinkat(bed.directory, "zstd-slots", 0), 0);
	CU_ASSERT_EQUAL_FATAL(bed_reopen(&bed, 2, false), 0);
	CU_ASSERT(!tiers_has(bed.tiers, TIER_ZSTD));
	CU_ASSERT_EQUAL(tiers_claim(bed.tiers, place[0]), -EINVAL);
}

/* Each byte of a slot, changed: an error, or the page all the same */
static void test_zstd_damage(void)
{
	BED(bed, 0);
	struct page_place from, to;
	_Alignas(PAGE_BYTES) page p;
	unsigned char byte, other;
	off_t at;
	page got;
	int fd;

	with_zstd(&bed, NULL, true);
	fill_letters(&p, 7);
	from = store(&bed, &p);
	CU_ASSERT_EQUAL_FATAL(to_zstd(&bed, &p, &from, 1, &to), 1);
	fd = openat(bed.directory, "zstd-slots", O_RDWR | O_CLOEXEC);
	CU_ASSERT_FATAL(fd >= 0);
	for (at = 16; at < 16 + 16 + 2200; at++) {
		CU_ASSERT_EQUAL_FATAL(pread(fd, &byte, 1, at), 1);
		other = (unsigned char)(byte ^ 1 << at % 8);
		CU_ASSERT_EQUAL_FATAL(pwrite(fd, &other, 1, at), 1);
		UNIT_CHECK(tiers_load(bed.tiers, to, &got) == -EIO || !memcmp(&got, &p, sizeof(p)),
			   "byte %ld", (long)at);
		CU_ASSERT_EQUAL_FATAL(pwrite(fd, &byte, 1, at), 1);
	}
	close(fd);
	CU_ASSERT(comes_back(&bed, to, &p));
}

struct zstd_reader {
	struct bed *bed;
	const struct page_place *place;
	size_t n;
	unsigned int wrong;
	pthread_t thread;
};

static void *read_zstd(void *arg)
{
	struct zstd_reader *reader = arg;
	size_t i;
	page p;

	for (i = 0; i < 2000; i++) {
		fill_letters(&p, i % reader->n);
		reader->wrong += !comes_back(reader->bed, reader->place[i % reader->n], &p);
	}
	return NULL;
}

/* More threads than there are contexts */
static void test_zstd_threads(void)
{
	BED(bed, 0);
	struct tier_budget budget = { .limit = 2 * SLAB };
	struct page_place place[100];
	struct zstd_reader reader[4];
	size_t i, n;

	with_zstd(&bed, &budget, true);
	n = fill_zstd(&bed, place, ROWS(place));
	for (i = 0; i < ROWS(reader); i++) {
		reader[i] = (struct zstd_reader){ .bed = &bed, .place = place, .n = n };
		CU_ASSERT_EQUAL_FATAL(
			pthread_create(&reader[i].thread, NULL, read_zstd, &reader[i]), 0);
	}
	for (i = 0; i < ROWS(reader); i++) {
		pthread_join(reader[i].thread, NULL);
		CU_ASSERT_EQUAL(reader[i].wrong, 0);
	}
}

static void test_pins(void)
{
	BED(bed, 0);
	struct page_place place, other;
	size_t i;
	page p, q;

	fill(&p, 1, 30);
	fill(&q, 2, 30);
	place = store(&bed, &p);
	CU_ASSERT_EQUAL(tiers_pin(bed.tiers, place), 0);
	CU_ASSERT_EQUAL(tiers_pin(bed.tiers, place), 0);
	tiers_free(bed.tiers, place);
	other = store(&bed, &q);
	CU_ASSERT(other.slot != place.slot && comes_back(&bed, place, &p));
	tiers_free(bed.tiers, other);
	tiers_unpin(bed.tiers, place);
	CU_ASSERT(comes_back(&bed, place, &p));
	CU_ASSERT_EQUAL(usage_of(&bed, RAM).pages, 1);
	tiers_unpin(bed.tiers, place);
	CU_ASSERT_EQUAL(usage_of(&bed, RAM).pages, 0);
	CU_ASSERT_EQUAL(store(&bed, &q).slot, place.slot);
	for (i = 0; i < TIER_PINS_MAX; i++)
		CU_ASSERT_EQUAL(tiers_pin(bed.tiers, (struct page_place){ RAM, i }), 0);
	CU_ASSERT_EQUAL(tiers_pin(bed.tiers, place), -EBUSY);
}

/* ---- threads ---- */

enum { THREADS = 4, OF_EACH = 300, OPERATIONS = 6000 };

struct worker {
	pthread_t thread;
	struct bed *bed;
	uint64_t seed;
	unsigned int wrong, full;
};

struct kept {
	bool there;
	struct page_place place;
	uint64_t seed;
	unsigned int random;
};

static void exchange(struct worker *worker, struct kept *kept, uint64_t draw)
{
	page p;
	int rc;

	fill(&p, kept->seed, kept->random);
	if (kept->there) {
		if (!comes_back(worker->bed, kept->place, &p))
			worker->wrong++;
		tiers_free(worker->bed->tiers, kept->place);
		kept->there = false;
		return;
	}
	kept->seed = draw;
	kept->random = (unsigned int)(draw >> 20) % 65;
	fill(&p, kept->seed, kept->random);
	rc = tiers_store(worker->bed->tiers, &p, &kept->place);
	kept->there = !rc;
	if (rc == -ENOSPC)
		worker->full++;
	else if (rc)
		worker->wrong++;
}

static void *work(void *arg)
{
	struct worker *worker = arg;
	struct kept *kept = calloc(OF_EACH, sizeof(*kept));
	uint64_t state = worker->seed;
	size_t i;

	for (i = 0; kept && i < OPERATIONS; i++) {
		uint64_t draw = next_random(&state);

		exchange(worker, &kept[draw % OF_EACH], draw);
	}
	for (i = 0; kept && i < OF_EACH; i++)
		if (kept[i].there)
			tiers_free(worker->bed->tiers, kept[i].place);
	free(kept);
	return NULL;
}

/* More than fits: each is full now and then, and slabs come and go */
static void test_threads(void)
{
	BED(bed, 25 * SLAB);
	struct worker worker[THREADS];
	size_t i;

	for (i = 0; i < THREADS; i++) {
		worker[i] = (struct worker){ .bed = &bed, .seed = i + 1 };
		CU_ASSERT_EQUAL_FATAL(pthread_create(&worker[i].thread, NULL, work, &worker[i]), 0);
	}
	for (i = 0; i < THREADS; i++) {
		pthread_join(worker[i].thread, NULL);
		UNIT_CHECK(!worker[i].wrong, "%u wrong pages", worker[i].wrong);
		UNIT_CHECK(worker[i].full, "thread %zu never saw it full", i);
	}
	CU_ASSERT_EQUAL(usage_of(&bed, RAM).pages, 0);
	CU_ASSERT_EQUAL(usage_of(&bed, RAM).content_bytes, 0);
	CU_ASSERT(bed.budget.used <= 8 * SLAB);
}

/* ---- the hash ---- */

static void test_hash(void)
{
	page p;
	uint64_t first;
	size_t i;

	fill(&p, 3, 64);
	first = page_hash(&p);
	/* Slots outlive the program */
	UNIT_CHECK(first == UINT64_C(0xd45e2045755f0a29), "it is %#lx now", (unsigned long)first);
	for (i = 0; i < PAGE_BYTES * 8; i += 3) {
		p.byte[i / 8] ^= (unsigned char)(1 << i % 8);
		UNIT_CHECK(page_hash(&p) != first, "bit %zu", i);
		p.byte[i / 8] ^= (unsigned char)(1 << i % 8);
	}
	/* Words that change places */
	for (i = 1; i < ROWS(p.word); i++) {
		uint64_t word = p.word[0];

		p.word[0] = p.word[i];
		p.word[i] = word;
		UNIT_CHECK(page_hash(&p) != first, "word %zu", i);
		p.word[i] = p.word[0];
		p.word[0] = word;
	}
}

/* The first step of the first sum, that of words 0, 8, 16... */
static uint64_t first_sum(uint64_t word)
{
	uint64_t sum = (1 ^ word) * UINT64_C(0x9e3779b97f4a7c15);

	return sum ^ sum >> 32;
}

/* Two pages with one hash, as a guest could make them, are two pages */
static void test_same_hash(void)
{
	BED(bed, 0);
	struct page_place place;
	page p, q;

	fill(&p, 4, 30);
	q = p;
	q.word[0] ^= 0xff00;
	q.word[8] ^= first_sum(p.word[0]) ^ first_sum(q.word[0]);
	CU_ASSERT_EQUAL(page_hash(&p), page_hash(&q));
	place = store(&bed, &p);
	CU_ASSERT(tiers_holds(bed.tiers, place, &p));
	CU_ASSERT(!tiers_holds(bed.tiers, place, &q));
}

static CU_TestInfo tests[] = {
	{ "same-filled pages take no room", test_same },
	{ "pages of all sizes come back", test_sizes },
	{ "free slabs go back to the host", test_gives_back },
	{ "a full tier says so, and goes on", test_full },
	{ "pages of another size in a full tier", test_other_sizes },
	{ "guests share a size", test_shared_budget },
	{ "and one asks the other for room", test_asked_for_room },
	{ "a full tmpfs is no signal", test_full_tmpfs },
	{ "damage is an error, never another page", test_damage },
	{ "a restart: claimed slots stay, others are free", test_restart },
	{ "a restart with other tiers", test_other_configuration },
	{ "a pinned slot waits for its last reader", test_pins },
	{ "zstd takes what gets smaller", test_zstd },
	{ "zstd, full, and after a restart", test_zstd_again },
	{ "a damaged slot of zstd", test_zstd_damage },
	{ "threads read zstd", test_zstd_threads },
	{ "threads", test_threads },
	{ "the hash sees each bit", test_hash },
	{ "one hash, two pages", test_same_hash },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_tiers", tests);
}
