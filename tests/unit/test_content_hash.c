// SPDX-License-Identifier: LGPL-2.1-or-later
/* Two pages have one hash only if they are the same, also if someone has made them for that. */
#include "pager/content_hash.h"

#include <string.h>

#include "pager/page_hash.h"
#include "unit/unit.h"

static struct content_key key;

static void fill(unsigned char *page, uint64_t seed)
{
	size_t i;

	for (i = 0; i < PAGE_BYTES; i++) {
		seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
		page[i] = (unsigned char)(seed >> 56);
	}
}

static bool is_same(const void *one, const void *other)
{
	return content_hash_same(content_hash(&key, one), content_hash(&key, other));
}

static void test_each_bit(void)
{
	unsigned char one[PAGE_BYTES], other[PAGE_BYTES];
	size_t i;

	CU_ASSERT_EQUAL_FATAL(content_key_new(&key), 0);
	fill(one, 1);
	memcpy(other, one, sizeof(other));
	CU_ASSERT(is_same(one, other));
	for (i = 0; i < (size_t)PAGE_BYTES * 8; i++) {
		other[i / 8] ^= (unsigned char)(1 << i % 8);
		UNIT_CHECK(!is_same(one, other), "bit %zu", i);
		other[i / 8] ^= (unsigned char)(1 << i % 8);
	}
}

static void test_order(void)
{
	uint64_t one[CONTENT_WORDS] = { 0 }, other[CONTENT_WORDS];
	size_t i;

	CU_ASSERT_EQUAL_FATAL(content_key_new(&key), 0);
	for (i = 0; i < CONTENT_WORDS; i++) {
		memset(other, 0, sizeof(other));
		other[i] = 1;
		UNIT_CHECK(!is_same(one, other), "word %zu", i);
		memcpy(one, other, sizeof(one));
	}
}

/* Where a page lies does not matter; with another key it has another hash */
static void test_place_and_key(void)
{
	unsigned char page[PAGE_BYTES], buffer[PAGE_BYTES + 1];
	struct content_hash before;

	CU_ASSERT_EQUAL_FATAL(content_key_new(&key), 0);
	fill(page, 2);
	memcpy(buffer + 1, page, sizeof(page));
	CU_ASSERT(is_same(page, buffer + 1));
	before = content_hash(&key, page);
	CU_ASSERT_EQUAL_FATAL(content_key_new(&key), 0);
	CU_ASSERT(!content_hash_same(content_hash(&key, page), before));
	CU_ASSERT(content_hash(&key, page).half[0] != content_hash(&key, page).half[1]);
}

/* What page_hash.h does with a word of one of its sums */
static uint64_t step(uint64_t sum, uint64_t word)
{
	sum = (sum ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return sum ^ sum >> 32;
}

/* A guest can make a page that has the hash which tells damage.  So another one tells changes */
static void test_made_for_it(void)
{
	uint64_t one[CONTENT_WORDS], other[CONTENT_WORDS], first = 1;

	CU_ASSERT_EQUAL_FATAL(content_key_new(&key), 0);
	fill((unsigned char *)one, 3);
	memcpy(other, one, sizeof(other));
	other[0] ^= 0xbad;
	/* The next word of the same sum takes the difference away */
	other[8] = one[8] ^ step(first, one[0]) ^ step(first, other[0]);
	CU_ASSERT(memcmp(one, other, sizeof(one)) != 0);
	CU_ASSERT_EQUAL(page_hash(one), page_hash(other));
	CU_ASSERT(!is_same(one, other));
}

static CU_TestInfo tests[] = {
	{ "each bit of a page", test_each_bit },
	{ "the same word elsewhere", test_order },
	{ "where a page lies, and another key", test_place_and_key },
	{ "a page that was made for it", test_made_for_it },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_content_hash", tests);
}
