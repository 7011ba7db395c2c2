// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Paths of the administrator's: links that count, and links that do not.
 */
#include "memory/path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "unit/unit.h"

static int root_of(const char *dir)
{
	int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	CU_ASSERT_FATAL(fd >= 0);
	return fd;
}

/* "open" is a directory that others can write, "group" one that a group can */
static int make_tree(const char *dir)
{
	static const char *const dirs[] = { "real",	 "real/deep",	   "open",
					    "open/real", "open/real/deep", "group" };
	static const char *const links[][2] = {
		{ "real", "link" },	      { "/real", "absolute" },
		{ "../../..", "up" },	      { "loop", "loop" },
		{ "open/planted", "chain" },  { "open", "into" },
		{ "real/", "slash" },	      { "real/file", "to-file" },
		{ "/", "to-root" },	      { "/real", "open/planted" },
		{ "real", "open/relative" },  { "deep", "open/real/inner" },
		{ "/real", "group/planted" },
	};
	int root = root_of(dir);
	size_t i;

	for (i = 0; i < ROWS(dirs); i++)
		CU_ASSERT_EQUAL_FATAL(mkdirat(root, dirs[i], 0755), 0);
	for (i = 0; i < ROWS(links); i++)
		CU_ASSERT_EQUAL_FATAL(symlinkat(links[i][0], root, links[i][1]), 0);
	unit_write(dir, "real/file", "x");
	CU_ASSERT_EQUAL_FATAL(fchmodat(root, "open", 01777, 0), 0);
	CU_ASSERT_EQUAL_FATAL(fchmodat(root, "group", 0775, 0), 0);
	return root;
}

static void test_walk(void)
{
	static const struct {
		const char *path;
		int flags, rc;
		const char *name;
		bool trusted;
	} rows[] = {
		{ "/", O_DIRECTORY, 0, "/", true },
		{ "/real", O_DIRECTORY, 0, "/real", true },
		{ "real//./deep/", O_DIRECTORY, 0, "/real/deep", true },
		{ "/link/deep", O_DIRECTORY, 0, "/real/deep", true },
		{ "/absolute/deep", O_DIRECTORY, 0, "/real/deep", true },
		{ "/slash", O_DIRECTORY, 0, "/real", true },
		{ "/link", O_NOFOLLOW, 0, "/link", true },
		{ "/to-file", 0, 0, "/real/file", true },
		{ "/to-file/", 0, -ENOTDIR, NULL, true },
		{ "/to-root/real", 0, 0, "/real", true },
		{ "/to-root", O_DIRECTORY, 0, "/", true },
		{ "/real/deep/../deep", 0, 0, "/real/deep", true },
		/* "..", wherever it is, ends at the root that is asked */
		{ "/up/real", 0, 0, "/real", true },
		{ "/../../real", 0, 0, "/real", true },
		{ "/loop/x", 0, -ELOOP, NULL, true },
		{ "/none/x", 0, -ENOENT, NULL, true },
		{ "/real/file/x", 0, -ENOTDIR, NULL, true },
		/* Below what others can write: no link, and no way up */
		{ "/open", O_DIRECTORY, 0, "/open", true },
		{ "/open/real/deep", 0, 0, "/open/real/deep", false },
		{ "/into/real", 0, 0, "/open/real", false },
		{ "/open/planted", 0, -ELOOP, NULL, false },
		{ "/open/planted/deep", 0, -ELOOP, NULL, false },
		{ "/open/relative", 0, -ELOOP, NULL, false },
		{ "/open/real/inner", 0, -ELOOP, NULL, false },
		{ "/chain", 0, -ELOOP, NULL, false },
		{ "/into/planted", 0, -ELOOP, NULL, false },
		{ "/open/real/../real", 0, -ELOOP, NULL, false },
		{ "/group/planted", 0, -ELOOP, NULL, false },
	};
	const char *dir = unit_tmpdir();
	cleanup_close int root = make_tree(dir);
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		struct path found;
		cleanup_close int fd =
			path_open(root, rows[i].path, O_PATH | rows[i].flags, &found);

		UNIT_CHECK(rows[i].rc ? fd == rows[i].rc : fd >= 0, "%s gave %d", rows[i].path, fd);
		if (!rows[i].rc)
			UNIT_CHECK_STR(found.name, rows[i].name, "%s", rows[i].path);
		if (!rows[i].rc)
			UNIT_CHECK(found.trusted == rows[i].trusted, "%s", rows[i].path);
	}
}

/* A directory of another user's, which only root can make here */
static void test_owner(void)
{
	const char *dir = unit_tmpdir();
	cleanup_close int root = make_tree(dir);
	struct path found;
	int fd;

	if (geteuid() != 0)
		return;
	CU_ASSERT_EQUAL_FATAL(symlinkat("deep", root, "real/ram"), 0);
	fd = path_open(root, "/link/ram", O_PATH, &found);
	CU_ASSERT_TRUE(fd >= 0 && found.trusted);
	close(fd);
	CU_ASSERT_EQUAL_FATAL(fchownat(root, "real", 65534, 65534, 0), 0);
	CU_ASSERT_EQUAL(path_open(root, "/link/ram", O_PATH, &found), -ELOOP);
	fd = path_open(root, "/link/deep", O_PATH, &found);
	CU_ASSERT_TRUE(fd >= 0 && !found.trusted);
	close(fd);
}

static void test_long(void)
{
	static char path[2 * PATH_MAX];
	const char *dir = unit_tmpdir();
	cleanup_close int root = make_tree(dir);

	memset(path, 'n', sizeof(path) - 1);
	path[0] = '/';
	CU_ASSERT_EQUAL(path_open(root, path, O_PATH, NULL), -ENAMETOOLONG);
	path[NAME_MAX + 2] = '\0';
	CU_ASSERT_EQUAL(path_open(root, path, O_PATH, NULL), -ENAMETOOLONG);
	path[NAME_MAX + 1] = '\0';
	CU_ASSERT_EQUAL(path_open(root, path, O_PATH, NULL), -ENOENT);
}

static CU_TestInfo tests[] = {
	{ "which links count", test_walk },
	{ "whose directory it is", test_owner },
	{ "names that are too long", test_long },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_path", tests);
}
