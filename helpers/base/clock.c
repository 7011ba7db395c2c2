// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Deadlines on the monotonic clock.
 */
#include "base/clock.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <time.h>

#define A_DAY_MS (24 * 3600 * 1000)

uint64_t clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static volatile sig_atomic_t interrupted;

uint64_t clock_left_ms(uint64_t deadline)
{
	uint64_t now = clock_ms();

	/* Callers hand it on as an int */
	if (deadline == CLOCK_NEVER)
		return interrupted ? 0 : A_DAY_MS;
	return deadline > now ? deadline - now : 0;
}

void clock_sleep_ms(uint64_t ms)
{
	struct timespec rest = {
		.tv_sec = (time_t)(ms / 1000),
		.tv_nsec = (long)(ms % 1000 * 1000000),
	};

	while (nanosleep(&rest, &rest) < 0 && errno == EINTR)
		;
}

uint64_t clock_together_ms(uint64_t ms)
{
	return ms - clock_ms() % ms;
}

void clock_interrupt(void)
{
	interrupted = 1;
}

bool clock_interrupted(void)
{
	return interrupted;
}
