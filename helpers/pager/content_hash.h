/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Is this page what it was?  Told by a hash with a secret key, where a comparison would have to
 * read a disk.
 *
 * DOC: why no guest can find two pages with one hash
 *
 * A universal hash: of any two different pages the hashes are the same for one key in 2^126, and
 * the key is random.  That is proven, and rests on no cipher: NH of UMAC (Black, Halevi, Krawczyk,
 * Krovetz and Rogaway, 1999), twice with a key that is shifted, each brought from 128 bits to 64 by
 * multiplication and shift (Dietzfelbinger, 1996).  It holds as long as the key and the hashes stay
 * in this process: they are written nowhere, so none of them outlives it.
 */
#ifndef MEMBACKING_PAGER_CONTENT_HASH_H
#define MEMBACKING_PAGER_CONTENT_HASH_H

#include <stdbool.h>
#include <stdint.h>

#include "pager/ram.h"

enum { CONTENT_WORDS = PAGE_BYTES / sizeof(uint64_t), CONTENT_SHIFT = 2, CONTENT_FOLDS = 3 };

/* @fold: each half's factors for the two halves of a sum, and what is added */
struct content_key {
	uint64_t word[CONTENT_WORDS + CONTENT_SHIFT];
	uint64_t fold[2][CONTENT_FOLDS][2];
};

struct content_hash {
	uint64_t half[2];
};

/* Random numbers.  Return: 0 or -errno */
int content_key_new(struct content_key *key);
/* Of PAGE_BYTES, in any alignment */
struct content_hash content_hash(const struct content_key *key, const void *page);
bool content_hash_same(struct content_hash one, struct content_hash other);

#endif
