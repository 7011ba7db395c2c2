/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What "virt-membacking check" found, in text and in JSON.
 */
#ifndef MEMBACKING_CHECK_FINDINGS_H
#define MEMBACKING_CHECK_FINDINGS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct err;

enum finding_level {
	FINDING_PASS,
	FINDING_HINT, /* could be better; nothing is wrong */
	FINDING_WARN,
	FINDING_FAIL,
	FINDING_LEVELS /* their number */
};

#define FINDING_ID_SIZE	   64
#define FINDING_GUEST_SIZE 256

/**
 * struct finding - One line of the report
 * @check:	Its subject, one word
 * @id:		"config.unknown-key": what it is, for programs.  Stays the same for ever
 * @guest:	The guest it is about; empty: the host, or several
 * @file, @line: Where in the administrator's files; NULL and 0: nowhere, or in no line
 * @remedy:	The command that helps; NULL: the message says it all
 */
struct finding {
	enum finding_level level;
	const char *check;
	char id[FINDING_ID_SIZE];
	char guest[FINDING_GUEST_SIZE];
	char *file;
	unsigned int line;
	char *message;
	char *remedy;
};

/**
 * struct findings - All of them, in the order they are reported
 * @check:	Subject of those that are added next
 * @failed:	Memory ran out on the way
 */
struct findings {
	size_t n;
	struct finding *list;
	const char *check;
	bool failed;
};

/**
 * finding_add() - A sentence, without a full stop
 * @what:	The part of the id behind the subject
 *
 * One that begins with "/PATH:" or "/PATH:LINE" says its place by that.
 */
void finding_add(struct findings *findings, enum finding_level level, const char *what,
		 const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* The guest that the finding added last is about */
void finding_guest(struct findings *findings, const char *name);

/* The guest that it is about, and the remedy is to edit its definition.  @uuid stands for a name
 * that a shell would take apart */
void finding_edit(struct findings *findings, const char *name, const char *uuid);

/* The command that helps against what was added last */
void finding_remedy(struct findings *findings, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/**
 * finding_remedy_line() - The remedy is to take a line out of a file
 * @where:	"/PATH:LINE", and anything behind it.  No remedy is added where it is
 *		anything else, or a path that a shell takes apart
 */
void finding_remedy_line(struct findings *findings, const char *where);

/* How many there are of a level */
size_t findings_count(const struct findings *findings, enum finding_level level);

/* All of them, in the order they were added */
json_t *findings_to_json(const struct findings *findings);

/**
 * findings_print() - A paragraph for each, the worst last, and a line that counts them
 * @all:	Also what is fine
 */
int findings_print(const struct findings *findings, bool all, struct err *err);

void findings_free(struct findings *findings);

#endif
