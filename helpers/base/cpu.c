// SPDX-License-Identifier: LGPL-2.1-or-later
#include "base/cpu.h"

void cpu_tour_start(struct cpu_tour *tour)
{
	tour->n_cpus = 0;
	tour->at = -1;
	if (sched_getaffinity(0, sizeof(tour->allowed), &tour->allowed) == 0)
		tour->n_cpus = (unsigned int)CPU_COUNT(&tour->allowed);
}

void cpu_tour_next(struct cpu_tour *tour)
{
	cpu_set_t one;

	if (tour->n_cpus < 2)
		return;
	do {
		tour->at = (tour->at + 1) % CPU_SETSIZE;
	} while (!CPU_ISSET((size_t)tour->at, &tour->allowed));
	CPU_ZERO(&one);
	CPU_SET((size_t)tour->at, &one);
	/* A CPU that has just gone offline is passed over */
	sched_setaffinity(0, sizeof(one), &one);
}

void cpu_tour_end(const struct cpu_tour *tour)
{
	if (tour->n_cpus >= 2)
		sched_setaffinity(0, sizeof(tour->allowed), &tour->allowed);
}
