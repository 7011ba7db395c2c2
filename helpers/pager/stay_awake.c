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
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <sched.h>

#include "pager/engine.h"

enum { STAY_US = 100 };

unsigned int processors_of_ours(void)
{
	cpu_set_t set;

	/* It fails where there are more than 1024 */
	return sched_getaffinity(0, sizeof(set), &set) < 0 ? CPU_SETSIZE :
							     (unsigned int)CPU_COUNT(&set);
}

/* Said by CPUID on x86; elsewhere nothing says so, and the thread sleeps */
bool processors_are_virtual(void)
{
#if defined(__x86_64__)
	unsigned int a, b, c = 0, d;

	return __get_cpuid(1, &a, &b, &c, &d) && (c >> 31 & 1);
#else
	return false;
#endif
}

/* With one processor for all of us there is none to keep awake */
bool may_stay_awake(const struct guest_pager *pager)
{
	return pager->processors_are_virtual && pager->processors > 1;
}

bool stay_awake(struct guest_pager *pager, bool (*has_work)(struct guest_pager *pager))
{
	uint64_t faults = pager->statistics.faults, last = pager_now_ns(), now = last;

	if (!may_stay_awake(pager))
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
