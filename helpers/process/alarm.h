/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An alarm that ends a blocking system call when a deadline has passed.
 *
 * A process has one, and any of its threads may get the signal: for programs of one thread.
 */
#ifndef MEMBACKING_PROCESS_ALARM_H
#define MEMBACKING_PROCESS_ALARM_H

#include <stdint.h>

/**
 * alarm_start() - Interrupt blocking system calls after @ms, again and again
 *
 * SIGALRM is caught without SA_RESTART, so that flock() returns EINTR and a
 * write to nr_hugepages stops looking for pages.  It repeats, because one
 * signal that arrives just before the system call would be lost.
 */
void alarm_start(uint64_t ms);
void alarm_stop(void);

#endif
