// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Programs that a command runs for a person.
 */
#include "process/program.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "unit/unit.h"

#define RUN(...) program_run((const char *const[]){ __VA_ARGS__, NULL }, &err)

static void test_results(void)
{
	struct err err = { "" };

	CU_ASSERT_EQUAL(RUN("true"), 0);
	CU_ASSERT_EQUAL(RUN("false"), -EIO);
	UNIT_CHECK_STR(err.text, "false failed with exit status 1", "false");
	CU_ASSERT_EQUAL(RUN("no-such-program-anywhere"), -ENOENT);
	UNIT_CHECK_STR(err.text, "there is no program no-such-program-anywhere", "none");
	/* Arguments are no words of a shell's */
	CU_ASSERT_EQUAL(RUN("test", "a b; false", "=", "a b; false"), 0);
	CU_ASSERT_EQUAL(RUN("sh", "-c", "kill -9 $$"), -EIO);
	UNIT_CHECK_STR(err.text, "sh was ended by signal 9", "killed");
}

static void test_surroundings(void)
{
	struct err err = { "" };

	setenv("FROM_OUTSIDE", "yes", 1);
	CU_ASSERT_EQUAL(RUN("sh", "-c", "test -z \"$FROM_OUTSIDE\" && test -n \"$PATH\""), 0);
	/* Nothing is waited for that a person would have to type */
	CU_ASSERT_EQUAL(RUN("sh", "-c", "! read -r line"), 0);
	unsetenv("FROM_OUTSIDE");
}

static CU_TestInfo tests[] = {
	{ "what came of them", test_results },
	{ "what they find", test_surroundings },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_program", tests);
}
