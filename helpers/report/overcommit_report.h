/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What guests under the pager have: from their records, and from the pager's daemon.
 */
#ifndef MEMBACKING_REPORT_OVERCOMMIT_REPORT_H
#define MEMBACKING_REPORT_OVERCOMMIT_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/err.h"

struct ledger;
struct session;

#define OVERCOMMIT_TIERS_MAX 8
#define OVERCOMMIT_WORD_SIZE 32
#define OVERCOMMIT_WHY_SIZE  1536

/* Where pages of a guest are that are not resident.  @limit_kib: of all guests' tier; 0: none */
struct report_tier {
	char name[OVERCOMMIT_WORD_SIZE];
	uint64_t kib;
	uint64_t limit_kib;
};

/* A number that only the daemon knows */
struct report_count {
	bool known;
	uint64_t n;
};

/* Of faults that had to load a page, in microseconds */
struct report_fault_us {
	struct report_count p50;
	struct report_count p99;
};

/**
 * struct report_overcommit - One guest under the pager
 * @present:	It is
 * @paged:	The daemon has adopted it and answers
 * @state:	The daemon's word: "paging"; "waiting" also where there is no daemon; NULL: unknown
 * @limit_kib:	As its record says
 * @size_kib:	What the daemon pages, also what has been plugged in; its record's if not @paged
 * @limit_now_kib: What it may have now
 * @limit_why:	Why that is less: "pressure", the host is short of memory; "cgroup", the limits of
 *		its cgroups; NULL: it isn't
 * @idle_percent: Of what is resident, not used for half a minute, by a sample
 * @why:	What is wrong: why it is not paged, or what it waits for.  NULL: nothing
 */
struct report_overcommit {
	bool present;
	bool paged;
	const char *state;
	uint64_t size_kib;
	uint64_t limit_kib;
	struct report_count limit_now_kib;
	const char *limit_why;
	struct report_count resident_kib;
	struct report_count own_kib;
	size_t n_tiers;
	const struct report_tier *tiers;
	struct report_count faults;
	struct report_fault_us fault_us;
	struct report_count evictions;
	struct report_count refaults;
	struct report_count discards;
	struct report_count prefetched;
	struct report_count prefetch_used;
	struct report_count waiting;
	struct report_count idle_percent;
	const char *why;
	struct report_tier tier_list[OVERCOMMIT_TIERS_MAX]; /* what @tiers, @state, @limit_why, @why
							       point at */
	char state_text[OVERCOMMIT_WORD_SIZE], limit_text[OVERCOMMIT_WORD_SIZE];
	char why_text[OVERCOMMIT_WHY_SIZE];
};

/**
 * struct overcommit_answer - What the daemon says of all its guests
 * @asked:	It was: a guest is under it
 * @answered:	If not, @why says why
 * @tiers:	@kib of @limit_kib used by all guests together
 * @pressure:	The daemon's word: "none" unless the host is or was short of memory
 * @available_kib, @taken_kib: Of the host, and what guests have less than their limits for that
 */
struct overcommit_answer {
	bool asked;
	bool answered;
	struct err why;
	json_t *json;
	size_t n_tiers;
	struct report_tier tiers[OVERCOMMIT_TIERS_MAX];
	char pressure[OVERCOMMIT_WORD_SIZE];
	uint64_t available_kib, taken_kib;
};

/**
 * overcommit_ask() - Ask the daemon, if one of the session's guests is under it
 * @always:	Ask in any case
 *
 * For seconds at most.  Not with the host lock held.
 */
void overcommit_ask(const struct session *session, bool always, struct overcommit_answer *answer);
void overcommit_answer_free(struct overcommit_answer *answer);

/* The pager's data of the guest of @ledger.  Not @present if it is not under the pager */
void overcommit_of(const struct overcommit_answer *answer, const struct ledger *ledger,
		   struct report_overcommit *guest);

#endif
