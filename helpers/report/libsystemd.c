// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Loading libsystemd.
 */
#include "report/libsystemd.h"

#include "base/array.h"
#include "memory/library.h"

#define SYMBOL(name)                                                                               \
	{                                                                                          \
#name, offsetof(struct libsystemd, name)                                           \
	}

static const struct library_symbol functions[] = {
	SYMBOL(sd_journal_open),
	SYMBOL(sd_journal_open_directory_fd),
	SYMBOL(sd_journal_close),
	SYMBOL(sd_journal_add_match),
	SYMBOL(sd_journal_seek_tail),
	SYMBOL(sd_journal_previous),
	SYMBOL(sd_journal_get_realtime_usec),
	SYMBOL(sd_journal_get_data),
};

struct libsystemd libsystemd;

int libsystemd_load(struct err *err)
{
	static void *handle;

	return library_load(&handle, "libsystemd.so.0", "which the journal is read with", functions,
			    ARRAY_SIZE(functions), &libsystemd, err);
}
