/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Replays a row of accesses against ways to choose what stays in RAM: the pager's, and those it is
 * compared with.
 */
#ifndef TESTS_PAGER_POLICIES_H
#define TESTS_PAGER_POLICIES_H

#include <stddef.h>
#include <stdint.h>

/**
 * struct replay - What is replayed
 * @access:	Page numbers, each below @pages
 * @warm:	So many at the beginning are not counted
 * @limit:	Pages that may be in RAM
 */
struct replay {
	const uint32_t *access;
	size_t n, warm;
	uint64_t pages, limit;
	double horizon; /* of the pager's policy; 0: its default */
};

/**
 * struct replayed - What came of it, after the warming up
 * @misses:	Accesses that had to wait for a page
 * @loads:	Pages brought in; the rest of them ahead of their accesses
 */
struct replayed {
	uint64_t misses, loads;
};

/**
 * enum policy
 * @POLICY_FIFO:	What came first goes first
 * @POLICY_LRU:		What was used longest ago goes first, exactly
 * @POLICY_TWO_LISTS:	Active and inactive, as the kernel without MGLRU has them
 * @POLICY_OPTIMUM:	The pages that this row has most often stay for ever
 * @POLICY_LOOK:	As hot.h, and a page whose lives have run out is only unmapped at first: if
 *		it is used within a quarter of a round it has come back soon, else it goes
 * @POLICY_LIVES:	hot.h
 * @POLICY_PAGER:	hot.h and read_ahead.h, as the pager uses them
 */
enum policy {
	POLICY_FIFO,
	POLICY_LRU,
	POLICY_TWO_LISTS,
	POLICY_OPTIMUM,
	POLICY_LOOK,
	POLICY_LIVES,
	POLICY_PAGER,
	POLICIES
};

extern const char *const policy_names[POLICIES];

/* Ends the program if there is no memory */
struct replayed policy_replay(enum policy policy, const struct replay *replay);

/**
 * enum stream - Where rows of accesses come from: struct access, and mixtures of it
 * @STREAM_ZIPF_SCAN:	Zipf's law, and each half a row of all pages one page read in order between
 *			two others
 * @STREAM_ZIPF_MOVES:	Zipf's law, and each quarter other pages are the popular ones
 */
enum stream {
	STREAM_UNIFORM,
	STREAM_SEQUENTIAL,
	STREAM_ZIPF,
	STREAM_PHASE,
	STREAM_MIXED,
	STREAM_ZIPF_SCAN,
	STREAM_ZIPF_MOVES,
	STREAMS
};

extern const char *const stream_names[STREAMS];

/* @n accesses; the first @pages of them touch each page once.  The same each time */
uint32_t *stream_make(enum stream stream, uint64_t pages, size_t n);

#endif
