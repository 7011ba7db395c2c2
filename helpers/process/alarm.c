// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The process's alarm, on ITIMER_REAL.
 */
#include "process/alarm.h"

#include <signal.h>
#include <stddef.h>
#include <sys/time.h>

#define ALARM_REPEAT_MS 20

static void on_alarm(int signal_number)
{
	(void)signal_number;
}

static void set_timer(uint64_t ms, uint64_t repeat_ms)
{
	struct itimerval timer = {
		.it_value = { (time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000) },
		.it_interval = { 0, (suseconds_t)(repeat_ms * 1000) },
	};

	setitimer(ITIMER_REAL, &timer, NULL);
}

void alarm_start(uint64_t ms)
{
	struct sigaction action = { .sa_handler = on_alarm };
	sigset_t set;

	sigaction(SIGALRM, &action, NULL);
	/* The parent may have blocked it */
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	set_timer(ms ? ms : 1, ALARM_REPEAT_MS);
}

void alarm_stop(void)
{
	set_timer(0, 0);
}
