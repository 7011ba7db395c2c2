// SPDX-License-Identifier: LGPL-2.1-or-later
/* Pages put into a file come back as they were, or not at all; and nothing else is overwritten. */
#include "pager/tier_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "pager/pins.h"
#include "pager/ram.h"
#include "pager/tier_io.h"
#include "pager/tier_store.h"
#include "unit/own_disk.h"
#include "unit/unit.h"

enum { N = TIER_PIECES_MAX, BED_GUESTS = 2 };

typedef unsigned char page[PAGE_BYTES];

/* ---- a disk that fails ---- */

static struct {
	int reads, writes; /* rc of each */
} disk;

int tier_io_fault(bool write, const struct tier_piece *piece)
{
	(void)piece;
	return write ? disk.writes : disk.reads;
}

/* Or takes long to give room */
static _Atomic bool room_waits;

int fallocate(int fd, int mode, off_t offset, off_t bytes)
{
	while (mode == 0 && room_waits)
		usleep(1000);
	return (int)syscall(SYS_fallocate, fd, mode, offset, bytes);
}

/* An empty pipe answers as little as such a disk */
struct silent {
	int end[2];
	struct tier_io *io;
	struct tier_piece piece;
	_Atomic bool begun;
	int rc;
};

static void *read_silent(void *arg)
{
	struct silent *silent = arg;

	silent->begun = true;
	silent->rc = tier_io_run(silent->io, silent->end[0], false, &silent->piece, 1);
	return NULL;
}

/* Without a ring it is waited for */
static void test_given_up(void)
{
	void *buffer = aligned_alloc(PAGE_BYTES, PAGE_BYTES);
	struct silent silent = { .piece = { .at = buffer, .bytes = PAGE_BYTES } };
	pthread_t thread;

	CU_ASSERT_EQUAL_FATAL(pipe2(silent.end, O_CLOEXEC), 0);
	CU_ASSERT_EQUAL_FATAL(tier_io_open(&silent.io), 0);
	if (!tier_io_has_ring(silent.io))
		close(silent.end[1]);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, read_silent, &silent), 0);
	while (!silent.begun)
		usleep(1000);
	if (tier_io_has_ring(silent.io)) {
		usleep(100 * 1000);
		tier_io_give_up(silent.io);
		pthread_join(thread, NULL);
		CU_ASSERT_EQUAL(silent.rc, -ECANCELED);
		CU_ASSERT_EQUAL(silent.piece.rc, -ECANCELED);
		close(silent.end[1]);
	} else {
		pthread_join(thread, NULL);
		tier_io_give_up(silent.io);
	}
	silent.piece = (struct tier_piece){ .at = buffer, .bytes = PAGE_BYTES };
	CU_ASSERT_EQUAL(tier_io_run(silent.io, silent.end[0], false, &silent.piece, 1), -ECANCELED);
	tier_io_close(silent.io);
	close(silent.end[0]);
	free(buffer);
}

/* Of this thread: who waits awake yields */
static _Thread_local unsigned long yields;

int sched_yield(void)
{
	yields++;
	return (int)syscall(SYS_sched_yield);
}

/* Answers a read some time after it has begun */
struct late {
	struct silent *silent;
	unsigned int ms;
};

static void *answer_late(void *arg)
{
	static const unsigned char answer[PAGE_BYTES];
	const struct late *late = arg;

	usleep(late->ms * 1000);
	CU_ASSERT_EQUAL(write(late->silent->end[1], answer, sizeof(answer)),
			(ssize_t)sizeof(answer));
	return NULL;
}

/* What a thread has done that waited for answers: so often it has yielded, and its processor's
 * time */
struct waited {
	unsigned long yields;
	uint64_t us;
};

static uint64_t used_us(void)
{
	struct timespec used;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
	return (uint64_t)used.tv_sec * 1000000 + (uint64_t)used.tv_nsec / 1000;
}

static struct waited wait_for(struct silent *silent, void *at, unsigned int times, unsigned int ms)
{
	struct late late = { silent, ms };
	struct waited waited = { .yields = yields, .us = used_us() };
	pthread_t thread;

	while (times--) {
		CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, answer_late, &late), 0);
		silent->piece = (struct tier_piece){ .at = at, .bytes = PAGE_BYTES };
		CU_ASSERT_EQUAL(tier_io_run(silent->io, silent->end[0], false, &silent->piece, 1),
				0);
		pthread_join(thread, NULL);
	}
	return (struct waited){ yields - waited.yields, used_us() - waited.us };
}

/* One that answers soon is waited for awake, until it is known that it does not */
static void check_stays_awake(struct silent *silent, void *at)
{
	enum { TIMES = 100, LATE_MS = 3, LONG_MS = 300 };
	struct waited asleep = wait_for(silent, at, 1, LATE_MS), awake;

	CU_ASSERT_EQUAL(asleep.yields, 0);
	tier_io_close(silent->io);
	CU_ASSERT_EQUAL_FATAL(tier_io_open(&silent->io), 0);
	tier_io_stay_awake(true);
	awake = wait_for(silent, at, 1, LATE_MS);
	CU_ASSERT(awake.yields > 0);
	wait_for(silent, at, TIMES, LATE_MS);
	awake = wait_for(silent, at, TIMES, LATE_MS);
	CU_ASSERT_EQUAL(awake.yields, 0);
	awake = wait_for(silent, at, 1, LONG_MS);
	UNIT_CHECK(awake.us < LONG_MS * 1000 / 4, "%lu us", (unsigned long)awake.us);
	/* Another one is not known yet: it is waited for awake for a moment only */
	tier_io_close(silent->io);
	CU_ASSERT_EQUAL_FATAL(tier_io_open(&silent->io), 0);
	awake = wait_for(silent, at, 1, LONG_MS);
	CU_ASSERT(awake.yields > 0);
	UNIT_CHECK(awake.us < LONG_MS * 1000 / 4, "%lu us", (unsigned long)awake.us);
	tier_io_stay_awake(false);
}

/* Without a ring there is no such wait */
static void test_stays_awake(void)
{
	void *at = aligned_alloc(PAGE_BYTES, PAGE_BYTES);
	struct silent silent = { .io = NULL };

	CU_ASSERT_EQUAL_FATAL(pipe2(silent.end, O_CLOEXEC), 0);
	CU_ASSERT_EQUAL_FATAL(tier_io_open(&silent.io), 0);
	if (tier_io_has_ring(silent.io))
		check_stays_awake(&silent, at);
	tier_io_close(silent.io);
	close(silent.end[0]);
	close(silent.end[1]);
	free(at);
}

/* Reads and writes a file past the page cache until @stop */
struct traffic {
	int fd;
	_Atomic bool stop;
	bool buffered;
};

static void *have_traffic(void *arg)
{
	enum { AT_ONCE = 32 };
	struct traffic *traffic = arg;
	struct tier_piece piece[AT_ONCE];
	unsigned char *pages = aligned_alloc(PAGE_BYTES, AT_ONCE * PAGE_BYTES);
	struct tier_io *io;
	unsigned int turn, i;

	CU_ASSERT_FATAL(pages && tier_io_open(&io) == 0);
	for (turn = 0; !traffic->stop; turn++) {
		for (i = 0; i < AT_ONCE; i++)
			piece[i] = (struct tier_piece){
				.at = pages + i * PAGE_BYTES,
				.bytes = PAGE_BYTES,
				.offset = (uint64_t)i * 2 * PAGE_BYTES,
			};
		memset(pages, turn % 2 ? -1 : (int)(turn / 2 % 128), AT_ONCE * PAGE_BYTES);
		UNIT_CHECK(tier_io_run(io, traffic->fd, turn % 2 == 0, piece, AT_ONCE) == 0,
			   "turn %u", turn);
		for (i = 0; i < AT_ONCE * PAGE_BYTES; i++)
			if (pages[i] != turn / 2 % 128)
				break;
		UNIT_CHECK(i == AT_ONCE * PAGE_BYTES, "turn %u: byte %u", turn, i);
		traffic->buffered = tier_io_bytes(io) > 0;
	}
	tier_io_close(io);
	free(pages);
	return NULL;
}

enum { LOOKS = 200 };

/* Of so many looks while a disk is read and written all the time, how many found no page pinned but
 * those that are known of */
static unsigned int looks_without_pins(struct traffic *traffic)
{
	unsigned int without = 0, i;
	pthread_t thread;

	traffic->stop = false;
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, have_traffic, traffic), 0);
	for (i = 0; i < LOOKS; i++) {
		without += pins_wait(0);
		usleep(500);
	}
	traffic->stop = true;
	pthread_join(thread, NULL);
	return without;
}

static void test_pins_nothing(void)
{
	struct traffic traffic = { .fd = -1 };
	unsigned int without = 0, turn;

	traffic.fd = open(unit_disk_tmpdir(), O_TMPFILE | O_RDWR | O_DIRECT | O_CLOEXEC, 0600);
	if (traffic.fd < 0 || !pins_wait(10000)) {
		printf("skip - requests that pin nothing: no direct I/O here, or other programs have "
		       "pages pinned\n");
		close(traffic.fd);
		return;
	}
	tier_io_keep_buffers(true);
	/* Other tests use disks, too, each for a while */
	for (turn = 0; turn < 10 && without <= LOOKS * 3 / 4; turn++) {
		usleep(turn * 100 * 1000);
		without = looks_without_pins(&traffic);
	}
	tier_io_keep_buffers(false);
	if (traffic.buffered)
		UNIT_CHECK(without > LOOKS * 3 / 4, "%u of %u", without, LOOKS);
	else
		printf("skip - requests that pin nothing: no io_uring here\n");
	/* The kernel lets go a little later what it had; nothing is counted then */
	usleep(300 * 1000);
	CU_ASSERT(pins_wait(10000));
	close(traffic.fd);
}

/* ---- a disk that does not answer any more ---- */

struct fuse_answer {
	struct fuse_out_header out;
	union {
		struct fuse_init_out init;
		struct fuse_entry_out entry;
		struct fuse_open_out open;
	};
};

/* A file system of one file.  Return: bytes of the answer behind its header */
static size_t answer_of(uint32_t opcode, struct fuse_answer *answer)
{
	switch (opcode) {
	case FUSE_INIT:
		answer->init = (struct fuse_init_out){
			.major = FUSE_KERNEL_VERSION,
			.minor = FUSE_KERNEL_MINOR_VERSION,
			.flags = FUSE_ASYNC_DIO,
			.max_write = PAGE_BYTES,
		};
		return sizeof(answer->init);
	case FUSE_LOOKUP:
		answer->entry = (struct fuse_entry_out){
			.nodeid = FUSE_ROOT_ID + 1,
			.attr = { .size = PAGE_BYTES, .mode = S_IFREG | 0600, .nlink = 1 },
		};
		return sizeof(answer->entry);
	case FUSE_OPEN:
		return sizeof(answer->open);
	default:
		answer->out.error = -ENOSYS;
		return 0;
	}
}

/* All but reads is answered */
static void *serve_silent(void *arg)
{
	struct {
		struct fuse_in_header in;
		char rest[FUSE_MIN_READ_BUFFER];
	} request;
	const int *fuse = arg;

	while (read(*fuse, &request, sizeof(request)) > 0) {
		struct fuse_answer answer = { .out.unique = request.in.unique };

		if (request.in.opcode == FUSE_READ)
			continue;
		answer.out.len =
			(uint32_t)(sizeof(answer.out) + answer_of(request.in.opcode, &answer));
		if (write(*fuse, &answer, answer.out.len) < 0)
			break;
	}
	return NULL;
}

/* Its buffer is pinned until the disk answers, and is no other program's */
static int leaves_pins(const char *path)
{
	struct silent silent = { .piece = { .bytes = PAGE_BYTES } };
	struct err err = { "" };
	pthread_t reader;

	tier_io_keep_buffers(true);
	silent.end[0] = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	silent.piece.at = aligned_alloc(PAGE_BYTES, PAGE_BYTES);
	EXPECT(silent.end[0] >= 0 && silent.piece.at && tier_io_open(&silent.io) == 0);
	if (!tier_io_has_ring(silent.io))
		return NO_OWN_DISK;
	EXPECT(pthread_create(&reader, NULL, read_silent, &silent) == 0);
	usleep(300 * 1000);
	tier_io_give_up(silent.io);
	pthread_join(reader, NULL);
	EXPECT(silent.rc == -ECANCELED);
	/* Not registered: too little memory may be locked */
	if (!tier_io_bytes(silent.io))
		return NO_OWN_DISK;
	tier_io_close(silent.io);
	EXPECT(pins_wait(10000));
	return 0;
}

static int on_silent_disk(const char *dir)
{
	int fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC), rc;
	pthread_t server;
	char path[PATH_MAX];

	if (!pins_wait(10000) || !own_disk_silent(fuse, dir))
		return NO_OWN_DISK;
	snprintf(path, sizeof(path), "%s/disk", dir);
	rc = pthread_create(&server, NULL, serve_silent, &fuse) ? 1 : leaves_pins(path);
	/* Now each read fails, and this process can end */
	umount2(dir, MNT_FORCE);
	return rc;
}

static void test_leaves_pins(void)
{
	own_disk_child(on_silent_disk,
		       "what a disk that does not answer has pinned, or other programs have");
}

/* ---- the fixture: guests of one host, and their file ---- */

struct guest {
	int directory;
	struct tiers *tiers;
};

struct bed {
	int rootfd; /* the file is /tier below it */
	char path[200];
	struct tier_stores *stores;
	struct tier_budget budget;
	struct guest guest[BED_GUESTS];
	page *pages;
	struct page_place place[N];
};

static int guest_open(struct bed *bed, size_t g, bool fresh, bool configured)
{
	struct tier_spec spec[] = { { .kind = TIER_SAME_FILLED }, { .kind = TIER_FILE } };
	struct guest *guest = &bed->guest[g];
	struct err err = { "" };
	int rc;

	spec[1].budget = &bed->budget;
	spec[1].store = tier_stores_get(bed->stores, "/tier");
	tiers_close(guest->tiers);
	guest->tiers = NULL;
	rc = tiers_open(&guest->tiers, guest->directory, bed->stores, spec, configured ? 2 : 1,
			fresh, &err);
	UNIT_CHECK(!rc == !err.text[0], "%d, and '%s'", rc, err.text);
	return rc;
}

static void bed_open(struct bed *bed, uint64_t limit)
{
	char name[] = "guest 0";
	const char *home = unit_tmpdir(), *disk_home;
	int root = open(home, O_PATH | O_DIRECTORY | O_CLOEXEC);
	size_t g;

	disk.reads = disk.writes = 0;
	*bed = (struct bed){ .budget = { .limit = limit } };
	disk_home = unit_disk_tmpdir();
	snprintf(bed->path, sizeof(bed->path), "%s/tier", disk_home);
	bed->rootfd = open(disk_home, O_PATH | O_DIRECTORY | O_CLOEXEC);
	CU_ASSERT_EQUAL_FATAL(tier_stores_new(&bed->stores, bed->rootfd), 0);
	bed->pages = aligned_alloc(PAGE_BYTES, N * sizeof(page));
	CU_ASSERT_PTR_NOT_NULL_FATAL(bed->pages);
	for (g = 0; g < BED_GUESTS; g++) {
		name[6] = (char)('0' + g);
		mkdirat(root, name, 0700);
		bed->guest[g].directory = openat(root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		CU_ASSERT_EQUAL_FATAL(guest_open(bed, g, true, true), 0);
	}
	close(root);
}

static void bed_close(struct bed *bed)
{
	size_t g;

	for (g = 0; g < BED_GUESTS; g++) {
		tiers_close(bed->guest[g].tiers);
		close(bed->guest[g].directory);
	}
	tier_stores_free(bed->stores);
	close(bed->rootfd);
	free(bed->pages);
	UNIT_CHECK(bed->budget.used == 0, "%lu are counted", (unsigned long)bed->budget.used);
}

#define BED(name, limit) UNIT_FIXTURE(struct bed, name, bed_close, bed_open(&name, limit))

/* As after a kill: only what lies in files is known, of both */
static void bed_dies(struct bed *bed)
{
	size_t g;

	for (g = 0; g < BED_GUESTS; g++) {
		tiers_close(bed->guest[g].tiers);
		bed->guest[g].tiers = NULL;
	}
	CU_ASSERT_EQUAL(bed->budget.used, 0);
	tier_stores_free(bed->stores);
	CU_ASSERT_EQUAL_FATAL(tier_stores_new(&bed->stores, bed->rootfd), 0);
	for (g = 0; g < BED_GUESTS; g++)
		CU_ASSERT_EQUAL(tier_file_reserve(bed->guest[g].directory, bed->stores, NULL), 0);
}

static void fill(unsigned char *p, uint64_t seed)
{
	size_t i;

	for (i = 0; i < PAGE_BYTES; i++)
		p[i] = (unsigned char)((seed + 1) * 2654435761U >> (i % 13) ^ i);
	memcpy(p, &seed, sizeof(seed));
}

/* Pages that were in RAM.  Return: 0: all are in the file */
static int demote(struct tiers *tiers, const page *pages, size_t n, struct page_place *place,
		  struct err *err)
{
	struct page_place from[TIER_PIECES_MAX];
	size_t i;
	int rc;

	for (i = 0; i < n; i++)
		from[i] = (struct page_place){ .tier = TIER_RAM };
	rc = tiers_demote(tiers, pages, n, from, true, place, err);
	return rc == (int)n ? 0 : rc;
}

static int put_n(struct bed *bed, size_t g, uint64_t seed, struct page_place *place, size_t n)
{
	struct err err = { "" };
	size_t i;
	int rc;

	for (i = 0; i < n; i++)
		fill(bed->pages[i], seed + i);
	rc = demote(bed->guest[g].tiers, bed->pages, n, place, &err);
	UNIT_CHECK(!rc == !err.text[0], "%d, and '%s'", rc, err.text);
	return rc;
}

static bool comes_back(struct bed *bed, size_t g, struct page_place place, uint64_t seed)
{
	page want, got;

	fill(want, seed);
	memset(got, 0xee, sizeof(got));
	return tiers_load(bed->guest[g].tiers, place, got) == 0 && !memcmp(got, want, sizeof(got));
}

static int load(struct bed *bed, size_t g, struct page_place place)
{
	page got;

	return tiers_load(bed->guest[g].tiers, place, got);
}

static int go_on(struct bed *bed, size_t g, const struct page_place *place, size_t n)
{
	int rc = guest_open(bed, g, false, true);
	size_t i;

	for (i = 0; i < n && rc == 0; i++)
		rc = tiers_claim(bed->guest[g].tiers, place[i]);
	return rc ? rc : tiers_ready(bed->guest[g].tiers, NULL);
}

static struct tier_usage usage_of(const struct bed *bed, size_t g)
{
	struct tier_usage usage[TIERS_MAX];
	size_t n = tiers_usage(bed->guest[g].tiers, usage, TIERS_MAX);

	UNIT_CHECK_STR(usage[n - 1].name, "file", "the last");
	return usage[n - 1];
}

static uint64_t blocks_of(const struct bed *bed)
{
	struct stat st = { 0 };

	stat(bed->path, &st);
	return (uint64_t)st.st_blocks;
}

static void write_at(const struct bed *bed, off_t offset, const void *bytes, size_t n)
{
	int fd = open(bed->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	CU_ASSERT_EQUAL(pwrite(fd, bytes, n, offset), (ssize_t)n);
	fsync(fd);
	close(fd);
}

/* ---- tests ---- */

static void test_comes_back(void)
{
	BED(bed, 0);
	int rc[N];
	size_t i;
	page p;

	CU_ASSERT_EQUAL_FATAL(put_n(&bed, 0, 100, bed.place, N), 0);
	for (i = 0; i < N; i++) {
		CU_ASSERT_EQUAL(bed.place[i].tier, TIER_FILE);
		CU_ASSERT(tiers_is_slow(bed.place[i]));
		UNIT_CHECK(comes_back(&bed, 0, bed.place[i], 100 + i), "page %zu", i);
	}
	CU_ASSERT(!tiers_is_slow((struct page_place){ TIER_RAM, 0 }));
	memset(bed.pages, 0, N * sizeof(page));
	tiers_fetch(bed.guest[0].tiers, bed.place, N, bed.pages, rc);
	for (i = 0; i < N; i++) {
		fill(p, 100 + i);
		UNIT_CHECK(!rc[i] && !memcmp(bed.pages[i], p, sizeof(p)), "page %zu: %d", i, rc[i]);
	}
	CU_ASSERT_EQUAL(usage_of(&bed, 0).pages, N);
	CU_ASSERT_EQUAL(usage_of(&bed, 0).bytes, EXTENT_BYTES);
	CU_ASSERT_EQUAL(bed.budget.used, EXTENT_BYTES);
	UNIT_CHECK_STR(tiers_slow_path(bed.guest[0].tiers, TIER_FILE), "/tier", "path");
	/* On its way out of a guest no page waits for a disk */
	fill(p, 1);
	CU_ASSERT_EQUAL(tiers_store(bed.guest[0].tiers, p, bed.place), -ENOSPC);
	CU_ASSERT_EQUAL(load(&bed, 0, (struct page_place){ TIER_FILE, EXTENT_PAGES }), -EIO);
}

static bool holds(struct bed *bed, struct page_place place, uint64_t seed, unsigned char byte)
{
	page p;

	fill(p, seed);
	p[4000] ^= byte;
	return tiers_holds(bed->guest[0].tiers, place, p);
}

/* What was read is known without the disk, until the slot is another page's, or this process ends
 */
static void test_clean(void)
{
	BED(bed, 0);
	uint64_t own = tiers_own_bytes(bed.guest[0].tiers);
	struct page_place other;

	CU_ASSERT_EQUAL_FATAL(put_n(&bed, 0, 0, bed.place, N), 0);
	CU_ASSERT(tiers_keeps(bed.guest[0].tiers, bed.place[0]));
	CU_ASSERT(!holds(&bed, bed.place[0], 0, 0));
	CU_ASSERT(comes_back(&bed, 0, bed.place[0], 0) && comes_back(&bed, 0, bed.place[1], 1));
	CU_ASSERT(tiers_own_bytes(bed.guest[0].tiers) > own);
	disk.reads = disk.writes = -EIO;
	CU_ASSERT(holds(&bed, bed.place[0], 0, 0) && holds(&bed, bed.place[1], 1, 0));
	CU_ASSERT(!holds(&bed, bed.place[0], 0, 1) && !holds(&bed, bed.place[1], 0, 0));
	CU_ASSERT(!holds(&bed, bed.place[2], 2, 0));
	/* A read that failed says nothing */
	CU_ASSERT_EQUAL(load(&bed, 0, bed.place[2]), -EIO);
	CU_ASSERT(!holds(&bed, bed.place[2], 2, 0));
	disk.reads = disk.writes = 0;
	tiers_free(bed.guest[0].tiers, bed.place[0]);
	CU_ASSERT(!holds(&bed, bed.place[0], 0, 0));
	CU_ASSERT_EQUAL_FATAL(put_n(&bed, 0, 500, &other, 1), 0);
	CU_ASSERT(!holds(&bed, other, 500, 0));
	CU_ASSERT(!tiers_holds(bed.guest[0].tiers, (struct page_place){ TIER_FILE, 1 << 30 },
			       bed.pages[0]));
	bed_dies(&bed);
	CU_ASSERT_EQUAL(go_on(&bed, 0, &bed.place[1], N - 1), 0);
	CU_ASSERT_EQUAL(guest_open(&bed, 1, false, true), 0);
	CU_ASSERT(!holds(&bed, bed.place[1], 1, 0));
	CU_ASSERT(comes_back(&bed, 0, bed.place[1], 1) && holds(&bed, bed.place[1], 1, 0));
}

/* Where nothing is put any more, what is loaded leaves */
static void test_clean_leaves(void)
{
	BED(bed, 0);

	CU_ASSERT_EQUAL_FATAL(put_n(&bed, 0, 0, bed.place, 1), 0);
	CU_ASSERT_EQUAL(guest_open(&bed, 0, false, false), 0);
	CU_ASSERT_EQUAL(tiers_claim(bed.guest[0].tiers, bed.place[0]), 0);
	CU_ASSERT_EQUAL(tiers_ready(bed.guest[0].tiers, NULL), 0);
	CU_ASSERT(comes_back(&bed, 0, bed.place[0], 0));
	CU_ASSERT(!tiers_keeps(bed.guest[0].tiers, bed.place[0]));
	CU_ASSERT(tiers_keeps(bed.guest[0].tiers, (struct page_place){ TIER_SAME_FILLED, 0 }));
	CU_ASSERT(!tiers_keeps(bed.guest[0].tiers, (struct page_place){ TIERS_MAX, 0 }));
}

/* Of the file's limit, by all guests */
static void test_taken(void)
{
	BED(bed, 4 * EXTENT_BYTES);

	CU_ASSERT_EQUAL(tiers_slow_taken(bed.guest[0].tiers), 0);
	CU_ASSERT_EQUAL_FATAL(put_n(&bed, 0, 0, bed.place, N), 0);
	CU_ASSERT_EQUAL_FATAL(put_n(&bed, 1, 0, bed.place, N), 0);
	CU_ASSERT_EQUAL(tiers_slow_taken(bed.guest[0].tiers), 50);
	CU_ASSERT_EQUAL(tiers_slow_taken(bed.guest[1].tiers), 50);
	bed.budget.limit = 0;
	CU_ASSERT_EQUAL(tiers_slow_taken(bed.guest[0].tiers), 0);
}

/* Scattered slots, and those of other tiers among them */
static void test_mixed_fetch(void)
{
	BED(bed, 0);
	struct page_place place[N];
	page zeros = { 0 };
	int rc[N];
	size_t i;

	CU_ASSERT_EQUAL_FATAL(put_n(&bed, 0, 0, bed.place, N), 0);
	for (i = 0; i < N; i++)
		place[i] = bed.place[(i * 37) % N];
	CU_ASSERT_EQUAL(tiers_store(bed.guest[0].tiers, zeros, &place[5]), 0);
	place[9].slot = UINT64_C(1) << 35;
	tiers_fetch(bed.guest[0].tiers, place, 9, bed.pages, rc);
	for (i = 0; i < 9; i++) {
		page want;

		fill(want, (i * 37) % N);
		if (i == 5)
			memset(want, 0, sizeof(want));
		UNIT_CHECK(!rc[i] && !memcmp(bed.pages[i], want, sizeof(want)), "page %zu", i);
	}
	tiers_fetch(bed.guest[0].tiers, place, 10, bed.pages, rc);
	CU_ASSERT_EQUAL(rc[9], -EIO);
	CU_ASSERT_EQUAL(rc[5], 0);
}

/* A disk that lost a write, or wrote it elsewhere */
static void test_damage(void)
{
	BED(bed, 0);
	struct err why;
	page p;

	CU_ASSERT_EQUAL_FATAL(put_n(&bed, 0, 0, bed.place, 4), 0);
	fill(p, 1);
	write_at(&bed, EXTENT_BYTES, p, sizeof(p)); /* page 1's content in page 0's slot */
	write_at(&bed, EXTENT_BYTES + 2 * PAGE_BYTES + 77, "", 1);
	CU_ASSERT_EQUAL(load(&bed, 0, bed.place[0]), -EIO);
	CU_ASSERT(comes_back(&bed, 0, bed.place[1], 1));
	CU_ASSERT_EQUAL(load(&bed, 0, bed.place[2]), -EIO);
	tiers_slow_why(bed.guest[0].tiers, TIER_FILE, &why);
	UNIT_CHECK(strstr(why.text, "not what was put there") != NULL, "%s", why.text);
	CU_ASSERT_EQUAL(truncate(bed.path, EXTENT_BYTES + 3 * PAGE_BYTES), 0);
	CU_ASSERT_EQUAL(load(&bed, 0, bed.place[3]), -EIO);
}

/* Of pages read together a bad one is one page */
static void test_bad_sector(void)
{
	BED(bed, 0);
	int rc[4];

	CU_ASSERT_EQUAL_FATAL(put_n(&bed, 0, 0, bed.place, 4), 0);
	CU_ASSERT_EQUAL(truncate(bed.path, EXTENT_BYTES + 3 * PAGE_BYTES), 0);
	tiers_fetch(bed.guest[0].tiers, bed.place, 4, bed.pages, rc);
	CU_ASSERT(rc[0] == 0 && rc[1] == 0 && rc[2] == 0);
	CU_ASSERT_EQUAL(rc[3], -EIO);
}

static void test_disk_fails(void)
{
	BED(bed, 0);
	struct page_place place[2], more[2];
	struct err why;

	CU_ASSERT_EQUAL_FATAL(put_n(&bed, 0, 0, place, 2), 0);
	disk.writes = -EIO;
	CU_ASSERT_EQUAL(put_n(&bed, 0, 10, more, 2), -EIO);
	tiers_slow_why(bed.guest[0].tiers, TIER_FILE, &why);
	UNIT_CHECK(strstr(why.text, "cannot write") != NULL, "%s", why.text);
	CU_ASSERT_EQUAL(usage_of(&bed, 0).pages, 2);
	disk.writes = 0;
	CU_ASSERT_EQUAL(put_n(&bed, 0, 10, more, 2), 0);
	disk.reads = -EIO;
	CU_ASSERT_EQUAL(load(&bed, 0, more[0]), -EIO);
	disk.reads = 0;
	CU_ASSERT(comes_back(&bed, 0, more[0], 10) && comes_back(&bed, 0, place[1], 1));
}

static void test_full(void)
{
	BED(bed, 3 * (uint64_t)EXTENT_BYTES - 1);
	struct page_place place[8][N];
	struct err err = { "" };
	size_t i;

	for (i = 0; i < 8; i++)
		CU_ASSERT_EQUAL_FATAL(put_n(&bed, 0, i * 100, place[i], N), 0);
	CU_ASSERT_EQUAL(demote(bed.guest[0].tiers, bed.pages, 1, bed.place, &err), -ENOSPC);
	UNIT_CHECK(strstr(err.text, "it has the size in [overcommit], "), "%s", err.text);
	CU_ASSERT_EQUAL(put_n(&bed, 1, 0, bed.place, 1), -ENOSPC);
	/* Not side by side any more, and enough */
	for (i = 0; i < N; i++)
		tiers_free(bed.guest[0].tiers, place[i % 8][i]);
	CU_ASSERT_EQUAL(put_n(&bed, 0, 5000, bed.place, N), 0);
	for (i = 0; i < N; i++)
		UNIT_CHECK(comes_back(&bed, 0, bed.place[i], 5000 + i), "page %zu", i);
	CU_ASSERT(comes_back(&bed, 0, place[3][4], 304));
	bed.budget.limit = 3 * (uint64_t)EXTENT_BYTES;
	CU_ASSERT_EQUAL(put_n(&bed, 1, 7, bed.place, 1), 0);
	CU_ASSERT(comes_back(&bed, 1, bed.place[0], 7));
}

/* Of one guest.  @file: below @rootfd */
static struct tiers *disk_tiers(const char *dir, int rootfd, const char *file,
				struct tier_stores **stores, struct tier_budget *budget)
{
	struct tier_spec spec = { .kind = TIER_FILE, .budget = budget };
	int directory = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct tiers *tiers = NULL;

	if (tier_stores_new(stores, rootfd) < 0)
		return NULL;
	spec.store = tier_stores_get(*stores, file);
	tiers_open(&tiers, directory, *stores, &spec, 1, true, NULL);
	close(directory);
	return tiers;
}

static bool is_page(struct tiers *tiers, struct page_place place, uint64_t seed)
{
	page want, got;

	fill(want, seed);
	return tiers_load(tiers, place, got) == 0 && memcmp(got, want, sizeof(got)) == 0;
}

/* Pages until no more goes.  Return: how many batches; their first pages in @first */
static size_t put_all(struct tiers *tiers, page *pages, struct page_place *first, size_t max,
		      struct err *err)
{
	struct page_place place[N];
	size_t n, i;

	for (n = 0; n < max; n++) {
		for (i = 0; i < N; i++)
			fill(pages[i], n * N + i);
		if (demote(tiers, pages, N, place, err) < 0)
			return n;
		first[n] = place[0];
	}
	return n;
}

enum { BATCHES = 128 };

static int try_disk(const char *dir, int rootfd, const char *file, size_t least,
		    const char *what_is_full)
{
	struct page_place first[BATCHES], again;
	struct tier_budget budget = { 0 };
	struct tier_stores *stores;
	struct err err = { "" };
	struct tiers *tiers = disk_tiers(dir, rootfd, file, &stores, &budget);
	page *pages = aligned_alloc(PAGE_BYTES, N * sizeof(page));
	size_t n, i;

	EXPECT(tiers && pages);
	n = put_all(tiers, pages, first, BATCHES, &err);
	EXPECT(n >= least && n < BATCHES && strstr(err.text, "no room for pages: its "));
	EXPECT(strstr(err.text, what_is_full));
	for (i = 0; i < n; i++)
		EXPECT(is_page(tiers, first[i], i * N));
	/* One page's room is enough for one */
	fill(pages[0], 5);
	EXPECT(demote(tiers, pages, 1, &again, &err) == -ENOSPC);
	tiers_free(tiers, first[2]);
	EXPECT(demote(tiers, pages, 1, &again, &err) == 0 && again.slot == first[2].slot);
	EXPECT(is_page(tiers, again, 5) && is_page(tiers, first[1], N));
	tiers_close(tiers);
	tier_stores_free(stores);
	free(pages);
	return 0;
}

static int try_full_file_system(const char *dir)
{
	char image[PATH_MAX], disk_dir[PATH_MAX], device[32];
	struct err err = { "" };
	int loop, rootfd, rc;

	snprintf(image, sizeof(image), "%s/image", dir);
	snprintf(disk_dir, sizeof(disk_dir), "%s/disk", dir);
	loop = own_disk_make(image, "ext4", "tier", device);
	if (loop < 0)
		return NO_OWN_DISK;
	EXPECT(mkdir(disk_dir, 0755) == 0 && mount(device, disk_dir, "ext4", 0, NULL) == 0);
	rootfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	rc = try_disk(dir, rootfd, "/disk/tier", 4 * 8, "file system is full");
	EXPECT(umount(disk_dir) == 0);
	close(loop);
	return rc;
}

static void test_full_file_system(void)
{
	own_disk_child(try_full_file_system, "a full ext4");
}

/* Its first MiB is for its header; what has a file system is left alone */
static int try_device(const char *dir)
{
	char image[PATH_MAX], device[32];
	struct err err = { "" };
	int fd, loop, rc, rootfd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct tier_stores *stores;
	uint64_t id[TIER_ID_WORDS];

	snprintf(image, sizeof(image), "%s/ext4", dir);
	loop = own_disk_make(image, "ext4", "tier", device);
	if (loop < 0)
		return NO_OWN_DISK;
	EXPECT(tier_stores_new(&stores, rootfd) == 0);
	EXPECT(tier_store_open(tier_stores_get(stores, device), NULL, id, NULL, &err) == -EEXIST);
	tier_stores_free(stores);
	close(loop);
	snprintf(image, sizeof(image), "%s/empty", dir);
	fd = open(image, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	EXPECT(fd >= 0 && ftruncate(fd, 8 << 20) == 0);
	close(fd);
	loop = own_disk_attach(image, 0, device);
	if (loop < 0)
		return NO_OWN_DISK;
	rc = try_disk(dir, rootfd, device, 7 * 4, "device is full");
	close(loop);
	close(rootfd);
	return rc;
}

static void test_device(void)
{
	own_disk_child(try_device, "a block device");
}

static void test_gives_back(void)
{
	BED(bed, 0);
	struct page_place place[8][N];
	uint64_t before;
	size_t i, k;

	for (i = 0; i < 8; i++)
		CU_ASSERT_EQUAL_FATAL(put_n(&bed, 0, i * 100, place[i], N), 0);
	for (i = 0; i < 8; i++)
		CU_ASSERT_EQUAL_FATAL(put_n(&bed, 0, i * 100, bed.place, N), 0);
	before = blocks_of(&bed);
	CU_ASSERT_EQUAL(bed.budget.used, 4 * EXTENT_BYTES);
	tiers_tidy(bed.guest[0].tiers);
	CU_ASSERT_EQUAL(blocks_of(&bed), before);
	CU_ASSERT_EQUAL(put_n(&bed, 0, 9000, bed.place, 1), 0);
	for (i = 0; i < 8; i++)
		for (k = 0; k < N; k++)
			tiers_free(bed.guest[0].tiers, place[i][k]);
	tiers_free(bed.guest[0].tiers, place[0][0]); /* free already: counts for nothing */
	for (i = 0; i < 8; i++) {
		CU_ASSERT_EQUAL_FATAL(put_n(&bed, 1, i * 100, place[i], N), 0);
	}
	for (i = 0; i < 8; i++)
		for (k = 0; k < N; k++)
			tiers_free(bed.guest[1].tiers, place[i][k]);
	CU_ASSERT_EQUAL(put_n(&bed, 1, 1, place[0], 1), 0);
	tiers_free(bed.guest[1].tiers, place[0][0]);
	tiers_tidy(bed.guest[0].tiers);
	tiers_tidy(bed.guest[1].tiers);
	CU_ASSERT(comes_back(&bed, 0, bed.place[0], 9000));
	/* Two empty ones are kept by each */
	CU_ASSERT(bed.budget.used <= 7 * EXTENT_BYTES);
	UNIT_CHECK(usage_of(&bed, 1).bytes == 2 * EXTENT_BYTES, "%lu",
		   (unsigned long)usage_of(&bed, 1).bytes);
}

static void test_restart(void)
{
	BED(bed, 0);
	struct page_place kept[N], other[N], more[N];
	size_t i;

	CU_ASSERT_EQUAL_FATAL(put_n(&bed, 0, 0, kept, N), 0);
	CU_ASSERT_EQUAL_FATAL(put_n(&bed, 1, 500, other, N), 0);
	bed_dies(&bed);
	/* Before guest 0 is gone on with, another puts pages there */
	CU_ASSERT_EQUAL_FATAL(go_on(&bed, 1, other, N), 0);
	for (i = 0; i < 8; i++)
		CU_ASSERT_EQUAL(put_n(&bed, 1, 1000, more, N), 0);
	CU_ASSERT_EQUAL_FATAL(go_on(&bed, 0, kept, N / 2), 0);
	for (i = 0; i < N / 2; i++)
		UNIT_CHECK(comes_back(&bed, 0, kept[i], i), "page %zu", i);
	CU_ASSERT(comes_back(&bed, 1, other[3], 503) && comes_back(&bed, 1, more[3], 1003));
	CU_ASSERT_EQUAL(tiers_claim(bed.guest[0].tiers, kept[0]), -EEXIST);
	CU_ASSERT_EQUAL(tiers_claim(bed.guest[0].tiers, (struct page_place){ TIER_FILE, 70000 }),
			-EINVAL);
	CU_ASSERT_EQUAL(usage_of(&bed, 0).pages, N / 2);
	/* What was not claimed is free */
	CU_ASSERT_EQUAL(put_n(&bed, 0, 3000, more, N), 0);
	CU_ASSERT_EQUAL(usage_of(&bed, 0).bytes, EXTENT_BYTES);
	CU_ASSERT(comes_back(&bed, 0, kept[0], 0) && comes_back(&bed, 0, more[0], 3000));
	/* A tier that was taken from the configuration is read, and gets nothing */
	CU_ASSERT_EQUAL(guest_open(&bed, 0, false, false), 0);
	CU_ASSERT_EQUAL(tiers_claim(bed.guest[0].tiers, kept[0]), 0);
	CU_ASSERT(comes_back(&bed, 0, kept[0], 0));
	CU_ASSERT_EQUAL(demote(bed.guest[0].tiers, bed.pages, 1, more, NULL), -ENOENT);
}

/* A daemon that never read a page there: content goes all the same */
static void test_gives_back_unread(void)
{
	BED(bed, 0);
	struct page_place place[2 * N];
	size_t i;

	for (i = 0; i < 4 * 8; i++)
		CU_ASSERT_EQUAL_FATAL(put_n(&bed, 0, i, i ? place + N : place, N), 0);
	CU_ASSERT_EQUAL_FATAL(put_n(&bed, 1, 0, bed.place, N), 0);
	bed_dies(&bed);
	CU_ASSERT_EQUAL_FATAL(go_on(&bed, 0, place, 1), 0);
	CU_ASSERT(blocks_of(&bed) > 7 * EXTENT_BYTES / 512);
	tiers_tidy(bed.guest[0].tiers);
	UNIT_CHECK(blocks_of(&bed) < 5 * EXTENT_BYTES / 512, "%lu blocks",
		   (unsigned long)blocks_of(&bed));
	CU_ASSERT(comes_back(&bed, 0, place[0], 0));
	bed_dies(&bed);
	for (i = 0; i < BED_GUESTS; i++)
		tier_file_forget(bed.guest[i].directory, bed.stores);
	UNIT_CHECK(blocks_of(&bed) < EXTENT_BYTES / 512 / 2, "%lu blocks",
		   (unsigned long)blocks_of(&bed));
}

/* Before and behind the one extent that a table has.  What is not known to be no guest's stays */
static void test_strays(void)
{
	BED(bed, 0);
	static unsigned char stray[EXTENT_BYTES];

	memset(stray, 0x5a, sizeof(stray));
	CU_ASSERT_EQUAL_FATAL(put_n(&bed, 0, 0, bed.place, N), 0);
	CU_ASSERT_EQUAL_FATAL(put_n(&bed, 1, 500, bed.place, N), 0);
	CU_ASSERT_EQUAL(unlinkat(bed.guest[0].directory, "file-slots", 0), 0);
	write_at(&bed, (off_t)3 * EXTENT_BYTES, stray, sizeof(stray));
	write_at(&bed, (off_t)6 * EXTENT_BYTES, stray, sizeof(stray));
	bed_dies(&bed);
	CU_ASSERT_EQUAL_FATAL(go_on(&bed, 1, bed.place, N), 0);
	CU_ASSERT(comes_back(&bed, 1, bed.place[3], 503));
	CU_ASSERT(blocks_of(&bed) >= 4 * EXTENT_BYTES / 512);
	bed_dies(&bed);
	tier_stores_know_all(bed.stores);
	CU_ASSERT_EQUAL_FATAL(go_on(&bed, 1, bed.place, N), 0);
	CU_ASSERT(comes_back(&bed, 1, bed.place[3], 503));
	UNIT_CHECK(blocks_of(&bed) < 3 * EXTENT_BYTES / 512 / 2, "%lu blocks",
		   (unsigned long)blocks_of(&bed));
	/* Of an open file nothing is a stray: another guest puts pages there */
	CU_ASSERT_EQUAL_FATAL(guest_open(&bed, 0, true, true), 0);
	CU_ASSERT_EQUAL_FATAL(put_n(&bed, 0, 900, bed.place, N), 0);
	CU_ASSERT(comes_back(&bed, 0, bed.place[1], 901));
}

/* What a disk may still write to is no other guest's */
static void test_held(void)
{
	BED(bed, 0);
	struct tier_store *store = tier_stores_get(bed.stores, "/tier");
	struct page_place place;
	uint32_t extent, others[4];
	uint64_t before;
	size_t i;

	CU_ASSERT_EQUAL_FATAL(put_n(&bed, 0, 0, bed.place, N), 0);
	CU_ASSERT_EQUAL_FATAL(tier_store_take(store, NULL, NULL, &extent), 0);
	tier_store_hold(store, extent);
	tier_store_silent(store, true);
	tier_store_put(store, extent, NULL);
	for (i = 0; i < 4; i++) {
		CU_ASSERT_EQUAL(tier_store_take(store, NULL, NULL, &others[i]), 0);
		CU_ASSERT_NOT_EQUAL(others[i], extent);
	}
	CU_ASSERT_EQUAL(tier_store_claim(store, extent), -EEXIST);
	/* It answers again */
	CU_ASSERT_EQUAL(put_n(&bed, 1, 7, &place, 1), 0);
	before = blocks_of(&bed);
	tier_store_put(store, others[0], NULL);
	CU_ASSERT(blocks_of(&bed) < before);
}

/* ---- a file that can't be opened yet ---- */

struct loader {
	struct bed *bed;
	pthread_t thread;
	_Atomic bool done;
	int rc;
};

static void *load_first(void *arg)
{
	struct loader *loader = arg;

	loader->rc = load(loader->bed, 0, loader->bed->place[0]);
	loader->done = true;
	return NULL;
}

static bool was_given_back(const struct bed *bed)
{
	int i;

	for (i = 0; i < 200 && blocks_of(bed) >= EXTENT_BYTES / 512 / 2; i++)
		usleep(10000);
	return i < 200;
}

/* Neither a guest that is stopped waits for that, nor the end of one.  Its pages go when the file
 * can be opened */
static void test_open_given_up(void)
{
	BED(bed, 0);
	struct loader loader = { .bed = &bed };
	uint64_t began;
	int held, i;

	CU_ASSERT_EQUAL_FATAL(put_n(&bed, 0, 0, bed.place, 2), 0);
	bed_dies(&bed);
	held = unit_hold_up(bed.path);
	CU_ASSERT_FATAL(held >= 0);
	CU_ASSERT_EQUAL_FATAL(go_on(&bed, 0, bed.place, 2), 0);
	CU_ASSERT_FATAL(pthread_create(&loader.thread, NULL, load_first, &loader) == 0);
	usleep(200000);
	CU_ASSERT(!loader.done);
	tiers_give_up(bed.guest[0].tiers);
	pthread_join(loader.thread, NULL);
	CU_ASSERT(loader.rc < 0);
	tiers_close(bed.guest[0].tiers);
	bed.guest[0].tiers = NULL;
	began = clock_ms();
	tier_file_forget(bed.guest[0].directory, bed.stores);
	UNIT_CHECK(clock_ms() - began < 10000, "%lu ms", (unsigned long)(clock_ms() - began));
	CU_ASSERT(blocks_of(&bed) >= EXTENT_BYTES / 512 / 2);
	CU_ASSERT(tier_stores_busy(bed.stores));
	close(held);
	CU_ASSERT(was_given_back(&bed));
	for (i = 0; i < 200 && tier_stores_busy(bed.stores); i++)
		usleep(10000);
	CU_ASSERT(!tier_stores_busy(bed.stores));
}

/* A guest that ends while the disk allocates an extent for it leaves nothing in the file */
static void test_room_given_up(void)
{
	_Atomic bool given_up = true;
	BED(bed, 0);
	struct tier_store *store = tier_stores_get(bed.stores, "/tier");
	uint32_t extent = EXTENT_NONE, other;
	uint64_t before;
	int i;

	CU_ASSERT_EQUAL_FATAL(put_n(&bed, 0, 0, bed.place, 2), 0);
	before = blocks_of(&bed);
	room_waits = true;
	CU_ASSERT_EQUAL(tier_store_take(store, &bed.budget, &given_up, &extent), -ECANCELED);
	CU_ASSERT_EQUAL(bed.budget.used, EXTENT_BYTES);
	CU_ASSERT(tier_stores_busy(bed.stores));
	/* Whatever the disk does to it is done to no other guest's */
	CU_ASSERT_EQUAL(tier_store_claim(store, 2), -EEXIST);
	room_waits = false;
	for (i = 0; i < 200 && tier_stores_busy(bed.stores); i++)
		usleep(10000);
	CU_ASSERT(!tier_stores_busy(bed.stores));
	UNIT_CHECK(blocks_of(&bed) <= before, "%lu blocks", (unsigned long)blocks_of(&bed));
	CU_ASSERT_EQUAL(tier_store_take(store, NULL, NULL, &other), 0);
	CU_ASSERT_EQUAL(other, 2);
	CU_ASSERT(comes_back(&bed, 0, bed.place[1], 1));
}

/* A write that was given up: its slots stay taken, and its extents are held */
static void test_write_given_up(void)
{
	BED(bed, 0);
	struct page_place place;

	CU_ASSERT_EQUAL_FATAL(put_n(&bed, 0, 0, bed.place, 1), 0);
	disk.writes = -ECANCELED;
	CU_ASSERT_EQUAL(put_n(&bed, 0, 100, &place, 1), -ECANCELED);
	disk.writes = 0;
	CU_ASSERT_EQUAL(put_n(&bed, 0, 200, &place, 1), 0);
	UNIT_CHECK(place.slot == bed.place[0].slot + 2, "slot %lu", (unsigned long)place.slot);
	tiers_close(bed.guest[0].tiers);
	bed.guest[0].tiers = NULL;
	tier_file_forget(bed.guest[0].directory, bed.stores);
	CU_ASSERT_EQUAL_FATAL(guest_open(&bed, 0, true, true), 0);
	CU_ASSERT_EQUAL_FATAL(put_n(&bed, 1, 0, &place, 1), 0);
	CU_ASSERT(comes_back(&bed, 1, place, 0));
	CU_ASSERT_EQUAL(tier_store_claim(tier_stores_get(bed.stores, "/tier"), 1), -EEXIST);
	tier_store_put(tier_stores_get(bed.stores, "/tier"), 1, NULL);
	CU_ASSERT_EQUAL(tier_store_claim(tier_stores_get(bed.stores, "/tier"), 1), -EEXIST);
}

/* Without a guest's slots in it, what is in the file is none's */
static void test_after_boot(void)
{
	BED(bed, 0);

	CU_ASSERT_EQUAL_FATAL(put_n(&bed, 0, 0, bed.place, N), 0);
	tiers_close(bed.guest[0].tiers);
	bed.guest[0].tiers = NULL;
	CU_ASSERT(blocks_of(&bed) > 0);
	tier_file_forget(bed.guest[0].directory, bed.stores);
	CU_ASSERT(blocks_of(&bed) < EXTENT_BYTES / 512 / 2);
	CU_ASSERT_EQUAL_FATAL(guest_open(&bed, 0, true, true), 0);
	CU_ASSERT_EQUAL_FATAL(put_n(&bed, 0, 0, bed.place, N), 0);
	unlinkat(bed.guest[0].directory, "file-slots", 0);
	bed_dies(&bed);
	CU_ASSERT_EQUAL_FATAL(guest_open(&bed, 1, true, true), 0);
	CU_ASSERT_EQUAL(put_n(&bed, 1, 77, bed.place, 1), 0);
	CU_ASSERT(comes_back(&bed, 1, bed.place[0], 77));
	CU_ASSERT(blocks_of(&bed) <= 2 * EXTENT_BYTES / 512);
}

/* A guest waits until it is there again; another file is not it */
static void test_gone(void)
{
	BED(bed, 0);
	char away[210];
	struct err why;
	int i;

	CU_ASSERT_EQUAL_FATAL(put_n(&bed, 0, 0, bed.place, 2), 0);
	bed_dies(&bed);
	snprintf(away, sizeof(away), "%s.away", bed.path);
	rename(bed.path, away);
	CU_ASSERT_EQUAL_FATAL(go_on(&bed, 0, bed.place, 2), 0);
	CU_ASSERT(load(&bed, 0, bed.place[0]) < 0);
	tiers_slow_why(bed.guest[0].tiers, TIER_FILE, &why);
	UNIT_CHECK(strstr(why.text, "/tier") != NULL, "%s", why.text);
	CU_ASSERT_EQUAL(access(bed.path, F_OK), -1);
	write_at(&bed, 0, "", 1);
	usleep(1050000);
	CU_ASSERT(load(&bed, 0, bed.place[0]) < 0);
	tiers_slow_why(bed.guest[0].tiers, TIER_FILE, &why);
	UNIT_CHECK(strstr(why.text, "is not the one") != NULL, "%s", why.text);
	rename(away, bed.path);
	for (i = 0; i < 200 && !comes_back(&bed, 0, bed.place[0], 0); i++)
		usleep(50000);
	CU_ASSERT(comes_back(&bed, 0, bed.place[0], 0));
}

/* Its descriptor, which stays open */
static int file_of(struct bed *bed)
{
	uint64_t id[TIER_ID_WORDS];
	struct err err;

	return tier_store_open(tier_stores_get(bed->stores, "/tier"), NULL, id, NULL, &err);
}

/* As if its disk were taken away: nothing that is asked of it will ever be answered */
static void dies(struct bed *bed)
{
	int fd = file_of(bed);
	int dead = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	CU_ASSERT_FATAL(fd >= 0 && dead >= 0 && dup2(dead, fd) == fd);
	close(dead);
}

static bool soon_back(struct bed *bed)
{
	int i;

	for (i = 0; i < 200 && !comes_back(bed, 0, bed->place[0], 0); i++)
		usleep(50000);
	return i < 200;
}

static bool why_has(struct bed *bed, size_t g, const char *word)
{
	struct err why = { "" };

	tiers_slow_why(bed->guest[g].tiers, TIER_FILE, &why);
	UNIT_CHECK(strstr(why.text, word) != NULL, "%s", why.text);
	return strstr(why.text, word);
}

/* The same daemon opens it anew.  An empty file in its place is not begun, also for a guest that
 * has no page there yet; nor is one taken in the clear where that was not so before */
static void test_disk_is_back(void)
{
	BED(bed, 0);
	struct page_place place;
	char away[210];
	uint64_t i;

	CU_ASSERT_EQUAL_FATAL(put_n(&bed, 0, 0, bed.place, 2), 0);
	snprintf(away, sizeof(away), "%s.away", bed.path);
	CU_ASSERT_EQUAL_FATAL(rename(bed.path, away), 0);
	dies(&bed);
	CU_ASSERT(load(&bed, 0, bed.place[0]) < 0 && load(&bed, 0, bed.place[0]) < 0);
	why_has(&bed, 0, "No such file");
	write_at(&bed, 0, "", 1);
	CU_ASSERT(put_n(&bed, 1, 77, &place, 1) < 0);
	why_has(&bed, 1, "is not the one");
	CU_ASSERT_EQUAL_FATAL(rename(away, bed.path), 0);
	tier_store_encrypt(tier_stores_get(bed.stores, "/tier"), true);
	usleep(1050000);
	CU_ASSERT(load(&bed, 0, bed.place[0]) < 0);
	why_has(&bed, 0, "encrypted");
	tier_store_encrypt(tier_stores_get(bed.stores, "/tier"), false);
	CU_ASSERT_FATAL(soon_back(&bed));
	for (i = 0; i < 40 && put_n(&bed, 1, 77, &place, 1) < 0; i++)
		usleep(50000);
	CU_ASSERT(comes_back(&bed, 1, place, 77) && comes_back(&bed, 0, bed.place[1], 1));
}

/* A file that can be read under another name is kept, and so is one that was removed */
static void test_disk_fails_elsewhere(void)
{
	BED(bed, 0);
	int fd, lives, fails;
	char away[210];
	struct stat st;

	CU_ASSERT_EQUAL_FATAL(put_n(&bed, 0, 0, bed.place, 2), 0);
	snprintf(away, sizeof(away), "%s.away", bed.path);
	CU_ASSERT_EQUAL_FATAL(rename(bed.path, away), 0);
	disk.reads = -EIO;
	CU_ASSERT(load(&bed, 0, bed.place[0]) == -EIO && load(&bed, 0, bed.place[0]) == -EIO);
	disk.reads = 0;
	CU_ASSERT(comes_back(&bed, 0, bed.place[0], 0));
	fd = file_of(&bed);
	lives = dup(fd);
	fails = open(away, O_WRONLY | O_CLOEXEC);
	unlink(away);
	CU_ASSERT(dup2(fails, fd) == fd);
	CU_ASSERT(load(&bed, 0, bed.place[0]) < 0 && load(&bed, 0, bed.place[0]) < 0);
	CU_ASSERT(fstat(fd, &st) == 0 && S_ISREG(st.st_mode));
	CU_ASSERT(dup2(lives, fd) == fd);
	CU_ASSERT(comes_back(&bed, 0, bed.place[1], 1));
	close(lives);
	close(fails);
}

/* What is there is read all the same: it was put there before that was asked for */
static void test_encrypted(void)
{
	BED(bed, 0);
	struct tier_store *store = tier_stores_get(bed.stores, "/tier");
	struct page_place place;
	char uuid[64];
	struct err why;
	struct stat st;

	CU_ASSERT_EQUAL_FATAL(put_n(&bed, 0, 0, bed.place, 2), 0);
	tier_store_encrypt(store, true);
	CU_ASSERT_EQUAL(put_n(&bed, 0, 2, &place, 1), -ENOKEY);
	tiers_slow_why(bed.guest[0].tiers, TIER_FILE, &why);
	UNIT_CHECK(strstr(why.text, "encrypted") != NULL, "%s", why.text);
	CU_ASSERT(comes_back(&bed, 0, bed.place[1], 1));
	CU_ASSERT_EQUAL_FATAL(fstat(bed.rootfd, &st), 0);
	snprintf(uuid, sizeof(uuid), "sys/dev/block/%u:%u/dm/uuid", major(st.st_dev),
		 minor(st.st_dev));
	bed.path[strlen(bed.path) - strlen("/tier")] = '\0';
	unit_write(bed.path, uuid, "CRYPT-PLAIN-pager");
	CU_ASSERT_EQUAL(put_n(&bed, 0, 2, &place, 1), major(st.st_dev) ? 0 : -ENOKEY);
}

/* Two daemons: the second must not take it */
static void test_in_use(void)
{
	BED(bed, 0);
	struct tier_stores *others;
	uint64_t id[TIER_ID_WORDS];
	struct err err = { "" };

	CU_ASSERT_EQUAL_FATAL(put_n(&bed, 0, 0, bed.place, 2), 0);
	CU_ASSERT_EQUAL_FATAL(tier_stores_new(&others, bed.rootfd), 0);
	CU_ASSERT_EQUAL(tier_store_open(tier_stores_get(others, "/tier"), NULL, id, NULL, &err),
			-EBUSY);
	UNIT_CHECK(strstr(err.text, "another process") != NULL, "%s", err.text);
	tier_stores_free(others);
	CU_ASSERT(comes_back(&bed, 0, bed.place[1], 1));
}

enum made { MADE_NOTHING, MADE_FILE, MADE_TEXT, MADE_LINK, MADE_FIFO, MADE_DIRECTORY };

static void make(const char *path, enum made what, unsigned int mode)
{
	FILE *file;

	switch (what) {
	case MADE_NOTHING:
		return;
	case MADE_FILE:
	case MADE_TEXT:
		file = fopen(path, "we");
		CU_ASSERT_PTR_NOT_NULL_FATAL(file);
		fputs(what == MADE_TEXT ? "a diary" : "", file);
		fclose(file);
		break;
	case MADE_LINK:
		CU_ASSERT_EQUAL(symlink("elsewhere", path), 0);
		return;
	case MADE_FIFO:
		CU_ASSERT_EQUAL(mkfifo(path, 0600), 0);
		break;
	case MADE_DIRECTORY:
		CU_ASSERT_EQUAL(mkdir(path, 0700), 0);
		break;
	}
	chmod(path, mode);
}

/* Whose file it may be */
static void test_paths(void)
{
	static const struct {
		const char *name;
		enum made made;
		unsigned int mode, directory;
		int rc;
		const char *said;
	} rows[] = {
		{ "new", MADE_NOTHING, 0, 0700, 0, NULL },
		{ "empty", MADE_FILE, 0600, 0755, 0, NULL },
		{ "readable", MADE_FILE, 0644, 0700, -EPERM, "root's alone" },
		{ "writable", MADE_FILE, 0620, 0700, -EPERM, "root's alone" },
		{ "diary", MADE_TEXT, 0600, 0700, -EEXIST, "not overwritten" },
		{ "link", MADE_LINK, 0, 0700, -EEXIST, "cannot make" },
		{ "their-link", MADE_LINK, 0, 0777, -ELOOP, NULL },
		{ "fifo", MADE_FIFO, 0600, 0700, -EINVAL, "neither a file" },
		{ "directory", MADE_DIRECTORY, 0700, 0700, -EISDIR, "name a file" },
		{ "theirs", MADE_FILE, 0600, 0777, -EPERM, "root's alone" },
		{ "theirs-new", MADE_NOTHING, 0, 0770, -EPERM, "root's alone" },
		{ "none/new", MADE_NOTHING, 0, 0700, -ENOENT, NULL },
	};
	const char *home = unit_disk_tmpdir();
	int rootfd = open(home, O_PATH | O_DIRECTORY | O_CLOEXEC);
	char path[300], directory[250], *below;
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		struct tier_stores *stores;
		uint64_t id[TIER_ID_WORDS];
		struct err err = { "" };
		struct stat st;
		int rc;

		snprintf(directory, sizeof(directory), "%s/%zu", home, i);
		mkdir(directory, 0700);
		snprintf(path, sizeof(path), "%s/%s", directory, rows[i].name);
		below = path + strlen(home);
		make(path, rows[i].made, rows[i].mode);
		chmod(directory, rows[i].directory);
		CU_ASSERT_EQUAL_FATAL(tier_stores_new(&stores, rootfd), 0);
		rc = tier_store_open(tier_stores_get(stores, below), NULL, id, NULL, &err);
		UNIT_CHECK(rows[i].rc ? rc == rows[i].rc : rc >= 0, "%s: %d, %s", rows[i].name, rc,
			   err.text);
		UNIT_CHECK(!rows[i].said || strstr(err.text, rows[i].said), "%s: %s", rows[i].name,
			   err.text);
		UNIT_CHECK(rc < 0 || (stat(path, &st) == 0 && (st.st_mode & 0777) == 0600), "%s",
			   rows[i].name);
		if (rows[i].made == MADE_TEXT)
			UNIT_CHECK(stat(path, &st) == 0 && st.st_size == 7, "%s", rows[i].name);
		tier_stores_free(stores);
		chmod(directory, 0700);
	}
	close(rootfd);
}

/* A table of another version, or cut short, is no table */
static void test_table(void)
{
	BED(bed, 0);
	struct err err = { "" };
	int fd;

	CU_ASSERT_EQUAL_FATAL(put_n(&bed, 0, 0, bed.place, 2), 0);
	fd = openat(bed.guest[0].directory, "file-slots", O_RDWR | O_CLOEXEC);
	CU_ASSERT_EQUAL(pwrite(fd, "\7", 1, 24), 1);
	tiers_close(bed.guest[0].tiers);
	bed.guest[0].tiers = NULL;
	CU_ASSERT_EQUAL(tier_file_reserve(bed.guest[0].directory, bed.stores, &err), -ESTALE);
	CU_ASSERT_EQUAL(guest_open(&bed, 0, false, true), -ESTALE);
	/* Its maker was killed: no entry names a slot */
	CU_ASSERT_EQUAL(pwrite(fd, "", 1, 0), 1);
	CU_ASSERT_EQUAL(guest_open(&bed, 0, false, true), 0);
	CU_ASSERT_EQUAL(tiers_claim(bed.guest[0].tiers, bed.place[0]), -EINVAL);
	CU_ASSERT_EQUAL(put_n(&bed, 0, 60, bed.place, 2), 0);
	CU_ASSERT(comes_back(&bed, 0, bed.place[0], 60));
	close(fd);
}

/* Two tables that name one extent: neither is believed to be the right one */
static void test_two_owners(void)
{
	BED(bed, 0);
	struct page_place other;
	uint32_t one = 1;
	int fd;

	CU_ASSERT_EQUAL_FATAL(put_n(&bed, 0, 0, bed.place, 1), 0);
	CU_ASSERT_EQUAL_FATAL(put_n(&bed, 1, 0, &other, 1), 0);
	fd = openat(bed.guest[1].directory, "file-slots", O_RDWR | O_CLOEXEC);
	CU_ASSERT_EQUAL(pwrite(fd, &one, sizeof(one), PAGE_BYTES), (ssize_t)sizeof(one));
	close(fd);
	bed_dies(&bed);
	CU_ASSERT_EQUAL(go_on(&bed, 0, bed.place, 1), 0);
	CU_ASSERT_EQUAL(guest_open(&bed, 1, false, true), -EUCLEAN);
	CU_ASSERT(comes_back(&bed, 0, bed.place[0], 0));
}

static CU_TestInfo tests[] = {
	{ "pages come back, and none goes there on its way out", test_comes_back },
	{ "what was read is known", test_clean },
	{ "a file that gets no more pages", test_clean_leaves },
	{ "how much of it is taken", test_taken },
	{ "scattered slots, and other tiers among them", test_mixed_fetch },
	{ "damage is an error, never another page", test_damage },
	{ "of pages read together a bad one is one page", test_bad_sector },
	{ "a failing disk", test_disk_fails },
	{ "the limit, and room in between", test_full },
	{ "a full file system", test_full_file_system },
	{ "a block device", test_device },
	{ "free extents go back to the disk", test_gives_back },
	{ "a disk that does not answer is given up", test_given_up },
	{ "one that answers soon is waited for awake, and no other", test_stays_awake },
	{ "requests with a buffer of their own pin nothing", test_pins_nothing },
	{ "what it has pinned is in no other guest's way", test_leaves_pins },
	{ "what it may still write to is no other guest's", test_held },
	{ "a file that can't be opened yet, and a guest that ends", test_open_given_up },
	{ "nor the slots of a write that was given up", test_write_given_up },
	{ "room that was given up goes when the disk answers", test_room_given_up },
	{ "and also those of a file that was not read", test_gives_back_unread },
	{ "what a daemon that was killed left is discarded", test_strays },
	{ "a restart: each guest has its own extents", test_restart },
	{ "without guests the file is begun anew", test_after_boot },
	{ "a file that is gone, another, and the right one again", test_gone },
	{ "a disk that is gone, and back", test_disk_is_back },
	{ "a file that fails, and has another name", test_disk_fails_elsewhere },
	{ "encrypted, or not", test_encrypted },
	{ "a file in use", test_in_use },
	{ "whose file it may be", test_paths },
	{ "a table that is none", test_table },
	{ "an extent of two guests", test_two_owners },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_tier_file", tests);
}
