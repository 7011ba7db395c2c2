// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A universal hash of a page: a multiplication for each sixteen bytes and each half of the result.
 */
#include "pager/content_hash.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

/* The sums are taken modulo 2^128 */
__extension__ typedef unsigned __int128 wide;

int content_key_new(struct content_key *key)
{
	unsigned char *at = (unsigned char *)key;
	size_t done = 0;

	/* More than 256 bytes at once may come in parts */
	while (done < sizeof(*key)) {
		ssize_t n = getrandom(at + done, sizeof(*key) - done, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		done += (size_t)n;
	}
	return 0;
}

static wide wide_of(const uint64_t halves[2])
{
	return (wide)halves[0] << 64 | halves[1];
}

static uint64_t fold(const uint64_t by[CONTENT_FOLDS][2], wide sum)
{
	wide folded = wide_of(by[0]) * (uint64_t)sum + wide_of(by[1]) * (uint64_t)(sum >> 64) +
		      wide_of(by[2]);

	return (uint64_t)(folded >> 64);
}

struct content_hash content_hash(const struct content_key *key, const void *page)
{
	const unsigned char *at = page;
	const uint64_t *word = key->word;
	wide a = 0, b = 0;
	size_t i;

	for (i = 0; i < CONTENT_WORDS; i += 2) {
		uint64_t pair[2];

		memcpy(pair, at + i * sizeof(uint64_t), sizeof(pair));
		a += (wide)(pair[0] + word[i]) * (pair[1] + word[i + 1]);
		b += (wide)(pair[0] + word[i + CONTENT_SHIFT]) *
		     (pair[1] + word[i + CONTENT_SHIFT + 1]);
	}
	return (struct content_hash){ { fold(key->fold[0], a), fold(key->fold[1], b) } };
}

bool content_hash_same(struct content_hash one, struct content_hash other)
{
	return one.half[0] == other.half[0] && one.half[1] == other.half[1];
}
