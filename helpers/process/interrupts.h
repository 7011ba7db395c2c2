/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Requests to end that let a program take back what it began.
 */
#ifndef MEMBACKING_PROCESS_INTERRUPTS_H
#define MEMBACKING_PROCESS_INTERRUPTS_H

/**
 * interrupts_catch() - SIGINT, SIGTERM and SIGHUP no longer end the process
 *
 * They end a blocking system call and let CLOCK_NEVER pass; clock_interrupted() tells.
 * Signals that the parent ignores stay ignored: nohup and "&" in a script have their reasons.
 */
void interrupts_catch(void);

#endif
