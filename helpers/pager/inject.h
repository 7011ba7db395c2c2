/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * DOC: inject - system calls made by a sleeping thread of another process
 *
 * A thread that sleeps in a system call is held by ptrace, makes some calls of ours, and goes
 * back to sleep in its own call.  No text is written and nothing is mapped: it goes through a
 * system call instruction that is there, and data lies below its stack.  If we are killed
 * meanwhile, the thread puts itself right where it can (inject_frame.h).
 *
 * Each stop is one of system call tracing.  PTRACE_SINGLESTEP is never used: where a tracer is
 * killed at such a stop, SIGTRAP comes through and the process dies.
 *
 *	stop			what is done there
 *	PTRACE_EVENT_STOP	nothing: the thread is about to make its own call again
 *	entry of its own call	registers are noted, and the call replaced by our first one
 *	exit			the result is read, the next call put in
 *	entry			the number is compared
 *	...
 *	exit of the last one	the registers with which it makes its own call anew
 *
 * These are two stops a call and one more.  The entry can't be left out: a thread that is let run
 * past it runs past the exit, too.  Where something goes wrong between, and in a process that is
 * stopped, PTRACE_INTERRUPT brings the thread to an event's stop, and the registers from the
 * beginning have the kernel repeat its own call: it stays within that call while it is stopped.
 *
 * Whatever can be known before is asked before the thread is held, and nothing is sent to anyone
 * meanwhile: half of the time that a thread stands was our own.
 *
 * A call that the kernel restarts (restart_syscall: a sleep with a timeout) goes on with its
 * time as it was, because none of our calls leaves a restart of its own.
 *
 * The program that calls this has one thread, blocks all signals, and ends afterwards: its end
 * lets a thread go that does not answer any more.
 */
#ifndef MEMBACKING_PAGER_INJECT_H
#define MEMBACKING_PAGER_INJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

#include "base/err.h"
#include "kernel/kfs.h"
#include "pager/inject_frame.h"

/* Memory for arguments and results, below the thread's stack */
#define INJECT_BUFFER_BYTES 512

enum inject_stop {
	INJECT_RUNS, /* not at a stop */
	INJECT_AT_ENTRY,
	INJECT_AT_EXIT,
	INJECT_AT_EVENT, /* where its own registers can be put back */
	INJECT_GONE,
};

/**
 * struct inject - A thread that is held
 * @pid, @tid:	The process, its thread
 * @own:	Registers with which it makes its own call once more
 * @last:	The same, for a stop of an event
 * @buffer:	Address of INJECT_BUFFER_BYTES there, and of a frame behind them
 * @saved:	What was in both
 * @call, @call_sp: Instruction and stack pointer of our calls
 * @gadgets, @frame_size: 0: the thread goes wrong if we are killed (inject_frame.h)
 * @stopped:	The process is stopped as a whole, as by SIGSTOP
 * @signal:	That came meanwhile and that the thread gets at the end, or 0
 * @changed:	A call of ours was put in: without inject_end() the thread goes wrong
 * @began_ns:	Monotonic clock when the thread was interrupted
 * @stood_ns:	After inject_end(): for how long it stood
 */
struct inject {
	pid_t pid, tid;
	enum inject_stop stop;
	struct user_regs_struct own, last, now;
	uint64_t buffer;
	uint64_t call, call_sp;
	struct inject_gadgets gadgets;
	size_t frame_size, saved_size;
	unsigned char saved[INJECT_BUFFER_BYTES + INJECT_FRAME_MAX];
	int signal;
	bool changed, stopped;
	uint64_t began_ns, stood_ns;
};

/**
 * inject_begin() - Choose a thread and hold it at the entry of its own system call
 * @deadline:	clock_ms(); threads that run now may sleep a moment later
 *
 * Neither main nor a vCPU's ("CPU n/KVM"), in a call that the kernel restarts without the
 * process seeing it, and with its signals blocked, as the threads of QEMU have them: no handler
 * comes between.
 *
 * Return: 0; -EPERM, -EACCES: may not trace it; -EBUSY: traced already; -EAGAIN: no such thread
 * until @deadline; -ESRCH: the process ended; -errno
 */
int inject_begin(struct inject *inject, const struct kfs *kfs, pid_t pid, uint64_t deadline,
		 struct err *err);

/**
 * inject_call() - One call of ours
 * @number:	__NR_...; one that neither waits nor is restarted
 * @result:	What the kernel gave: 0 or more, or -errno
 *
 * Return: 0: the call was made; -errno: the thread could not be made to, and only inject_end()
 * is left
 */
int inject_call(struct inject *inject, long number, const unsigned long args[6], long *result,
		struct err *err);

/* Within the buffer; while the thread is held */
int inject_put(const struct inject *inject, size_t offset, const void *data, size_t n,
	       struct err *err);
int inject_get(const struct inject *inject, size_t offset, void *data, size_t n, struct err *err);

/**
 * inject_end() - Let the thread go on with its own call
 *
 * After inject_begin(), whatever came of the calls.
 * Return: 0; -ESRCH: the process ended meanwhile; -errno: it could not be put right
 */
int inject_end(struct inject *inject, struct err *err);

#endif
