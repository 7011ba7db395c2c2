/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The syntax of our configuration files: sections, keys, comments, lines.
 */
#ifndef MEMBACKING_CONFIG_CONFIG_PARSE_H
#define MEMBACKING_CONFIG_CONFIG_PARSE_H

#include <stddef.h>

/**
 * struct config_events - What is found in a file, in order
 * @section:	"[name]"; NULL for a header that can't be read: whose keys come next
 *		is unknown then, and the file is not to be trusted
 * @pair:	"key = value" without comments and outer blanks
 * @unreadable:	A line that is neither; @why says so in a few words.  For a header
 *		it comes before the @section call
 *
 * Each returns 0, or anything else to stop reading.
 */
struct config_events {
	int (*section)(void *data, unsigned int line, const char *name);
	int (*pair)(void *data, unsigned int line, const char *key, const char *value);
	int (*unreadable)(void *data, unsigned int line, const char *why);
};

/**
 * config_parse_lines() - Tell @events what @len bytes of @buf hold
 * Return: 0, what an event returned to stop, or -ENOMEM
 */
int config_parse_lines(const char *buf, size_t len, const struct config_events *events, void *data);

#endif
