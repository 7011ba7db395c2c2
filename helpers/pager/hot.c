// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A clock whose pages have lives.
 *
 * DOC: five bytes a page
 * Resident pages are a queue in the order of their arrival, linked through @word: the next page's
 * number.  A page that is out has no need of a link, so @word is then the time of its eviction,
 * counted in evictions.  @state has its lives, and its level: how often in a row it came back
 * soon.  A page that is discarded stays in the queue as GONE until the hand comes by, for the
 * queue has links in one direction only.
 */
#include "pager/hot.h"

#include <stdlib.h>

enum {
	LEVEL_MASK = 0x07,
	LEVEL_MAX = 4,	/* 15 lives */
	LEVEL_GONE = 7, /* in the queue, but not in RAM */
	LIVES_SHIFT = 3,
	LIVES_MASK = 0x78,
	ONE_LIFE = 1 << LIVES_SHIFT,
	QUEUED = 0x80,
	/* More pages with lives than so many are not passed by in search of one victim: a hand
	 * that goes round a large guest fifteen times holds its faults up */
	PASSED_MAX = 256,
};

#define NOWHERE UINT32_MAX

/**
 * struct hot
 * @word:	Queued: next page or NOWHERE.  Else: time of the eviction; 0: never
 * @evictions:	The time.  It wraps: after 2^32 of them an old page looks young once
 */
struct hot {
	uint64_t pages, resident, near;
	double horizon;
	uint32_t first, last;
	uint32_t evictions;
	uint32_t *word;
	uint8_t *state;
};

struct hot *hot_new(uint64_t pages, uint64_t limit, struct hot_options options)
{
	struct hot *hot = calloc(1, sizeof(*hot));

	if (!hot || pages >= NOWHERE) {
		free(hot);
		return NULL;
	}
	hot->pages = pages;
	hot->horizon = options.horizon > 0 ? options.horizon : 0.5;
	hot->first = hot->last = NOWHERE;
	hot->word = calloc(pages + 1, sizeof(*hot->word));
	hot->state = calloc(pages + 1, sizeof(*hot->state));
	if (!hot->word || !hot->state) {
		hot_free(hot);
		return NULL;
	}
	hot_set_limit(hot, limit);
	return hot;
}

void hot_free(struct hot *hot)
{
	if (!hot)
		return;
	free(hot->word);
	free(hot->state);
	free(hot);
}

/*
 * Where all pages are alike, one comes back after as many evictions as pages are out.  Soon is a
 * share of that.  Some of a guest's pages are never used, so it isn't more than three limits; and
 * not less than one: of the few that are out from a large guest those of a scan come back at once.
 */
void hot_set_limit(struct hot *hot, uint64_t limit)
{
	uint64_t out = hot->pages > limit ? hot->pages - limit : 0;

	if (out > 3 * limit)
		out = 3 * limit;
	hot->near = (uint64_t)((double)(out > limit ? out : limit) * hot->horizon);
}

uint64_t hot_bytes(const struct hot *hot)
{
	return sizeof(*hot) + hot->pages * (sizeof(*hot->word) + sizeof(*hot->state));
}

uint64_t hot_resident(const struct hot *hot)
{
	return hot->resident;
}

static bool is_resident(uint8_t state)
{
	return (state & QUEUED) && (state & LEVEL_MASK) != LEVEL_GONE;
}

static void push(struct hot *hot, uint32_t page)
{
	hot->word[page] = NOWHERE;
	if (hot->last == NOWHERE)
		hot->first = page;
	else
		hot->word[hot->last] = page;
	hot->last = page;
}

static uint32_t pop(struct hot *hot)
{
	uint32_t page = hot->first;

	hot->first = hot->word[page];
	if (hot->first == NOWHERE)
		hot->last = NOWHERE;
	return page;
}

static void forget(struct hot *hot, uint64_t page)
{
	hot->state[page] = 0;
	hot->word[page] = 0;
}

/* A page comes into RAM.  One that is GONE still has its place in the queue */
static void arrive(struct hot *hot, uint64_t page, unsigned int level, unsigned int lives)
{
	if (page >= hot->pages || is_resident(hot->state[page]))
		return;
	if (!(hot->state[page] & QUEUED))
		push(hot, (uint32_t)page);
	hot->state[page] = (uint8_t)(QUEUED | lives << LIVES_SHIFT | level);
	hot->resident++;
}

/* What it was when it went.  A page that is GONE begins anew */
static unsigned int level_of(const struct hot *hot, uint64_t page)
{
	return hot->state[page] & QUEUED ? 0 : hot->state[page] & LEVEL_MASK;
}

static bool soon(const struct hot *hot, uint64_t page)
{
	if ((hot->state[page] & QUEUED) || !hot->word[page])
		return false;
	return hot->evictions - hot->word[page] <= hot->near;
}

void hot_faulted(struct hot *hot, uint64_t page)
{
	unsigned int level = 0;

	if (page < hot->pages && soon(hot, page)) {
		level = level_of(hot, page) + 1;
		if (level > LEVEL_MAX)
			level = LEVEL_MAX;
	}
	arrive(hot, page, level, (1U << level) - 1);
}

void hot_prefetched(struct hot *hot, uint64_t page)
{
	if (page < hot->pages)
		arrive(hot, page, level_of(hot, page), 0);
}

void hot_prefetch_used(struct hot *hot, uint64_t page, bool used)
{
	if (used || page >= hot->pages)
		return;
	if (is_resident(hot->state[page]))
		hot->state[page] = QUEUED;
	else if (!(hot->state[page] & QUEUED))
		forget(hot, page);
}

void hot_kept(struct hot *hot, uint64_t page)
{
	if (page < hot->pages)
		arrive(hot, page, level_of(hot, page), 0);
}

void hot_discarded(struct hot *hot, uint64_t page)
{
	if (page >= hot->pages)
		return;
	if (is_resident(hot->state[page]))
		hot->resident--;
	if (hot->state[page] & QUEUED) {
		hot->state[page] = QUEUED | LEVEL_GONE;
	} else {
		forget(hot, page);
	}
}

void hot_evicted(struct hot *hot, uint64_t page)
{
	/* A victim is out already */
	if (page < hot->pages && is_resident(hot->state[page]))
		hot_discarded(hot, page);
}

static void leave(struct hot *hot, uint32_t page)
{
	if (!++hot->evictions) /* 0 means never */
		hot->evictions = 1;
	hot->word[page] = hot->evictions;
	hot->state[page] &= LEVEL_MASK;
	hot->resident--;
}

static uint32_t next_victim(struct hot *hot)
{
	unsigned int passed = 0;

	while (hot->first != NOWHERE) {
		uint32_t page = pop(hot);
		uint8_t state = hot->state[page];

		if (!is_resident(state)) {
			forget(hot, page);
		} else if ((state & LIVES_MASK) && passed++ < PASSED_MAX) {
			hot->state[page] = (uint8_t)(state - ONE_LIFE);
			push(hot, page);
		} else {
			leave(hot, page);
			return page;
		}
	}
	return NOWHERE;
}

static int by_number(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

size_t hot_victims(struct hot *hot, uint64_t *pages, size_t max)
{
	size_t n = 0;

	if (max > HOT_VICTIMS_MAX)
		max = HOT_VICTIMS_MAX;
	while (n < max) {
		uint32_t page = next_victim(hot);

		if (page == NOWHERE)
			break;
		pages[n++] = page;
	}
	qsort(pages, n, sizeof(*pages), by_number);
	return n;
}
