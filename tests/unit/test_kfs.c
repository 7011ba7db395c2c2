// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The door to /sys and /proc: whole values, short ones, errors.
 */
#include "kernel/kfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "unit/unit.h"

static struct kfs open_root(const char *root)
{
	struct kfs kfs;
	struct err err = { "" };

	if (!UNIT_CHECK(kfs_open(&kfs, root, &err) == 0, "%s", err.text))
		CU_FAIL_FATAL("no root");
	return kfs;
}

static void test_open(void)
{
	const char *root = unit_tmpdir();
	struct err err = { "" };
	char path[512];
	struct kfs kfs;

	unit_write(root, "file", "");
	snprintf(path, sizeof(path), "%s/file", root);
	CU_ASSERT_EQUAL(kfs_open(&kfs, path, &err), -ENOTDIR);
	UNIT_CHECK(strstr(err.text, path), "%s", err.text);
	snprintf(path, sizeof(path), "%s/missing", root);
	CU_ASSERT_EQUAL(kfs_open(&kfs, path, &err), -ENOENT);
	kfs = open_root(root);
	kfs_close(&kfs);
	CU_ASSERT_EQUAL(kfs.rootfd, -1);
	kfs_close(&kfs);
}

static void test_read(void)
{
	static const struct {
		const char *text;
		size_t size;
		int rc;
		const char *want;
	} rows[] = {
		{ "", 16, 0, "" },
		{ "\n", 16, 0, "" },
		{ "12\n", 16, 0, "12" },
		{ "12", 16, 0, "12" },
		{ "12\n\n", 16, 0, "12\n" },
		{ "two\nlines\n", 16, 0, "two\nlines" },
		{ "fifteen bytes..", 16, 0, "fifteen bytes.." },
		{ "sixteen bytes...", 16, -EFBIG, NULL },
		{ "far more than sixteen bytes", 16, -EFBIG, NULL },
	};
	const char *root = unit_tmpdir();
	UNIT_CLEANUP(kfs_close) struct kfs kfs = open_root(root);
	struct err err = { "" };
	char buf[64], text[128];
	bool there = false;
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		unit_write(root, "sys/x", rows[i].text);
		UNIT_CHECK(kfs_read(&kfs, "sys/x", buf, rows[i].size, &err) == rows[i].rc,
			   "%zu: %s", i, err.text);
		if (!rows[i].rc)
			UNIT_CHECK_STR(buf, rows[i].want, "%zu", i);
	}
	CU_ASSERT_EQUAL(kfs_read(&kfs, "sys/none", buf, sizeof(buf), &err), -ENOENT);
	UNIT_CHECK_STR(err.text, "cannot open /sys/none: No such file or directory", "sentence");
	CU_ASSERT_EQUAL(kfs_read(&kfs, "sys", buf, sizeof(buf), &err), -EISDIR);
	CU_ASSERT_TRUE(kfs_exists(&kfs, "sys/x"));
	CU_ASSERT_FALSE(kfs_exists(&kfs, "sys/none"));
	CU_ASSERT_EQUAL(kfs_look(&kfs, "sys/x", &there, &err), 0);
	CU_ASSERT_TRUE(there);
	CU_ASSERT_EQUAL_FATAL(symlinkat("loop", kfs.rootfd, "loop"), 0);
	CU_ASSERT_EQUAL(kfs_look(&kfs, "loop", &there, &err), -ELOOP);
	snprintf(text, sizeof(text), "cannot look for /loop: %s", err_text(ELOOP));
	UNIT_CHECK_STR(err.text, text, "no");
	CU_ASSERT_TRUE(there);
	CU_ASSERT_EQUAL(kfs_look(&kfs, "sys/x/y", &there, &err), 0);
	CU_ASSERT_FALSE(there);
}

static void test_u64(void)
{
	static const struct {
		const char *text;
		int rc;
		uint64_t value;
	} rows[] = {
		{ "0\n", 0, 0 },
		{ "512\n", 0, 512 },
		{ "18446744073709551615\n", 0, UINT64_MAX },
		{ "18446744073709551616\n", -ERANGE, 0 },
		{ "-1\n", -EINVAL, 0 },
		{ "\n", -EINVAL, 0 },
		{ "12 kB\n", -EINVAL, 0 },
	};
	const char *root = unit_tmpdir();
	UNIT_CLEANUP(kfs_close) struct kfs kfs = open_root(root);
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		uint64_t value = 77;

		unit_write(root, "n", rows[i].text);
		UNIT_CHECK(kfs_read_u64(&kfs, "n", &value, NULL) == rows[i].rc, "%zu", i);
		UNIT_CHECK(value == (rows[i].rc ? 77 : rows[i].value), "%zu", i);
	}
}

static int refuse(const struct kfs *kfs, const char *path, const char *text)
{
	(void)path;
	(void)text;
	++*(int *)kfs->data;
	return -EINVAL;
}

static void test_write(void)
{
	const char *root = unit_tmpdir();
	UNIT_CLEANUP(kfs_close) struct kfs kfs = open_root(root);
	struct err err = { "" };
	char buf[64];
	int calls = 0;

	unit_write(root, "sys/n", "12345\n");
	CU_ASSERT_EQUAL(kfs_write_u64(&kfs, "sys/n", 99999, &err), 0);
	CU_ASSERT_EQUAL(kfs_read(&kfs, "sys/n", buf, sizeof(buf), &err), 0);
	UNIT_CHECK_STR(buf, "99999", "read back");
	/* Never creates what the kernel doesn't have */
	CU_ASSERT_EQUAL(kfs_write(&kfs, "sys/none", "1", &err), -ENOENT);
	CU_ASSERT_FALSE(kfs_exists(&kfs, "sys/none"));
	kfs.write = refuse;
	kfs.data = &calls;
	CU_ASSERT_EQUAL(kfs_write_u64(&kfs, "sys/n", 7, &err), -EINVAL);
	UNIT_CHECK_STR(err.text, "cannot write '7' to /sys/n: Invalid argument", "sentence");
	CU_ASSERT_EQUAL(calls, 1);
}

static void test_list(void)
{
	static const char *const names[] = {
		"hugepages-2048kB/x", "hugepages-1048576kB/x",
		"hugepages-64kB/x",   "hugepages-kB/x",
		"hugepages-12/x",     "hugepages--1kB/x",
		"hugepages- 1kB/x",   "xhugepages-5kB/x",
		"hugepages-7kBx/x",   "hugepages-99999999999999999999999kB/x",
	};
	const char *root = unit_tmpdir();
	UNIT_CLEANUP(kfs_close) struct kfs kfs = open_root(root);
	cleanup_free uint64_t *list = NULL;
	struct err err = { "" };
	char path[128];
	size_t i;

	for (i = 0; i < ROWS(names); i++) {
		snprintf(path, sizeof(path), "d/%s", names[i]);
		unit_write(root, path, "");
	}
	CU_ASSERT_EQUAL_FATAL(kfs_list_numbers(&kfs, "d", "hugepages-", "kB", &list, &err), 3);
	CU_ASSERT(list[0] == 64 && list[1] == 2048 && list[2] == 1048576);
	free(list);
	list = NULL;
	for (i = 0; i < 100; i++) {
		snprintf(path, sizeof(path), "many/node%zu/x", 99 - i);
		unit_write(root, path, "");
	}
	CU_ASSERT_EQUAL_FATAL(kfs_list_numbers(&kfs, "many", "node", "", &list, &err), 100);
	for (i = 0; i < 100; i++)
		UNIT_CHECK(list[i] == i, "%zu", i);
	CU_ASSERT_EQUAL(kfs_list_numbers(&kfs, "none", "", "", &list, &err), -ENOENT);
}

static int note_name(const char *name, void *arg)
{
	strcat(arg, name);
	return strcmp(name, "stop") == 0 ? 7 : 0;
}

static void test_names(void)
{
	const char *root = unit_tmpdir();
	UNIT_CLEANUP(kfs_close) struct kfs kfs = open_root(root);
	struct err err = { "" };
	char names[64] = "";

	unit_write(root, "d/one", "");
	unit_write(root, "d/.hidden", "");
	CU_ASSERT_EQUAL(kfs_each_name(&kfs, "d", note_name, names, &err), 0);
	UNIT_CHECK_STR(names, "one", "names");
	unit_write(root, "e/stop", "");
	CU_ASSERT_EQUAL(kfs_each_name(&kfs, "e", note_name, names, &err), 7);
	CU_ASSERT_EQUAL(kfs_each_name(&kfs, "none", note_name, names, &err), -ENOENT);
	UNIT_CHECK_STR(err.text, "cannot open /none: No such file or directory", "sentence");
}

static void test_stream(void)
{
	const char *root = unit_tmpdir();
	UNIT_CLEANUP(kfs_close) struct kfs kfs = open_root(root);
	char line[64];
	FILE *f;

	unit_write(root, "f", "one\ntwo\n");
	f = kfs_stream(&kfs, "f");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	CU_ASSERT_PTR_NOT_NULL(fgets(line, sizeof(line), f));
	UNIT_CHECK_STR(line, "one\n", "line");
	CU_ASSERT(fcntl(fileno(f), F_GETFD) & FD_CLOEXEC);
	fclose(f);
	errno = 0;
	CU_ASSERT_PTR_NULL(kfs_stream(&kfs, "none"));
	CU_ASSERT_EQUAL(errno, ENOENT);
}

static CU_TestInfo tests[] = {
	{ "a root directory", test_open }, { "small files", test_read },
	{ "numbers", test_u64 },	   { "writes", test_write },
	{ "numbers in names", test_list }, { "names", test_names },
	{ "streams", test_stream },	   CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_kfs", tests);
}
