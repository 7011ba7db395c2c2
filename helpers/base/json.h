/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Strict access to members of a JSON object (jansson).
 *
 * Each reader fails with a sentence that names the key, so that a damaged
 * ledger says what is wrong with it.
 */
#ifndef MEMBACKING_BASE_JSON_H
#define MEMBACKING_BASE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"

struct err;

DEFINE_CLEANUP(json, json_t *, json_decref)

#define cleanup_json cleanup_with(cleanup_json_)

/* A non-negative integer.  -EINVAL if it is missing or anything else */
int json_read_u64(const json_t *object, const char *key, uint64_t *value, struct err *err);

int json_read_bool(const json_t *object, const char *key, bool *value, struct err *err);

/* A string that lives as long as @object */
int json_read_string(const json_t *object, const char *key, const char **value, struct err *err);

/* The same, copied.  -EINVAL also for one that does not fit into @size bytes */
int json_copy_string(const json_t *object, const char *key, char *buf, size_t size,
		     struct err *err);

/* A number for json_pack()'s "I": INT64_MAX for what is larger */
static inline json_int_t json_number(uint64_t value)
{
	return value > INT64_MAX ? INT64_MAX : (json_int_t)value;
}

/* json_array_append_new(); on a failure *@array is dropped and becomes NULL, which
 * json_pack()'s "o" refuses */
void json_add(json_t **array, json_t *value);

/* Make null of each member that is "", in @value and in what it has inside.  An empty word in a
 * list stays: it may be an argument of a command */
void json_null_for_empty(json_t *value);

#endif
