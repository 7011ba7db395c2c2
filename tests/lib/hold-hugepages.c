// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A program that uses huge pages beside libvirt's guests, as DPDK does.
 *
 *   hold-hugepages PAGE_KIB MAPPED TOUCHED
 *
 * Maps MAPPED pages, which reserves them in the kernel, and touches the first
 * TOUCHED of them.  Prints "holding" and waits.  SIGUSR1: touches the rest, and
 * prints "complete" if every page that it has ever written still says so.  A
 * page that was taken away would mean SIGBUS.
 */
#include <linux/mman.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static void touch(volatile uint64_t *area, size_t words, size_t from, size_t to)
{
	for (size_t page = from; page < to; page++)
		area[page * words] = page ^ 0x5a5a5a5a;
}

static int intact(const volatile uint64_t *area, size_t words, size_t pages)
{
	for (size_t page = 0; page < pages; page++)
		if (area[page * words] != (page ^ 0x5a5a5a5a))
			return 0;
	return 1;
}

static void say(const char *word)
{
	puts(word);
	fflush(stdout);
}

/* MAP_HUGE_2MB and its kin: the page size's exponent in the flags' upper bits */
static int size_flag(size_t bytes)
{
	return __builtin_ctzl(bytes) << MAP_HUGE_SHIFT;
}

int main(int argc, char **argv)
{
	size_t bytes, mapped, touched;
	uint64_t *area;
	sigset_t set;
	int sig;

	if (argc != 4)
		return 2;
	bytes = strtoul(argv[1], NULL, 10) * 1024;
	mapped = strtoul(argv[2], NULL, 10);
	touched = strtoul(argv[3], NULL, 10);

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);

	area = mmap(NULL, bytes * mapped, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | size_flag(bytes), -1, 0);
	if (area == MAP_FAILED) {
		perror("hold-hugepages: mmap");
		return 1;
	}
	touch(area, bytes / sizeof(*area), 0, touched);
	say("holding");
	sigwait(&set, &sig);
	touch(area, bytes / sizeof(*area), touched, mapped);
	if (!intact(area, bytes / sizeof(*area), mapped))
		return 1;
	say("complete");
	pause();
	return 0;
}
