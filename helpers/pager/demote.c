// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Moving pages that are out from tier to tier, coldest first, in a thread of its own.
 *
 * DOC: order
 *
 * An entry is read and its slot pinned; the content is read and verified, written to the lower
 * tier, and that has answered and noted it in its own table, before the entry changes.  It changes
 * only if it still is what was read: a page that came back meanwhile, or was discarded, has another
 * one, and the new slot is free again.  Otherwise the old slot is, after that.  So a kill leaves
 * the page in the one slot or the other, and the slot that no entry names is free for the next
 * daemon.
 *
 * DOC: what is coldest
 *
 * Every few seconds, while a tier is filled by half, the age of each page in it is counted: how
 * many looks ago it came there, by the generation of its entry.  What is to go is what is oldest,
 * in the order of addresses, so that neighbours lie side by side on the disk.
 *
 * DOC: slots of pages that came back
 *
 * A page that was loaded keeps its slot, so that it goes again for nothing if it was not changed.
 * Where a tier comes after RAM, slots of pages that are resident would drive others out of it, and
 * the guest would wait longer for those.  So once RAM is half full they go, and a page is packed
 * anew; but for those of a scan, which go again in a moment.
 *
 * DOC: a guest that comes late
 *
 * RAM is taken in slabs, and guests take and give slots in theirs.  So it can be taken up while
 * not so much of it is filled that pages would go, and a guest that has no slab has no room.  It
 * asks, and the others make slabs empty: those of which least is taken, whatever its age, since to
 * empty them so few pages have to move.
 *
 * DOC: zstd
 *
 * With a tier of zstd, what stays long in RAM goes there whatever room RAM has: a minute, or a few
 * looks if RAM fills.  That takes a tenth of a processor at most.  A page that zstd does not make
 * smaller is remembered, and tried no more until it has been loaded: it goes to the file, if there
 * is one, when RAM needs room.  Where zstd is filled, what is coldest there goes to the file.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "pager/engine.h"
#include "pager/tier_io.h"

enum {
	/* Of what the tier in RAM may take, by all guests, in percent: looked at from here on... */
	AGING_FROM = 50,
	/* ...resident pages keep no slots there, and do again from here on... */
	SLOTS_AGAIN = 40,
	/* ...pages go from here on... */
	DEMOTE_FROM = 85,
	/* ...until it is down here... */
	DEMOTE_UNTIL = 75,
	/* ...and from here on as fast as the disk takes them: what finds RAM full waits */
	DEMOTE_FAST = 92,
	AGING_MS = 2000,
	SLEEP_MS = 10000,
	STUCK_MS = 1000,
	/* A batch: 64 pages in that time are 100 MiB a second */
	BATCH_MS = 3,
	BATCH_PAGES = TIER_PIECES_MAX,
	/* Clean slots that go at once where the file is full */
	DROP_SLOTS = 4 * BATCH_PAGES,
	/* Looks, after which a page is long in RAM */
	AGE_LONG = 6,
	/* Slabs that are made empty for others: those of which so much is taken, in percent, then
	 * more.  Where all are fuller than that, pages go as they do from a full tier */
	SPARSE_FROM = 50,
	SPARSE_STEP = 20,
	SPARSE_UNTIL = 90,
	/* A guest that has asked for so long evicts nothing, and says so */
	ASKED_LONG_MS = 15000,
	/* Who had no room lately gives none, and who had none to give is not asked for as long */
	ASKED_LATELY_MS = 10000,
	GIVES_AGAIN_MS = 1000,
	/* zstd works for one part of time in so many */
	RECOMPRESS_SHARE = 10,
};

/* An age in the upper half of a byte, the generation's lowest bits in the other one.  The last age
 * is of pages that zstd does not make smaller */
enum { AGE_SHIFT = 4, AGE_MAX = 14, AGE_NO_GAIN = 15, AGES = 16, SEEN_MASK = 15 };

_Static_assert((int)BATCH_PAGES <= (int)TIER_PINS_MAX, "each page's slot is pinned");

int demote_open(struct guest_pager *pager, struct err *err)
{
	struct demoter *demoter = &pager->demoter;

	demoter->ram = (struct demoted_tier){ .kind = TIER_RAM, .aged_ms = clock_ms() };
	demoter->zstd = (struct demoted_tier){ .kind = TIER_ZSTD, .aged_ms = clock_ms() };
	demoter->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (demoter->wake < 0)
		return err_sys(err, errno, "eventfd");
	demoter->buffer = aligned_alloc(PAGE_BYTES, (size_t)BATCH_PAGES * PAGE_BYTES);
	demoter->age = calloc(pager->ram.pages, 1);
	if (!demoter->buffer || !demoter->age)
		return err_nomem(err);
	return 0;
}

void demote_close(struct guest_pager *pager)
{
	struct demoter *demoter = &pager->demoter;

	if (demoter->wake >= 0)
		close(demoter->wake);
	demoter->wake = -1;
	free(demoter->buffer);
	free(demoter->age);
}

/* It has asked for room, and others have given none */
static bool asked_long(const struct guest_pager *pager)
{
	const struct demoter *demoter = &pager->demoter;

	return demoter->asks && clock_ms() - demoter->asks_since >= ASKED_LONG_MS &&
	       tiers_is_room_asked_for(pager->tiers, TIER_RAM);
}

bool demote_works(const struct guest_pager *pager)
{
	return pager->demoter.runs && !pager->demoter.stuck && !asked_long(pager);
}

bool demote_helps(struct guest_pager *pager)
{
	struct demoter *demoter = &pager->demoter;

	if (!demoter->runs || demoter->stuck)
		return false;
	if (!atomic_exchange(&demoter->wanted, true))
		pager_wake(demoter->wake);
	return demote_works(pager);
}

static bool is_asked(const struct guest_pager *pager)
{
	return clock_ms() >= pager->demoter.gives_ms &&
	       tiers_is_room_asked_for(pager->tiers, TIER_RAM);
}

void demote_look(struct guest_pager *pager)
{
	struct demoter *demoter = &pager->demoter;

	if (demoter->asleep && !demoter->stuck &&
	    (tiers_filled(pager->tiers, TIER_RAM) >= DEMOTE_FROM || is_asked(pager)) &&
	    atomic_exchange(&demoter->asleep, false))
		pager_wake(demoter->wake);
}

/* ---- which pages ---- */

static bool is_in(struct page_fields fields, enum tier_kind kind)
{
	return fields.state == PAGE_EVICTED && fields.tier == (unsigned int)kind;
}

/* How often it was looked at since its entry changed */
static unsigned int age_of(const struct demoter *demoter, uint64_t page, struct page_fields fields)
{
	uint8_t byte = demoter->age[page];

	return (byte & SEEN_MASK) == (fields.generation & SEEN_MASK) ? byte >> AGE_SHIFT : 0;
}

static void set_age(struct demoter *demoter, uint64_t page, struct page_fields fields,
		    unsigned int age)
{
	demoter->age[page] = (uint8_t)(age << AGE_SHIFT | (fields.generation & SEEN_MASK));
}

/* Pages by their age */
static void count_ages(struct guest_pager *pager, enum tier_kind kind, uint64_t of_age[AGES])
{
	struct demoter *demoter = &pager->demoter;
	uint64_t page;

	for (page = 0; page < pager->ram.pages && !pager_stopping(pager); page++) {
		struct page_fields fields = page_entry_fields(page_map_get(pager->map, page));
		bool seen = (demoter->age[page] & SEEN_MASK) == (fields.generation & SEEN_MASK);
		unsigned int age = age_of(demoter, page, fields);

		if (!is_in(fields, kind))
			continue;
		if (seen && age < AGE_MAX)
			age++;
		set_age(demoter, page, fields, age);
		of_age[age]++;
	}
}

/* The oldest, as many as bring the tier from @filled percent to what it should have */
static void age_pages(struct guest_pager *pager, struct demoted_tier *from, unsigned int filled)
{
	uint64_t of_age[AGES] = { 0 }, all = 0, above = 0, want;
	unsigned int age;

	count_ages(pager, from->kind, of_age);
	from->long_ago = 0;
	for (age = 0; age < AGES; age++) {
		all += of_age[age];
		from->long_ago += age >= AGE_LONG && age <= AGE_MAX ? of_age[age] : 0;
	}
	want = filled > DEMOTE_UNTIL ? all * (filled - DEMOTE_UNTIL) / filled + 1 : 1;
	for (age = AGES - 1; age > 0; age--) {
		above += of_age[age];
		if (above >= want)
			break;
	}
	from->coldest = (uint8_t)age;
}

/* ---- moving ---- */

/**
 * struct demotion - A batch
 * @youngest, @oldest: Of these ages
 * @slab_filled: In slabs of which so much is taken at most, in percent
 * @far:	Also to slow tiers
 */
struct demotion {
	struct demoted_tier *tier;
	unsigned int youngest, oldest, slab_filled;
	bool far;
	size_t n;
	uint64_t page[BATCH_PAGES];
	page_entry entry[BATCH_PAGES];
	struct page_place from[BATCH_PAGES], to[BATCH_PAGES];
};

static struct page_place place_of(page_entry entry)
{
	struct page_fields fields = page_entry_fields(entry);

	return (struct page_place){ .tier = fields.tier, .slot = fields.slot };
}

/* The slot has the page's content until it is unpinned, if the entry is the same afterwards */
static bool demote_pin(struct guest_pager *pager, uint64_t page, page_entry entry)
{
	if (tiers_pin(pager->tiers, place_of(entry)) < 0)
		return false;
	if (page_map_get(pager->map, page) == entry)
		return true;
	tiers_unpin(pager->tiers, place_of(entry));
	return false;
}

/* What can't be read stays: its next fault says so */
static void demote_read(struct guest_pager *pager, struct demotion *demotion, uint64_t page,
			page_entry entry)
{
	unsigned char *to = pager->demoter.buffer + demotion->n * PAGE_BYTES;

	if (!demote_pin(pager, page, entry))
		return;
	STEP("demote_pinned");
	if (load_content(pager, page_entry_fields(entry), to) < 0) {
		tiers_unpin(pager->tiers, place_of(entry));
		return;
	}
	STEP("demote_loaded");
	demotion->page[demotion->n] = page;
	demotion->from[demotion->n] = place_of(entry);
	demotion->entry[demotion->n++] = entry;
}

static bool is_chosen(const struct demoter *demoter, const struct demotion *demotion, uint64_t page,
		      struct page_fields fields)
{
	unsigned int age;

	if (!is_in(fields, demotion->tier->kind))
		return false;
	age = age_of(demoter, page, fields);
	return age >= demotion->youngest && age <= demotion->oldest;
}

/* For others, what lies in slabs that are soon empty */
static bool is_sparse(const struct guest_pager *pager, const struct demotion *demotion,
		      struct page_fields fields)
{
	const struct page_place place = { .tier = fields.tier, .slot = fields.slot };

	return demotion->slab_filled >= 100 ||
	       tiers_slab_filled(pager->tiers, place) <= demotion->slab_filled;
}

/* Once round at most */
static void demote_choose(struct guest_pager *pager, struct demotion *demotion)
{
	uint64_t looked, *hand = &demotion->tier->hand;

	for (looked = 0; looked < pager->ram.pages && demotion->n < BATCH_PAGES; looked++) {
		uint64_t page = *hand < pager->ram.pages ? *hand : 0;
		page_entry entry = page_map_get(pager->map, page);

		*hand = page + 1;
		if (is_chosen(&pager->demoter, demotion, page, page_entry_fields(entry)) &&
		    is_sparse(pager, demotion, page_entry_fields(entry)))
			demote_read(pager, demotion, page, entry);
	}
}

static bool demote_publish(struct guest_pager *pager, const struct demotion *demotion, size_t i)
{
	page_entry expected = demotion->entry[i];
	struct page_fields fields = page_entry_fields(expected);

	fields.tier = demotion->to[i].tier;
	fields.slot = demotion->to[i].slot;
	fields.generation = (fields.generation + 1) % PAGE_GENERATIONS;
	return page_map_swap(pager->map, demotion->page[i], &expected, page_entry_make(fields));
}

static void demote_end(struct guest_pager *pager, const struct demotion *demotion, bool stored)
{
	size_t i;

	for (i = 0; i < demotion->n; i++) {
		struct page_place from = demotion->from[i], to = demotion->to[i];
		bool has_place = stored && to.tier < TIERS_MAX;
		bool moved = has_place && demote_publish(pager, demotion, i);

		STEP("demote_moved");
		tiers_unpin(pager->tiers, from);
		if (moved)
			tiers_free(pager->tiers, from);
		else if (has_place)
			tiers_free(pager->tiers, to);
		else if (to.tier == PLACE_NO_GAIN)
			set_age(&pager->demoter, demotion->page[i],
				page_entry_fields(demotion->entry[i]), AGE_NO_GAIN);
		pager->demoter.moved += moved;
		STEP("demote_freed");
	}
}

static int demote_put(struct guest_pager *pager, struct demotion *demotion, struct err *err)
{
	return tiers_demote(pager->tiers, pager->demoter.buffer, demotion->n, demotion->from,
			    demotion->far, demotion->to, err);
}

static int demote_batch(struct guest_pager *pager, struct demotion *demotion, struct err *err)
{
	int rc;

	demote_choose(pager, demotion);
	if (!demotion->n)
		return 0;
	rc = demote_put(pager, demotion, err);
	/* Slots of resident pages make room, where there is no other */
	if (rc == -ENOSPC && demotion->far && drop_clean_slots(pager, SLOTS_IN_FILES, DROP_SLOTS))
		rc = demote_put(pager, demotion, err);
	STEP("demote_stored");
	demote_end(pager, demotion, rc >= 0);
	return rc < 0 ? rc : (int)demotion->n;
}

/* Only a file takes those that zstd has refused */
static unsigned int oldest(const struct guest_pager *pager)
{
	return tiers_takes_slow(pager->tiers) ? AGE_NO_GAIN : AGE_MAX;
}

/* Where nothing is old enough, younger ones are next time */
static int demote_from(struct guest_pager *pager, struct demoted_tier *from, struct err *err)
{
	struct demotion demotion = {
		.tier = from,
		.youngest = from->coldest,
		.oldest = oldest(pager),
		.slab_filled = 100,
		.far = true,
	};
	int rc = demote_batch(pager, &demotion, err);

	if (rc == 0 && from->coldest)
		from->coldest--;
	return rc;
}

int demote_some(struct guest_pager *pager, struct err *err)
{
	return demote_from(pager, &pager->demoter.ram, err);
}

int demote_recompress(struct guest_pager *pager)
{
	struct demotion demotion = {
		.tier = &pager->demoter.ram,
		.youngest = AGE_LONG,
		.oldest = AGE_MAX,
		.slab_filled = 100,
	};
	struct err err;

	return demote_batch(pager, &demotion, &err);
}

/* ---- when ---- */

static void demote_sleep(struct guest_pager *pager, uint64_t ms)
{
	struct pollfd wake = { .fd = pager->demoter.wake, .events = POLLIN };

	poll(&wake, 1, (int)ms);
	pager_slept(wake.fd);
}

/* Those who found no room try again */
static void say_room(struct guest_pager *pager)
{
	pager->failed_ms = 0;
	if (pager->evict_asleep)
		pager_wake(pager->wake_evict);
	if (pager->statistics.waiting)
		pager_wake(pager->wake_fault);
}

static void goes_again(struct guest_pager *pager, struct demoted_tier *from)
{
	from->fails = false;
	if (from->kind == TIER_RAM)
		pager->demoter.stuck = false;
	if (!pager->demoter.ram.fails && !pager->demoter.zstd.fails)
		pager_alarm_over(pager, ALARM_DEMOTION);
}

static void stay_stuck(struct guest_pager *pager, struct demoted_tier *from, bool urgent, int rc,
		       const struct err *err)
{
	from->fails = rc != -ENOENT;
	if (from->kind == TIER_RAM) {
		pager->demoter.stuck = true;
		pager->demoter.wanted = urgent;
	}
	if (from->fails)
		pager_alarm(pager, ALARM_DEMOTION, "pages stay in %s: %s",
			    from->kind == TIER_RAM ? "RAM" : "zstd", err->text);
	demote_sleep(pager, STUCK_MS);
}

/* A page finds no room in RAM.  Asked once */
static bool is_urgent(struct guest_pager *pager, const struct demoted_tier *from)
{
	return from->kind == TIER_RAM && atomic_exchange(&pager->demoter.wanted, false);
}

/* This guest empties slabs for others.  It raises no alarm: if its pages can't be demoted, it says
 * so when it needs room itself */
static void give_room(struct guest_pager *pager)
{
	struct demoter *demoter = &pager->demoter;
	unsigned int filled = SPARSE_FROM;
	uint64_t first = demoter->moved;
	struct err err;

	/* Empty ones that are kept may be enough */
	tiers_tidy(pager->tiers);
	while (filled <= SPARSE_UNTIL && !demoter->wanted && !pager_stopping(pager) &&
	       tiers_is_room_asked_for(pager->tiers, TIER_RAM)) {
		struct demotion demotion = {
			.tier = &demoter->ram,
			.oldest = oldest(pager),
			.slab_filled = filled,
			.far = true,
		};
		uint64_t before = demoter->moved;

		if (demote_batch(pager, &demotion, &err) < 0)
			break;
		if (demoter->moved == before)
			filled += SPARSE_STEP;
		else
			demote_sleep(pager, BATCH_MS);
	}
	if (demoter->moved == first)
		demoter->gives_ms = clock_ms() + GIVES_AGAIN_MS;
}

static bool asked_lately(const struct demoter *demoter)
{
	return demoter->asked_ms && clock_ms() - demoter->asked_ms < ASKED_LATELY_MS;
}

static void ask_for_room(struct guest_pager *pager)
{
	struct demoter *demoter = &pager->demoter;

	if (!demoter->asks || !asked_lately(demoter))
		demoter->asks_since = clock_ms();
	demoter->asked_ms = clock_ms();
	tiers_ask_for_room(pager->tiers, TIER_RAM);
	demoter->asks = true;
}

/* Pages go until there is room, or no more go.  Return: some went */
static bool make_room(struct guest_pager *pager, struct demoted_tier *from)
{
	bool urgent = is_urgent(pager, from), went = false;
	struct err err = { "" };
	unsigned int turns = 0;
	int rc = 1;

	while (!pager_stopping(pager) && rc >= 0) {
		uint64_t before = pager->demoter.moved;

		if (!urgent && tiers_filled(pager->tiers, from->kind) < DEMOTE_UNTIL)
			break;
		rc = demote_from(pager, from, &err);
		if (rc == 0 && !from->coldest && ++turns > 1)
			break; /* this guest has no more there */
		if (pager->demoter.moved == before)
			continue;
		went = true;
		goes_again(pager, from);
		say_room(pager);
		if (!urgent && tiers_filled(pager->tiers, from->kind) < DEMOTE_FAST)
			demote_sleep(pager, BATCH_MS);
		urgent = is_urgent(pager, from);
	}
	if (rc == 0 && urgent && !went && tiers_takes_slow(pager->tiers))
		ask_for_room(pager);
	else if (rc == 0 && urgent && !went)
		rc = -ENOENT; /* what is left gets no smaller: a file would take it */
	if (rc < 0 && !pager_stopping(pager))
		stay_stuck(pager, from, urgent, rc, &err);
	return went || rc < 0;
}

/* Where RAM needs room, that comes first; where zstd does, what is long in RAM stays there */
static bool may_recompress(const struct guest_pager *pager)
{
	return pager->demoter.ram.long_ago && !pager->demoter.wanted && !pager_stopping(pager) &&
	       tiers_filled(pager->tiers, TIER_RAM) < DEMOTE_FROM &&
	       tiers_filled(pager->tiers, TIER_ZSTD) < DEMOTE_FROM;
}

/* Batches, with rests between them */
static void recompress(struct guest_pager *pager)
{
	struct demoter *demoter = &pager->demoter;
	uint64_t begin, took_ms;

	while (may_recompress(pager)) {
		begin = pager_now_ns();
		if (demote_recompress(pager) <= 0)
			demoter->ram.long_ago = 0;
		took_ms = (pager_now_ns() - begin) / 1000000 + 1;
		demote_sleep(pager, took_ms * (RECOMPRESS_SHARE - 1));
	}
}

/* Where a tier comes after it */
static void share_ram(struct guest_pager *pager, unsigned int filled)
{
	if (filled < AGING_FROM && filled >= SLOTS_AGAIN)
		return;
	if (slots_go(pager, SLOTS_IN_MEMORY, SLOTS_TIER_SHORT, filled >= AGING_FROM))
		pager_wake(pager->wake_evict);
}

static bool may_give(const struct guest_pager *pager)
{
	return !asked_lately(&pager->demoter) && tiers_is_room_asked_for(pager->tiers, TIER_RAM);
}

/* Return: how long there is nothing to do for this tier, in milliseconds */
static uint64_t demote_turn(struct guest_pager *pager, struct demoted_tier *from, bool always)
{
	unsigned int filled = tiers_filled(pager->tiers, from->kind);
	bool ram = from->kind == TIER_RAM, urgent = ram && pager->demoter.wanted;
	bool gives = ram && may_give(pager);
	uint64_t look_ms = filled >= AGING_FROM ? AGING_MS : SLEEP_MS;

	/* A slab with one slot of a resident page does not get empty */
	if (ram)
		share_ram(pager, gives ? AGING_FROM : filled);
	if (gives && clock_ms() >= pager->demoter.gives_ms)
		give_room(pager);
	if (filled < AGING_FROM && (from->fails || (ram && pager->demoter.stuck))) {
		goes_again(pager, from);
		if (urgent)
			pager->demoter.wanted = urgent = false;
	}
	/* Once in each such time: it may be a little less since the last one */
	if ((always || filled >= AGING_FROM) && clock_ms() / look_ms != from->aged_ms / look_ms) {
		age_pages(pager, from, filled);
		from->aged_ms = clock_ms();
	}
	if ((urgent || filled >= DEMOTE_FROM) && make_room(pager, from))
		return 0;
	return look_ms;
}

void *demote_thread(void *pager_arg)
{
	struct guest_pager *pager = pager_arg;
	struct demoter *demoter = &pager->demoter;
	bool zstd = tiers_takes(pager->tiers, TIER_ZSTD);
	bool both = tiers_has(pager->tiers, TIER_ZSTD) && tiers_takes_slow(pager->tiers);

	log_context(pager->name, "demote");
	while (!pager_stopping(pager)) {
		uint64_t ms = demote_turn(pager, &demoter->ram, zstd);

		if (both)
			ms = u64_min(ms, demote_turn(pager, &demoter->zstd, false));
		tiers_tidy(pager->tiers);
		if (ms && zstd)
			recompress(pager);
		if (!ms || demoter->wanted)
			continue;
		demoter->asleep = true;
		demote_sleep(pager, clock_together_ms(ms));
		demoter->asleep = false;
	}
	return NULL;
}
