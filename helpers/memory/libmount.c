// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Loading libmount.
 */
#include "memory/libmount.h"

#include <stddef.h>

#include "base/array.h"
#include "memory/library.h"

static const struct library_symbol functions[] = {
#define SYMBOL(name) { #name, offsetof(struct libmount, name) },
	LIBMOUNT_FUNCTIONS(SYMBOL)
};

struct libmount libmount;

int libmount_load(struct err *err)
{
	static void *handle;

	return library_load(&handle, "libmount.so.1", "which all mounts need", functions,
			    ARRAY_SIZE(functions), &libmount, err);
}
