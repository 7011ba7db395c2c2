// SPDX-License-Identifier: LGPL-2.1-or-later
#include "base/clock.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/time.h>
#include <time.h>

#define ALARM_REPEAT_MS 20
#define A_DAY_MS	(24 * 3600 * 1000)

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

void clock_alarm_start(uint64_t ms)
{
	struct sigaction action = { .sa_handler = on_alarm };
	sigset_t set;

	sigaction(SIGALRM, &action, NULL);
	/* Whoever started us may have blocked it */
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	set_timer(ms ? ms : 1, ALARM_REPEAT_MS);
}

void clock_alarm_stop(void)
{
	set_timer(0, 0);
}

static void on_interrupt(int signal_number)
{
	(void)signal_number;
	interrupted = 1;
}

void clock_catch_interrupts(void)
{
	struct sigaction action = { .sa_handler = on_interrupt }, before;
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	size_t i;

	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		/* nohup and "&" in a script have their reasons */
		if (sigaction(signals[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
			sigaction(signals[i], &action, NULL);
	}
}

bool clock_interrupted(void)
{
	return interrupted;
}
