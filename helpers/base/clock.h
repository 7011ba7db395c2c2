/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Deadlines, and an alarm that ends a system call when one has passed.
 */
#ifndef MEMBACKING_BASE_CLOCK_H
#define MEMBACKING_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* Milliseconds of a clock that no administrator sets */
uint64_t clock_ms(void);

/* Milliseconds from now until @deadline, 0 if it has passed */
uint64_t clock_left_ms(uint64_t deadline);

void clock_sleep_ms(uint64_t ms);

/* A deadline for work that only a person ends: it passes when clock_interrupted() */
#define CLOCK_NEVER ((uint64_t)INT64_MAX)

/**
 * clock_catch_interrupts() - SIGINT, SIGTERM and SIGHUP no longer end the process
 *
 * They end a blocking system call, and let CLOCK_NEVER pass, so that what was begun
 * can be taken back.
 */
void clock_catch_interrupts(void);
bool clock_interrupted(void);

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
