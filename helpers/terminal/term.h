/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the terminal can show: bars, colours, its size.
 */
#ifndef MEMBACKING_TERMINAL_TERM_H
#define MEMBACKING_TERMINAL_TERM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* TERM is "dumb", or there is none: no cursor that could be moved */
bool term_is_dumb(void);

enum term_colour { TERM_PLAIN, TERM_RED, TERM_YELLOW, TERM_GREEN, TERM_CYAN };

/**
 * term_colours() - Shall stdout be coloured?
 *
 * NO_COLOR (no-color.org), set to anything: no.  CLICOLOR_FORCE, set to anything but 0:
 * yes.  Else on a terminal that is not dumb, unless CLICOLOR is 0.
 */
bool term_colours(void);

/* The escape sequence that begins @colour, "" where there are none.  TERM_PLAIN ends */
const char *term_colour(enum term_colour colour);

/**
 * term_width() - Columns of the terminal that is stdout
 *
 * 80 where it is none or says nothing, so that files look the same everywhere; between 40 and 200.
 */
unsigned int term_width(void);

/* Does the locale have characters beyond ASCII?  After setlocale() */
bool term_is_utf8(void);

#define TERM_BAR_MAX  60
#define TERM_BAR_SIZE (3 * TERM_BAR_MAX + 7)

/**
 * term_bar() - "[####    ]", or block elements where the locale has them
 * @width:	Columns of what is inside, at most TERM_BAR_MAX
 * Return: @buf.  Anything above 0 is seen, and only all of it fills the bar
 */
const char *term_bar(uint64_t part, uint64_t all, unsigned int width, char buf[TERM_BAR_SIZE]);

/* A part of a bar, and its sign; @utf8 where the locale has more than ASCII */
struct term_share {
	uint64_t part;
	const char *utf8;
	const char *ascii;
};

const char *term_share_sign(const struct term_share *share);

/**
 * term_shares() - One bar of several parts
 * @width:	Columns, at most TERM_BAR_MAX
 * Return: @buf.  A part above 0 has a column, as long as there are any
 */
const char *term_shares(const struct term_share *shares, size_t n, unsigned int width,
			char buf[TERM_BAR_SIZE]);

#endif
