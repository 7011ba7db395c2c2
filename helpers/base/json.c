// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Members of JSON objects, with one sentence for each way they can be wrong.
 *
 * jansson's integers are signed 64-bit numbers.  Ours are unsigned and far
 * smaller (text.h says how far), so what does not fit is a bug or damage, and
 * is refused instead of bent.
 */
#include "base/json.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"

static int wrong(struct err *err, const char *key, const json_t *value, const char *expected)
{
	if (!value)
		return err_set(err, EINVAL, "\"%s\" is missing: expected %s", key, expected);
	return err_set(err, EINVAL, "\"%s\" is not %s", key, expected);
}

int json_read_u64(const json_t *object, const char *key, uint64_t *value, struct err *err)
{
	const json_t *member = json_object_get(object, key);

	if (!json_is_integer(member) || json_integer_value(member) < 0)
		return wrong(err, key, member, "a number of 0 or more");
	*value = (uint64_t)json_integer_value(member);
	return 0;
}

int json_read_bool(const json_t *object, const char *key, bool *value, struct err *err)
{
	const json_t *member = json_object_get(object, key);

	if (!json_is_boolean(member))
		return wrong(err, key, member, "true or false");
	*value = json_is_true(member);
	return 0;
}

int json_read_string(const json_t *object, const char *key, const char **value, struct err *err)
{
	const json_t *member = json_object_get(object, key);
	const char *text = json_string_value(member);

	/* A NUL inside would make a reader see less than there is */
	if (!text || strlen(text) != json_string_length(member))
		return wrong(err, key, member, "a text");
	*value = text;
	return 0;
}

int json_copy_string(const json_t *object, const char *key, char *buf, size_t size, struct err *err)
{
	const char *text;
	int rc = json_read_string(object, key, &text, err);

	if (rc < 0)
		return rc;
	if (strlen(text) >= size)
		return err_set(err, EINVAL, "\"%s\" is too long", key);
	memcpy(buf, text, strlen(text) + 1);
	return 0;
}

void json_add(json_t **array, json_t *value)
{
	if (json_array_append_new(*array, value) == 0)
		return;
	json_decref(*array);
	*array = NULL;
}

void json_null_for_empty(json_t *value)
{
	void *iter;
	size_t i;

	for (i = 0; i < json_array_size(value); i++)
		json_null_for_empty(json_array_get(value, i));
	for (iter = json_object_iter(value); iter; iter = json_object_iter_next(value, iter)) {
		json_t *member = json_object_iter_value(iter);

		if (json_is_string(member) && !json_string_length(member))
			json_object_iter_set_new(value, iter, json_null());
		else
			json_null_for_empty(member);
	}
}
