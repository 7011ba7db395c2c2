/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * All locks of this program: files in the state directory.
 *
 * DOC: which lock protects what
 *
 * lock		host: one change of the host at a time, from reading it to the end of a round
 * mounts.lock	mounts: from looking whether a store or a hugetlbfs is mounted to mounting it
 * files.lock	files: a ledger between reading and writing it, and the UUID.new beside it
 * pagerd.lock	pager: the one daemon that pages guests, for as long as it runs
 * conf.lock	conf: the files of other programs that a profile changes, and its record
 * writing.lock	write_back: the one child that waits for disks (memory/write_back.h)
 *
 * Taken in this order: a process that has one takes none of those above it.
 *
 * DOC: why files of their own
 *
 * flock(2) needs no permission but that to open the file.  A directory or a ledger of mode
 * 0755 or 0644 can be locked by any user, for ever.  So a lock is a file that only root can
 * open.  Waiting still has a deadline: a process of root's may be stopped while it holds
 * one.  A caller that does not get the lock does not do the work.
 */
#ifndef MEMBACKING_BASE_LOCK_H
#define MEMBACKING_BASE_LOCK_H

#include <stdint.h>

struct err;

#ifndef STATE_DIR
#define STATE_DIR "run/libvirt-membacking"
#endif

enum lock_name { LOCK_HOST, LOCK_MOUNTS, LOCK_FILES, LOCK_PAGERD, LOCK_CONF, LOCK_WRITE_BACK };

/* How long a process that lets a lock go for others leaves it: each who waits has looked once
 * by then */
#define LOCK_TURN_MS 6

/**
 * lock_take() - Wait for a lock in STATE_DIR below @rootfd, which is made if missing
 * @deadline:	clock_ms(); 0: don't wait
 *
 * Waits without a signal, so a caller may have a timer of its own.
 * Return: a descriptor for lock_release(); -EAGAIN (not waited); -ETIMEDOUT; -EPERM where
 * the file is not root's; ... each with a sentence
 */
int lock_take(int rootfd, enum lock_name name, uint64_t deadline, struct err *err);

/* lock_take() with a descriptor of STATE_DIR itself */
int lock_take_at(int dirfd, enum lock_name name, uint64_t deadline, struct err *err);

/* Let it go, and set *@fd to -1.  Nothing happens below 0 */
void lock_release(int *fd);

#define cleanup_lock __attribute__((cleanup(lock_release)))

#endif
