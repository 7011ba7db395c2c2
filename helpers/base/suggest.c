// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * "Did you mean": the edit distance between two words.
 */
#include "base/suggest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"

/* No name is longer */
#define WORD_MAX 32

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/**
 * distance() - Edit distance of two words (Damerau-Levenshtein)
 *
 * One for each letter that is missing, too many, wrong, or swapped with its neighbour.
 * WORD_MAX for words longer than that.
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
		size_t edits = distance(word, names[i]);

		/* The beginning of a name is more than a guess */
		if (strlen(word + strspn(word, "-")) > 1 && !strncmp(word, names[i], strlen(word)))
			return names[i];
		if (edits < best_distance) {
			best_distance = edits;
			best = names[i];
			letters = strlen(best + strspn(best, "-"));
		}
	}
	/* With more than a third of the letters wrong it is another word */
	return best && 3 * best_distance <= letters + 1 ? best : NULL;
}

void suggest_list(const char *const *names, size_t n, char *buf, size_t size)
{
	size_t i, used = 0;

	*buf = '\0';
	for (i = 0; i < n && used < size; i++)
		used += (size_t)snprintf(buf + used, size - used, "%s%s",
					 !i	   ? "" :
					 i + 1 < n ? ", " :
						     " or ",
					 names[i]);
}

int suggest_unknown(const char *what, const char *word, const char *const *names, size_t n,
		    struct err *err)
{
	const char *near = suggest(word, names, n);

	char list[256] = "";

	if (!near) {
		if (n <= SUGGEST_ALL_OF)
			suggest_list(names, n, list, sizeof(list));
		return err_set(err, EINVAL, "unknown %s '%.64s'%s%s", what, word, *list ? ": " : "",
			       list);
	}
	return err_set(err, EINVAL, "unknown %s '%.64s': did you mean '%s'?", what, word, near);
}
