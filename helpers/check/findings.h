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

/**
 * struct finding - One line of the report
 * @check:	Its subject, one word
 * @remedy:	The command that helps; NULL: the message says it all
 */
struct finding {
	enum finding_level level;
	const char *check;
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

/* Both sentences without a full stop */
void finding_add(struct findings *findings, enum finding_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The command that helps against what was added last */
void finding_remedy(struct findings *findings, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/**
 * finding_remedy_line() - The remedy is to take a line out of a file
 * @where:	"/PATH:LINE", and anything behind it.  No remedy is added where it is
 *		anything else, or a path that a shell takes apart
 */
void finding_remedy_line(struct findings *findings, const char *where);

/* Is there a WARN or a FAIL? */
bool findings_bad(const struct findings *findings);

json_t *findings_to_json(const struct findings *findings);

/* One paragraph for each, in 80 columns */
int findings_print(const struct findings *findings, struct err *err);

void findings_free(struct findings *findings);

#endif
