// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Ways to choose what stays in RAM, and rows of accesses to try them with.
 */
#include "pager/policies.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pager/access.h"
#include "pager/hot.h"
#include "pager/pages.h"
#include "pager/read_ahead.h"

const char *const policy_names[POLICIES] = {
	[POLICY_FIFO] = "FIFO",	      [POLICY_LRU] = "LRU",   [POLICY_TWO_LISTS] = "two lists",
	[POLICY_OPTIMUM] = "optimum", [POLICY_LOOK] = "look", [POLICY_LIVES] = "lives",
	[POLICY_PAGER] = "pager",
};

const char *const stream_names[STREAMS] = {
	[STREAM_UNIFORM] = "uniform",
	[STREAM_SEQUENTIAL] = "sequential",
	[STREAM_ZIPF] = "zipf",
	[STREAM_PHASE] = "phase",
	[STREAM_MIXED] = "mixed",
	[STREAM_ZIPF_SCAN] = "zipf+scan",
	[STREAM_ZIPF_MOVES] = "zipf moves",
};

static void *room(size_t n, size_t size)
{
	void *p = calloc(n, size);

	if (!p) {
		fprintf(stderr, "simulate: no memory\n");
		exit(2);
	}
	return p;
}

/* ---- lists ---- */

enum { NO_LIST, INACTIVE, ACTIVE, LISTS };

/* Pages in one of two lists, the newest at the head.  The heads lie behind the pages */
struct lists {
	struct {
		uint32_t next, previous;
	} * link;
	uint8_t *list;
	uint32_t pages;
	uint64_t n[LISTS];
};

static void lists_open(struct lists *lists, uint64_t pages)
{
	uint32_t i, head;

	*lists = (struct lists){ .pages = (uint32_t)pages };
	lists->link = room(pages + LISTS, sizeof(*lists->link));
	lists->list = room(pages, 1);
	for (i = 0; i < LISTS; i++) {
		head = lists->pages + i;
		lists->link[head].next = lists->link[head].previous = head;
	}
}

static void lists_close(struct lists *lists)
{
	free(lists->link);
	free(lists->list);
}

static void lists_remove(struct lists *lists, uint32_t page)
{
	uint32_t next = lists->link[page].next, previous = lists->link[page].previous;

	lists->link[next].previous = previous;
	lists->link[previous].next = next;
	lists->n[lists->list[page]]--;
	lists->list[page] = NO_LIST;
}

static void lists_add(struct lists *lists, uint32_t page, unsigned int list)
{
	uint32_t head = lists->pages + list, next = lists->link[head].next;

	lists->link[page].next = next;
	lists->link[page].previous = head;
	lists->link[head].next = lists->link[next].previous = page;
	lists->list[page] = (uint8_t)list;
	lists->n[list]++;
}

static uint32_t lists_oldest(const struct lists *lists, unsigned int list)
{
	return lists->link[lists->pages + list].previous;
}

/* ---- FIFO, LRU ---- */

static void one_list(const struct replay *replay, bool lru, struct replayed *out)
{
	struct lists lists;
	size_t i;

	lists_open(&lists, replay->pages);
	for (i = 0; i < replay->n; i++) {
		uint32_t page = replay->access[i];

		if (lists.list[page]) {
			if (!lru)
				continue;
			lists_remove(&lists, page);
		} else {
			out->misses += i >= replay->warm;
			if (lists.n[INACTIVE] >= replay->limit)
				lists_remove(&lists, lists_oldest(&lists, INACTIVE));
		}
		lists_add(&lists, page, INACTIVE);
	}
	lists_close(&lists);
	out->loads = out->misses;
}

static void fifo(const struct replay *replay, struct replayed *out)
{
	one_list(replay, false, out);
}

static void lru(const struct replay *replay, struct replayed *out)
{
	one_list(replay, true, out);
}

/* ---- two lists ---- */

enum { DEACTIVATED = 32 };

/**
 * struct kernel - As mm/vmscan.c and mm/workingset.c do it for anonymous memory
 * @accessed:	The bit of the page table
 * @referenced:	Seen once with that bit while inactive
 * @shadow:	@age at the eviction; 0: never
 */
struct kernel {
	struct lists lists;
	uint8_t *accessed, *referenced;
	uint64_t *shadow;
	uint64_t age;
};

static void deactivate_some(struct kernel *k)
{
	unsigned int i;

	for (i = 0; i < DEACTIVATED && k->lists.n[ACTIVE]; i++) {
		uint32_t page = lists_oldest(&k->lists, ACTIVE);

		lists_remove(&k->lists, page);
		lists_add(&k->lists, page, INACTIVE);
		k->accessed[page] = k->referenced[page] = 0;
	}
}

static void look_at_oldest(struct kernel *k)
{
	uint32_t page = lists_oldest(&k->lists, INACTIVE);

	lists_remove(&k->lists, page);
	if (!k->accessed[page]) {
		k->shadow[page] = ++k->age;
		return;
	}
	k->accessed[page] = 0;
	if (k->referenced[page]) {
		k->age++;
		lists_add(&k->lists, page, ACTIVE);
	} else {
		lists_add(&k->lists, page, INACTIVE);
	}
	k->referenced[page] ^= 1;
}

static void kernel_fault(struct kernel *k, uint32_t page, uint64_t limit)
{
	bool refault = k->shadow[page] && k->age - k->shadow[page] <= k->lists.n[ACTIVE];

	lists_add(&k->lists, page, refault ? ACTIVE : INACTIVE);
	k->age += refault;
	while (k->lists.n[ACTIVE] + k->lists.n[INACTIVE] > limit)
		if (k->lists.n[INACTIVE] < k->lists.n[ACTIVE])
			deactivate_some(k);
		else
			look_at_oldest(k);
}

static void two_lists(const struct replay *replay, struct replayed *out)
{
	struct kernel k = { .age = 0 };
	size_t i;

	lists_open(&k.lists, replay->pages);
	k.accessed = room(replay->pages, 1);
	k.referenced = room(replay->pages, 1);
	k.shadow = room(replay->pages, sizeof(*k.shadow));
	for (i = 0; i < replay->n; i++) {
		uint32_t page = replay->access[i];

		if (!k.lists.list[page]) {
			out->misses += i >= replay->warm;
			kernel_fault(&k, page, replay->limit);
		}
		k.accessed[page] = 1;
	}
	lists_close(&k.lists);
	free(k.accessed);
	free(k.referenced);
	free(k.shadow);
	out->loads = out->misses;
}

/* ---- the optimum ---- */

static int by_count(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x < *y) - (*x > *y);
}

static void optimum(const struct replay *replay, struct replayed *out)
{
	uint32_t *count = room(replay->pages, sizeof(*count));
	size_t i;

	for (i = replay->warm; i < replay->n; i++)
		count[replay->access[i]]++;
	qsort(count, replay->pages, sizeof(*count), by_count);
	for (i = replay->limit; i < replay->pages; i++)
		out->misses += count[i];
	free(count);
	out->loads = out->misses;
}

/* ---- lives, and a second look ---- */

enum { LOOK_LEVELS = 4, PASSED_MAX = 256 };

/**
 * struct look - INACTIVE: pages in the order of their arrival.  ACTIVE: unmapped, on trial
 * @used:	While it was unmapped
 * @left:	Time of the last eviction, in evictions; 0: never
 * @near:	So many evictions later is soon
 */
struct look {
	struct lists lists;
	uint8_t *level, *lives, *used;
	uint64_t *left;
	uint64_t evictions, near, trial;
};

static void look_arrive(struct look *look, uint32_t page, bool soon)
{
	unsigned int level = soon ? look->level[page] + 1U : 0;

	level = level < LOOK_LEVELS ? level : LOOK_LEVELS;
	look->level[page] = (uint8_t)level;
	look->lives[page] = (uint8_t)((1U << level) - 1);
	look->used[page] = 0;
	lists_add(&look->lists, page, INACTIVE);
}

/* The hand goes on until enough pages are on trial */
static void look_unmap(struct look *look)
{
	unsigned int passed = 0;

	while (look->lists.n[ACTIVE] <= look->trial && look->lists.n[INACTIVE]) {
		uint32_t page = lists_oldest(&look->lists, INACTIVE);
		bool stays = look->lives[page] && passed++ < PASSED_MAX;

		lists_remove(&look->lists, page);
		look->lives[page] -= stays;
		lists_add(&look->lists, page, stays ? INACTIVE : ACTIVE);
	}
}

static void look_evict(struct look *look)
{
	unsigned int passed = 0;
	uint32_t page;

	for (;;) {
		look_unmap(look);
		page = lists_oldest(&look->lists, ACTIVE);
		lists_remove(&look->lists, page);
		if (!look->used[page] || passed++ >= PASSED_MAX)
			break;
		look_arrive(look, page, true);
	}
	look->left[page] = ++look->evictions;
}

static void look_again(const struct replay *replay, struct replayed *out)
{
	uint64_t away = replay->pages - replay->limit;
	struct look look = { .trial = replay->limit / 4 };
	size_t i;

	away = away > 3 * replay->limit ? 3 * replay->limit : away;
	look.near = (away > replay->limit ? away : replay->limit) / 2;
	lists_open(&look.lists, replay->pages);
	look.level = room(replay->pages, 1);
	look.lives = room(replay->pages, 1);
	look.used = room(replay->pages, 1);
	look.left = room(replay->pages, sizeof(*look.left));
	for (i = 0; i < replay->n; i++) {
		uint32_t page = replay->access[i];

		if (look.lists.list[page]) {
			look.used[page] |= look.lists.list[page] == ACTIVE;
			continue;
		}
		out->misses += i >= replay->warm;
		look_arrive(&look, page,
			    look.left[page] && look.evictions - look.left[page] <= look.near);
		if (look.lists.n[INACTIVE] + look.lists.n[ACTIVE] > replay->limit)
			look_evict(&look);
	}
	lists_close(&look.lists);
	free(look.level);
	free(look.lives);
	free(look.used);
	free(look.left);
	out->loads = out->misses;
}

/* ---- the pager ---- */

enum { OUT, MAPPED, NEIGHBOUR, NEIGHBOUR_USED };

/* @page: OUT, MAPPED, or NEIGHBOUR: in the file, not used yet */
struct pager {
	struct hot *hot;
	struct read_ahead *ra;
	uint8_t *page;
};

static void bring(struct pager *pager, uint64_t page, uint8_t how, uint64_t *loads)
{
	if (pager->page[page] != OUT)
		return;
	hot_prefetched(pager->hot, page);
	pager->page[page] = how;
	++*loads;
}

static void evict(struct pager *pager, uint64_t limit, uint32_t but)
{
	uint64_t victim[HOT_VICTIMS_MAX];
	size_t i, n;

	while (hot_resident(pager->hot) > limit) {
		n = hot_victims(pager->hot, victim, hot_resident(pager->hot) - limit);
		for (i = 0; i < n; i++) {
			if (victim[i] == but) {
				hot_kept(pager->hot, but);
				continue;
			}
			if (pager->page[victim[i]] >= NEIGHBOUR) {
				bool used = pager->page[victim[i]] == NEIGHBOUR_USED;

				read_ahead_result(pager->ra, 1, used);
				hot_prefetch_used(pager->hot, victim[i], used);
			}
			pager->page[victim[i]] = OUT;
		}
	}
}

static void fault(struct pager *pager, uint32_t page, uint64_t limit, uint64_t *loads)
{
	struct read_ahead_range ahead = { .n = 0 };
	uint64_t i;

	if (pager->ra)
		ahead = read_ahead_fault(pager->ra, page);
	hot_faulted(pager->hot, page);
	pager->page[page] = MAPPED;
	++*loads;
	for (i = 0; i < ahead.n; i++)
		bring(pager, ahead.first + i, ahead.stream ? MAPPED : NEIGHBOUR, loads);
	evict(pager, limit, page);
}

static void touch(struct pager *pager, uint32_t page)
{
	if (pager->page[page] != NEIGHBOUR)
		return;
	pager->page[page] = NEIGHBOUR_USED;
}

static void replay_pager(const struct replay *replay, bool read_ahead, struct replayed *out)
{
	struct pager pager = { .page = room(replay->pages, 1) };
	uint64_t loads = 0;
	size_t i;

	pager.hot = hot_new(replay->pages, replay->limit,
			    (struct hot_options){ .horizon = replay->horizon });
	pager.ra = read_ahead ? read_ahead_new(replay->pages, replay->limit) : NULL;
	for (i = 0; i < replay->n; i++) {
		uint32_t page = replay->access[i];

		if (i == replay->warm)
			loads = 0;
		if (pager.page[page] == OUT) {
			out->misses += i >= replay->warm;
			fault(&pager, page, replay->limit, &loads);
		} else if (pager.ra) {
			touch(&pager, page);
		}
	}
	hot_free(pager.hot);
	read_ahead_free(pager.ra);
	free(pager.page);
	out->loads = loads;
}

static void lives(const struct replay *replay, struct replayed *out)
{
	replay_pager(replay, false, out);
}

static void whole_pager(const struct replay *replay, struct replayed *out)
{
	replay_pager(replay, true, out);
}

static void (*const policies[POLICIES])(const struct replay *, struct replayed *) = {
	[POLICY_FIFO] = fifo,	      [POLICY_LRU] = lru,	  [POLICY_TWO_LISTS] = two_lists,
	[POLICY_OPTIMUM] = optimum,   [POLICY_LOOK] = look_again, [POLICY_LIVES] = lives,
	[POLICY_PAGER] = whole_pager,
};

struct replayed policy_replay(enum policy policy, const struct replay *replay)
{
	struct replayed replayed = { 0, 0 };

	policies[policy](replay, &replayed);
	return replayed;
}

/* ---- rows of accesses ---- */

static const enum pattern patterns[STREAMS] = {
	[STREAM_UNIFORM] = PATTERN_UNIFORM, [STREAM_SEQUENTIAL] = PATTERN_SEQUENTIAL,
	[STREAM_ZIPF] = PATTERN_ZIPF,	    [STREAM_PHASE] = PATTERN_PHASE,
	[STREAM_MIXED] = PATTERN_MIXED,	    [STREAM_ZIPF_SCAN] = PATTERN_ZIPF,
	[STREAM_ZIPF_MOVES] = PATTERN_ZIPF,
};

uint32_t *stream_make(enum stream stream, uint64_t pages, size_t n)
{
	uint32_t *row = room(n, sizeof(*row));
	struct access access;
	struct zipf zipf;
	size_t i;

	if (!zipf_prepare(&zipf, pages))
		exit(2);
	access_start(&access, patterns[stream], &zipf, pages, 1);
	for (i = 0; i < n; i++) {
		uint64_t page = i < pages ? i : access_next(&access);

		if (i >= pages && stream == STREAM_ZIPF_SCAN && i / pages % 4 >= 2 && i % 2)
			page = i / 2 % pages;
		if (i >= pages && stream == STREAM_ZIPF_MOVES)
			page = (page + (i - pages) * 4 / (n - pages) * (pages / 3)) % pages;
		row[i] = (uint32_t)page;
	}
	free(zipf.page);
	return row;
}
