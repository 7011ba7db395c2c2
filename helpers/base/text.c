// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Numbers, sizes, times and lists, from text and to text.
 */
#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/array.h"

/* Reads digits from @text; *@end is set to the first other character */
static int scan_u64(const char *text, uint64_t *value, const char **end)
{
	uint64_t n = 0;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	for (; isdigit((unsigned char)*text); text++) {
		uint64_t digit = (uint64_t)(*text - '0');

		if (n > (UINT64_MAX - digit) / 10)
			return -ERANGE;
		n = n * 10 + digit;
	}
	*value = n;
	*end = text;
	return 0;
}

int text_to_u64(const char *text, uint64_t *value)
{
	const char *end;
	uint64_t n;
	int rc = scan_u64(text, &n, &end);

	if (rc < 0)
		return rc;
	if (*end)
		return -EINVAL;
	*value = n;
	return 0;
}

/* Bytes in one @suffix, or 0 if it is none */
static uint64_t size_unit(const char *suffix)
{
	static const char letters[] = "KMGTP";
	const char *letter;

	if (!*suffix || !strcasecmp(suffix, "B"))
		return 1;
	letter = strchr(letters, toupper((unsigned char)*suffix));
	if (!letter)
		return 0;
	suffix++;
	if (*suffix && strcasecmp(suffix, "iB") && strcasecmp(suffix, "B"))
		return 0;
	return UINT64_C(1024) << (10 * (letter - letters));
}

int text_to_kib(const char *text, uint64_t *kib)
{
	const char *end;
	uint64_t n, unit;
	int rc = scan_u64(text, &n, &end);

	if (rc < 0)
		return rc;
	while (*end == ' ')
		end++;
	unit = size_unit(end);
	if (!unit)
		return -EINVAL;
	if (unit < 1024) {
		n = u64_div_up(n, 1024);
	} else {
		unit /= 1024;
		if (n > TEXT_KIB_MAX / unit)
			return -ERANGE;
		n *= unit;
	}
	if (n > TEXT_KIB_MAX)
		return -ERANGE;
	*kib = n;
	return 0;
}

int text_to_ms(const char *text, uint64_t *ms)
{
	static const struct {
		const char *suffix;
		uint64_t ms;
	} units[] = {
		{ "", 1000 }, { "s", 1000 }, { "ms", 1 }, { "m", 60000 }, { "min", 60000 },
	};
	const uint64_t day = UINT64_C(86400000);
	const char *end;
	uint64_t n;
	size_t i;
	int rc = scan_u64(text, &n, &end);

	if (rc < 0)
		return rc;
	for (i = 0; i < ARRAY_SIZE(units); i++) {
		if (strcmp(end, units[i].suffix))
			continue;
		if (n > day / units[i].ms)
			return -ERANGE;
		*ms = n * units[i].ms;
		return 0;
	}
	return -EINVAL;
}

int text_to_bool(const char *text, bool *value)
{
	static const char *const words[] = { "no", "yes", "false", "true", "off", "on", "0", "1" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(words); i++) {
		if (!strcasecmp(text, words[i])) {
			*value = i % 2;
			return 0;
		}
	}
	return -EINVAL;
}

const char *text_from_kib(uint64_t kib, char buf[TEXT_KIB_SIZE])
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB" };
	size_t unit = 0;
	uint64_t whole = kib, rest = 0;

	while (whole >= 1024 && unit < 3) {
		rest = whole % 1024;
		whole /= 1024;
		unit++;
	}
	/* One decimal, and only if it says something */
	if (rest * 10 / 1024)
		snprintf(buf, TEXT_KIB_SIZE, "%llu.%llu %s", (unsigned long long)whole,
			 (unsigned long long)(rest * 10 / 1024), units[unit]);
	else
		snprintf(buf, TEXT_KIB_SIZE, "%llu %s", (unsigned long long)whole, units[unit]);
	return buf;
}

const char *text_from_kib_up(uint64_t kib, char buf[TEXT_KIB_SIZE])
{
	uint64_t unit = 1, part = 1, tenths;

	while (kib / unit >= 1024 && unit < 1ull << 30) {
		part = unit;
		unit *= 1024;
	}
	tenths = u64_div_up(u64_mul_sat(kib, 10), unit);
	/* text_from_kib() sees no less than the next smaller unit */
	return text_from_kib(u64_mul_sat(u64_div_up(u64_mul_sat(tenths, unit / part), 10), part),
			     buf);
}

const char *text_from_pages(uint64_t pages, uint64_t page_kib, char buf[TEXT_PAGES_SIZE])
{
	char kib[TEXT_KIB_SIZE];

	snprintf(buf, TEXT_PAGES_SIZE, "%" PRIu64 " page%s of %s", pages, plural(pages),
		 text_from_kib(page_kib, kib));
	return buf;
}

bool text_is_uuid(const char *text)
{
	size_t i;

	for (i = 0; i < 36; i++) {
		if (i == 8 || i == 13 || i == 18 || i == 23) {
			if (text[i] != '-')
				return false;
		} else if (!isxdigit((unsigned char)text[i])) {
			return false;
		}
	}
	return text[36] == '\0';
}

/* Bytes of the character that @text begins with; 0: none.  What stands after a NUL is
 * never looked at */
static size_t utf8_length(const unsigned char *text)
{
	/* The second byte tells what is too long, a surrogate, or above U+10FFFF */
	static const struct {
		unsigned char from, to, second_from, second_to, length;
	} forms[] = {
		{ 0x01, 0x7f, 0x00, 0x00, 1 }, { 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};
	size_t i = 0, n;

	while (i < ARRAY_SIZE(forms) && (text[0] < forms[i].from || text[0] > forms[i].to))
		i++;
	if (i == ARRAY_SIZE(forms))
		return 0;
	if (forms[i].length > 1 && (text[1] < forms[i].second_from || text[1] > forms[i].second_to))
		return 0;
	for (n = 2; n < forms[i].length; n++)
		if ((text[n] & 0xc0) != 0x80)
			return 0;
	return forms[i].length;
}

void text_mend(char *text)
{
	while (*text) {
		size_t length = utf8_length((const unsigned char *)text);

		if (!length)
			*text = '?';
		text += length ? length : 1;
	}
}

/* The character in @length bytes of valid UTF-8 */
static uint32_t character(const unsigned char *text, size_t length)
{
	static const unsigned char first_bits[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	uint32_t value = text[0] & first_bits[length];
	size_t i;

	for (i = 1; i < length; i++)
		value = value << 6 | (text[i] & 0x3f);
	return value;
}

/* Does a terminal or a viewer obey the character instead of showing it?  0x80 to 0x9f are
 * the controls of 8-bit terminals, 0x9b begins a sequence as ESC [ does; the others turn
 * the direction of a text around, end a line, or are not seen */
static bool is_command(uint32_t c)
{
	static const struct {
		uint32_t from, to;
	} ranges[] = {
		{ 0x00, 0x1f },	    { 0x7f, 0x9f },	{ 0x061c, 0x061c },
		{ 0x200b, 0x200f }, { 0x2028, 0x202e }, { 0x2060, 0x206f },
		{ 0xfeff, 0xfeff }, { 0xfff9, 0xfffb }, { 0xe0000, 0xe007f },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ranges); i++)
		if (c >= ranges[i].from && c <= ranges[i].to)
			return true;
	return false;
}

void text_disarm(char *text, const char *keep)
{
	char *to = text;

	while (*text) {
		size_t length = utf8_length((const unsigned char *)text);

		if (!length) {
			*to++ = '?';
			text++;
			continue;
		}
		if (length == 1 && strchr(keep, *text))
			*to++ = *text;
		else if (!is_command(character((const unsigned char *)text, length)))
			to = (char *)memmove(to, text, length) + length;
		else
			*to++ = length == 1 ? ' ' : '?';
		text += length;
	}
	*to = '\0';
}

uint64_t u64_mul_sat(uint64_t a, uint64_t b)
{
	uint64_t r;

	return __builtin_mul_overflow(a, b, &r) ? UINT64_MAX : r;
}

uint64_t u64_add_sat(uint64_t a, uint64_t b)
{
	uint64_t r;

	return __builtin_add_overflow(a, b, &r) ? UINT64_MAX : r;
}

bool text_is_shell_word(const char *text)
{
	return !text[strcspn(text, " \t'\"\\$`;&|<>()*?[]#~!")];
}

const char *text_shell_name(const char *name, const char *fallback)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789._-";

	return *name && *name != '-' && !name[strspn(name, plain)] ? name : fallback;
}
