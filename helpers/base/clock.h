/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Deadlines, and an alarm that ends a system call when one has passed.
 */
#ifndef MEMBACKING_BASE_CLOCK_H
#define MEMBACKING_BASE_CLOCK_H

#include <stdint.h>

/* Milliseconds of a clock that no administrator sets */
uint64_t clock_ms(void);

/* Milliseconds from now until @deadline, 0 if it has passed */
uint64_t clock_left_ms(uint64_t deadline);

void clock_sleep_ms(uint64_t ms);

/**
 * clock_alarm_start() - Interrupt blocking system calls after @ms, again and again
 *
 * SIGALRM is caught without SA_RESTART, so that flock() returns EINTR and a
 * write to nr_hugepages stops looking for pages.  It repeats, because one
 * signal that arrives just before the system call would be lost.
 */
void clock_alarm_start(uint64_t ms);
void clock_alarm_stop(void);

#endif
