// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Lines for inih, and what inih leaves out.
 *
 * DOC: what our line reader adds
 *
 * inih cuts a line longer than its buffer in two and reads the rest as a key of
 * its own; takes an indented key for the continuation of the one above it; stops
 * at a NUL; reports the first bad line only; and tells two sections of one name
 * not apart.  All of that is dealt with here, before inih gets the line.
 * What is left to inih is splitting "key = value" and cutting "; comments".
 */
#include "config/config_parse.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define BYTE_ORDER_MARK "\xEF\xBB\xBF"

/**
 * struct source - The file while it is read
 * @line:	Number of the line that was taken last
 * @owed:	inih has a line that must lead to a call of take_pair(); if it asks
 *		for the next one instead, the line was no "key = value"
 * @stop:	What an event returned
 */
struct source {
	const char *next;
	const char *end;
	unsigned int line;
	bool owed;
	int stop;
	const struct config_events *events;
	void *data;
};

struct span {
	const char *start;
	size_t len;
};

static bool is_blank(char c)
{
	return isspace((unsigned char)c);
}

static struct span trim(struct span s)
{
	while (s.len && is_blank(s.start[s.len - 1]))
		s.len--;
	while (s.len && is_blank(*s.start)) {
		s.start++;
		s.len--;
	}
	return s;
}

static struct span take_line(struct source *src)
{
	struct span s = { src->next, (size_t)(src->end - src->next) };
	const char *newline = memchr(s.start, '\n', s.len);

	if (newline)
		s.len = (size_t)(newline - s.start);
	src->next = newline ? newline + 1 : src->end;
	src->line++;
	if (src->line == 1 && s.len >= 3 && !memcmp(s.start, BYTE_ORDER_MARK, 3)) {
		s.start += 3;
		s.len -= 3;
	}
	return trim(s);
}

static void unreadable(struct source *src, const char *why)
{
	if (!src->stop)
		src->stop = src->events->unreadable(src->data, src->line, why);
}

static void section(struct source *src, const char *name)
{
	if (!src->stop)
		src->stop = src->events->section(src->data, src->line, name);
}

/* Why inih must not see this line; NULL if it may */
static const char *objection(struct span s, size_t room, char why[64])
{
	/* Two bytes less than the buffer: a full one makes some builds of inih
	 * ask for the rest of the line, others cut it */
	if (s.len + 2 > room) {
		snprintf(why, 64, "longer than %zu characters", room - 2);
		return why;
	}
	if (memchr(s.start, '\0', s.len))
		return "has a NUL byte, so this is no plain text";
	return NULL;
}

/* A "#" after a blank starts a comment, as inih has it for ";" */
static void cut_comment(char *text)
{
	char *mark = text;

	while ((mark = strchr(mark + 1, '#'))) {
		if (is_blank(mark[-1])) {
			*mark = '\0';
			return;
		}
	}
}

/* The name between the brackets, or NULL.  @text is changed */
static char *header_name(char *text)
{
	char *end = strchr(text, ']');
	struct span name, rest;

	if (!end)
		return NULL;
	rest = trim((struct span){ end + 1, strlen(end + 1) });
	if (rest.len && *rest.start != ';' && *rest.start != '#')
		return NULL;
	name = trim((struct span){ text + 1, (size_t)(end - text - 1) });
	memmove(text, name.start, name.len);
	text[name.len] = '\0';
	return name.len ? text : NULL;
}

static void take_header(struct source *src, char *text)
{
	char *name = header_name(text);

	if (!name)
		unreadable(src, "expected \"[section]\" and nothing more");
	section(src, name);
}

/* Hands inih the next line with a key.  Its type is inih's */
static char *read_line(char *text, int size, void *stream)
{
	struct source *src = stream;
	char why[64];

	if (src->owed)
		unreadable(src, "expected \"key = value\" or \"[section]\"");
	src->owed = false;
	while (!src->stop && src->next < src->end) {
		struct span s = take_line(src);
		const char *bad;

		if (!s.len || *s.start == '#' || *s.start == ';')
			continue;
		bad = objection(s, (size_t)size, why);
		if (bad) {
			unreadable(src, bad);
			if (*s.start == '[')
				section(src, NULL);
			continue;
		}
		memcpy(text, s.start, s.len);
		text[s.len] = '\0';
		if (*text == '[') {
			take_header(src, text);
			continue;
		}
		cut_comment(text);
		src->owed = true;
		return text;
	}
	return NULL;
}

#if INI_HANDLER_LINENO
static int take_pair(void *user, const char *in, const char *key, const char *value, int line)
#else
static int take_pair(void *user, const char *in, const char *key, const char *value)
#endif
{
	struct source *src = user;

#if INI_HANDLER_LINENO
	(void)line; /* of the lines that inih saw */
#endif
	(void)in;
	if (!*key || !value)
		return 0; /* still owed */
	src->owed = false;
	if (!src->stop)
		src->stop = src->events->pair(src->data, src->line, key, value);
	return 1;
}

int config_parse_lines(const char *buf, size_t len, const struct config_events *events, void *data)
{
	struct source src = { .next = buf, .end = buf + len, .events = events, .data = data };
	int rc = ini_parse_stream(read_line, &src, take_pair, &src);

	/* Positive: the number of a bad line, which was reported.  -2: no memory */
	if (rc == -2)
		return -ENOMEM;
	return src.stop;
}
