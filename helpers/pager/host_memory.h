/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How short of memory the host is: what is available, and for how long tasks waited for memory.
 *
 * Where the kernel does not count stalls, what is available is all there is.  Neither depends on
 * a version of cgroups.
 */
#ifndef MEMBACKING_PAGER_HOST_MEMORY_H
#define MEMBACKING_PAGER_HOST_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "kernel/kfs.h"

/* Tasks that wait for so long within this time are told at once */
enum { HOST_MEMORY_STALL_US = 200000, HOST_MEMORY_WINDOW_US = 2000000 };

/* The share of a shorter time says nothing */
enum { HOST_MEMORY_LEAST_MS = 200 };

/**
 * struct host_memory - What was seen by the look before
 * @trigger:	Ready (EPOLLPRI) when tasks wait for memory; -1: this kernel does not tell
 * @stalled_us, @looked: Of that look; @looked in clock_ms()
 */
struct host_memory {
	const struct kfs *kfs;
	int trigger;
	bool counts_stalls;
	uint64_t stalled_us;
	uint64_t looked;
	int percent;
};

/**
 * struct host_memory_look
 * @stalled_percent: Of the time since the look before some task waited for memory; -1: not known
 */
struct host_memory_look {
	uint64_t available_kib;
	int stalled_percent;
};

void host_memory_open(struct host_memory *memory, const struct kfs *kfs);
void host_memory_close(struct host_memory *memory);

/**
 * host_memory_look() - Two small files of /proc
 * @now:	clock_ms()
 *
 * Return: 0; -errno: what is available can't be read
 */
int host_memory_look(struct host_memory *memory, uint64_t now, struct host_memory_look *look,
		     struct err *err);

#endif
