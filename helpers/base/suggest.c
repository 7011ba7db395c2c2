// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * "Did you mean": the edit distance between two words.
 */
#include "base/suggest.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"

/* No name is longer */
#define WORD_MAX 32

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/**
 * distance() - Slips of the finger between two words
 *
 * Letters that are missing, too many, wrong or swapped with their neighbour, as
 * Damerau counts them.  Words of WORD_MAX or more are as far as can be.
 */
static size_t distance(const char *a, const char *b)
{
	size_t d[WORD_MAX + 1][WORD_MAX + 1];
	size_t n = strlen(a), m = strlen(b), i, j;

	if (n > WORD_MAX || m > WORD_MAX)
		return WORD_MAX;
	for (i = 0; i <= n; i++) {
		for (j = 0; j <= m; j++) {
			if (!i || !j) {
				d[i][j] = i + j;
				continue;
			}
			d[i][j] = least(least(d[i - 1][j], d[i][j - 1]) + 1,
					d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1);
		}
	}
	return d[n][m];
}

const char *suggest(const char *word, const char *const *names, size_t n)
{
	const char *best = NULL;
	size_t best_distance = WORD_MAX, letters = 0, i;

	for (i = 0; i < n; i++) {
		size_t slips = distance(word, names[i]);

		/* The beginning of a name is more than a guess */
		if (strlen(word + strspn(word, "-")) > 1 && !strncmp(word, names[i], strlen(word)))
			return names[i];
		if (slips < best_distance) {
			best_distance = slips;
			best = names[i];
			letters = strlen(best + strspn(best, "-"));
		}
	}
	/* A third of the letters wrong is a slip, more is another word */
	return best && 3 * best_distance <= letters + 1 ? best : NULL;
}

int suggest_unknown(const char *what, const char *word, const char *const *names, size_t n,
		    struct err *err)
{
	const char *near = suggest(word, names, n);

	if (!near)
		return err_set(err, EINVAL, "unknown %s '%.64s'", what, word);
	return err_set(err, EINVAL, "unknown %s '%.64s': did you mean '%s'?", what, word, near);
}
