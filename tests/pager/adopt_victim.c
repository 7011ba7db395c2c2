// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A process whose threads sleep in every way that QEMU's do, and notice if one of their calls
 * ends too early, too late, with a result or an error that it can't have, or with changed
 * registers.
 *
 *	adopt_victim KIND...		kinds[] below; one thread each
 *
 * Ends when its standard input does, and says "rounds N wrong N interrupted N".  What is wrong is
 *on standard error as it happens.
 */
#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MS UINT64_C(1000000)

/* This machine may be busy; a sleep that begins anew each time never ends */
#define LATE_NS (5000 * MS)

static atomic_ulong rounds, wrong, interrupted;

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 * MS + (uint64_t)now.tv_nsec;
}

static struct timespec to_timespec(uint64_t ns)
{
	return (struct timespec){ (time_t)(ns / (1000 * MS)), (long)(ns % (1000 * MS)) };
}

static void complain(const char *kind, const char *what, long got)
{
	atomic_fetch_add(&wrong, 1);
	fprintf(stderr, "%s: %s %ld\n", kind, what, got);
}

static void check(const char *kind, long got, long want, uint64_t began, uint64_t ns)
{
	uint64_t took = now_ns() - began;

	/* Every such call may end so; none does unless a tracer was killed */
	if (got == -EINTR || got == EINTR) {
		atomic_fetch_add(&interrupted, 1);
		return;
	}
	if (got != want)
		complain(kind, "result", got);
	if (took < ns)
		complain(kind, "too early by ns:", (long)(ns - took));
	if (took > ns + LATE_NS)
		complain(kind, "too late by ms:", (long)((took - ns) / MS));
	atomic_fetch_add(&rounds, 1);
}

/* ---- one round of each kind ---- */

static void futex_timeout(void)
{
	static uint32_t word;
	struct timespec t = to_timespec(30 * MS);
	uint64_t began = now_ns();
	long rc = syscall(SYS_futex, &word, FUTEX_WAIT, 0, &t, NULL, 0);

	check("futex-timeout", rc < 0 ? -errno : rc, -ETIMEDOUT, began, 30 * MS);
}

/* As QEMU's thread of RCU: woken by another one.  A result that futex() can't have ends QEMU */
static _Atomic uint32_t bell;

static void *ring(void *arg)
{
	(void)arg;
	for (;;) {
		struct timespec t = to_timespec(10 * MS);

		nanosleep(&t, NULL);
		atomic_fetch_add(&bell, 1);
		syscall(SYS_futex, &bell, FUTEX_WAKE, 1, NULL, NULL, 0);
	}
	return NULL;
}

static void futex_wait(void)
{
	uint32_t seen = atomic_load(&bell);
	uint64_t began = now_ns();
	long rc = syscall(SYS_futex, &bell, FUTEX_WAIT, seen, NULL, NULL, 0);

	if (rc < 0 && errno == EAGAIN)
		rc = 0;
	/* From its beginning it can be made again, and need not be interrupted */
	if (rc < 0 && errno == EINTR)
		complain("futex", "result", -EINTR);
	if (rc == 0 && atomic_load(&bell) == seen)
		complain("futex", "woken without reason", 0);
	check("futex", rc < 0 ? -errno : rc, 0, began, 0);
}

static void sleep_relative(void)
{
	struct timespec t = to_timespec(20 * MS), rest = { 0 };
	uint64_t began = now_ns();

	check("sleep", clock_nanosleep(CLOCK_MONOTONIC, 0, &t, &rest), 0, began, 20 * MS);
}

static void sleep_absolute(void)
{
	uint64_t began = now_ns();
	struct timespec t = to_timespec(began + 20 * MS);

	check("sleep-absolute", clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL), 0, began,
	      20 * MS);
}

static void wait_ppoll(void)
{
	static int ends[2] = { -1, -1 };
	struct timespec t = to_timespec(25 * MS);
	struct pollfd fd;
	uint64_t began;
	long rc;

	if (ends[0] < 0 && pipe(ends) < 0)
		exit(2);
	fd = (struct pollfd){ .fd = ends[0], .events = POLLIN };
	began = now_ns();
	rc = ppoll(&fd, 1, &t, NULL);
	check("ppoll", rc < 0 ? -errno : rc, 0, began, 25 * MS);
}

static void wait_condition(void)
{
	static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	static pthread_cond_t condition;
	static int made;
	pthread_condattr_t attr;
	uint64_t began;
	struct timespec t;
	int rc;

	if (!made++) {
		pthread_condattr_init(&attr);
		pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
		pthread_cond_init(&condition, &attr);
	}
	began = now_ns();
	t = to_timespec(began + 30 * MS);
	pthread_mutex_lock(&mutex);
	do
		rc = pthread_cond_timedwait(&condition, &mutex, &t);
	while (rc == 0);
	pthread_mutex_unlock(&mutex);
	check("condition", rc, ETIMEDOUT, began, 30 * MS);
}

#ifdef __x86_64__
/* Everything that the kernel keeps over a system call */
static void registers(void)
{
	static uint32_t word;
	struct timespec t = to_timespec(15 * MS);
	uint64_t began = now_ns();
	uint64_t xmm[2] = { UINT64_C(0x1122334455667788), UINT64_C(0x99aabbccddeeff00) }, after[2];
	register long r10 __asm__("r10") = (long)&t;
	register long r8 __asm__("r8") = 0x5151515151515151;
	register long r9 __asm__("r9") = 0x6161616161616161;
	register long r12 __asm__("r12") = 0x1212121212121212;
	register long r13 __asm__("r13") = 0x1313131313131313;
	register long r14 __asm__("r14") = 0x1414141414141414;
	register long r15 __asm__("r15") = 0x1515151515151515;
	register long rdi __asm__("rdi") = (long)&word;
	register long rsi __asm__("rsi") = FUTEX_WAIT;
	register long rdx __asm__("rdx") = 0;
	long rc = SYS_futex;
	uint32_t control = 0x1f00 | 0x6000, control_after; /* MXCSR: round to zero */
	uint32_t usual = 0x1f80;

	__asm__ volatile("ldmxcsr %[control]\n"
			 "movdqu %[xmm], %%xmm9\n"
			 "syscall\n"
			 "movdqu %%xmm9, %[after]\n"
			 "stmxcsr %[control_after]\n"
			 "ldmxcsr %[usual]\n"
			 : "+a"(rc), "+r"(r10), "+r"(r8), "+r"(r9), "+r"(r12), "+r"(r13), "+r"(r14),
			   "+r"(r15), "+r"(rdi), "+r"(rsi),
			   "+r"(rdx), [after] "=m"(after), [control_after] "=m"(control_after)
			 : [xmm] "m"(xmm), [control] "m"(control), [usual] "m"(usual)
			 : "rcx", "r11", "xmm9", "memory", "cc");
	if (r10 != (long)&t || r8 != 0x5151515151515151 || r9 != 0x6161616161616161 ||
	    r12 != 0x1212121212121212 || r13 != 0x1313131313131313 || r14 != 0x1414141414141414 ||
	    r15 != 0x1515151515151515 || rdi != (long)&word || rsi != FUTEX_WAIT || rdx != 0)
		complain("registers", "changed", 0);
	if (memcmp(xmm, after, sizeof(xmm)) != 0)
		complain("registers", "xmm changed", 0);
	if ((control_after & 0x7f80) != (control & 0x7f80))
		complain("registers", "mxcsr is", (long)control_after);
	check("registers", rc, -ETIMEDOUT, began, 15 * MS);
}
#endif

static const struct kind {
	const char *name;
	void (*round)(void);
} kinds[] = {
	{ "futex", futex_wait },     { "futex-timeout", futex_timeout },
	{ "sleep", sleep_relative }, { "sleep-absolute", sleep_absolute },
	{ "ppoll", wait_ppoll },     { "condition", wait_condition },
#ifdef __x86_64__
	{ "registers", registers },
#endif
};

/* What an adoption has put below the stack must not help the next one */
static __attribute__((noinline)) void scrub_stack(void)
{
	volatile char below[32768];
	size_t i;

	for (i = 0; i < sizeof(below); i++)
		below[i] = (char)0xee;
}

static void *sleeper(void *arg)
{
	const struct kind *kind = arg;

	for (;;) {
		scrub_stack();
		kind->round();
	}
	return NULL;
}

static void start(void *(*run)(void *), const void *arg)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, run, (void *)(uintptr_t)arg) != 0)
		exit(2);
}

static void start_kind(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(kinds[i].name, name))
			break;
	if (i == sizeof(kinds) / sizeof(kinds[0]))
		exit(2);
	start(sleeper, &kinds[i]);
}

int main(int argc, char **argv)
{
	sigset_t all;
	char byte;
	int i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* As QEMU does for its threads */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	for (i = 1; i < argc; i++)
		start_kind(argv[i]);
	/* The one that wakes others is not to be chosen: no thread of ours leaves signals open */
	sigemptyset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	start(ring, NULL);
	printf("ready\n");
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		;
	printf("rounds %lu wrong %lu interrupted %lu\n", atomic_load(&rounds), atomic_load(&wrong),
	       atomic_load(&interrupted));
	return atomic_load(&wrong) != 0;
}
