/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * "Did you mean ...?"
 */
#ifndef MEMBACKING_BASE_SUGGEST_H
#define MEMBACKING_BASE_SUGGEST_H

#include <stddef.h>

struct err;

/* The one of @n @names that @word is most likely a slip for; NULL if none is close */
const char *suggest(const char *word, const char *const *names, size_t n);

/* -EINVAL, with "unknown WHAT 'WORD': did you mean 'NAME'?" */
int suggest_unknown(const char *what, const char *word, const char *const *names, size_t n,
		    struct err *err);

#endif
