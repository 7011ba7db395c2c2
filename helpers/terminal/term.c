// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The terminal: its width, and whether it takes colours.
 */
#include "terminal/term.h"

#include <langinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/text.h"

bool term_is_dumb(void)
{
	const char *term = getenv("TERM");

	return !term || !*term || !strcmp(term, "dumb");
}

bool term_colours(void)
{
	const char *no = getenv("NO_COLOR"), *force = getenv("CLICOLOR_FORCE");
	const char *ask = getenv("CLICOLOR");

	if (no && *no)
		return false;
	if (force && *force && strcmp(force, "0") != 0)
		return true;
	return isatty(STDOUT_FILENO) && !term_is_dumb() && !(ask && !strcmp(ask, "0"));
}

const char *term_colour(enum term_colour colour)
{
	static const char *const codes[] = {
		[TERM_PLAIN] = "\033[0m",  [TERM_RED] = "\033[31m",  [TERM_YELLOW] = "\033[33m",
		[TERM_GREEN] = "\033[32m", [TERM_CYAN] = "\033[36m",
	};

	return term_colours() ? codes[colour] : "";
}

unsigned int term_width(void)
{
	struct winsize size = { 0 };

	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || !size.ws_col)
		return 80;
	return size.ws_col < 40 ? 40 : size.ws_col > 200 ? 200 : size.ws_col;
}

bool term_is_utf8(void)
{
	return !strcmp(nl_langinfo(CODESET), "UTF-8");
}

/* Parts of a column: 8 with block elements, 1 without */
static uint64_t filled(uint64_t part, uint64_t all, uint64_t steps)
{
	uint64_t n;

	if (!all || !part)
		return 0;
	if (part >= all)
		return steps;
	n = (uint64_t)((double)part / (double)all * (double)steps);
	return u64_max(1, u64_min(n, steps - 1));
}

static const char *blocks(uint64_t part, uint64_t all, unsigned int width, char *buf)
{
	static const char *const parts[] = {
		" ", "\u258f", "\u258e", "\u258d", "\u258c", "\u258b", "\u258a", "\u2589", "\u2588",
	};
	uint64_t n = filled(part, all, width * 8);
	char *at = buf;
	unsigned int i;

	at = stpcpy(at, "\u2595");
	for (i = 0; i < width; i++)
		at = stpcpy(at, parts[u64_min(8, u64_sub_floor(n, 8 * (uint64_t)i))]);
	stpcpy(at, "\u258f");
	return buf;
}

const char *term_bar(uint64_t part, uint64_t all, unsigned int width, char buf[TERM_BAR_SIZE])
{
	uint64_t n;

	if (width > TERM_BAR_MAX)
		width = TERM_BAR_MAX;
	if (term_is_utf8())
		return blocks(part, all, width, buf);
	n = filled(part, all, width);
	buf[0] = '[';
	memset(buf + 1, '#', n);
	memset(buf + 1 + n, ' ', width - n);
	memcpy(buf + 1 + width, "]", 2);
	return buf;
}

const char *term_share_sign(const struct term_share *share)
{
	return term_is_utf8() ? share->utf8 : share->ascii;
}

static unsigned int column_of(uint64_t part, uint64_t all, unsigned int width)
{
	return (unsigned int)((double)part / (double)all * width + 0.5);
}

const char *term_shares(const struct term_share *shares, size_t n, unsigned int width,
			char buf[TERM_BAR_SIZE])
{
	uint64_t all = 0, sum = 0;
	unsigned int at = 0, end;
	char *to = buf;
	size_t i;

	for (i = 0; i < n; i++)
		all += shares[i].part;
	*to = '\0';
	for (i = 0; all && i < n; i++) {
		sum += shares[i].part;
		end = column_of(sum, all, width);
		if (shares[i].part && end <= at)
			end = at + 1;
		for (; at < end && at < width; at++)
			to = stpcpy(to, term_share_sign(&shares[i]));
	}
	return buf;
}
