// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Yama, the security module that limits which processes may trace others.
 */
#include "kernel/yama.h"

#include <stdint.h>

#include "kernel/kfs.h"

#define NO_TRACING 3

bool yama_forbids_tracing(const struct kfs *kfs)
{
	uint64_t scope;

	return kfs_read_u64(kfs, "proc/sys/kernel/yama/ptrace_scope", &scope, NULL) == 0 &&
	       scope >= NO_TRACING;
}
