// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What happens to a pager under test.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "pager/strike.h"

enum { PLACES_MAX = 256, PLANS_MAX = 8, PAGE = 4096 };

enum what { DIE, FAIL, SHORT, DELAY };

struct plan {
	enum what what;
	char place[64];
	unsigned long first;
	bool on;    /* and each time after that */
	long value; /* errno, milliseconds */
};

static struct plan plans[PLANS_MAX];
static unsigned int n_plans;
static unsigned int trouble;
static _Atomic bool begun;
static _Atomic unsigned long any;

static struct {
	_Atomic(const char *) name;
	_Atomic unsigned long n;
} places[PLACES_MAX];

/* ---- plans ---- */

static bool plan_parse(struct plan *plan, const char *text)
{
	char *end, number[32];
	const char *colon = strchr(text, ':');

	/* "step:LABEL:3": the number comes after the last colon that is followed by one */
	while (colon && strchr(colon + 1, ':') && (colon[1] < '0' || colon[1] > '9'))
		colon = strchr(colon + 1, ':');
	if (!colon || (size_t)(colon - text) >= sizeof(plan->place))
		return false;
	memcpy(plan->place, text, (size_t)(colon - text));
	snprintf(number, sizeof(number), "%s", colon + 1);
	plan->first = strtoul(number, &end, 10);
	if (*end == '+') {
		plan->on = true;
		end++;
	}
	if (*end == ':')
		plan->value = strtol(end + 1, NULL, 10);
	return plan->first > 0;
}

bool strike_plan(const char *spec)
{
	static const char *const words[] = {
		[DIE] = "die=", [FAIL] = "fail=", [SHORT] = "short=", [DELAY] = "delay="
	};
	unsigned int i;

	if (!strncmp(spec, "trouble=", 8)) {
		trouble = (unsigned int)strtoul(spec + 8, NULL, 10);
		return true;
	}
	for (i = 0; i < sizeof(words) / sizeof(*words) && n_plans < PLANS_MAX; i++) {
		if (strncmp(spec, words[i], strlen(words[i])) != 0)
			continue;
		plans[n_plans].what = (enum what)i;
		return plan_parse(&plans[n_plans++], spec + strlen(words[i]));
	}
	return false;
}

void strike_begin(void)
{
	atomic_store(&begun, true);
}

/* Names are literals, but one name may stand at two addresses */
static unsigned long count(const char *name)
{
	const char *none;
	unsigned int i;

	for (i = 0; i < PLACES_MAX; i++) {
		none = NULL;
		if (!atomic_load(&places[i].name))
			atomic_compare_exchange_strong(&places[i].name, &none, name);
		if (!strcmp(atomic_load(&places[i].name), name))
			return atomic_fetch_add(&places[i].n, 1) + 1;
	}
	return 0;
}

void strike_places(FILE *out)
{
	unsigned int i;

	for (i = 0; i < PLACES_MAX && places[i].name; i++)
		fprintf(out, "place %s %lu\n", places[i].name, places[i].n);
}

static bool due(const struct plan *plan, enum what what, const char *place, unsigned long n)
{
	return plan->what == what && !strcmp(plan->place, place) &&
	       (n == plan->first || (plan->on && n > plan->first));
}

static void die(void)
{
	kill(getpid(), SIGKILL);
	for (;;)
		pause();
}

static void sleep_ms(long ms)
{
	struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&time, NULL);
}

static void reach(const char *place)
{
	unsigned long n, of_all;
	unsigned int i;

	if (!atomic_load(&begun))
		return;
	n = count(place);
	of_all = atomic_fetch_add(&any, 1) + 1;
	for (i = 0; i < n_plans; i++) {
		if (due(&plans[i], DIE, place, n) || due(&plans[i], DIE, "any", of_all))
			die();
		if (due(&plans[i], DELAY, place, n))
			sleep_ms(plans[i].value);
	}
}

void pager_step(const char *label);

void pager_step(const char *label)
{
	/* Room for each label's name; labels are literals, so this is found by its address */
	static struct {
		_Atomic(const char *) label;
		char name[64];
	} names[PLACES_MAX];
	const char *none;
	unsigned int i;

	if (!atomic_load(&begun))
		return;
	for (i = 0; i < PLACES_MAX; i++) {
		none = NULL;
		if (!names[i].label &&
		    atomic_compare_exchange_strong(&names[i].label, &none, label))
			snprintf(names[i].name, sizeof(names[i].name), "step:%s", label);
		if (names[i].label == label)
			break;
	}
	/* Another thread may still be writing the name */
	while (i < PLACES_MAX && !names[i].name[0])
		sched_yield();
	if (i < PLACES_MAX)
		reach(names[i].name);
}

/* ---- calls ---- */

/* The names of one call's two places; the number of its plan, if it is to fail */
struct call {
	const char *name, *before, *after;
};

#define CALL(call_name)                                                                            \
	(struct call)                                                                              \
	{                                                                                          \
		.name = call_name, .before = "before:" call_name, .after = "after:" call_name      \
	}

/* Return: errno that the call fails with instead, or 0 */
static int begin(const struct call *call)
{
	unsigned long n = 0;
	unsigned int i;

	reach(call->before);
	for (i = 0; i < n_plans && atomic_load(&begun); i++) {
		if (plans[i].what != FAIL)
			continue;
		n = n ? n : count(call->name);
		if (due(&plans[i], FAIL, call->name, n))
			return (int)plans[i].value;
	}
	return 0;
}

static void end(const struct call *call)
{
	int saved = errno;

	reach(call->after);
	errno = saved;
}

static size_t shorten(const struct call *call, size_t bytes)
{
	unsigned long n = 0;
	unsigned int i;

	for (i = 0; i < n_plans && atomic_load(&begun); i++) {
		if (plans[i].what != SHORT)
			continue;
		n = n ? n : count(call->name);
		if (due(&plans[i], SHORT, call->name, n))
			return bytes < 2 * PAGE ? bytes : bytes / 2 / PAGE * PAGE;
	}
	return bytes;
}

/* ---- a buffer that goes away while the kernel reads it ---- */

static _Atomic(unsigned char *) taken_away;

/* An access of the pager's own meanwhile tries again until it is there */
static void comes_back(int signal, siginfo_t *info, void *context)
{
	unsigned char *page = atomic_load(&taken_away);

	(void)signal;
	(void)context;
	if (!page || (unsigned char *)info->si_addr < page ||
	    (unsigned char *)info->si_addr >= page + PAGE) {
		sched_yield();
		if (!page)
			return;
		abort();
	}
	sched_yield();
}

static unsigned char *take_away(const void *buffer, size_t bytes)
{
	static _Atomic unsigned int turn;
	struct sigaction action = { .sa_sigaction = comes_back, .sa_flags = SA_SIGINFO };
	unsigned char *page, *none = NULL;

	if (!trouble || !atomic_load(&begun) || bytes < PAGE ||
	    atomic_fetch_add(&turn, 1) % trouble)
		return NULL;
	page = (unsigned char *)(((uintptr_t)buffer + bytes / 2) & ~(uintptr_t)(PAGE - 1));
	if (!atomic_compare_exchange_strong(&taken_away, &none, page))
		return NULL;
	sigaction(SIGSEGV, &action, NULL);
	mprotect(page, PAGE, PROT_NONE);
	return page;
}

static void give_back(unsigned char *page)
{
	int saved = errno;

	if (page) {
		mprotect(page, PAGE, PROT_READ | PROT_WRITE);
		atomic_store(&taken_away, NULL);
	}
	errno = saved;
}

/* ---- the calls, as the linker knows them ---- */

static struct call ioctl_call(unsigned long request)
{
	switch (request) {
	case UFFDIO_REGISTER:
		return CALL("register");
	case UFFDIO_UNREGISTER:
		return CALL("unregister");
	case UFFDIO_WAKE:
		return CALL("wake");
	case UFFDIO_COPY:
		return CALL("copy");
	case UFFDIO_ZEROPAGE:
		return CALL("zeropage");
	case UFFDIO_WRITEPROTECT:
		return CALL("writeprotect");
	default:
		return CALL("ioctl");
	}
}

#define DECLARE(type, name, ...)                                                                   \
	type __real_##name(__VA_ARGS__);                                                           \
	type __wrap_##name(__VA_ARGS__)

/* Names that begin so are the linker's */
/* NOLINTBEGIN(bugprone-reserved-identifier) */
DECLARE(int, ioctl, int fd, unsigned long request, ...);
DECLARE(ssize_t, read, int fd, void *to, size_t bytes);
DECLARE(ssize_t, splice, int in, off_t *in_at, int out, off_t *out_at, size_t bytes,
	unsigned int flags);
DECLARE(ssize_t, vmsplice, int fd, const struct iovec *iov, size_t n, unsigned int flags);
DECLARE(ssize_t, pwrite, int fd, const void *from, size_t bytes, off_t at);
DECLARE(int, fallocate, int fd, int mode, off_t at, off_t bytes);
DECLARE(off_t, lseek, int fd, off_t at, int whence);
DECLARE(int, ftruncate, int fd, off_t bytes);
DECLARE(int, poll, struct pollfd *fds, nfds_t n, int timeout);

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	struct call call = ioctl_call(request);
	va_list args;
	void *argument;
	int failure, result;

	va_start(args, request);
	argument = va_arg(args, void *);
	va_end(args);
	failure = begin(&call);
	if (failure) {
		errno = failure;
		return -1;
	}
	result = __real_ioctl(fd, request, argument);
	end(&call);
	return result;
}

/* What all of them do */
#define THROUGH(call, invocation)                                                                  \
	do {                                                                                       \
		int failure = begin(&(call));                                                      \
                                                                                                   \
		if (failure) {                                                                     \
			errno = failure;                                                           \
			return -1;                                                                 \
		}                                                                                  \
		result = invocation;                                                               \
		end(&(call));                                                                      \
	} while (0)

ssize_t __wrap_read(int fd, void *to, size_t bytes)
{
	struct call call = CALL("read");
	ssize_t result;

	THROUGH(call, __real_read(fd, to, bytes));
	return result;
}

ssize_t __wrap_splice(int in, off_t *in_at, int out, off_t *out_at, size_t bytes,
		      unsigned int flags)
{
	struct call call = CALL("splice");
	ssize_t result;

	THROUGH(call, __real_splice(in, in_at, out, out_at, shorten(&call, bytes), flags));
	return result;
}

ssize_t __wrap_vmsplice(int fd, const struct iovec *iov, size_t n, unsigned int flags)
{
	struct call call = CALL("vmsplice");
	unsigned char *away = take_away(iov->iov_base, iov->iov_len);
	ssize_t result;

	result = __real_vmsplice(fd, iov, n, flags);
	give_back(away);
	reach(call.after);
	return result;
}

ssize_t __wrap_pwrite(int fd, const void *from, size_t bytes, off_t at)
{
	struct call call = CALL("pwrite");
	unsigned char *away = take_away(from, bytes);
	ssize_t result;

	result = __real_pwrite(fd, from, bytes, at);
	give_back(away);
	end(&call);
	return result;
}

int __wrap_fallocate(int fd, int mode, off_t at, off_t bytes)
{
	struct call call = CALL("fallocate");
	int result;

	THROUGH(call, __real_fallocate(fd, mode, at, bytes));
	return result;
}

off_t __wrap_lseek(int fd, off_t at, int whence)
{
	struct call call = CALL("lseek");
	off_t result;

	THROUGH(call, __real_lseek(fd, at, whence));
	return result;
}

int __wrap_ftruncate(int fd, off_t bytes)
{
	struct call call = CALL("ftruncate");
	int result;

	THROUGH(call, __real_ftruncate(fd, bytes));
	return result;
}

int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout)
{
	struct call call = CALL("poll");
	int result;

	THROUGH(call, __real_poll(fds, n, timeout));
	return result;
}
/* NOLINTEND(bugprone-reserved-identifier) */
