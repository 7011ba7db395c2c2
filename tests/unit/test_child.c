// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Work in a child: its result, its deadline, and its end with its parent.
 */
#include "process/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "process/alarm.h"
#include "unit/unit.h"

static int give(void *arg)
{
	return *(int *)arg;
}

static void test_results(void)
{
	static const struct {
		int result, want;
	} rows[] = {
		{ 0, 0 },  { -EINVAL, -EINVAL }, { -EAGAIN, -EAGAIN }, { -ENOENT, -ENOENT },
		{ 1, -1 }, { -255, -255 },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		int result = rows[i].result, rc;
		pid_t pid = child_start(give, &result);

		CU_ASSERT_FATAL(pid > 0);
		rc = child_wait(pid, clock_ms() + 5000);
		UNIT_CHECK(rc == rows[i].want, "%d gave %d", rows[i].result, rc);
	}
}

static int sleep_long(void *arg)
{
	(void)arg;
	clock_sleep_ms(60000);
	return 0;
}

static void test_deadline(void)
{
	uint64_t begin = clock_ms();
	pid_t pid = child_start(sleep_long, NULL);

	CU_ASSERT_FATAL(pid > 0);
	CU_ASSERT_EQUAL(child_wait(pid, begin + 50), -ETIMEDOUT);
	CU_ASSERT(clock_ms() - begin < 5000);
	/* Reaped as well */
	CU_ASSERT_EQUAL(waitpid(pid, NULL, WNOHANG), -1);
	CU_ASSERT_EQUAL(errno, ECHILD);
	pid = child_start(sleep_long, NULL);
	CU_ASSERT_EQUAL(child_wait(pid, 0), -ETIMEDOUT);
}

/* Signals of the alarm don't end the waiting */
static void test_signals(void)
{
	int zero = 0;
	pid_t pid = child_start(sleep_long, NULL);

	alarm_start(5);
	CU_ASSERT_EQUAL(child_wait(pid, clock_ms() + 100), -ETIMEDOUT);
	pid = child_start(give, &zero);
	CU_ASSERT_EQUAL(child_wait(pid, clock_ms() + 5000), 0);
	alarm_stop();
}

static void test_stop(void)
{
	pid_t pid = child_start(sleep_long, NULL);

	child_stop(pid);
	CU_ASSERT_EQUAL(kill(pid, 0), -1);
	CU_ASSERT_EQUAL(errno, ESRCH);
}

static int kill_self(void *arg)
{
	(void)arg;
	raise(SIGKILL);
	return 0;
}

static void test_killed(void)
{
	CU_ASSERT_EQUAL(child_wait(child_start(kill_self, NULL), clock_ms() + 5000), -EINTR);
}

/* libvirt reads our stdout and stderr to their end */
static int is_null_stdio(void *arg)
{
	struct stat null, st;
	int fd;

	(void)arg;
	if (stat("/dev/null", &null) < 0)
		return -EIO;
	for (fd = 0; fd < 3; fd++)
		if (fstat(fd, &st) < 0 || st.st_rdev != null.st_rdev || !S_ISCHR(st.st_mode))
			return -1 - fd;
	return 0;
}

static void test_stdio(void)
{
	CU_ASSERT_EQUAL(child_wait(child_start(is_null_stdio, NULL), clock_ms() + 5000), 0);
}

/* A child must not outlive a hook that is killed */
static void test_parent_dies(void)
{
	int pipes[2];
	pid_t parent, child = 0;
	int tries;

	CU_ASSERT_EQUAL_FATAL(pipe(pipes), 0);
	fflush(stdout);
	parent = fork();
	if (!parent) {
		child = child_start(sleep_long, NULL);
		if (write(pipes[1], &child, sizeof(child)) != sizeof(child))
			_exit(1);
		for (;;)
			pause();
	}
	CU_ASSERT_EQUAL_FATAL(read(pipes[0], &child, sizeof(child)), (ssize_t)sizeof(child));
	CU_ASSERT_FATAL(child > 0);
	/* Its prctl() comes a moment after the fork */
	clock_sleep_ms(50);
	kill(parent, SIGKILL);
	waitpid(parent, NULL, 0);
	for (tries = 0; tries < 200; tries++) {
		char path[64], state = 'Z';
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%d/stat", (int)child);
		f = fopen(path, "r");
		if (!f)
			break;
		if (fscanf(f, "%*d %*s %c", &state) != 1)
			state = 'Z';
		fclose(f);
		if (state == 'Z')
			break;
		clock_sleep_ms(10);
	}
	UNIT_CHECK(tries < 200, "the child lives on");
	close(pipes[0]);
	close(pipes[1]);
}

struct sum {
	int a, b, sum;
};

static int add(void *arg)
{
	struct sum *sum = arg;

	sum->sum = sum->a + sum->b;
	return sum->b < 0 ? -ERANGE : 0;
}

/* What it finds out comes back */
static void test_call(void)
{
	struct sum sum = { 2, 3, 0 }, wrong = { 2, -3, 0 };

	CU_ASSERT_EQUAL(child_call(add, &sum, sizeof(sum), clock_ms() + 5000), 0);
	CU_ASSERT_EQUAL(sum.sum, 5);
	CU_ASSERT_EQUAL(child_call(add, &wrong, sizeof(wrong), clock_ms() + 5000), -ERANGE);
	CU_ASSERT_EQUAL(wrong.sum, -1);
	CU_ASSERT_EQUAL(child_call(sleep_long, &sum, sizeof(sum), clock_ms() + 20), -ETIMEDOUT);
}

/* What the parent has open is closed, but for one descriptor and stdio */
static int count_open(void *arg)
{
	int kept = child_keep_only(*(int *)arg), fd, n = 0;

	for (fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return kept == 3 && fcntl(3, F_GETFD) == FD_CLOEXEC && n == 4 ? 0 : -EINVAL;
}

static void test_keep_only(void)
{
	int fd[3], i, rc;

	for (i = 0; i < 3; i++)
		fd[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	for (i = 0; i < 3; i++) {
		rc = child_wait(child_start(count_open, &fd[i]), clock_ms() + 20000);
		UNIT_CHECK(rc == 0, "%d", rc);
		close(fd[i]);
	}
}

/* It is dead soon, and the parent has not waited for that */
static void test_let_go(void)
{
	uint64_t begin = clock_ms();
	pid_t pid = child_start(sleep_long, NULL);

	CU_ASSERT_FATAL(pid > 0);
	child_let_go(pid);
	CU_ASSERT(clock_ms() - begin < 5000);
	/* Reaped by now, or here */
	CU_ASSERT(waitpid(pid, NULL, 0) == pid || errno == ECHILD);
}

static CU_TestInfo tests[] = {
	{ "results", test_results },
	{ "the deadline", test_deadline },
	{ "signals while waiting", test_signals },
	{ "stopping", test_stop },
	{ "a child that is killed", test_killed },
	{ "stdio is /dev/null", test_stdio },
	{ "the parent dies", test_parent_dies },
	{ "a call", test_call },
	{ "only one descriptor is kept", test_keep_only },
	{ "a child that is let go", test_let_go },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_child", tests);
}
