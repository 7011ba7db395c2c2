/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A paged guest's memory cgroup (version 2): keeps the kernel from swapping the guest, and knows
 * the room under the cgroup's limits.
 *
 * Without this, kernel and pager would both page the guest.  The pager can also unmap a page
 * without evicting it only if the kernel can't swap that page out.
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
 * pager_cgroup_begin() - Set memory.swap.max = 0 for a guest's own cgroup
 * @directory:	The guest's directory.  PAGER_CGROUP_NOTE is written there before the change; an
 *		existing note is kept
 *
 * Changes only a cgroup that libvirt made for this guest, never one that it shares.
 *
 * Return: 0; -ENOTSUP: the guest has no cgroup of its own with a memory controller, so the kernel
 *may swap its resident pages; -ESRCH; -errno
 */
int pager_cgroup_begin(const struct kfs *kfs, pid_t pid, int directory, struct err *err);

/**
 * pager_cgroup_end() - Restore memory.swap.max unless it has been changed since; remove the note
 *
 * Return: 0, also without a note or a cgroup; -errno
 */
int pager_cgroup_end(const struct kfs *kfs, int directory, struct err *err);

/**
 * pager_cgroup_room() - How much more memory may be charged to a process
 * @bytes:	Result: what the tightest limit of its cgroup and those above leaves (version 1 or
 *		2), plus page cache that the kernel can drop; UINT64_MAX without a limit
 *
 * Return: 0; -ENOTSUP: its cgroup can't be seen from here; -ESRCH; -errno
 */
int pager_cgroup_room(const struct kfs *kfs, pid_t pid, uint64_t *bytes, struct err *err);

/**
 * pager_cgroup_most() - How much shared memory a process may have before it reaches a limit
 *
 * Counts all of its present shared memory as charged to its own cgroup.  Pages that another process
 * loaded are charged to that one's cgroup, but only until they are evicted and loaded again.
 * @bytes, return: as pager_cgroup_room()
 */
int pager_cgroup_most(const struct kfs *kfs, pid_t pid, uint64_t *bytes, struct err *err);

/* May the kernel swap memory of this guest?  Not without swap.  Not either while memory.swap.max is
 * 0 for both the guest's cgroup (pager_cgroup_begin()) and the pager's own, to which pages that are
 * read ahead are charged */
bool pager_cgroup_may_swap(const struct kfs *kfs, pid_t pid);

/* Does this process's cgroup, or one above it, have a memory.max or memory.high? */
bool pager_cgroup_is_limited(const struct kfs *kfs, pid_t pid);

#endif
