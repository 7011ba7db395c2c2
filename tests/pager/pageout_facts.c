// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What this kernel does with shared memory that goes to its swap by PAGEOUT, as a tier would have
 * to know that leaves pages to the kernel.
 *
 *	pageout_facts [DIRECTORY]
 *
 * DIRECTORY is on a tmpfs with huge pages; without one nothing is said of them.  Swap is on.
 * Prints a line for each fact; exit status 1 if one of them is not as such a tier would need it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "kernel/uffd.h"

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

enum { PAGE = 4096, PAGES = 512, BYTES = PAGES * PAGE, SWAPPED_BIT = 62, PRESENT_BIT = 63 };

struct memory {
	int fd;
	unsigned char *at;
};

static bool all_is_well = true;

static void die(const char *what)
{
	fprintf(stderr, "pageout_facts: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void say(const char *what, unsigned int n, bool well)
{
	printf("- %s: %u of %d%s\n", what, n, PAGES, well ? "" : " (not as needed)");
	fflush(stdout);
	all_is_well &= well;
}

/* ---- memory ---- */

/* As aligned as a huge page is */
static unsigned char *map_aligned(int fd)
{
	unsigned char *room = mmap(NULL, 2 * BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char *at = (unsigned char *)(((uintptr_t)room + BYTES - 1) / BYTES * BYTES);

	if (room == MAP_FAILED ||
	    mmap(at, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED)
		die("mmap");
	return at;
}

static struct memory memory_new(const char *directory)
{
	struct memory memory = { .fd = directory ? open(directory, O_TMPFILE | O_RDWR, 0600) :
						   memfd_create("facts", MFD_CLOEXEC) };
	unsigned int i;

	if (memory.fd < 0 || ftruncate(memory.fd, BYTES) < 0)
		die("memory file");
	memory.at = map_aligned(memory.fd);
	for (i = 0; i < BYTES; i += PAGE)
		memory.at[i] = (unsigned char)(i / PAGE % 251 + 1);
	return memory;
}

static void memory_end(struct memory *memory)
{
	munmap(memory->at, BYTES);
	close(memory->fd);
}

static unsigned int right_bytes(const struct memory *memory)
{
	unsigned int i, n = 0;

	for (i = 0; i < PAGES; i++)
		n += memory->at[i * PAGE] == (unsigned char)(i % 251 + 1);
	return n;
}

static void page_out(const struct memory *memory)
{
	if (madvise(memory->at, BYTES, MADV_PAGEOUT) < 0)
		die("PAGEOUT");
}

/* In RAM, mapped or not */
static unsigned int in_core(const struct memory *memory)
{
	unsigned char core[PAGES];
	unsigned int i, n = 0;

	if (mincore(memory->at, BYTES, core) < 0)
		die("mincore");
	for (i = 0; i < PAGES; i++)
		n += core[i] & 1;
	return n;
}

static unsigned int in_page_table(const struct memory *memory, int bit)
{
	static uint64_t entry[PAGES];
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	unsigned int i, n = 0;

	if (pread(fd, entry, sizeof(entry), (off_t)((uintptr_t)memory->at / PAGE * 8)) !=
	    (ssize_t)sizeof(entry))
		die("pagemap");
	close(fd);
	for (i = 0; i < PAGES; i++)
		n += entry[i] >> bit & 1;
	return n;
}

/* By SEEK_DATA: what is in the swap is no hole */
static unsigned int has_data(const struct memory *memory)
{
	unsigned int i, n = 0;

	for (i = 0; i < PAGES; i++)
		n += lseek(memory->fd, (off_t)i * PAGE, SEEK_DATA) == (off_t)i * PAGE;
	return n;
}

/* ---- facts ---- */

static void of_one_process(void)
{
	struct memory memory = memory_new(NULL);

	page_out(&memory);
	say("mapped by one process, pages in RAM after PAGEOUT", in_core(&memory),
	    !in_core(&memory));
	say("of these pages that are out, data for SEEK_DATA", has_data(&memory),
	    has_data(&memory) == PAGES);
	say("shown as swapped by pagemap", in_page_table(&memory, SWAPPED_BIT), true);
	say("shown as present by pagemap", in_page_table(&memory, PRESENT_BIT),
	    !in_page_table(&memory, PRESENT_BIT));
	say("right when they are read again", right_bytes(&memory), right_bytes(&memory) == PAGES);
	memory_end(&memory);
}

static void of_two_processes(void)
{
	struct memory memory = memory_new(NULL);
	pid_t child = fork();
	int status;

	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (right_bytes(&memory) == PAGES)
			raise(SIGSTOP);
		_exit(0);
	}
	waitpid(child, &status, WUNTRACED);
	page_out(&memory);
	say("mapped by two processes, pages in RAM after PAGEOUT", in_core(&memory), true);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	memory_end(&memory);
}

/* In the file, and in no page table, as pages are that were brought in ahead */
static void of_none(void)
{
	struct memory memory = memory_new(NULL);

	if (madvise(memory.at, BYTES, MADV_DONTNEED) < 0)
		die("DONTNEED");
	page_out(&memory);
	say("mapped by none, pages in RAM after PAGEOUT", in_core(&memory), true);
	memory_end(&memory);
}

/* A reference, as of a pipe or of a device: it is no mapping */
static void of_referenced(void)
{
	struct memory memory = memory_new(NULL);
	loff_t offset = 0;
	int ends[2];

	if (pipe(ends) < 0 || fcntl(ends[1], F_SETPIPE_SZ, 16 * PAGE) < 0 ||
	    splice(memory.fd, &offset, ends[1], NULL, 16 * PAGE, 0) != 16 * PAGE)
		die("splice");
	page_out(&memory);
	say("16 of them are in a pipe, pages in RAM after PAGEOUT", in_core(&memory),
	    in_core(&memory) == 16);
	say("right when they are read again", right_bytes(&memory), right_bytes(&memory) == PAGES);
	close(ends[0]);
	close(ends[1]);
	memory_end(&memory);
}

static void *touch(void *at)
{
	return *(volatile unsigned char *)at ? at : NULL;
}

static bool has_message(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	return poll(&poll_fd, 1, 200) > 0;
}

/* A swap entry and a hole side by side, in a range that is registered for holes */
static void of_registered(void)
{
	struct memory memory = memory_new(NULL);
	int device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
	struct err err = { 0 };
	struct uffd uffd;
	pthread_t thread;
	bool silent, told;

	if (device < 0)
		die("/dev/userfaultfd");
	uffd_init(&uffd, ioctl(device, USERFAULTFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK));
	if (uffd_api(&uffd, &err) < 0 || uffd_register(&uffd, (uintptr_t)memory.at, BYTES) < 0)
		die("registering");
	if (fallocate(memory.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE) < 0)
		die("a hole");
	page_out(&memory);
	silent = touch(memory.at + PAGE) && !has_message(uffd.fd);
	if (pthread_create(&thread, NULL, touch, memory.at))
		die("thread");
	told = has_message(uffd.fd);
	uffd_zeropage(&uffd, (uintptr_t)memory.at, PAGE);
	pthread_join(thread, NULL);
	printf("- registered for holes, a page in the swap is read: %s; a hole beside it: %s\n",
	       silent ? "no message" : "A MESSAGE", told ? "a message" : "NO MESSAGE");
	all_is_well &= silent && told;
	uffd_unregister(&uffd, (uintptr_t)memory.at, BYTES);
	close(uffd.fd);
	close(device);
	memory_end(&memory);
}

static void of_a_huge_page(const char *directory)
{
	struct memory memory = memory_new(directory);

	if (madvise(memory.at + 7 * PAGE, PAGE, MADV_PAGEOUT) < 0)
		die("PAGEOUT");
	say("one page of a huge one, pages in RAM after PAGEOUT", in_core(&memory), true);
	page_out(&memory);
	say("all of it, pages in RAM after PAGEOUT", in_core(&memory), true);
	say("right when they are read again", right_bytes(&memory), right_bytes(&memory) == PAGES);
	memory_end(&memory);
}

int main(int argc, char **argv)
{
	of_one_process();
	of_two_processes();
	of_none();
	of_referenced();
	of_registered();
	if (argc > 1)
		of_a_huge_page(argv[1]);
	return all_is_well ? 0 : 1;
}
