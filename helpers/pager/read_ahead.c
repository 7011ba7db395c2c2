// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Streams and neighbourhoods.
 *
 * DOC: the cost of a wrong guess
 * A page that is loaded for nothing costs its decompression, its compression when it goes, and
 * another page's place; one that is loaded in time saves a fault, two changes of context.  How many
 * neighbours are used by chance depends on how much is resident: 28 % of them at a quarter, 63 % at
 * a half, 95 % at three quarters, where accesses are uniform.  Only what goes beyond that is a
 * gain, so the thresholds do: 72 and 60 % at a half.
 */
#include "pager/read_ahead.h"

#include <stdlib.h>

enum {
	STREAMS = 8,
	STARTS = 16, /* faults that may turn out to be a stream's first */
	WINDOW_MIN = 8,
	/* Pages that a stream may find in RAM behind its window, and pass by without a fault */
	GAP_MAX = 8,
	/* A stream that had none of so many faults is over.  In a small guest random faults would
	 * go on with it by chance */
	STREAM_FAULTS = 512,
	BLOCK = 16, /* 64 KiB */
	/* Below this a neighbour that is used does not pay for those that are not */
	ON_PERCENT_MIN = 50,
	/* Not to switch on and off by chance */
	OFF_BELOW_ON = 12,
	BAD_PERCENT = 25,
	TRIAL = 4096,
	PROBE = 128,
	PROBE_BAD = 512,
	/* Results take as long as a page stays: with so many pages waiting for theirs, probes
	 * are half as frequent, with twice so many a quarter */
	UNJUDGED = 64,
	/* Results count half when so many newer ones are there.  With fewer, chance alone switches
	 * neighbourhoods on where accesses are uniform, and what is loaded then lasts */
	REMEMBERED = 1024,
	/* Fewer say nothing */
	ENOUGH = 2 * (BLOCK - 1),
};

/**
 * struct stream
 * @next:	First page that was not loaded; 0: none
 * @used:	Time of its last fault, in faults
 */
struct stream {
	uint64_t next, used;
	uint32_t window;
};

struct read_ahead {
	uint64_t pages, faults;
	struct stream stream[STREAMS];
	uint64_t start[STARTS]; /* the page after each; 0: none */
	bool neighbours;
	uint32_t trial; /* neighbourhoods that may yet be loaded before there are results */
	_Atomic uint32_t on_percent;
	uint32_t unprobed; /* faults since the last probe */
	uint64_t unjudged; /* pages of probes, without results */
	uint64_t loaded, used;
};

/*
 * Uniform accesses with a share s resident miss 1 - s of the time, so that a page stays for
 * s / (1 - s) accesses a page of the guest: it is used with 1 - exp(-s / (1 - s)).  A quarter of
 * the way from there to all.
 */
static uint32_t on_percent(double resident, double all)
{
	double stays = resident < all ? resident / (all - resident) : 100, unused = 1;
	uint32_t percent;
	int i;

	for (i = 0; i < 16; i++)
		unused /= 1 + stays / 16;
	percent = (uint32_t)(100 - 75 * unused);
	return percent > ON_PERCENT_MIN ? percent : ON_PERCENT_MIN;
}

void read_ahead_set_limit(struct read_ahead *ra, uint64_t limit)
{
	ra->on_percent = on_percent((double)limit, (double)ra->pages);
}

struct read_ahead *read_ahead_new(uint64_t pages, uint64_t limit)
{
	struct read_ahead *ra = calloc(1, sizeof(*ra));

	if (!ra)
		return NULL;
	ra->pages = pages;
	read_ahead_set_limit(ra, limit);
	/* Results come when as many pages were loaded as are resident: soon, where each fault loads
	 * sixteen.  In a large guest that would be too many for nothing */
	ra->neighbours = true;
	ra->trial = TRIAL;
	return ra;
}

void read_ahead_free(struct read_ahead *ra)
{
	free(ra);
}

static struct read_ahead_range range(const struct read_ahead *ra, uint64_t first, uint64_t n,
				     bool stream)
{
	struct read_ahead_range range = { .stream = stream };

	if (first >= ra->pages)
		return range;
	range.first = first;
	range.n = n < ra->pages - first ? n : ra->pages - first;
	return range;
}

/* ---- streams ---- */

static struct stream *find_stream(struct read_ahead *ra, uint64_t page)
{
	size_t i;

	for (i = 0; i < STREAMS; i++) {
		struct stream *s = &ra->stream[i];

		if (s->next && page >= s->next && page - s->next < GAP_MAX &&
		    ra->faults - s->used < STREAM_FAULTS)
			return s;
	}
	return NULL;
}

/* The one without a fault for the longest time makes place */
static struct stream *new_stream(struct read_ahead *ra)
{
	struct stream *oldest = &ra->stream[0];
	size_t i;

	for (i = 1; i < STREAMS; i++)
		if (ra->stream[i].used < oldest->used)
			oldest = &ra->stream[i];
	*oldest = (struct stream){ .window = WINDOW_MIN / 2 };
	return oldest;
}

/* Was the page before this one among the last faults? */
static bool take_start(struct read_ahead *ra, uint64_t page)
{
	size_t i;

	for (i = 0; i < STARTS; i++)
		if (page && ra->start[i] == page) {
			ra->start[i] = 0;
			return true;
		}
	return false;
}

static struct read_ahead_range go_on(struct read_ahead *ra, struct stream *s, uint64_t page)
{
	uint64_t passed_by = s->next ? page - s->next : 0;
	struct read_ahead_range ahead;
	bool full;

	s->window = s->window < READ_AHEAD_MAX ? s->window * 2 : READ_AHEAD_MAX;
	full = s->window == READ_AHEAD_MAX;
	s->used = ra->faults;
	ahead = range(ra, page + 1, full ? STREAM_MOST - passed_by : s->window, true);
	ahead.full = full;
	s->next = page + 1 + ahead.n;
	return ahead;
}

/* ---- neighbourhoods ---- */

static uint64_t percent_used(const struct read_ahead *ra)
{
	return ra->loaded ? ra->used * 100 / ra->loaded : 0;
}

static bool are_on(struct read_ahead *ra)
{
	if (!ra->neighbours || ra->loaded >= ENOUGH)
		return ra->neighbours;
	if (!ra->trial)
		return false;
	ra->trial--;
	return true;
}

static bool probe(struct read_ahead *ra)
{
	uint32_t interval = percent_used(ra) < BAD_PERCENT ? PROBE_BAD : PROBE;
	uint64_t n;

	for (n = ra->unjudged; n >= UNJUDGED && interval < PROBE_BAD; n -= UNJUDGED)
		interval *= 2;
	if (++ra->unprobed < interval)
		return false;
	ra->unprobed = 0;
	ra->unjudged += BLOCK - 1;
	return true;
}

void read_ahead_result(struct read_ahead *ra, uint64_t loaded, uint64_t used)
{
	ra->unjudged -= loaded < ra->unjudged ? loaded : ra->unjudged;
	ra->loaded += loaded;
	ra->used += used < loaded ? used : loaded;
	while (ra->loaded > REMEMBERED) {
		ra->loaded /= 2;
		ra->used /= 2;
	}
	if (ra->loaded < ENOUGH)
		return;
	if (percent_used(ra) > ra->on_percent)
		ra->neighbours = true;
	else if (percent_used(ra) < ra->on_percent - OFF_BELOW_ON)
		ra->neighbours = false;
}

struct read_ahead_range read_ahead_fault(struct read_ahead *ra, uint64_t page)
{
	struct stream *s;

	ra->faults++;
	s = find_stream(ra, page);
	if (!s && take_start(ra, page))
		s = new_stream(ra);
	if (s)
		return go_on(ra, s, page);
	if (!are_on(ra) && !probe(ra)) {
		ra->start[ra->faults % STARTS] = page + 1;
		return range(ra, page, 0, false);
	}
	page -= page % BLOCK;
	ra->start[ra->faults % STARTS] = page + BLOCK;
	return range(ra, page, BLOCK, false);
}
