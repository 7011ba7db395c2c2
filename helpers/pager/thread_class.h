/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which of QEMU's threads a fault is of, and whether it reads all memory.  Pure: no clock, no
 * system call.
 *
 * DOC: what follows
 *
 * A migration, a dump and a snapshot read each page once.  What is loaded for them goes again
 * behind them (scan.c), so that the guest's working set stays.  QEMU names their threads, as
 * libvirt has it do.  Without names, and where QEMU's main thread does it, a thread that is no
 * vCPU's and reads ever higher addresses reads all memory.
 *
 * A name is only a hint: a page that goes again too early is loaded once more.
 */
#ifndef MEMBACKING_PAGER_THREAD_CLASS_H
#define MEMBACKING_PAGER_THREAD_CLASS_H

#include <stdbool.h>
#include <stdint.h>

enum fault_class { FAULT_VCPU, FAULT_MAIN, FAULT_MIGRATION, FAULT_OTHER, FAULT_CLASSES };

/* A thread's class by its name; the main thread's is known otherwise */
enum fault_class thread_class_of(const char *name);

enum { THREAD_SETS = 64, THREADS_IN_SET = 4 };

/**
 * struct thread_seen - A thread of which faults were seen
 * @named_ns:	When it was asked for its name; a number of a thread is used again
 * @last:	Its last fault that read
 * @ascending:	So many in a row were on higher pages than the one before
 */
struct thread_seen {
	uint32_t tid;
	enum fault_class class;
	uint64_t named_ns;
	uint64_t last;
	uint32_t ascending;
};

/* Zeros to begin with */
struct thread_classes {
	struct thread_seen seen[THREAD_SETS][THREADS_IN_SET];
};

/**
 * thread_find() - What is known of a thread
 * @name_it:	The caller asks for its name, sets @class, and may ask for this thread again then
 *
 * Of too many threads the one that was named first is forgotten.
 */
struct thread_seen *thread_find(struct thread_classes *classes, uint32_t tid, uint64_t now_ns,
				bool *name_it);

/* A fault of a thread with this class.  Return: does it read all memory? */
bool thread_scans(struct thread_seen *thread, uint64_t page, bool writes);

#endif
