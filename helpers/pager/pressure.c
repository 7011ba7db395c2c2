// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What each paged guest may have while the host is short of memory.
 */
#include "pager/pressure.h"

#include "base/text.h"

/* Of keep_free, in sixteenths; @LONG_CALM is the mark for what is given back after a long time
 * without shortage: a host may have had no more before it */
enum { LOW = 8, LONG_CALM = 9, ENOUGH = 11, PLENTY = 12, PARTS = 16 };

/* From the last shortage to the first step back.  Doubled when a shortage follows one soon */
enum { CALM_MS = 10000, CALM_MAX_MS = 600000, RELAPSE_MS = 60000, LONG_CALM_MS = 300000 };

/* Between steps back, and between moves from idle guests to others */
enum { RETURN_MS = 5000, MOVE_MS = 2000 };

/* After a shortage, before pages move: what is taken and what moves would go back and forth */
enum { MOVE_AFTER_MS = 5000 };

/* Pages on their way out are waited for so long, and counted as gone soon for so long */
enum { OUT_MS = 2000, OUT_COUNTS_MS = 10000 };

/* While guests have less than their limits, and while more is taken */
enum { HELD_LOOK_MS = 2000 };

/* Of the time: tasks wait so long where memory is short, and less where it is not */
enum { STALLED_PERCENT = 10, CALM_PERCENT = 2 };

/* Shares of what all guests have resident: a step, and what moves at once */
enum { STEP_SHARE = 16, MOVE_SHARE = 16, URGENT_STEPS = 4 };

/* A guest may get what it loads again in so long, less what it may have and has not loaded yet */
enum { GETS_MS = 8000 };

/* So many times the heat of one that gives: else the next sample sends pages back again */
enum { HOTTER = 4 };

/* Idle pages are looked for so often where memory has just become short, later at half of the time
 * since then, and as ever once nothing has been taken or moved for a while */
enum { SAMPLE_SOON_MS = 3000, SAMPLE_MS = 10000, SAMPLE_AS_EVER_MS = 60000 };

/* Nothing is taken for so long after tiers were full */
enum { STUCK_MS = 60000 };

/* A guest whose idle pages were never sampled has so much of what is above its floor */
enum { UNKNOWN_IDLE = 16 };

/* A guest wants more that loads again this share of what it has in a second */
enum { WANTS_SHARE = 512 };

/* Of the host's memory: smaller steps back are not worth it, unless they are the last */
enum { LEAST_RETURN_SHARE = 16384 };

struct pressure_marks pressure_marks(uint64_t memory, uint64_t keep_free)
{
	uint64_t keep = u64_max(keep_free, memory / 64);

	return (struct pressure_marks){
		.low = keep / PARTS * LOW,
		.enough = keep / PARTS * ENOUGH,
		.plenty = keep / PARTS * PLENTY,
	};
}

/* ---- sharing an amount out ---- */

static uint64_t part_of(uint64_t amount, uint64_t weight, uint64_t weights)
{
	return (uint64_t)((double)amount * ((double)weight / (double)weights));
}

/* By weight, once around.  Return: what was given out */
static uint64_t share_round(uint64_t amount, struct pressure_share *share, size_t n)
{
	uint64_t weights = 0, given = 0;
	size_t i;

	for (i = 0; i < n; i++)
		weights += share[i].got < share[i].cap ? share[i].weight : 0;
	for (i = 0; weights && i < n; i++) {
		uint64_t part = part_of(amount, share[i].weight, weights);

		if (share[i].got >= share[i].cap)
			continue;
		part = u64_min(u64_min(part, share[i].cap - share[i].got), amount - given);
		share[i].got += part;
		given += part;
	}
	return given;
}

/* None gets more than its cap.  Return: what was given out: all, or the sum of caps of those that
 * have a weight */
static uint64_t share_out(uint64_t amount, struct pressure_share *share, size_t n)
{
	uint64_t left = amount, given = 1;
	size_t i;

	while (left && given) {
		given = share_round(left, share, n);
		left -= given;
	}
	/* Less than one page for each */
	for (i = 0; left && i < n; i++) {
		uint64_t part = share[i].weight ? u64_min(left, share[i].cap - share[i].got) : 0;

		share[i].got += part;
		left -= part;
	}
	return amount - left;
}

/* ---- one guest ---- */

/* What it has, and may keep */
static uint64_t has(const struct pressure_guest *guest)
{
	return u64_min(guest->target, guest->resident);
}

static uint64_t room(const struct pressure_guest *guest)
{
	return u64_sub_floor(has(guest), guest->floor);
}

static uint64_t given(const struct pressure_guest *guest)
{
	return guest->limit - guest->target;
}

static bool wants(const struct pressure_guest *guest)
{
	return guest->rate > has(guest) / WANTS_SHARE;
}

/* A person gives a guest another limit: what was taken of it stays taken */
static void follow_limit(struct pressure_guest *guest)
{
	uint64_t taken = u64_sub_floor(guest->limit_seen, guest->target);

	if (!guest->target || guest->limit != guest->limit_seen)
		guest->target = u64_max(u64_sub_floor(guest->limit, guest->target ? taken : 0),
					u64_min(guest->floor, guest->limit));
	guest->limit_seen = guest->limit;
}

/* By how many pages a second it falls short, of those that are out.  Compared, never divided: */
static bool is_hotter(const struct pressure_guest *a, uint64_t times,
		      const struct pressure_guest *b)
{
	return a->rate * (b->out + 1) > times * b->rate * (a->out + 1);
}

/* Each page that came back was one too much */
static void follow_refaults(struct pressure_guest *guest, uint64_t ms)
{
	uint64_t more = u64_sub_floor(guest->refaults, guest->refaults_seen);

	guest->refaults_seen = guest->refaults;
	if (!ms)
		return;
	guest->rate = (guest->rate * 3 + more * 1000 / ms) / 4;
	guest->idle = u64_sub_floor(guest->idle, more);
}

static void follow_idle(struct pressure_guest *guest)
{
	if (guest->idle_percent < 0)
		guest->idle = room(guest) / UNKNOWN_IDLE;
	else if (guest->samples != guest->samples_seen)
		guest->idle = u64_sub_floor(guest->resident * (uint64_t)guest->idle_percent / 100,
					    guest->rate * SAMPLE_MS / 1000);
	guest->samples_seen = guest->samples;
}

static void take_from(struct pressure_guest *guest, uint64_t pages)
{
	if (!pages)
		return;
	guest->target = has(guest) - pages;
	guest->idle = u64_sub_floor(guest->idle, pages);
}

/* ---- all of them ---- */

struct look {
	struct pressure *pressure;
	const struct pressure_host *host;
	struct pressure_marks marks;
	struct pressure_guest *const *guests;
	struct pressure_share *share;
	size_t n;
	uint64_t resident, taken, on_their_way, promised;
};

static void sum_up(struct look *look)
{
	size_t i;

	for (i = 0; i < look->n; i++) {
		const struct pressure_guest *guest = look->guests[i];

		look->resident += guest->resident;
		look->taken += given(guest);
		look->on_their_way += u64_sub_floor(guest->resident, guest->target);
		if (given(guest))
			look->promised += u64_sub_floor(guest->target, guest->resident);
	}
}

static uint64_t since(const struct look *look, uint64_t when)
{
	return look->host->now - when;
}

static bool is_stalled(const struct look *look)
{
	return look->host->stalled_percent >= STALLED_PERCENT &&
	       look->host->available < 2 * look->marks.plenty;
}

/* Were tiers full a short while ago? */
static bool is_full(const struct look *look)
{
	return look->pressure->stuck_at && since(look, look->pressure->stuck_at) < STUCK_MS;
}

/* What is available once that is out which is on its way: a tier in memory keeps a half of it */
static uint64_t expected(const struct look *look)
{
	bool soon = since(look, look->pressure->taken_at) < OUT_COUNTS_MS;

	return look->host->available + (soon ? look->on_their_way / 2 : 0);
}

static uint64_t step_of(const struct look *look)
{
	uint64_t step = look->resident / STEP_SHARE;

	return look->host->available < look->marks.low / 2 ? step * URGENT_STEPS : step;
}

/* ---- taking ---- */

static uint64_t take_idle(struct look *look, uint64_t pages)
{
	size_t i;

	for (i = 0; i < look->n; i++) {
		const struct pressure_guest *guest = look->guests[i];

		look->share[i] = (struct pressure_share){ .cap = u64_min(guest->idle, room(guest)),
							  .weight = guest->idle };
	}
	return share_out(pages, look->share, look->n);
}

/* On top of what take_idle() took */
static uint64_t take_used(struct look *look, uint64_t pages)
{
	size_t i;

	for (i = 0; i < look->n; i++)
		look->share[i].cap = look->share[i].weight = room(look->guests[i]);
	return share_out(pages, look->share, look->n);
}

/* Twice what is missing: see expected() */
static uint64_t ask_for(const struct look *look, uint64_t mark, uint64_t most)
{
	return u64_min(2 * u64_sub_floor(mark, expected(look)), most);
}

/* Return: how many pages guests give */
static uint64_t take(struct look *look)
{
	uint64_t most = step_of(look);
	uint64_t wanted = ask_for(look, look->marks.enough, most), got;
	uint64_t needed = ask_for(look, look->marks.low, most);
	size_t i;

	if (is_stalled(look))
		wanted = u64_max(wanted, most / 4);
	got = take_idle(look, wanted);
	if (needed > got)
		got += take_used(look, needed - got);
	for (i = 0; i < look->n; i++)
		take_from(look->guests[i], look->share[i].got);
	return got;
}

/* ---- giving back ---- */

/* First guests that want more, by how much they load again */
static void give_back(struct look *look, uint64_t pages)
{
	size_t i;

	for (i = 0; i < look->n; i++) {
		const struct pressure_guest *guest = look->guests[i];

		look->share[i] = (struct pressure_share){ .cap = given(guest),
							  .weight = wants(guest) && given(guest) ?
									    guest->rate :
									    0 };
	}
	pages -= share_out(pages, look->share, look->n);
	for (i = 0; i < look->n; i++)
		look->share[i].weight = given(look->guests[i]);
	share_out(pages, look->share, look->n);
	for (i = 0; i < look->n; i++)
		look->guests[i]->target += look->share[i].got;
}

static bool is_calm(const struct look *look)
{
	const struct pressure *pressure = look->pressure;

	return since(look, pressure->taken_at) >= pressure->calm_ms &&
	       look->host->stalled_percent < CALM_PERCENT;
}

/* How much there is to give back */
static uint64_t spare(const struct look *look)
{
	uint64_t mark = look->marks.plenty;

	if (since(look, look->pressure->taken_at) >=
	    u64_max(LONG_CALM_MS, 8 * look->pressure->calm_ms))
		mark = look->marks.low / LOW * LONG_CALM;
	return u64_sub_floor(look->host->available, mark + look->promised);
}

static bool give_step_back(struct look *look)
{
	uint64_t step = u64_max(look->taken / 8, look->host->memory / 256);

	step = u64_min(u64_min(step, look->taken), spare(look) / 2);
	if (!is_calm(look) || since(look, look->pressure->returned_at) < RETURN_MS ||
	    step < u64_min(look->host->memory / LEAST_RETURN_SHARE + 1, look->taken))
		return false;
	give_back(look, step);
	look->pressure->returned_at = look->host->now;
	return true;
}

/* ---- from idle guests to others ---- */

/* What a guest may get that loads again much of what it gave */
static uint64_t gets(const struct pressure_guest *guest)
{
	uint64_t unused = u64_sub_floor(guest->target, guest->resident);

	return wants(guest) ?
		       u64_min(given(guest), u64_sub_floor(guest->rate * GETS_MS / 1000, unused)) :
		       0;
}

static const struct pressure_guest *hottest(const struct look *look)
{
	const struct pressure_guest *found = NULL;
	size_t i;

	for (i = 0; i < look->n; i++)
		if (gets(look->guests[i]) && (!found || is_hotter(look->guests[i], 1, found)))
			found = look->guests[i];
	return found;
}

static bool may_donate(const struct pressure_guest *guest, const struct pressure_guest *hot)
{
	return guest->idle_percent >= 0 && guest->idle > has(guest) / 8 &&
	       (!wants(guest) || is_hotter(hot, HOTTER, guest));
}

/* Half of what is idle: the sample may be of another time */
static uint64_t take_from_donors(struct look *look, uint64_t pages,
				 const struct pressure_guest *hot)
{
	uint64_t got;
	size_t i;

	for (i = 0; i < look->n; i++) {
		const struct pressure_guest *guest = look->guests[i];
		uint64_t most = may_donate(guest, hot) ? guest->idle / 2 : 0;

		look->share[i] = (struct pressure_share){ .cap = u64_min(most, room(guest)),
							  .weight = most };
	}
	got = share_out(pages, look->share, look->n);
	for (i = 0; i < look->n; i++)
		take_from(look->guests[i], look->share[i].got);
	return got;
}

/* To guests about as hot as the hottest: those that give are not among them.
 * Return: pages that they may get, each in its share */
static uint64_t find_hot(struct look *look, const struct pressure_guest *hot)
{
	uint64_t pages = 0;
	size_t i;

	for (i = 0; i < look->n; i++) {
		const struct pressure_guest *guest = look->guests[i];
		uint64_t most = is_hotter(hot, HOTTER / 2, guest) ? 0 : gets(guest);

		look->share[i] = (struct pressure_share){ .cap = most, .weight = most };
		pages += most;
	}
	return pages;
}

static void move(struct look *look)
{
	const struct pressure_guest *hot = hottest(look);
	uint64_t pages;
	size_t i;

	if (!hot || since(look, look->pressure->moved_at) < MOVE_MS ||
	    since(look, look->pressure->taken_at) < MOVE_AFTER_MS || is_full(look))
		return;
	/* What is given back soon needs no donor */
	pages = u64_sub_floor(find_hot(look, hot), spare(look));
	pages = take_from_donors(look, u64_min(pages, look->resident / MOVE_SHARE), hot);
	if (!pages)
		return;
	find_hot(look, hot);
	share_out(pages, look->share, look->n);
	for (i = 0; i < look->n; i++)
		look->guests[i]->target += look->share[i].got;
	look->pressure->moved_at = look->host->now;
}

/* ---- what to do ---- */

/* Memory is short from @low on, until there is @enough */
static bool is_short(const struct look *look)
{
	uint64_t mark = look->pressure->short_of_memory ? look->marks.enough : look->marks.low;

	return look->host->available < mark || is_stalled(look);
}

static bool any_stuck(const struct look *look)
{
	size_t i;

	for (i = 0; i < look->n; i++)
		if (look->guests[i]->stuck)
			return true;
	return false;
}

static void begin_shortage(struct look *look)
{
	struct pressure *pressure = look->pressure;

	if (pressure->phase == PRESSURE_NONE)
		pressure->began_at = look->host->now;
	if (pressure->returned_at && since(look, pressure->returned_at) < RELAPSE_MS)
		pressure->calm_ms = u64_min(2 * pressure->calm_ms, CALM_MAX_MS);
	pressure->short_of_memory = true;
}

/* Is what was taken before not out yet? */
static bool waits(const struct look *look)
{
	return since(look, look->pressure->taken_at) < OUT_MS &&
	       look->on_their_way > step_of(look) / 4;
}

static enum pressure_phase do_take(struct look *look)
{
	struct pressure *pressure = look->pressure;
	uint64_t got;

	if (!pressure->short_of_memory)
		begin_shortage(look);
	if (waits(look))
		return PRESSURE_TAKES;
	got = is_full(look) ? 0 : take(look);
	pressure->exhausted = !got && expected(look) < look->marks.low;
	/* The time of the last shortage, too */
	pressure->taken_at = look->host->now;
	return PRESSURE_TAKES;
}

static enum pressure_phase do_return(struct look *look)
{
	bool gave = give_step_back(look);

	look->pressure->short_of_memory = look->pressure->exhausted = false;
	if (!gave)
		move(look);
	return gave || since(look, look->pressure->returned_at) < 2 * RETURN_MS ? PRESSURE_RETURNS :
										  PRESSURE_HOLDS;
}

static enum pressure_phase decide(struct look *look)
{
	struct pressure *pressure = look->pressure;

	if (any_stuck(look)) {
		give_back(look,
			  u64_min(look->taken, u64_max(look->taken / 4, look->host->memory / 256)));
		pressure->stuck_at = pressure->returned_at = look->host->now;
		return look->taken ? PRESSURE_RETURNS : PRESSURE_NONE;
	}
	if (is_short(look))
		return do_take(look);
	if (look->taken)
		return do_return(look);
	if (since(look, pressure->taken_at) >= CALM_MAX_MS)
		pressure->calm_ms = CALM_MS;
	pressure->short_of_memory = pressure->exhausted = false;
	return PRESSURE_NONE;
}

/* While nothing was taken: before memory can be short, at a sixty-fourth of it in a second */
static uint64_t next_look(const struct look *look)
{
	uint64_t far = u64_sub_floor(look->host->available, look->marks.low);
	uint64_t a_second = u64_max(look->host->memory / 64, 1);

	if (look->pressure->phase == PRESSURE_TAKES || any_stuck(look))
		return PRESSURE_SOON_MS;
	far = u64_max(far * 1000 / a_second, PRESSURE_SOON_MS);
	return u64_min(far,
		       look->pressure->phase == PRESSURE_NONE ? PRESSURE_LOOK_MS : HELD_LOOK_MS);
}

uint64_t pressure_taken(struct pressure_guest *const *guests, size_t n)
{
	uint64_t pages = 0;
	size_t i;

	for (i = 0; i < n; i++)
		pages += given(guests[i]);
	return pages;
}

uint64_t pressure_look(struct pressure *pressure, const struct pressure_host *host,
		       struct pressure_guest *const *guests, struct pressure_share *shares,
		       size_t n)
{
	struct look look = {
		.pressure = pressure,
		.host = host,
		.marks = pressure_marks(host->memory, host->keep_free),
		.guests = guests,
		.share = shares,
		.n = n,
	};
	uint64_t ms = pressure->looked ? host->now - pressure->looked : 0;
	size_t i;

	if (!pressure->calm_ms)
		pressure->calm_ms = CALM_MS;
	for (i = 0; i < n; i++) {
		follow_limit(guests[i]);
		follow_refaults(guests[i], ms);
		follow_idle(guests[i]);
	}
	sum_up(&look);
	pressure->looked = host->now;
	pressure->phase = decide(&look);
	return next_look(&look);
}

bool pressure_keeps_slots(const struct pressure *pressure)
{
	return pressure->phase == PRESSURE_NONE || pressure->phase == PRESSURE_RETURNS;
}

uint64_t pressure_sample_ms(const struct pressure *pressure, uint64_t now, bool known,
			    uint64_t calm_ms)
{
	uint64_t changed = u64_max(pressure->taken_at, pressure->moved_at), ms;

	if (pressure->phase == PRESSURE_NONE)
		return calm_ms;
	if (pressure->phase != PRESSURE_TAKES && now - changed >= SAMPLE_AS_EVER_MS)
		return calm_ms;
	if (!known)
		return u64_min(SAMPLE_SOON_MS, calm_ms);
	ms = u64_min(u64_max((now - pressure->began_at) / 2, SAMPLE_SOON_MS), SAMPLE_MS);
	return u64_min(ms, calm_ms);
}
