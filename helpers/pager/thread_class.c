// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Names of QEMU's threads, and threads that read in the order of addresses.
 */
#include "pager/thread_class.h"

#include <stddef.h>
#include <string.h>

enum {
	/* So many faults that go upwards are no chance: with what is read ahead, 8 MiB */
	ASCENDING = 64,
	/* Pages of a guest that are there in between, 64 MiB */
	GAP_MAX = 16384,
};

static const uint64_t name_valid_ns = 1000000000;

/* As far as /proc/PID/task/TID/comm has them: 15 characters */
static const struct {
	const char *begins;
	enum fault_class class;
} names[] = {
	{ "CPU ", FAULT_VCPU },
	{ "live_migration", FAULT_MIGRATION },
	{ "multifdsend_", FAULT_MIGRATION },
	{ "bg_snapshot", FAULT_MIGRATION },
	/* QEMU 9.2 */
	{ "mig/src/", FAULT_MIGRATION },
	{ "mig/snapshot", FAULT_MIGRATION },
	/* virsh dump --memory-only */
	{ "dump_thread", FAULT_MIGRATION },
};

enum fault_class thread_class_of(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strncmp(name, names[i].begins, strlen(names[i].begins)) == 0)
			return names[i].class;
	return FAULT_OTHER;
}

struct thread_seen *thread_find(struct thread_classes *classes, uint32_t tid, uint64_t now_ns,
				bool *name_it)
{
	struct thread_seen *set = classes->seen[tid % THREAD_SETS], *oldest = &set[0];
	size_t i;

	for (i = 0; i < THREADS_IN_SET; i++) {
		if (set[i].tid == tid) {
			*name_it = now_ns - set[i].named_ns >= name_valid_ns;
			if (*name_it)
				set[i].named_ns = now_ns;
			return &set[i];
		}
		if (set[i].named_ns < oldest->named_ns)
			oldest = &set[i];
	}
	*oldest = (struct thread_seen){ .tid = tid, .class = FAULT_OTHER, .named_ns = now_ns };
	*name_it = true;
	return oldest;
}

static bool goes_up(struct thread_seen *thread, uint64_t page)
{
	bool up = page > thread->last && page - thread->last <= GAP_MAX;

	/* Another thread may have had the same page loaded */
	if (page == thread->last)
		up = thread->ascending > 0;
	thread->ascending = up ? thread->ascending + (thread->ascending < ASCENDING) : 0;
	thread->last = page;
	return thread->ascending >= ASCENDING;
}

bool thread_scans(struct thread_seen *thread, uint64_t page, bool writes)
{
	if (writes || thread->class == FAULT_VCPU)
		return false;
	return goes_up(thread, page) || thread->class == FAULT_MIGRATION;
}
