// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Structs to JSON and back by tables of their members.
 */
#include "base/json_fields.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"

/* ---- the kinds of members ---- */

static json_t *u64_write(const struct json_field *field, const void *member)
{
	const uint64_t *value = member;

	(void)field;
	return *value > INT64_MAX ? NULL : json_integer((json_int_t)*value);
}

static int u64_read(const struct json_field *field, const json_t *object, void *member,
		    struct err *err)
{
	return json_read_u64(object, field->key, member, err);
}

const struct json_type json_type_u64 = { u64_write, u64_read };

static json_t *i64_write(const struct json_field *field, const void *member)
{
	(void)field;
	return json_integer(*(const int64_t *)member);
}

static int i64_read(const struct json_field *field, const json_t *object, void *member,
		    struct err *err)
{
	const json_t *value = json_object_get(object, field->key);

	(void)err;
	*(int64_t *)member = json_is_integer(value) ? json_integer_value(value) : -1;
	return 0;
}

const struct json_type json_type_i64 = { i64_write, i64_read };

static json_t *bool_write(const struct json_field *field, const void *member)
{
	(void)field;
	return json_boolean(*(const bool *)member);
}

static int bool_read(const struct json_field *field, const json_t *object, void *member,
		     struct err *err)
{
	return json_read_bool(object, field->key, member, err);
}

const struct json_type json_type_bool = { bool_write, bool_read };

static json_t *text_write(const struct json_field *field, const void *member)
{
	(void)field;
	return json_string(member);
}

static int text_read(const struct json_field *field, const json_t *object, void *member,
		     struct err *err)
{
	return json_copy_string(object, field->key, member, field->size, err);
}

const struct json_type json_type_text = { text_write, text_read };

static json_t *string_write(const struct json_field *field, const void *member)
{
	const char *text = *(const char *const *)member;

	(void)field;
	return text ? json_string(text) : json_null();
}

const struct json_type json_type_string = { string_write, NULL };

static json_t *text_or_null_write(const struct json_field *field, const void *member)
{
	(void)field;
	return *(const char *)member ? json_string(member) : json_null();
}

const struct json_type json_type_text_or_null = { text_or_null_write, NULL };

/* An int, an unsigned int or an enum; none of them is ever negative */
static unsigned int small_value(const void *member)
{
	unsigned int value;

	memcpy(&value, member, sizeof(value));
	return value;
}

static json_t *small_write(const struct json_field *field, const void *member)
{
	(void)field;
	return json_integer(small_value(member));
}

static int small_read(const struct json_field *field, const json_t *object, void *member,
		      struct err *err)
{
	uint64_t number;
	unsigned int value;
	int rc = json_read_u64(object, field->key, &number, err);

	if (rc == 0 && number > field->max)
		rc = err_set(err, EINVAL, "\"%s\" is larger than %" PRIu64, field->key, field->max);
	if (rc < 0)
		return rc;
	value = (unsigned int)number;
	memcpy(member, &value, sizeof(value));
	return 0;
}

const struct json_type json_type_small = { small_write, small_read };

static json_t *word_write(const struct json_field *field, const void *member)
{
	unsigned int value = small_value(member);

	return value < field->max ? json_string(field->words[value]) : NULL;
}

static int word_read(const struct json_field *field, const json_t *object, void *member,
		     struct err *err)
{
	const char *text;
	unsigned int value;
	int rc = json_read_string(object, field->key, &text, err);

	for (value = 0; rc == 0 && value < field->max; value++) {
		if (strcmp(field->words[value], text) != 0)
			continue;
		memcpy(member, &value, sizeof(value));
		return 0;
	}
	return rc < 0 ? rc : err_set(err, EINVAL, "unknown \"%s\" '%.64s'", field->key, text);
}

const struct json_type json_type_word = { word_write, word_read };

static json_t *object_write(const struct json_field *field, const void *member)
{
	return json_fields_write(field->fields, member);
}

static int object_read(const struct json_field *field, const json_t *object, void *member,
		       struct err *err)
{
	int rc = json_fields_read(json_object_get(object, field->key), field->fields, member, err);

	return err_prefix(err, rc, "\"%s\"", field->key);
}

const struct json_type json_type_object = { object_write, object_read };

static json_t *list_write(const struct json_field *field, const void *member)
{
	const size_t *n = (const void *)((const char *)member - field->offset + field->count);
	const char *element = *(const char *const *)member;
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < *n; i++, element += field->stride)
		json_add(&array, object_write(field, element));
	return array;
}

static int list_read(const struct json_field *field, const json_t *object, void *member,
		     struct err *err)
{
	const json_t *array = json_object_get(object, field->key);
	size_t n = json_array_size(array), i;
	char *list;
	int rc = 0;

	if (!json_is_array(array) || n > field->max)
		return err_set(err, EINVAL, "\"%s\" is not a list of at most %" PRIu64 " objects",
			       field->key, field->max);
	list = calloc(n + 1, field->stride);
	if (!list)
		return err_nomem(err);
	for (i = 0; rc == 0 && i < n; i++)
		rc = json_fields_read(json_array_get(array, i), field->fields,
				      list + i * field->stride, err);
	if (rc < 0) {
		free(list);
		return rc;
	}
	memcpy(member, &list, sizeof(list));
	memcpy((char *)member - field->offset + field->count, &n, sizeof(n));
	return 0;
}

const struct json_type json_type_list = { list_write, list_read };

/* ---- tables ---- */

static bool is_set(const struct json_field *field, const char *member)
{
	size_t i;

	if (field->type == &json_type_text)
		return *member;
	for (i = 0; i < field->size; i++)
		if (member[i])
			return true;
	return false;
}

bool json_fields_put(json_t *object, const struct json_field *fields, const void *base)
{
	const struct json_field *field;

	for (field = fields; field->key; field++) {
		const char *member = (const char *)base + field->offset;

		if (field->presence == JSON_WHEN_SET && !is_set(field, member))
			continue;
		if (json_object_set_new(object, field->key, field->type->write(field, member)) < 0)
			return false;
	}
	return true;
}

json_t *json_fields_write(const struct json_field *fields, const void *base)
{
	json_t *object = json_object();

	if (json_fields_put(object, fields, base))
		return object;
	json_decref(object);
	return NULL;
}

int json_fields_read(const json_t *object, const struct json_field *fields, void *base,
		     struct err *err)
{
	const struct json_field *field;
	int rc = 0;

	for (field = fields; rc == 0 && field->key; field++)
		if (field->presence == JSON_REQUIRED || json_object_get(object, field->key))
			rc = field->type->read(field, object, (char *)base + field->offset, err);
	return rc;
}
