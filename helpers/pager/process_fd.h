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

/* What a number stands for, as /proc/PID/fd says */
enum fd_kind { FD_OTHER, FD_SOCKET, FD_PIPE, FD_USERFAULTFD, FD_USERFAULTFD_DEVICE };

/**
 * process_fd_kind() - Look at a descriptor of another process without touching it
 * @ino:	Of a socket or a pipe; may be NULL
 *
 * A file may lie on a server that is gone: it can't be asked what it is, nor closed, without
 * waiting for that server.
 */
enum fd_kind process_fd_kind(const struct kfs *kfs, pid_t pid, int number, uint64_t *ino);

/* Of a descriptor whose kind is one of the above.  -EBADF: it is of another one, or closed */
int process_fd_stat(const struct kfs *kfs, pid_t pid, int pidfd, int number, struct stat *st,
		    struct err *err);

/* Is this descriptor of ours a userfaultfd? */
bool fd_is_userfaultfd(int fd);

#endif
