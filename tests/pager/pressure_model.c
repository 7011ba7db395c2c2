// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The host of pressure_model.h, and what shares its memory out.
 */
#include "pager/pressure_model.h"

#include <string.h>

/* In a turn: what one guest's pager takes out, and brings back for it */
#define OUT_A_TURN  (30 * MODEL_MIB)
#define BACK_A_TURN (20 * MODEL_MIB)

enum { ROUND_MS = 10000, SAMPLE_MS = 30000 };

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

uint64_t model_random(struct model *model, uint64_t below)
{
	model->random = model->random * 6364136223846793005 + 1442695040888963407;
	return (model->random >> 33) % below;
}

void model_begin(struct model *model, uint64_t memory, size_t n, uint64_t size,
		 uint64_t (*policy)(struct model *model))
{
	size_t i;

	*model = (struct model){
		.now = 1000000,
		.memory = memory,
		.keep_free = memory / 20,
		.tiers = memory / 4,
		.tier_percent = 50,
		.back_a_turn = BACK_A_TURN,
		.sampled = true,
		.n = n,
		.random = 1,
		.policy = policy,
		.least = (int64_t)memory,
	};
	for (i = 0; i < n; i++)
		model->guest[i] = (struct model_guest){
			.size = size,
			.busy = size / 4,
			.resident = size / 2,
			.round_ms = ROUND_MS,
			.wrong = 10,
			.looked = model->now - model_random(model, SAMPLE_MS),
			.policy = { .limit = size / 2, .floor = size / 4, .idle_percent = -1 },
		};
}

/* ---- a guest ---- */

static bool has_room_in_tiers(const struct model *model)
{
	uint64_t out = 0;
	size_t i;

	for (i = 0; i < model->n; i++)
		out += model->guest[i].out;
	return out * model->tier_percent / 100 < model->tiers;
}

static uint64_t target_of(const struct model_guest *guest)
{
	return guest->policy.target ? guest->policy.target : guest->policy.limit;
}

static uint64_t idle_of(const struct model_guest *guest)
{
	return less(guest->resident, less(guest->busy, guest->missing));
}

/* Mostly idle pages, while there are some */
static void page_out(struct model *model, struct model_guest *guest, uint64_t pages)
{
	uint64_t idle = idle_of(guest), wrong = pages * guest->wrong / 100;

	guest->policy.stuck = pages && !has_room_in_tiers(model);
	if (guest->policy.stuck)
		return;
	if (pages - wrong > idle)
		wrong = pages - idle;
	guest->missing += least(wrong, less(guest->busy, guest->missing));
	guest->resident -= pages;
	guest->out += pages;
}

/* A turn's share of so many pages */
static uint64_t a_turn(struct model *model, uint64_t pages, uint64_t ms)
{
	return (pages * MODEL_TURN_MS + model_random(model, ms)) / ms;
}

/* What comes back pushes something else out where the limit is reached */
static void page_in(struct model *model, struct model_guest *guest)
{
	uint64_t pages = a_turn(model, guest->missing, guest->round_ms);
	uint64_t stray = a_turn(model, guest->stray * guest->out / guest->size, 1000);

	pages = least(least(pages, guest->missing), model->back_a_turn);
	stray = least(stray, model->back_a_turn - pages);
	guest->missing -= pages;
	pages = least(pages + stray, guest->out);
	guest->refaulted += pages;
	guest->policy.refaults += pages;
	guest->out -= pages;
	guest->resident += pages;
	page_out(model, guest, least(less(guest->resident, target_of(guest)), pages));
}

void model_set_busy(struct model_guest *guest, uint64_t busy)
{
	busy = least(busy, guest->size);
	if (busy > guest->busy)
		guest->missing += (busy - guest->busy) * guest->out / guest->size;
	else
		guest->missing = guest->missing * busy / guest->busy;
	guest->busy = busy;
	guest->missing = least(guest->missing, guest->out);
}

/* What a guest does not use between two looks; a look soon after the other takes pages for idle
 * that it comes to later */
static void sample(struct model *model, struct model_guest *guest)
{
	bool known = guest->policy.samples;
	uint64_t ms = model->now - guest->looked, used = less(guest->busy, guest->missing);

	if (!model->sampled ||
	    ms < pressure_sample_ms(&model->pressure, model->now, known, SAMPLE_MS))
		return;
	guest->looked = model->now;
	used = ms < guest->round_ms ? used * ms / guest->round_ms : used;
	used = least(used + guest->stray * ms / 1000 * guest->resident / guest->size,
		     guest->resident);
	if (guest->looks++)
		guest->policy.samples++;
	guest->policy.idle_percent =
		guest->policy.samples ? (int)((guest->resident - used) * 100 / guest->resident) :
					-1;
}

static void count_turns(struct model_guest *guest)
{
	uint64_t target = target_of(guest);
	int way = target > guest->target_seen ? 1 : -1;

	if (target == guest->target_seen || !guest->target_seen) {
		guest->target_seen = target;
		return;
	}
	guest->up += way > 0;
	guest->down += way < 0;
	guest->turns += guest->last && way != guest->last;
	guest->last = way;
	guest->target_seen = target;
}

static void guest_turn(struct model *model, struct model_guest *guest)
{
	page_in(model, guest);
	page_out(model, guest, least(less(guest->resident, target_of(guest)), OUT_A_TURN));
	sample(model, guest);
	guest->policy.resident = guest->resident;
	guest->policy.out = guest->out;
}

/* ---- the host ---- */

static void look(struct model *model)
{
	uint64_t used = model->others;
	size_t i;

	for (i = 0; i < model->n; i++)
		used += model->guest[i].resident + model->guest[i].out * model->tier_percent / 100;
	model->available = (int64_t)model->memory - (int64_t)used;
	if (model->available < model->least)
		model->least = model->available;
	if (model->available < (int64_t)model->keep_free / 2)
		model->short_ms += MODEL_TURN_MS;
}

void model_turn(struct model *model)
{
	size_t i;

	model->now += MODEL_TURN_MS;
	for (i = 0; i < model->n; i++)
		guest_turn(model, &model->guest[i]);
	look(model);
	if (model->now < model->due)
		return;
	model->due = model->now + model->policy(model);
	model->looks++;
	for (i = 0; i < model->n; i++)
		count_turns(&model->guest[i]);
}

void model_run(struct model *model, uint64_t until_ms, void (*each)(struct model *model))
{
	while (model->now < until_ms) {
		model_turn(model);
		if (each && model->now % 1000 == 0)
			each(model);
	}
}

uint64_t model_resident(const struct model *model)
{
	uint64_t pages = 0;
	size_t i;

	for (i = 0; i < model->n; i++)
		pages += model->guest[i].resident;
	return pages;
}

uint64_t model_taken(const struct model *model)
{
	uint64_t pages = 0;
	size_t i;

	for (i = 0; i < model->n; i++)
		pages += less(model->guest[i].policy.limit, target_of(&model->guest[i]));
	return pages;
}

uint64_t model_refaulted(const struct model *model)
{
	uint64_t pages = 0;
	size_t i;

	for (i = 0; i < model->n; i++)
		pages += model->guest[i].refaulted;
	return pages;
}

unsigned int model_turns(const struct model *model)
{
	unsigned int turns = 0;
	size_t i;

	for (i = 0; i < model->n; i++)
		turns += model->guest[i].turns;
	return turns;
}

/* ---- policies ---- */

static uint64_t available(const struct model *model)
{
	return model->available > 0 ? (uint64_t)model->available : 0;
}

uint64_t model_pressure(struct model *model)
{
	const struct pressure_host host = {
		.now = model->now,
		.memory = model->memory,
		.keep_free = model->keep_free,
		.available = available(model),
		.stalled_percent = -1,
	};
	struct pressure_guest *guests[MODEL_GUESTS_MAX];
	struct pressure_share shares[MODEL_GUESTS_MAX];
	size_t i;

	for (i = 0; i < model->n; i++)
		guests[i] = &model->guest[i].policy;
	return pressure_look(&model->pressure, &host, guests, shares, model->n);
}

uint64_t model_proportional(struct model *model)
{
	double limits = 0, targets = 0, part;
	size_t i;

	for (i = 0; i < model->n; i++) {
		limits += (double)model->guest[i].policy.limit;
		targets += (double)target_of(&model->guest[i]);
	}
	part = (targets + (double)model->available - (double)model->keep_free) / limits;
	for (i = 0; i < model->n; i++) {
		struct pressure_guest *guest = &model->guest[i].policy;

		guest->target = part <= 0 ? 0 : (uint64_t)((double)guest->limit * part);
		guest->target = least(guest->target, guest->limit);
		if (guest->target < guest->floor)
			guest->target = guest->floor;
	}
	return 1000;
}

uint64_t model_nothing(struct model *model)
{
	(void)model;
	return PRESSURE_LOOK_MS;
}
