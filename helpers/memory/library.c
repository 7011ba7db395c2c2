// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Loading libraries.
 */
#include "memory/library.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include "base/err.h"

int library_load(void **handle, const char *file, const char *use,
		 const struct library_symbol *symbols, size_t n, void *functions, struct err *err)
{
	size_t i;

	if (*handle)
		return 0;
	*handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
	if (!*handle)
		return err_set(err, ELIBACC, "cannot load %s, %s: %s", file, use, dlerror());
	for (i = 0; i < n; i++) {
		void *function = dlsym(*handle, symbols[i].name);

		if (!function) {
			*handle = NULL;
			return err_set(err, ELIBBAD, "this %s is too old: it lacks %s", file,
				       symbols[i].name);
		}
		memcpy((char *)functions + symbols[i].offset, &function, sizeof(function));
	}
	return 0;
}
