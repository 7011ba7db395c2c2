// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A guest's tiers in their order, and the pins of those who read a slot without a claim.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/text.h"
#include "pager/tier_io.h"
#include "pager/tier_ops.h"

/* A tier's number in the page map, for ever */
static const struct tier_ops *const kinds[] = {
	[TIER_SAME_FILLED] = &tier_same_ops,	[TIER_RAM] = &tier_ram_ops,
	[TIER_FILE] = &tier_file_ops,		[TIER_ZSTD] = &tier_zstd_ops,
	[TIER_DIRECTORY] = &tier_directory_ops, [TIER_BORROWED] = &tier_borrowed_ops,
};

enum { KINDS = TIER_KINDS };

/* Of a tier's limit, what is given to guests that ask for room */
enum { ROOM_SHARE = 32, ROOM_SHARE_MOST = 8, ROOM_LEAST = 1 << 20 };

/* Who asked before that needs it no more, or has ended */
enum { ASKED_MS = 5000 };

_Static_assert((int)TIER_SAME_FILLED == 0 && (int)TIER_RAM == 1 && (int)TIER_FILE == 2 &&
		       (int)TIER_ZSTD == 3 && (int)TIER_DIRECTORY == 4 && (int)TIER_BORROWED == 5,
	       "the page map has these numbers");
_Static_assert((int)KINDS <= (int)TIERS_MAX, "a tier's number has three bits");

/* Pages on their way down, and what each takes where it is */
struct demotion_list {
	const void *pages;
	size_t n;
	size_t now[TIER_PIECES_MAX];
	struct page_place *to;
};

/* A slot that is read without a claim */
struct pin {
	struct page_place place;
	bool used, freed;
};

/**
 * struct tiers
 * @tier:	By number; NULL: not there
 * @order:	Numbers, as they are tried
 * @budget:	What each is counted in; NULL: nothing
 * @pin_lock:	Protects @pin.  No other lock is taken under it
 * @n_pins:	Read without it: where there is none, tiers_free() looks no further
 */
struct tiers {
	void *tier[KINDS];
	unsigned int order[KINDS];
	size_t n;
	struct tier_budget *budget[KINDS];
	pthread_mutex_t pin_lock;
	_Atomic unsigned int n_pins;
	struct pin pin[TIER_PINS_MAX];
};

bool tier_budget_take(struct tier_budget *budget, uint64_t bytes)
{
	uint64_t used;

	if (!budget)
		return true;
	used = budget->used;
	do {
		uint64_t limit = budget->limit;

		if (limit && (used >= limit || limit - used < bytes))
			return false;
	} while (!atomic_compare_exchange_weak(&budget->used, &used, used + bytes));
	return true;
}

void tier_budget_give(struct tier_budget *budget, uint64_t bytes)
{
	if (budget)
		budget->used -= bytes;
}

static int open_tier(struct tiers *tiers, int directory, struct tier_stores *stores,
		     const struct tier_spec *spec, bool fresh, struct err *err)
{
	int rc;

	if ((size_t)spec->kind >= KINDS || tiers->tier[spec->kind])
		return err_set(err, EINVAL, "a tier of one kind is listed twice");
	if (kinds[spec->kind]->slow && !spec->store)
		return err_set(err, EINVAL, "a tier in a file has no file");
	rc = kinds[spec->kind]->open(&tiers->tier[spec->kind], directory, stores, spec, fresh, err);
	if (!rc)
		tiers->order[tiers->n++] = spec->kind;
	tiers->budget[spec->kind] = spec->budget;
	return rc;
}

/* What an earlier configuration had may still have pages */
static int open_former(struct tiers *tiers, int directory, struct tier_stores *stores,
		       struct err *err)
{
	unsigned int i;
	int rc = 0;

	for (i = 0; i < KINDS && !rc; i++)
		if (!tiers->tier[i])
			rc = kinds[i]->open(&tiers->tier[i], directory, stores, NULL, false, err);
	return rc;
}

int tiers_open(struct tiers **tiers, int directory, struct tier_stores *stores,
	       const struct tier_spec *spec, size_t n_specs, bool fresh, struct err *err)
{
	struct tiers *new = calloc(1, sizeof(*new));
	size_t i;
	int rc = 0;

	if (!new)
		return err_nomem(err);
	pthread_mutex_init(&new->pin_lock, NULL);
	for (i = 0; i < n_specs && !rc; i++)
		rc = open_tier(new, directory, stores, &spec[i], fresh, err);
	if (!rc && !fresh)
		rc = open_former(new, directory, stores, err);
	if (rc) {
		tiers_close(new);
		return rc;
	}
	*tiers = new;
	return 0;
}

void tiers_close(struct tiers *tiers)
{
	size_t i;

	if (!tiers)
		return;
	for (i = 0; i < KINDS; i++)
		if (tiers->tier[i])
			kinds[i]->close(tiers->tier[i]);
	pthread_mutex_destroy(&tiers->pin_lock);
	free(tiers);
}

static bool is_place(const struct tiers *tiers, struct page_place place)
{
	return place.tier < KINDS && tiers->tier[place.tier] && place.slot >> SLOT_BITS == 0;
}

int tiers_claim(struct tiers *tiers, struct page_place place)
{
	if (!is_place(tiers, place))
		return -EINVAL;
	return kinds[place.tier]->claim(tiers->tier[place.tier], place.slot);
}

int tiers_ready(struct tiers *tiers, struct err *err)
{
	size_t i;
	int rc = 0;

	for (i = 0; i < KINDS && !rc; i++)
		if (tiers->tier[i])
			rc = kinds[i]->ready(tiers->tier[i], err);
	return rc;
}

int tiers_store(struct tiers *tiers, const void *page, struct page_place *place)
{
	int failed = -ENOSPC;
	size_t i;

	for (i = 0; i < tiers->n; i++) {
		unsigned int number = tiers->order[i];
		uint64_t slot;
		int rc;

		if (kinds[number]->lower)
			continue;
		rc = kinds[number]->store(tiers->tier[number], page, &slot);
		if (!rc) {
			*place = (struct page_place){ number, slot };
			return 0;
		}
		if (rc != -ENOSPC)
			failed = rc;
	}
	return failed;
}

int tiers_load(struct tiers *tiers, struct page_place place, void *page)
{
	if (!is_place(tiers, place))
		return -EIO;
	return kinds[place.tier]->load(tiers->tier[place.tier], place.slot, page);
}

/* As many neighbours in @place as are in one tier that reads several */
static size_t of_one_tier(const struct tiers *tiers, const struct page_place *place, size_t n)
{
	size_t i = 1;

	if (!is_place(tiers, place[0]) || !kinds[place[0].tier]->fetch)
		return 0;
	while (i < n && i < TIER_PIECES_MAX && is_place(tiers, place[i]) &&
	       place[i].tier == place[0].tier)
		i++;
	return i;
}

void tiers_fetch(struct tiers *tiers, const struct page_place *place, size_t n, void *pages,
		 int *rc)
{
	uint64_t slots[TIER_PIECES_MAX];
	unsigned char *at = pages;
	size_t i, k, together;

	for (i = 0; i < n; i += together) {
		together = of_one_tier(tiers, &place[i], n - i);
		for (k = 0; k < together; k++)
			slots[k] = place[i + k].slot;
		if (together) {
			kinds[place[i].tier]->fetch(tiers->tier[place[i].tier], slots, together,
						    at + i * PAGE_BYTES, &rc[i]);
		} else {
			rc[i] = tiers_load(tiers, place[i], at + i * PAGE_BYTES);
			together = 1;
		}
	}
}

bool tiers_is_slow(struct page_place place)
{
	return place.tier < KINDS && kinds[place.tier]->slow;
}

static size_t bytes_of(const struct tiers *tiers, struct page_place place)
{
	if (!is_place(tiers, place) || !kinds[place.tier]->length)
		return PAGE_BYTES;
	return kinds[place.tier]->length(tiers->tier[place.tier], place.slot);
}

/* Neighbours among @to that have no place yet, from @first on */
static size_t without_place(const struct page_place *to, size_t first, size_t n)
{
	size_t i = first;

	while (i < n && to[i].tier >= TIERS_MAX)
		i++;
	return i - first;
}

static struct page_place place_in(unsigned int number, uint64_t slot)
{
	if (slot == SLOT_NO_GAIN)
		return (struct page_place){ .tier = PLACE_NO_GAIN };
	if (slot == SLOT_NONE)
		return (struct page_place){ .tier = PLACE_NONE };
	return (struct page_place){ number, slot };
}

/* What has no place yet, into this tier */
static int put_into(struct tiers *tiers, unsigned int number, struct demotion_list *list,
		    struct err *err)
{
	uint64_t slots[TIER_PIECES_MAX];
	size_t first, n, k;
	int rc = 0;

	for (first = 0; first < list->n && rc == 0; first += n) {
		n = without_place(list->to, first, list->n);
		if (!n) {
			n = 1;
			continue;
		}
		rc = kinds[number]->put(tiers->tier[number],
					(const char *)list->pages + first * PAGE_BYTES,
					&list->now[first], n, slots, err);
		for (k = 0; rc == 0 && k < n; k++)
			list->to[first + k] = place_in(number, slots[k]);
	}
	return rc;
}

/* Where in their order those begin that come after it */
static size_t behind(const struct tiers *tiers, unsigned int number)
{
	size_t i = 0;

	while (i < tiers->n && tiers->order[i] != number)
		i++;
	return i < tiers->n ? i + 1 : 0;
}

/* What came of a tier, against what came of those before it: that it is full, too, or takes none,
 * is no news where one fails */
static bool is_news(int rc, int before)
{
	if (rc == -ENOENT)
		return before == 0;
	return rc == 0 || before == 0 || before == -ENOENT || before == -ENOSPC;
}

int tiers_demote(struct tiers *tiers, const void *pages, size_t n, const struct page_place *from,
		 bool far, struct page_place *to, struct err *err)
{
	struct demotion_list list = { .pages = pages, .n = n, .to = to };
	int failed = far ? -ENOENT : 0, taken = 0, rc;
	struct err why = { "" };
	size_t i;

	for (i = 0; i < n; i++) {
		list.now[i] = bytes_of(tiers, from[i]);
		to[i] = place_in(0, SLOT_NONE);
	}
	for (i = behind(tiers, from[0].tier); i < tiers->n; i++) {
		const struct tier_ops *ops = kinds[tiers->order[i]];

		if (!ops->lower || (ops->slow && !far))
			continue;
		rc = put_into(tiers, tiers->order[i], &list, &why);
		if (!is_news(rc, failed))
			continue;
		failed = rc;
		if (rc < 0 && err)
			*err = why;
	}
	for (i = 0; i < n; i++)
		taken += to[i].tier < TIERS_MAX;
	return taken || !failed ? taken : failed;
}

void tiers_give_up(struct tiers *tiers)
{
	size_t i;

	for (i = 0; i < KINDS; i++)
		if (tiers->tier[i] && kinds[i]->give_up)
			kinds[i]->give_up(tiers->tier[i]);
}

void tiers_tidy(struct tiers *tiers)
{
	size_t i;

	for (i = 0; i < KINDS; i++)
		if (tiers->tier[i] && kinds[i]->tidy)
			kinds[i]->tidy(tiers->tier[i]);
}

static bool is_slow_one(const struct tiers *tiers, size_t tier)
{
	return tier < KINDS && tiers->tier[tier] && kinds[tier]->slow;
}

bool tiers_has_slow(const struct tiers *tiers)
{
	size_t i = 0;

	while (i < KINDS && !is_slow_one(tiers, i))
		i++;
	return i < KINDS;
}

const char *tiers_slow_path(const struct tiers *tiers, unsigned int tier)
{
	return is_slow_one(tiers, tier) ? kinds[tier]->path(tiers->tier[tier]) : "a tier";
}

const char *tiers_silent(const struct tiers *tiers)
{
	size_t i;

	for (i = 0; i < KINDS; i++)
		if (is_slow_one(tiers, i) && kinds[i]->silent(tiers->tier[i]))
			return kinds[i]->path(tiers->tier[i]);
	return NULL;
}

void tiers_slow_why(struct tiers *tiers, unsigned int tier, struct err *why)
{
	*why = (struct err){ "" };
	if (is_slow_one(tiers, tier))
		kinds[tier]->why(tiers->tier[tier], why);
}

static unsigned int percent_of(uint64_t bytes, const struct tier_budget *budget)
{
	uint64_t limit = budget ? budget->limit : 0;

	return limit ? (unsigned int)(u64_mul_sat(bytes, 100) / limit) : 0;
}

unsigned int tiers_slow_taken(const struct tiers *tiers)
{
	unsigned int most = 0, taken;
	size_t i;

	for (i = 0; i < KINDS; i++) {
		if (!is_slow_one(tiers, i) || !tiers->budget[i])
			continue;
		taken = percent_of(tiers->budget[i]->used, tiers->budget[i]);
		most = taken > most ? taken : most;
	}
	return most;
}

unsigned int tiers_filled(const struct tiers *tiers, enum tier_kind kind)
{
	const struct tier_budget *budget = tiers->budget[kind];

	return budget ? percent_of(budget->filled, budget) : 0;
}

/* A slab for each size of page, but of a small tier not much */
static uint64_t room_for_one(uint64_t limit)
{
	return u64_min(u64_max(limit / ROOM_SHARE, ROOM_LEAST), limit / ROOM_SHARE_MOST);
}

void tiers_ask_for_room(struct tiers *tiers, enum tier_kind kind)
{
	if (tiers->budget[kind])
		tiers->budget[kind]->asked_ms = clock_ms();
}

bool tiers_is_room_asked_for(struct tiers *tiers, enum tier_kind kind)
{
	struct tier_budget *budget = tiers->budget[kind];
	uint64_t limit, asked_ms = budget ? (uint64_t)budget->asked_ms : 0;

	if (!asked_ms)
		return false;
	limit = budget->limit;
	if (limit && budget->used + room_for_one(limit) > limit && clock_ms() - asked_ms < ASKED_MS)
		return true;
	budget->asked_ms = 0;
	return false;
}

unsigned int tiers_slab_filled(const struct tiers *tiers, struct page_place place)
{
	if (!is_place(tiers, place) || !kinds[place.tier]->slab_filled)
		return 100;
	return kinds[place.tier]->slab_filled(tiers->tier[place.tier], place.slot);
}

bool tiers_has(const struct tiers *tiers, enum tier_kind kind)
{
	return tiers->tier[kind];
}

bool tiers_takes(const struct tiers *tiers, enum tier_kind kind)
{
	size_t i = 0;

	while (i < tiers->n && tiers->order[i] != kind)
		i++;
	return i < tiers->n;
}

bool tiers_takes_slow(const struct tiers *tiers)
{
	size_t i = 0;

	while (i < tiers->n && !kinds[tiers->order[i]]->slow)
		i++;
	return i < tiers->n;
}

uint64_t tiers_own_bytes(const struct tiers *tiers)
{
	uint64_t bytes = 0;
	size_t i;

	for (i = 0; i < KINDS; i++)
		if (tiers->tier[i] && kinds[i]->own)
			bytes += kinds[i]->own(tiers->tier[i]);
	return bytes;
}

/* ---- owners ---- */

int tiers_lend(struct tiers *tiers, struct page_place place, struct tier_location *location,
	       struct err *err)
{
	if (!is_place(tiers, place) || !kinds[place.tier]->lend)
		return -ENOTSUP;
	return kinds[place.tier]->lend(tiers->tier[place.tier], place.slot, location, err);
}

int tiers_lent_file(const struct tiers *tiers, struct tier_file_id *file)
{
	size_t i;
	int rc = -ENOENT;

	for (i = 0; i < KINDS && rc == -ENOENT; i++)
		if (tiers->tier[i] && kinds[i]->lent_file)
			rc = kinds[i]->lent_file(tiers->tier[i], file);
	return rc;
}

void tiers_let_go(struct tiers *tiers)
{
	size_t i;

	for (i = 0; i < KINDS; i++)
		if (tiers->tier[i] && kinds[i]->let_go)
			kinds[i]->let_go(tiers->tier[i]);
}

int tiers_borrow(struct tiers *tiers, int directory, struct tier_stores *stores,
		 const struct tier_file_id *file, struct err *err)
{
	if (tiers->tier[TIER_BORROWED])
		return err_set(err, EEXIST, "the guest has borrowed pages already");
	return tier_borrowed_begin(&tiers->tier[TIER_BORROWED], directory, stores, file, err);
}

int tiers_borrow_slot(struct tiers *tiers, const struct tier_location *location,
		      struct page_place *place)
{
	uint64_t slot;
	int rc;

	if (!tiers->tier[TIER_BORROWED])
		return -EINVAL;
	rc = kinds[TIER_BORROWED]->borrow(tiers->tier[TIER_BORROWED], location, &slot);
	if (rc == 0)
		*place = (struct page_place){ TIER_BORROWED, slot };
	return rc;
}

bool tiers_holds(struct tiers *tiers, struct page_place place, const void *page)
{
	return is_place(tiers, place) &&
	       kinds[place.tier]->holds(tiers->tier[place.tier], place.slot, page);
}

bool tiers_keeps(const struct tiers *tiers, struct page_place place)
{
	if (!is_place(tiers, place))
		return false;
	return !kinds[place.tier]->keeps || kinds[place.tier]->keeps(tiers->tier[place.tier]);
}

static struct pin *find_pin(struct tiers *tiers, struct page_place place)
{
	size_t i;

	for (i = 0; i < TIER_PINS_MAX; i++) {
		struct pin *pin = &tiers->pin[i];

		if (pin->used && pin->place.tier == place.tier && pin->place.slot == place.slot)
			return pin;
	}
	return NULL;
}

/* Return: the slot is pinned, and goes with its last pin */
static bool leave_to_pin(struct tiers *tiers, struct page_place place)
{
	struct pin *pin;

	pthread_mutex_lock(&tiers->pin_lock);
	pin = find_pin(tiers, place);
	if (pin)
		pin->freed = true;
	pthread_mutex_unlock(&tiers->pin_lock);
	return pin;
}

void tiers_free(struct tiers *tiers, struct page_place place)
{
	if (!is_place(tiers, place))
		return;
	/*
	 * We changed the entry before we look at the number, who pins reads the entry after he
	 * changed the number.  A change of the number, by nothing, puts the two in an order.
	 */
	if (atomic_fetch_add_explicit(&tiers->n_pins, 0, memory_order_acq_rel) &&
	    leave_to_pin(tiers, place))
		return;
	kinds[place.tier]->free(tiers->tier[place.tier], place.slot);
}

int tiers_pin(struct tiers *tiers, struct page_place place)
{
	int rc = -EBUSY;
	size_t i;

	pthread_mutex_lock(&tiers->pin_lock);
	for (i = 0; i < TIER_PINS_MAX && rc; i++)
		if (!tiers->pin[i].used) {
			tiers->pin[i] = (struct pin){ .place = place, .used = true };
			atomic_fetch_add(&tiers->n_pins, 1);
			rc = 0;
		}
	pthread_mutex_unlock(&tiers->pin_lock);
	return rc;
}

void tiers_unpin(struct tiers *tiers, struct page_place place)
{
	struct pin *pin, *other;
	bool freed = false;

	pthread_mutex_lock(&tiers->pin_lock);
	pin = find_pin(tiers, place);
	if (pin) {
		freed = pin->freed;
		*pin = (struct pin){ .used = false };
		atomic_fetch_sub(&tiers->n_pins, 1);
		other = find_pin(tiers, place);
		if (freed && other) {
			other->freed = true;
			freed = false;
		}
	}
	pthread_mutex_unlock(&tiers->pin_lock);
	if (freed)
		kinds[place.tier]->free(tiers->tier[place.tier], place.slot);
}

size_t tiers_usage(const struct tiers *tiers, struct tier_usage *usage, size_t max)
{
	size_t i, n = 0;

	for (i = 0; i < KINDS && n < max; i++)
		if (tiers->tier[i])
			kinds[i]->usage(tiers->tier[i], &usage[n++]);
	return n;
}
