/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * "Did you mean ...?"
 */
#ifndef MEMBACKING_BASE_SUGGEST_H
#define MEMBACKING_BASE_SUGGEST_H

#include <stddef.h>

struct err;

/* So many names are few enough to be listed where a word is none of them */
#define SUGGEST_ALL_OF 8

/* The one of @n @names that @word is most likely a typo for; NULL if none is close */
const char *suggest(const char *word, const char *const *names, size_t n);

/* "a, b or c", cut off where @size ends */
void suggest_list(const char *const *names, size_t n, char *buf, size_t size);

/* -EINVAL, with "unknown WHAT 'WORD': did you mean 'NAME'?", or with all names if none is close
 * and they are few */
int suggest_unknown(const char *what, const char *word, const char *const *names, size_t n,
		    struct err *err);

#endif
