/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Signals and limits that a main starts with, whatever its parent left it.
 *
 * DOC: what is inherited
 *
 * An exec keeps ignored signals, the blocked mask, pending signals, the timers of
 * setitimer() and all limits.  So a parent can make waitpid() fail (SIGCHLD ignored),
 * make a deadline's alarm come never or too early, and end us at the first byte that we
 * write (RLIMIT_FSIZE, whose signal is SIGXFSZ; a broken pipe).  For a hook such an end is
 * a failure, and libvirt kills a running guest for that.
 */
#ifndef MEMBACKING_PROCESS_SIGNALS_H
#define MEMBACKING_PROCESS_SIGNALS_H

/**
 * signals_set_up() - For each main, before its first change
 *
 * Stops inherited timers, ignores signals that mean nothing to us and end a process by
 * default, unblocks all, and lifts the limits that stop us half-way (file size, CPU time,
 * memory, descriptors) as far as it may.  SIGINT, SIGTERM, SIGHUP and SIGQUIT stay as
 * inherited: nohup has its reasons.
 */
void signals_set_up(void);

/**
 * signals_never_fail() - For a process whose failure would end a running guest
 *
 * After signals_set_up().  Ignores requests to end, and makes a crash an exit with
 * status 0.  Only SIGKILL is left.
 */
void signals_never_fail(void);

/**
 * signals_end_quietly() - signals_never_fail(), but a request to end is obeyed at once,
 * with status 0
 */
void signals_end_quietly(void);

/**
 * signals_set_default() - Take back what the others set, in a forked child
 *
 * Its end must say what happened, and it may execute other programs.  Requests to end that
 * are ignored stay so.
 */
void signals_set_default(void);

#endif
