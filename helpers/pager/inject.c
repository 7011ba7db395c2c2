// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * System calls made by a sleeping thread of another process: the stops and the registers.
 */
#include "pager/inject.h"

#include <elf.h>
#include <errno.h>
#include <linux/audit.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

#include "base/array.h"
#include "base/clock.h"
#include "pager/inject_thread.h"

/* A thread that is held answers in microseconds; a processor may be busy with something else */
#define ANSWER_MS 2000

/* What others may interrupt it for: stops of the whole process, in which we have no part */
#define OTHER_STOPS_MAX 16

/* The x86-64 ABI lets a function use this much below its stack pointer */
#define RED_ZONE 128

static int read_memory(const struct inject *inject, uint64_t address, void *data, size_t n)
{
	struct iovec here = { data, n }, there = { (void *)(uintptr_t)address, n };
	ssize_t got = process_vm_readv(inject->pid, &here, 1, &there, 1, 0);

	if (got < 0)
		return -errno;
	return (size_t)got == n ? 0 : -EFAULT;
}

static int write_memory(const struct inject *inject, uint64_t address, const void *data, size_t n)
{
	struct iovec here = { (void *)(uintptr_t)data, n };
	struct iovec there = { (void *)(uintptr_t)address, n };
	ssize_t put = process_vm_writev(inject->pid, &here, 1, &there, 1, 0);

	if (put < 0)
		return -errno;
	return (size_t)put == n ? 0 : -EFAULT;
}

/* What PTRACE_GET_SYSCALL_INFO of Linux 5.3 gives: <linux/ptrace.h> has it, which does not go
 * together with <sys/ptrace.h> */
#define GET_SYSCALL_INFO 0x420e
enum { STOP_NONE, STOP_ENTRY, STOP_EXIT };

struct stop_info {
	uint8_t op;
	uint32_t arch __attribute__((aligned(sizeof(uint32_t))));
	uint64_t instruction_pointer;
	uint64_t stack_pointer;
	union {
		struct {
			uint64_t nr;
			uint64_t args[6];
		} entry;
		struct {
			int64_t rval;
			uint8_t is_error;
		} exit;
	};
};

#if defined(__x86_64__)
#define OWN_ARCH AUDIT_ARCH_X86_64
static const unsigned char instruction[] = { 0x0f, 0x05 };

static uint64_t regs_pc(const struct user_regs_struct *regs)
{
	return regs->rip;
}

static uint64_t regs_sp(const struct user_regs_struct *regs)
{
	return regs->rsp;
}

static void set_args(struct user_regs_struct *regs, const unsigned long args[6])
{
	regs->rdi = args[0];
	regs->rsi = args[1];
	regs->rdx = args[2];
	regs->r10 = args[3];
	regs->r8 = args[4];
	regs->r9 = args[5];
}

/* At the entry of a call: another one instead, which comes back where ours do */
static int replace_call(struct inject *inject, long number, const unsigned long args[6])
{
	inject->now.orig_rax = (unsigned long)number;
	inject->now.rip = inject->call + sizeof(instruction);
	inject->now.rsp = inject->call_sp;
	set_args(&inject->now, args);
	return 0;
}

/* Its own call was interrupted, and the kernel is about to restart it: the codes for that are
 * the kernel's own, no program sees them */
static bool will_repeat(struct inject *inject, const struct user_regs_struct *regs)
{
	static const long codes[] = { -512, -513, -514, -516 };
	size_t i;

	(void)inject;
	for (i = 0; i < ARRAY_SIZE(codes); i++)
		if ((long)regs->orig_rax >= 0 && (long)regs->rax == codes[i])
			return true;
	return false;
}

/* Go through an instruction.  Without a number in orig_rax the kernel takes no result for a call
 * to be restarted */
static void go_through(struct user_regs_struct *regs, uint64_t address, long number)
{
	regs->rip = address;
	regs->rax = (unsigned long)number;
	regs->orig_rax = ~0UL;
}

static void next_call(struct inject *inject, long number, const unsigned long args[6])
{
	go_through(&inject->now, inject->call, number);
	inject->now.rsp = inject->call_sp;
	set_args(&inject->now, args);
}

/* As they were, the kernel restarts the call itself: also later, if the process is stopped first */
static void own_registers(struct inject *inject, const struct user_regs_struct *before, long number)
{
	inject->last = *before;
	inject->own = inject->now;
	go_through(&inject->own, inject->now.rip - sizeof(instruction), number);
}
#elif defined(__aarch64__)
#define OWN_ARCH AUDIT_ARCH_AARCH64
static const unsigned char instruction[] = { 0x01, 0x00, 0x00, 0xd4 };

static uint64_t regs_pc(const struct user_regs_struct *regs)
{
	return regs->pc;
}

static uint64_t regs_sp(const struct user_regs_struct *regs)
{
	return regs->sp;
}

static void set_args(struct user_regs_struct *regs, const unsigned long args[6])
{
	size_t i;

	for (i = 0; i < 6; i++)
		regs->regs[i] = args[i];
}

/* The kernel has read the number from x8 already, and keeps it elsewhere */
static int replace_call(struct inject *inject, long number, const unsigned long args[6])
{
	int value = (int)number;
	struct iovec iov = { &value, sizeof(value) };

	inject->now.regs[8] = (unsigned long)number;
	set_args(&inject->now, args);
	if (ptrace(PTRACE_SETREGSET, inject->tid, NT_ARM_SYSTEM_CALL, &iov) < 0)
		return -errno;
	return 0;
}

static void next_call(struct inject *inject, long number, const unsigned long args[6])
{
	inject->now.pc = inject->call;
	inject->now.regs[8] = (unsigned long)number;
	set_args(&inject->now, args);
}

/* The kernel has gone back to the instruction already */
static bool will_repeat(struct inject *inject, const struct user_regs_struct *regs)
{
	unsigned char found[sizeof(instruction)];

	return read_memory(inject, regs->pc, found, sizeof(found)) == 0 &&
	       memcmp(found, instruction, sizeof(found)) == 0;
}

/* x7 says entry or exit at stops of system calls; its own value is only seen before */
static void own_registers(struct inject *inject, const struct user_regs_struct *before, long number)
{
	inject->own = inject->now;
	inject->own.pc -= sizeof(instruction);
	inject->own.regs[7] = before->regs[7];
	inject->own.regs[8] = (unsigned long)number;
	inject->last = inject->own;
}
#else
/* cppcheck-suppress preprocessorErrorDirective */
#error "inject: registers of this processor are not known here"
#endif

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* ---- registers and the buffer ---- */

static int read_registers(struct inject *inject, struct user_regs_struct *regs)
{
	struct iovec iov = { regs, sizeof(*regs) };

	return ptrace(PTRACE_GETREGSET, inject->tid, NT_PRSTATUS, &iov) < 0 ? -errno : 0;
}

static int write_registers(struct inject *inject, struct user_regs_struct *regs)
{
	struct iovec iov = { regs, sizeof(*regs) };

	return ptrace(PTRACE_SETREGSET, inject->tid, NT_PRSTATUS, &iov) < 0 ? -errno : 0;
}

static bool in_buffer(size_t offset, size_t n)
{
	return offset <= INJECT_BUFFER_BYTES && n <= INJECT_BUFFER_BYTES - offset;
}

int inject_put(const struct inject *inject, size_t offset, const void *data, size_t n,
	       struct err *err)
{
	int rc = in_buffer(offset, n) ? write_memory(inject, inject->buffer + offset, data, n) :
					-EINVAL;

	return rc < 0 ? err_sys(err, -rc, "process_vm_writev to process %d", (int)inject->pid) : 0;
}

int inject_get(const struct inject *inject, size_t offset, void *data, size_t n, struct err *err)
{
	int rc = in_buffer(offset, n) ? read_memory(inject, inject->buffer + offset, data, n) :
					-EINVAL;

	return rc < 0 ? err_sys(err, -rc, "process_vm_readv from process %d", (int)inject->pid) : 0;
}

/* ---- stops ---- */

static int gone(struct inject *inject, struct err *err)
{
	inject->stop = INJECT_GONE;
	return err_set(err, ESRCH, "process %d ended", (int)inject->pid);
}

/* Wait for the thread's next stop.  SIGCHLD is blocked: it stays pending until it is taken */
static int wait_stop(struct inject *inject, int *status, struct err *err)
{
	uint64_t deadline = clock_ms() + ANSWER_MS;
	sigset_t child;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	for (;;) {
		pid_t tid = waitpid(inject->tid, status, __WALL | WNOHANG);
		uint64_t left = clock_left_ms(deadline);
		struct timespec rest = { (time_t)(left / 1000), (long)(left % 1000) * 1000000 };

		if (tid < 0)
			return gone(inject, err);
		if (tid && !WIFSTOPPED(*status))
			return gone(inject, err);
		if (tid)
			return 0;
		if (!left)
			return err_set(err, ETIMEDOUT, "thread %d of process %d does not answer",
				       (int)inject->tid, (int)inject->pid);
		sigtimedwait(&child, NULL, &rest);
	}
}

/* Which stop of a system call is it? */
static int syscall_stop(struct inject *inject, struct stop_info *info, struct err *err)
{
	if (ptrace(GET_SYSCALL_INFO, inject->tid, sizeof(*info), info) <= 0)
		return err_sys(err, errno, "PTRACE_GET_SYSCALL_INFO of thread %d",
			       (int)inject->tid);
	switch (info->op) {
	case STOP_ENTRY:
		inject->stop = INJECT_AT_ENTRY;
		return 0;
	case STOP_EXIT:
		inject->stop = INJECT_AT_EXIT;
		return 0;
	default:
		return err_set(err, EPROTO, "thread %d stopped where it should not",
			       (int)inject->tid);
	}
}

static bool is_syscall_stop(int status)
{
	return status >> 8 == (SIGTRAP | 0x80);
}

static bool is_event_stop(int status)
{
	return status >> 16 == PTRACE_EVENT_STOP;
}

/* With another signal than ours the whole process is being stopped */
static void at_event(struct inject *inject, int status)
{
	inject->stop = INJECT_AT_EVENT;
	inject->stopped = WSTOPSIG(status) != SIGTRAP;
}

/* A signal that came to a thread which blocks those that have handlers: one that it caused
 * itself.  Here, too, registers can be put back; it gets the signal then */
static int signal_came(struct inject *inject, int status, struct err *err)
{
	inject->stop = INJECT_AT_EVENT;
	inject->signal = WSTOPSIG(status);
	return err_set(err, EINTR, "thread %d of process %d got signal %d", (int)inject->tid,
		       (int)inject->pid, inject->signal);
}

/**
 * resume() - Let the thread go on until its next stop
 * @to_syscall:	To the next one of a system call; else to an event's
 */
static int resume(struct inject *inject, bool to_syscall, struct stop_info *info, struct err *err)
{
	int status = 0, others, rc;

	for (others = 0; others < OTHER_STOPS_MAX; others++) {
		if (ptrace(to_syscall ? PTRACE_SYSCALL : PTRACE_CONT, inject->tid, NULL, NULL) < 0)
			return errno == ESRCH ?
				       gone(inject, err) :
				       err_sys(err, errno, "ptrace of thread %d", (int)inject->tid);
		inject->stop = INJECT_RUNS;
		rc = wait_stop(inject, &status, err);
		if (rc < 0)
			return rc;
		if (is_syscall_stop(status))
			return syscall_stop(inject, info, err);
		if (!is_event_stop(status))
			return signal_came(inject, status, err);
		at_event(inject, status);
		if (!to_syscall)
			return 0;
	}
	return err_set(err, EBUSY, "process %d is stopped and continued all the time",
		       (int)inject->pid);
}

/* To a stop without a user instruction in between, if it isn't at one */
static int interrupt(struct inject *inject, struct err *err)
{
	int status = 0, rc;

	if (inject->stop == INJECT_AT_EVENT)
		return 0;
	if (ptrace(PTRACE_INTERRUPT, inject->tid, NULL, NULL) < 0)
		return errno == ESRCH ? gone(inject, err) :
					err_sys(err, errno, "PTRACE_INTERRUPT of thread %d",
						(int)inject->tid);
	if (inject->stop != INJECT_RUNS)
		return resume(inject, false, NULL, err);
	rc = wait_stop(inject, &status, err);
	if (rc < 0)
		return rc;
	/* Of a call that it still had to make: one more, to where that ends */
	if (is_syscall_stop(status))
		return resume(inject, false, NULL, err);
	if (!is_event_stop(status))
		return signal_came(inject, status, err);
	at_event(inject, status);
	return 0;
}

/* ---- begin ---- */

/* Real time makes a thread stand for a half to a third as long on a busy host.  Only while one
 * stands: this program reads libraries and looks for a thread before, and would keep a vCPU from
 * its processor.  Where a unit forbids it (RestrictRealtime), niceness has to do */
static void run_first(bool first)
{
	const struct sched_param param = { .sched_priority = first ? 1 : 0 };

	sched_setscheduler(0, first ? SCHED_FIFO : SCHED_OTHER, &param);
}

static int seize(struct inject *inject, struct err *err)
{
	int rc;

	if (ptrace(PTRACE_SEIZE, inject->tid, NULL, (void *)PTRACE_O_TRACESYSGOOD) == 0)
		return 0;
	rc = -errno;
	if (rc == -ESRCH)
		return err_set(err, EAGAIN, "thread %d ended", (int)inject->tid);
	return err_sys(err, -rc,
		       "ptrace of process %d is refused (a security module, or another tracer)",
		       (int)inject->pid);
}

/* A call that is made once more: nothing of it has happened yet */
static int note_own(struct inject *inject, const struct user_regs_struct *before,
		    const struct stop_info *info, struct err *err)
{
	unsigned char found[sizeof(instruction)];
	int rc;

	if (inject->stop != INJECT_AT_ENTRY)
		return err_set(err, EAGAIN, "thread %d is not before a system call",
			       (int)inject->tid);
	if (info->arch != OWN_ARCH)
		return err_set(err, ENOTSUP, "process %d is no 64-bit program", (int)inject->pid);
	rc = read_registers(inject, &inject->now);
	if (rc < 0)
		return err_sys(err, -rc, "registers of thread %d", (int)inject->tid);
	own_registers(inject, before, (long)info->entry.nr);
	rc = read_memory(inject, regs_pc(&inject->own), found, sizeof(found));
	if (rc < 0 || memcmp(found, instruction, sizeof(found)) != 0)
		return err_set(err, EAGAIN, "thread %d has no usual system call instruction",
			       (int)inject->tid);
	return 0;
}

/* Where our calls are made, and where they return to if the tracer is dead */
static void place_calls(struct inject *inject)
{
	inject->call = regs_pc(&inject->own);
	inject->call_sp = regs_sp(&inject->own);
	if (!inject->frame_size)
		return;
	inject->call = inject->gadgets.call;
	inject->call_sp = inject->buffer + INJECT_BUFFER_BYTES;
}

/* Room below the stack, and the frame in it, before any register is changed */
static int prepare_stack(struct inject *inject, struct err *err)
{
	unsigned char frame[INJECT_FRAME_MAX];
	uint64_t address;

	address = (regs_sp(&inject->own) - RED_ZONE - INJECT_FRAME_MAX) & ~UINT64_C(63);
	inject->buffer = address - INJECT_BUFFER_BYTES;
	if (inject->gadgets.call)
		inject->frame_size = inject_frame_build(frame, address, inject->tid, &inject->own,
							&inject->gadgets);
	inject->saved_size = INJECT_BUFFER_BYTES + inject->frame_size;
	if (read_memory(inject, inject->buffer, inject->saved, inject->saved_size) < 0)
		return err_set(err, EAGAIN, "no room below the stack of thread %d",
			       (int)inject->tid);
	if (inject->frame_size && write_memory(inject, address, frame, inject->frame_size) < 0)
		return err_set(err, EAGAIN, "no room below the stack of thread %d",
			       (int)inject->tid);
	place_calls(inject);
	return 0;
}

/* Is it asleep still, as the list of threads said? */
static int hold_asleep(struct inject *inject, struct stop_info *info, struct err *err)
{
	struct user_regs_struct before;
	int rc = interrupt(inject, err);

	if (rc < 0)
		return rc;
	rc = read_registers(inject, &before);
	if (rc < 0)
		return err_sys(err, -rc, "registers of thread %d", (int)inject->tid);
	if (!will_repeat(inject, &before))
		return err_set(err, EAGAIN, "thread %d woke up", (int)inject->tid);
	rc = resume(inject, true, info, err);
	if (rc < 0)
		return rc;
	rc = note_own(inject, &before, info, err);
	return rc < 0 ? rc : prepare_stack(inject, err);
}

static int hold(struct inject *inject, struct err *err)
{
	struct stop_info info = { 0 };
	struct err ignored;
	int rc = seize(inject, err);

	if (rc < 0)
		return rc;
	run_first(true);
	inject->began_ns = now_ns();
	rc = hold_asleep(inject, &info, err);
	if (rc < 0)
		inject_end(inject, &ignored);
	return rc;
}

int inject_begin(struct inject *inject, const struct kfs *kfs, pid_t pid, uint64_t deadline,
		 struct err *err)
{
	struct inject_gadgets gadgets = { 0 };
	struct inject_threads threads;
	size_t i;
	int rc;

	/* Without them it is done all the same */
	if (inject_gadgets_find(&gadgets, kfs, pid) < 0)
		gadgets.call = 0;
	do {
		rc = inject_threads_read(&threads, kfs, pid, err);
		for (i = 0; rc == 0 && i < threads.n; i++) {
			*inject = (struct inject){
				.pid = pid,
				.tid = threads.list[i],
				.gadgets = gadgets,
			};
			rc = hold(inject, err);
			if (rc == 0)
				return 0;
			if (rc == -EAGAIN)
				rc = 0;
		}
		if (rc < 0)
			return rc;
		clock_sleep_ms(1);
	} while (clock_left_ms(deadline));
	return err_set(err, EAGAIN,
		       "no thread of process %d sleeps where a system call can be put in",
		       (int)pid);
}

/* ---- the calls ---- */

static int put_in(struct inject *inject, long number, const unsigned long args[6], struct err *err)
{
	int rc = 0;

	if (inject->stop == INJECT_AT_ENTRY)
		rc = replace_call(inject, number, args);
	else
		next_call(inject, number, args);
	if (rc == 0)
		rc = write_registers(inject, &inject->now);
	if (rc < 0)
		return err_sys(err, -rc, "registers of thread %d", (int)inject->tid);
	return 0;
}

/* To the entry of the call that was put in */
static int enter(struct inject *inject, long number, struct err *err)
{
	struct stop_info info = { 0 };
	int rc;

	if (inject->stop == INJECT_AT_ENTRY)
		return 0;
	rc = resume(inject, true, &info, err);
	if (rc < 0)
		return rc;
	if (inject->stop == INJECT_AT_ENTRY && info.entry.nr == (uint64_t)number)
		return 0;
	return err_set(err, EPROTO, "thread %d does not make the call that it was given",
		       (int)inject->tid);
}

int inject_call(struct inject *inject, long number, const unsigned long args[6], long *result,
		struct err *err)
{
	struct stop_info info = { 0 };
	int rc;

	inject->changed = true;
	rc = put_in(inject, number, args, err);
	if (rc == 0)
		rc = enter(inject, number, err);
	if (rc == 0)
		rc = resume(inject, true, &info, err);
	if (rc < 0)
		return rc;
	if (inject->stop != INJECT_AT_EXIT)
		return err_set(err, EPROTO, "thread %d does not come back from a call",
			       (int)inject->tid);
	rc = read_registers(inject, &inject->now);
	if (rc < 0)
		return err_sys(err, -rc, "registers of thread %d", (int)inject->tid);
	*result = (long)info.exit.rval;
	return 0;
}

/* ---- end ---- */

/* The registers first: until they are its own, the frame must be there.  After a call of ours it
 * makes its own one anew; at an event's stop the kernel is about to have it repeated */
static int put_back(struct inject *inject, struct err *err)
{
	int rc = write_registers(inject,
				 inject->stop == INJECT_AT_EXIT ? &inject->own : &inject->last);

	if (rc < 0)
		return err_sys(err, -rc, "registers of thread %d", (int)inject->tid);
	/* Below the stack it makes no difference to the thread */
	rc = write_memory(inject, inject->buffer, inject->saved, inject->saved_size);
	if (rc < 0)
		return err_sys(err, -rc, "stack of thread %d", (int)inject->tid);
	return 0;
}

int inject_end(struct inject *inject, struct err *err)
{
	bool in_place = inject->stop == INJECT_AT_EXIT && !inject->stopped;
	int rc = 0;

	if (inject->stop == INJECT_GONE) {
		run_first(false);
		return err_set(err, ESRCH, "process %d ended", (int)inject->pid);
	}
	/* At the entry of its own call, which is as it was, there is nothing to put right */
	if ((inject->changed && !in_place) || inject->stop == INJECT_RUNS) {
		rc = interrupt(inject, err);
		/* A signal's stop will do as well */
		if (rc == -EINTR)
			rc = 0;
	}
	if (rc == 0 && inject->changed)
		rc = put_back(inject, err);
	if (rc == 0 && ptrace(PTRACE_DETACH, inject->tid, NULL, (void *)(long)inject->signal) < 0)
		rc = errno == ESRCH ?
			     gone(inject, err) :
			     err_sys(err, errno, "PTRACE_DETACH of thread %d", (int)inject->tid);
	inject->stood_ns = now_ns() - inject->began_ns;
	run_first(false);
	inject->changed = inject->changed && rc < 0;
	return rc;
}
