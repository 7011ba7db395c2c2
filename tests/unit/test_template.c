// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Templates of profiles, filled in.
 */
#include <stdlib.h>

#include "profiles/template.h"
#include "unit/unit.h"

static void test_fill(void)
{
	static const struct template_value values[] = {
		{ "@A@", "one" },
		{ "@B@", "@A@" },
		{ "@C@", "" },
		{ NULL, NULL },
	};
	static const struct {
		const char *template;
		const char *want;
	} rows[] = {
		{ "", "" },
		{ "nothing\n", "nothing\n" },
		{ "@A@", "one" },
		{ "a @A@ b @A@\n", "a one b one\n" },
		/* What came from a host is no template */
		{ "@B@@A@", "@A@one" },
		{ "@A @C@ A@", "@A  A@" },
		{ "@@A@@", "@one@" },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *got = NULL;

		CU_ASSERT_EQUAL_FATAL(template_fill(rows[i].template, values, &got, NULL), 0);
		UNIT_CHECK_STR(got, rows[i].want, "row %zu", i);
		free(got);
	}
}

static CU_TestInfo tests[] = {
	{ "words are replaced", test_fill },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_template", tests);
}
