// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What a tier would give that leaves pages to the kernel: for measurements, not a part of the
 *pager.
 *
 *	pageout pid=N limit=PAGES [uffd=FD] [ranges=1]
 *
 * The memory of a process is registered as the pager registers it.  The pages that the pager's
 * policy chooses go to the host's swap, by PAGEOUT: the process's file then has a swap entry where
 * a page was, which is no hole, so no message comes when the page is used.  The kernel brings it
 * back in the thread that asks for it.
 *
 * The process's page table says which pages came back: it is read when about as many have come as
 * go out at once.  No other process maps them, as PAGEOUT leaves those alone.  It ends below the
 * limit by so much that the kernel, which has the same limit for the process's cgroup, has nothing
 * to do for it.
 *
 * Each page that lies alone is a list of its own for the kernel's reclaim, and has processors that
 * use the process's memory interrupted: ranges=1 takes 2 MiB in the order of their addresses
 * instead, whatever is used of them, which is the most that one interrupt can be shared by.
 *
 * Prints "paging" when that is so for the first time; ends when its parent does.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "pager/engine.h"

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif
#ifndef SYS_process_madvise
#define SYS_process_madvise 440
#endif

enum { RUN_MAX = 512, RANGE_PAGES = 512, ENTRIES_AT_ONCE = 8192, REST_US = 50, SLACK_PART = 32 };

/**
 * struct host_swap - One process's pages, and where they are
 * @in:		A bit a page: the page table had it, and hot counts it
 * @resident:	The bits of @in
 * @next:	Of ranges
 * @beside:	Shared pages that are not of its RAM, as statm counts
 */
struct host_swap {
	struct ram ram;
	struct hot *hot;
	uint64_t *in;
	uint64_t limit, resident, next, beside;
	bool ranges;
	int pidfd, pagemap, statm;
};

static void die(const char *what)
{
	fprintf(stderr, "pageout: %s\n", what);
	exit(1);
}

static int open_of(pid_t pid, const char *name)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die(path);
	return fd;
}

/* ---- what is there ---- */

static void note(struct host_swap *swap, uint64_t page, bool in, bool at_first)
{
	if (in == bit_get(swap->in, page))
		return;
	bit_set(swap->in, page, in);
	swap->resident += in ? 1 : UINT64_C(-1);
	if (!in)
		hot_evicted(swap->hot, page);
	else if (at_first)
		hot_kept(swap->hot, page);
	else
		hot_faulted(swap->hot, page);
}

static void look(struct host_swap *swap, bool at_first)
{
	static uint64_t entry[ENTRIES_AT_ONCE];
	uint64_t page, i, n;

	for (page = 0; page < swap->ram.pages; page += n) {
		const struct ram_object *object = ram_object_of(&swap->ram, page);
		uint64_t left = object->first + object->pages - page;
		off_t at = (off_t)(ram_address(&swap->ram, page) / PAGE_BYTES * sizeof(*entry));

		n = left < ENTRIES_AT_ONCE ? left : ENTRIES_AT_ONCE;
		if (pread(swap->pagemap, entry, n * sizeof(*entry), at) !=
		    (ssize_t)(n * sizeof(*entry)))
			die("its page table can't be read");
		for (i = 0; i < n; i++)
			note(swap, page + i, entry[i] >> 63, at_first);
	}
}

/* Pages of shared memory that the process has mapped: cheap, and a little late */
static uint64_t shared_pages(const struct host_swap *swap)
{
	unsigned long long size, all, shared;
	char text[256] = "";

	if (pread(swap->statm, text, sizeof(text) - 1, 0) <= 0 ||
	    sscanf(text, "%llu %llu %llu", &size, &all, &shared) != 3)
		exit(0); /* it has ended */
	return shared;
}

/* ---- what goes ---- */

/* Neighbours are one range.  Return: ranges */
static size_t ranges_of(const struct host_swap *swap, const uint64_t *pages, size_t n,
			struct iovec *range)
{
	size_t i, ranges = 0;

	for (i = 0; i < n; i++) {
		char *address = (char *)(uintptr_t)ram_address(&swap->ram, pages[i]);
		struct iovec *last = ranges ? &range[ranges - 1] : NULL;

		if (last && (char *)last->iov_base + last->iov_len == address)
			last->iov_len += PAGE_BYTES;
		else
			range[ranges++] = (struct iovec){ address, PAGE_BYTES };
	}
	return ranges;
}

static void page_out(const struct host_swap *swap, const struct iovec *range, size_t n)
{
	/* What it leaves where it is, the next look finds */
	if (n && syscall(SYS_process_madvise, swap->pidfd, range, n, MADV_PAGEOUT, 0) < 0 &&
	    errno != ESRCH)
		die("PAGEOUT fails");
}

static void coldest_out(struct host_swap *swap, size_t wanted)
{
	struct iovec range[RUN_MAX];
	uint64_t pages[RUN_MAX];
	size_t n = 0, got = 1, i;

	while (n < wanted && got) {
		size_t max = wanted - n < HOT_VICTIMS_MAX ? wanted - n : HOT_VICTIMS_MAX;

		got = hot_victims(swap->hot, pages + n, max);
		n += got;
	}
	for (i = 0; i < n; i++)
		bit_set(swap->in, pages[i], false);
	swap->resident -= n;
	page_out(swap, range, ranges_of(swap, pages, n, range));
}

static void next_range_out(struct host_swap *swap)
{
	uint64_t first = swap->next, page;
	struct iovec range = { .iov_base = (void *)(uintptr_t)ram_address(&swap->ram, first) };

	for (page = first; page < swap->ram.pages && page < first + RANGE_PAGES; page++) {
		note(swap, page, false, false);
		range.iov_len += PAGE_BYTES;
	}
	swap->next = page < swap->ram.pages ? page : 0;
	page_out(swap, &range, 1);
}

static void make_room(struct host_swap *swap)
{
	uint64_t low = swap->limit - swap->limit / SLACK_PART;

	while (swap->resident > low) {
		uint64_t wanted = swap->resident - low;

		if (swap->ranges)
			next_range_out(swap);
		else
			coldest_out(swap, wanted < RUN_MAX ? (size_t)wanted : RUN_MAX);
	}
}

static void page_for_ever(struct host_swap *swap)
{
	uint64_t high = swap->limit - swap->limit / SLACK_PART / 2;
	struct timespec rest = { .tv_nsec = REST_US * 1000L };

	for (;;) {
		if (shared_pages(swap) < high + swap->beside) {
			nanosleep(&rest, NULL);
			continue;
		}
		look(swap, false);
		make_room(swap);
	}
}

/* ---- the beginning ---- */

static void take_ram(struct host_swap *swap, pid_t pid)
{
	struct err err = { 0 };

	if (ram_open(&swap->ram, pid, &err) < 0)
		die(err.text);
	swap->pidfd = pidfd_of(pid);
	swap->pagemap = open_of(pid, "pagemap");
	swap->statm = open_of(pid, "statm");
	swap->hot = hot_new(swap->ram.pages, swap->limit, (struct hot_options){ 0 });
	swap->in = calloc(1, bit_bytes(swap->ram.pages));
	if (swap->pidfd < 0 || !swap->hot || !swap->in)
		die("no memory, or no process");
}

static void register_holes(struct host_swap *swap, int number)
{
	struct err err = { 0 };
	struct uffd uffd;
	size_t i;

	uffd_init(&uffd, pidfd_take(swap->pidfd, number));
	if (uffd_api(&uffd, &err) < 0)
		die(err.text);
	for (i = 0; i < swap->ram.n; i++) {
		const struct ram_object *object = &swap->ram.object[i];

		if (uffd_register(&uffd, object->address, object->pages * PAGE_BYTES) < 0)
			die("its memory can't be registered");
	}
}

int main(int argc, char **argv)
{
	struct host_swap swap = { 0 };
	uint64_t shared;
	int i, pid = 0, number = -1, ranges = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (i = 1; i < argc; i++) {
		if (sscanf(argv[i], "pid=%d", &pid) != 1 &&
		    sscanf(argv[i], "ranges=%d", &ranges) != 1 &&
		    sscanf(argv[i], "uffd=%d", &number) != 1 &&
		    sscanf(argv[i], "limit=%" SCNu64, &swap.limit) != 1)
			die("usage: pageout pid=N limit=PAGES [uffd=FD] [ranges=1]");
	}
	swap.ranges = ranges;
	take_ram(&swap, pid);
	if (number >= 0)
		register_holes(&swap, number);
	look(&swap, true);
	shared = shared_pages(&swap);
	swap.beside = shared > swap.resident ? shared - swap.resident : 0;
	make_room(&swap);
	puts("paging");
	fflush(stdout);
	page_for_ever(&swap);
}
