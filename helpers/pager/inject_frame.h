/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * DOC: inject_frame - a held thread that puts itself right if its tracer dies
 *
 * A tracer that is killed lets its thread go with the registers that it has.  So each call of ours
 * returns not to where the thread was, but into the C library's own way back from a signal
 * handler, with a frame on the stack as the kernel would have put it there, in which are the
 * thread's registers from before.  Nothing of that runs while the tracer lives.
 *
 *	call	syscall; ret			within the C library's text, or the program's
 *	back	mov $SYS_rt_sigreturn, %rax; syscall	the same
 *	frame	address of "back"; the registers; floating point, vectors
 *
 * The thread makes its own call once more then.  Only one that the kernel would have gone on with
 * by restart_syscall() (a sleep with a timeout that was interrupted) ends with EINTR.
 *
 * On x86-64, without shadow stacks: these have a return address of their own, which would not
 * match.  Elsewhere there is no such frame, and a thread whose tracer is killed takes the result
 * of our call for its own.
 */
#ifndef MEMBACKING_PAGER_INJECT_FRAME_H
#define MEMBACKING_PAGER_INJECT_FRAME_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

#include "kernel/kfs.h"

/* Registers, and vectors as large as processors have them without matrices */
#define INJECT_FRAME_MAX 8192

/* What the kernel may save of a processor: numbers of features */
enum { INJECT_FEATURES = 63 };

/**
 * struct inject_gadgets
 * @call, @back: Addresses in a process
 * @state_end:	Where each feature ends in what the kernel saves.  Asked before a thread is held: in
 *		a virtual machine each question to the processor is one to the host
 */
struct inject_gadgets {
	uint64_t call, back;
	uint32_t state_end[INJECT_FEATURES];
};

/**
 * inject_gadgets_find() - In the text of a process
 *
 * Return: 0; -ENOTSUP: this processor or process can't do it; -ENOENT: its text has no such
 * instructions; -errno
 */
int inject_gadgets_find(struct inject_gadgets *gadgets, const struct kfs *kfs, pid_t pid);

/**
 * inject_frame_build() - The frame of a thread at a stop
 * @image:	INJECT_FRAME_MAX bytes
 * @address:	Where they will be in the process: a multiple of 64, and the stack pointer of each
 *		call of ours
 * @own:	The registers to go on with
 * Return: its size, or 0: it can't be made
 */
size_t inject_frame_build(unsigned char *image, uint64_t address, pid_t tid,
			  const struct user_regs_struct *own, const struct inject_gadgets *gadgets);

#endif
