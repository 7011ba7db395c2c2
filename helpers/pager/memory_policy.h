/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From which NUMA nodes a guest's pages come when the pager brings them back.
 *
 * Where QEMU has bound its memory (mbind: a memory back end's host-nodes), the kernel keeps the
 * policy with the shared memory itself, and it counts whichever process has the page made.
 * Elsewhere the policy and the cpuset of the thread count that has it made: of ours, where the
 * pager answers a fault.  So our threads take those of QEMU.
 */
#ifndef MEMBACKING_PAGER_MEMORY_POLICY_H
#define MEMBACKING_PAGER_MEMORY_POLICY_H

#include <sys/types.h>

#include "memory/numa.h"

struct err;
struct kfs;

/**
 * struct memory_policy - As set_mempolicy(2) has it
 * @mode:	MPOL_DEFAULT: any node will do, and @nodes is empty
 */
struct memory_policy {
	int mode;
	struct nodeset nodes;
};

/**
 * memory_policy_read() - What @pid's main thread has: its own policy, and the nodes of its cpuset
 *
 * A host with one node has MPOL_DEFAULT.  On others it takes 14 ms for each resident GiB.
 * Return: 0, -ESRCH, or -errno of reading
 */
int memory_policy_read(const struct kfs *kfs, pid_t pid, struct memory_policy *policy,
		       struct err *err);

/* For the calling thread, until it ends or takes another one.  Return: 0 or -errno */
int memory_policy_take(const struct memory_policy *policy);

#endif
