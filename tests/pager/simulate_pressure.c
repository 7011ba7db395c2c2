// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What the pager does about a host whose memory runs out and comes back, in seconds: forty guests
 * whose working sets change, beside two other policies.
 *
 *	simulate_pressure [--guests N] [--seed N] [--change SECONDS] [POLICY]
 *
 * A guest's working set changes each four minutes on average, or as --change says; 0: never.
 * With a policy ("pager", "proportional", "nothing"): what guests have over time.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pager/pressure_model.h"

#define MINUTE_MS 60000

static const struct {
	const char *name;
	uint64_t (*look)(struct model *model);
} policies[] = {
	{ "pager", model_pressure },
	{ "proportional", model_proportional },
	{ "nothing", model_nothing },
};

enum { POLICIES = sizeof(policies) / sizeof(policies[0]) };

struct options {
	unsigned long guests, seed, change;
};

/* Memory of other programs beside forty guests, in GiB, from minutes on; between these it changes
 * evenly */
static const struct {
	uint64_t minute, gib;
} others[] = { { 0, 8 },  { 3, 8 },   { 4, 32 },  { 10, 34 }, { 11, 8 },
	       { 20, 8 }, { 21, 35 }, { 22, 35 }, { 23, 10 }, { 40, 10 } };

enum { STAGES = sizeof(others) / sizeof(others[0]) };

static uint64_t others_at(uint64_t ms)
{
	size_t i = 1;
	uint64_t from, to, a, b;

	while (i < STAGES - 1 && ms >= others[i].minute * MINUTE_MS)
		i++;
	from = others[i - 1].minute * MINUTE_MS;
	to = others[i].minute * MINUTE_MS;
	a = others[i - 1].gib * MODEL_GIB;
	b = others[i].gib * MODEL_GIB;
	ms = ms < to ? ms : to;
	return b >= a ? a + (b - a) / (to - from) * (ms - from) :
			a - (a - b) / (to - from) * (ms - from);
}

/* Most guests do little, some much, and each changes every few minutes.  What programs have varies
 * by some hundred MiB */
static void change(struct model *model, uint64_t ms, uint64_t each)
{
	size_t i;

	model->others = (others_at(ms) + model_random(model, 300) * MODEL_MIB) * model->n / 40;
	for (i = 0; i < model->n; i++) {
		struct model_guest *guest = &model->guest[i];
		uint64_t part = model_random(model, 4) ? 5 + model_random(model, 25) :
							 40 + model_random(model, 30);

		if (ms == 0 || (each && model_random(model, each) == 0))
			model_set_busy(guest, guest->size * part / 100);
	}
}

static double gib(uint64_t pages)
{
	return (double)pages / MODEL_GIB;
}

static void print_line(const struct model *model, uint64_t ms, uint64_t refaults)
{
	uint64_t least = UINT64_MAX, most = 0;
	size_t i;

	for (i = 0; i < model->n; i++) {
		uint64_t target = model->guest[i].policy.target ? model->guest[i].policy.target :
								  model->guest[i].policy.limit;

		least = target < least ? target : least;
		most = target > most ? target : most;
	}
	printf("%4llu:%02llu %7.1f %9.2f %8.1f %8.1f %9.2f %9.2f %10llu\n",
	       (unsigned long long)(ms / MINUTE_MS), (unsigned long long)(ms / 1000 % 60),
	       gib(model->others), (double)model->available / MODEL_GIB, gib(model_resident(model)),
	       gib(model_taken(model)), gib(least), gib(most), (unsigned long long)refaults);
}

static void simulate(struct model *model, const struct options *options, size_t policy, bool lines)
{
	size_t guests = options->guests;
	uint64_t begin, ms, before = 0;
	size_t i;

	model_begin(model, guests * 16 / 5 * MODEL_GIB, guests, 4 * MODEL_GIB,
		    policies[policy].look);
	model->random = options->seed;
	begin = model->now;
	for (i = 0; i < guests; i++)
		model->guest[i].out = model->guest[i].size / 4;
	if (lines)
		printf("   time  others available resident    taken     least      most   refaults\n"
		       "            GiB       GiB      GiB      GiB   GiB each  GiB each  "
		       "in 10 s\n");
	for (ms = 0; ms < 40 * MINUTE_MS; ms += 1000) {
		change(model, ms, options->change);
		model_run(model, begin + ms, NULL);
		if (!lines || ms % 10000)
			continue;
		print_line(model, ms, model_refaulted(model) - before);
		before = model_refaulted(model);
	}
}

static void print_summary(const struct model *model, const char *name)
{
	unsigned int most = 0;
	size_t i;

	for (i = 0; i < model->n; i++)
		most = model->guest[i].turns > most ? model->guest[i].turns : most;
	printf("%-13s %8.2f %8.1f %9.1f %8.2f %10.1f %7u\n", name, (double)model->least / MODEL_GIB,
	       (double)model->short_ms / 1000, (double)model_refaulted(model) / 1e6,
	       gib(model_taken(model)), (double)model_turns(model) / (double)model->n, most);
}

static void summary(const struct options *options)
{
	struct model *model = malloc(sizeof(*model));
	size_t i;

	if (!model)
		exit(1);
	printf("%lu guests of 4 GiB with 2 resident on %lu GiB, forty minutes\n\n", options->guests,
	       options->guests * 16 / 5);
	printf("policy           least    short  refaults    taken  changes of direction\n"
	       "             available  seconds  millions   at end   per guest    most\n");
	for (i = 0; i < POLICIES; i++) {
		simulate(model, options, i, false);
		print_summary(model, policies[i].name);
	}
	free(model);
}

static void over_time(const struct options *options, const char *name)
{
	struct model *model = malloc(sizeof(*model));
	size_t i = 0;

	while (i < POLICIES && strcmp(name, policies[i].name) != 0)
		i++;
	if (i == POLICIES || !model) {
		fprintf(stderr, "simulate_pressure: no such policy: %s\n", name);
		exit(2);
	}
	simulate(model, options, i, true);
	free(model);
}

static bool option(struct options *options, const char *name, const char *value)
{
	unsigned long *number = !strcmp(name, "--guests") ? &options->guests :
				!strcmp(name, "--seed")	  ? &options->seed :
				!strcmp(name, "--change") ? &options->change :
							    NULL;
	char *end;

	if (!number)
		return false;
	*number = strtoul(value, &end, 10);
	return *value && !*end && options->guests && options->guests <= MODEL_GUESTS_MAX;
}

int main(int argc, char **argv)
{
	struct options options = { .guests = 40, .seed = 1, .change = 240 };
	int i;

	for (i = 1; i + 1 < argc && !strncmp(argv[i], "--", 2); i += 2)
		if (!option(&options, argv[i], argv[i + 1])) {
			fprintf(stderr,
				"simulate_pressure: options are --guests N (up to %d), "
				"--seed N, --change SECONDS\n",
				MODEL_GUESTS_MAX);
			return 2;
		}
	if (i < argc)
		over_time(&options, argv[i]);
	else
		summary(&options);
	return 0;
}
