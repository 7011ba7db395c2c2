// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pager/inject_thread.h"

#include <errno.h>
#include <stdio.h>
#include <sys/syscall.h>

#include "pager/process_fd.h"
#include "unit/unit.h"

#define PID 4711

/* As QEMU's threads have it; the C library keeps 32 and 33 open */
#define ALL_BLOCKED "fffffffe7ffbfa77"

struct row {
	const char *comm;
	const char *blocked;
	long call;
	const char *rest; /* of /proc/PID/task/TID/syscall */
};

static void write_thread(const char *dir, int tid, const struct row *row)
{
	char path[128], text[256];

	snprintf(path, sizeof(path), "proc/%d/task/%d/comm", PID, tid);
	snprintf(text, sizeof(text), "%s\n", row->comm);
	unit_write(dir, path, text);
	snprintf(path, sizeof(path), "proc/%d/task/%d/status", PID, tid);
	snprintf(text, sizeof(text), "Name:\t%s\nSigPnd:\t0000000000000000\nSigBlk:\t%s\n",
		 row->comm, row->blocked);
	unit_write(dir, path, text);
	snprintf(path, sizeof(path), "proc/%d/task/%d/syscall", PID, tid);
	if (row->call)
		snprintf(text, sizeof(text), "%ld %s\n", row->call, row->rest);
	else
		snprintf(text, sizeof(text), "%s\n", row->rest);
	unit_write(dir, path, text);
}

static int read_threads(struct inject_threads *threads, const char *dir)
{
	struct err err;
	struct kfs kfs;
	int rc;

	CU_ASSERT_EQUAL_FATAL(kfs_open(&kfs, dir, NULL), 0);
	rc = inject_threads_read(threads, &kfs, PID, &err);
	kfs_close(&kfs);
	return rc;
}

#define NO_TIMEOUT "0x5571 0x0 0x2 0x0 0x0 0x0 0x7f 0x7f"
#define TIMEOUT	   "0x5571 0x80 0x0 0x7f11 0x0 0x0 0x7f 0x7f"

static void test_choice(void)
{
	static const struct row rows[] = {
		/* Main: its TID is the process' own */
		{ "qemu-system-x86", ALL_BLOCKED, __NR_futex, NO_TIMEOUT },
		{ "CPU 0/KVM", ALL_BLOCKED, __NR_futex, NO_TIMEOUT },
		{ "IO mon_iothread", ALL_BLOCKED, __NR_ppoll, NO_TIMEOUT },
		{ "worker", ALL_BLOCKED, __NR_futex, TIMEOUT },
		{ "SPICE Worker", "0000000000000000", __NR_futex, NO_TIMEOUT },
		{ "qemu-system-x86", ALL_BLOCKED, __NR_futex, NO_TIMEOUT }, /* RCU's */
		{ "vnc_worker", ALL_BLOCKED, 0, "running" },
		{ "x", ALL_BLOCKED, 0, "-1 0x7f 0x7f" },
		{ "y", ALL_BLOCKED, __NR_epoll_pwait, NO_TIMEOUT },
		{ "ALL CPUs/TCG", ALL_BLOCKED, __NR_futex, NO_TIMEOUT },
		/* musl keeps one more signal open than glibc */
		{ "call_rcu", "fffffffc7ffbfa77", __NR_futex, NO_TIMEOUT },
		{ "z", ALL_BLOCKED, __NR_restart_syscall, "0x0 0x0 0x0 0x0 0x0 0x0 0x7f 0x7f" },
		/* SIGUSR1 is open */
		{ "u", "fffffffe7ffbf877", __NR_futex, NO_TIMEOUT },
	};
	const char *dir = unit_tmpdir();
	struct inject_threads threads;
	size_t i;

	for (i = 0; i < ROWS(rows); i++)
		write_thread(dir, PID + (int)i, &rows[i]);
	CU_ASSERT_EQUAL(read_threads(&threads, dir), 0);
	CU_ASSERT_EQUAL_FATAL(threads.n, 5);
	CU_ASSERT_EQUAL(threads.list[0], PID + 5);
	CU_ASSERT_EQUAL(threads.list[1], PID + 10);
	CU_ASSERT_EQUAL(threads.list[2], PID + 2);
	CU_ASSERT_EQUAL(threads.list[3], PID + 3);
	CU_ASSERT_EQUAL(threads.list[4], PID + 11);
}

static void test_none(void)
{
	static const struct row main_alone = { "qemu", ALL_BLOCKED, __NR_ppoll, NO_TIMEOUT };
	const char *dir = unit_tmpdir();
	struct inject_threads threads;

	CU_ASSERT_EQUAL(read_threads(&threads, dir), -ESRCH);
	write_thread(dir, PID, &main_alone);
	CU_ASSERT_EQUAL(read_threads(&threads, dir), 0);
	CU_ASSERT_EQUAL(threads.n, 0);
}

static void test_start_time(void)
{
	static const struct {
		const char *stat;
		int rc;
		uint64_t ticks;
	} rows[] = {
		{ "4711 (qemu) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 777 99 1\n", 0, 777 },
		{ "4711 (a) R 1 (b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 778 9\n", 0,
		  778 },
		{ "4711 (qemu) Z 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 777 0 0\n", -ESRCH,
		  0 },
		{ "4711 (qemu) S 1 2\n", -EINVAL, 0 },
		{ "4711 qemu\n", -EINVAL, 0 },
		{ NULL, -ESRCH, 0 },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		const char *dir = unit_tmpdir();
		uint64_t ticks = 0;
		struct err err;
		struct kfs kfs;
		int rc;

		unit_write(dir, "proc/1/stat", "");
		if (rows[i].stat)
			unit_write(dir, "proc/4711/stat", rows[i].stat);
		CU_ASSERT_EQUAL_FATAL(kfs_open(&kfs, dir, NULL), 0);
		rc = process_start_time(&kfs, PID, &ticks, &err);
		UNIT_CHECK(rc == rows[i].rc, "row %zu gave %d", i, rc);
		UNIT_CHECK(rc || ticks == rows[i].ticks, "row %zu: %llu", i,
			   (unsigned long long)ticks);
		kfs_close(&kfs);
	}
}

static CU_TestInfo tests[] = {
	{ "the best thread first, and no vCPU's", test_choice },
	{ "no thread but main", test_none },
	{ "when a process was started", test_start_time },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_inject_thread", tests);
}
