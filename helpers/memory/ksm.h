/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * KSM: the kernel merges anonymous pages of the same content.
 */
#ifndef MEMBACKING_MEMORY_KSM_H
#define MEMBACKING_MEMORY_KSM_H

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

/* Return: 0, or -ENOENT on a kernel without KSM */
int ksm_read(const struct kfs *kfs, struct ksm *ksm, struct err *err);

/**
 * ksm_process_saved() - What KSM saves of one process' memory
 * @saved_kib:	As in struct ksm
 * Return: 0, or -errno where the kernel doesn't say it or not to us
 */
int ksm_process_saved(const struct kfs *kfs, pid_t pid, int64_t *saved_kib);

#endif
