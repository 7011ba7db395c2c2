// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Processors, as the scheduler and CPUID say.
 */
#include "pager/processors.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <sched.h>

unsigned int processors_of_ours(void)
{
	cpu_set_t set;

	/* It fails where there are more than 1024 */
	return sched_getaffinity(0, sizeof(set), &set) < 0 ? CPU_SETSIZE :
							     (unsigned int)CPU_COUNT(&set);
}

/* Said by CPUID on x86; elsewhere nothing says so, and threads sleep */
bool processors_are_virtual(void)
{
#if defined(__x86_64__)
	unsigned int a, b, c = 0, d;

	return __get_cpuid(1, &a, &b, &c, &d) && (c >> 31 & 1);
#else
	return false;
#endif
}
