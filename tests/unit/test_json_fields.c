// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Tables of fields: there and back, and everything that must be refused.
 */
#include "base/json_fields.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "unit/unit.h"

enum colour { RED, GREEN };

static const char *const colours[] = { [RED] = "red", [GREEN] = "green" };

struct part {
	int number;
	uint64_t size;
};

struct thing {
	char name[8];
	uint64_t amount;
	int64_t id;
	bool ready;
	bool kept;
	enum colour colour;
	struct part main;
	struct part spare;
	size_t n_parts;
	struct part *parts;
};

static const struct json_field part_fields[] = {
	JSON_UP_TO(struct part, number, 100),
	JSON_OPTIONAL(struct part, size),
	JSON_END,
};

static const struct json_field fields[] = {
	JSON_FIELD(struct thing, name),
	JSON_FIELD_AS(struct thing, amount, "how-many"),
	JSON_FIELD(struct thing, id),
	JSON_FIELD(struct thing, ready),
	JSON_IF_SET(struct thing, kept),
	JSON_WORD(struct thing, colour, colours),
	JSON_OBJECT(struct thing, main, part_fields),
	JSON_OBJECT_IF_SET(struct thing, spare, part_fields),
	JSON_LIST(struct thing, parts, "parts", n_parts, part_fields, 2),
	JSON_END,
};

#define WHOLE                                                                                      \
	"{\"name\": \"box\", \"how-many\": 9223372036854775807, \"id\": -7, \"ready\": true, "     \
	"\"colour\": \"green\", \"main\": {\"number\": 100, \"size\": 3}, "                        \
	"\"parts\": [{\"number\": 1, \"size\": 0}, {\"number\": 2, \"size\": 5}]}"

static void test_there_and_back(void)
{
	cleanup_json json_t *json = json_loads(WHOLE, 0, NULL), *again = json_object();
	struct thing thing = { .kept = false };
	struct err err = { "" };

	CU_ASSERT_PTR_NOT_NULL_FATAL(json);
	UNIT_CHECK(json_fields_read(json, fields, &thing, &err) == 0, "%s", err.text);
	CU_ASSERT_STRING_EQUAL(thing.name, "box");
	CU_ASSERT_EQUAL(thing.amount, INT64_MAX);
	CU_ASSERT_EQUAL(thing.id, -7);
	CU_ASSERT_TRUE(thing.ready);
	CU_ASSERT_EQUAL(thing.colour, GREEN);
	CU_ASSERT_EQUAL(thing.main.number, 100);
	CU_ASSERT_EQUAL(thing.spare.number, 0);
	CU_ASSERT_EQUAL_FATAL(thing.n_parts, 2);
	CU_ASSERT_EQUAL(thing.parts[1].size, 5);
	CU_ASSERT_TRUE(json_fields_put(again, fields, &thing));
	CU_ASSERT_TRUE(json_equal(json, again));

	/* What is set is written */
	thing.kept = true;
	thing.spare.size = 4;
	CU_ASSERT_TRUE(json_fields_put(again, fields, &thing));
	CU_ASSERT_TRUE(json_is_true(json_object_get(again, "kept")));
	CU_ASSERT_PTR_NOT_NULL(json_object_get(again, "spare"));
	free(thing.parts);
}

/* Each row replaces one member of what is right; a value of "-" takes it away */
static void test_hostile(void)
{
	static const struct {
		const char *key;
		const char *value;
		const char *sentence; /* NULL: it is as good */
	} rows[] = {
		{ "name", "-", "\"name\" is missing: expected a text" },
		{ "name", "\"1234567\"", NULL },
		{ "name", "\"12345678\"", "\"name\" is too long" },
		{ "name", "\"a\\u0000b\"", "\"name\" is not a text" },
		{ "name", "7", "\"name\" is not a text" },
		{ "how-many", "-", "\"how-many\" is missing: expected a number of 0 or more" },
		{ "how-many", "-1", "\"how-many\" is not a number of 0 or more" },
		{ "how-many", "1.5", "\"how-many\" is not a number of 0 or more" },
		{ "id", "-", NULL },
		{ "id", "\"x\"", NULL },
		{ "ready", "-", "\"ready\" is missing: expected true or false" },
		{ "ready", "1", "\"ready\" is not true or false" },
		{ "kept", "null", "\"kept\" is not true or false" },
		{ "colour", "-", "\"colour\" is missing: expected a text" },
		{ "colour", "\"blue\"", "unknown \"colour\" 'blue'" },
		{ "colour", "1", "\"colour\" is not a text" },
		{ "main", "-", "\"main\": \"number\" is missing: expected a number of 0 or more" },
		{ "main", "[]", "\"main\": \"number\" is missing: expected a number of 0 or more" },
		{ "main", "{\"number\": 101}", "\"main\": \"number\" is larger than 100" },
		{ "main", "{\"number\": 4294967296}", "\"main\": \"number\" is larger than 100" },
		{ "main", "{\"number\": 1}", NULL },
		{ "spare", "null",
		  "\"spare\": \"number\" is missing: expected a number of 0 or more" },
		{ "parts", "-", "\"parts\" is not a list of at most 2 objects" },
		{ "parts", "{}", "\"parts\" is not a list of at most 2 objects" },
		{ "parts", "[]", NULL },
		{ "parts", "[{\"number\": 1}, {\"number\": 1}, {\"number\": 1}]",
		  "\"parts\" is not a list of at most 2 objects" },
		{ "parts", "[{\"number\": 1}, 5]",
		  "\"number\" is missing: expected a number of 0 or more" },
		{ "unknown", "{}", NULL },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_json json_t *json = json_loads(WHOLE, 0, NULL);
		json_t *value = json_loads(rows[i].value, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
		struct thing thing = { .kept = false };
		struct err err = { "" };
		int rc;

		if (value)
			json_object_set_new(json, rows[i].key, value);
		else
			json_object_del(json, rows[i].key);
		rc = json_fields_read(json, fields, &thing, &err);
		UNIT_CHECK(rc == (rows[i].sentence ? -EINVAL : 0), "%s: %s gave %d", rows[i].key,
			   rows[i].value, rc);
		UNIT_CHECK_STR(err.text, rows[i].sentence ? rows[i].sentence : "", "%s: %s",
			       rows[i].key, rows[i].value);
		if (!strcmp(rows[i].key, "id"))
			UNIT_CHECK(thing.id == -1, "%s", rows[i].value);
		free(thing.parts);
	}
}

struct defaults {
	uint64_t n;
	bool b;
	char text[16];
};

/* What may be missing is left as it was, and otherwise as strict */
static void test_optional(void)
{
	static const struct json_field optional[] = {
		JSON_OPTIONAL(struct defaults, n),
		JSON_OPTIONAL(struct defaults, b),
		JSON_IF_SET(struct defaults, text),
		JSON_END,
	};
	static const struct {
		const char *json;
		int rc;
		struct defaults want;
	} rows[] = {
		{ "{}", 0, { 9, true, "before" } },
		{ "{\"n\": 3}", 0, { 3, true, "before" } },
		{ "{\"b\": false}", 0, { 9, false, "before" } },
		{ "{\"text\": \"gr\xC3\xBC\xC3\x9F\"}", 0, { 9, true, "gr\xC3\xBC\xC3\x9F" } },
		{ "{\"n\": \"x\"}", -EINVAL, { 9, true, "before" } },
		{ "{\"n\": null}", -EINVAL, { 9, true, "before" } },
		{ "{\"b\": 3}", -EINVAL, { 9, true, "before" } },
		{ "{\"text\": false}", -EINVAL, { 9, true, "before" } },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_json json_t *json = json_loads(rows[i].json, 0, NULL);
		cleanup_json json_t *again = NULL;
		struct defaults have = { 9, true, "before" };

		UNIT_CHECK(json_fields_read(json, optional, &have, NULL) == rows[i].rc, "%s",
			   rows[i].json);
		UNIT_CHECK(have.n == rows[i].want.n && have.b == rows[i].want.b, "%s",
			   rows[i].json);
		UNIT_CHECK_STR(have.text, rows[i].want.text, "%s", rows[i].json);
		again = json_fields_write(optional, &have);
		UNIT_CHECK(json_object_size(again) == 3, "%s", rows[i].json);
	}
}

/* What JSON can't have is not written as anything else */
static void test_not_in_json(void)
{
	static const struct thing rows[] = {
		{ .amount = (uint64_t)INT64_MAX + 1 },
		{ .name = "\xff" },
		{ .colour = (enum colour)2 },
		{ .main = { .size = UINT64_MAX } },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_json json_t *json = json_object();

		UNIT_CHECK(!json_fields_put(json, fields, &rows[i]), "row %zu", i);
	}
	CU_ASSERT_FALSE(json_fields_put(NULL, fields, &rows[0]));
}

static CU_TestInfo tests[] = {
	{ "there and back", test_there_and_back },
	{ "hostile members", test_hostile },
	{ "what may be missing", test_optional },
	{ "what JSON can't have", test_not_in_json },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_json_fields", tests);
}
