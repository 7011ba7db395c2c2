// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * qemu.conf edited through libvirt's own lens, and differences as people read them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "profiles/difference.h"
#include "profiles/qemu_conf_edit.h"
#include "unit/unit.h"

#define KEY "memory_backing_dir"

static void test_set(void)
{
	static const struct {
		const char *text;
		const char *value;
		const char *want;
	} rows[] = {
		{ "", "/m", KEY " = \"/m\"\n" },
		{ "user = \"a\"", "/m", "user = \"a\"\n" KEY " = \"/m\"\n" },
		{ "# one\n\n\tuser=\"a\"  \n# two", "/m",
		  "# one\n\n\tuser=\"a\"  \n# two\n" KEY " = \"/m\"\n" },
		/* Behind what libvirt's own file says of it */
		{ "#" KEY " = \"/x\"\n\nuser = \"a\"\n", "/m",
		  "#" KEY " = \"/x\"\n" KEY " = \"/m\"\n\nuser = \"a\"\n" },
		{ "#" KEY " = 1\n#" KEY "=2\nuser = \"a\"\n", "/m",
		  "#" KEY " = 1\n#" KEY "=2\n" KEY " = \"/m\"\nuser = \"a\"\n" },
		{ "  " KEY "  =\t\"/x\"   \n# end\n", "/m", "  " KEY "  =\t\"/m\"   \n# end\n" },
		{ KEY " = \"/x\"\n" KEY " = \"/y\"\n", "/m", KEY " = \"/m\"\n" KEY " = \"/m\"\n" },
		{ "# a\n" KEY " = \"/x\"\n# b\n", NULL, "# a\n# b\n" },
		{ "# \xe4 is no UTF-8\n", "/m", "# \xe4 is no UTF-8\n" KEY " = \"/m\"\n" },
		{ "# a\n", NULL, "# a\n" },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		cleanup_free char *got = NULL;
		struct err err = { "" };
		int rc = qemu_conf_set(rows[i].text, KEY, rows[i].value, &got, &err);

		if (UNIT_CHECK(rc == 0, "row %zu: %s", i, err.text))
			UNIT_CHECK_STR(got, rows[i].want, "row %zu", i);
	}
}

static void test_get(void)
{
	static const struct {
		const char *text;
		const char *want;
	} rows[] = {
		{ "", NULL },
		{ "#" KEY " = \"/x\"\n", NULL },
		{ KEY " = \"/x\"", "/x" },
		{ KEY " = \"\"\n", "" },
		{ KEY " = \"/x\"\n" KEY " = \"/y\"\n", "/y" },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		cleanup_free char *got = NULL;

		UNIT_CHECK(qemu_conf_get(rows[i].text, KEY, &got, NULL) == 0, "row %zu", i);
		UNIT_CHECK_STR(got, rows[i].want, "row %zu", i);
	}
}

/* The line is what a person has to look at */
static void test_lens_refuses(void)
{
	static const struct {
		const char *text;
		const char *line;
	} rows[] = {
		{ "user = \"a\"\nof_tomorrow = 1\n", "line 2 " },
		{ "# c\n\n\n# d\n\nof_tomorrow = 1", "line 6 " },
		{ "hugetlbfs_mount = [ \"/a\", \"/b\" ]\n", "line 1 " },
		{ "user = \"a\"\nuser = \"b\n\n\n", "line 2 " },
		{ "user = \"a\"\r\n", "line 1 " },
		{ KEY " = 7\nuser = \"a\"\n", "line 1 " },
		{ "=", "line 1 " },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		char *got = NULL;
		struct err err = { "" };
		int rc = qemu_conf_set(rows[i].text, KEY, "/m", &got, &err);

		UNIT_CHECK(rc == -EINVAL && !got, "row %zu: %d", i, rc);
		UNIT_CHECK(strstr(err.text, rows[i].line) != NULL, "row %zu: %s", i, err.text);
	}
}

static void test_what_it_cannot_write(void)
{
	char *got = NULL;

	CU_ASSERT_EQUAL(qemu_conf_set("", "of_tomorrow", "1", &got, NULL), -EINVAL);
	CU_ASSERT_EQUAL(qemu_conf_set("", KEY, "a\"b", &got, NULL), -EINVAL);
	CU_ASSERT_PTR_NULL(got);
}

static void test_difference(void)
{
	static const struct {
		const char *old;
		const char *new;
		const char *want;
	} rows[] = {
		{ NULL, NULL, "" },
		{ "", "", "" },
		{ "a\nb\n", "a\nb\n", "" },
		{ NULL, "a\n", "--- /dev/null\n+++ b/f\n@@ -0,0 +1,1 @@\n+a\n" },
		{ "a\n", NULL, "--- a/f\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-a\n" },
		{ "1\n2\n3\n4\n5\n6\n7\n8\n", "1\n2\n3\n4\nx\n5\n6\n7\n8\n",
		  "--- a/f\n+++ b/f\n@@ -2,6 +2,7 @@\n 2\n 3\n 4\n+x\n 5\n 6\n 7\n" },
		{ "a\na\n", "a\na\na\n", "--- a/f\n+++ b/f\n@@ -1,2 +1,3 @@\n a\n a\n+a\n" },
		{ "a", "a\n",
		  "--- a/f\n+++ b/f\n@@ -1,1 +1,1 @@\n-a\n\\ No newline at end of file\n+a\n" },
		{ "a\nb\nc\n", "A\nb\nC\n",
		  "--- a/f\n+++ b/f\n@@ -1,3 +1,3 @@\n-a\n-b\n-c\n+A\n+b\n+C\n" },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		cleanup_free char *got = NULL;

		UNIT_CHECK(difference("f", rows[i].old, rows[i].new, &got, NULL) == 0, "row %zu",
			   i);
		UNIT_CHECK_STR(got, rows[i].want, "row %zu", i);
	}
}

static CU_TestInfo tests[] = {
	{ "a key is set, and all else stays", test_set },
	{ "a key is read", test_get },
	{ "what the lens can't read", test_lens_refuses },
	{ "what the lens can't write", test_what_it_cannot_write },
	{ "differences", test_difference },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_conf_edit", tests);
}
