// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Signals that ask the program to end, turned into a flag.
 */
#include "process/interrupts.h"

#include <signal.h>
#include <stddef.h>

#include "base/array.h"
#include "base/clock.h"

static void on_interrupt(int signal_number)
{
	(void)signal_number;
	clock_interrupt();
}

void interrupts_catch(void)
{
	struct sigaction action = { .sa_handler = on_interrupt }, before;
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(signals); i++) {
		if (sigaction(signals[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
			sigaction(signals[i], &action, NULL);
	}
}
