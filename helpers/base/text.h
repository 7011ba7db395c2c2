/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Strict numbers, sizes and durations from text, and back.
 *
 * strtoul() takes "-1", " 7" and "0x10" for numbers; nothing here does.
 */
#ifndef MEMBACKING_BASE_TEXT_H
#define MEMBACKING_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KIB_PER_MIB UINT64_C(1024)
#define KIB_PER_GIB (UINT64_C(1024) * 1024)

/* The most memory anything here believes in: 8 EiB - 1 KiB, in KiB.  Page and
 * byte counts derived from it stay inside 64 bits. */
#define TEXT_KIB_MAX (UINT64_C(1) << 53)

/**
 * text_to_u64() - A decimal number and nothing else
 * Return: 0, -EINVAL (empty, sign, other characters) or -ERANGE
 */
int text_to_u64(const char *text, uint64_t *value);

/**
 * text_to_kib() - "4096", "512K", "2M", "1GiB", ...: a size as people write it
 * @text:	Number, then optionally K, M, G, T with or without "iB" or "B".
 *		All are powers of 1024; a bare number is in bytes, as in tmpfs'
 *		size= and the kernel's command line.  Rounded up to 1 KiB
 * @kib:	Result in KiB
 * Return: 0, -EINVAL or -ERANGE
 */
int text_to_kib(const char *text, uint64_t *kib);

/**
 * text_to_ms() - "500ms", "20s", "2m", "20" (seconds): a duration
 * Return: 0, -EINVAL or -ERANGE (more than a day)
 */
int text_to_ms(const char *text, uint64_t *ms);

/**
 * text_to_bool() - yes/no, true/false, on/off, 1/0
 * Return: 0 or -EINVAL
 */
int text_to_bool(const char *text, bool *value);

/* Room for any result of text_from_kib() */
#define TEXT_KIB_SIZE 32

/**
 * text_from_kib() - "2 MiB", "1 GiB", "1.5 GiB", "12 KiB" for people
 * Return: @buf
 */
const char *text_from_kib(uint64_t kib, char buf[TEXT_KIB_SIZE]);

/* The same, rounded up: what is missing is never said to be less */
const char *text_from_kib_up(uint64_t kib, char buf[TEXT_KIB_SIZE]);

#define TEXT_PAGES_SIZE 64

/* "1 page of 1 GiB", "44 pages of 2 MiB".  Return: @buf */
const char *text_from_pages(uint64_t pages, uint64_t page_kib, char buf[TEXT_PAGES_SIZE]);

/* Is this a UUID in libvirt's form: 36 characters, lower or upper case hex and
 * four dashes?  Nothing that passes can be a path. */
bool text_is_uuid(const char *text);

/* Put '?' for each byte of @text that belongs to no whole character of UTF-8: what was cut
 * to a size may end within one, and is no text for JSON then */
void text_mend(char *text);

/**
 * text_disarm() - Nothing in @text may command a terminal, a log or a reader's eyes
 * @keep:	ASCII control characters that stay: "", or "\n\t" for text of several lines
 *
 * Names, paths and XML come from others.  Controls of ASCII become blanks; other controls
 * (U+009B begins a sequence as ESC [ does), those that turn a text's direction around or
 * are not seen, and bytes that are no UTF-8 become "?".  Never longer than before.
 */
void text_disarm(char *text, const char *keep);

/* a * b and a + b that stop at UINT64_MAX instead of wrapping */
uint64_t u64_mul_sat(uint64_t a, uint64_t b);
uint64_t u64_add_sat(uint64_t a, uint64_t b);

/* a - b, or 0 */
static inline uint64_t u64_sub_floor(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static inline uint64_t u64_min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t u64_max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Pages of @unit that hold @amount, rounded up.  @unit is not 0 */
static inline uint64_t u64_div_up(uint64_t amount, uint64_t unit)
{
	return amount / unit + (amount % unit != 0);
}

/* "1 page", "2 pages" */
static inline const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

static inline const char *is_or_are(uint64_t n)
{
	return n == 1 ? "is" : "are";
}

/* Does a shell take @text as one word, as it is? */
bool text_is_shell_word(const char *text);

/* @name where a shell and getopt_long() take it as it is, else @fallback (a guest's UUID) */
const char *text_shell_name(const char *name, const char *fallback);

#endif
