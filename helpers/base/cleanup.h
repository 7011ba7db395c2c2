/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Variables that clean up after themselves when their scope ends.
 *
 * Memory, descriptors and streams only: a change to the host is undone by
 * visible code, never by a scope that happens to close.
 */
#ifndef MEMBACKING_BASE_CLEANUP_H
#define MEMBACKING_BASE_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free_(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_close_(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void cleanup_fclose_(FILE **f)
{
	if (*f)
		fclose(*f);
}

/* "cleanup_with(plan_free) struct plan plan": for a function that takes the variable's address */
#define cleanup_with(function) __attribute__((cleanup(function)))

/* cleanup_NAME_(): for a variable of @type, a pointer, @function() unless it is NULL */
#define DEFINE_CLEANUP(name, type, function)                                                       \
	static inline void cleanup_##name##_(__typeof__(type) *variable)                           \
	{                                                                                          \
		if (*variable)                                                                     \
			function(*variable);                                                       \
	}

#define cleanup_free   __attribute__((cleanup(cleanup_free_)))
#define cleanup_close  __attribute__((cleanup(cleanup_close_)))
#define cleanup_fclose __attribute__((cleanup(cleanup_fclose_)))

#endif
