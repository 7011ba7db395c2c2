/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A paged guest's memory cgroup (version 2): no swap of the kernel's meanwhile, and the room that
 * is left under its limits.
 *
 * Kernel and pager would page the same guest otherwise, and unmapping a page without evicting it
 * is only possible where the kernel may not swap it.
 */
#ifndef MEMBACKING_PAGER_PAGER_CGROUP_H
#define MEMBACKING_PAGER_PAGER_CGROUP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "kernel/kfs.h"

/* In a guest's directory: the cgroup, and what its memory.swap.max was */
#define PAGER_CGROUP_NOTE "cgroup"

/**
 * pager_cgroup_begin() - memory.swap.max = 0 for a guest's own cgroup
 * @directory:	The guest's, for PAGER_CGROUP_NOTE: written before the change, and kept if it is
 *		there
 *
 * Only in a cgroup that libvirt made for this guest; one that others are in is left alone.
 *
 * Return: 0; -ENOTSUP: it has none with a memory controller, so that the kernel may swap what is
 * resident; -ESRCH; -errno
 */
int pager_cgroup_begin(const struct kfs *kfs, pid_t pid, int directory, struct err *err);

/**
 * pager_cgroup_end() - Put back what it was, and remove the note
 *
 * Unless it has been changed since.  Return: 0, also without a note or a cgroup; -errno
 */
int pager_cgroup_end(const struct kfs *kfs, int directory, struct err *err);

/**
 * pager_cgroup_room() - How much more memory may be charged to a process
 * @bytes:	The least of what is left below the limits of its cgroup and all above it, of
 *version 1 or 2, with the cache of files that gives way; UINT64_MAX without a limit
 *
 * Return: 0; -ENOTSUP: it is in no such cgroup that can be seen from here; -ESRCH; -errno
 */
int pager_cgroup_room(const struct kfs *kfs, pid_t pid, uint64_t *bytes, struct err *err);

/**
 * pager_cgroup_most() - How much shared memory a process may have before it is at a limit
 *
 * What it has now is counted as if all of it were charged to its cgroup: what other processes
 * loaded of it is charged to theirs, until it goes and comes back.
 * @bytes, return: as pager_cgroup_room()
 */
int pager_cgroup_most(const struct kfs *kfs, pid_t pid, uint64_t *bytes, struct err *err);

/* May the kernel swap memory of this guest?  Not where there is no swap, and not while
 * pager_cgroup_begin() has forbidden it and no swap is allowed to the pager's own cgroup, which
 * what is read ahead is charged to */
bool pager_cgroup_may_swap(const struct kfs *kfs, pid_t pid);

/* Is there a memory.max or memory.high for this process, in its cgroup or above it? */
bool pager_cgroup_is_limited(const struct kfs *kfs, pid_t pid);

#endif
