/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether the kernel may make huge pages of shared memory.
 *
 * A page that is part of a larger one can't be evicted alone: the kernel zeroes it in place, and
 * what was spliced out of it is the same page.  QEMU asks for huge pages on its memory, so
 * "advise" means as much as "always".
 */
#ifndef MEMBACKING_PAGER_SHMEM_THP_H
#define MEMBACKING_PAGER_SHMEM_THP_H

#include <sys/types.h>

#include "base/err.h"
#include "kernel/kfs.h"
#include "pager/ram.h"

/**
 * shmem_thp_refusal() - Settings of the host, and of the tmpfs that the files lie on
 *
 * shmem_enabled, its files for each size (Linux 6.11), and the option "huge" of the mount.
 * Return: 0: never; -ENOTSUP and which setting; -errno
 */
int shmem_thp_refusal(const struct kfs *kfs, pid_t pid, const struct ram *ram, struct err *err);

#endif
