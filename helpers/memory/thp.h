/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Transparent huge pages: the host's settings.
 */
#ifndef MEMBACKING_MEMORY_THP_H
#define MEMBACKING_MEMORY_THP_H

struct err;
struct kfs;

#define THP_WORD_SIZE 32

/**
 * struct thp - The kernel's words: "always", "madvise", "within_size", ...
 * @shmem_enabled: For tmpfs and memfd.  Each is empty where the kernel has no such
 *		setting
 */
struct thp {
	char enabled[THP_WORD_SIZE];
	char defrag[THP_WORD_SIZE];
	char shmem_enabled[THP_WORD_SIZE];
};

/* Return: 0, or -ENOENT on a kernel without THP */
int thp_read(const struct kfs *kfs, struct thp *thp, struct err *err);

#endif
