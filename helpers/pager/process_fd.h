/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Another process and its open files: who it is, and which file a number of its stands for.
 */
#ifndef MEMBACKING_PAGER_PROCESS_FD_H
#define MEMBACKING_PAGER_PROCESS_FD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/err.h"
#include "kernel/kfs.h"

/* Field 22 of /proc/PID/stat.  -ESRCH: the process is gone, or a zombie */
int process_start_time(const struct kfs *kfs, pid_t pid, uint64_t *ticks, struct err *err);

/**
 * process_open() - Hold on to a process that is the one that was meant
 * @start_time:	As process_start_time() gave it
 * Return: a pidfd; -ESRCH: it is gone, even if another one has its number now
 */
int process_open(const struct kfs *kfs, pid_t pid, uint64_t start_time, struct err *err);

/* Has it ended? */
bool process_gone(int pidfd);

/* A copy of its descriptor @number, closed on exec.  -EBADF: it has none of that number */
int process_fd_take(int pidfd, int number, struct err *err);

/* The same, with what it is */
int process_fd_stat(int pidfd, int number, struct stat *st, struct err *err);

/* Is this descriptor of ours a userfaultfd? */
bool fd_is_userfaultfd(int fd);

#endif
