/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The verifier: threads that check and write versioned pages for ever, as a guest's vCPUs would.
 *
 * What each page must hold is kept in an array of its own, outside the pages' memory, so that a
 * write that got lost is seen as an old version.
 */
#ifndef TESTS_PAGER_VERIFIER_H
#define TESTS_PAGER_VERIFIER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "pager/access.h"
#include "pager/pages.h"

enum { VERIFIER_THREADS_MAX = 8 };

/**
 * struct verifier_options
 * @memory:	The pages, zeros
 * @threads:	That check and write
 * @writes:	Percent of accesses that write
 * @used:	Percent of the pages, from the first one on, that threads go to; the others are idle
 * @stray:	But one access in so many goes to any page; 0: none does
 * @burst:	A thread rests after so many accesses; 0: it never does
 * @rest_us:	For so long
 * @untouched:	Pages at the end of @memory that are not filled in the beginning
 * @late_reader: One thread more, which reads everything in order as a migration would
 * @discard:	Give pages back, as a balloon would; afterwards they hold zeros, or what they held.
 *		NULL: this memory has nothing of the kind
 * @discards:	A thread that does it all the time
 */
struct verifier_options {
	unsigned char *memory;
	uint64_t pages;
	struct page_rules rules;
	enum pattern pattern;
	unsigned int threads;
	unsigned int writes;
	unsigned int used, stray, burst, rest_us;
	uint64_t untouched;
	bool late_reader;
	bool discards;
	int (*discard)(unsigned char *address, uint64_t bytes);
};

struct verifier;

/* Fill the pages.  NULL without memory */
struct verifier *verifier_new(const struct verifier_options *options);
/* Its threads have ended; the pages stay */
void verifier_free(struct verifier *verifier);
bool verifier_start(struct verifier *verifier);
/* End the threads.  They may be waiting for a pager: call it when there is one */
void verifier_stop(struct verifier *verifier);
/* Check each page once */
void verifier_check_all(struct verifier *verifier);
/* Discard so many pages and keep them out of use; 0: all may be used again */
void verifier_balloon(struct verifier *verifier, uint64_t pages);

/* Make a page wrong, to see that it is noticed: its last write lost, one word of it, or zeros */
enum spoil { SPOIL_OLD, SPOIL_WORD, SPOIL_ZEROS };
void verifier_spoil(struct verifier *verifier, enum spoil how, uint64_t page);

/**
 * struct verifier_figures - Counted since the beginning, times since the last call
 * @wrong:	Bytes
 * @longest_us:	The longest standstill of a thread
 * @slow:	Accesses that took more than SLOW_NS: most of them had to wait for a page
 */
struct verifier_figures {
	uint64_t checks, writes, discards, wrong;
	uint64_t accesses, slow;
	double seconds, longest_us, slow_p50_us, slow_p99_us;
};

enum { SLOW_NS = 2500 };

void verifier_figures(struct verifier *verifier, struct verifier_figures *figures);
/* "checks=... wrong=..." in one line */
void verifier_print(struct verifier *verifier, FILE *out, const char *head);
/* With the counts of others added */
void verifier_print_with(struct verifier *verifier, const struct verifier_figures *others,
			 FILE *out, const char *head);

#endif
