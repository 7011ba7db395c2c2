// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Puts this host's memory into a known bad state, holds it, and gives it back.
 *
 *	fragment [-g] [-s SEED] [-d DIRECTORY] STATE
 *
 * Prints one line "ready obtainable=PAGES ..." when the state is reached, and with -g before that
 * "whole=N": of how many GiBs no page is seen to be in the way of a page of 1 GiB.  Then
 * waits until its standard input ends or SIGTERM comes.  Everything it holds is
 * anonymous memory, pipes and an unlinked file: the kernel takes it all back
 * when the process ends, however it ends.
 */
/**
 * DOC: The states
 *
 * none    Nothing is done.
 * cache   Memory is full of page cache of single pages, of which a random half is
 *         in active use and a twentieth is dirty.  The active half matters:
 *         without it reclaim frees the pages in the order in which they were
 *         read, which is their order in memory, and whole blocks come free.
 * pinned  An unmovable page lies in half of the 2 MiB blocks, and pages of
 *         programs, which can be moved, lie scattered over two thirds of all
 *         blocks.  About three quarters of the memory is free.
 * mixed   Both: what `pinned` leaves free is filled with cache.
 *
 * How: a memfd takes every page of memory once, by fallocate(), which touches
 * none of them (on a virtual machine touching costs ten times as much).  One page
 * of every 256 is touched then, and /proc/self/pagemap tells which block it lies
 * in; its neighbours in the file are, with few exceptions, its neighbours in
 * memory.  In each chosen block one such page goes into a pipe by vmsplice(),
 * and everything but the programs' pages is punched out of the file.  What is in
 * a pipe keeps its place, as a page under DMA does, and unlike what the kernel
 * allocates for itself (slab, page tables, data written into a pipe) its place
 * could be chosen.  No limit on locked memory applies, and no module is needed.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/kernel-page-flags.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE	    ((size_t)4096)
#define BLOCK_PAGES 512U
#define MIB	    ((uint64_t)1 << 20)
#define GIB	    ((uint64_t)1 << 30)

/* Left to the rest of the host while every page is taken once */
#define FILL_SPARE (768 * MIB)
/* Never counted as obtainable: the host must go on living */
#define HOST_SPARE (1536 * MIB)
/* 1 MiB of pipe needs no privilege */
#define PIPE_SLOTS 256U
/* Of the memfd, one page each is looked up */
#define STRIDE (256 * PAGE)
/* 16 TiB of physical addresses */
#define BLOCKS_MAX ((size_t)1 << 23)

struct state {
	const char *name;
	bool pins;
	bool cache;
};

static const struct state states[] = {
	{ "none", false, false },
	{ "cache", false, true },
	{ "pinned", true, false },
	{ "mixed", true, true },
};

/* What is held, and what of memory it covers */
struct held {
	uint64_t seed;
	const char *directory;
	int memory;	 /* memfd */
	uint64_t size;	 /* bytes of it */
	uint64_t *block; /* of each stride of it */
	size_t blocks;	 /* 2 MiB blocks seen in it */
	size_t pinned;	 /* of these, blocks with an unmovable page */
	int pipe[2];	 /* the latest; former ones stay open to the end */
	int file;
	uint64_t cached; /* bytes of @file in memory */
};

static void die(const char *what)
{
	fprintf(stderr, "fragment: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* xorshift64*: the same seed gives the same choices on every machine */
static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed >> 12;
	*seed ^= *seed << 25;
	*seed ^= *seed >> 27;
	return *seed * UINT64_C(2685821657736338717);
}

/* The same number for the same block, whatever order blocks come in */
static uint64_t block_random(uint64_t seed, uint64_t block)
{
	uint64_t mixed = seed + (block + 1) * UINT64_C(0x9e3779b97f4a7c15);

	mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
	return mixed ^ (mixed >> 31);
}

/* One value of /proc/meminfo, in bytes */
static uint64_t meminfo(const char *key)
{
	char line[128];
	FILE *file = fopen("/proc/meminfo", "re");
	uint64_t kib = 0;

	if (!file)
		die("/proc/meminfo");
	while (fgets(line, sizeof(line), file)) {
		if (!strncmp(line, key, strlen(key)) && line[strlen(key)] == ':') {
			kib = strtoull(line + strlen(key) + 1, NULL, 10);
			break;
		}
	}
	fclose(file);
	return kib * 1024;
}

/* If anything must die of a lack of memory, then this */
static void volunteer_for_oom(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "1000", 4) != 4)
		die("/proc/self/oom_score_adj");
	close(fd);
}

/* Take every page of memory once, as single pages */
static void fill(struct held *held)
{
	uint64_t step = 64 * MIB;

	held->memory = memfd_create("fragment", MFD_CLOEXEC);
	if (held->memory < 0)
		die("memfd_create");
	while (meminfo("MemFree") > FILL_SPARE + step) {
		if (fallocate(held->memory, 0, (off_t)held->size, (off_t)step))
			die("fallocate");
		held->size += step;
	}
}

/* Which 2 MiB block of physical memory is this in? */
static uint64_t block_of(int pagemap, const void *address)
{
	off_t at = (off_t)((uintptr_t)address / PAGE * sizeof(uint64_t));
	uint64_t entry;

	if (pread(pagemap, &entry, sizeof(entry), at) != sizeof(entry))
		die("/proc/self/pagemap");
	return (entry & ((UINT64_C(1) << 55) - 1)) / BLOCK_PAGES;
}

/* A page in the pipe keeps its place in memory until the pipe is closed */
static void pin(struct held *held, void *page)
{
	struct iovec one = { page, PAGE };

	if (held->pinned % PIPE_SLOTS == 0 &&
	    (pipe2(held->pipe, O_CLOEXEC) ||
	     fcntl(held->pipe[1], F_SETPIPE_SZ, (int)(PIPE_SLOTS * PAGE)) < 0))
		die("pipe");
	if (vmsplice(held->pipe[1], &one, 1, SPLICE_F_NONBLOCK) != (ssize_t)PAGE)
		die("vmsplice");
	held->pinned++;
}

static uint8_t *map(const struct held *held)
{
	uint8_t *area = mmap(NULL, held->size, PROT_READ | PROT_WRITE, MAP_SHARED, held->memory, 0);

	if (area == MAP_FAILED)
		die("mmap");
	return area;
}

/* Touches one page of each stride; the first one seen in a block decides for it */
static void pin_half_of_blocks(struct held *held)
{
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint8_t *seen = calloc(BLOCKS_MAX, 1);
	uint8_t *area = map(held);

	held->block = calloc(held->size / STRIDE, sizeof(*held->block));
	if (pagemap < 0 || !seen || !held->block)
		die("pagemap");
	for (uint64_t at = 0; at < held->size; at += STRIDE) {
		uint8_t *page = area + at + block_random(held->seed, at) % STRIDE / PAGE * PAGE;
		uint64_t block;

		*page = 1;
		block = block_of(pagemap, page);
		held->block[at / STRIDE] = block;
		if (block >= BLOCKS_MAX || seen[block])
			continue;
		seen[block] = 1;
		held->blocks++;
		if (block_random(held->seed, block) & 1)
			pin(held, page);
	}
	munmap(area, held->size);
	close(pagemap);
	free(seen);
}

/* Of 256: how much of a block programs use; a third of the blocks is empty */
static unsigned int share_in_use(const struct held *held, uint64_t block)
{
	uint64_t random = block_random(~held->seed, block);

	return random % 3 == 0 ? 0 : (unsigned int)(random >> 32) % 160;
}

static void punch(const struct held *held, uint64_t from, uint64_t to)
{
	if (to > from && fallocate(held->memory, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				   (off_t)from, (off_t)(to - from)))
		die("fallocate");
}

/* Free all but the pages that programs use: runs of one to eight pages */
static void thin_out(struct held *held)
{
	static const char used[8 * PAGE] = { 1 };
	uint64_t seed = held->seed | 1;
	uint64_t from = 0;
	uint64_t run;

	for (uint64_t at = 0; at < held->size; at += run) {
		uint64_t block = held->block[at / STRIDE];

		run = (1 + (next_random(&seed) >> 32) % 8) * PAGE;
		if ((next_random(&seed) >> 40) % 256 >= share_in_use(held, block) ||
		    run > held->size - at)
			continue;
		punch(held, from, at);
		if (pwrite(held->memory, used, run, (off_t)at) != (ssize_t)run)
			die("pwrite");
		from = at + run;
	}
	punch(held, from, held->size);
}

/* Holes of a sparse file cost no input, and are ordinary clean page cache */
static void open_file(struct held *held)
{
	held->file = open(held->directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (held->file < 0)
		die(held->directory);
	if (ftruncate(held->file, (off_t)meminfo("MemTotal")))
		die("ftruncate");
	/* One page at a time: no large folios */
	posix_fadvise(held->file, 0, 0, POSIX_FADV_RANDOM);
}

/* Of more the kernel reads only as much as the disk takes at once */
#define PIECE (MIB / 8)

static void read_until_full(struct held *held)
{
	uint64_t step = 4 * MIB, all = meminfo("MemTotal"), at;
	uint64_t spare = 200 * MIB;

	while (held->cached + step <= all && meminfo("MemFree") > spare) {
		for (at = held->cached; at < held->cached + step; at += PIECE)
			if (posix_fadvise(held->file, (off_t)at, PIECE, POSIX_FADV_WILLNEED))
				die("posix_fadvise");
		held->cached += step;
	}
}

/* A second access makes a page active; the passes are far enough apart to count */
static void use_half_of_cache(struct held *held)
{
	for (int pass = 0; pass < 2; pass++) {
		uint64_t seed = held->seed | 1;
		char byte;

		for (uint64_t at = 0; at < held->cached; at += PAGE) {
			if (next_random(&seed) >> 63 && pread(held->file, &byte, 1, (off_t)at) != 1)
				die("pread");
		}
	}
}

static void dirty_some_cache(struct held *held)
{
	uint64_t seed = held->seed | 1;
	char byte = 1;

	for (uint64_t n = held->cached / PAGE / 20; n; n--) {
		uint64_t page = next_random(&seed) % (held->cached / PAGE);

		if (pwrite(held->file, &byte, 1, (off_t)(page * PAGE)) != 1)
			die("pwrite");
	}
}

/* 2 MiB pages that a perfect strategy could get */
static uint64_t obtainable(const struct held *held)
{
	uint64_t room = meminfo("MemFree") + meminfo("Active(file)") + meminfo("Inactive(file)");
	uint64_t pages = room > HOST_SPARE ? (room - HOST_SPARE) / (2 * MIB) : 0;
	uint64_t clean = held->blocks - held->pinned;

	return held->blocks && clean < pages ? clean : pages;
}

/* What no page of a gigantic one can have */
#define IN_WAY                                                                                     \
	(1ULL << KPF_SLAB | 1ULL << KPF_NOPAGE | 1ULL << KPF_RESERVED | 1ULL << KPF_PGTABLE |      \
	 1ULL << KPF_HUGE)
/* Not in the kernel's headers for programs */
#define KPF_RESERVED 32

/* GiBs of memory that could be pages of 1 GiB, at most */
static unsigned int whole(void)
{
	static uint64_t flags[GIB / PAGE];
	int file = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	unsigned int n = 0;
	ssize_t got;

	if (file < 0)
		die("/proc/kpageflags");
	for (off_t at = 0; (got = pread(file, flags, sizeof(flags), at)) == sizeof(flags);
	     at += got) {
		size_t page = 0;

		while (page < GIB / PAGE && !(flags[page] & IN_WAY))
			page++;
		n += page == GIB / PAGE;
	}
	close(file);
	return n;
}

static void make(const struct state *state, struct held *held)
{
	struct rlimit files = { 4096, 4096 };

	volunteer_for_oom();
	setrlimit(RLIMIT_NOFILE, &files);
	if (state->pins) {
		fill(held);
		pin_half_of_blocks(held);
		thin_out(held);
	}
	if (state->cache) {
		open_file(held);
		read_until_full(held);
		use_half_of_cache(held);
		dirty_some_cache(held);
	}
}

static void hold(void)
{
	char byte;

	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
}

int main(int argc, char **argv)
{
	struct held held = { .seed = 1, .directory = "/var/tmp", .file = -1 };
	bool gigantic = false;
	int option;

	while ((option = getopt(argc, argv, "gs:d:")) != -1) {
		if (option == 'g')
			gigantic = true;
		else if (option == 's')
			held.seed = strtoull(optarg, NULL, 10);
		else if (option == 'd')
			held.directory = optarg;
		else
			return 2;
	}
	for (size_t i = 0; optind + 1 == argc && i < sizeof(states) / sizeof(states[0]); i++) {
		if (strcmp(states[i].name, argv[optind]))
			continue;
		make(&states[i], &held);
		if (gigantic)
			printf("whole=%u ", whole());
		printf("ready obtainable=%" PRIu64 " blocks=%zu pinned=%zu cached_mib=%" PRIu64
		       "\n",
		       obtainable(&held), held.blocks, held.pinned, held.cached / MIB);
		fflush(stdout);
		hold();
		return 0;
	}
	fprintf(stderr, "usage: fragment [-g] [-s SEED] [-d DIRECTORY] none|cache|pinned|mixed\n");
	return 2;
}
