// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The main of every unit test binary, and helpers for its tests.
 *
 * CU_basic_run_tests() is not used: it returns 0 even when assertions failed,
 * and does not count a suite whose set-up failed.  Results come from the failure
 * records instead, which have both.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* nftw() */
#endif
#include "unit/unit.h"

#include <CUnit/TestRun.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

/* More than this per test is noise */
#define FAILURES_SHOWN 20

static void die(const char *what, const char *object)
{
	fprintf(stderr, "unit: cannot %s '%s': %s\n", what, object, strerror(errno));
	exit(2);
}

static char *tmpdirs[128];
static size_t n_tmpdirs;
static pid_t tmpdirs_owner;

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	remove(path);
	return 0;
}

static void remove_tmpdirs(void)
{
	size_t i;

	/* A child that a test forked may run exit handlers as well */
	if (getpid() != tmpdirs_owner)
		return;
	for (i = 0; i < n_tmpdirs; i++) {
		nftw(tmpdirs[i], remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
		free(tmpdirs[i]);
	}
	n_tmpdirs = 0;
}

/* Thousands of small files are made and removed again: in memory that takes a third of
 * the time.  A container's /dev/shm may be too small */
static const char *tmpdirs_home(void)
{
	struct statfs fs;

	if (statfs("/dev/shm", &fs) == 0 && fs.f_type == TMPFS_MAGIC &&
	    fs.f_bavail >= (512 << 20) / (fsblkcnt_t)fs.f_bsize && access("/dev/shm", W_OK) == 0)
		return "/dev/shm";
	return "/tmp";
}

static const char *make_tmpdir(const char *home)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/membacking-unit-XXXXXX", home);
	if (n_tmpdirs == sizeof(tmpdirs) / sizeof(tmpdirs[0]) || !mkdtemp(path))
		die("make the temporary directory", path);
	if (!tmpdirs_owner) {
		tmpdirs_owner = getpid();
		atexit(remove_tmpdirs);
	}
	tmpdirs[n_tmpdirs] = strdup(path);
	if (!tmpdirs[n_tmpdirs])
		die("remember", path);
	return tmpdirs[n_tmpdirs++];
}

const char *unit_tmpdir(void)
{
	return make_tmpdir(tmpdirs_home());
}

/* On many distributions /tmp is in memory */
const char *unit_disk_tmpdir(void)
{
	return make_tmpdir("/var/tmp");
}

/* Its holder is told that it is waited for, by a signal that means nothing here */
int unit_hold_up(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd >= 0 && fcntl(fd, F_SETSIG, SIGURG) == 0 && fcntl(fd, F_SETLEASE, F_WRLCK) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

/* @used: where the part of @path begins that may be missing */
static void make_parents(char *path, size_t used)
{
	char *slash;

	for (slash = strchr(path + used, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			die("make", path);
		*slash = '/';
	}
}

static int open_new(const char *path)
{
	return open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
}

void unit_write(const char *dir, const char *name, const char *text)
{
	size_t len = strlen(text);
	char path[PATH_MAX];
	int fd;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, name) >= sizeof(path))
		die("name", name);
	fd = open_new(path);
	if (fd < 0 && errno == ENOENT) {
		make_parents(path, strlen(dir) + 1);
		fd = open_new(path);
	}
	if (fd < 0 || write(fd, text, len) != (ssize_t)len)
		die("write", path);
	/* Whatever the umask: who may write a file is what some tests are about */
	if (fchmod(fd, 0644) < 0)
		die("chmod", path);
	if (close(fd) < 0)
		die("close", path);
}

char *unit_read(const char *name, size_t *len)
{
	char path[PATH_MAX];
	char *buf = NULL;
	struct stat st;
	size_t got;
	FILE *f;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", TESTS_DIR, name) >= sizeof(path))
		die("name", name);
	f = fopen(path, "r");
	if (!f || fstat(fileno(f), &st) < 0)
		die("open", path);
	buf = malloc((size_t)st.st_size + 1);
	if (!buf)
		die("hold", path);
	got = fread(buf, 1, (size_t)st.st_size, f);
	if (ferror(f))
		die("read", path);
	fclose(f);
	buf[got] = '\0';
	if (len)
		*len = got;
	return buf;
}

bool unit_long(void)
{
	const char *set = getenv("UNIT_LONG");

	return set && *set;
}

bool unit_takes(size_t i, size_t n, size_t every, size_t salt)
{
	return unit_long() || i == 0 || i + 1 == n || (i + salt) % every == 0;
}

#ifdef UNIT_COVERAGE
void __gcov_dump(void);
#endif

void unit_end_child(int status)
{
#ifdef UNIT_COVERAGE
	__gcov_dump();
#endif
	_exit(status);
}

static bool record(bool ok, const char *file, int line, const char *what, const char *fmt,
		   va_list ap)
{
	char row[256], text[2048];

	vsnprintf(row, sizeof(row), fmt, ap);
	snprintf(text, sizeof(text), "%s [%s]", what, row);
	/* CUnit copies both strings */
	CU_assertImplementation(ok, (unsigned int)line, text, file, "", CU_FALSE);
	return ok;
}

bool unit_check(bool ok, const char *file, int line, const char *expression, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	record(ok, file, line, expression, fmt, ap);
	va_end(ap);
	return ok;
}

bool unit_check_str(const char *got, const char *want, const char *file, int line, const char *fmt,
		    ...)
{
	bool ok = got && want ? !strcmp(got, want) : got == want;
	char text[1700];
	va_list ap;

	snprintf(text, sizeof(text), "got \"%.800s\", want \"%.800s\"", got ? got : "(null)",
		 want ? want : "(null)");
	va_start(ap, fmt);
	record(ok, file, line, text, fmt, ap);
	va_end(ap);
	return ok;
}

/* Where we stand; CUnit's handlers get no pointer of ours */
static struct {
	unsigned int passed;
	unsigned int failed;
} score;

static void test_complete(const CU_pTest test, const CU_pSuite suite,
			  const CU_pFailureRecord failures)
{
	CU_pFailureRecord failure;
	unsigned int shown = 0;

	(void)suite;
	if (!failures) {
		score.passed++;
		printf("ok - %s\n", test->pName);
		return;
	}
	score.failed++;
	for (failure = failures; failure; failure = failure->pNext) {
		if (shown++ == FAILURES_SHOWN) {
			printf("not ok - %s: and more\n", test->pName);
			break;
		}
		printf("not ok - %s: %s:%u: %s\n", test->pName, failure->strFileName,
		       failure->uiLineNumber, failure->strCondition);
	}
}

static void suite_init_failed(const CU_pSuite suite)
{
	score.failed++;
	printf("not ok - %s: set-up failed\n", suite->pName);
}

static void suite_cleanup_failed(const CU_pSuite suite)
{
	score.failed++;
	printf("not ok - %s: clean-up failed\n", suite->pName);
}

static bool has_word(const char *name, int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++)
		if (strstr(name, argv[i]))
			return true;
	return argc < 2;
}

/* "2/3": the second, the fifth and so on */
static bool is_part(const char *word, unsigned int *part, unsigned int *parts)
{
	char rest;

	return sscanf(word, "%u/%u%c", part, parts, &rest) == 2 && *part && *part <= *parts;
}

static void choose(int argc, char **argv)
{
	unsigned int part, parts = 0, n = 0;
	CU_pSuite suite;
	CU_pTest test;

	if (argc != 2 || !is_part(argv[1], &part, &parts))
		parts = 0;
	for (suite = CU_get_registry()->pSuite; suite; suite = suite->pNext)
		for (test = suite->pTest; test; test = test->pNext)
			CU_set_test_active(test, parts ? n++ % parts == part - 1 :
							 has_word(test->pName, argc, argv));
}

int unit_main_suites(int argc, char **argv, const char *name, CU_SuiteInfo *suites)
{
	/* A test that crashes must not take the lines before it along */
	setvbuf(stdout, NULL, _IOLBF, 0);
	/* Ignored by what nohup, or a shell in the background, has started */
	signal(SIGINT, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	if (CU_initialize_registry() != CUE_SUCCESS || CU_register_suites(suites) != CUE_SUCCESS) {
		printf("not ok - %s: %s\n%s: 0 passed, 1 failed\n", name, CU_get_error_msg(), name);
		return 1;
	}
	choose(argc, argv);
	CU_set_fail_on_inactive(CU_FALSE);
	CU_set_test_complete_handler(test_complete);
	CU_set_suite_init_failure_handler(suite_init_failed);
	CU_set_suite_cleanup_failure_handler(suite_cleanup_failed);
	CU_run_all_tests();
	if (CU_get_number_of_failure_records() && !score.failed)
		score.failed++;
	CU_cleanup_registry();
	printf("%s: %u passed, %u failed\n", name, score.passed, score.failed);
	return score.failed || !score.passed ? 1 : 0;
}

int unit_main(int argc, char **argv, const char *name, CU_TestInfo *tests)
{
	CU_SuiteInfo suites[2];

	memset(suites, 0, sizeof(suites));
	suites[0].pName = name;
	suites[0].pTests = tests;
	return unit_main_suites(argc, argv, name, suites);
}

int unit_main_of(int argc, char **argv, const struct unit_program *programs)
{
	for (; programs->name; programs++)
		if (!strcmp(programs->name, program_invocation_short_name))
			return programs->main(argc, argv);
	printf("%s is none of the tests in here\n", program_invocation_short_name);
	return 1;
}
