/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * In which order a thread of the verifier goes through its pages.
 */
#ifndef TESTS_PAGER_ACCESS_H
#define TESTS_PAGER_ACCESS_H

#include <stdbool.h>
#include <stdint.h>

/**
 * enum pattern
 * @PATTERN_UNIFORM:	Any page, each time
 * @PATTERN_SEQUENTIAL:	One after the other
 * @PATTERN_ZIPF:	Zipf's law with an exponent of 0.99; which pages are popular is drawn
 * @PATTERN_PHASE:	Any page of a quarter of them; another quarter when each had four turns
 * @PATTERN_MIXED:	These in turn, some thousand times each
 */
enum pattern {
	PATTERN_UNIFORM,
	PATTERN_SEQUENTIAL,
	PATTERN_ZIPF,
	PATTERN_PHASE,
	PATTERN_MIXED,
	PATTERNS
};

extern const char *const pattern_names[PATTERNS];

/* What Zipf's law needs, computed once for all threads */
struct zipf {
	uint64_t n;
	double theta, zeta, alpha, eta;
	uint32_t *page; /* of each rank */
};

/* Return: false without memory */
bool zipf_prepare(struct zipf *zipf, uint64_t n);

struct access {
	enum pattern pattern, now;
	const struct zipf *zipf;
	uint64_t pages;
	uint64_t random;    /* state of draw() */
	uint64_t position;  /* sequential, phase: the window's first page */
	uint64_t remaining; /* phase, mixed: accesses until it changes */
};

void access_start(struct access *access, enum pattern pattern, const struct zipf *zipf,
		  uint64_t pages, uint64_t seed);
uint64_t access_next(struct access *access);

#endif
