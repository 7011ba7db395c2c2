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
static uint64_t mix(uint64_t sum, uint64_t word)
{
	sum = (sum ^ word) * FACTOR;
	return sum ^ sum >> 32;
}

uint64_t page_hash(const void *page)
{
	uint64_t sum[LANES], hash = WORDS;
	size_t i, j;

	for (j = 0; j < LANES; j++)
		sum[j] = j + 1;
	for (i = 0; i < WORDS; i += LANES)
		for (j = 0; j < LANES; j++) {
			uint64_t word;

			memcpy(&word, (const char *)page + (i + j) * sizeof(word), sizeof(word));
			sum[j] = mix(sum[j], word);
		}
	for (j = 0; j < LANES; j++)
		hash = mix(hash, sum[j]);
	return hash;
}
