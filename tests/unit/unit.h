/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What every unit test binary shares: its main, and ways to get at test data.
 *
 * A test file lists its functions and ends in one line:
 *
 *	static CU_TestInfo tests[] = {
 *		{ "sizes are read back", test_sizes },
 *		CU_TEST_INFO_NULL,
 *	};
 *
 *	int main(int argc, char **argv)
 *	{
 *		return unit_main(argc, argv, "test_hugepages", tests);
 *	}
 *
 * Use CU_ASSERT...() where the rest of a test still makes sense after a failure,
 * CU_ASSERT_..._FATAL() where it would crash.  In a loop over a table, UNIT_CHECK()
 * says which row it was.
 */
#ifndef MEMBACKING_TESTS_UNIT_H
#define MEMBACKING_TESTS_UNIT_H

#include <CUnit/CUnit.h>
#include <CUnit/TestDB.h>
#include <stdbool.h>
#include <stddef.h>

/* The compiler is told: the absolute path of tests/ */
#ifndef TESTS_DIR
#define TESTS_DIR "tests"
#endif

/**
 * unit_main() - Run tests and say how it went
 * @argv:	Optionally words; only tests whose name contains one of them run.  Or "2/3": the
 *		second of three parts of the tests
 * @name:	Of the test binary
 * @tests:	Ends with CU_TEST_INFO_NULL
 *
 * Prints "ok - TEST" or "not ok - TEST: FILE:LINE: EXPRESSION" per test, and
 * "NAME: N passed, N failed" last.
 *
 * Return: exit status; 0 only if at least one test ran and all passed
 */
int unit_main(int argc, char **argv, const char *name, CU_TestInfo *tests);

/* unit_main() for several groups, each with a set-up that may fail; ends with
 * CU_SUITE_INFO_NULL */
int unit_main_suites(int argc, char **argv, const char *name, CU_SuiteInfo *suites);

/* One of several tests that are linked together (tests/unit/together); without a name: the last */
struct unit_program {
	const char *name;
	int (*main)(int argc, char **argv);
};

/* The one by whose name this program is called */
int unit_main_of(int argc, char **argv, const struct unit_program *programs);

/* With UNIT_LONG in the environment, and not empty, tests that try a sample of their cases try all
 */
bool unit_long(void);

/**
 * unit_takes() - Does this form of a test try case @i of @n?
 * @every:	The short form takes the first case, the last, and one of so many between
 * @salt:	Of another row of a table others between
 */
bool unit_takes(size_t i, size_t n, size_t every, size_t salt);

/* How many rows a table has */
#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

/* A variable that @close gets where its block ends, however that is left */
#define UNIT_CLEANUP(close) __attribute__((cleanup(close)))

/**
 * UNIT_FIXTURE() - Declare @name, open it here and close it where the block ends
 * @open:	A call that fills it in
 *
 * Test files have a macro of their own for what they open again and again.
 */
#define UNIT_FIXTURE(type, name, close, open)                                                      \
	UNIT_CLEANUP(close) type name;                                                             \
	open

/**
 * UNIT_CHECK() - An assertion with words: UNIT_CHECK(rc == 0, "row %zu: %s", i, text)
 */
#define UNIT_CHECK(condition, ...)                                                                 \
	unit_check((condition), __FILE__, __LINE__, #condition, __VA_ARGS__)

/* UNIT_CHECK() of two strings, with both shown.  NULL equals only NULL */
#define UNIT_CHECK_STR(got, want, ...)                                                             \
	unit_check_str((got), (want), __FILE__, __LINE__, __VA_ARGS__)

/* Return: the condition, so that a row can be left: if (!UNIT_CHECK(...)) continue; */
bool unit_check(bool ok, const char *file, int line, const char *expression, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

bool unit_check_str(const char *got, const char *want, const char *file, int line, const char *fmt,
		    ...) __attribute__((format(printf, 5, 6)));

/**
 * unit_read() - A file of the tests directory, NUL-terminated
 * @name:	Relative to tests/: "guests/plain.xml"
 * @len:	May be NULL
 *
 * Return: to be freed.  A file that can't be read ends the test binary: the
 * tree is broken then, not the code under test.
 */
char *unit_read(const char *name, size_t *len);

/**
 * unit_tmpdir() - A new empty directory, removed when the binary ends
 * Return: absolute path, valid to the end
 */
const char *unit_tmpdir(void);

/* The same, on a disk: a file system in memory is another thing to ask for its source */
const char *unit_disk_tmpdir(void);

/**
 * unit_hold_up() - Take a lease on a file, so that each open() of it waits
 *
 * A disk that does not answer looks like that.  The open() waits until the descriptor is closed, at
 * most for the kernel's lease-break-time: 45 seconds.
 *
 * Return: the descriptor; -1: another has the file open
 */
int unit_hold_up(const char *path);

/* The end of a forked child: without the exit handlers of the test that it was, but with
 * what is counted by "make coverage" */
_Noreturn void unit_end_child(int status);

/* Write DIR/NAME with mode 0644, making directories on the way.  Ends the
 * binary on failure */
void unit_write(const char *dir, const char *name, const char *text);

#endif
