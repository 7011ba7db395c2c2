// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Reading KSM's files.
 */
#include "memory/ksm.h"

#include <errno.h>

#include "kernel/kfs.h"
#include "unit/unit.h"

#define KSM "sys/kernel/mm/ksm/"

static void open_host(struct kfs *kfs, const char *dir)
{
	CU_ASSERT_EQUAL_FATAL(kfs_open(kfs, dir, NULL), 0);
}

#define HOST(name, ...) UNIT_FIXTURE(struct kfs, name, kfs_close, open_host(&(name), __VA_ARGS__))

static void test_host(void)
{
	static const struct {
		const char *run;
		const char *profit; /* NULL: an older kernel */
		const char *sharing;
		int rc;
		int64_t saved_kib;
	} rows[] = {
		{ "0\n", "0\n", "0\n", 0, 0 },
		{ "1\n", "10485760\n", "999\n", 0, 10240 },
		{ "1\n", "-8192\n", "0\n", 0, -8 },
		{ "1\n", NULL, "256\n", 0, 1024 },
		{ "2\n", "many\n", "256\n", 0, 1024 },
		{ "1\n", "99999999999999999999\n", "0\n", 0, 0 },
		{ "1\n", NULL, NULL, -ENOENT, 0 },
		{ "running\n", "0\n", "0\n", -EINVAL, 0 },
		{ NULL, "0\n", "0\n", -ENOENT, 0 },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *dir = unit_tmpdir();
		struct ksm ksm = { .run = 77 };
		int rc;

		if (rows[i].run)
			unit_write(dir, KSM "run", rows[i].run);
		if (rows[i].profit)
			unit_write(dir, KSM "general_profit", rows[i].profit);
		if (rows[i].sharing)
			unit_write(dir, KSM "pages_sharing", rows[i].sharing);
		HOST(kfs, dir);
		rc = ksm_read(&kfs, &ksm, NULL);
		UNIT_CHECK(rc == rows[i].rc, "row %zu gave %d", i, rc);
		UNIT_CHECK(rc ? ksm.run == 77 : ksm.saved_kib == rows[i].saved_kib, "row %zu", i);
	}
}

static void test_process(void)
{
	const char *dir = unit_tmpdir();
	int64_t saved = 77;

	unit_write(dir, "proc/1/ksm_stat",
		   "ksm_rmap_items 5\nksm_merging_pages 2\nksm_process_profit 8192\n");
	unit_write(dir, "proc/2/ksm_stat", "ksm_rmap_items 5\nksm_process_profit -4096\n");
	unit_write(dir, "proc/3/ksm_stat", "ksm_rmap_items 5\n");
	unit_write(dir, "proc/3/ksm_merging_pages", "3\n");
	HOST(kfs, dir);
	CU_ASSERT_EQUAL(ksm_process_saved(&kfs, 1, &saved), 0);
	CU_ASSERT_EQUAL(saved, 8);
	CU_ASSERT_EQUAL(ksm_process_saved(&kfs, 2, &saved), 0);
	CU_ASSERT_EQUAL(saved, -4);
	CU_ASSERT_EQUAL(ksm_process_saved(&kfs, 3, &saved), 0);
	CU_ASSERT_EQUAL(saved, 12);
	CU_ASSERT_EQUAL(ksm_process_saved(&kfs, 4, &saved), -ENOENT);
	CU_ASSERT_EQUAL(saved, 12);
}

static void test_merged(void)
{
	const char *dir = unit_tmpdir();
	struct ksm_merged merged = { .shared = 77 };
	HOST(kfs, dir);

	CU_ASSERT_EQUAL(ksm_read_merged(&kfs, &merged, NULL), -ENOENT);
	CU_ASSERT_EQUAL(merged.shared, 77);
	unit_write(dir, KSM "pages_shared", "3\n");
	unit_write(dir, KSM "pages_sharing", "256\n");
	CU_ASSERT_EQUAL(ksm_read_merged(&kfs, &merged, NULL), 0);
	CU_ASSERT_EQUAL(merged.shared, 3);
	CU_ASSERT_EQUAL(merged.apart_kib, 1024);
	/* empty pages come apart as well */
	unit_write(dir, KSM "ksm_zero_pages", "512\n");
	CU_ASSERT_EQUAL(ksm_read_merged(&kfs, &merged, NULL), 0);
	CU_ASSERT_EQUAL(merged.apart_kib, 3072);
}

static void test_advisor(void)
{
	static const struct {
		const char *mode;
		bool has, advising;
	} rows[] = {
		{ NULL, false, false },
		{ "[none] scan-time\n", true, false },
		{ "none [scan-time]\n", true, true },
		{ "broken\n", false, false },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *dir = unit_tmpdir();
		bool advising = true;

		if (rows[i].mode)
			unit_write(dir, KSM "advisor_mode", rows[i].mode);
		HOST(kfs, dir);
		UNIT_CHECK(ksm_has_advisor(&kfs, &advising) == rows[i].has, "row %zu", i);
		UNIT_CHECK(advising == rows[i].advising, "row %zu", i);
	}
}

/* ksmd itself is replayed: where it has got to when we look */
static void test_rouse(void)
{
	static const struct {
		const char *passes, *pages, *least;
		int rc;
	} rows[] = {
		{ "8\n", "500\n", "500\n", 0 },
		{ "9\n", "30000\n", "500\n", 0 },
		/* it has not begun; after its first pass */
		{ "7\n", "500\n", "500\n", -ETIMEDOUT },
		{ "8\n", "10\n", "500\n", -ETIMEDOUT },
		{ NULL, "500\n", "500\n", -ETIMEDOUT },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *dir = unit_tmpdir();
		int rc;

		if (rows[i].passes)
			unit_write(dir, KSM "full_scans", rows[i].passes);
		unit_write(dir, KSM "pages_to_scan", rows[i].pages);
		unit_write(dir, KSM "advisor_min_pages_to_scan", rows[i].least);
		HOST(kfs, dir);
		UNIT_CHECK(ksm_passes(&kfs) ==
				   (rows[i].passes ? (uint64_t)(*rows[i].passes - '0') : 0),
			   "row %zu", i);
		rc = ksm_rouse_advisor(&kfs, 7);
		/* the real kernel's answer to MADV_MERGEABLE */
		UNIT_CHECK(rc == rows[i].rc || rc == -EINVAL, "row %zu gave %d", i, rc);
	}
}

static CU_TestInfo tests[] = {
	{ "what is merged", test_merged },
	{ "the advisor", test_advisor },
	{ "the advisor is roused", test_rouse },
	{ "what KSM saves on the host", test_host },
	{ "what KSM saves of a process", test_process },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_ksm", tests);
}
