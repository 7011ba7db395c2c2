/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Yama, the security module that limits which processes may trace others.
 */
#ifndef MEMBACKING_KERNEL_YAMA_H
#define MEMBACKING_KERNEL_YAMA_H

#include <stdbool.h>

struct kfs;

/* kernel.yama.ptrace_scope is 3: no process traces another until the next boot, and root can't
 * change that */
bool yama_forbids_tracing(const struct kfs *kfs);

#endif
