// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * How long does a program that only uses its memory stand still meanwhile?
 *
 *	bystander
 *
 * A thread touches memory every millisecond: a page that it has, one after the other
 * of 16 MiB, and a page that it takes anew.  The former waits while the kernel moves
 * that page, the latter while the kernel has none.  Prints "longest_us=N" when its
 * standard input ends: the longest time between two touches, less the millisecond.
 */
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE	 4096U
#define SIZE	 (16U << 20)
#define TICK_US	 1000
#define MS_IN_NS 1000000L

static int64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static uint8_t *take(size_t size)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static int has_ended(void)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };

	return poll(&in, 1, 0) > 0;
}

int main(void)
{
	const struct timespec tick = { .tv_nsec = MS_IN_NS };
	volatile uint8_t *had = take(SIZE), *fresh = take(PAGE);
	int64_t last, longest = 0;
	size_t at;

	if (had == MAP_FAILED || fresh == MAP_FAILED)
		return 1;
	for (at = 0; at < SIZE; at += PAGE)
		had[at] = 1;
	printf("ready\n");
	fflush(stdout);
	last = now_us();
	for (at = 0; !has_ended(); at = (at + PAGE) % SIZE) {
		int64_t now;

		nanosleep(&tick, NULL);
		had[at]++;
		madvise((void *)(uintptr_t)fresh, PAGE, MADV_DONTNEED);
		*fresh = 1;
		now = now_us();
		if (now - last - TICK_US > longest)
			longest = now - last - TICK_US;
		last = now;
	}
	printf("longest_us=%lld\n", (long long)longest);
	return 0;
}
