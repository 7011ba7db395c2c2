/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What was read of the configuration: between config_read.c, which fills it, and
 * config.c, which answers questions from it.
 */
#ifndef MEMBACKING_CONFIG_CONFIG_DATA_H
#define MEMBACKING_CONFIG_CONFIG_DATA_H

#include "config/config.h"
#include "config/config_keys.h"

/* No [guest] section: the problem is everybody's */
#define HOST SIZE_MAX

/**
 * struct problem - A mistake in the configuration, and the guests it concerns
 * @section:	Plans that use it are refused; NULL: all of the file or of @guest
 * @guest:	Index of a [guest] section: only guests that match it; or HOST
 * @fatal:	false for what is ignored with a warning
 * @dispensable: See struct config_problem
 */
struct problem {
	enum config_mistake mistake;
	char *text;
	const char *section;
	size_t guest;
	bool fatal;
	bool dispensable;
};

struct setting {
	const struct config_key *key;
	uint64_t page_kib;
	char *value;
};

/* Values that passed their check, in reading order */
struct settings {
	size_t n;
	struct setting *all;
};

/* A [guest] section */
struct guest_section {
	size_t n_patterns;
	char **patterns;
	struct settings settings;
};

struct config {
	struct config_values values;
	size_t n_stores;
	struct config_store stores[CONFIG_STORES_MAX];
	size_t n_guests;
	struct guest_section *guests;
	size_t n_problems;
	struct problem *problems;
};

/* Into @values, later ones over earlier.  Bad values were refused while reading; what does
 * not fit is one page size too many, and is left out */
void config_apply_settings(const struct settings *settings, struct config_values *values);

#endif
