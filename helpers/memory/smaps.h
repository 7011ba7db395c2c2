/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a process has of the host's memory: /proc/PID/smaps_rollup.
 */
#ifndef MEMBACKING_MEMORY_SMAPS_H
#define MEMBACKING_MEMORY_SMAPS_H

#include <stdint.h>
#include <sys/types.h>

struct err;
struct kfs;

/**
 * struct smaps - Sums over all mappings, in KiB
 * @rss_kib:	Resident.  A page that KSM merged counts in each process that has it
 * @pss_kib:	Resident, with shared pages divided by those who share them
 * @anon_huge_kib: Anonymous memory in transparent huge pages
 * @shmem_huge_kib: tmpfs and memfd, mapped as huge pages
 */
struct smaps {
	uint64_t rss_kib;
	uint64_t pss_kib;
	uint64_t anon_huge_kib;
	uint64_t shmem_huge_kib;
};

/**
 * smaps_read() - Sum up a process
 *
 * The kernel walks all its page tables for it: milliseconds for each GiB of small
 * pages.
 * Return: 0, or -errno: -ENOENT or -ESRCH where the process is gone, -EACCES to those
 * who may not look.  @smaps is unchanged then
 */
int smaps_read(const struct kfs *kfs, pid_t pid, struct smaps *smaps, struct err *err);

/**
 * smaps_read_resident() - What of a process is resident, from /proc/PID/status
 * @kib:	Result: shared pages count in full
 *
 * From the kernel's own counters, so it takes no time however large the process is.
 * Return: as smaps_read(); -EINVAL without such a line
 */
int smaps_read_resident(const struct kfs *kfs, pid_t pid, uint64_t *kib, struct err *err);

/**
 * smaps_read_hugetlb() - Huge pages that a process has mapped, likewise
 *
 * A page counts as often as it is mapped.  Of mappings that several processes share, those whose
 * page tables another one filled are missing, and those that it emptied may still count.
 */
int smaps_read_hugetlb(const struct kfs *kfs, pid_t pid, uint64_t *kib, struct err *err);

#endif
