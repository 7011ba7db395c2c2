/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a running QEMU has of the hugetlb pools, and of the other memory.
 */
#ifndef MEMBACKING_LIFECYCLE_QEMU_MEMORY_H
#define MEMBACKING_LIFECYCLE_QEMU_MEMORY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct kfs;

struct qemu_pages {
	uint64_t page_kib;
	unsigned int node;
	uint64_t pages;
};

/* By size and node */
struct qemu_memory {
	size_t n;
	struct qemu_pages *list;
};

/**
 * qemu_memory_mapped() - Huge pages that are in a process' page tables
 * @deadline:	clock_ms(), of all processes that the caller looks at.  One alone gets 500 ms
 *		and 8 MiB of text
 *
 * From /proc/PID/numa_maps; on a kernel without NUMA from smaps, as node 0.  Pages of a
 * shared file count once, however often the process has mapped them.
 * Return: 0 or -errno: then nothing is known, and @memory is empty.  -E2BIG: there are too
 * many mappings to read them all
 */
int qemu_memory_mapped(const struct kfs *kfs, pid_t pid, uint64_t deadline,
		       struct qemu_memory *memory);

/**
 * qemu_memory_plain() - What is free once the process has ended, without huge pages
 *
 * Its anonymous memory and its memfds, by node.  Of what it shares with others by KSM only
 * its part counts.
 * Return: 0 or -errno: then nothing is known, and @memory is empty
 */
int qemu_memory_plain(const struct kfs *kfs, pid_t pid, struct qemu_memory *memory);

/**
 * qemu_memory_reserved() - Huge pages mapped, reserved by the kernel, not yet touched
 * @reserved:	Result, all sizes, as of node 0
 *
 * From /proc/PID/smaps: the size of hugetlb mappings that reserve (no
 * VmFlags "nr", as virtio-mem's have) less what is resident.
 * Return: as qemu_memory_mapped()
 */
int qemu_memory_reserved(const struct kfs *kfs, pid_t pid, uint64_t deadline,
			 struct qemu_memory *reserved);

/* Return: 0 or -ENOMEM */
int qemu_memory_add(struct qemu_memory *memory, uint64_t page_kib, unsigned int node,
		    uint64_t pages);
uint64_t qemu_memory_on(const struct qemu_memory *memory, uint64_t page_kib, unsigned int node);
void qemu_memory_free(struct qemu_memory *memory);

#endif
