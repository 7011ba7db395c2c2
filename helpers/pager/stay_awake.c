// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Keeping a processor of a virtual machine from halting while faults follow one another.
 *
 * A thread that is woken goes to an idle processor if there is one.  On hardware that costs a
 * microsecond or two.  In a virtual machine the processor has halted, and what wakes it goes
 * through the hypervisor: 40 us and more where that is nested.  Each fault wakes two threads, so
 * that a second processor which is idle makes a fault ten times slower than one which is busy.
 * The thread that evicts, which has work again in a moment anyway, therefore waits for it without
 * sleeping, as long as faults come at intervals of less than STAY_US.
 */
#include <sched.h>

#include "pager/engine.h"

enum { STAY_US = 100 };

bool stay_awake(struct guest_pager *pager, bool (*has_work)(struct guest_pager *pager))
{
	uint64_t faults = pager->statistics.faults, last = pager_now_ns(), now = last;

	/* With one processor for all of us there is none to keep awake */
	if (!pager->processors_are_virtual || pager->processors < 2)
		return false;
	while (now - last < STAY_US * 1000 && !pager_stopping(pager) && !pager->alone) {
		/* Where another thread wants this processor it is not idle */
		sched_yield();
		if (has_work(pager))
			return true;
		now = pager_now_ns();
		if (pager->statistics.faults != faults) {
			faults = pager->statistics.faults;
			last = now;
		}
	}
	return false;
}
