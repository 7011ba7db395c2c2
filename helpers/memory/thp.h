/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Transparent huge pages: the host's settings, and what a process has of them.
 */
#ifndef MEMBACKING_MEMORY_THP_H
#define MEMBACKING_MEMORY_THP_H

#include <stdint.h>
#include <sys/types.h>

struct err;
struct kfs;

#define THP_DIR	      "sys/kernel/mm/transparent_hugepage"
#define THP_WORD_SIZE 32

/**
 * struct thp - The kernel's words: "always", "madvise", "within_size", ...
 * @shmem_enabled: For memfd.  Each is empty where the kernel has no such setting
 */
struct thp {
	char enabled[THP_WORD_SIZE];
	char defrag[THP_WORD_SIZE];
	char shmem_enabled[THP_WORD_SIZE];
};

/* Return: 0, or -ENOENT on a kernel without THP */
int thp_read(const struct kfs *kfs, struct thp *thp, struct err *err);

#define THP_SETTING_SIZE 96

/**
 * thp_shmem_huge() - Can memfds get transparent huge pages on this host?
 * @setting:	Result: "shmem_enabled is 'advise'", of a file in THP_DIR; empty: no
 *
 * "shmem_enabled", and from 6.11 on that of each size, which counts unless it says "inherit".
 * QEMU asks for huge pages on its memory, so "advise" means as much as "always".
 * Any thread may call.
 * Return: 0; -errno: it can't be told
 */
int thp_shmem_huge(const struct kfs *kfs, char setting[THP_SETTING_SIZE], struct err *err);

/**
 * struct thp_process - How much of a process lies in transparent huge pages, in KiB
 * @resident_kib: Of this much in all; static huge pages are not in it
 * @anon_kib:	Anonymous memory: AnonHugePages
 * @shmem_kib:	tmpfs and memfd: ShmemPmdMapped
 */
struct thp_process {
	uint64_t resident_kib;
	uint64_t anon_kib;
	uint64_t shmem_kib;
};

/* Return: as smaps_read(), and as costly */
int thp_process(const struct kfs *kfs, pid_t pid, struct thp_process *process, struct err *err);

#endif
