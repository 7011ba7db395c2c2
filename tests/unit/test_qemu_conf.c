// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * qemu.conf: read as libvirt reads it.
 *
 * What is expected of memory_backing_dir was compared with libvirt's own parser
 * (virConfReadString(), virConfGetValueString()).
 */
#include "config/qemu_conf.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "unit/unit.h"

/* Text on the heap that ends where it ends: sanitizers see a read behind it */
static struct qemu_conf parse_bytes(const char *text, size_t len)
{
	cleanup_free char *copy = malloc(len ? len : 1);
	struct qemu_conf conf;

	CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
	memcpy(copy, text, len);
	qemu_conf_parse(copy, len, &conf);
	return conf;
}

static struct qemu_conf parse(const char *text)
{
	return parse_bytes(text, strlen(text));
}

#define DEFAULT "/var/lib/libvirt/qemu/ram"

static void test_memory_dir(void)
{
	static const struct {
		const char *text;
		const char *dir; /* NULL: unreadable */
		unsigned int line;
	} rows[] = {
		{ "", DEFAULT, 0 },
		{ "# memory_backing_dir = \"/a\"\n", DEFAULT, 0 },
		{ "memory_backing_dir = \"/a\"\n", "/a", 1 },
		{ "memory_backing_dir='/a'", "/a", 1 },
		{ "\n\n \t memory_backing_dir\t=\t\"/a\"  # mine\r\n", "/a", 3 },
		{ "memory_backing_dir = \"/a\"# mine", "/a", 1 },
		{ "memory_backing_dir = \"/a b # c\"", "/a b # c", 1 },
		{ "memory_backing_dir = '/a\"b'", "/a\"b", 1 },
		{ "memory_backing_dir = \"\"\"/a\"\"\"", "/a", 1 },
		{ "memory_backing_dir = \"/a///\"\n", "/a", 1 },
		{ "memory_backing_dir = \"/a/\"\n", "/a", 1 },
		{ "memory_backing_dir = \"//a//b/c//\"\n", "/a/b/c", 1 },
		{ "memory_backing_dir = \"///\"\n", "/", 1 },
		/* libvirt puts "/libvirt/qemu" behind whatever is there */
		{ "memory_backing_dir = \"\"\n", "/", 1 },
		{ "memory_backing_dir = \"/\"\n", "/", 1 },
		/* The first one counts */
		{ "memory_backing_dir = \"/a\"\nmemory_backing_dir = \"/b\"\n", "/a", 1 },
		{ "memory_backing_dir = 5\nmemory_backing_dir = \"/b\"\n", NULL, 1 },
		/* Several statements on a line */
		{ "user = \"x\" ; memory_backing_dir = \"/a\"; group = \"y\"", "/a", 1 },
		{ "x = 1 # ; memory_backing_dir = '/a'\n", DEFAULT, 0 },
		/* Values that have something like an assignment in them */
		{ "x = \"memory_backing_dir = 5\"\n", DEFAULT, 0 },
		{ "x = [ 'a',\n\t\"]\",\n 'memory_backing_dir = 1' ]\nmemory_backing_dir = '/b'",
		  "/b", 4 },
		{ "x = [\n\"memory_backing_dir = 1\",\n]\nmemory_backing_dir='/b'", "/b", 4 },
		{ "x = \"\"\"\nmemory_backing_dir = '/a'\n\"\"\"\nmemory_backing_dir = '/b'\n",
		  "/b", 4 },
		/* Other names */
		{ "memory_backing_dirs = '/a'\nxmemory_backing_dir = '/a'\n"
		  "memory_backing = '/a'\nMemory_backing_dir = '/a'\n",
		  DEFAULT, 0 },
		/* What can't be used */
		{ "memory_backing_dir = [ \"/a\" ]\n", NULL, 1 },
		{ "memory_backing_dir = /a\n", NULL, 1 },
		{ "memory_backing_dir = \n\"/a\"\n", NULL, 1 },
		{ "memory_backing_dir = \"/a\n", NULL, 1 },
		{ "\nmemory_backing_dir =", NULL, 2 },
		{ "memory_backing_dir = \"a\"\n", NULL, 1 },
		{ "memory_backing_dir = \"\"\"/a\n\"\"\"\n", NULL, 1 },
		{ "memory_backing_dir = \"\"\"/a\n", NULL, 1 },
		{ "memory_backing_dir = \"/a\033[2J\"\n", NULL, 1 },
		/* Mistakes elsewhere, with which libvirt would not start */
		{ "rubbish\n\n= 5\n[x]\nx y = 3\nmemory_backing_dir = \"/a\"\n", "/a", 6 },
		{ "x = \"/b\nmemory_backing_dir = \"/a\"\n", "/a", 2 },
		{ "memory_backing_dir\nmemory_backing_dir \"/a\"\n", DEFAULT, 0 },
		{ "x = [ 'a'\nmemory_backing_dir = \"/a\"\n", DEFAULT, 0 },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		struct qemu_conf conf = parse(rows[i].text);

		UNIT_CHECK(conf.memory_backing_line == rows[i].line, "%s: line %u", rows[i].text,
			   conf.memory_backing_line);
		UNIT_CHECK(conf.memory_backing_unreadable == !rows[i].dir, "%s", rows[i].text);
		UNIT_CHECK_STR(qemu_conf_memory_dir(&conf), rows[i].dir ? rows[i].dir : DEFAULT,
			       "%s", rows[i].text);
		UNIT_CHECK_STR(qemu_conf_memory_below(&conf),
			       *conf.memory_backing_dir ? "libvirt/qemu" : "", "%s", rows[i].text);
	}
}

static void test_long_memory_dir(void)
{
	size_t len;

	for (len = QEMU_CONF_PATH_SIZE - 2; len < QEMU_CONF_PATH_SIZE + 2; len++) {
		char path[QEMU_CONF_PATH_SIZE + 2], text[QEMU_CONF_PATH_SIZE + 60];
		struct qemu_conf conf;

		memset(path, 'x', len);
		path[0] = '/';
		path[len] = '\0';
		snprintf(text, sizeof(text), "\nmemory_backing_dir = '%s'\n", path);
		conf = parse(text);
		UNIT_CHECK(conf.memory_backing_line == 2, "%zu", len);
		UNIT_CHECK(conf.memory_backing_unreadable == (len >= QEMU_CONF_PATH_SIZE), "%zu",
			   len);
		UNIT_CHECK_STR(conf.memory_backing_dir, len < QEMU_CONF_PATH_SIZE ? path : "",
			       "%zu", len);
	}
}

static void test_nul(void)
{
	static const char text[] = "\0\0\nmemory_backing_dir = \"/a\0\"\n\0user = 'u'\n";
	struct qemu_conf conf = parse_bytes(text, sizeof(text) - 1);

	CU_ASSERT_TRUE(conf.memory_backing_unreadable);
	CU_ASSERT_EQUAL(conf.memory_backing_line, 2);
	CU_ASSERT_STRING_EQUAL(conf.user, "");
}

static void test_others(void)
{
	struct qemu_conf conf = parse("#user = \"x\"\nuser = \"libvirt-qemu\"\nuser='root'\n"
				      "group = '+107' # kvm\nhugetlbfs_mount = [\n\"/h\"\n]\n");

	CU_ASSERT_STRING_EQUAL(conf.user, "libvirt-qemu");
	CU_ASSERT_STRING_EQUAL(conf.group, "+107");
	CU_ASSERT_TRUE(conf.hugetlbfs_mount && !conf.hugetlbfs_off);
	conf = parse("hugetlbfs_mount = \"\"\n");
	CU_ASSERT_TRUE(conf.hugetlbfs_mount && conf.hugetlbfs_off);
	conf = parse("hugetlbfs_mount = \"/h\"\n");
	CU_ASSERT_TRUE(conf.hugetlbfs_mount && !conf.hugetlbfs_off);
	CU_ASSERT_EQUAL(conf.n_hugetlbfs, 1);
	CU_ASSERT_STRING_EQUAL(conf.hugetlbfs[0], "/h");
	conf = parse(
		"hugetlbfs_mount = [ \"/dev//hugepages/\", # 2 MiB, \"/not\"\n  '/h1G', ] # done\n"
		"hugetlbfs_mount = \"/later\"\nuser = \"u\"\n");
	CU_ASSERT_EQUAL_FATAL(conf.n_hugetlbfs, 2);
	CU_ASSERT_STRING_EQUAL(conf.hugetlbfs[0], "/dev/hugepages");
	CU_ASSERT_STRING_EQUAL(conf.hugetlbfs[1], "/h1G");
	CU_ASSERT_STRING_EQUAL(conf.user, "u");
	conf = parse("hugetlbfs_mount = \"/h\" # a comment\n");
	CU_ASSERT_STRING_EQUAL(conf.hugetlbfs[0], "/h");
	conf = parse("hugetlbfs_mount = [ ]\n");
	CU_ASSERT_TRUE(conf.hugetlbfs_mount && conf.hugetlbfs_off);
	conf = parse("hugetlbfs_mount = [\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\"]\n");
	CU_ASSERT_EQUAL(conf.n_hugetlbfs, QEMU_CONF_HUGETLBFS_MAX);
	conf = parse("# hugetlbfs_mount = \"\"\nuser = 5\ngroup = [ 'a' ]\n");
	CU_ASSERT_FALSE(conf.hugetlbfs_mount);
	CU_ASSERT_STRING_EQUAL(conf.user, "");
	CU_ASSERT_STRING_EQUAL(conf.group, "");
}

/* Every beginning of a file with everything in it */
static void test_cut(void)
{
	static const char text[] = "user = 'u'; x = [ 'a', \"]\" ]\ny = \"\"\"z\n\"\"\"\n"
				   "memory_backing_dir = \"/a\" # c\n";
	size_t len;

	for (len = 0; len < sizeof(text); len++) {
		struct qemu_conf conf = parse_bytes(text, len);

		UNIT_CHECK(conf.memory_backing_line == 0 || conf.memory_backing_line == 4, "%zu",
			   len);
	}
}

static struct qemu_conf load(const char *root)
{
	cleanup_close int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct qemu_conf conf;

	CU_ASSERT_FATAL(fd >= 0);
	qemu_conf_load(fd, &conf);
	return conf;
}

static void test_load(void)
{
	const char *root = unit_tmpdir();
	char path[4096], target[4096];
	struct qemu_conf conf = load(root);

	CU_ASSERT_FALSE(conf.memory_backing_unreadable);
	CU_ASSERT_STRING_EQUAL(qemu_conf_memory_dir(&conf), DEFAULT);
	unit_write(root, QEMU_CONF_FILE, "memory_backing_dir = '/a'\n");
	conf = load(root);
	CU_ASSERT_STRING_EQUAL(qemu_conf_memory_dir(&conf), "/a");

	/* A link, as configuration managers make them, is what libvirt reads, too */
	snprintf(path, sizeof(path), "%s/%s", root, QEMU_CONF_FILE);
	snprintf(target, sizeof(target), "%s/real", root);
	CU_ASSERT_EQUAL_FATAL(rename(path, target), 0);
	CU_ASSERT_EQUAL_FATAL(symlink(target, path), 0);
	conf = load(root);
	CU_ASSERT_STRING_EQUAL(qemu_conf_memory_dir(&conf), "/a");

	/* Who can write there could send us anywhere: nothing is known, rather */
	CU_ASSERT_EQUAL_FATAL(chmod(target, 0666), 0);
	conf = load(root);
	CU_ASSERT_TRUE(conf.memory_backing_unreadable);
	CU_ASSERT_EQUAL(conf.memory_backing_line, 0);
}

static CU_TestInfo tests[] = {
	{ "memory_backing_dir", test_memory_dir },
	{ "a long memory_backing_dir", test_long_memory_dir },
	{ "NUL bytes", test_nul },
	{ "user, group, hugetlbfs_mount", test_others },
	{ "a file that ends anywhere", test_cut },
	{ "the file itself", test_load },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_qemu_conf", tests);
}
