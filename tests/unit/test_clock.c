// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Deadlines, and the alarm that ends a call that waits.
 */
#include "base/clock.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "process/alarm.h"
#include "process/interrupts.h"
#include "unit/unit.h"

static void test_left(void)
{
	uint64_t now = clock_ms(), left;

	CU_ASSERT_EQUAL(clock_left_ms(0), 0);
	CU_ASSERT_EQUAL(clock_left_ms(now), 0);
	CU_ASSERT(clock_left_ms(now + 10000) > 5000);
	CU_ASSERT(clock_left_ms(now + 10000) <= 10000);
	CU_ASSERT(clock_left_ms(UINT64_MAX) > UINT64_MAX / 2);
	CU_ASSERT_EQUAL(clock_together_ms(1), 1);
	left = clock_together_ms(1000000);
	CU_ASSERT(left > 0 && left <= 1000000);
	CU_ASSERT((clock_ms() + left) % 1000000 < 1000);
}

static void test_sleep(void)
{
	uint64_t begin = clock_ms();

	clock_sleep_ms(30);
	CU_ASSERT(clock_ms() - begin >= 30);
	/* Signals don't shorten it */
	begin = clock_ms();
	alarm_start(5);
	clock_sleep_ms(60);
	alarm_stop();
	CU_ASSERT(clock_ms() - begin >= 60);
}

/* A read that would never end */
static int blocked_read(void)
{
	int ends[2], rc;
	char byte;

	if (pipe(ends) < 0)
		return -errno;
	rc = read(ends[0], &byte, 1) < 0 ? -errno : 0;
	close(ends[0]);
	close(ends[1]);
	return rc;
}

static void test_alarm(void)
{
	struct itimerval timer;
	uint64_t begin = clock_ms();

	alarm_start(50);
	CU_ASSERT_EQUAL(blocked_read(), -EINTR);
	CU_ASSERT(clock_ms() - begin >= 49);
	/* It comes again: the first could have hit just before the call */
	CU_ASSERT_EQUAL(blocked_read(), -EINTR);
	alarm_stop();
	CU_ASSERT_EQUAL(getitimer(ITIMER_REAL, &timer), 0);
	CU_ASSERT(!timer.it_value.tv_sec && !timer.it_value.tv_usec);
	CU_ASSERT(!timer.it_interval.tv_sec && !timer.it_interval.tv_usec);
	/* A time that has passed already must not mean "never" */
	alarm_start(0);
	CU_ASSERT_EQUAL(blocked_read(), -EINTR);
	alarm_stop();
}

/* The program that started us may have blocked the signal */
static void test_alarm_blocked(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	CU_ASSERT_EQUAL_FATAL(sigprocmask(SIG_BLOCK, &set, NULL), 0);
	alarm_start(20);
	CU_ASSERT_EQUAL(blocked_read(), -EINTR);
	alarm_stop();
}

static int interrupt_self(int signal_number, bool ignored)
{
	if (ignored)
		signal(signal_number, SIG_IGN);
	interrupts_catch();
	if (clock_interrupted() || !clock_left_ms(CLOCK_NEVER))
		return 1;
	raise(signal_number);
	if (ignored)
		return clock_interrupted() || !clock_left_ms(CLOCK_NEVER);
	return !clock_interrupted() || clock_left_ms(CLOCK_NEVER);
}

/* In children: it can't be taken back */
static void test_interrupts(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	size_t i;

	for (i = 0; i < 2 * sizeof(signals) / sizeof(signals[0]); i++) {
		int status = -1;
		pid_t pid;

		fflush(stdout);
		pid = fork();
		if (!pid)
			_exit(interrupt_self(signals[i / 2], i % 2));
		waitpid(pid, &status, 0);
		UNIT_CHECK(status == 0, "signal %d: %x", signals[i / 2], (unsigned int)status);
	}
}

static CU_TestInfo tests[] = {
	{ "time left", test_left },
	{ "sleeping", test_sleep },
	{ "the alarm ends a call", test_alarm },
	{ "the alarm was blocked", test_alarm_blocked },
	{ "interrupts", test_interrupts },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_clock", tests);
}
