// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Same-filled pages: one word again and again, most often zero.  The slot's number is the word,
 * so they take no storage at all.
 *
 * A slot has 36 bits: a pattern of 32 bits, or a 64-bit word whose upper 29 are zero.  Others
 * compress to a few bytes in the next tier.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pager/tier_ops.h"

enum { WORDS = PAGE_BYTES / sizeof(uint64_t) };

/* Set: the other 35 bits are the word.  Else the lower 32 are both halves of it */
#define SMALL_WORD (UINT64_C(1) << (SLOT_BITS - 1))

struct same {
	_Atomic uint64_t pages;
	bool reading_only;
};

static int same_open(void **tier, int directory, struct tier_stores *stores,
		     const struct tier_spec *spec, bool fresh, struct err *err)
{
	struct same *same = calloc(1, sizeof(*same));

	(void)directory;
	(void)stores;
	(void)fresh;
	if (!same)
		return err_nomem(err);
	same->reading_only = !spec;
	*tier = same;
	return 0;
}

static void same_close(void *tier)
{
	free(tier);
}

static uint64_t word_at(const void *page, size_t i)
{
	uint64_t word;

	memcpy(&word, (const char *)page + i * sizeof(word), sizeof(word));
	return word;
}

static bool filled_with(const void *page, uint64_t word)
{
	size_t i;

	for (i = 0; i < WORDS; i += 4)
		if ((word_at(page, i) ^ word) | (word_at(page, i + 1) ^ word) |
		    (word_at(page, i + 2) ^ word) | (word_at(page, i + 3) ^ word))
			return false;
	return true;
}

static bool word_to_slot(uint64_t word, uint64_t *slot)
{
	if (word >> 32 == (word & UINT32_MAX))
		*slot = word & UINT32_MAX;
	else if (word < SMALL_WORD)
		*slot = SMALL_WORD | word;
	else
		return false;
	return true;
}

static bool slot_to_word(uint64_t slot, uint64_t *word)
{
	if (slot & SMALL_WORD)
		*word = slot ^ SMALL_WORD;
	else if (slot <= UINT32_MAX)
		*word = slot << 32 | slot;
	else
		return false;
	return true;
}

static int same_store(void *tier, const void *page, uint64_t *slot)
{
	struct same *same = tier;
	uint64_t word = word_at(page, 0);

	/* The last word first: most pages are told by it */
	if (same->reading_only || word_at(page, WORDS - 1) != word || !filled_with(page, word) ||
	    !word_to_slot(word, slot))
		return -ENOSPC;
	same->pages++;
	return 0;
}

static int same_load(void *tier, uint64_t slot, void *page)
{
	uint64_t word;
	size_t i;

	(void)tier;
	if (!slot_to_word(slot, &word))
		return -EIO;
	for (i = 0; i < WORDS; i++)
		memcpy((char *)page + i * sizeof(word), &word, sizeof(word));
	return 0;
}

static bool same_holds(void *tier, uint64_t slot, const void *page)
{
	uint64_t word;

	(void)tier;
	return slot_to_word(slot, &word) && filled_with(page, word);
}

static int same_claim(void *tier, uint64_t slot)
{
	struct same *same = tier;
	uint64_t word;

	/* Any number of pages may have one word */
	if (!slot_to_word(slot, &word))
		return -EINVAL;
	same->pages++;
	return 0;
}

static int same_ready(void *tier, struct err *err)
{
	(void)tier;
	(void)err;
	return 0;
}

static void same_free(void *tier, uint64_t slot)
{
	struct same *same = tier;

	(void)slot;
	same->pages--;
}

static void same_usage(const void *tier, struct tier_usage *usage)
{
	const struct same *same = tier;

	*usage = (struct tier_usage){ .name = "same-filled", .pages = same->pages };
}

const struct tier_ops tier_same_ops = {
	.open = same_open,
	.close = same_close,
	.claim = same_claim,
	.ready = same_ready,
	.store = same_store,
	.load = same_load,
	.holds = same_holds,
	.free = same_free,
	.usage = same_usage,
};
