/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Work in a child process that can be killed.
 *
 * Some kernel operations stop for a fatal signal only.  libvirt waits for the
 * end of a hook's stdout and stderr, so the child must not hold them.
 */
#ifndef MEMBACKING_PROCESS_CHILD_H
#define MEMBACKING_PROCESS_CHILD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/**
 * child_start() - Fork a child that runs @work and exits with its result
 * @work:	Returns 0 or -errno.  Runs with stdio on /dev/null and dies with its
 *		parent
 * Return: its pid, or -errno
 */
pid_t child_start(int (*work)(void *arg), void *arg);

/**
 * child_wait() - Wait until the child ends; kill it at the deadline
 * @deadline:	clock_ms()
 * Return: what @work returned, or -ETIMEDOUT.  A child that the kernel doesn't let die is left
 * alone then
 */
int child_wait(pid_t pid, uint64_t deadline);

/**
 * child_call() - Run @work in a child, on a copy of @arg
 * @arg:	@size bytes.  Has what @work made of them afterwards; in part, if the child died
 * @deadline:	clock_ms()
 * Return: as child_wait()
 */
int child_call(int (*work)(void *arg), void *arg, size_t size, uint64_t deadline);

/* In the child, before it runs programs: PATH of the system's own, and nothing else */
void child_set_environment(void);

/**
 * child_keep_only() - In the child: close all descriptors but stdio and @fd
 *
 * For work that may wait for a disk, and take no signal while it does: what the parent has open,
 * such as its locks, must not stay open with it. Return: @fd's new number, or -errno
 */
int child_keep_only(int fd);

/* Kill, and don't wait: init reaps it after the parent's end, if it takes that long */
void child_let_go(pid_t pid);

/* Kill and reap */
void child_stop(pid_t pid);

#endif
