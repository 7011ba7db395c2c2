// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What a program reads in a finding: its id, its place, its remedy as words.
 */
#include <stdlib.h>

#include "check/findings.h"
#include "unit/unit.h"

/* The @key of the only finding, as compact JSON, to be freed */
static char *json_of(const struct findings *findings, const char *key)
{
	json_t *root = findings_to_json(findings);
	const json_t *first = json_array_get(json_object_get(root, "findings"), 0);
	char *text = json_dumps(json_object_get(first, key), JSON_COMPACT | JSON_ENCODE_ANY);

	json_decref(root);
	return text;
}

static void expect(const struct findings *findings, const char *key, const char *wanted,
		   const char *what)
{
	char *text = json_of(findings, key);

	UNIT_CHECK_STR(text, wanted, "%s of %s", key, what);
	free(text);
}

static void test_place(void)
{
	static const struct {
		const char *message, *file, *line;
	} rows[] = {
		{ "/etc/a.conf:12: unknown key", "\"/etc/a.conf\"", "12" },
		{ "/etc/a.conf:12 sets huge pages", "\"/etc/a.conf\"", "12" },
		{ "/etc/a.conf: may be written by all", "\"/etc/a.conf\"", "null" },
		{ "/etc/a.conf is not there: 12 of them", "null", "null" },
		{ "guest '/a:1': no", "null", "null" },
		{ "/etc/a.conf:: no number", "\"/etc/a.conf\"", "null" },
		{ "/", "null", "null" },
		{ "", "null", "null" },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct findings findings = { .check = "config" };

		finding_add(&findings, FINDING_FAIL, "unknown-key", "%s", rows[i].message);
		expect(&findings, "id", "\"config.unknown-key\"", rows[i].message);
		expect(&findings, "file", rows[i].file, rows[i].message);
		expect(&findings, "line", rows[i].line, rows[i].message);
		expect(&findings, "guest", "null", rows[i].message);
		expect(&findings, "argv", "null", rows[i].message);
		findings_free(&findings);
	}
}

static void test_argv(void)
{
	static const struct {
		const char *remedy, *argv;
	} rows[] = {
		{ "virsh edit web", "[\"virsh\",\"edit\",\"web\"]" },
		{ "sed -i '2s/^/# /' /etc/a.conf",
		  "[\"sed\",\"-i\",\"2s/^/# /\",\"/etc/a.conf\"]" },
		{ "a  'b c'd \"e f\" ''", "[\"a\",\"b cd\",\"e f\",\"\"]" },
		{ "echo 1 >/a", "[\"sh\",\"-c\",\"echo 1 >/a\"]" },
		{ "a && b", "[\"sh\",\"-c\",\"a && b\"]" },
		{ "rm /a/*", "[\"sh\",\"-c\",\"rm /a/*\"]" },
		{ "a '*' '$b'", "[\"a\",\"*\",\"$b\"]" },
		{ "a \"$b\"", "[\"sh\",\"-c\",\"a \\\"$b\\\"\"]" },
		{ "a \"b'c\" d", "[\"a\",\"b'c\",\"d\"]" },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct findings findings = { .check = "test" };

		finding_add(&findings, FINDING_WARN, "one", "something");
		finding_remedy(&findings, "%s", rows[i].remedy);
		expect(&findings, "argv", rows[i].argv, rows[i].remedy);
		findings_free(&findings);
	}
}

static void test_guest(void)
{
	struct findings findings = { .check = "guest" };

	finding_add(&findings, FINDING_FAIL, "refused", "guest 'two words' is refused");
	finding_edit(&findings, "two words", "6f1c0a5e-0000-4000-8000-000000000001");
	expect(&findings, "guest", "\"two words\"", "a guest");
	expect(&findings, "argv", "[\"virsh\",\"edit\",\"6f1c0a5e-0000-4000-8000-000000000001\"]",
	       "a guest");
	UNIT_CHECK(findings_count(&findings, FINDING_FAIL) == 1, "one of them");
	UNIT_CHECK(findings_count(&findings, FINDING_WARN) == 0, "and no other");
	findings_free(&findings);
}

static CU_TestInfo tests[] = {
	{ "where it is", test_place },
	{ "remedies as words", test_argv },
	{ "guests", test_guest },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_findings", tests);
}
