/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Dirty page cache, which reclaim passes over, is written to its disks.
 *
 * DOC: not sync()
 *
 * sync() goes through all file systems, and waits for a server that is gone where the host has
 * mounted something from it.  So each file system on a block device is written by itself
 * (syncfs), and none of the others is touched, not even to open its directory.  A disk may be gone
 * as well, and what waits for it takes no signal.  So all of it runs in a child that holds
 * nothing of its parent's: no descriptor, and with it no lock and not the pipe that libvirt reads.
 * There is one such child on the host: while one hangs no other is started beside it.
 *
 * If it is killed, or its parent, dirty pages were written earlier than otherwise.
 */
#ifndef MEMBACKING_MEMORY_WRITE_BACK_H
#define MEMBACKING_MEMORY_WRITE_BACK_H

#include <sys/types.h>

struct kfs;

/**
 * write_back_start() - Write the dirty pages of all file systems on block devices, in a child
 *
 * Return: pid for child_wait() or child_let_go(), or -errno
 */
pid_t write_back_start(const struct kfs *kfs);

#endif
