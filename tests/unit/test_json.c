// SPDX-License-Identifier: LGPL-2.1-or-later
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

static void test_fallbacks(void)
{
	cleanup_json json_t *json = load("{\"n\": 3, \"b\": true, \"s\": \"x\"}");
	uint64_t n = 0;
	bool b = false;

	CU_ASSERT_EQUAL(json_read_u64_or(json, "n", 9, &n, NULL), 0);
	CU_ASSERT_EQUAL(n, 3);
	CU_ASSERT_EQUAL(json_read_u64_or(json, "none", 9, &n, NULL), 0);
	CU_ASSERT_EQUAL(n, 9);
	CU_ASSERT_EQUAL(json_read_u64_or(json, "s", 5, &n, NULL), -EINVAL);
	CU_ASSERT_EQUAL(n, 9);
	CU_ASSERT_EQUAL(json_read_bool_or(json, "b", false, &b, NULL), 0);
	CU_ASSERT_TRUE(b);
	CU_ASSERT_EQUAL(json_read_bool_or(json, "none", false, &b, NULL), 0);
	CU_ASSERT_FALSE(b);
	CU_ASSERT_EQUAL(json_read_bool_or(json, "none", true, &b, NULL), 0);
	CU_ASSERT_TRUE(b);
	CU_ASSERT_EQUAL(json_read_bool_or(json, "n", false, &b, NULL), -EINVAL);
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

static void test_put(void)
{
	cleanup_json json_t *json = json_object();
	const char *text = NULL;
	uint64_t n = 0;
	bool b = false;

	CU_ASSERT_TRUE(json_put_u64(json, "n", 12));
	CU_ASSERT_TRUE(json_put_u64(json, "big", INT64_MAX));
	CU_ASSERT_TRUE(json_put_bool(json, "b", true));
	CU_ASSERT_TRUE(json_put_string(json, "s", "gr\xC3\xBC\xC3\x9F"));
	CU_ASSERT_EQUAL(json_read_u64(json, "n", &n, NULL), 0);
	CU_ASSERT_EQUAL(n, 12);
	CU_ASSERT_EQUAL(json_read_u64(json, "big", &n, NULL), 0);
	CU_ASSERT_EQUAL(n, INT64_MAX);
	CU_ASSERT_EQUAL(json_read_bool_or(json, "b", false, &b, NULL), 0);
	CU_ASSERT_TRUE(b);
	CU_ASSERT_EQUAL(json_read_string(json, "s", &text, NULL), 0);
	CU_ASSERT_STRING_EQUAL(text, "gr\xC3\xBC\xC3\x9F");
}

static void test_put_refused(void)
{
	cleanup_json json_t *json = json_object();

	CU_ASSERT_FALSE(json_put_u64(json, "n", (uint64_t)INT64_MAX + 1));
	CU_ASSERT_FALSE(json_put_u64(json, "n", UINT64_MAX));
	CU_ASSERT_FALSE(json_put_string(json, "s", "\xff\xfe"));
	CU_ASSERT_FALSE(json_put_string(json, "s", NULL));
	CU_ASSERT_FALSE(json_put_bool(NULL, "b", true));
	CU_ASSERT_EQUAL(json_object_size(json), 0);
}

static CU_TestInfo tests[] = {
	{ "numbers are whole and not negative", test_u64 },
	{ "what may be missing has a default", test_fallbacks },
	{ "texts", test_strings },
	{ "what is put can be read", test_put },
	{ "what JSON can't hold is refused", test_put_refused },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_json", tests);
}
