/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Profiles: settings of other programs that go together, for one purpose.
 */
#ifndef MEMBACKING_CONF_PROFILE_H
#define MEMBACKING_CONF_PROFILE_H

#include <stddef.h>

struct err;
struct host_view;

/**
 * struct profile - One of them, and a folder of conf-snippets/ with the same name
 * @summary:	For the list.  Small letters, no full stop
 * @file:	Where its lines belong
 * @fill:	Its lines for this host, to be freed.  @host has its stores
 */
struct profile {
	const char *name;
	const char *summary;
	const char *file;
	int (*fill)(const struct host_view *host, char **text, struct err *err);
};

extern const struct profile profiles[];
extern const size_t n_profiles;

/* NULL if there is none of that name */
const struct profile *profile_find(const char *name);

#endif
