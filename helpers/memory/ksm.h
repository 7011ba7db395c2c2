/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * KSM: the kernel merges anonymous pages of the same content.
 */
#ifndef MEMBACKING_MEMORY_KSM_H
#define MEMBACKING_MEMORY_KSM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
struct kfs;

/**
 * struct ksm - What KSM does on this host
 * @run:	0 stopped (what is merged stays), 1 running, 2 everything comes apart
 * @saved_kib:	Memory saved.  From 6.4 on less KSM's own bookkeeping, so that it
 *		is negative where that costs more; before, the merged pages alone
 */
struct ksm {
	uint64_t run;
	int64_t saved_kib;
};

#define KSM_DIR "sys/kernel/mm/ksm"

enum ksm_run { KSM_RUN_STOP, KSM_RUN_MERGE, KSM_RUN_UNMERGE };

/* Return: 0, or -ENOENT on a kernel without KSM */
int ksm_read(const struct kfs *kfs, struct ksm *ksm, struct err *err);

/**
 * struct ksm_merged - What is merged at present
 * @shared:	Pages that several mappings share.  Some settings can't change until it is 0
 * @apart_kib:	Memory that it takes for everything to come apart
 *
 * What a dead process had merged counts until ksmd comes across it, or everything is
 * taken apart; while KSM is stopped that is never.
 */
struct ksm_merged {
	uint64_t shared;
	uint64_t apart_kib;
};

int ksm_read_merged(const struct kfs *kfs, struct ksm_merged *merged, struct err *err);

/* From 6.7 on: the kernel can choose how much it scans.  @advising: it does */
bool ksm_has_advisor(const struct kfs *kfs, bool *advising);

/* How often ksmd has been through all mergeable memory; 0 on a kernel without KSM */
uint64_t ksm_passes(const struct kfs *kfs);

/**
 * ksm_rouse_advisor() - Let the advisor that was just switched on find its pace
 * @passes:	ksm_passes() before KSM was switched on
 *
 * After its first pass the advisor takes all the processor time that ksmd has used since
 * boot for that of this pass, and goes down to 10 pages at a time.  Each further pass sets
 * that right by a factor of ten, but at this rate a pass over a guest takes minutes to
 * hours.  Over one page of this process, as here, it takes an instant.
 *
 * To be called while no guest's memory is mergeable yet.  Takes a tenth of a second, and
 * nothing stays.
 *
 * Return: 0; -ETIMEDOUT if it has not come up within half a second; another -errno
 */
int ksm_rouse_advisor(const struct kfs *kfs, uint64_t passes);

/**
 * ksm_process_saved() - What KSM saves of one process' memory
 * @saved_kib:	As in struct ksm
 * Return: 0, or -errno where the kernel doesn't say it or not to us
 */
int ksm_process_saved(const struct kfs *kfs, pid_t pid, int64_t *saved_kib);

#endif
