/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Moving from CPU to CPU, for what the kernel keeps per CPU.
 */
#ifndef MEMBACKING_BASE_CPU_H
#define MEMBACKING_BASE_CPU_H

#include <sched.h>

/**
 * struct cpu_tour - Where we may run, and where we are
 * @n_cpus:	Their number; 0: this host has more CPUs than cpu_set_t, stay put
 */
struct cpu_tour {
	cpu_set_t allowed;
	unsigned int n_cpus;
	int at;
};

void cpu_tour_start(struct cpu_tour *tour);

/* Run on the next of the allowed CPUs */
void cpu_tour_next(struct cpu_tour *tour);

/* Run wherever it was allowed before */
void cpu_tour_end(const struct cpu_tour *tour);

#endif
