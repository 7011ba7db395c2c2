// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Loading libmount.
 */
#include "memory/libmount.h"

#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/array.h"
#include "base/err.h"

static const struct {
	const char *name;
	size_t offset;
} functions[] = {
#define SYMBOL(name) { #name, offsetof(struct libmount, name) },
	LIBMOUNT_FUNCTIONS(SYMBOL)
};

struct libmount libmount;

int libmount_load(struct err *err)
{
	static void *handle;
	size_t i;

	if (handle)
		return 0;
	handle = dlopen("libmount.so.1", RTLD_NOW | RTLD_LOCAL);
	if (!handle)
		return err_set(err, ELIBACC, "cannot load libmount, which all mounts need: %s",
			       dlerror());
	for (i = 0; i < ARRAY_SIZE(functions); i++) {
		void *function = dlsym(handle, functions[i].name);

		if (!function) {
			handle = NULL;
			return err_set(err, ELIBBAD, "this libmount is too old: it lacks %s",
				       functions[i].name);
		}
		memcpy((char *)&libmount + functions[i].offset, &function, sizeof(function));
	}
	return 0;
}
