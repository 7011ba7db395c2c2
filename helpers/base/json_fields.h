/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A struct's members as members of a JSON object: one table, for writing and reading.
 *
 *	static const struct json_field fields[] = {
 *		JSON_FIELD(struct step_store, path),
 *		JSON_OPTIONAL(struct step_store, ready),
 *		JSON_WORD(struct ledger, phase, phase_names),
 *		JSON_END
 *	};
 *
 * A row's type follows from the member's.  Reading is as strict as json.h: a value of
 * another type, out of bounds or too long is refused with a sentence that names its key.
 * Keys that no row names are ignored.
 */
#ifndef MEMBACKING_BASE_JSON_FIELDS_H
#define MEMBACKING_BASE_JSON_FIELDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/array.h"

struct err;
struct json_field;

/**
 * struct json_type - How a kind of member is written and read
 * @write:	NULL: memory ran out, or JSON can't have the value
 * @read:	NULL for what is only written.  Returns 0, or -errno with a sentence that names
 * @field->key
 */
struct json_type {
	json_t *(*write)(const struct json_field *field, const void *member);
	int (*read)(const struct json_field *field, const json_t *object, void *member,
		    struct err *err);
};

enum json_presence {
	JSON_REQUIRED, /* always written; its absence is an error */
	JSON_MISSABLE, /* always written; without the key the member is left as it was */
	JSON_WHEN_SET, /* the same, and written only when it is not 0, false or "" */
};

/**
 * struct json_field - A member, and how it is called in JSON
 * @size:	Of the member in bytes
 * @max:	The largest number that is read; words: their number
 * @words:	Names of an enum's values
 * @fields:	An object's own table
 * @count:	Of a list: where the size_t is that says how many there are
 * @stride:	Of a list: one struct's size in bytes
 */
struct json_field {
	const char *key;
	const struct json_type *type;
	enum json_presence presence;
	size_t offset;
	size_t size;
	uint64_t max;
	const char *const *words;
	const struct json_field *fields;
	size_t count;
	size_t stride;
};

/* uint64_t: 0 to INT64_MAX.  char[]: text without NUL that fits.  int64_t: -1 for
 * whatever else is found, and for nothing.  int and unsigned int: 0 to @max.
 * const char *: null for NULL; can't be read */
extern const struct json_type json_type_u64;
extern const struct json_type json_type_i64;
extern const struct json_type json_type_bool;
extern const struct json_type json_type_text;
extern const struct json_type json_type_string;
extern const struct json_type json_type_text_or_null;
extern const struct json_type json_type_small;
extern const struct json_type json_type_word;
extern const struct json_type json_type_object;
extern const struct json_type json_type_list;

#define JSON_TYPE_OF(s, m)                                                                         \
	_Generic(((s *)NULL)->m,                                                                   \
		uint64_t: &json_type_u64,                                                          \
		int64_t: &json_type_i64,                                                           \
		bool: &json_type_bool,                                                             \
		char *: &json_type_text,                                                           \
		const char *: &json_type_string)

/* A row of another kind; designated initializers may follow */
#define JSON_MEMBER(s, m, k, t)                                                                    \
	.key = (k), .type = (t), .offset = offsetof(s, m), .size = sizeof(((s *)NULL)->m)

/* The key is the member's name */
#define JSON_FIELD(s, m)                                                                           \
	{                                                                                          \
		JSON_MEMBER(s, m, #m, JSON_TYPE_OF(s, m))                                          \
	}
#define JSON_OPTIONAL(s, m)                                                                        \
	{                                                                                          \
		JSON_MEMBER(s, m, #m, JSON_TYPE_OF(s, m)), .presence = JSON_MISSABLE               \
	}
#define JSON_IF_SET(s, m)                                                                          \
	{                                                                                          \
		JSON_MEMBER(s, m, #m, JSON_TYPE_OF(s, m)), .presence = JSON_WHEN_SET               \
	}

/* Another key */
#define JSON_FIELD_AS(s, m, k)                                                                     \
	{                                                                                          \
		JSON_MEMBER(s, m, k, JSON_TYPE_OF(s, m))                                           \
	}
#define JSON_OPTIONAL_AS(s, m, k)                                                                  \
	{                                                                                          \
		JSON_MEMBER(s, m, k, JSON_TYPE_OF(s, m)), .presence = JSON_MISSABLE                \
	}

#define JSON_IF_SET_AS(s, m, k)                                                                    \
	{                                                                                          \
		JSON_MEMBER(s, m, k, JSON_TYPE_OF(s, m)), .presence = JSON_WHEN_SET                \
	}

/* An int or unsigned int from 0 to @limit */
#define JSON_UP_TO(s, m, limit)                                                                    \
	{                                                                                          \
		JSON_MEMBER(s, m, #m, &json_type_small), .max = (limit)                            \
	}

/* An enum; @names: an array of names, by value */
#define JSON_WORD(s, m, names)                                                                     \
	{                                                                                          \
		JSON_MEMBER(s, m, #m, &json_type_word), .words = (names), .max = ARRAY_SIZE(names) \
	}

/* A char[] of which "" is written as null */
#define JSON_TEXT_OR_NULL(s, m)                                                                    \
	{                                                                                          \
		JSON_MEMBER(s, m, #m, &json_type_text_or_null)                                     \
	}

/* A struct inside, with a table of its own */
#define JSON_OBJECT(s, m, table)                                                                   \
	{                                                                                          \
		JSON_MEMBER(s, m, #m, &json_type_object), .fields = (table)                        \
	}
#define JSON_OBJECT_IF_SET(s, m, table)                                                            \
	{                                                                                          \
		JSON_MEMBER(s, m, #m, &json_type_object), .fields = (table),                       \
							  .presence = JSON_WHEN_SET                \
	}

/* A pointer to @n structs with a table of their own.  Reading gives an array to be freed, with
 * one element at least; one of more than @limit is refused.  Untouched on failure */
#define JSON_LIST(s, m, k, n, table, limit)                                                        \
	{                                                                                          \
		JSON_MEMBER(s, m, k, &json_type_list), .fields = (table), .max = (limit),          \
						       .count = offsetof(s, n),                    \
						       .stride = sizeof(*((s *)NULL)->m)           \
	}

#define JSON_END                                                                                   \
	{                                                                                          \
		.key = NULL                                                                        \
	}

/* A new object with each member of @base; NULL instead of an unfinished one */
json_t *json_fields_write(const struct json_field *fields, const void *base);

/* Put each member of @base into @object.  false: memory ran out, or JSON
 * can't have a value: a number above INT64_MAX, a text that is not UTF-8 */
bool json_fields_put(json_t *object, const struct json_field *fields, const void *base);

/**
 * json_fields_read() - Read each member that @fields names
 * @base:	What a missing key leaves as it is must have a value already
 *
 * Return: 0, -EINVAL or -ENOMEM.  After a failure some of @base is filled.
 */
int json_fields_read(const json_t *object, const struct json_field *fields, void *base,
		     struct err *err);

#endif
