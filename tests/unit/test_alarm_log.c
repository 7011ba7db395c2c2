// SPDX-License-Identifier: LGPL-2.1-or-later
/* Which alarms are logged. */
#include "pager/alarm_log.h"

#include "unit/unit.h"

/* Each millisecond one, for a little more than two minutes */
static void test_flood(void)
{
	struct alarm_log log = { 0 };
	unsigned int logged = 0, last = 0;
	uint64_t ms;

	for (ms = 5; ms < 5 + 2 * ALARM_LOG_MS + 1; ms++) {
		enum alarm_logged what = alarm_log_next(&log, ms);

		logged += what != ALARM_DROPPED;
		last += what == ALARM_LAST;
	}
	CU_ASSERT_EQUAL(logged, 2 * ALARM_LOG_MAX + 1);
	CU_ASSERT_EQUAL(last, 2);
}

/* Each is, where they are rare */
static void test_rare(void)
{
	struct alarm_log log = { 0 };
	uint64_t i;

	for (i = 0; i < 100; i++)
		CU_ASSERT_EQUAL(alarm_log_next(&log, i * ALARM_LOG_MS / (ALARM_LOG_MAX - 1)),
				ALARM_LOGGED);
}

static CU_TestInfo tests[] = {
	{ "the first of each minute", test_flood },
	{ "all of those that are rare", test_rare },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_alarm_log", tests);
}
