// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Loading libaugeas.
 */
#include "profiles/libaugeas.h"

#include <stddef.h>

#include "base/array.h"
#include "memory/library.h"

static const struct library_symbol functions[] = {
#define SYMBOL(name) { #name, offsetof(struct libaugeas, name) },
	LIBAUGEAS_FUNCTIONS(SYMBOL)
};

struct libaugeas libaugeas;

int libaugeas_load(struct err *err)
{
	static void *handle;

	return library_load(&handle, "libaugeas.so.0", "which qemu.conf is read with", functions,
			    ARRAY_SIZE(functions), &libaugeas, err);
}
