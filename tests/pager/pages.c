// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What a page of the verifier holds.
 */
#include <string.h>

#include "pager/pages.h"

enum page_kind { PAGE_OF_ZEROS, PAGE_OF_ONE_WORD, PAGE_RANDOM, PAGE_OF_LETTERS, PAGE_COMPRESSIBLE };

uint64_t mix(uint64_t value)
{
	value += 0x9e3779b97f4a7c15;
	value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
	value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
	return value ^ (value >> 31);
}

uint64_t draw(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	*state = x;
	return x * 0x2545f4914f6cdd1d;
}

/* The version that wrote the whole page */
static uint32_t base_of(const struct page_rules *rules, uint32_t version)
{
	return rules->whole ? version & ~7U : FIRST_VERSION;
}

static uint64_t key_of(const struct page_rules *rules, uint64_t number, uint32_t version)
{
	return mix(mix(rules->seed ^ number * 0xd1342543de82ef95) + version);
}

static enum page_kind kind_of(const struct page_rules *rules, uint64_t number, uint32_t base)
{
	if (!rules->equal)
		return PAGE_COMPRESSIBLE;
	switch (key_of(rules, number, base) % 16) {
	case 0:
		return PAGE_OF_ZEROS;
	case 1:
	case 2:
		return PAGE_OF_ONE_WORD;
	case 3:
	case 4:
	case 5:
		return PAGE_RANDOM;
	case 6:
	case 7:
	case 8:
	case 9:
		return PAGE_OF_LETTERS;
	default:
		return PAGE_COMPRESSIBLE;
	}
}

/* Both kinds of words that need no storage, and others */
static uint64_t one_word(uint64_t key)
{
	uint64_t half = key >> 32;

	switch (key % 4) {
	case 0:
		return key >> 30;
	case 1:
		return key;
	default:
		return half << 32 | half;
	}
}

uint64_t page_stamp(const struct page_rules *rules, uint64_t number, uint32_t version)
{
	uint64_t key = key_of(rules, number, version);

	if (version != base_of(rules, version))
		return key;
	switch (kind_of(rules, number, version)) {
	case PAGE_OF_ZEROS:
		return 0;
	case PAGE_OF_ONE_WORD:
		return one_word(key);
	default:
		return key;
	}
}

/*
 * Half of each 128 bytes is the same everywhere: that is the half which lz4 saves.  Of letters, of
 * which there are 16, zstd saves half of the other half, too.
 */
static void fill(uint64_t *words, enum page_kind kind, uint64_t key)
{
	uint64_t state = key | 1;
	unsigned int i;

	for (i = 0; i < PAGE_WORDS; i++) {
		if (kind == PAGE_OF_ZEROS)
			words[i] = 0;
		else if (kind == PAGE_OF_ONE_WORD)
			words[i] = one_word(key);
		else if (kind != PAGE_RANDOM && (i & 8))
			words[i] = 0x6c6962766972746d;
		else if (kind == PAGE_OF_LETTERS)
			words[i] = 0x6060606060606060 | (draw(&state) & 0x0f0f0f0f0f0f0f0f);
		else
			words[i] = draw(&state);
	}
}

/* Where a write of one word goes, and what it writes */
static unsigned int place_of(uint64_t stamp)
{
	return 1 + (unsigned int)(mix(stamp) % (PAGE_WORDS - 2));
}

static void touch(const struct page_rules *rules, uint64_t number, uint32_t version,
		  uint64_t *words)
{
	uint64_t stamp = page_stamp(rules, number, version);

	if (rules->whole)
		words[place_of(stamp)] = mix(~stamp);
	words[0] = stamp;
	words[PAGE_WORDS - 1] = stamp;
}

void page_make(const struct page_rules *rules, uint64_t number, uint32_t version, uint64_t *words)
{
	uint32_t base = base_of(rules, version);
	uint64_t stamp = page_stamp(rules, number, base);
	uint32_t v;

	fill(words, kind_of(rules, number, base), key_of(rules, number, base));
	words[0] = stamp;
	words[PAGE_WORDS - 1] = stamp;
	for (v = rules->whole ? base + 1 : version; v <= version && v > base; v++)
		touch(rules, number, v, words);
}

void page_write(const struct page_rules *rules, uint64_t number, uint32_t version, uint64_t *words)
{
	uint64_t made[PAGE_WORDS];

	if (version == base_of(rules, version)) {
		page_make(rules, number, version, made);
		memcpy(words, made, sizeof(made));
	} else {
		touch(rules, number, version, words);
	}
}

static unsigned int bytes_of(uint64_t difference)
{
	unsigned int n = 0;

	for (; difference; difference >>= 8)
		n += (difference & 0xff) != 0;
	return n;
}

unsigned int page_wrong(const struct page_rules *rules, uint64_t number, uint32_t version,
			const uint64_t *words)
{
	uint64_t made[PAGE_WORDS];
	unsigned int i, wrong = 0;

	page_make(rules, number, version, made);
	if (!memcmp(made, words, sizeof(made)))
		return 0;
	for (i = 0; i < PAGE_WORDS; i++)
		wrong += bytes_of(made[i] ^ words[i]);
	return wrong;
}
