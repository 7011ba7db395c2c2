/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Deadlines on a clock that no administrator sets.
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

/* Milliseconds until the next multiple of @ms: threads that look as often do it at the same moment,
 * so that a processor that has nothing else to do wakes up once for all of them */
uint64_t clock_together_ms(uint64_t ms);

/* A deadline for work that only a person ends: it passes when clock_interrupted() */
#define CLOCK_NEVER ((uint64_t)INT64_MAX)

/* For a signal handler: let CLOCK_NEVER pass.  See process/interrupts.h */
void clock_interrupt(void);
bool clock_interrupted(void);

#endif
