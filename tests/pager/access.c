// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * In which order a thread of the verifier goes through its pages.
 */
#include <math.h>
#include <stdlib.h>

#include "pager/access.h"
#include "pager/pages.h"

const char *const pattern_names[PATTERNS] = {
	[PATTERN_UNIFORM] = "uniform", [PATTERN_SEQUENTIAL] = "sequential", [PATTERN_ZIPF] = "zipf",
	[PATTERN_PHASE] = "phase",     [PATTERN_MIXED] = "mixed",
};

/* Popular pages lie anywhere, and each page has one rank */
static void shuffle(uint32_t *page, uint64_t n)
{
	uint64_t i, other, random = 1;
	uint32_t swapped;

	for (i = 0; i < n; i++)
		page[i] = (uint32_t)i;
	for (i = n; i > 1; i--) {
		other = draw(&random) % i;
		swapped = page[i - 1];
		page[i - 1] = page[other];
		page[other] = swapped;
	}
}

/* Gray et al., "Quickly generating billion-record synthetic databases", as YCSB does it */
bool zipf_prepare(struct zipf *zipf, uint64_t n)
{
	double zeta2 = 1 + pow(0.5, 0.99);
	uint64_t i;

	*zipf = (struct zipf){ .n = n, .theta = 0.99, .alpha = 1 / (1 - 0.99) };
	zipf->page = malloc(n * sizeof(*zipf->page));
	if (!zipf->page)
		return false;
	for (i = 1; i <= n; i++)
		zipf->zeta += 1 / pow((double)i, zipf->theta);
	shuffle(zipf->page, n);
	zipf->eta = (1 - pow(2.0 / (double)n, 1 - zipf->theta)) / (1 - zeta2 / zipf->zeta);
	return true;
}

static double draw_double(uint64_t *state)
{
	return (double)(draw(state) >> 11) / 9007199254740992.0;
}

static uint64_t zipf_rank(const struct zipf *zipf, uint64_t *state)
{
	double u = draw_double(state), uz = u * zipf->zeta;
	uint64_t rank;

	if (uz < 1)
		return 0;
	if (uz < 1 + pow(0.5, zipf->theta))
		return 1;
	rank = (uint64_t)((double)zipf->n * pow(zipf->eta * u - zipf->eta + 1, zipf->alpha));
	return rank < zipf->n ? rank : zipf->n - 1;
}

static void next_phase(struct access *access)
{
	access->position = draw(&access->random) % access->pages;
	access->remaining = access->pages;
}

static void next_pattern(struct access *access)
{
	access->now = (enum pattern)(draw(&access->random) % PATTERN_MIXED);
	access->remaining = 2000 + draw(&access->random) % 20000;
	access->position = draw(&access->random) % access->pages;
}

void access_start(struct access *access, enum pattern pattern, const struct zipf *zipf,
		  uint64_t pages, uint64_t seed)
{
	*access =
		(struct access){ .pattern = pattern, .now = pattern, .zipf = zipf, .pages = pages };
	access->random = mix(seed) | 1;
	access->position = draw(&access->random) % pages;
}

uint64_t access_next(struct access *access)
{
	if (!access->remaining && access->pattern == PATTERN_MIXED)
		next_pattern(access);
	else if (!access->remaining && access->pattern == PATTERN_PHASE)
		next_phase(access);
	if (access->remaining)
		access->remaining--;
	switch (access->now) {
	case PATTERN_SEQUENTIAL:
		access->position = (access->position + 1) % access->pages;
		return access->position;
	case PATTERN_ZIPF:
		return access->zipf->page[zipf_rank(access->zipf, &access->random)];
	case PATTERN_PHASE:
		return (access->position + draw(&access->random) % (access->pages / 4)) %
		       access->pages;
	default:
		return draw(&access->random) % access->pages;
	}
}
