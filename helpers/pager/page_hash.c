// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A page's hash, at the speed of the multiplier: eight sums that don't wait for one another.
 */
#include "pager/page_hash.h"

#include <string.h>

#include "pager/ram.h"

enum { LANES = 8, WORDS = PAGE_BYTES / sizeof(uint64_t) };

/* Odd, and with about as many ones as zeros: the golden ratio's bits */
#define FACTOR UINT64_C(0x9e3779b97f4a7c15)

/* Each step can be undone, so that no difference of one word is ever lost */
static inline uint64_t mix(uint64_t sum, uint64_t word)
{
	sum = (sum ^ word) * FACTOR;
	return sum ^ sum >> 32;
}

static inline uint64_t word_at(const unsigned char *at, size_t i)
{
	uint64_t word;

	memcpy(&word, at + i * sizeof(word), sizeof(word));
	return word;
}

/* Without an array: a loop over one goes through memory, and takes four times as long */
uint64_t page_hash(const void *page)
{
	uint64_t a = 1, b = 2, c = 3, d = 4, e = 5, f = 6, g = 7, h = 8, hash = WORDS;
	const unsigned char *at = page, *end = at + PAGE_BYTES;

	for (; at < end; at += LANES * sizeof(uint64_t)) {
		a = mix(a, word_at(at, 0));
		b = mix(b, word_at(at, 1));
		c = mix(c, word_at(at, 2));
		d = mix(d, word_at(at, 3));
		e = mix(e, word_at(at, 4));
		f = mix(f, word_at(at, 5));
		g = mix(g, word_at(at, 6));
		h = mix(h, word_at(at, 7));
	}
	hash = mix(mix(mix(mix(hash, a), b), c), d);
	return mix(mix(mix(mix(hash, e), f), g), h);
}
