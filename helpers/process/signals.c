// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Signals and limits at the start of a main.
 */
#include "process/signals.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

#include "base/limits.h"

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

/* Enough for a look into all of /proc beside what libraries open */
#define LEAST_FILES 1024

static const int requests[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
static const int crashes[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGTRAP };

/* They end a process by default and say nothing to us.  SIGALRM has a handler while
 * clock.h's alarm runs */
static const int meaningless[] = {
	SIGPIPE, SIGXFSZ, SIGXCPU, SIGALRM, SIGVTALRM, SIGPROF,
	SIGUSR1, SIGUSR2, SIGIO,   SIGPWR,  SIGSTKFLT,
};

static void set(int signal_number, void (*handler)(int))
{
	struct sigaction action = { .sa_handler = handler };

	sigaction(signal_number, &action, NULL);
}

static void set_all(const int *signals, size_t n, void (*handler)(int))
{
	size_t i;

	for (i = 0; i < n; i++)
		set(signals[i], handler);
}

static void set_real_time(void (*handler)(int))
{
	int i;

	for (i = SIGRTMIN; i <= SIGRTMAX; i++)
		set(i, handler);
}

static void stop_timers(void)
{
	static const which_timer timers[] = { ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF };
	const struct itimerval never = { 0 };
	size_t i;

	for (i = 0; i < N_OF(timers); i++)
		setitimer(timers[i], &never, NULL);
}

static void unblock_all(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Only with CAP_SYS_RESOURCE may the hard limit be exceeded */
static void lift(limit_resource resource, rlim_t least)
{
	struct rlimit old, new;

	if (getrlimit(resource, &old) < 0)
		return;
	new.rlim_max = old.rlim_max < least ? least : old.rlim_max;
	new.rlim_cur = new.rlim_max;
	if (old.rlim_cur == new.rlim_cur)
		return;
	if (setrlimit(resource, &new) == 0)
		return;
	new.rlim_cur = new.rlim_max = old.rlim_max;
	setrlimit(resource, &new);
}

static void lift_limits(void)
{
	lift(RLIMIT_FSIZE, RLIM_INFINITY);
	lift(RLIMIT_CPU, RLIM_INFINITY);
	lift(RLIMIT_AS, RLIM_INFINITY);
	lift(RLIMIT_DATA, RLIM_INFINITY);
	lift(RLIMIT_NOFILE, LEAST_FILES);
}

void signals_set_up(void)
{
	stop_timers();
	set_all(meaningless, N_OF(meaningless), SIG_IGN);
	set_real_time(SIG_IGN);
	set_all(crashes, N_OF(crashes), SIG_DFL);
	/* waitpid() has nothing to tell where it is ignored */
	set(SIGCHLD, SIG_DFL);
	/* Last: what is pending finds its disposition */
	unblock_all();
	lift_limits();
}

static void end_well(int signal_number)
{
	(void)signal_number;
	_exit(0);
}

static void end_crashes_well(void)
{
	struct sigaction action = { .sa_handler = end_well, .sa_flags = SA_ONSTACK };
	/* A stack that overflows leaves no room for a handler */
	static char stack[16384];
	const stack_t other = { .ss_sp = stack, .ss_size = sizeof(stack) };
	size_t i;

	if (sigaltstack(&other, NULL) < 0)
		action.sa_flags = 0;
	for (i = 0; i < N_OF(crashes); i++)
		sigaction(crashes[i], &action, NULL);
}

void signals_never_fail(void)
{
	set_all(requests, N_OF(requests), SIG_IGN);
	end_crashes_well();
}

void signals_end_quietly(void)
{
	set_all(requests, N_OF(requests), end_well);
	end_crashes_well();
}

void signals_set_default(void)
{
	struct sigaction action;
	size_t i;

	set_all(meaningless, N_OF(meaningless), SIG_DFL);
	set_real_time(SIG_DFL);
	set_all(crashes, N_OF(crashes), SIG_DFL);
	for (i = 0; i < N_OF(requests); i++)
		if (sigaction(requests[i], NULL, &action) == 0 && action.sa_handler == end_well)
			set(requests[i], SIG_DFL);
}
