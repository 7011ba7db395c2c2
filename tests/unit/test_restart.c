// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What follows for a page after a kill, from all that is known of it.
 */
#include <string.h>

#include "pager/engine.h"
#include "unit/unit.h"

/*
 * One row for each state and what decides.  In @when: P present, r in the ring, D discarded,
 * s has a slot, h held in a staging, e explained by a discard near it; capital or listed: it is so,
 * '-' before a letter: it is not.  What is not listed makes no difference.
 */
static const struct {
	enum page_state state;
	const char *when;
	enum restart_action action;
} rows[] = {
	{ PAGE_ZERO, "-P", RESTART_KEEP },
	/* ZEROPAGE was done, the entry not changed */
	{ PAGE_ZERO, "P", RESTART_RESIDENT },

	{ PAGE_RESIDENT, "P", RESTART_KEEP },
	{ PAGE_RESIDENT, "-Pe", RESTART_ZERO },
	{ PAGE_RESIDENT, "-P-er", RESTART_ZERO },
	/* However long ago it was discarded */
	{ PAGE_RESIDENT, "-P-e-rD", RESTART_ZERO },
	/* Never zeros for what nothing explains */
	{ PAGE_RESIDENT, "-P-e-r-D", RESTART_MISSING },

	/* Claimed, not punched; put back; the guest's file has the newest */
	{ PAGE_LEAVING, "P", RESTART_RESIDENT },
	/* A discard never takes what may be newer than it */
	{ PAGE_LEAVING, "-Ph", RESTART_STORE },
	{ PAGE_LEAVING, "-P-he", RESTART_ZERO },
	{ PAGE_LEAVING, "-P-h-er", RESTART_ZERO },
	{ PAGE_LEAVING, "-P-h-e-rD", RESTART_ZERO },
	{ PAGE_LEAVING, "-P-h-e-r-D", RESTART_MISSING },

	/* COPY or the prefetch was done, the entry not changed */
	{ PAGE_LOADING, "P", RESTART_RESIDENT },
	/* Loaded, used, discarded: the slot is older than the last write */
	{ PAGE_LOADING, "-PD", RESTART_ZERO },
	{ PAGE_LOADING, "-P-Dr", RESTART_ZERO },
	{ PAGE_LOADING, "-P-D-rs", RESTART_EVICTED },
	/* On its way back from the staging, and not there yet */
	{ PAGE_LOADING, "-P-D-r-sh", RESTART_STORE },
	{ PAGE_LOADING, "-P-D-r-s-h", RESTART_BROKEN },

	{ PAGE_EVICTED, "P", RESTART_RESIDENT },
	{ PAGE_EVICTED, "-Pr", RESTART_ZERO },
	{ PAGE_EVICTED, "-P-rs", RESTART_KEEP },
	{ PAGE_EVICTED, "-P-r-s", RESTART_BROKEN },

	{ PAGE_STAGED, "-P", RESTART_KEEP },
	{ PAGE_STAGED, "P", RESTART_RESIDENT },
};

static bool fact(struct restart_seen seen, char letter)
{
	switch (letter) {
	case 'P':
		return seen.present;
	case 'r':
		return seen.ring;
	case 'D':
		return seen.discarded;
	case 's':
		return seen.has_slot;
	case 'h':
		return seen.held;
	default:
		return seen.explained;
	}
}

static bool matches(struct restart_seen seen, const char *when)
{
	for (; *when; when++) {
		bool want = *when != '-';

		when += !want;
		if (fact(seen, *when) != want)
			return false;
	}
	return true;
}

/* Each state with each combination: exactly one row speaks of it, and is right */
static void test_table(void)
{
	unsigned int state, bits;
	size_t i;

	for (state = PAGE_ZERO; state <= PAGE_STAGED; state++) {
		for (bits = 0; bits < 64; bits++) {
			struct restart_seen seen = {
				.state = (enum page_state)state,
				.present = bits & 1,
				.ring = bits & 2,
				.discarded = bits & 4,
				.has_slot = bits & 8,
				.held = bits & 16,
				.explained = bits & 32,
			};
			unsigned int n = 0;

			for (i = 0; i < ROWS(rows); i++) {
				if (rows[i].state != seen.state || !matches(seen, rows[i].when))
					continue;
				n++;
				UNIT_CHECK(restart_resolve(seen) == rows[i].action,
					   "state %u, %02x, row %zu: %d", state, bits, i,
					   restart_resolve(seen));
			}
			UNIT_CHECK(n == 1, "state %u, %02x: %u rows", state, bits, n);
		}
	}
}

/* What must never come out, whatever was seen */
static void test_never(void)
{
	unsigned int state, bits;

	for (state = PAGE_ZERO; state <= PAGE_STAGED; state++) {
		for (bits = 0; bits < 64; bits++) {
			struct restart_seen seen = {
				.state = (enum page_state)state,
				.present = bits & 1,
				.ring = bits & 2,
				.discarded = bits & 4,
				.has_slot = bits & 8,
				.held = bits & 16,
				.explained = bits & 32,
			};
			enum restart_action action = restart_resolve(seen);

			/* Zeros for a page that is there, or that no discard has to do with */
			if (action == RESTART_ZERO)
				UNIT_CHECK(!seen.present &&
						   (seen.ring || seen.discarded || seen.explained),
					   "state %u, %02x", state, bits);
			/* A slot for a page that the guest may have written since */
			if (action == RESTART_EVICTED)
				UNIT_CHECK(!seen.present && seen.has_slot, "state %u, %02x", state,
					   bits);
		}
	}
}

static CU_TestInfo tests[] = {
	{ "each case has one answer", test_table },
	{ "never zeros for data", test_never },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_restart", tests);
}
