// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Locks: who waits, how long, and what a link in their place is good for.
 */
#include "base/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "unit/unit.h"

struct place {
	int root;
	int dir;
	struct err err;
};

static void open_place(struct place *p)
{
	*p = (struct place){ .root = open(unit_tmpdir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC) };
	p->dir = file_make_dir(p->root, STATE_DIR, &p->err);
	UNIT_CHECK(p->dir >= 0, "%s", p->err.text);
}

static void close_place(struct place *p)
{
	close(p->dir);
	close(p->root);
}

#define PLACE(name) UNIT_FIXTURE(struct place, name, close_place, open_place(&(name)))

/* Each is a file of its own that only root can open, and keeps no other one out */
static void test_names(void)
{
	static const char *const files[] = { "lock",	    "mounts.lock", "files.lock",
					     "pagerd.lock", "conf.lock",   "writing.lock" };
	int fds[ROWS(files)];
	size_t i;
	PLACE(p);

	for (i = 0; i < ROWS(files); i++) {
		struct stat st;

		fds[i] = lock_take(p.root, (enum lock_name)i, 0, &p.err);
		UNIT_CHECK(fds[i] >= 0, "%s: %s", files[i], p.err.text);
		CU_ASSERT_EQUAL(fstatat(p.dir, files[i], &st, AT_SYMLINK_NOFOLLOW), 0);
		CU_ASSERT_EQUAL(st.st_mode & 07777, 0600);
		CU_ASSERT_EQUAL(lock_take(p.root, (enum lock_name)i, 0, &p.err), -EAGAIN);
	}
	for (i = 0; i < ROWS(files); i++) {
		lock_release(&fds[i]);
		CU_ASSERT_EQUAL(fds[i], -1);
		lock_release(&fds[i]);
	}
	fds[0] = lock_take_at(p.dir, LOCK_HOST, 0, &p.err);
	CU_ASSERT(fds[0] >= 0);
	lock_release(&fds[0]);
}

static void test_deadline(void)
{
	uint64_t begin;
	int fd;
	PLACE(p);

	fd = lock_take_at(p.dir, LOCK_FILES, 0, &p.err);
	begin = clock_ms();
	CU_ASSERT_EQUAL(lock_take_at(p.dir, LOCK_FILES, begin + 60, &p.err), -ETIMEDOUT);
	CU_ASSERT(clock_ms() - begin >= 59);
	CU_ASSERT(clock_ms() - begin < 5000);
	UNIT_CHECK(strstr(p.err.text, "fuser -v /run/libvirt-membacking/files.lock"), "%s",
		   p.err.text);
	/* A deadline that has passed is not "for ever" */
	CU_ASSERT_EQUAL(lock_take_at(p.dir, LOCK_FILES, 1, &p.err), -ETIMEDOUT);
	lock_release(&fd);
}

static volatile sig_atomic_t alarms;

static void on_alarm(int number)
{
	(void)number;
	alarms++;
}

/* The caller has the process's timer for itself, or the signal is blocked */
static void test_without_alarm(void)
{
	struct itimerval timer = { .it_value = { 0, 40000 } }, left;
	struct sigaction action = { .sa_handler = on_alarm }, before;
	sigset_t set, old;
	uint64_t begin;
	int fd;
	PLACE(p);

	fd = lock_take_at(p.dir, LOCK_HOST, 0, &p.err);
	sigaction(SIGALRM, &action, &before);
	setitimer(ITIMER_REAL, &timer, NULL);
	begin = clock_ms();
	CU_ASSERT_EQUAL(lock_take_at(p.dir, LOCK_HOST, begin + 100, &p.err), -ETIMEDOUT);
	CU_ASSERT(clock_ms() - begin >= 99);
	CU_ASSERT_EQUAL(alarms, 1);
	timer.it_value.tv_sec = 100;
	setitimer(ITIMER_REAL, &timer, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	sigprocmask(SIG_BLOCK, &set, &old);
	CU_ASSERT_EQUAL(lock_take_at(p.dir, LOCK_HOST, clock_ms() + 30, &p.err), -ETIMEDOUT);
	sigprocmask(SIG_BLOCK, NULL, &set);
	CU_ASSERT_TRUE(sigismember(&set, SIGALRM));
	sigprocmask(SIG_SETMASK, &old, NULL);
	getitimer(ITIMER_REAL, &left);
	CU_ASSERT(left.it_value.tv_sec > 90);
	memset(&timer, 0, sizeof(timer));
	setitimer(ITIMER_REAL, &timer, NULL);
	sigaction(SIGALRM, &before, NULL);
	lock_release(&fd);
}

/* What any user may do: lock the directories, which are there for reading */
static void test_directory_held(void)
{
	int fd, held;
	PLACE(p);

	held = openat(p.dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CU_ASSERT_EQUAL(flock(held, LOCK_EX | LOCK_NB), 0);
	fd = lock_take(p.root, LOCK_FILES, 0, &p.err);
	UNIT_CHECK(fd >= 0, "%s", p.err.text);
	lock_release(&fd);
	close(held);
}

/* A file that others can open is closed to them; one that is another user's is refused */
static void test_distrust(void)
{
	struct stat st;
	int fd;
	PLACE(p);

	fd = openat(p.dir, "lock", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	CU_ASSERT_EQUAL(fchmod(fd, 0666), 0);
	close(fd);
	fd = lock_take_at(p.dir, LOCK_HOST, 0, &p.err);
	UNIT_CHECK(fd >= 0, "%s", p.err.text);
	CU_ASSERT_EQUAL(fstat(fd, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 07777, 0600);
	lock_release(&fd);
	if (geteuid() == 0) {
		CU_ASSERT_EQUAL(fchownat(p.dir, "lock", 1, 1, 0), 0);
		CU_ASSERT_EQUAL(lock_take_at(p.dir, LOCK_HOST, 0, &p.err), -EPERM);
		UNIT_CHECK(strstr(p.err.text, "belongs to user 1"), "%s", p.err.text);
	}
	unlinkat(p.dir, "lock", 0);
	CU_ASSERT_EQUAL_FATAL(symlinkat("/tmp/membacking-nowhere", p.dir, "lock"), 0);
	CU_ASSERT_EQUAL(lock_take_at(p.dir, LOCK_HOST, 0, &p.err), -ELOOP);
	UNIT_CHECK(strstr(p.err.text, "cannot open /run/libvirt-membacking/lock"), "%s",
		   p.err.text);
	CU_ASSERT_EQUAL(access("/tmp/membacking-nowhere", F_OK), -1);
	unlinkat(p.dir, "lock", 0);
	CU_ASSERT_EQUAL_FATAL(mkfifoat(p.dir, "lock", 0600), 0);
	CU_ASSERT_EQUAL(lock_take_at(p.dir, LOCK_HOST, 0, &p.err), -EINVAL);
}

/* A person has removed the file: those who come later have another one, and so must those
 * who have waited */
static void test_removed(void)
{
	pid_t pid;
	int fd, status = 0;
	PLACE(p);

	fd = lock_take_at(p.dir, LOCK_HOST, 0, &p.err);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		int mine = lock_take_at(p.dir, LOCK_HOST, clock_ms() + 5000, NULL);
		int other = lock_take_at(p.dir, LOCK_HOST, 0, NULL);

		_exit(mine >= 0 && other == -EAGAIN ? 0 : 1);
	}
	clock_sleep_ms(50);
	unlinkat(p.dir, "lock", 0);
	lock_release(&fd);
	waitpid(pid, &status, 0);
	CU_ASSERT_EQUAL(status, 0);
}

#define MANY   32
#define ROUNDS 50

static void count(int dir, volatile int *inside, volatile int *sum)
{
	int i;

	for (i = 0; i < ROUNDS; i++) {
		int fd = lock_take_at(dir, LOCK_FILES, clock_ms() + 60000, NULL);

		if (fd < 0 || (*inside)++)
			_exit(1);
		(*sum)++;
		(*inside)--;
		lock_release(&fd);
	}
	_exit(0);
}

static void test_many(void)
{
	int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int i, status, bad = 0;

	CU_ASSERT_FATAL(shared != MAP_FAILED);
	PLACE(p);
	fflush(stdout);
	for (i = 0; i < MANY; i++)
		if (!fork())
			count(p.dir, &shared[0], &shared[1]);
	while (wait(&status) > 0)
		bad += status != 0;
	CU_ASSERT_EQUAL(bad, 0);
	CU_ASSERT_EQUAL(shared[1], MANY * ROUNDS);
	munmap(shared, 4096);
}

/* A process that lets the lock go for a moment between two rounds gives others their turn */
static void test_turns(void)
{
	int fd, status = 0;
	pid_t pid;
	PLACE(p);

	fd = lock_take_at(p.dir, LOCK_HOST, 0, &p.err);
	fflush(stdout);
	pid = fork();
	if (!pid)
		_exit(lock_take_at(p.dir, LOCK_HOST, clock_ms() + 2000, NULL) >= 0 ? 0 : 1);
	while (waitpid(pid, &status, WNOHANG) == 0) {
		clock_sleep_ms(50);
		lock_release(&fd);
		clock_sleep_ms(LOCK_TURN_MS);
		fd = lock_take_at(p.dir, LOCK_HOST, clock_ms() + 5000, &p.err);
	}
	CU_ASSERT_EQUAL(status, 0);
	lock_release(&fd);
}

static CU_TestInfo tests[] = {
	{ "their names", test_names },
	{ "the deadline", test_deadline },
	{ "without an alarm", test_without_alarm },
	{ "the directory is locked", test_directory_held },
	{ "files of others", test_distrust },
	{ "the file was removed", test_removed },
	{ "many at a time", test_many },
	{ "turns", test_turns },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_lock", tests);
}
