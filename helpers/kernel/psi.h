/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pressure stall information: how long tasks waited for memory.
 *
 * Many kernels have it switched off (psi=1 on the kernel command line switches it on), or were
 * built without it.
 */
#ifndef MEMBACKING_KERNEL_PSI_H
#define MEMBACKING_KERNEL_PSI_H

#include <stdint.h>

struct err;
struct kfs;

/**
 * psi_memory() - For how long some task has waited for memory, since the host was booted
 * @stalled_us:	Microseconds in which at least one did
 *
 * Return: 0; -ENOENT, -EOPNOTSUPP: this kernel does not count it; -EINVAL: not understood; -errno
 */
int psi_memory(const struct kfs *kfs, uint64_t *stalled_us, struct err *err);

/**
 * psi_watch_memory() - Be told when tasks wait for memory
 * @stall_us:	For so long within the window
 * @window_us:	A multiple of two seconds, up to ten: others need CAP_SYS_RESOURCE on some kernels
 *
 * Return: a descriptor that becomes ready (POLLPRI), once a window; -errno: as psi_memory()
 */
int psi_watch_memory(const struct kfs *kfs, uint64_t stall_us, uint64_t window_us, struct err *err);

#endif
