// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Which thread of a QEMU can make a system call for us: by name, call and signal mask.
 */
#include "pager/inject_thread.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/array.h"
#include "base/cleanup.h"

#define BIT(signal) (UINT64_C(1) << ((signal)-1))

/* A thread's own mistakes, what can't be blocked, and those that the C library keeps open: glibc
 * two, musl three.  What comes all the same ends the adoption, and it begins again */
#define NEVER_BLOCKED                                                                              \
	(BIT(SIGKILL) | BIT(SIGSTOP) | BIT(SIGSEGV) | BIT(SIGBUS) | BIT(SIGFPE) | BIT(SIGILL) |    \
	 BIT(SIGTRAP) | BIT(SIGSYS) | BIT(32) | BIT(33) | BIT(34))

enum rank { RANK_IDLE, RANK_WAITS, RANK_UNFIT };

/* Without a timeout, its fourth argument, it can begin anew at any time */
static enum rank rank_of_futex(const char *call)
{
	uint64_t timeout;

	if (sscanf(call, "%*d %*x %*x %*x %" SCNx64, &timeout) != 1)
		return RANK_UNFIT;
	return timeout ? RANK_WAITS : RANK_IDLE;
}

/* @call: "202 0x7f.. 0x80 0x0 0x0 ..."; or "running"; or "-1 ...": not in a call */
static enum rank rank_of_call(const char *call)
{
	static const long waits[] = {
		__NR_clock_nanosleep,
		__NR_nanosleep,
		__NR_ppoll,
		__NR_restart_syscall,
#ifdef __NR_poll
		__NR_poll,
#endif
	};
	long number;
	size_t i;

	if (sscanf(call, "%ld ", &number) != 1)
		return RANK_UNFIT;
	if (number == __NR_futex)
		return rank_of_futex(call);
	for (i = 0; i < ARRAY_SIZE(waits); i++)
		if (number == waits[i])
			return RANK_WAITS;
	return RANK_UNFIT;
}

static bool is_vcpu(const char *name)
{
	return !strncmp(name, "CPU ", 4) || !strncmp(name, "ALL CPUs", 8);
}

/* A handler would run in the middle of our calls, or keep its own from seeing EINTR */
static bool blocks_signals(const char *status)
{
	const char *line = strstr(status, "\nSigBlk:");
	uint64_t blocked;

	if (!line || sscanf(line, "\nSigBlk:%" SCNx64, &blocked) != 1)
		return false;
	return !~(blocked | NEVER_BLOCKED);
}

static int read_file(const struct kfs *kfs, pid_t pid, uint64_t tid, const char *file, char *buf,
		     size_t size, struct err *err)
{
	char path[KFS_PATH_SIZE];

	snprintf(path, sizeof(path), "proc/%d/task/%" PRIu64 "/%s", (int)pid, tid, file);
	return kfs_read(kfs, path, buf, size, err);
}

/* Return: 0 and @rank, or -errno */
static int rank_thread(const struct kfs *kfs, pid_t pid, uint64_t tid, enum rank *rank,
		       struct err *err)
{
	char text[8192];
	int rc;

	*rank = RANK_UNFIT;
	rc = read_file(kfs, pid, tid, "comm", text, sizeof(text), err);
	if (rc < 0 || is_vcpu(text))
		return rc;
	rc = read_file(kfs, pid, tid, "status", text, sizeof(text), err);
	if (rc < 0 || !blocks_signals(text))
		return rc;
	rc = read_file(kfs, pid, tid, "syscall", text, sizeof(text), err);
	if (rc == 0)
		*rank = rank_of_call(text);
	return rc;
}

static int add_ranked(struct inject_threads *threads, const struct kfs *kfs, pid_t pid,
		      const uint64_t *tids, size_t n, enum rank wanted, struct err *err)
{
	enum rank rank;
	size_t i;
	int rc;

	for (i = 0; i < n && threads->n < INJECT_THREADS_MAX; i++) {
		if (tids[i] == (uint64_t)pid)
			continue;
		rc = rank_thread(kfs, pid, tids[i], &rank, err);
		if (rc == -EACCES || rc == -EPERM)
			return rc;
		/* It ended meanwhile */
		if (rc < 0)
			continue;
		if (rank == wanted)
			threads->list[threads->n++] = (pid_t)tids[i];
	}
	return 0;
}

int inject_threads_read(struct inject_threads *threads, const struct kfs *kfs, pid_t pid,
			struct err *err)
{
	cleanup_free uint64_t *tids = NULL;
	char path[KFS_PATH_SIZE];
	int n, rc = 0;
	enum rank rank;

	threads->n = 0;
	snprintf(path, sizeof(path), "proc/%d/task", (int)pid);
	n = kfs_list_numbers(kfs, path, "", "", &tids, err);
	if (n == -ENOENT || n == -ESRCH)
		return err_set(err, ESRCH, "process %d ended", (int)pid);
	if (n < 0)
		return n;
	for (rank = RANK_IDLE; rc == 0 && rank < RANK_UNFIT; rank++)
		rc = add_ranked(threads, kfs, pid, tids, (size_t)n, rank, err);
	return rc;
}
