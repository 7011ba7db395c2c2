// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Accesses that survive a memory error of the host.
 */
#include "pager/memory_error.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local struct memory_guard *innermost;

void memory_error_signal(int signal, siginfo_t *info, void *context)
{
	struct memory_guard *guard = innermost;

	(void)signal;
	(void)context;
	/* Found by the host in passing (vm.memory_failure_early_kill): any thread hears of it,
	 * whatever it is doing.  Who needs the page will see */
	if (info->si_code == BUS_MCEERR_AO)
		return;
	if (!guard)
		abort();
	innermost = guard->outer;
	guard->at = info->si_addr;
	siglongjmp(guard->here, 1);
}

void memory_guard_push(struct memory_guard *guard)
{
	guard->at = NULL;
	guard->outer = innermost;
	innermost = guard;
	/* The handler runs in this thread */
	atomic_signal_fence(memory_order_seq_cst);
}

void memory_guard_pop(struct memory_guard *guard)
{
	atomic_signal_fence(memory_order_seq_cst);
	innermost = guard->outer;
}

bool memory_copy(void *to, const void *from, size_t bytes)
{
	struct memory_guard guard;

	if (!MEMORY_GUARDED(&guard))
		return false;
	memcpy(to, from, bytes);
	memory_guard_pop(&guard);
	return true;
}
