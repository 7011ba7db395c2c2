// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What guests have while memory is short: looks with their right answers, rules that hold
 * whatever happens, and hosts whose memory runs out and comes back.
 */
#include "pager/pressure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pager/pressure_model.h"
#include "unit/unit.h"

/* Of 16000 pages 1600 are kept free: 800 are the mark below which memory is short, 1100 are
 * enough, and 1200 plenty */
enum { MEMORY = 16000, KEEP_FREE = 1600, GUESTS = 3 };

/* Long enough ago for everything */
#define LATER 10000000

struct table {
	struct pressure pressure;
	struct pressure_guest guest[GUESTS];
	struct pressure_share share[GUESTS];
	uint64_t now;
	int stalled;
	uint64_t next;
};

/* Each has 4000 pages, 2400 of them resident as its limit says, and 600 at least */
static struct table three(int idle_a, int idle_b, int idle_c)
{
	const int idle[GUESTS] = { idle_a, idle_b, idle_c };
	struct table t = { .now = LATER, .stalled = -1 };
	int i;

	for (i = 0; i < GUESTS; i++)
		t.guest[i] = (struct pressure_guest){ .limit = 2400,
						      .floor = 600,
						      .resident = 2400,
						      .idle_percent = idle[i],
						      .samples = 1 };
	return t;
}

static void look(struct table *t, uint64_t available)
{
	struct pressure_guest *guests[] = { &t->guest[0], &t->guest[1], &t->guest[2] };
	const struct pressure_host host = {
		.now = t->now,
		.memory = MEMORY,
		.keep_free = KEEP_FREE,
		.available = available,
		.stalled_percent = t->stalled,
	};

	t->next = pressure_look(&t->pressure, &host, guests, t->share, GUESTS);
}

/* All that is to go out is out, after a while */
static void later(struct table *t, uint64_t ms)
{
	int i;

	t->now += ms;
	for (i = 0; i < GUESTS; i++)
		if (t->guest[i].resident > t->guest[i].target)
			t->guest[i].resident = t->guest[i].target;
}

#define TARGETS(t, a, b, c, what)                                                                  \
	UNIT_CHECK((t).guest[0].target == (a) && (t).guest[1].target == (b) &&                     \
			   (t).guest[2].target == (c),                                             \
		   "%s: %llu %llu %llu", what, (unsigned long long)(t).guest[0].target,            \
		   (unsigned long long)(t).guest[1].target,                                        \
		   (unsigned long long)(t).guest[2].target)

static void test_marks(void)
{
	struct pressure_marks marks = pressure_marks(MEMORY, KEEP_FREE);

	CU_ASSERT(marks.low == 800 && marks.enough == 1100 && marks.plenty == 1200);
	/* Where nothing is kept free, a sixty-fourth is */
	marks = pressure_marks(6400, 0);
	CU_ASSERT(marks.low == 48 && marks.enough == 66 && marks.plenty == 72);
}

/* One look at a host, with guests that have their limits */
static void test_first_look(void)
{
	static const struct {
		const char *what;
		int idle[GUESTS];
		uint64_t available;
		int stalled;
		uint64_t target[GUESTS];
		enum pressure_phase phase;
	} rows[] = {
		{ "enough", { 50, 50, 50 }, 900, -1, { 2400, 2400, 2400 }, PRESSURE_NONE },
		{ "just not short", { 50, 50, 50 }, 800, 0, { 2400, 2400, 2400 }, PRESSURE_NONE },
		/* 450: a step, less than twice what is missing, shared 1:2:0 */
		{ "by what is idle", { 25, 50, 0 }, 799, -1, { 2250, 2100, 2400 }, PRESSURE_TAKES },
		/* 1000 are needed: 240 that are idle, and 760 others in proportion */
		{ "urgent", { 10, 0, 0 }, 300, -1, { 1906, 2147, 2147 }, PRESSURE_TAKES },
		/* 198 are missing to the mark below which memory is short */
		{ "in use, for what is needed only",
		  { 0, 0, 0 },
		  701,
		  -1,
		  { 2334, 2334, 2334 },
		  PRESSURE_TAKES },
		/* What is known of none: a sixteenth of what is above the floor */
		{ "idle pages are not known",
		  { -1, -1, -1 },
		  750,
		  -1,
		  { 2288, 2288, 2288 },
		  PRESSURE_TAKES },
		{ "stalls", { 100, 100, 0 }, 1500, 30, { 2344, 2344, 2400 }, PRESSURE_TAKES },
		{ "few stalls", { 100, 100, 0 }, 1500, 9, { 2400, 2400, 2400 }, PRESSURE_NONE },
		{ "stalls of a cgroup",
		  { 100, 100, 0 },
		  2400,
		  90,
		  { 2400, 2400, 2400 },
		  PRESSURE_NONE },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		struct table t = three(rows[i].idle[0], rows[i].idle[1], rows[i].idle[2]);

		t.stalled = rows[i].stalled;
		look(&t, rows[i].available);
		TARGETS(t, rows[i].target[0], rows[i].target[1], rows[i].target[2], rows[i].what);
		UNIT_CHECK(t.pressure.phase == rows[i].phase, "%s: %d", rows[i].what,
			   (int)t.pressure.phase);
	}
}

/* What is resident gives, whatever the limit is, and no guest goes below its floor */
static void test_floor(void)
{
	struct table t = three(100, 100, 100);
	int i;

	t.guest[0].resident = 1000;
	t.guest[1].floor = 2300;
	t.guest[2].resident = 500;
	for (i = 0; i < 20; i++) {
		look(&t, 100);
		later(&t, 3000);
	}
	TARGETS(t, 600, 2300, 2400, "at the floor");
	CU_ASSERT(t.pressure.exhausted);
	look(&t, 5000);
	CU_ASSERT(!t.pressure.exhausted);
}

/* The next step waits until the last one is out, two seconds at most */
static void test_steps(void)
{
	struct table t = three(100, 100, 100);

	look(&t, 700);
	TARGETS(t, 2250, 2250, 2250, "the first step");
	CU_ASSERT_EQUAL(t.next, PRESSURE_SOON_MS);
	t.now += 500;
	look(&t, 700);
	TARGETS(t, 2250, 2250, 2250, "it is on its way");
	later(&t, 500);
	/* 100 missing to 1100 */
	look(&t, 1000);
	TARGETS(t, 2182, 2184, 2184, "and the second, until there is enough");
	later(&t, 500);
	look(&t, 1100);
	TARGETS(t, 2182, 2184, 2184, "enough");
	CU_ASSERT_EQUAL(t.pressure.phase, PRESSURE_HOLDS);
	later(&t, 500);
	/* Below the mark from which on it would be taken again */
	look(&t, 810);
	TARGETS(t, 2182, 2184, 2184, "between the marks");
}

static void test_stuck_step(void)
{
	struct table t = three(100, 100, 100);

	look(&t, 700);
	t.now += 2000;
	/* A half of the 450 that still go is counted as there: 175 are missing */
	look(&t, 700);
	TARGETS(t, 2132, 2134, 2134, "the second step");
}

/* What came back was not idle, whatever the sample says */
static void test_refaults(void)
{
	struct table t = three(20, 20, 20);

	look(&t, 900);
	later(&t, 500);
	t.guest[0].refaults = 480;
	look(&t, 750);
	TARGETS(t, 2400, 2175, 2175, "one loads again");
}

/* A shortage of the pages that three give, and after it */
static struct table after_shortage(void)
{
	struct table t = three(100, 100, 100);

	look(&t, 700);
	later(&t, 1000);
	look(&t, 1150);
	TARGETS(t, 2250, 2250, 2250, "after a shortage");
	return t;
}

static void test_return(void)
{
	struct table t = after_shortage();

	later(&t, 8999);
	look(&t, 5000);
	TARGETS(t, 2250, 2250, 2250, "not at once");
	later(&t, 1);
	look(&t, 5000);
	/* A 256th of the host's pages, which is more than an eighth of what was taken */
	TARGETS(t, 2272, 2270, 2270, "the first step");
	CU_ASSERT_EQUAL(t.pressure.phase, PRESSURE_RETURNS);
	later(&t, 4999);
	look(&t, 5000);
	TARGETS(t, 2272, 2270, 2270, "the next one later");
	later(&t, 1);
	/* 62 are promised and not used yet */
	look(&t, 1260);
	TARGETS(t, 2272, 2270, 2270, "no more than there is");
	later(&t, 5000);
	t.stalled = 5;
	look(&t, 5000);
	TARGETS(t, 2272, 2270, 2270, "not while tasks wait");
	t.stalled = 0;
	while (t.pressure.phase != PRESSURE_NONE && t.now < LATER + 600000) {
		later(&t, 5000);
		look(&t, 5000);
	}
	TARGETS(t, 2400, 2400, 2400, "all of it");
}

/* Those that load again come first */
static void test_return_to_whom(void)
{
	struct table t = after_shortage();

	later(&t, 8000);
	look(&t, 1150);
	later(&t, 2000);
	t.guest[1].refaults += 400;
	look(&t, 5000);
	TARGETS(t, 2250, 2312, 2250, "one loads again");
}

/* After minutes all of it, if there was no more before either; but a shortage soon after a step
 * back makes the next ones wait longer */
static void test_relapse(void)
{
	struct table t = after_shortage();

	later(&t, 100000);
	look(&t, 1000);
	TARGETS(t, 2250, 2250, 2250, "less than plenty");
	later(&t, 200000);
	look(&t, 1000);
	CU_ASSERT(t.guest[0].target > 2250);
	later(&t, 10000);
	CU_ASSERT_EQUAL(t.pressure.calm_ms, 10000);
	look(&t, 700);
	CU_ASSERT_EQUAL(t.pressure.calm_ms, 20000);
	CU_ASSERT_EQUAL(t.pressure.phase, PRESSURE_TAKES);
	CU_ASSERT(!pressure_keeps_slots(&t.pressure));
	later(&t, 1000);
	look(&t, 5000);
	later(&t, 18000);
	look(&t, 5000);
	CU_ASSERT_EQUAL(t.pressure.phase, PRESSURE_HOLDS);
	CU_ASSERT(!pressure_keeps_slots(&t.pressure));
	later(&t, 2000);
	look(&t, 5000);
	CU_ASSERT_EQUAL(t.pressure.phase, PRESSURE_RETURNS);
	CU_ASSERT(pressure_keeps_slots(&t.pressure));
	while (t.pressure.phase != PRESSURE_NONE && t.now < LATER + 900000) {
		later(&t, 5000);
		look(&t, 5000);
	}
	CU_ASSERT_EQUAL(t.pressure.calm_ms, 20000);
	later(&t, 600000);
	look(&t, 5000);
	CU_ASSERT_EQUAL(t.pressure.calm_ms, 10000);
}

/* A guest that is idle gives to one that loads again, while there is nothing to give back */
static void test_move(void)
{
	struct table t = after_shortage();
	uint64_t sum = 3 * 2250;
	int i;

	for (i = 0; i < GUESTS; i++)
		t.guest[i].out = 1000;
	t.guest[0].idle_percent = t.guest[1].idle_percent = 0;
	t.guest[0].samples = t.guest[1].samples = t.guest[2].samples = 2;
	later(&t, 5000);
	t.guest[0].refaults += 20000;
	look(&t, 5000);
	TARGETS(t, 2250, 2250, 2250, "there is enough to be given back soon");
	later(&t, 2000);
	t.guest[0].refaults += 20000;
	t.guest[2].refaults += 8000;
	t.guest[2].samples = 3;
	look(&t, 1000);
	TARGETS(t, 2250, 2250, 2250, "the one that is idle loads again, too, nearly as much");
	later(&t, 1000);
	t.guest[2].rate = 0;
	t.guest[2].samples = 4;
	t.guest[0].refaults += 10000;
	look(&t, 1000);
	/* All that it gave */
	TARGETS(t, 2400, 2250, 2100, "from idle to busy");
	CU_ASSERT_EQUAL(t.guest[0].target + t.guest[1].target + t.guest[2].target, sum);
}

/* Three after a shortage in which they gave 1000 pages each: one is hot, one idle, and the third is
 * neither */
static struct table hot_and_idle(void)
{
	struct table t = after_shortage();
	int i;

	later(&t, 5000);
	for (i = 0; i < GUESTS; i++) {
		t.guest[i].target = t.guest[i].resident = 1400;
		t.guest[i].out = 2000;
		t.guest[i].samples++;
	}
	t.guest[0].idle_percent = 0;
	t.guest[1].idle_percent = 10;
	t.guest[2].idle_percent = 90;
	t.guest[0].rate = 400;
	t.guest[1].rate = 20;
	t.guest[2].rate = 20;
	return t;
}

/* Loads of @a and @c in 2 seconds that leave their rates as they are */
static void goes_on(struct table *t, uint64_t rate_a, uint64_t rate_c)
{
	later(t, 2000);
	t->guest[0].refaults += 2 * rate_a;
	t->guest[1].refaults += 40;
	t->guest[2].refaults += 2 * rate_c;
}

/* A sixteenth of what is resident at once, and half of what is idle at most */
static void test_move_bounds(void)
{
	struct table t = hot_and_idle();

	t.pressure.taken_at += 4000;
	goes_on(&t, 400, 20);
	look(&t, 1000);
	TARGETS(t, 1400, 1400, 1400, "not while memory may become short again");
	t = hot_and_idle();
	goes_on(&t, 400, 20);
	look(&t, 1000);
	TARGETS(t, 1662, 1400, 1138, "a sixteenth");
	goes_on(&t, 400, 20);
	/* Of 1400 + 1400 + 1138 */
	look(&t, 1000);
	TARGETS(t, 1908, 1400, 892, "and another");
	t = hot_and_idle();
	t.guest[2].idle_percent = 30;
	goes_on(&t, 400, 20);
	look(&t, 1000);
	/* 420, less 160 that it comes to in ten seconds */
	TARGETS(t, 1530, 1400, 1270, "half of what is idle");
	t = hot_and_idle();
	t.guest[2].floor = 1350;
	goes_on(&t, 400, 20);
	look(&t, 1000);
	TARGETS(t, 1450, 1400, 1350, "down to the floor");
	t = hot_and_idle();
	goes_on(&t, 400, 20);
	look(&t, 1300);
	/* The guest gets 100 back soon, without a donor */
	TARGETS(t, 1662, 1400, 1138, "and not what needs no donor");
	t = hot_and_idle();
	t.guest[0].target = 2300;
	goes_on(&t, 400, 20);
	look(&t, 1000);
	/* 900 may come yet, 3200 would in eight seconds, and 100 are missing to its limit */
	TARGETS(t, 2400, 1400, 1300, "no more than its limit");
}

/* Guests that load a page again now and then are no busy ones */
static void test_move_heat(void)
{
	struct table t = hot_and_idle();

	goes_on(&t, 400, 110);
	t.guest[2].rate = 110;
	look(&t, 1000);
	TARGETS(t, 1400, 1400, 1400, "less than four times as hot");
	t = hot_and_idle();
	t.guest[2].rate = 110;
	t.guest[2].idle_percent = 100;
	t.guest[2].out = 20000;
	goes_on(&t, 400, 110);
	look(&t, 1000);
	CU_ASSERT(t.guest[2].target < 1400);
	/* Nearly as hot as the hottest: both get some */
	t = hot_and_idle();
	t.guest[1].rate = 300;
	goes_on(&t, 400, 20);
	t.guest[1].refaults += 560;
	look(&t, 1000);
	TARGETS(t, 1531, 1531, 1138, "two that are hot");
	/* It can't load more than it does */
	t = hot_and_idle();
	t.guest[0].rate = t.guest[1].rate = t.guest[2].rate = 0;
	later(&t, 2000);
	t.guest[0].refaults += 280;
	look(&t, 1000);
	TARGETS(t, 1480, 1400, 1320, "what it loads in eight seconds");
}

static void test_sample(void)
{
	static const struct {
		const char *what;
		enum pressure_phase phase;
		uint64_t began, taken, moved;
		bool known;
		uint64_t ms;
	} rows[] = {
		{ "memory is enough", PRESSURE_NONE, 0, 0, 0, false, 30000 },
		{ "has just become short", PRESSURE_TAKES, 0, 0, 0, true, 3000 },
		{ "for a while", PRESSURE_TAKES, 10000, 0, 0, true, 5000 },
		{ "for long", PRESSURE_TAKES, 500000, 0, 0, true, 10000 },
		{ "a guest that is new", PRESSURE_TAKES, 500000, 0, 0, false, 3000 },
		{ "not any more", PRESSURE_HOLDS, 500000, 59999, 70000, true, 10000 },
		{ "for a minute", PRESSURE_HOLDS, 500000, 60000, 70000, true, 30000 },
		{ "but pages move", PRESSURE_HOLDS, 500000, 60000, 5000, true, 10000 },
		{ "limits come back", PRESSURE_RETURNS, 500000, 60000, 70000, true, 30000 },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		const struct pressure pressure = {
			.phase = rows[i].phase,
			.began_at = LATER - rows[i].began,
			.taken_at = LATER - rows[i].taken,
			.moved_at = LATER - rows[i].moved,
		};
		uint64_t ms = pressure_sample_ms(&pressure, LATER, rows[i].known, 30000);

		UNIT_CHECK(ms == rows[i].ms, "%s: %llu", rows[i].what, (unsigned long long)ms);
		ms = pressure_sample_ms(&pressure, LATER, rows[i].known, 10);
		UNIT_CHECK(ms == 10, "%s: never rarer than in calm: %llu", rows[i].what,
			   (unsigned long long)ms);
	}
}

/* Where tiers are full guests get back what they gave, whatever the host has */
static void test_tiers_full(void)
{
	struct table t = three(100, 100, 100);

	look(&t, 300);
	later(&t, 1000);
	t.guest[1].stuck = true;
	look(&t, 300);
	CU_ASSERT(t.guest[0].target > t.guest[0].resident);
	CU_ASSERT_EQUAL(t.next, PRESSURE_SOON_MS);
	while (pressure_taken((struct pressure_guest *[]){ &t.guest[0], &t.guest[1], &t.guest[2] },
			      GUESTS)) {
		if (!UNIT_CHECK(t.now < LATER + 60000, "not all of it"))
			return;
		later(&t, 500);
		look(&t, 300);
	}
	t.guest[1].stuck = false;
	later(&t, 1000);
	look(&t, 300);
	TARGETS(t, 2400, 2400, 2400, "and nothing is taken for a while");
	later(&t, 60000);
	look(&t, 300);
	CU_ASSERT(t.guest[0].target < 2400);
}

/* A person gives it another limit meanwhile: what was taken of it stays taken */
static void test_other_limit(void)
{
	struct table t = after_shortage();

	t.guest[0].limit = 1000;
	t.guest[1].limit = 3000;
	t.guest[2].limit = 500;
	later(&t, 1000);
	look(&t, 1150);
	TARGETS(t, 850, 2850, 500, "with other limits");
}

/* The more memory there is, the later the next look, ten seconds at most */
static void test_next_look(void)
{
	static const struct {
		uint64_t available, ms;
	} rows[] = { { 16000, PRESSURE_LOOK_MS },
		     { 3300, PRESSURE_LOOK_MS },
		     { 1800, 4000 },
		     { 1050, 1000 },
		     { 900, PRESSURE_SOON_MS },
		     { 700, PRESSURE_SOON_MS } };
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		struct table t = three(0, 0, 0);

		look(&t, rows[i].available);
		UNIT_CHECK(t.next == rows[i].ms, "row %zu: %llu", i, (unsigned long long)t.next);
	}
}

static void test_no_guest(void)
{
	struct pressure pressure = { 0 };
	const struct pressure_host host = { .now = LATER,
					    .memory = MEMORY,
					    .keep_free = KEEP_FREE,
					    .available = 10,
					    .stalled_percent = 100 };

	CU_ASSERT(pressure_look(&pressure, &host, NULL, NULL, 0) >= PRESSURE_SOON_MS);
}

/* ---- whatever happens ---- */

static void random_guests(struct model *model)
{
	size_t i;

	for (i = 0; i < model->n; i++) {
		struct model_guest *guest = &model->guest[i];

		guest->size = (1 + model_random(model, 8)) * MODEL_GIB;
		guest->policy.limit = guest->size * (20 + model_random(model, 80)) / 100;
		guest->policy.floor = guest->size * model_random(model, 60) / 100;
		guest->resident = guest->policy.limit * (10 + model_random(model, 91)) / 100;
		guest->out = model_random(model, guest->size - guest->resident + 1);
		guest->busy = guest->size * (1 + model_random(model, 70)) / 100;
		guest->wrong = model_random(model, 40);
	}
}

/* Limits are kept, floors too, and what is taken is what was resident */
static void check_targets(struct model *model, uint64_t seed)
{
	size_t i;

	for (i = 0; i < model->n; i++) {
		const struct pressure_guest *guest = &model->guest[i].policy;
		uint64_t floor = guest->floor < guest->limit ? guest->floor : guest->limit;

		UNIT_CHECK(!guest->target || guest->target >= floor, "seed %llu, guest %zu",
			   (unsigned long long)seed, i);
		UNIT_CHECK(guest->target <= guest->limit, "seed %llu, guest %zu",
			   (unsigned long long)seed, i);
	}
}

/* Working sets stay, what other programs have steps up, varies a little, and goes down again.
 * Return: whether guests had to give something */
static bool play(struct model *model, uint64_t seed)
{
	bool gave = false;
	uint64_t used = 0, admitted = 0, second, most;
	size_t i;

	model->random = seed;
	random_guests(model);
	/* As much as was admitted */
	for (i = 0; i < model->n; i++) {
		admitted += (model->guest[i].size + model->guest[i].policy.limit) / 2;
		used += model->guest[i].resident + model->guest[i].out / 2;
	}
	model->memory = admitted + admitted / 5;
	model->tiers = model->memory;
	model->keep_free = model->memory / 20;
	/* Nearly all that the guests leave, or somewhat more than that */
	most = (model->memory - used) / 100 * (90 + model_random(model, 20));
	for (second = 0; second < 3600; second++) {
		bool high = second >= 60 && second < 600;

		model->others = (high ? most : 0) + model_random(model, model->memory / 200);
		model_run(model, 1000000 + second * 1000, NULL);
		check_targets(model, seed);
		gave |= model_taken(model) > 0;
	}
	return gave;
}

static void test_random(void)
{
	struct model *model = malloc(sizeof(*model));
	unsigned int seeds = 0, gave = 0;
	uint64_t seed;
	size_t i;

	CU_ASSERT_PTR_NOT_NULL_FATAL(model);
	for (seed = 1; seed <= 20; seed += unit_long() ? 1 : 3) {
		model_begin(model, MODEL_GIB, 1 + seed * 3, MODEL_GIB, model_pressure);
		gave += play(model, seed);
		seeds++;
		UNIT_CHECK(model_taken(model) == 0, "seed %llu: %llu pages were not given back",
			   (unsigned long long)seed, (unsigned long long)model_taken(model));
		for (i = 0; i < model->n; i++)
			UNIT_CHECK(model->guest[i].turns <= 12, "seed %llu, guest %zu: %u turns",
				   (unsigned long long)seed, i, model->guest[i].turns);
	}
	UNIT_CHECK(gave >= seeds / 2, "%u of %u", gave, seeds);
	free(model);
}

/* Each look gives out exactly what it takes, or a step at most */
static void test_sums(void)
{
	uint64_t seed;

	for (seed = 1; seed <= 200; seed++) {
		struct model model = { .random = seed };
		struct table t = three(-1, -1, -1);
		uint64_t resident = 0, want, got = 0;
		int i;

		for (i = 0; i < GUESTS; i++) {
			t.guest[i].floor = 0;
			t.guest[i].limit = t.guest[i].resident = 1 + model_random(&model, 5000);
			t.guest[i].idle_percent = (int)model_random(&model, 101);
			resident += t.guest[i].resident;
		}
		look(&t, 600);
		for (i = 0; i < GUESTS; i++)
			got += t.guest[i].limit - t.guest[i].target;
		want = resident / 16 < 400 ? resident / 16 : 400;
		/* As much as is needed, and what is idle up to a step */
		UNIT_CHECK(got >= want && got <= resident / 16, "seed %llu: %llu of %llu",
			   (unsigned long long)seed, (unsigned long long)got,
			   (unsigned long long)resident);
	}
}

/* ---- forty guests ---- */

/* 128 GiB, of which others take 24 more in a minute, and give them back */
static void forty(struct model *model, uint64_t (*policy)(struct model *model))
{
	uint64_t second;
	size_t i;

	model_begin(model, 128 * MODEL_GIB, 40, 4 * MODEL_GIB, policy);
	for (i = 0; i < model->n; i++) {
		model->guest[i].out = MODEL_GIB;
		model_set_busy(&model->guest[i], (i % 4 ? 512 : 2048) * MODEL_MIB);
	}
	for (second = 0; second < 1500; second++) {
		uint64_t more = second < 120 ? 0 : second < 180 ? second - 120 : 60;

		more = second > 600 ? 0 : more;
		model->others = 8 * MODEL_GIB + more * 24 * MODEL_GIB / 60;
		model_run(model, 1000000 + second * 1000, NULL);
	}
}

static void test_forty(void)
{
	struct model *pager = malloc(sizeof(*pager)), *naive = malloc(sizeof(*naive));
	size_t i;

	CU_ASSERT_FATAL(pager && naive);
	forty(pager, model_nothing);
	CU_ASSERT(pager->least < 0);
	forty(pager, model_pressure);
	forty(naive, model_proportional);
	UNIT_CHECK(pager->least > (int64_t)(pager->keep_free / 4), "%lld", (long long)pager->least);
	UNIT_CHECK(pager->short_ms <= 10000, "%llu", (unsigned long long)pager->short_ms);
	CU_ASSERT_EQUAL(model_taken(pager), 0);
	/* Down and up again */
	for (i = 0; i < pager->n; i++)
		UNIT_CHECK(pager->guest[i].turns <= 3, "guest %zu: %u", i, pager->guest[i].turns);
	UNIT_CHECK(model_refaulted(pager) < model_refaulted(naive), "%llu, %llu",
		   (unsigned long long)model_refaulted(pager),
		   (unsigned long long)model_refaulted(naive));
	UNIT_CHECK(pager->looks < 1200, "%llu looks in 1500 seconds",
		   (unsigned long long)pager->looks);
	free(pager);
	free(naive);
}

/* ---- eight guests ---- */

/* What they use of their 256 MiB, and pages a second anywhere.  Two work all the time */
static const struct {
	uint64_t percent, round_ms, stray;
} eight_guests[] = { { 80, 100, 1700 }, { 80, 100, 1600 }, { 30, 500, 134 }, { 30, 500, 134 },
		     { 15, 500, 80 },	{ 15, 500, 80 },   { 5, 500, 44 },   { 5, 500, 44 } };

/* They have all of their memory, and nothing is known of them, when it shrinks to a half in
 * thirteen seconds */
static void eight(struct model *model, uint64_t seconds)
{
	uint64_t second;
	size_t i;

	model_begin(model, 2304 * MODEL_MIB, ROWS(eight_guests), 256 * MODEL_MIB, model_pressure);
	model->keep_free = 1024 * MODEL_MIB / 20;
	model->tier_percent = 0;
	model->back_a_turn = 200;
	for (i = 0; i < model->n; i++) {
		struct model_guest *guest = &model->guest[i];

		guest->policy.limit = guest->resident = guest->size;
		guest->busy = guest->size * eight_guests[i].percent / 100;
		guest->round_ms = eight_guests[i].round_ms;
		guest->stray = eight_guests[i].stray;
		guest->looked = model->now;
	}
	for (second = 0; second < seconds; second++) {
		model->others = (second < 13 ? second * 100 : 1280) * MODEL_MIB;
		model_run(model, 1000000 + second * 1000, NULL);
	}
}

/* Those that work have what they work in soon after memory has stopped to shrink, although all load
 * pages again; and nothing goes back and forth after that */
static void test_eight(void)
{
	struct model *model = malloc(sizeof(*model));
	size_t i;

	CU_ASSERT_PTR_NOT_NULL_FATAL(model);
	eight(model, 20);
	for (i = 0; i < model->n; i++)
		UNIT_CHECK(model->guest[i].missing < model->guest[i].busy / 20, "guest %zu: %llu",
			   i, (unsigned long long)model->guest[i].missing);
	eight(model, 600);
	for (i = 0; i < model->n; i++) {
		struct model_guest *guest = &model->guest[i];

		UNIT_CHECK(guest->missing < guest->busy / 100, "guest %zu: %llu", i,
			   (unsigned long long)guest->missing);
		UNIT_CHECK(guest->turns <= 3, "guest %zu: %u", i, guest->turns);
	}
	free(model);
}

static CU_TestInfo tests[] = {
	{ "marks", test_marks },
	{ "the first look", test_first_look },
	{ "floors", test_floor },
	{ "steps", test_steps },
	{ "a step that does not go out", test_stuck_step },
	{ "pages that came back", test_refaults },
	{ "what is given back, and when", test_return },
	{ "which guest gets memory back first", test_return_to_whom },
	{ "a shortage soon after", test_relapse },
	{ "from idle guests to others", test_move },
	{ "how much moves at once", test_move_bounds },
	{ "which guests get it", test_move_heat },
	{ "how often idle pages are looked for", test_sample },
	{ "full tiers", test_tiers_full },
	{ "another limit meanwhile", test_other_limit },
	{ "the next look", test_next_look },
	{ "no guest", test_no_guest },
	{ "sums", test_sums },
	{ "random guests: floors, all given back, no oscillation", test_random },
	{ "forty guests", test_forty },
	{ "eight guests of which nothing is known", test_eight },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_pressure", tests);
}
