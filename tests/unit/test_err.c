// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Sentences: cut, put together, and free of control characters.
 */
#include "base/err.h"

#include <errno.h>
#include <string.h>

#include "unit/unit.h"

static void test_set(void)
{
	struct err err;

	CU_ASSERT_EQUAL(err_set(&err, ENOSPC, "node %d is full", 1), -ENOSPC);
	CU_ASSERT_STRING_EQUAL(err.text, "node 1 is full");
}

static void test_sys(void)
{
	struct err err;

	CU_ASSERT_EQUAL(err_sys(&err, ENOENT, "cannot open %s", "x"), -ENOENT);
	CU_ASSERT_STRING_EQUAL(err.text, "cannot open x: No such file or directory");
}

static void test_prefix(void)
{
	struct err err;

	err_set(&err, EIO, "broken");
	CU_ASSERT_EQUAL(err_prefix(&err, -EIO, "guest %s", "vm1"), -EIO);
	CU_ASSERT_EQUAL(err_prefix(&err, -EIO, "prepare"), -EIO);
	CU_ASSERT_STRING_EQUAL(err.text, "prepare: guest vm1: broken");
	CU_ASSERT_EQUAL(err_prefix(&err, 0, "nothing"), 0);
	CU_ASSERT_STRING_EQUAL(err.text, "prepare: guest vm1: broken");
}

static void test_nobody_reads(void)
{
	CU_ASSERT_EQUAL(err_set(NULL, EINVAL, "x"), -EINVAL);
	CU_ASSERT_EQUAL(err_sys(NULL, EINVAL, "x"), -EINVAL);
	CU_ASSERT_EQUAL(err_prefix(NULL, -EINVAL, "x"), -EINVAL);
}

/* A guest's name with a newline must not make two lines of a log */
static void test_one_line(void)
{
	struct err err;

	err_set(&err, EINVAL, "a\nb\x1b[31m\x7f\tc");
	CU_ASSERT_STRING_EQUAL(err.text, "a b [31m  c");
	err_sys(&err, EINVAL, "a\r\n");
	CU_ASSERT_STRING_EQUAL(err.text, "a  : Invalid argument");
	err_prefix(&err, -EINVAL, "\n");
	CU_ASSERT_STRING_EQUAL(err.text, " : a  : Invalid argument");
}

static void test_long(void)
{
	char big[4 * sizeof(((struct err *)NULL)->text)];
	struct err err;

	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	err_set(&err, EINVAL, "%s", big);
	CU_ASSERT_EQUAL(strlen(err.text), sizeof(err.text) - 1);
	err_sys(&err, EINVAL, "%s", big);
	CU_ASSERT_EQUAL(strlen(err.text), sizeof(err.text) - 1);
	err_prefix(&err, -EINVAL, "%s", big);
	CU_ASSERT_EQUAL(strlen(err.text), sizeof(err.text) - 1);
	err_set(&err, EINVAL, "%s", "short");
	CU_ASSERT_EQUAL(err_prefix(&err, -EINVAL, "%s", big), -EINVAL);
	CU_ASSERT_EQUAL(strlen(err.text), sizeof(err.text) - 1);
}

static CU_TestInfo tests[] = {
	{ "a sentence and its errno", test_set },
	{ "the system's words at the end", test_sys },
	{ "context goes in front", test_prefix },
	{ "no struct err, no harm", test_nobody_reads },
	{ "control characters become blanks", test_one_line },
	{ "too long is cut, not overrun", test_long },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_err", tests);
}
