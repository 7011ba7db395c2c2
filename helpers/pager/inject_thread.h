/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which thread of a QEMU can make a system call for us.
 *
 * One that sleeps, so that nothing waits for it, in a call that the kernel restarts without the
 * program seeing it: epoll_wait() and semop() give EINTR instead.  Neither main nor a vCPU's.  In
 * QEMU that is the thread of RCU first of all.
 */
#ifndef MEMBACKING_PAGER_INJECT_THREAD_H
#define MEMBACKING_PAGER_INJECT_THREAD_H

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "kernel/kfs.h"

#define INJECT_THREADS_MAX 64

/* The best first: those that wait in futex() for work, then those with a timeout or descriptors.
 * The latter see EINTR if we are killed while we hold one */
struct inject_threads {
	size_t n;
	pid_t list[INJECT_THREADS_MAX];
};

/**
 * inject_threads_read() - From /proc/PID/task
 *
 * Return: 0, also if there is none; -ESRCH: the process ended; -EACCES, -EPERM: we may not see
 * what its threads do; -errno
 */
int inject_threads_read(struct inject_threads *threads, const struct kfs *kfs, pid_t pid,
			struct err *err);

#endif
