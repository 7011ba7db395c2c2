// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Adopts a process again and again, and lets it go; or has the program that does it killed at
 * each of its system calls in turn.
 *
 *	adopt_many PROGRAM PID times N			and how long a thread stood
 *	adopt_many PROGRAM PID killed N			at each call, N times
 *	adopt_many PROGRAM PID noted			by a daemon that dies: nothing is left
 *	adopt_many PROGRAM PID rest			by one that dies as it lets go
 *	adopt_many PROGRAM PID outlived			by one that dies before its program does
 *	adopt_many PROGRAM PID traced			by a debugger: refused
 *	adopt_many PROGRAM PID once			adopted, and not let go
 *
 * PROGRAM is virt-membacking-adopt, or for "killed" this program under the name that adoption
 * calls: then it traces the real one and kills it where PROGRAM.kill says.  The same for
 *"outlived": then it puts it off if there is a PROGRAM.late.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pager/adoption.h"
#include "pager/process_fd.h"

/* How many calls it makes depends on how long the thread takes: the last ones are met if it goes
 * on until it has come to its end so many times one after the other */
#define ENDS	20

#define LATE_MS 300

static int failures;

static void fail(const char *what, const char *why)
{
	failures++;
	printf("not ok - %s: %s\n", what, why);
}

static size_t count_fds(pid_t pid)
{
	char path[64];
	size_t n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

static bool alive(pid_t pid)
{
	return kill(pid, 0) == 0;
}

/* ---- adoption and back ---- */

/* What we got is what it should be, and a successor finds it */
static void check_adopted(struct adopted *adopted)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct adopted again;
	struct err err = { "" };
	size_t i;

	if (ioctl(adopted->uffd, UFFDIO_API, &api) < 0)
		fail("UFFDIO_API", strerror(errno));
	if (!(api.features & UFFD_FEATURE_MISSING_SHMEM))
		fail("UFFDIO_API", "no shared memory");
	if (adopted_find(&again, &adopted->identity, &err) < 0) {
		fail("adopted_find", err.text);
		return;
	}
	for (i = 0; i < adopted->identity.n_pipes; i++) {
		char path[64], byte = 0;
		int end;

		/* What is written into the one end comes out of the other's copy */
		snprintf(path, sizeof(path), "/proc/self/fd/%d", adopted->pipe[i]);
		end = open(path, O_WRONLY | O_CLOEXEC);
		if (end < 0 || write(end, "x", 1) != 1 || read(again.pipe[i], &byte, 1) != 1 ||
		    byte != 'x')
			fail("pipe", strerror(errno));
		close(end);
	}
	adopted_close(&again);
	again.identity.start_time++;
	if (adopted_find(&again, &again.identity, &err) != -ESRCH)
		fail("adopted_find", "takes another process");
	again.identity = adopted->identity;
	again.identity.pipe_ino[0]++;
	if (adopted_find(&again, &again.identity, &err) != -ESTALE)
		fail("adopted_find", "takes another pipe");
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void adopt_times(const struct adoption_options *options, pid_t pid, size_t times)
{
	uint64_t *stood = calloc(times, sizeof(*stood));
	size_t before = count_fds(pid), i;
	struct adopted adopted;
	struct err err = { "" };

	if (!stood)
		exit(2);
	for (i = 0; i < times && !failures; i++) {
		if (adopt(&adopted, pid, options, &err) < 0) {
			fail("adopt", err.text);
			break;
		}
		stood[i] = adopted.stood_ns;
		if (i % 64 == 0)
			check_adopted(&adopted);
		if (adoption_withdraw(&adopted, options, &err) < 0)
			fail("adoption_withdraw", err.text);
		adopted_close(&adopted);
	}
	if (count_fds(pid) != before)
		fail("descriptors", "some are left");
	if (!alive(pid))
		fail("process", "it is gone");
	qsort(stood, i, sizeof(*stood), compare);
	if (i)
		printf("%zu adoptions: a thread stood for %.0f us (least), %.0f (median), %.0f (p99), "
		       "%.0f (most)\n",
		       i, (double)stood[0] / 1000, (double)stood[i / 2] / 1000,
		       (double)stood[i * 99 / 100] / 1000, (double)stood[i - 1] / 1000);
	free(stood);
}

/* A daemon that died while it withdrew: nothing is closed yet, which is as good as a part */
static void adopt_rest(const struct adoption_options *options, pid_t pid)
{
	size_t before = count_fds(pid);
	struct adopted adopted;
	struct err err = { "" };

	if (adopt(&adopted, pid, options, &err) < 0) {
		fail("adopt", err.text);
		return;
	}
	check_adopted(&adopted);
	adopted_close(&adopted);
	if (adoption_withdraw_rest(&adopted.identity, options, &err) < 0)
		fail("adoption_withdraw_rest", err.text);
	if (count_fds(pid) != before)
		fail("descriptors", "some are left");
	if (adoption_withdraw_rest(&adopted.identity, options, &err) < 0)
		fail("adoption_withdraw_rest of nothing", err.text);
}

/* In place of a guest's */
static int make_directory(char *path)
{
	int fd = mkdtemp(path) ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	if (fd < 0)
		exit(2);
	return fd;
}

/* A daemon that died before it had a page map */
static void adopt_noted(struct adoption_options options, pid_t pid)
{
	char path[] = "/tmp/adopt-many.XXXXXX";
	size_t before = count_fds(pid);
	struct adopted adopted;
	struct err err = { "" };

	options.directory = make_directory(path);
	if (adopt(&adopted, pid, &options, &err) < 0)
		fail("adopt", err.text);
	adopted_close(&adopted);
	if (count_fds(pid) != before + 1 + options.n_pipes)
		fail("descriptors", "not as many as there should be");
	if (faccessat(options.directory, "adopting", F_OK, 0) < 0)
		fail("note", strerror(errno));
	if (adoption_clean_up(&options, &err) < 0)
		fail("adoption_clean_up", err.text);
	if (count_fds(pid) != before)
		fail("descriptors", "some are left");
	if (faccessat(options.directory, "adopting", F_OK, 0) == 0)
		fail("note", "it is still there");
	if (adoption_clean_up(&options, &err) < 0)
		fail("adoption_clean_up without a note", err.text);
	close(options.directory);
	rmdir(path);
}

/* Until the program is where it would begin, and then no longer */
static void be_killed_daemon(const struct adoption_options *options, pid_t pid, const char *late)
{
	struct adopted adopted;
	struct err err = { "" };
	pid_t daemon = fork();
	int looks = 10000;

	if (daemon == 0) {
		adopt(&adopted, pid, options, &err);
		_exit(1);
	}
	while (access(late, F_OK) == 0 && looks--)
		usleep(1000);
	kill(daemon, SIGKILL);
	waitpid(daemon, NULL, 0);
}

/* The next daemon is there before the program of the last one has begun */
static void adopt_outlived(struct adoption_options options, pid_t pid)
{
	char path[] = "/tmp/adopt-many.XXXXXX", late[4096];
	size_t before = count_fds(pid);
	struct err err = { "" };
	int fd;

	options.directory = make_directory(path);
	snprintf(late, sizeof(late), "%s.late", options.program);
	fd = open(late, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	close(fd);
	be_killed_daemon(&options, pid, late);
	if (adoption_clean_up(&options, &err) < 0)
		fail("adoption_clean_up", err.text);
	usleep(2 * LATE_MS * 1000);
	if (count_fds(pid) != before)
		fail("descriptors", "some are left");
	close(options.directory);
	rmdir(path);
}

/* As a debugger does */
static void adopt_traced(const struct adoption_options *options, pid_t pid)
{
	struct adopted adopted;
	struct err err = { "" };
	char path[64];
	struct dirent *entry;
	DIR *dir;
	int rc;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			ptrace(PTRACE_SEIZE, atoi(entry->d_name), NULL, NULL);
	if (dir)
		closedir(dir);
	rc = adopt(&adopted, pid, options, &err);
	if (rc != -EPERM)
		fail("traced", rc < 0 ? err.text : "adopted");
	printf("refused: %s\n", err.text);
}

/* ---- killed ---- */

static void be_late(const char *self)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s.late", self);
	if (unlink(path) == 0)
		usleep(LATE_MS * 1000);
}

/* Number of stops of system calls after which it is killed; 0: not at all */
static long read_kill_at(const char *self)
{
	char path[4096], text[32] = "";
	int fd;

	snprintf(path, sizeof(path), "%s.kill", self);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (read(fd, text, sizeof(text) - 1) < 0)
		exit(2);
	close(fd);
	/* The program that cleans up after it is left alone */
	unlink(path);
	return atol(text);
}

static void trace(pid_t child, long kill_at)
{
	long stops = 0;
	int status;

	while (waitpid(child, &status, 0) == child && WIFSTOPPED(status)) {
		if (++stops == kill_at) {
			kill(child, SIGKILL);
			waitpid(child, &status, 0);
			_exit(137);
		}
		ptrace(PTRACE_SYSCALL, child, NULL, NULL);
	}
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

/* In virt-membacking-adopt's place */
static int wrap(char **argv)
{
	char program[4096];
	long kill_at = read_kill_at(argv[0]);
	pid_t child;

	snprintf(program, sizeof(program), "%s.program", argv[0]);
	be_late(argv[0]);
	if (!kill_at) {
		execv(program, argv);
		return 2;
	}
	child = fork();
	if (child == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		execv(program, argv);
		_exit(2);
	}
	if (child < 0)
		return 2;
	trace(child, kill_at);
	return 2;
}

static void set_kill_at(const char *program, long n)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s.kill", program);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || dprintf(fd, "%ld", n) < 0)
		exit(2);
	close(fd);
}

/* Return: whether the program came to its end before it was killed */
static bool adopt_killed(const struct adoption_options *options, pid_t pid, long at, long *may_die)
{
	struct adopted adopted;
	struct err err = { "" };

	set_kill_at(options->program, at);
	if (adopt(&adopted, pid, options, &err) == 0) {
		if (adoption_withdraw(&adopted, options, &err) < 0)
			fail("adoption_withdraw", err.text);
		adopted_close(&adopted);
		return true;
	}
	*may_die += strstr(err.text, "may have taken the result") != NULL;
	if (!strstr(err.text, "virt-membacking-adopt"))
		fail("killed", err.text);
	if (!alive(pid)) {
		fail("killed", "the process is gone");
		printf("at stop %ld: %s\n", at, err.text);
	}
	return false;
}

static void adopt_kill_each(const struct adoption_options *options, pid_t pid, long times)
{
	long at, round, killed = 0, may_die = 0, ended = 0;
	size_t before = count_fds(pid), left;

	for (round = 0; round < times && !failures; round++)
		for (at = 1, ended = 0; !failures && ended < ENDS; at++) {
			if (adopt_killed(options, pid, at, &may_die)) {
				ended++;
				continue;
			}
			ended = 0;
			killed++;
		}
	printf("killed %ld times, %ld of them with a record that says that the thread may have "
	       "gone wrong\n",
	       killed, may_die);
	left = count_fds(pid) - before;
	if (left)
		fail("descriptors", "some are left");
}

int main(int argc, char **argv)
{
	struct adoption_options options = { .n_pipes = 2 };
	struct adopted adopted;
	struct err err = { "" };
	pid_t pid;

	if (argc > 1 && !strcmp(argv[1], "--pid"))
		return wrap(argv);
	if (argc < 4)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	options.program = argv[1];
	pid = atoi(argv[2]);
	if (!strcmp(argv[3], "times") && argc == 5)
		adopt_times(&options, pid, (size_t)atol(argv[4]));
	else if (!strcmp(argv[3], "noted"))
		adopt_noted(options, pid);
	else if (!strcmp(argv[3], "rest"))
		adopt_rest(&options, pid);
	else if (!strcmp(argv[3], "outlived"))
		adopt_outlived(options, pid);
	else if (!strcmp(argv[3], "traced"))
		adopt_traced(&options, pid);
	else if (!strcmp(argv[3], "killed") && argc == 5)
		adopt_kill_each(&options, pid, atol(argv[4]));
	else if (adopt(&adopted, pid, &options, &err) < 0)
		fail("adopt", err.text);
	return failures != 0;
}
