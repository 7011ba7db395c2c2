// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Moving pages that are out from RAM to a slow tier, coldest first, in a thread of its own.
 *
 * DOC: order
 *
 * An entry is read and its slot pinned; the content is read and verified, written to the slow tier,
 * and that has answered and noted it in its own table, before the entry changes.  It changes only
 * if it still is what was read: a page that came back meanwhile, or was discarded, has another one,
 * and the new slot is free again.  Otherwise the old slot is, after that.  So a kill leaves the
 * page in the one slot or the other, and the slot that no entry names is free for the next daemon.
 *
 * DOC: what is coldest
 *
 * Every few seconds, while the tier in RAM is filled by half, the age of each page in it is
 * counted: how many looks ago it came there, by the generation of its entry.  What is to go is what
 * is oldest, in the order of addresses, so that neighbours lie side by side on the disk.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "pager/engine.h"
#include "pager/tier_io.h"

enum {
	/* Of what the tier in RAM may take, by all guests, in percent: looked at from here on... */
	AGING_FROM = 50,
	/* ...pages go from here on... */
	DEMOTE_FROM = 85,
	/* ...until it is down here */
	DEMOTE_UNTIL = 75,
	AGING_MS = 2000,
	SLEEP_MS = 10000,
	STUCK_MS = 1000,
	/* A batch, unless RAM is full: 64 pages in that time are 100 MiB a second */
	BATCH_MS = 3,
	BATCH_PAGES = TIER_PIECES_MAX,
};

/* An age in the upper half of a byte, the generation's lowest bits in the other one */
enum { AGE_SHIFT = 4, AGE_MAX = 15, SEEN_MASK = 15 };

_Static_assert((int)BATCH_PAGES <= (int)TIER_PINS_MAX, "each page's slot is pinned");

int demote_open(struct guest_pager *pager, struct err *err)
{
	struct demoter *demoter = &pager->demoter;

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

bool demote_helps(struct guest_pager *pager)
{
	struct demoter *demoter = &pager->demoter;

	if (!demoter->runs || demoter->stuck)
		return false;
	if (!atomic_exchange(&demoter->wanted, true))
		pager_wake(demoter->wake);
	return true;
}

/* ---- which pages ---- */

static bool is_in_ram(struct page_fields fields)
{
	return fields.state == PAGE_EVICTED && fields.tier == TIER_RAM;
}

/* Pages by their age */
static void count_ages(struct guest_pager *pager, uint64_t of_age[AGE_MAX + 1])
{
	uint64_t page;

	for (page = 0; page < pager->ram.pages && !pager_stopping(pager); page++) {
		struct page_fields fields = page_entry_fields(page_map_get(pager->map, page));
		uint8_t *byte = &pager->demoter.age[page];
		unsigned int seen = fields.generation & SEEN_MASK, age = *byte >> AGE_SHIFT;

		if (!is_in_ram(fields))
			continue;
		if ((*byte & SEEN_MASK) != seen)
			age = 0;
		else if (age < AGE_MAX)
			age++;
		*byte = (uint8_t)(age << AGE_SHIFT | seen);
		of_age[age]++;
	}
}

/* The oldest, as many as bring the tier from @filled percent to what it should have */
static void age_pages(struct guest_pager *pager, unsigned int filled)
{
	uint64_t of_age[AGE_MAX + 1] = { 0 }, all = 0, above = 0, want;
	unsigned int age;

	count_ages(pager, of_age);
	for (age = 0; age <= AGE_MAX; age++)
		all += of_age[age];
	want = filled > DEMOTE_UNTIL ? all * (filled - DEMOTE_UNTIL) / filled + 1 : 1;
	for (age = AGE_MAX; age > 0; age--) {
		above += of_age[age];
		if (above >= want)
			break;
	}
	pager->demoter.coldest = (uint8_t)age;
}

static bool is_cold(const struct demoter *demoter, uint64_t page, struct page_fields fields)
{
	uint8_t byte = demoter->age[page];

	if (!demoter->coldest)
		return true;
	return (byte & SEEN_MASK) == (fields.generation & SEEN_MASK) &&
	       byte >> AGE_SHIFT >= demoter->coldest;
}

/* ---- moving ---- */

struct demotion {
	size_t n;
	uint64_t page[BATCH_PAGES];
	page_entry entry[BATCH_PAGES];
	struct page_place to[BATCH_PAGES];
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
	demotion->entry[demotion->n++] = entry;
}

/* Once round at most.  Where nothing is old enough, younger ones are next time */
static void demote_choose(struct guest_pager *pager, struct demotion *demotion)
{
	struct demoter *demoter = &pager->demoter;
	uint64_t looked;

	for (looked = 0; looked < pager->ram.pages && demotion->n < BATCH_PAGES; looked++) {
		uint64_t page = demoter->hand < pager->ram.pages ? demoter->hand : 0;
		page_entry entry = page_map_get(pager->map, page);
		struct page_fields fields = page_entry_fields(entry);

		demoter->hand = page + 1;
		if (is_in_ram(fields) && is_cold(demoter, page, fields))
			demote_read(pager, demotion, page, entry);
	}
	if (!demotion->n && demoter->coldest)
		demoter->coldest--;
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
		struct page_place from = place_of(demotion->entry[i]);
		bool moved = stored && demote_publish(pager, demotion, i);

		STEP("demote_moved");
		tiers_unpin(pager->tiers, from);
		if (moved)
			tiers_free(pager->tiers, from);
		else if (stored)
			tiers_free(pager->tiers, demotion->to[i]);
		pager->demoter.moved += moved;
		STEP("demote_freed");
	}
}

int demote_some(struct guest_pager *pager, struct err *err)
{
	struct demotion demotion = { .n = 0 };
	int rc;

	demote_choose(pager, &demotion);
	if (!demotion.n)
		return 0;
	rc = tiers_demote(pager->tiers, pager->demoter.buffer, demotion.n, demotion.to, err);
	STEP("demote_stored");
	demote_end(pager, &demotion, rc == 0);
	return rc < 0 ? rc : (int)demotion.n;
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

static void stay_stuck(struct guest_pager *pager, bool urgent, int rc, const struct err *err)
{
	pager->demoter.stuck = true;
	pager->demoter.wanted = urgent;
	if (rc != -ENOENT)
		pager_alarm(pager, ALARM_DEMOTION, "pages stay in RAM: %s", err->text);
	demote_sleep(pager, STUCK_MS);
}

/* Pages go until there is room, or no more go.  Return: some went */
static bool make_room(struct guest_pager *pager)
{
	struct demoter *demoter = &pager->demoter;
	bool urgent = atomic_exchange(&demoter->wanted, false);
	struct err err = { "" };
	unsigned int turns = 0;
	bool went = false;
	int rc = 1;

	while (!pager_stopping(pager) && rc >= 0) {
		if (!urgent && tiers_ram_filled(pager->tiers) < DEMOTE_UNTIL)
			break;
		rc = demote_some(pager, &err);
		if (rc == 0 && !demoter->coldest && ++turns > 1)
			break; /* this guest has no more there */
		if (rc <= 0)
			continue;
		went = true;
		demoter->stuck = false;
		pager_alarm_over(pager, ALARM_DEMOTION);
		say_room(pager);
		if (!urgent)
			clock_sleep_ms(BATCH_MS);
		urgent = atomic_exchange(&demoter->wanted, false);
	}
	if (rc < 0 && !pager_stopping(pager))
		stay_stuck(pager, urgent, rc, &err);
	return went || rc < 0;
}

static void unstick(struct guest_pager *pager)
{
	pager->demoter.stuck = pager->demoter.wanted = false;
	pager_alarm_over(pager, ALARM_DEMOTION);
}

/* Return: how long there is nothing to do, in milliseconds */
static uint64_t demote_turn(struct guest_pager *pager, unsigned int filled)
{
	struct demoter *demoter = &pager->demoter;

	if (demoter->stuck && filled < AGING_FROM)
		unstick(pager);
	if (filled >= AGING_FROM && clock_ms() - demoter->aged_ms >= AGING_MS) {
		age_pages(pager, filled);
		demoter->aged_ms = clock_ms();
	}
	if ((demoter->wanted || filled >= DEMOTE_FROM) && make_room(pager))
		return 0;
	return filled >= AGING_FROM ? AGING_MS : SLEEP_MS;
}

void *demote_thread(void *pager_arg)
{
	struct guest_pager *pager = pager_arg;

	log_context(pager->name, "demote");
	while (!pager_stopping(pager)) {
		uint64_t ms = demote_turn(pager, tiers_ram_filled(pager->tiers));

		tiers_tidy(pager->tiers);
		if (ms)
			demote_sleep(pager, ms);
	}
	return NULL;
}
