/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Libraries that are loaded at the first call that needs them.
 */
#ifndef MEMBACKING_MEMORY_LIBRARY_H
#define MEMBACKING_MEMORY_LIBRARY_H

#include <stddef.h>

struct err;

/* A function, and where its address goes */
struct library_symbol {
	const char *name;
	size_t offset;
};

/**
 * library_load() - Load @file and find its functions, once
 * @handle:	NULL before the first call
 * @use:	What for: "which all mounts need"
 * @functions:	The struct that gets the addresses
 *
 * Return: 0; -ELIBACC, -ELIBBAD with a sentence
 */
int library_load(void **handle, const char *file, const char *use,
		 const struct library_symbol *symbols, size_t n, void *functions, struct err *err);

#endif
