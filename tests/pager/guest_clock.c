// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A clock as /init of a Linux guest, linked statically: each vCPU reads the time for ever, and
 * says how long it stood between two readings.
 *
 * Each second there is a line "GUEST clock N most=US over10ms=N over1s=N reads=N over1ms=N" on the
 * console: the N-th, the longest gap in it, and how many were longer than that.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "pager/guest_console.h"

/* Of all vCPUs, since the last line */
static _Atomic uint64_t most_ns, over_1ms, over_10ms, over_1s, reads;

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void note_gap(uint64_t gap)
{
	uint64_t most = atomic_load(&most_ns);

	while (gap > most && !atomic_compare_exchange_weak(&most_ns, &most, gap))
		;
	if (gap > 1000000)
		atomic_fetch_add(&over_1ms, 1);
	if (gap > 10000000)
		atomic_fetch_add(&over_10ms, 1);
	if (gap > 1000000000)
		atomic_fetch_add(&over_1s, 1);
}

static void *watch(void *arg)
{
	uint64_t last, now;
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET((size_t)(uintptr_t)arg, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	for (last = now_ns();; last = now) {
		now = now_ns();
		note_gap(now - last);
		atomic_fetch_add(&reads, 1);
	}
	return NULL;
}

int main(void)
{
	struct timespec second = { 1, 0 };
	pthread_t thread;
	long cpus, n;

	guest_console();
	cpus = sysconf(_SC_NPROCESSORS_ONLN);
	for (n = 0; n < cpus; n++)
		if (pthread_create(&thread, NULL, watch, (void *)(uintptr_t)n) != 0)
			return 1;
	printf("GUEST READY with %ld vCPUs\n", cpus);
	for (n = 1;; n++) {
		nanosleep(&second, NULL);
		printf("GUEST clock %ld most=%llu over10ms=%llu over1s=%llu reads=%llu over1ms=%llu\n",
		       n, (unsigned long long)atomic_exchange(&most_ns, 0) / 1000,
		       (unsigned long long)atomic_exchange(&over_10ms, 0),
		       (unsigned long long)atomic_exchange(&over_1s, 0),
		       (unsigned long long)atomic_exchange(&reads, 0),
		       (unsigned long long)atomic_exchange(&over_1ms, 0));
		fflush(stdout);
	}
}
