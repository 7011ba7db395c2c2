// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Files and directories as others may have left them: links, FIFOs, devices,
 * wrong owners, too much of everything.
 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "unit/own_mounts.h"
#include "unit/unit.h"

/* Large enough for every content here */
#define ENOUGH 65536

static int open_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	CU_ASSERT_FATAL(fd >= 0);
	return fd;
}

static void test_read(void)
{
	const char *dir = unit_tmpdir();
	cleanup_close int fd = open_dir(dir);
	cleanup_free char *text = NULL, *empty = NULL;
	struct err err = { "" };
	size_t len = 0;

	unit_write(dir, "a", "hello\n");
	unit_write(dir, "empty", "");
	CU_ASSERT_EQUAL(file_read_at(fd, "a", ENOUGH, &text, &len, &err), 0);
	CU_ASSERT_EQUAL(len, 6);
	UNIT_CHECK_STR(text, "hello\n", "content");
	CU_ASSERT_EQUAL(file_read_at(fd, "empty", ENOUGH, &empty, NULL, &err), 0);
	UNIT_CHECK_STR(empty, "", "empty");
}

/* st_size of such a file is 0 */
static void test_read_proc(void)
{
	cleanup_free char *text = NULL;
	size_t len = 0;

	CU_ASSERT_EQUAL(file_read_at(AT_FDCWD, "/proc/self/status", ENOUGH, &text, &len, NULL), 0);
	CU_ASSERT_TRUE(len > 100);
	CU_ASSERT_PTR_NOT_NULL(text ? strstr(text, "Pid:") : NULL);
}

static void test_bounds(void)
{
	const char *dir = unit_tmpdir();
	cleanup_close int fd = open_dir(dir);
	cleanup_free char *fits = NULL;
	char *text = NULL;
	struct err err = { "" };

	unit_write(dir, "ten", "0123456789");
	CU_ASSERT_EQUAL(file_read_at(fd, "ten", 10, &fits, NULL, &err), 0);
	CU_ASSERT_EQUAL(file_read_at(fd, "ten", 9, &text, NULL, &err), -EFBIG);
	UNIT_CHECK_STR(err.text, "ten: larger than 9 bytes, which is the most accepted here",
		       "why");
	/* The bound holds where the size is not known beforehand, too */
	CU_ASSERT_EQUAL(file_read_at(AT_FDCWD, "/proc/self/status", 9, &text, NULL, &err), -EFBIG);
	CU_ASSERT_PTR_NULL(text);
}

static void test_not_regular(void)
{
	static const struct {
		const char *name;
		int rc;
		const char *sentence;
	} rows[] = {
		{ "none", -ENOENT, "none: cannot open: No such file or directory" },
		{ "link", -ELOOP, "link: is a symbolic link, which is not followed" },
		{ "dangling", -ELOOP, "dangling: is a symbolic link, which is not followed" },
		{ "fifo", -EINVAL, "fifo: is not a regular file" },
		{ "dir", -EINVAL, "dir: is not a regular file" },
		{ "/dev/zero", -EINVAL, "/dev/zero: is not a regular file" },
	};
	const char *dir = unit_tmpdir();
	cleanup_close int fd = open_dir(dir);
	char *text = NULL;
	size_t i;

	unit_write(dir, "real", "x");
	CU_ASSERT_EQUAL_FATAL(symlinkat("real", fd, "link"), 0);
	CU_ASSERT_EQUAL_FATAL(symlinkat("nowhere", fd, "dangling"), 0);
	CU_ASSERT_EQUAL_FATAL(mkfifoat(fd, "fifo", 0644), 0);
	CU_ASSERT_EQUAL_FATAL(mkdirat(fd, "dir", 0755), 0);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err err = { "" };
		int rc = file_read_at(fd, rows[i].name, ENOUGH, &text, NULL, &err);

		UNIT_CHECK(rc == rows[i].rc, "%s gave %d", rows[i].name, rc);
		UNIT_CHECK_STR(err.text, rows[i].sentence, "%s", rows[i].name);
		UNIT_CHECK(text == NULL, "%s", rows[i].name);
	}
}

static void test_trusted(void)
{
	static const struct {
		mode_t mode;
		int rc;
	} rows[] = {
		{ 0644, 0 },	  { 0600, 0 },	    { 0444, 0 },
		{ 0755, 0 },	  { 0664, -EPERM }, { 0646, -EPERM },
		{ 0666, -EPERM }, { 0620, -EPERM }, { 0602, -EPERM },
	};
	const char *dir = unit_tmpdir();
	cleanup_close int fd = open_dir(dir);
	size_t i;

	unit_write(dir, "a", "x");
	CU_ASSERT_EQUAL_FATAL(symlinkat("a", fd, "link"), 0);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *const names[] = { "a", "link" };
		size_t j;

		CU_ASSERT_EQUAL_FATAL(fchmodat(fd, "a", rows[i].mode, 0), 0);
		for (j = 0; j < 2; j++) {
			cleanup_free char *text = NULL;
			struct err err = { "" };
			int rc = file_read_trusted_at(fd, names[j], ENOUGH, &text, NULL, &err);

			UNIT_CHECK(rc == rows[i].rc, "%s with mode %o: %s", names[j],
				   (unsigned int)rows[i].mode, err.text);
			UNIT_CHECK(!rc == !!text, "%s", names[j]);
			if (rc)
				UNIT_CHECK(strstr(err.text, "may write") != NULL, "%s", err.text);
		}
	}
}

/* A file of another user's: made by giving one away, which takes root, or by
 * looking at one of root's that is nobody's to change */
static void test_other_owner(void)
{
	const char *dir = unit_tmpdir();
	cleanup_close int fd = open_dir(dir);
	cleanup_free char *roots = NULL;
	char *text = NULL;
	struct err err = { "" };

	CU_ASSERT_EQUAL(file_read_trusted_at(AT_FDCWD, "/etc/passwd", ENOUGH, &roots, NULL, &err),
			0);
	if (geteuid() != 0)
		return;
	unit_write(dir, "theirs", "x");
	CU_ASSERT_EQUAL_FATAL(fchownat(fd, "theirs", 65534, 65534, 0), 0);
	CU_ASSERT_EQUAL(file_read_trusted_at(fd, "theirs", ENOUGH, &text, NULL, &err), -EPERM);
	UNIT_CHECK_STR(err.text, "theirs: belongs to user 65534, but only root's is trusted",
		       "why");
	CU_ASSERT_PTR_NULL(text);
}

static void test_trusted_devices(void)
{
	const char *dir = unit_tmpdir();
	cleanup_close int fd = open_dir(dir);
	char *text = NULL;

	CU_ASSERT_EQUAL_FATAL(symlinkat("/dev/zero", fd, "zero"), 0);
	CU_ASSERT_EQUAL_FATAL(symlinkat("loop", fd, "loop"), 0);
	CU_ASSERT_EQUAL_FATAL(mkfifoat(fd, "fifo", 0644), 0);
	CU_ASSERT_EQUAL(file_read_trusted_at(fd, "zero", ENOUGH, &text, NULL, NULL), -EINVAL);
	CU_ASSERT_EQUAL(file_read_trusted_at(fd, "fifo", ENOUGH, &text, NULL, NULL), -EINVAL);
	CU_ASSERT_EQUAL(file_read_trusted_at(fd, "loop", ENOUGH, &text, NULL, NULL), -ELOOP);
	CU_ASSERT_PTR_NULL(text);
}

/* A pipe that already holds @len bytes of 'x' and ends there */
static int filled_pipe(size_t len)
{
	char buf[ENOUGH];
	int fds[2];

	CU_ASSERT_EQUAL_FATAL(pipe2(fds, O_CLOEXEC), 0);
	memset(buf, 'x', sizeof(buf));
	CU_ASSERT_FATAL(write(fds[1], buf, len) == (ssize_t)len);
	close(fds[1]);
	return fds[0];
}

static void test_stream(void)
{
	static const struct {
		size_t len;
		size_t max;
		int rc;
	} rows[] = {
		{ 0, 10, 0 },	      { 9, 10, 0 },	      { 10, 10, 0 },
		{ 11, 10, -EFBIG },   { 1, 0, -EFBIG },	      { 0, 0, 0 },
		{ 16383, ENOUGH, 0 }, { 16384, ENOUGH, 0 },   { 16385, ENOUGH, 0 },
		{ 40000, ENOUGH, 0 }, { 40000, SIZE_MAX, 0 }, { 40000, 39999, -EFBIG },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cleanup_close int fd = filled_pipe(rows[i].len);
		cleanup_free char *text = NULL;
		struct err err = { "" };
		size_t len = 0;
		int rc = file_read_stream(fd, rows[i].max, &text, &len, &err);

		UNIT_CHECK(rc == rows[i].rc, "row %zu gave %d: %s", i, rc, err.text);
		UNIT_CHECK(!rc == !!text, "row %zu", i);
		if (text)
			UNIT_CHECK(len == rows[i].len && strlen(text) == len, "row %zu", i);
	}
}

/* Our standard input has O_NONBLOCK set: the reader waits all the same */
static void test_stream_nonblocking(void)
{
	cleanup_free char *text = NULL;
	cleanup_close int end = -1;
	int fds[2];
	pid_t child;

	CU_ASSERT_EQUAL_FATAL(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	end = fds[0];
	child = fork();
	CU_ASSERT_FATAL(child >= 0);
	if (!child) {
		usleep(50000);
		_exit(write(fds[1], "late", 4) != 4);
	}
	close(fds[1]);
	CU_ASSERT_EQUAL(file_read_stream(end, ENOUGH, &text, NULL, NULL), 0);
	UNIT_CHECK_STR(text, "late", "content");
}

static void test_stream_errors(void)
{
	const char *dir = unit_tmpdir();
	cleanup_close int fd = open_dir(dir);
	char *text = NULL;
	struct err err = { "" };

	CU_ASSERT_EQUAL(file_read_stream(-1, ENOUGH, &text, NULL, &err), -EBADF);
	UNIT_CHECK_STR(err.text, "input: cannot read: Bad file descriptor", "why");
	CU_ASSERT_EQUAL(file_read_stream(fd, ENOUGH, &text, NULL, &err), -EISDIR);
	CU_ASSERT_PTR_NULL(text);
}

static mode_t mode_of(int dirfd, const char *name)
{
	struct stat st;

	CU_ASSERT_EQUAL_FATAL(fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_mode & 07777;
}

static bool exists(int dirfd, const char *name)
{
	return !faccessat(dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW);
}

static void check_content(int dirfd, const char *name, const char *want)
{
	cleanup_free char *text = NULL;

	CU_ASSERT_EQUAL(file_read_at(dirfd, name, ENOUGH, &text, NULL, NULL), 0);
	UNIT_CHECK_STR(text, want, "%s", name);
}

static void test_replace(void)
{
	const char *dir = unit_tmpdir();
	cleanup_close int fd = open_dir(dir);

	CU_ASSERT_EQUAL(file_replace_at(fd, "a", "one", 3, NULL), 0);
	check_content(fd, "a", "one");
	CU_ASSERT_EQUAL(mode_of(fd, "a") & 0111, 0);
	/* What an earlier, killed hook left behind is longer, and in the way */
	unit_write(dir, "a.new", "a longer text of before");
	CU_ASSERT_EQUAL(file_replace_at(fd, "a", "2", 1, NULL), 0);
	check_content(fd, "a", "2");
	CU_ASSERT_FALSE(exists(fd, "a.new"));
	CU_ASSERT_EQUAL(file_replace_at(fd, "a", "", 0, NULL), 0);
	check_content(fd, "a", "");
}

/* Neither NAME.new nor NAME may lead us elsewhere */
static void test_replace_links(void)
{
	const char *dir = unit_tmpdir();
	cleanup_close int fd = open_dir(dir);
	struct err err = { "" };

	unit_write(dir, "victim", "precious");
	CU_ASSERT_EQUAL_FATAL(symlinkat("victim", fd, "a.new"), 0);
	CU_ASSERT_EQUAL(file_replace_at(fd, "a", "y", 1, &err), 0);
	check_content(fd, "victim", "precious");
	check_content(fd, "a", "y");
	/* A second name for it is the same file; a FIFO would wait for a reader */
	CU_ASSERT_EQUAL_FATAL(linkat(fd, "victim", fd, "a.new", 0), 0);
	CU_ASSERT_EQUAL(file_replace_at(fd, "a", "z", 1, &err), 0);
	check_content(fd, "victim", "precious");
	CU_ASSERT_EQUAL_FATAL(mkfifoat(fd, "a.new", 0644), 0);
	alarm(20);
	CU_ASSERT_EQUAL(file_replace_at(fd, "a", "w", 1, &err), 0);
	alarm(0);
	check_content(fd, "a", "w");
	CU_ASSERT_EQUAL_FATAL(mkdirat(fd, "a.new", 0755), 0);
	CU_ASSERT_EQUAL(file_replace_at(fd, "a", "x", 1, &err), -EISDIR);
	check_content(fd, "a", "w");
	CU_ASSERT_EQUAL_FATAL(unlinkat(fd, "a.new", AT_REMOVEDIR), 0);
	CU_ASSERT_EQUAL_FATAL(unlinkat(fd, "a", 0), 0);
	CU_ASSERT_EQUAL_FATAL(symlinkat("victim", fd, "a"), 0);
	CU_ASSERT_EQUAL(file_replace_at(fd, "a", "x", 1, &err), 0);
	check_content(fd, "a", "x");
	check_content(fd, "victim", "precious");
}

/* Whatever has been put there in advance, and by several at once */
static void test_publish(void)
{
	const char *dir = unit_tmpdir();
	cleanup_close int fd = open_dir(dir);
	struct err err = { "" };
	char name[NAME_MAX + 1];
	int i, status;

	CU_ASSERT_EQUAL_FATAL(mkfifoat(fd, "a", 0644), 0);
	CU_ASSERT_EQUAL_FATAL(mkfifoat(fd, "a.new", 0644), 0);
	alarm(20);
	CU_ASSERT_EQUAL(file_publish_at(fd, "a", "one", 3, &err), 0);
	alarm(0);
	check_content(fd, "a", "one");
	CU_ASSERT_EQUAL(mode_of(fd, "a"), 0644);
	for (i = 0; i < 4; i++)
		if (!fork())
			_exit(file_publish_at(fd, "a", "two", 3, NULL) < 0);
	while (wait(&status) > 0)
		CU_ASSERT_EQUAL(status, 0);
	check_content(fd, "a", "two");
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	CU_ASSERT_EQUAL(file_publish_at(fd, name, "long", 4, &err), 0);
	check_content(fd, name, "long");
}

static void test_replace_fails(void)
{
	const char *dir = unit_tmpdir();
	cleanup_close int fd = open_dir(dir);
	char name[5000];
	struct err err = { "" };

	CU_ASSERT_EQUAL(file_replace_at(fd, "none/a", "x", 1, &err), -ENOENT);
	UNIT_CHECK_STR(err.text, "none/a: cannot write: No such file or directory", "why");
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	CU_ASSERT_EQUAL(file_replace_at(fd, name, "x", 1, &err), -ENAMETOOLONG);
	/* The new file is written, but can't take the place of a directory */
	CU_ASSERT_EQUAL_FATAL(mkdirat(fd, "dir", 0755), 0);
	CU_ASSERT_EQUAL(file_replace_at(fd, "dir", "x", 1, &err), -EISDIR);
	CU_ASSERT_FALSE(exists(fd, "dir.new"));
}

/* What is written in part stays invisible.  A size limit stops the write as a
 * full file system would */
static void test_replace_short(void)
{
	const char *dir = unit_tmpdir();
	cleanup_close int fd = open_dir(dir);
	const struct rlimit limit = { 1000, 1000 };
	char big[4000];
	int status = -1;
	pid_t child;

	memset(big, 'b', sizeof(big));
	unit_write(dir, "a", "old");
	child = fork();
	CU_ASSERT_FATAL(child >= 0);
	if (!child) {
		signal(SIGXFSZ, SIG_IGN);
		if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
			_exit(1);
		_exit(file_replace_at(fd, "a", big, sizeof(big), NULL) == -EFBIG ? 0 : 2);
	}
	CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
	CU_ASSERT_EQUAL(status, 0);
	check_content(fd, "a", "old");
	CU_ASSERT_FALSE(exists(fd, "a.new"));
}

/* Runs in a child.  There is room for a few files of a page each: too much for one
 * file, then one file too many.  Return: exit status */
static int try_full(const char *dir)
{
	static const char sentence[] =
		"cannot write, because the file system that holds it is full";
	static char big[100000];
	char name[] = "0";
	struct err err = { "" };
	int fd, rc = 0;

	if (!own_mounts_tmpfs(dir, "size=64k,nr_inodes=6"))
		return NO_OWN_MOUNTS;
	fd = open_dir(dir);
	if (file_replace_at(fd, "a", "old", 3, NULL) < 0 ||
	    file_replace_at(fd, "a", big, sizeof(big), &err) != -ENOSPC ||
	    !strstr(err.text, sentence) || exists(fd, "a.new"))
		return 1;
	check_content(fd, "a", "old");
	for (; *name <= '9' && !rc; (*name)++)
		rc = file_replace_at(fd, name, "", 0, &err);
	if (rc != -ENOSPC || !strstr(err.text, sentence))
		return 1;
	err.text[0] = '\0';
	if (file_make_dir(fd, "more", &err) != -ENOSPC || !strstr(err.text, sentence))
		return 1;
	close(fd);
	return 0;
}

static void test_replace_full(void)
{
	const char *dir = unit_tmpdir();
	int status = -1;
	pid_t child = fork();

	CU_ASSERT_FATAL(child >= 0);
	if (!child)
		_exit(try_full(dir));
	CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
	CU_ASSERT_TRUE(WIFEXITED(status));
	if (WEXITSTATUS(status) == NO_OWN_MOUNTS)
		printf("skip - a full file system: this user may make no mount namespace\n");
	else
		CU_ASSERT_EQUAL(WEXITSTATUS(status), 0);
}

static void test_make_dir(void)
{
	const char *dir = unit_tmpdir();
	cleanup_close int root = open_dir(dir);
	cleanup_close int made = -1, again = -1, opened = -1;
	mode_t umask_before = umask(077);
	struct err err = { "" };

	CU_ASSERT_EQUAL(file_open_dir(root, "run/us/guests", &err), -ENOENT);
	CU_ASSERT_FALSE(exists(root, "run"));
	made = file_make_dir(root, "/run/us//guests/", &err);
	umask(umask_before);
	CU_ASSERT_TRUE_FATAL(made >= 0);
	CU_ASSERT_EQUAL(mode_of(root, "run"), 0755);
	CU_ASSERT_EQUAL(mode_of(root, "run/us"), 0755);
	CU_ASSERT_EQUAL(mode_of(root, "run/us/guests"), 0755);
	CU_ASSERT_EQUAL(file_replace_at(made, "x", "y", 1, NULL), 0);
	CU_ASSERT_TRUE(exists(root, "run/us/guests/x"));
	again = file_make_dir(root, "run/us/guests", &err);
	CU_ASSERT_TRUE(again >= 0);
	opened = file_open_dir(root, "run/us/guests", &err);
	CU_ASSERT_TRUE(opened >= 0);
	CU_ASSERT_TRUE(fcntl(opened, F_GETFD) & FD_CLOEXEC);
}

static void test_make_dir_paths(void)
{
	static const struct {
		const char *path;
		int rc;
	} rows[] = {
		{ "", -EINVAL },	  { "/", -EINVAL },	    { "///", -EINVAL },
		{ "..", -EINVAL },	  { ".", -EINVAL },	    { "run/../etc", -EINVAL },
		{ "run/./x", -EINVAL },	  { "run/us/..", -EINVAL }, { "link/us", -ENOTDIR },
		{ "run/link", -ENOTDIR }, { "dangling", -ENOTDIR }, { "file", -ENOTDIR },
		{ "file/us", -ENOTDIR },  { "fifo/us", -ENOTDIR },  { "run/open", -EPERM },
		{ "run/group", -EPERM },
	};
	const char *dir = unit_tmpdir();
	cleanup_close int root = open_dir(dir);
	char name[400];
	size_t i;

	CU_ASSERT_EQUAL_FATAL(mkdirat(root, "run", 0755), 0);
	CU_ASSERT_EQUAL_FATAL(mkdirat(root, "elsewhere", 0755), 0);
	CU_ASSERT_EQUAL_FATAL(symlinkat("elsewhere", root, "link"), 0);
	CU_ASSERT_EQUAL_FATAL(symlinkat("../elsewhere", root, "run/link"), 0);
	CU_ASSERT_EQUAL_FATAL(symlinkat("nowhere", root, "dangling"), 0);
	CU_ASSERT_EQUAL_FATAL(mkfifoat(root, "fifo", 0644), 0);
	unit_write(dir, "file", "x");
	CU_ASSERT_EQUAL_FATAL(mkdirat(root, "run/open", 0755), 0);
	CU_ASSERT_EQUAL_FATAL(fchmodat(root, "run/open", 01777, 0), 0);
	CU_ASSERT_EQUAL_FATAL(mkdirat(root, "run/group", 0755), 0);
	CU_ASSERT_EQUAL_FATAL(fchmodat(root, "run/group", 0775, 0), 0);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err err = { "" };
		int rc = file_make_dir(root, rows[i].path, &err);

		UNIT_CHECK(rc == rows[i].rc, "'%s' gave %d: %s", rows[i].path, rc, err.text);
		UNIT_CHECK(*err.text, "'%s' has a sentence", rows[i].path);
		if (rc >= 0)
			close(rc);
	}
	CU_ASSERT_FALSE(exists(root, "elsewhere/us"));
	CU_ASSERT_FALSE(exists(root, "nowhere"));
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	CU_ASSERT_EQUAL(file_make_dir(root, name, NULL), -ENAMETOOLONG);
}

/* The parts above the last may have any mode that a /run can have */
static void test_make_dir_parents(void)
{
	const char *dir = unit_tmpdir();
	cleanup_close int root = open_dir(dir);
	cleanup_close int fd = -1;

	CU_ASSERT_EQUAL_FATAL(mkdirat(root, "run", 0755), 0);
	CU_ASSERT_EQUAL_FATAL(fchmodat(root, "run", 01777, 0), 0);
	fd = file_make_dir(root, "run/us", NULL);
	CU_ASSERT_TRUE(fd >= 0);
	CU_ASSERT_EQUAL(mode_of(root, "run"), 01777);
}

static void test_make_dir_other_owner(void)
{
	const char *dir = unit_tmpdir();
	cleanup_close int root = open_dir(dir);
	cleanup_close int slash = open_dir("/");
	cleanup_close int etc = file_open_dir(slash, "etc", NULL);
	struct err err = { "" };

	/* Root's own is trusted by everybody */
	CU_ASSERT_TRUE(etc >= 0);
	if (geteuid() != 0)
		return;
	CU_ASSERT_EQUAL_FATAL(mkdirat(root, "us", 0755), 0);
	CU_ASSERT_EQUAL_FATAL(fchownat(root, "us", 65534, 65534, 0), 0);
	CU_ASSERT_EQUAL(file_make_dir(root, "us", &err), -EPERM);
	UNIT_CHECK_STR(err.text, "us: belongs to user 65534, but only root's is trusted", "why");
}

static CU_TestInfo tests[] = {
	{ "publishing where others write", test_publish },
	{ "a file is read whole", test_read },
	{ "a file of /proc is read whole", test_read_proc },
	{ "no byte more than the limit", test_bounds },
	{ "links, FIFOs and devices are refused", test_not_regular },
	{ "what others may write is not trusted", test_trusted },
	{ "what others own is not trusted", test_other_owner },
	{ "a trusted link to a device is refused", test_trusted_devices },
	{ "a stream is read to its end or limit", test_stream },
	{ "a non-blocking stream is waited for", test_stream_nonblocking },
	{ "a stream that can't be read", test_stream_errors },
	{ "a file is replaced", test_replace },
	{ "replacing follows no link", test_replace_links },
	{ "replacing that fails leaves nothing", test_replace_fails },
	{ "a short write leaves the old content", test_replace_short },
	{ "a full file system has words for it", test_replace_full },
	{ "directories are made whatever the umask", test_make_dir },
	{ "directories that are none of ours", test_make_dir_paths },
	{ "a parent may be open to all", test_make_dir_parents },
	{ "a directory of another user", test_make_dir_other_owner },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_file", tests);
}
