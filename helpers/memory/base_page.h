/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The page that the kernel counts in.
 */
#ifndef MEMBACKING_MEMORY_BASE_PAGE_H
#define MEMBACKING_MEMORY_BASE_PAGE_H

#include <stdint.h>

struct kfs;

/**
 * base_page_kib() - 4, on some kernels of arm64 and ppc64 16 or 64
 *
 * Of a captured host it follows from what is in every capture: a kernel's MemTotal is the
 * sum of the "managed" pages of its zones, to the page.  Where that gives no power of two
 * it is taken for a host like this one.
 */
uint64_t base_page_kib(const struct kfs *kfs);

/* The architecture as uname(2) has it; of a captured host what the kernel shows from 6.1 on,
 * else what its sizes of huge pages tell.  Empty: unknown */
#define BASE_ARCH_SIZE 16
void base_page_arch(const struct kfs *kfs, char arch[BASE_ARCH_SIZE]);

#endif
