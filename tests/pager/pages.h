/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a page of the verifier holds: everything follows from a seed, its number and its version.
 *
 * A version is written by one write.  Every eighth writes the whole page, the seven after it a
 * word each: so a page that lost a single store is seen as well as an old page, which looks as
 * valid as a new one.
 */
#ifndef TESTS_PAGER_PAGES_H
#define TESTS_PAGER_PAGES_H

#include <stdbool.h>
#include <stdint.h>

enum { PAGE_SIZE_BYTES = 4096, PAGE_WORDS = 512, FIRST_VERSION = 8 };

/**
 * struct page_rules - What all pages have in common
 * @whole:	Each write is as said above, and all bytes are compared.  Otherwise a write changes
 *		the first word and the last alone, and these are compared: for measurements
 * @equal:	Some pages are zeros or one word over and over, some can't be compressed, some get
 *		smaller by zstd than by lz4; otherwise each is compressed by lz4 to 1/1.8
 */
struct page_rules {
	uint64_t seed;
	bool whole;
	bool equal;
};

/* The first word, and the last, of each version.  Whole pages of zeros have 0 here */
uint64_t page_stamp(const struct page_rules *rules, uint64_t number, uint32_t version);
/* All of it */
void page_make(const struct page_rules *rules, uint64_t number, uint32_t version, uint64_t *words);
/* The write that makes @version of the version before, in place */
void page_write(const struct page_rules *rules, uint64_t number, uint32_t version, uint64_t *words);
/* Bytes of @words that differ from this version */
unsigned int page_wrong(const struct page_rules *rules, uint64_t number, uint32_t version,
			const uint64_t *words);

/* A generator of random numbers, one a thread */
uint64_t draw(uint64_t *state);
uint64_t mix(uint64_t value);

#endif
