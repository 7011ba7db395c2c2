// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * How short of memory a host is: stalls where the kernel counts them, what is available always.
 */
#include "pager/host_memory.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kernel/meminfo.h"
#include "kernel/psi.h"
#include "unit/unit.h"

#define STALLS(us)                                                                                 \
	"some avg10=1.00 avg60=0.00 avg300=0.00 total=" us "\n"                                    \
	"full avg10=0.00 avg60=0.00 avg300=0.00 total=7\n"

static struct kfs host_of(const char *root)
{
	struct kfs kfs;
	struct err err = { "" };

	if (!UNIT_CHECK(kfs_open(&kfs, root, &err) == 0, "%s", err.text))
		CU_FAIL_FATAL("no root");
	return kfs;
}

static void test_meminfo(void)
{
	static const struct {
		const char *text;
		int rc;
		uint64_t kib;
		int rc_total;
		uint64_t total;
	} rows[] = {
		{ "MemTotal: 100 kB\nMemFree: 1 kB\nMemAvailable:   42 kB\n", 0, 42, 0, 100 },
		{ "MemAvailable:   0 kB\n", 0, 0, -ENOENT, 0 },
		{ "MemTotal: 100 kB\nMemFree: 1 kB\n", -ENOENT, 0, 0, 100 },
		{ "MemAvailable: none\n", -ENOENT, 0, -ENOENT, 0 },
		{ "NodeMemTotal: 7 kB\nMemTotal:\t8 kB\n", -ENOENT, 0, 0, 8 },
		{ "", -ENOENT, 0, -ENOENT, 0 },
	};
	const char *root = unit_tmpdir();
	struct kfs kfs = host_of(root);
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		struct err err = { "" };
		uint64_t kib = 0;

		unit_write(root, "proc/meminfo", rows[i].text);
		UNIT_CHECK(meminfo_available(&kfs, &kib, &err) == rows[i].rc, "row %zu", i);
		UNIT_CHECK(kib == rows[i].kib, "row %zu: %llu", i, (unsigned long long)kib);
		UNIT_CHECK(!rows[i].rc == !*err.text, "row %zu: %s", i, err.text);
		kib = 0;
		UNIT_CHECK(meminfo_total(&kfs, &kib, NULL) == rows[i].rc_total, "row %zu", i);
		UNIT_CHECK(kib == rows[i].total, "row %zu: %llu", i, (unsigned long long)kib);
	}
	kfs_close(&kfs);
}

static void test_stalls(void)
{
	static const struct {
		const char *text;
		int rc;
		uint64_t us;
	} rows[] = {
		{ STALLS("681851977"), 0, 681851977 },
		{ STALLS("0"), 0, 0 },
		{ "full avg10=0.00 avg60=0.00 avg300=0.00 total=5\n", -EINVAL, 0 },
		{ "some avg10=0.00\n", -EINVAL, 0 },
		{ "some total=many\n", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
	};
	const char *root = unit_tmpdir();
	struct kfs kfs = host_of(root);
	uint64_t us = 0;
	size_t i;

	CU_ASSERT_EQUAL(psi_memory(&kfs, &us, NULL), -ENOENT);
	for (i = 0; i < ROWS(rows); i++) {
		us = 0;
		unit_write(root, "proc/pressure/memory", rows[i].text);
		UNIT_CHECK(psi_memory(&kfs, &us, NULL) == rows[i].rc, "row %zu", i);
		UNIT_CHECK(us == rows[i].us, "row %zu: %llu", i, (unsigned long long)us);
	}
	kfs_close(&kfs);
}

/* A captured file is not written to */
static void test_watch_captured(void)
{
	const char *root = unit_tmpdir();
	struct kfs kfs = host_of(root);
	struct err err = { "" };
	uint64_t us = 0;

	CU_ASSERT_EQUAL(psi_watch_memory(&kfs, 200000, 2000000, &err), -ENOENT);
	unit_write(root, "proc/pressure/memory", STALLS("3"));
	CU_ASSERT_EQUAL(psi_watch_memory(&kfs, 200000, 2000000, &err), -EOPNOTSUPP);
	UNIT_CHECK(strstr(err.text, "no file of a kernel") != NULL, "%s", err.text);
	CU_ASSERT(psi_memory(&kfs, &us, NULL) == 0 && us == 3);
	kfs_close(&kfs);
}

/* Not each kernel counts stalls, and a container may not watch them */
static void test_watch_kernel(void)
{
	struct kfs kfs = host_of("/");
	struct err err = { "" };
	uint64_t us, kib = 0;
	struct pollfd p = { .events = POLLPRI };

	CU_ASSERT(meminfo_available(&kfs, &kib, &err) == 0 && kib > 0);
	if (psi_memory(&kfs, &us, NULL) < 0) {
		puts("# this kernel does not count stalls for memory");
		CU_ASSERT(psi_watch_memory(&kfs, 200000, 2000000, &err) < 0);
		kfs_close(&kfs);
		return;
	}
	p.fd = psi_watch_memory(&kfs, 200000, 2000000, &err);
	if (p.fd < 0)
		printf("# stalls can't be watched here: %s\n", err.text);
	else
		CU_ASSERT(poll(&p, 1, 0) >= 0 && !(p.revents & (POLLERR | POLLNVAL)));
	if (p.fd >= 0)
		close(p.fd);
	kfs_close(&kfs);
}

/* As a share of the time between two looks */
static void test_look(void)
{
	static const struct {
		uint64_t now;
		const char *stalls;
		int percent;
	} rows[] = {
		{ 1000, STALLS("5000000"), -1 },   { 2000, STALLS("5250000"), 25 },
		{ 2100, STALLS("5350000"), 25 },   { 3000, STALLS("5250000"), 0 },
		{ 4000, STALLS("16250000"), 100 }, { 14000, STALLS("16250000"), 0 },
		{ 15000, "nonsense\n", -1 },	   { 16000, STALLS("90000000"), -1 },
		{ 17000, STALLS("90010000"), 1 },
	};
	const char *root = unit_tmpdir();
	struct kfs kfs = host_of(root);
	struct host_memory_look look;
	struct host_memory memory;
	struct err err = { "" };
	size_t i;

	host_memory_open(&memory, &kfs);
	CU_ASSERT_EQUAL(memory.trigger, -1);
	look.available_kib = 7;
	CU_ASSERT_EQUAL(host_memory_look(&memory, 500, &look, &err), -ENOENT);
	CU_ASSERT_EQUAL(look.available_kib, 7);
	unit_write(root, "proc/meminfo", "MemAvailable: 42 kB\n");
	CU_ASSERT_EQUAL(host_memory_look(&memory, 600, &look, &err), 0);
	CU_ASSERT(look.available_kib == 42 && look.stalled_percent == -1);
	for (i = 0; i < ROWS(rows); i++) {
		unit_write(root, "proc/pressure/memory", rows[i].stalls);
		CU_ASSERT_EQUAL(host_memory_look(&memory, rows[i].now, &look, &err), 0);
		UNIT_CHECK(look.stalled_percent == rows[i].percent, "row %zu: %d", i,
			   look.stalled_percent);
	}
	host_memory_close(&memory);
	kfs_close(&kfs);
}

static CU_TestInfo tests[] = {
	{ "what is available", test_meminfo },
	{ "for how long tasks waited", test_stalls },
	{ "a captured file is not watched", test_watch_captured },
	{ "this kernel's is, where it counts", test_watch_kernel },
	{ "a share of the time between two looks", test_look },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_host_memory", tests);
}
