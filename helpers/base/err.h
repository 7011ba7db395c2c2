/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Errors: a negative errno for the program, one sentence for the person.
 *
 * A function that can fail returns 0 or -errno and fills the struct err that
 * its caller keeps on the stack.  The sentence says what was tried, on which
 * object and what came back; a caller that knows more puts it in front with
 * err_prefix().  Library code returns errors, only mains print them.
 */
#ifndef MEMBACKING_BASE_ERR_H
#define MEMBACKING_BASE_ERR_H

#include <stdbool.h>

struct err {
	char text[1536];
};

/**
 * err_set() - Describe a failure
 * @err:	Where to put the sentence; NULL if the caller doesn't need it
 * @errnum:	Positive errno value
 * @fmt:	printf format.  Without a trailing full stop or newline
 *
 * Return: -@errnum, so that "return err_set(...)" is the whole error path.
 */
int err_set(struct err *err, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/**
 * err_sys() - Like err_set(), with ": " and the text of @errnum at the end
 */
int err_sys(struct err *err, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The system's words for a positive errno value.  Valid until the thread's next call */
const char *err_text(int errnum);

/* -ENOMEM with the sentence for it */
int err_nomem(struct err *err);

/**
 * err_prefix() - Put context in front of a sentence: "CONTEXT: SENTENCE"
 * @rc:		What the function returned that may have failed; 0 or more: it has not,
 *		and there is no sentence
 *
 * Return: @rc
 */
int err_prefix(struct err *err, int rc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/**
 * err_passes() - Does this error say something of the moment, and nothing of the object?
 * @rc:		0 or -errno
 *
 * Memory, descriptors or a device that fail now: what was asked for may be there.
 */
bool err_passes(int rc);

#endif
