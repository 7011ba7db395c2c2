/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory of the pager's own that may have an uncorrectable error of the host's.
 *
 * DOC: what happens
 *
 * An access to such a page is a SIGBUS.  Where the pager reads or writes what it holds of guests it
 * sets up a guard: the handler jumps out of the access, and one page of one guest is lost instead
 * of the pager, which would die of the same page again after each restart.  An access without a
 * guard ends the process.
 *
 * No lock may be taken within a guard that is not let go there: use memory_copy() under locks.
 */
#ifndef MEMBACKING_PAGER_MEMORY_ERROR_H
#define MEMBACKING_PAGER_MEMORY_ERROR_H

#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

/**
 * struct memory_guard - On the stack of who accesses memory
 * @at:	Where the error was
 */
struct memory_guard {
	sigjmp_buf here;
	struct memory_guard *outer;
	const char *volatile at;
};

/* The handler of SIGBUS (SA_SIGINFO | SA_NODEFER), for all threads */
void memory_error_signal(int signal, siginfo_t *info, void *context);

void memory_guard_push(struct memory_guard *guard);
/* The innermost one.  Not after an error: then it is gone */
void memory_guard_pop(struct memory_guard *guard);

/*
 * True: go on, and end with memory_guard_pop().  False: an access met an error.  The signals' mask
 * stays: saving it would be a system call, and SA_NODEFER changes none.
 */
#define MEMORY_GUARDED(guard) (memory_guard_push(guard), sigsetjmp((guard)->here, 0) == 0)

/* memcpy().  Return: false: an error in one of the two */
bool memory_copy(void *to, const void *from, size_t bytes);

#endif
