// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Where the thread that answers faults runs.
 *
 * A vCPU that waits has left its processor idle: answered from there, a fault costs two switches
 * of context and no interrupt of another processor, half the time of one that is answered from
 * elsewhere.  The threads that load from slow tiers come along: while one waits for the disk that
 * processor is idle as well.  What follows where one vCPU faults alone: see lone_vcpu.h.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/kfs.h"
#include "pager/engine.h"

/* Faults between two looks where the guest's vCPU runs, since a look costs as much as a fault */
enum { FOLLOW_FAULTS = 256 };

/* The processor that a thread ran on last: field 39 of its stat, 37th after its name */
static int processor_of(const struct guest_pager *pager, uint32_t tid)
{
	char path[KFS_PATH_SIZE], text[1024], *at;
	struct kfs kfs;
	int field, rc;

	if (kfs_open(&kfs, "/", NULL) < 0)
		return -1;
	snprintf(path, sizeof(path), "proc/%d/task/%u/stat", (int)pager->adopted.identity.pid, tid);
	rc = kfs_read(&kfs, path, text, sizeof(text), NULL);
	kfs_close(&kfs);
	at = rc == 0 ? strrchr(text, ')') : NULL;
	for (field = 0; at && field < 37; field++)
		at = strchr(at + 1, ' ');
	return at ? (int)strtol(at, NULL, 10) : -1;
}

/* To one processor, as libvirt's vcpupin does */
static bool is_bound(uint32_t tid)
{
	cpu_set_t set;

	return sched_getaffinity((pid_t)tid, sizeof(set), &set) == 0 && CPU_COUNT(&set) == 1;
}

static bool follow(struct guest_pager *pager, uint32_t tid)
{
	int cpu = processor_of(pager, tid);
	cpu_set_t set;
	size_t i;

	if (cpu < 0 || cpu == pager->place.follows)
		return cpu >= 0;
	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	if (pthread_setaffinity_np(pthread_self(), sizeof(set), &set) != 0)
		return false;
	/* Where it may not, it is as fast as it was */
	for (i = 0; i < SLOW_WORKERS; i++)
		if (pager->slow.worker[i].runs)
			pthread_setaffinity_np(pager->slow.worker[i].thread, sizeof(set), &set);
	pager->place.follows = cpu;
	return true;
}

void placement_begin(struct guest_pager *pager)
{
	pager->place.follows = -1;
}

void placement_turn(struct guest_pager *pager)
{
	uint32_t tid = pager->fault[0].tid;
	bool beside;

	if (pager->n_faults == 0 || pager->place.follow_in-- > 0)
		return;
	pager->place.follow_in = FOLLOW_FAULTS;
	beside = follow(pager, tid);
	/* A vCPU does not wait for pins that an eviction has to wait for */
	pager->place.bound = beside && pager->options.pins == PINS_NONE && is_bound(tid);
}

void placement_fault(struct guest_pager *pager, uint32_t tid, uint64_t ahead)
{
	bool lone = lone_vcpu_fault(&pager->place.lone, tid, ahead);

	pager->alone = lone && pager->place.bound;
}
