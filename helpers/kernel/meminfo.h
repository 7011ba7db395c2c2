/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /proc/meminfo, for the pager: how much memory there is, and how much of it is left.
 */
#ifndef MEMBACKING_KERNEL_MEMINFO_H
#define MEMBACKING_KERNEL_MEMINFO_H

#include <stdint.h>

struct err;
struct kfs;

/**
 * meminfo_available() - What programs can still get without anything being swapped, in KiB
 *
 * Return: 0; -ENOENT: the kernel does not say; -errno
 */
int meminfo_available(const struct kfs *kfs, uint64_t *kib, struct err *err);

/* All that the kernel can give, in KiB.  Where a container has a file of its own here, both are the
 * container's.  Return: as meminfo_available() */
int meminfo_total(const struct kfs *kfs, uint64_t *kib, struct err *err);

#endif
