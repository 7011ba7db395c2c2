// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Reading the settings of transparent huge pages.
 */
#include "memory/thp.h"

#include <errno.h>

#include "kernel/kfs.h"
#include "unit/unit.h"

#define THP "sys/kernel/mm/transparent_hugepage/"

static void test_read(void)
{
	static const struct {
		const char *enabled;
		const char *shmem; /* NULL: a kernel without */
		int rc;
		const char *enabled_word;
		const char *shmem_word;
	} rows[] = {
		{ "always [madvise] never\n", "always within_size advise [never] deny force\n", 0,
		  "madvise", "never" },
		{ "[always] madvise never\n", "always [within_size] advise never\n", 0, "always",
		  "within_size" },
		{ "always madvise [never]\n", NULL, 0, "never", "" },
		{ "always madvise never\n", NULL, -EINVAL, "", "" },
		{ "always [madvise\n", NULL, -EINVAL, "", "" },
		{ "] [\n", NULL, -EINVAL, "", "" },
		{ "[a-word-that-is-longer-than-any-word-there-is]\n", NULL, -EINVAL, "", "" },
		{ "[a-word-of-just-31-characters-xx]\n", NULL, 0, "a-word-of-just-31-characters-xx",
		  "" },
		{ "[madvise]\n", "nothing\n", -EINVAL, "", "" },
		{ "", NULL, -EINVAL, "", "" },
		{ NULL, NULL, -ENOENT, "", "" },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *dir = unit_tmpdir();
		struct thp thp = { 0 };
		struct kfs kfs;
		int rc;

		if (rows[i].enabled)
			unit_write(dir, THP "enabled", rows[i].enabled);
		if (rows[i].shmem)
			unit_write(dir, THP "shmem_enabled", rows[i].shmem);
		CU_ASSERT_EQUAL_FATAL(kfs_open(&kfs, dir, NULL), 0);
		rc = thp_read(&kfs, &thp, NULL);
		UNIT_CHECK(rc == rows[i].rc, "row %zu gave %d", i, rc);
		UNIT_CHECK_STR(thp.enabled, rows[i].enabled_word, "row %zu", i);
		UNIT_CHECK_STR(thp.defrag, "", "row %zu", i);
		UNIT_CHECK_STR(thp.shmem_enabled, rows[i].shmem_word, "row %zu", i);
		kfs_close(&kfs);
	}
}

static void test_process(void)
{
	const char *dir = unit_tmpdir();
	struct thp_process process = { .resident_kib = 77 };
	struct kfs kfs;

	unit_write(dir, "proc/1/smaps_rollup",
		   "55d0-7ffc ---p 00000000 00:00 0                 [rollup]\n"
		   "Rss:             2097152 kB\nPss:             1048576 kB\n"
		   "Pss_Anon:              7 kB\nAnonHugePages:    524288 kB\n"
		   "ShmemPmdMapped:     4096 kB\nFilePmdMapped:         9 kB\n");
	unit_write(dir, "proc/2/smaps_rollup", "Rss: some kB\n");
	CU_ASSERT_EQUAL_FATAL(kfs_open(&kfs, dir, NULL), 0);
	CU_ASSERT_EQUAL(thp_process(&kfs, 3, &process, NULL), -ENOENT);
	CU_ASSERT_EQUAL(process.resident_kib, 77);
	CU_ASSERT_EQUAL(thp_process(&kfs, 1, &process, NULL), 0);
	CU_ASSERT_EQUAL(process.resident_kib, 2097152);
	CU_ASSERT_EQUAL(process.anon_kib, 524288);
	CU_ASSERT_EQUAL(process.shmem_kib, 4096);
	/* a kernel without THP has no such lines */
	CU_ASSERT_EQUAL(thp_process(&kfs, 2, &process, NULL), 0);
	CU_ASSERT_EQUAL(process.anon_kib, 0);
	kfs_close(&kfs);
}

static void test_shmem_huge(void)
{
	static const struct {
		const char *general, *size_2m, *size_64k;
		const char *says;
	} rows[] = {
		{ NULL, NULL, NULL, "" },
		{ "always within_size advise [never] deny force\n", NULL, NULL, "" },
		{ "always within_size advise never [deny] force\n", NULL, NULL, "" },
		{ "always within_size [advise] never deny force\n", NULL, NULL,
		  "shmem_enabled is 'advise'" },
		{ "always within_size advise [never] deny force\n",
		  "always [inherit] within_size advise never\n",
		  "always inherit within_size advise [never]\n", "" },
		{ "always within_size advise [never] deny force\n",
		  "always [inherit] within_size advise never\n",
		  "always inherit [within_size] advise never\n",
		  "hugepages-64kB/shmem_enabled is 'within_size'" },
		{ "always within_size advise never [deny] force\n",
		  "[always] inherit within_size advise never\n", NULL, "" },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		const char *dir = unit_tmpdir();
		char setting[THP_SETTING_SIZE] = "?";
		struct kfs kfs;

		unit_write(dir, "sys/note", "");
		if (rows[i].general)
			unit_write(dir, THP "shmem_enabled", rows[i].general);
		if (rows[i].size_2m)
			unit_write(dir, THP "hugepages-2048kB/shmem_enabled", rows[i].size_2m);
		if (rows[i].size_64k)
			unit_write(dir, THP "hugepages-64kB/shmem_enabled", rows[i].size_64k);
		CU_ASSERT_EQUAL_FATAL(kfs_open(&kfs, dir, NULL), 0);
		CU_ASSERT_EQUAL(thp_shmem_huge(&kfs, setting, NULL), 0);
		UNIT_CHECK_STR(setting, rows[i].says, "row %zu", i);
		kfs_close(&kfs);
	}
}

/* No answer is not "never" */
static void test_shmem_unknown(void)
{
	const char *dir = unit_tmpdir();
	char setting[THP_SETTING_SIZE];
	struct kfs kfs;

	unit_write(dir, THP "shmem_enabled", "perhaps\n");
	CU_ASSERT_EQUAL_FATAL(kfs_open(&kfs, dir, NULL), 0);
	CU_ASSERT_EQUAL(thp_shmem_huge(&kfs, setting, NULL), -EINVAL);
	unit_write(dir, THP "shmem_enabled", "[never]\n");
	unit_write(dir, THP "hugepages-64kB/shmem_enabled", "perhaps\n");
	CU_ASSERT_EQUAL(thp_shmem_huge(&kfs, setting, NULL), -EINVAL);
	kfs_close(&kfs);
}

static CU_TestInfo tests[] = {
	{ "huge pages for memfds that can't be told", test_shmem_unknown },
	{ "huge pages for memfds", test_shmem_huge },
	{ "the word in brackets", test_read },
	{ "what a process has", test_process },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_thp", tests);
}
