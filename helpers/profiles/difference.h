/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What becomes of a file, in the form of "diff -u".
 */
#ifndef MEMBACKING_PROFILES_DIFFERENCE_H
#define MEMBACKING_PROFILES_DIFFERENCE_H

struct err;

/**
 * difference() - From @old to @new
 * @path:	Without a slash at its beginning.  NULL: texts without a name, of which each line
 *		is shown
 * @old, @new:	NULL: there is no such file
 * @text:	To be freed; "" where they are the same.  "patch -p1" takes it
 *
 * One hunk, from the first to the last line that differs: what changes here are a few
 * lines in one place.
 */
int difference(const char *path, const char *old, const char *new, char **text, struct err *err);

#endif
