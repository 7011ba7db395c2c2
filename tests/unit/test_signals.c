// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What a parent may have left of signals, masks, timers and limits.
 */
#include "process/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "process/child.h"
#include "unit/unit.h"

/* What a child ended with; everything here can't be taken back */
static int in_child(int (*work)(int arg), int arg)
{
	const struct rlimit no_core = { 0, 0 };
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		setrlimit(RLIMIT_CORE, &no_core);
		unit_end_child(work(arg));
	}
	waitpid(pid, &status, 0);
	return status;
}

static int raise_after_set_up(int number)
{
	/* A job in the background ignores some */
	signal(number, SIG_DFL);
	signals_set_up();
	return raise(number) != 0;
}

static int raise_where_nothing_may_fail(int number)
{
	signals_set_up();
	signals_never_fail();
	return raise(number) != 0;
}

static int raise_in_daemon_hook(int number)
{
	signals_set_up();
	signals_end_quietly();
	raise(number);
	return 0;
}

static bool is_request(int number)
{
	return number == SIGINT || number == SIGTERM || number == SIGHUP || number == SIGQUIT;
}

static bool is_crash(int number)
{
	return number == SIGSEGV || number == SIGBUS || number == SIGFPE || number == SIGILL ||
	       number == SIGABRT || number == SIGSYS || number == SIGTRAP;
}

static bool stops(int number)
{
	return number == SIGSTOP || number == SIGTSTP || number == SIGTTIN || number == SIGTTOU;
}

/* Every signal there is, so that none is forgotten */
static void test_each_signal(void)
{
	int number;

	for (number = 1; number <= SIGRTMAX; number++) {
		int status;

		/* Two are glibc's own */
		if (number == SIGKILL || stops(number) || (number > 31 && number < SIGRTMIN))
			continue;
		status = in_child(raise_where_nothing_may_fail, number);
		UNIT_CHECK(status == 0, "started, signal %d: %x", number, (unsigned int)status);
		status = in_child(raise_in_daemon_hook, number);
		UNIT_CHECK(status == 0, "daemon, signal %d: %x", number, (unsigned int)status);
		status = in_child(raise_after_set_up, number);
		if (is_request(number) || is_crash(number))
			UNIT_CHECK(WIFSIGNALED(status) && WTERMSIG(status) == number,
				   "prepare, signal %d: %x", number, (unsigned int)status);
		else
			UNIT_CHECK(status == 0, "prepare, signal %d: %x", number,
				   (unsigned int)status);
	}
}

/* volatile: else the compiler makes a loop of it */
static int overflow_stack(int depth)
{
	volatile char frame[4096];

	frame[0] = (char)depth;
	return depth < 0 ? 0 : overflow_stack(depth + 1) + frame[0];
}

static int overflow(int arg)
{
	const struct rlimit limit = { 1 << 20, 1 << 20 };

	setrlimit(RLIMIT_STACK, &limit);
	signals_set_up();
	signals_never_fail();
	return overflow_stack(arg);
}

static void test_stack_overflow(void)
{
	UNIT_CHECK(in_child(overflow, 0) == 0, "a handler has a stack of its own");
}

static int write_to_broken_pipe(int arg)
{
	int ends[2];

	(void)arg;
	signals_set_up();
	if (pipe(ends) < 0 || close(ends[0]) < 0)
		return 2;
	return write(ends[1], "x", 1) != -1 || errno != EPIPE;
}

static void test_broken_pipe(void)
{
	CU_ASSERT_EQUAL(in_child(write_to_broken_pipe, 0), 0);
}

static int nothing(void *arg)
{
	(void)arg;
	return -EDOM;
}

/* As a parent in the background of a script, or a careless one, leaves it */
static int with_bad_inheritance(int arg)
{
	const struct itimerval soon = { .it_value = { 0, 1000 } };
	sigset_t all;
	pid_t pid;

	(void)arg;
	signal(SIGCHLD, SIG_IGN);
	signal(SIGALRM, SIG_IGN);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	setitimer(ITIMER_PROF, &soon, NULL);
	raise(SIGUSR1);
	signals_set_up();
	pid = child_start(nothing, NULL);
	return child_wait(pid, clock_ms() + 10000) != -EDOM;
}

static void test_inherited(void)
{
	CU_ASSERT_EQUAL(in_child(with_bad_inheritance, 0), 0);
}

/* File sizes: the first byte would be the last */
static int write_beyond_limit(int arg)
{
	const struct rlimit none = { 0, (rlim_t)arg };
	FILE *f = tmpfile();

	if (!f || setrlimit(RLIMIT_FSIZE, &none) < 0)
		return 2;
	signals_set_up();
	if (write(fileno(f), "x", 1) == 1)
		return 0;
	/* Without CAP_SYS_RESOURCE the hard limit stays: then an error, but no signal */
	return errno != EFBIG || none.rlim_max != 0;
}

static void test_file_size(void)
{
	CU_ASSERT_EQUAL(in_child(write_beyond_limit, 1 << 20), 0);
	CU_ASSERT_EQUAL(in_child(write_beyond_limit, 0), 0);
}

static int limits_lifted(int arg)
{
	const struct rlimit low = { 8, 4096 };
	struct rlimit now;

	(void)arg;
	if (setrlimit(RLIMIT_NOFILE, &low) < 0)
		return 2;
	signals_set_up();
	return getrlimit(RLIMIT_NOFILE, &now) < 0 || now.rlim_cur != 4096;
}

static void test_limits(void)
{
	CU_ASSERT_EQUAL(in_child(limits_lifted, 0), 0);
}

static int crash(void *arg)
{
	(void)arg;
	raise(SIGSEGV);
	return 0;
}

/* A parent takes the work of a child that crashed for done otherwise */
static int child_crashes(int arg)
{
	pid_t pid;

	(void)arg;
	signals_set_up();
	signals_never_fail();
	pid = child_start(crash, NULL);
	return child_wait(pid, clock_ms() + 10000) == 0;
}

static void test_child(void)
{
	CU_ASSERT_EQUAL(in_child(child_crashes, 0), 0);
}

static int keeps_nohup(int number)
{
	struct sigaction now;

	signal(number, SIG_IGN);
	signals_set_up();
	signals_set_default();
	sigaction(number, NULL, &now);
	return now.sa_handler != SIG_IGN;
}

static void test_nohup(void)
{
	CU_ASSERT_EQUAL(in_child(keeps_nohup, SIGHUP), 0);
	CU_ASSERT_EQUAL(in_child(keeps_nohup, SIGINT), 0);
}

static CU_TestInfo tests[] = {
	{ "each signal, where a failure would end a guest and elsewhere", test_each_signal },
	{ "a stack that overflows", test_stack_overflow },
	{ "a broken pipe is an error", test_broken_pipe },
	{ "what a parent ignored, blocked and timed", test_inherited },
	{ "a limit of file sizes", test_file_size },
	{ "descriptors", test_limits },
	{ "a child's crash is seen", test_child },
	{ "what nohup ignores stays ignored", test_nohup },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_signals", tests);
}
