// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Numbers, sizes and durations from text, and back.
 */
#include "base/text.h"

#include <errno.h>
#include <string.h>

#include "unit/unit.h"

struct row {
	const char *text;
	int rc;
	uint64_t value;
};

/* A value that no row expects: shows that failures leave the result alone */
#define UNTOUCHED UINT64_C(0xdeadbeef)

static void check_rows(const struct row *rows, size_t n, int (*parse)(const char *, uint64_t *))
{
	size_t i;

	for (i = 0; i < n; i++) {
		uint64_t value = UNTOUCHED;
		int rc = parse(rows[i].text, &value);

		UNIT_CHECK(rc == rows[i].rc, "'%s' gave %d", rows[i].text, rc);
		UNIT_CHECK(value == (rows[i].rc ? UNTOUCHED : rows[i].value), "'%s' set %llu",
			   rows[i].text, (unsigned long long)value);
	}
}

static void test_u64(void)
{
	static const struct row rows[] = {
		{ "0", 0, 0 },
		{ "7", 0, 7 },
		{ "007", 0, 7 },
		{ "18446744073709551615", 0, UINT64_MAX },
		{ "18446744073709551616", -ERANGE, 0 },
		{ "99999999999999999999999999", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "+1", -EINVAL, 0 },
		{ " 1", -EINVAL, 0 },
		{ "1 ", -EINVAL, 0 },
		{ "1\n", -EINVAL, 0 },
		{ "0x10", -EINVAL, 0 },
		{ "1e3", -EINVAL, 0 },
		{ "1.5", -EINVAL, 0 },
		{ "\xD9\xA1", -EINVAL, 0 }, /* a digit, but not one of ours */
	};

	check_rows(rows, ROWS(rows), text_to_u64);
}

static void test_kib(void)
{
	static const struct row rows[] = {
		{ "0", 0, 0 },
		{ "1", 0, 1 }, /* rounded up */
		{ "1024", 0, 1 },
		{ "1025", 0, 2 },
		{ "4096B", 0, 4 },
		{ "512K", 0, 512 },
		{ "512k", 0, 512 },
		{ "2M", 0, 2048 },
		{ "2MiB", 0, 2048 },
		{ "2MB", 0, 2048 },
		{ "2 M", 0, 2048 },
		{ "1G", 0, KIB_PER_GIB },
		{ "1gib", 0, KIB_PER_GIB },
		{ "3T", 0, 3 * 1024 * KIB_PER_GIB },
		{ "8192P", 0, TEXT_KIB_MAX },
		{ "8193P", -ERANGE, 0 },
		{ "9007199254740993K", -ERANGE, 0 },
		{ "18446744073709551615", -ERANGE, 0 },
		{ "18446744073709551616", -ERANGE, 0 },
		{ "18446744073709551615P", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ "M", -EINVAL, 0 },
		{ "-2M", -EINVAL, 0 },
		{ "2X", -EINVAL, 0 },
		{ "2Mi", -EINVAL, 0 },
		{ "2MM", -EINVAL, 0 },
		{ "2M ", -EINVAL, 0 },
		{ "1.5G", -EINVAL, 0 },
		{ "5%", -EINVAL, 0 },
	};

	check_rows(rows, ROWS(rows), text_to_kib);
}

static void test_ms(void)
{
	static const struct row rows[] = {
		{ "0", 0, 0 },
		{ "20", 0, 20000 },
		{ "20s", 0, 20000 },
		{ "500ms", 0, 500 },
		{ "2m", 0, 120000 },
		{ "2min", 0, 120000 },
		{ "86400s", 0, 86400000 },
		{ "86401s", -ERANGE, 0 },
		{ "1441m", -ERANGE, 0 },
		{ "86400000ms", 0, 86400000 },
		{ "86400001ms", -ERANGE, 0 },
		{ "18446744073709551616ms", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ "s", -EINVAL, 0 },
		{ "-1s", -EINVAL, 0 },
		{ "1h", -EINVAL, 0 },
		{ "20 s", -EINVAL, 0 },
		{ "1.5s", -EINVAL, 0 },
	};

	check_rows(rows, ROWS(rows), text_to_ms);
}

static void test_bool(void)
{
	static const struct row rows[] = {
		{ "yes", 0, 1 },      { "Yes", 0, 1 },	      { "true", 0, 1 },
		{ "on", 0, 1 },	      { "1", 0, 1 },	      { "no", 0, 0 },
		{ "FALSE", 0, 0 },    { "off", 0, 0 },	      { "0", 0, 0 },
		{ "", -EINVAL, 0 },   { "y", -EINVAL, 0 },    { "2", -EINVAL, 0 },
		{ "ye", -EINVAL, 0 }, { "yess", -EINVAL, 0 },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		bool value = !rows[i].value;
		int rc = text_to_bool(rows[i].text, &value);

		UNIT_CHECK(rc == rows[i].rc, "'%s' gave %d", rows[i].text, rc);
		if (!rows[i].rc)
			UNIT_CHECK(value == (rows[i].value != 0), "'%s'", rows[i].text);
	}
}

/* To the next tenth */
static void test_from_kib_up(void)
{
	static const struct {
		uint64_t kib;
		const char *text;
	} rows[] = {
		{ 0, "0 KiB" },
		{ 1023, "1023 KiB" },
		{ 1024, "1 MiB" },
		{ 1025, "1.1 MiB" },
		{ 1024 * 1024 - 1, "1 GiB" },
		{ 1024 * 1024, "1 GiB" },
		{ 1024 * 1024 + 1, "1.1 GiB" },
		{ 1024 * 1024 * 3 / 2, "1.5 GiB" },
		{ (3ull << 30) + 1, "3.1 TiB" },
	};
	char buf[TEXT_KIB_SIZE];
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		UNIT_CHECK_STR(text_from_kib_up(rows[i].kib, buf), rows[i].text, "row %zu", i);
}

static void test_from_kib(void)
{
	static const struct {
		uint64_t kib;
		const char *text;
	} rows[] = {
		{ 0, "0 KiB" },
		{ 12, "12 KiB" },
		{ 1023, "1023 KiB" },
		{ 2048, "2 MiB" },
		{ 2049, "2 MiB" },
		{ 1536, "1.5 MiB" },
		{ KIB_PER_GIB, "1 GiB" },
		{ KIB_PER_GIB + KIB_PER_GIB / 2, "1.5 GiB" },
		{ 1024 * KIB_PER_GIB, "1 TiB" },
		{ TEXT_KIB_MAX, "8388608 TiB" },
		{ UINT64_MAX, "17179869183.9 TiB" },
	};
	char buf[TEXT_KIB_SIZE];
	size_t i;

	for (i = 0; i < ROWS(rows); i++)
		UNIT_CHECK_STR(text_from_kib(rows[i].kib, buf), rows[i].text, "row %zu", i);
}

static void test_uuid(void)
{
	static const struct {
		const char *text;
		bool is;
	} rows[] = {
		{ "3f2b7a10-5f0c-4b5e-9a58-0f4a1c9d2e11", true },
		{ "3F2B7A10-5F0C-4B5E-9A58-0F4A1C9D2E11", true },
		{ "00000000-0000-0000-0000-000000000000", true },
		{ "", false },
		{ "-", false },
		{ "3f2b7a10-5f0c-4b5e-9a58-0f4a1c9d2e1", false },
		{ "3f2b7a10-5f0c-4b5e-9a58-0f4a1c9d2e111", false },
		{ "3f2b7a10-5f0c-4b5e-9a58-0f4a1c9d2e11/", false },
		{ "3f2b7a105f0c4b5e9a580f4a1c9d2e11", false },
		{ "3f2b7a10-5f0c-4b5e-9a58+0f4a1c9d2e11", false },
		{ "3f2b7a1g-5f0c-4b5e-9a58-0f4a1c9d2e11", false },
		{ "../../../../../../../../../../../etc", false },
		{ "........-....-....-....-............", false },
		{ " 3f2b7a10-5f0c-4b5e-9a58-0f4a1c9d2e1", false },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++)
		UNIT_CHECK(text_is_uuid(rows[i].text) == rows[i].is, "'%s'", rows[i].text);
}

static void test_arithmetic(void)
{
	CU_ASSERT_EQUAL(u64_mul_sat(3, 4), 12);
	CU_ASSERT_EQUAL(u64_mul_sat(UINT64_MAX, 2), UINT64_MAX);
	CU_ASSERT_EQUAL(u64_mul_sat(UINT64_MAX, 0), 0);
	CU_ASSERT_EQUAL(u64_mul_sat(UINT64_C(1) << 32, UINT64_C(1) << 32), UINT64_MAX);
	CU_ASSERT_EQUAL(u64_add_sat(3, 4), 7);
	CU_ASSERT_EQUAL(u64_add_sat(UINT64_MAX, 1), UINT64_MAX);
	CU_ASSERT_EQUAL(u64_add_sat(UINT64_MAX, UINT64_MAX), UINT64_MAX);
	CU_ASSERT_EQUAL(u64_sub_floor(4, 3), 1);
	CU_ASSERT_EQUAL(u64_sub_floor(3, 4), 0);
	CU_ASSERT_EQUAL(u64_min(3, 4), 3);
	CU_ASSERT_EQUAL(u64_max(3, 4), 4);
	CU_ASSERT_EQUAL(u64_div_up(0, 2048), 0);
	CU_ASSERT_EQUAL(u64_div_up(1, 2048), 1);
	CU_ASSERT_EQUAL(u64_div_up(2048, 2048), 1);
	CU_ASSERT_EQUAL(u64_div_up(2049, 2048), 2);
	CU_ASSERT_EQUAL(u64_div_up(UINT64_MAX, 2), UINT64_MAX / 2 + 1);
}

static void test_mend(void)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "", "" },
		{ "plain\n\x7f", "plain\n\x7f" },
		{ "\xc3\xbc\xe5\xae\xa2\xf0\x9f\x98\x80", "\xc3\xbc\xe5\xae\xa2\xf0\x9f\x98\x80" },
		/* cut after one, two and three bytes */
		{ "a\xc3", "a?" },
		{ "a\xe5\xae", "a??" },
		{ "a\xf0\x9f\x98", "a???" },
		{ "\xe5\xae"
		  "b\xe5\xae\xa2",
		  "??b\xe5\xae\xa2" },
		/* Latin-1, a lone continuation, too long forms, a surrogate, above U+10FFFF */
		{ "m\xfcll", "m?ll" },
		{ "\x80\xbf", "??" },
		{ "\xc0\xaf\xe0\x80\xaf", "?????" },
		{ "\xed\xa0\x80", "???" },
		{ "\xf4\x90\x80\x80\xff\xfe", "??????" },
		{ "\xf4\x8f\xbf\xbf\xee\x80\x80", "\xf4\x8f\xbf\xbf\xee\x80\x80" },
	};
	char text[32];
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		strcpy(text, rows[i].text);
		text_mend(text);
		UNIT_CHECK_STR(text, rows[i].want, "row %zu", i);
	}
}

static void test_disarm(void)
{
	static const struct {
		const char *text, *keep, *want;
	} rows[] = {
		{ "", "", "" },
		{ "G\xc3\xa4st-1 \xe5\xae\xa2\xf0\x9f\x98\x80", "",
		  "G\xc3\xa4st-1 \xe5\xae\xa2\xf0\x9f\x98\x80" },
		{ "a\033[2Jb\nc\td\x7f", "", "a [2Jb c d " },
		{ "a\033[2Jb\nc\td\x7f", "\n\t", "a [2Jb\nc\td " },
		/* U+0080, U+009B, U+009F; U+00A0 is none */
		{ "\xc2\x80\xc2\x9b"
		  "2J\xc2\x9f\xc2\xa0",
		  "", "?\?2J?\xc2\xa0" },
		/* U+061C, U+200B, U+200E, U+200F, U+202A, U+202E, U+2066, U+2069 */
		{ "\xd8\x9c\xe2\x80\x8b\xe2\x80\x8e\xe2\x80\x8f\xe2\x80\xaa\xe2\x80\xae\xe2\x81"
		  "\xa6\xe2\x81\xa9!",
		  "",
		  "????????"
		  "!" },
		/* U+2028, U+FEFF, U+E0041; their neighbours U+2027, U+202F, U+FF00 */
		{ "\xe2\x80\xa8\xef\xbb\xbf\xf3\xa0\x81\x81", "\n", "???" },
		{ "\xe2\x80\xa7\xe2\x80\xaf\xef\xbc\x80", "",
		  "\xe2\x80\xa7\xe2\x80\xaf\xef\xbc\x80" },
		/* A terminal of 8 bits takes the bytes themselves */
		{ "a\x9b"
		  "2J\xe5\xae",
		  "\n", "a?2J??" },
		{ "\xf4\x8f\xbf\xbf", "", "\xf4\x8f\xbf\xbf" },
	};
	char text[64];
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		strcpy(text, rows[i].text);
		text_disarm(text, rows[i].keep);
		UNIT_CHECK_STR(text, rows[i].want, "row %zu", i);
	}
}

static CU_TestInfo tests[] = {
	{ "what would command a terminal", test_disarm },
	{ "whole characters", test_mend },
	{ "numbers are digits only", test_u64 },
	{ "sizes, and absurd ones", test_kib },
	{ "durations, and absurd ones", test_ms },
	{ "yes and no", test_bool },
	{ "sizes for people", test_from_kib },
	{ "what is missing, rounded up", test_from_kib_up },
	{ "a UUID is no path", test_uuid },
	{ "arithmetic stops at its ends", test_arithmetic },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_text", tests);
}
