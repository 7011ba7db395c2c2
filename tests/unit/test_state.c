// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The state directory: made, refused where others can write, and locked.
 */
#include "lifecycle/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "unit/unit.h"

#define UUID "aaaaaaaa-cdaf-9455-926a-d65c16db1809"

static int open_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	CU_ASSERT_FATAL(fd >= 0);
	return fd;
}

static void test_open(void)
{
	const char *dir = unit_tmpdir();
	struct state state = STATE_CLOSED;
	struct err err = { "" };
	int root = open_dir(dir);
	struct stat st;

	CU_ASSERT_TRUE(state_is_empty(root));
	CU_ASSERT_EQUAL(state_open(root, false, &state, &err), -ENOENT);
	CU_ASSERT_EQUAL(state.dirfd, -1);
	CU_ASSERT_EQUAL(faccessat(root, "run", F_OK, 0), -1);
	umask(077);
	UNIT_CHECK(state_open(root, true, &state, &err) == 0, "%s", err.text);
	umask(022);
	/* status shows it to everybody, only root changes it */
	CU_ASSERT_EQUAL(fstatat(root, "run/libvirt-membacking/guests", &st, 0), 0);
	CU_ASSERT_EQUAL(st.st_mode & 07777, 0755);
	CU_ASSERT_TRUE(state_is_empty(root));
	CU_ASSERT_FALSE(state_has(&state, UUID));
	state_close(&state);
	CU_ASSERT(state.dirfd == -1 && state.guestsfd == -1 && state.lockfd == -1);
	state_close(&state);

	unit_write(dir, "run/libvirt-membacking/guests/README", "");
	unit_write(dir, "run/libvirt-membacking/guests/" UUID ".new", "");
	CU_ASSERT_TRUE(state_is_empty(root));
	unit_write(dir, "run/libvirt-membacking/guests/" UUID, "{");
	CU_ASSERT_FALSE(state_is_empty(root));
	UNIT_CHECK(state_open(root, false, &state, &err) == 0, "%s", err.text);
	CU_ASSERT_TRUE(state_has(&state, UUID));
	CU_ASSERT_FALSE(state_has(&state, "bbbbbbbb-cdaf-9455-926a-d65c16db1809"));
	state_close(&state);
	/* What can't be looked into may hold a guest's pages */
	CU_ASSERT_EQUAL_FATAL(renameat(root, "run/libvirt-membacking", root, "run/x"), 0);
	CU_ASSERT_TRUE(state_is_empty(root));
	CU_ASSERT_EQUAL_FATAL(symlinkat("libvirt-membacking", root, "run/libvirt-membacking"), 0);
	CU_ASSERT_FALSE(state_is_empty(root));
	close(root);
}

/* Directories that others could have laid there */
static void test_distrust(void)
{
	const char *dir = unit_tmpdir();
	struct state state = STATE_CLOSED;
	struct err err = { "" };
	int root = open_dir(dir);

	unit_write(dir, "elsewhere/guests/x", "");
	CU_ASSERT_EQUAL_FATAL(mkdirat(root, "run", 0755), 0);
	CU_ASSERT_EQUAL_FATAL(symlinkat("../elsewhere", root, "run/libvirt-membacking"), 0);
	UNIT_CHECK(state_open(root, true, &state, &err) < 0, "through a link");
	UNIT_CHECK(strstr(err.text, "link"), "%s", err.text);
	CU_ASSERT_EQUAL_FATAL(unlinkat(root, "run/libvirt-membacking", 0), 0);
	CU_ASSERT_EQUAL_FATAL(mkdirat(root, "run/libvirt-membacking", 0755), 0);
	CU_ASSERT_EQUAL_FATAL(fchmodat(root, "run/libvirt-membacking", 0777, 0), 0);
	CU_ASSERT_EQUAL(state_open(root, true, &state, &err), -EPERM);
	UNIT_CHECK(strstr(err.text, "others than root may write"), "%s", err.text);
	close(root);
}

static void test_lock(void)
{
	const char *dir = unit_tmpdir();
	struct state a = STATE_CLOSED, b = STATE_CLOSED;
	struct err err = { "" };
	int root = open_dir(dir);
	uint64_t begin;
	struct stat st;

	CU_ASSERT_EQUAL_FATAL(state_open(root, true, &a, &err), 0);
	CU_ASSERT_EQUAL_FATAL(state_open(root, false, &b, &err), 0);
	CU_ASSERT_EQUAL(state_lock(&a, 0, &err), 0);
	CU_ASSERT_EQUAL(fstatat(root, "run/libvirt-membacking/lock", &st, 0), 0);
	CU_ASSERT_EQUAL(st.st_mode & 07777, 0600);
	CU_ASSERT_EQUAL(state_lock(&b, 0, &err), -EAGAIN);
	begin = clock_ms();
	CU_ASSERT_EQUAL(state_lock(&b, begin + 60, &err), -ETIMEDOUT);
	CU_ASSERT(clock_ms() - begin >= 59);
	CU_ASSERT(clock_ms() - begin < 5000);
	UNIT_CHECK(strstr(err.text, "another libvirt-membacking operation holds"), "%s", err.text);
	/* A deadline that has passed is not "for ever" */
	CU_ASSERT_EQUAL(state_lock(&b, 1, &err), -ETIMEDOUT);
	CU_ASSERT_EQUAL(b.lockfd, -1);
	state_unlock(&a);
	state_unlock(&a);
	CU_ASSERT_EQUAL(state_lock(&b, clock_ms() + 60, &err), 0);
	CU_ASSERT_EQUAL(state_lock(&a, 0, &err), -EAGAIN);
	state_close(&b);
	CU_ASSERT_EQUAL(state_lock(&a, 0, &err), 0);
	state_close(&a);
	close(root);
}

/* Waiting ends when the other ends, however it ends */
static void test_holder_dies(void)
{
	const char *dir = unit_tmpdir();
	struct state state = STATE_CLOSED;
	struct err err = { "" };
	int root = open_dir(dir), ready[2];
	uint64_t begin = clock_ms();
	char byte;
	pid_t pid;

	CU_ASSERT_EQUAL_FATAL(state_open(root, true, &state, &err), 0);
	CU_ASSERT_EQUAL_FATAL(pipe(ready), 0);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		struct state mine = STATE_CLOSED;

		if (state_open(root, false, &mine, NULL) < 0 || state_lock(&mine, 0, NULL) < 0 ||
		    write(ready[1], "x", 1) != 1)
			_exit(1);
		clock_sleep_ms(150);
		_exit(0);
	}
	CU_ASSERT_EQUAL(read(ready[0], &byte, 1), 1);
	UNIT_CHECK(state_lock(&state, clock_ms() + 10000, &err) == 0, "%s", err.text);
	CU_ASSERT(clock_ms() - begin >= 100);
	CU_ASSERT(clock_ms() - begin < 5000);
	waitpid(pid, NULL, 0);
	state_close(&state);
	close(ready[0]);
	close(ready[1]);
	close(root);
}

static CU_TestInfo tests[] = {
	{ "opening", test_open },  { "directories of others", test_distrust },
	{ "the lock", test_lock }, { "the lock's holder ends", test_holder_dies },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_state", tests);
}
