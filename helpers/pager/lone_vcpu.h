/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Is one thread of the guest's alone with its faults?  Pure: no clock, no system call.
 *
 * DOC: what follows
 *
 * Such a thread and the one that answers it never work at the same time.  Where the guest's thread
 * is bound to one processor they take turns there, and the fault thread evicts by itself: page
 * tables that no processor uses are changed without an interrupt of another one, pages that become
 * free are in this processor's caches, and no second processor is kept awake for it.  It takes half
 * of the processor time that an access takes otherwise.
 *
 * Not where the kernel may put the guest's thread on another processor, which it does whenever that
 * one is idle: then each fault wakes one that has halted.
 *
 * It ends where another thread faults as well, and where pages are read ahead, for which another
 * processor can make room meanwhile.
 */
#ifndef MEMBACKING_PAGER_LONE_VCPU_H
#define MEMBACKING_PAGER_LONE_VCPU_H

#include <stdbool.h>
#include <stdint.h>

/**
 * struct lone_vcpu - Zeros to begin with
 * @on:		It is alone
 * @tid:	The thread of the last fault
 * @streak:	Its faults since another thread's, less what was read ahead
 */
struct lone_vcpu {
	bool on;
	uint32_t tid, streak;
};

/* A fault, and how many pages were read ahead of it.  Return: whether it is alone now */
bool lone_vcpu_fault(struct lone_vcpu *lone, uint32_t tid, uint64_t ahead);

#endif
