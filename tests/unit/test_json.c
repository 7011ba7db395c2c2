// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Reading JSON that may be damaged, and writing it.
 */
#include "base/json.h"

#include <errno.h>

#include "base/err.h"
#include "unit/unit.h"

static json_t *load(const char *text)
{
	json_error_t error;
	json_t *json = json_loads(text, JSON_ALLOW_NUL, &error);

	if (!json)
		CU_FAIL_FATAL("the test's own JSON is broken");
	return json;
}

static void test_u64(void)
{
	static const struct {
		const char *json;
		int rc;
		uint64_t value;
		const char *sentence;
	} rows[] = {
		{ "{\"k\": 0}", 0, 0, NULL },
		{ "{\"k\": 9223372036854775807}", 0, INT64_MAX, NULL },
		{ "{\"k\": -1}", -EINVAL, 0, "\"k\" is not a number of 0 or more" },
		{ "{\"k\": -9223372036854775808}", -EINVAL, 0,
		  "\"k\" is not a number of 0 or more" },
		{ "{\"k\": 1.0}", -EINVAL, 0, "\"k\" is not a number of 0 or more" },
		{ "{\"k\": \"1\"}", -EINVAL, 0, "\"k\" is not a number of 0 or more" },
		{ "{\"k\": null}", -EINVAL, 0, "\"k\" is not a number of 0 or more" },
		{ "{\"k\": true}", -EINVAL, 0, "\"k\" is not a number of 0 or more" },
		{ "{\"k\": [1]}", -EINVAL, 0, "\"k\" is not a number of 0 or more" },
		{ "{}", -EINVAL, 0, "\"k\" is missing: expected a number of 0 or more" },
		{ "[1]", -EINVAL, 0, "\"k\" is missing: expected a number of 0 or more" },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cleanup_json json_t *json = load(rows[i].json);
		struct err err = { "" };
		uint64_t value = 77;
		int rc = json_read_u64(json, "k", &value, &err);

		UNIT_CHECK(rc == rows[i].rc, "%s gave %d", rows[i].json, rc);
		UNIT_CHECK(value == (rc ? 77 : rows[i].value), "%s", rows[i].json);
		if (rc)
			UNIT_CHECK_STR(err.text, rows[i].sentence, "%s", rows[i].json);
	}
}

static void test_bool(void)
{
	cleanup_json json_t *json = load("{\"n\": 3, \"b\": true}");
	struct err err = { "" };
	bool b = false;

	CU_ASSERT_EQUAL(json_read_bool(json, "b", &b, &err), 0);
	CU_ASSERT_TRUE(b);
	CU_ASSERT_EQUAL(json_read_bool(json, "n", &b, &err), -EINVAL);
	CU_ASSERT_STRING_EQUAL(err.text, "\"n\" is not true or false");
	CU_ASSERT_EQUAL(json_read_bool(json, "none", &b, &err), -EINVAL);
	CU_ASSERT_STRING_EQUAL(err.text, "\"none\" is missing: expected true or false");
	CU_ASSERT_TRUE(b);
}

static void test_strings(void)
{
	cleanup_json json_t *json = load("{\"s\": \"x\", \"n\": 1, \"nul\": \"a\\u0000b\"}");
	const char *text = "before";
	struct err err = { "" };

	CU_ASSERT_EQUAL(json_read_string(json, "n", &text, &err), -EINVAL);
	CU_ASSERT_STRING_EQUAL(err.text, "\"n\" is not a text");
	CU_ASSERT_EQUAL(json_read_string(json, "nul", &text, &err), -EINVAL);
	CU_ASSERT_EQUAL(json_read_string(json, "none", &text, &err), -EINVAL);
	CU_ASSERT_STRING_EQUAL(err.text, "\"none\" is missing: expected a text");
	CU_ASSERT_STRING_EQUAL(text, "before");
	CU_ASSERT_EQUAL(json_read_string(json, "s", &text, &err), 0);
	CU_ASSERT_STRING_EQUAL(text, "x");
}

static void test_number(void)
{
	CU_ASSERT_EQUAL(json_number(12), 12);
	CU_ASSERT_EQUAL(json_number(INT64_MAX), INT64_MAX);
	CU_ASSERT_EQUAL(json_number((uint64_t)INT64_MAX + 1), INT64_MAX);
	CU_ASSERT_EQUAL(json_number(UINT64_MAX), INT64_MAX);
}

/* One element that could not be made, and there is no list */
static void test_add(void)
{
	json_t *array = json_array();

	json_add(&array, json_integer(1));
	CU_ASSERT_EQUAL(json_array_size(array), 1);
	json_add(&array, json_string("\xff\xfe"));
	CU_ASSERT_PTR_NULL(array);
	json_add(&array, json_integer(2));
	CU_ASSERT_PTR_NULL(array);
}

/* Members only, at every depth */
static void test_null_for_empty(void)
{
	cleanup_json json_t *json = load("{\"a\": \"\", \"b\": {\"c\": \"\", \"d\": \"x\"},"
					 " \"e\": [\"\", {\"f\": \"\"}], \"g\": 0}");
	cleanup_json json_t *expected = load("{\"a\": null, \"b\": {\"c\": null, \"d\": \"x\"},"
					     " \"e\": [\"\", {\"f\": null}], \"g\": 0}");

	json_null_for_empty(json);
	CU_ASSERT(json_equal(json, expected));
	json_null_for_empty(NULL);
}

static CU_TestInfo tests[] = {
	{ "numbers are whole and not negative", test_u64 },
	{ "true or false", test_bool },
	{ "texts", test_strings },
	{ "numbers that are too large", test_number },
	{ "a list is whole or none", test_add },
	{ "null for an empty text", test_null_for_empty },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_json", tests);
}
