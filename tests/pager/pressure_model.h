/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A host with paged guests in memory of its own kind, for policies that share it out: working sets
 * that change, other programs that take memory and give it back, tiers in memory.
 *
 * Time goes in tenths of a second.  All amounts are in pages of 4 KiB.
 */
#ifndef MEMBACKING_TESTS_PAGER_PRESSURE_MODEL_H
#define MEMBACKING_TESTS_PAGER_PRESSURE_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pager/pressure.h"

enum { MODEL_GUESTS_MAX = 64, MODEL_TURN_MS = 100 };

#define MODEL_MIB UINT64_C(256) /* in pages */
#define MODEL_GIB (1024 * MODEL_MIB)

/**
 * struct model_guest
 * @policy:	What a policy sees of it, and its target
 * @size:	All of its memory
 * @busy:	Its working set, which it goes through in @round_ms
 * @stray:	Pages a second that it uses besides, anywhere in its memory
 * @missing:	Of that, pages that are out
 * @out:	Pages in tiers; others that are not resident were never touched
 * @wrong:	Of what is taken from it, percent that are in its working set although others are
 * idle
 * @looked, @looks: When its idle pages were looked for, and how often: the first look knows nothing
 * @up, @down, @turns: Times that its target rose and fell, and changed from one to the other
 */
struct model_guest {
	struct pressure_guest policy;
	uint64_t size, busy, missing, resident, out;
	uint64_t round_ms, stray;
	uint64_t wrong;
	uint64_t refaulted;
	uint64_t looked, looks;
	unsigned int up, down, turns;
	int last;
	uint64_t target_seen;
};

/**
 * struct model - The host
 * @others:	What programs have that are no guests
 * @tier_percent: What a page in a tier takes of its size
 * @tiers:	What they may take
 * @back_a_turn: Pages that a guest's pager brings back
 * @sampled:	Idle pages are sampled; else policies know nothing of them
 * @least:	The least that was available; below zero: the kernel had to end a program
 * @short_ms:	For how long less was available than half of keep_free
 * @policy:	Sets targets.  Return: milliseconds until it wants to look again
 */
struct model {
	uint64_t now, memory, keep_free, others, tiers;
	uint64_t tier_percent, back_a_turn;
	bool sampled;
	size_t n;
	struct model_guest guest[MODEL_GUESTS_MAX];
	int64_t available, least;
	uint64_t short_ms, due, looks;
	uint64_t random;
	struct pressure pressure;
	uint64_t (*policy)(struct model *model);
};

/* @n guests like this one, with limits of half their size and floors of a quarter */
void model_begin(struct model *model, uint64_t memory, size_t n, uint64_t size,
		 uint64_t (*policy)(struct model *model));
void model_turn(struct model *model);
/* Until then; @each is called each second, or NULL */
void model_run(struct model *model, uint64_t until_ms, void (*each)(struct model *model));

/* Another working set: a part of what is new in it is out */
void model_set_busy(struct model_guest *guest, uint64_t busy);

uint64_t model_random(struct model *model, uint64_t below);
uint64_t model_resident(const struct model *model);
uint64_t model_taken(const struct model *model);
uint64_t model_refaulted(const struct model *model);
unsigned int model_turns(const struct model *model);

/* The pager's */
uint64_t model_pressure(struct model *model);
/* Each second all limits in proportion, so that keep_free is available */
uint64_t model_proportional(struct model *model);
/* Limits stay as they are */
uint64_t model_nothing(struct model *model);

#endif
