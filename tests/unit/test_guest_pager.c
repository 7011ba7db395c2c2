// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * One guest's pager with a real userfaultfd: this process is pager and guest at once.
 *
 * Guest memory is a memfd that is mapped here; threads of the test are vCPUs, the pager's threads
 * run beside them, so that a sanitizer for threads sees all of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "kernel/kfs.h"
#include "memory/thp.h"
#include "pager/engine.h"
#include "pager/map_file.h"
#include "pager/memory_error.h"
#include "pager/shmem_thp.h"
#include "pager/tier_io.h"
#include "pager/tier_owner.h"
#include "pager/tier_store.h"
#include "unit/unit.h"

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

enum { PAGES = 1024, WORDS = PAGE_BYTES / 8 };

/* Others may change the host's setting while this runs, and huge pages are not made here (see main)
 */
int shmem_thp_refusal(const struct kfs *kfs, pid_t pid, const struct ram *ram, struct err *err)
{
	(void)kfs, (void)pid, (void)ram, (void)err;
	return 0;
}

/* What a test does when the pager comes by a place (see engine.h) */
static void (*_Atomic on_step)(const char *label);

void pager_step(const char *label)
{
	void (*step)(const char *label) = on_step;

	if (step)
		step(label);
}

/* Called before each mlock() of the pager: a test changes the memory there */
static void (*on_lock)(const char *at, size_t bytes);

int mlock(const void *at, size_t bytes)
{
	if (on_lock)
		on_lock(at, bytes);
	return (int)syscall(SYS_mlock, at, bytes);
}

struct guest {
	pid_t process;
	unsigned int pipes;
	int directory, memory, uffd, pipe[2][2];
	uint64_t (*page)[WORDS];
	struct guest_pager *pager;
	struct page_map *map; /* while it is resumed */
	struct guest_pager_options options;
	bool prefetches; /* of begin_above_file() */
	struct tier_budget budget;
	struct tier_spec tier[2];
	pthread_mutex_t lock;
	char alarm[512]; /* the last one; "" if it is over */
	unsigned int alarms;
};

static void on_alarm(void *arg, const char *sentence)
{
	struct guest *guest = arg;

	pthread_mutex_lock(&guest->lock);
	snprintf(guest->alarm, sizeof(guest->alarm), "%s", sentence);
	guest->alarms += *sentence != '\0';
	pthread_mutex_unlock(&guest->lock);
}

static bool alarm_has(struct guest *guest, const char *words)
{
	bool has;

	pthread_mutex_lock(&guest->lock);
	has = *words ? strstr(guest->alarm, words) != NULL : *guest->alarm == '\0';
	pthread_mutex_unlock(&guest->lock);
	return has;
}

/* Wait until something is so, a few seconds at most */
#define SOON(condition) SOON_MS(20000, condition)
#define SOON_MS(ms, condition)                                                                     \
	({                                                                                         \
		uint64_t soon_end = clock_ms() + (ms);                                             \
		while (!(condition) && clock_left_ms(soon_end))                                    \
			clock_sleep_ms(2);                                                         \
		(bool)(condition);                                                                 \
	})

static int open_uffd(void)
{
	int device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC), fd;

	if (device >= 0) {
		fd = ioctl(device, USERFAULTFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK);
		close(device);
		return fd;
	}
	return (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
}

/* What a page holds: its number and a version in each word, so that it compresses */
static void make_content(uint64_t content[WORDS], uint64_t page, uint64_t version)
{
	size_t n;

	/* Word by word takes a tenth of what all of this program takes */
	content[0] = page << 32 | version;
	for (n = 1; n < WORDS; n *= 2)
		memcpy(content + n, content, n * sizeof(*content));
}

static void write_page(struct guest *guest, uint64_t page, uint64_t version)
{
	uint64_t content[WORDS];

	make_content(content, page, version);
	memcpy(guest->page[page], content, PAGE_BYTES);
}

static bool page_is(struct guest *guest, uint64_t page, uint64_t version)
{
	uint64_t content[WORDS];

	make_content(content, page, version);
	return memcmp(guest->page[page], content, PAGE_BYTES) == 0;
}

static bool page_is_zero(struct guest *guest, uint64_t page)
{
	size_t i;

	for (i = 0; i < WORDS; i++)
		if (guest->page[page][i])
			return false;
	return true;
}

static struct adopted adopted_of(const struct guest *guest)
{
	struct adopted adopted = { .pidfd = pidfd_of(guest->process), .pipe = { -1, -1, -1, -1 } };
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
	unsigned int i;

	CU_ASSERT_FATAL(file && fgets(adopted.identity.boot_id, 40, file));
	fclose(file);
	adopted.identity.boot_id[strcspn(adopted.identity.boot_id, "\n")] = '\0';
	adopted.uffd = fcntl(guest->uffd, F_DUPFD_CLOEXEC, 0);
	adopted.identity.pid = guest->process;
	adopted.identity.n_pipes = guest->pipes;
	for (i = 0; i < guest->pipes; i++)
		adopted.pipe[i] = fcntl(guest->pipe[i][0], F_DUPFD_CLOEXEC, 0);
	return adopted;
}

/* Of the last guest_pager_resume() */
static struct ram_left left;

static struct ram ram_of(const struct guest *guest)
{
	struct ram ram = { .n = 1, .pages = PAGES };
	struct stat st;

	CU_ASSERT_FATAL(fstat(guest->memory, &st) == 0);
	ram.object[0] = (struct ram_object){
		.fd = fcntl(guest->memory, F_DUPFD_CLOEXEC, 0),
		.dev = st.st_dev,
		.ino = st.st_ino,
		.address = (uintptr_t)guest->page,
		.pages = PAGES,
	};
	return ram;
}

static void make_memory(struct guest *guest)
{
	guest->memory = memfd_create("guest", MFD_CLOEXEC);
	CU_ASSERT_FATAL(guest->memory >= 0);
	CU_ASSERT_FATAL(ftruncate(guest->memory, PAGES * PAGE_BYTES) == 0);
	guest->page = mmap(NULL, PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
			   guest->memory, 0);
	CU_ASSERT_FATAL(guest->page != MAP_FAILED);
}

static void guest_make(struct guest *guest, uint64_t limit)
{
	static int number;
	char path[300];
	int i;

	memset(guest, 0, sizeof(*guest));
	guest->process = getpid();
	guest->pipes = 2;
	pthread_mutex_init(&guest->lock, NULL);
	snprintf(path, sizeof(path), "%s/guest%d", unit_tmpdir(), number++);
	CU_ASSERT_FATAL(mkdir(path, 0700) == 0);
	guest->directory = open(path, O_DIRECTORY | O_CLOEXEC);
	guest->uffd = open_uffd();
	CU_ASSERT_FATAL(guest->uffd >= 0);
	for (i = 0; i < 2; i++)
		CU_ASSERT_FATAL(pipe2(guest->pipe[i], O_CLOEXEC | O_NONBLOCK) == 0);
	make_memory(guest);
	guest->tier[0] = (struct tier_spec){ .kind = TIER_SAME_FILLED };
	guest->tier[1] = (struct tier_spec){ .kind = TIER_RAM, .budget = &guest->budget };
	guest->options = (struct guest_pager_options){
		.name = "guest",
		.directory = guest->directory,
		.limit = limit,
		.tiers = guest->tier,
		.n_tiers = 2,
		.pins = PINS_NONE,
		.alarm = on_alarm,
		.alarm_arg = guest,
	};
}

/* It has been out, and came back: what may have become of it before is over */
static void came_back(struct guest *guest, uint64_t page)
{
	entry_settle(guest->pager, page,
		     (struct page_fields){ .state = PAGE_RESIDENT, .generation = 1 });
}

static void guest_begin(struct guest *guest)
{
	struct adopted adopted = adopted_of(guest);
	struct ram ram = ram_of(guest);
	struct err err = { "" };
	int rc = guest_pager_start(&guest->pager, &adopted, &ram, &guest->options, &err);

	UNIT_CHECK(rc == 0, "%s", err.text);
	CU_ASSERT_FATAL(rc == 0);
}

static int guest_resume(struct guest *guest, struct err *err)
{
	struct adopted adopted = adopted_of(guest);
	struct ram ram = ram_of(guest);
	struct page_map *map;
	int rc = page_map_open(&map, guest->directory, 1000, err);

	UNIT_CHECK(rc == 0, "%s", err->text);
	CU_ASSERT_FATAL(rc == 0);
	guest->map = map;
	rc = guest_pager_resume(&guest->pager, map, &adopted, &ram, &left, &guest->options, err);
	if (rc < 0) {
		page_map_close(map);
		adopted_close(&adopted);
		ram_close(&ram);
		guest->pager = NULL;
	}
	return rc;
}

static void guest_close(struct guest *guest)
{
	int i;

	if (guest->pager)
		guest_pager_stop(guest->pager);
	/* Who still waits goes on with the last descriptor */
	munmap(guest->page, PAGES * PAGE_BYTES);
	close(guest->uffd);
	close(guest->memory);
	close(guest->directory);
	for (i = 0; i < 2; i++) {
		close(guest->pipe[i][0]);
		close(guest->pipe[i][1]);
	}
	pthread_mutex_destroy(&guest->lock);
}

/* As QEMU discards memory that is a file: its hole first, then the message */
static void punch(struct guest *guest, uint64_t page)
{
	CU_ASSERT(fallocate(guest->memory, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			    (off_t)page * PAGE_BYTES, PAGE_BYTES) == 0);
}

static struct page_fields fields_of(const struct guest *guest, uint64_t page)
{
	return page_entry_fields(page_map_get(guest->pager->map, page));
}

static uint64_t count_state(const struct guest *guest, enum page_state state)
{
	uint64_t page, n = 0;

	for (page = 0; page < PAGES; page++)
		n += fields_of(guest, page).state == state;
	return n;
}

static void fill(struct guest *guest, uint64_t version)
{
	uint64_t page;

	for (page = 0; page < PAGES; page++)
		write_page(guest, page, version);
}

static uint64_t count_wrong(struct guest *guest, uint64_t version)
{
	uint64_t page, wrong = 0;

	for (page = 0; page < PAGES; page++)
		wrong += !page_is(guest, page, version);
	return wrong;
}

static uint64_t draw(uint64_t *seed)
{
	*seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407;
	return *seed >> 33;
}

/* Pages that no compression makes smaller: each has a slot of 4368 bytes */
static void fill_with_noise(struct guest *guest)
{
	uint64_t page;
	size_t i;

	for (page = 0; page < PAGES; page++) {
		uint64_t seed = page;

		for (i = 0; i < WORDS; i++)
			guest->page[page][i] = draw(&seed) << 32 ^ draw(&seed);
	}
}

enum read_result { READ_RIGHT, READ_WRONG, READ_ERROR };

static enum read_result read_noise(struct guest *guest, uint64_t page)
{
	uint64_t content[WORDS], seed = page;
	size_t i;

	if (!memory_copy(content, guest->page[page], PAGE_BYTES))
		return READ_ERROR;
	for (i = 0; i < WORDS; i++)
		if (content[i] != (draw(&seed) << 32 ^ draw(&seed)))
			return READ_WRONG;
	return READ_RIGHT;
}

/* A fault in a thread of its own, which may wait */
struct reader {
	struct guest *guest;
	uint64_t page, version;
	pthread_t thread;
	_Atomic int done, right;
};

static void *read_it(void *arg)
{
	struct reader *reader = arg;

	reader->right = reader->version ? page_is(reader->guest, reader->page, reader->version) :
					  page_is_zero(reader->guest, reader->page);
	reader->done = true;
	return NULL;
}

static void reader_start(struct reader *reader, struct guest *guest, uint64_t page,
			 uint64_t version)
{
	*reader = (struct reader){ .guest = guest, .page = page, .version = version };
	CU_ASSERT_FATAL(pthread_create(&reader->thread, NULL, read_it, reader) == 0);
}

static bool reader_was_right(struct reader *reader)
{
	if (!SOON(reader->done))
		return false;
	pthread_join(reader->thread, NULL);
	return reader->right;
}

static uint64_t some_evicted(struct guest *guest)
{
	uint64_t page;

	for (page = 0; page < PAGES; page++)
		if (fields_of(guest, page).state == PAGE_EVICTED)
			return page;
	CU_FAIL_FATAL("no page is out");
	return 0;
}

#define GUEST(name, limit) UNIT_FIXTURE(struct guest, name, guest_close, guest_make(&name, limit))

/* ---- ---- */

static void test_limit(void)
{
	struct pager_statistics s;

	GUEST(guest, 200);
	fill(&guest, 1);
	guest_begin(&guest);
	CU_ASSERT(SOON(count_state(&guest, PAGE_RESIDENT) <= 200));
	CU_ASSERT(count_wrong(&guest, 1) == 0);
	CU_ASSERT(SOON(count_state(&guest, PAGE_RESIDENT) <= 200));
	guest_pager_set_limit(guest.pager, 50);
	CU_ASSERT(SOON(count_state(&guest, PAGE_RESIDENT) <= 50));
	fill(&guest, 2);
	CU_ASSERT(count_wrong(&guest, 2) == 0);
	guest_pager_statistics(guest.pager, &s);
	CU_ASSERT(s.pages == PAGES && s.limit == 50 && s.refaults > 0 && s.evictions > PAGES);
	CU_ASSERT(s.fault_p50_ns > 0 && s.fault_p99_ns >= s.fault_p50_ns);
	CU_ASSERT(guest.alarms == 0);
}

static int idle_percent(struct guest *guest)
{
	struct pager_statistics s;

	guest_pager_statistics(guest->pager, &s);
	return s.idle_percent;
}

static bool may_unmap(struct guest *guest)
{
	int rc = idle_sample(guest->pager, 64);

	/* Kernels before 6.13 want CAP_SYS_NICE for a process's own memory, too */
	UNIT_CHECK(rc == 0 || ((rc == -EPERM || rc == -ENOSYS) && geteuid() != 0), "%d", rc);
	return rc == 0;
}

/* What is used between two samples is not idle, and the guest has no fault of ours by it */
static void test_idle(void)
{
	struct pager_statistics before, after;
	uint64_t page;

	GUEST(guest, 2 * PAGES);
	fill(&guest, 1);
	guest_begin(&guest);
	CU_ASSERT(SOON(count_state(&guest, PAGE_RESIDENT) == PAGES));
	guest.pager->idle.random = 1;
	CU_ASSERT(idle_percent(&guest) == -1);
	guest_pager_statistics(guest.pager, &before);
	if (!may_unmap(&guest)) {
		CU_ASSERT(idle_percent(&guest) == -1);
		return;
	}
	CU_ASSERT(guest.pager->idle.n > 32 && idle_percent(&guest) == -1);
	CU_ASSERT(idle_sample(guest.pager, IDLE_PAGES_MAX + 1) == 0);
	CU_ASSERT(idle_percent(&guest) == 100);
	CU_ASSERT(guest.pager->idle.n > IDLE_PAGES_MAX / 2);
	for (page = 0; page < PAGES; page += 2)
		CU_ASSERT(page_is(&guest, page, 1));
	CU_ASSERT(idle_sample(guest.pager, IDLE_PAGES_MAX) == 0);
	UNIT_CHECK(idle_percent(&guest) > 30 && idle_percent(&guest) < 70, "%d",
		   idle_percent(&guest));
	CU_ASSERT(count_wrong(&guest, 1) == 0);
	CU_ASSERT(idle_sample(guest.pager, IDLE_PAGES_MAX) == 0);
	CU_ASSERT(idle_percent(&guest) == 0);
	guest_pager_statistics(guest.pager, &after);
	CU_ASSERT(after.faults == before.faults && after.resident == PAGES);
	/* Pages that are out by then are no part of it: what is known stays */
	guest_pager_set_limit(guest.pager, 4);
	CU_ASSERT(SOON(count_state(&guest, PAGE_RESIDENT) <= 4));
	CU_ASSERT(idle_sample(guest.pager, IDLE_PAGES_MAX) == 0);
	CU_ASSERT(guest.pager->idle.n <= 4 && idle_percent(&guest) == 0);
	guest_pager_forget_idle(guest.pager);
	CU_ASSERT(idle_percent(&guest) == -1);
	CU_ASSERT(count_wrong(&guest, 1) == 0);
}

/* Of pages that are read ahead the page table tells whether they were used */
static void test_idle_leaves_neighbours(void)
{
	uint64_t page;

	GUEST(guest, 2 * PAGES);
	fill(&guest, 1);
	guest_begin(&guest);
	CU_ASSERT(SOON(count_state(&guest, PAGE_RESIDENT) == PAGES));
	pthread_mutex_lock(&guest.pager->policy);
	for (page = 16; page < PAGES; page++)
		bit_set(guest.pager->ahead, page, true);
	pthread_mutex_unlock(&guest.pager->policy);
	if (!may_unmap(&guest))
		return;
	CU_ASSERT(guest.pager->idle.n <= 16);
	for (page = 0; page < guest.pager->idle.n; page++)
		CU_ASSERT(guest.pager->idle.page[page] < 16);
}

/* Where the evicting thread stops: beside a fault thread with a processor of its own it makes some
 * room ahead, else that thread does it itself */
static uint64_t stays_resident(const cpu_set_t *set)
{
	GUEST(guest, PAGES - 320);
	CU_ASSERT_FATAL(sched_setaffinity(0, sizeof(*set), set) == 0);
	fill(&guest, 1);
	guest_begin(&guest);
	CU_ASSERT(SOON(policy_resident(guest.pager) <= PAGES - 320));
	SOON(policy_resident(guest.pager) <= PAGES - 320 - 16 || guest.pager->evict_asleep);
	return policy_resident(guest.pager);
}

static void test_one_processor(void)
{
	cpu_set_t all, one;
	size_t cpu = 0;

	CU_ASSERT_FATAL(sched_getaffinity(0, sizeof(all), &all) == 0);
	while (!CPU_ISSET(cpu, &all))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	CU_ASSERT_EQUAL(stays_resident(&one), PAGES - 320);
	if (CPU_COUNT(&all) > 1)
		CU_ASSERT(stays_resident(&all) <= PAGES - 320 - 16);
	CU_ASSERT(sched_setaffinity(0, sizeof(all), &all) == 0);
}

struct vcpu {
	struct guest *guest;
	uint64_t first, n, seed, version[PAGES];
	uint64_t wrong, turns;
	bool discards;
};

/* Its own pages, checked against versions that only it knows.  A discarded one is zeros or old */
static void *vcpu_run(void *arg)
{
	struct vcpu *vcpu = arg;
	uint64_t turn;

	for (turn = 0; turn < vcpu->turns; turn++) {
		uint64_t at = draw(&vcpu->seed) % vcpu->n, page = vcpu->first + at;
		uint64_t chance = draw(&vcpu->seed) % 100;

		if (vcpu->version[at] && !page_is(vcpu->guest, page, vcpu->version[at]))
			vcpu->wrong++;
		if (chance < 30) {
			vcpu->version[at] = turn + 1;
			write_page(vcpu->guest, page, turn + 1);
		} else if (chance < 32 && vcpu->discards) {
			madvise(vcpu->guest->page[page], PAGE_BYTES, MADV_REMOVE);
			vcpu->version[at] = 0;
		}
	}
	return NULL;
}

/* Two vCPUs with discards, an evicting thread, the fault thread, and a limit that is changed */
static void test_threads(void)
{
	enum { VCPUS = 3, TURNS = 3000 };
	static struct vcpu vcpu[VCPUS];
	pthread_t thread[VCPUS];
	struct err err = { "" };
	unsigned int i;
	int rc;

	GUEST(guest, 200);
	guest_begin(&guest);
	for (i = 0; i < VCPUS; i++) {
		vcpu[i] = (struct vcpu){
			.guest = &guest,
			.first = i * (PAGES / VCPUS),
			.n = PAGES / VCPUS,
			.seed = i + 1,
			.turns = TURNS,
			.discards = i > 0,
		};
		CU_ASSERT_FATAL(pthread_create(&thread[i], NULL, vcpu_run, &vcpu[i]) == 0);
	}
	for (i = 0; i < 20; i++) {
		guest_pager_set_limit(guest.pager, 100 + i % 3 * 200);
		clock_sleep_ms(5);
	}
	/* And while they run on, everything back */
	rc = guest_pager_detach(guest.pager, 60000, &err);
	UNIT_CHECK(rc == 0, "%s", err.text);
	for (i = 0; i < VCPUS; i++) {
		pthread_join(thread[i], NULL);
		UNIT_CHECK(vcpu[i].wrong == 0, "vCPU %u: %lu wrong", i, vcpu[i].wrong);
	}
	CU_ASSERT(guest.alarms == 0);
}

static void test_fence(void)
{
	struct reader reader;

	GUEST(guest, 100);
	fill(&guest, 1);
	guest_begin(&guest);
	CU_ASSERT_FATAL(SOON(count_state(&guest, PAGE_RESIDENT) <= 100));
	guest_pager_fence(guest.pager, true);
	clock_sleep_ms(50);
	reader_start(&reader, &guest, some_evicted(&guest), 1);
	clock_sleep_ms(200);
	CU_ASSERT(!reader.done);
	guest_pager_fence(guest.pager, false);
	CU_ASSERT(reader_was_right(&reader));
}

/* Up from the beginning, through two pagers that end, and once it is lifted it stays so */
static void test_fence_stays(void)
{
	struct err err = { "" };
	struct reader reader;
	int i;

	GUEST(guest, 100);
	guest.options.fenced = true;
	guest_begin(&guest);
	reader_start(&reader, &guest, 7, 0);
	for (i = 0; i < 2; i++) {
		clock_sleep_ms(50);
		CU_ASSERT(!reader.done);
		CU_ASSERT(guest_pager_is_fenced(guest.pager));
		CU_ASSERT_EQUAL(guest_pager_detach(guest.pager, 1000, &err), -EBUSY);
		guest_pager_stop(guest.pager);
		guest.pager = NULL;
		guest.options.fenced = false;
		UNIT_CHECK(guest_resume(&guest, &err) == 0, "%s", err.text);
		CU_ASSERT_FATAL(guest.pager != NULL);
	}
	clock_sleep_ms(100);
	CU_ASSERT(!reader.done);
	guest_pager_fence(guest.pager, false);
	CU_ASSERT(reader_was_right(&reader));
	guest_pager_stop(guest.pager);
	guest.pager = NULL;
	UNIT_CHECK(guest_resume(&guest, &err) == 0, "%s", err.text);
	CU_ASSERT_FATAL(guest.pager != NULL);
	CU_ASSERT(!guest_pager_is_fenced(guest.pager));
	reader_start(&reader, &guest, 8, 0);
	CU_ASSERT(reader_was_right(&reader));
}

/* ---- a tier on a disk ---- */

/* Its disk does not answer while @silent */
static struct {
	_Atomic bool silent;
	_Atomic unsigned int asked;
} tier_disk;

int tier_io_fault(bool write, const struct tier_piece *piece)
{
	(void)write;
	(void)piece;
	tier_disk.asked++;
	while (tier_disk.silent)
		clock_sleep_ms(1);
	return 0;
}

static uint64_t some_in_tier(const struct guest *guest, unsigned int tier)
{
	uint64_t page = 0;

	while (page < PAGES && !(fields_of(guest, page).state == PAGE_EVICTED &&
				 fields_of(guest, page).tier == tier))
		page++;
	CU_ASSERT_FATAL(page < PAGES);
	return page;
}

/* Letters of 16, which lz4 finds nothing in, on every other page; noise on the rest */
static void make_letters(uint64_t page, uint64_t *words)
{
	uint64_t seed = page + 1;
	size_t i;

	for (i = 0; i < WORDS; i++) {
		words[i] = draw(&seed) << 32 ^ draw(&seed);
		if (page % 2)
			words[i] = 0x6060606060606060 | (words[i] & 0x0f0f0f0f0f0f0f0f);
	}
}

static uint64_t count_wrong_letters(struct guest *guest)
{
	uint64_t words[WORDS], page, wrong = 0;

	for (page = 0; page < PAGES; page++) {
		make_letters(page, words);
		wrong += memcmp(guest->page[page], words, sizeof(words)) != 0;
	}
	return wrong;
}

/* So old that they are long in RAM, or a look before that */
static void make_old(struct guest *guest, uint8_t age)
{
	uint64_t page;

	for (page = 0; page < PAGES; page++)
		guest->pager->demoter.age[page] =
			(uint8_t)((unsigned int)age << 4 |
				  (fields_of(guest, page).generation & 15));
}

static uint64_t count_in_tier(const struct guest *guest, unsigned int tier, unsigned int odd)
{
	uint64_t page, n = 0;

	for (page = odd; page < PAGES; page += 2)
		n += fields_of(guest, page).state == PAGE_EVICTED &&
		     fields_of(guest, page).tier == tier;
	return n;
}

/* What is long in RAM goes through zstd if that makes it smaller, is asked once, and comes back */
static void test_recompress(void)
{
	struct tier_spec tier[] = { { .kind = TIER_RAM }, { .kind = TIER_ZSTD } };
	uint64_t page, letters, noise, i;
	struct err err = { "" };

	GUEST(guest, 100);
	guest.options.tiers = tier;
	guest.options.no_prefetch = true;
	for (page = 0; page < PAGES; page++)
		make_letters(page, guest.page[page]);
	guest_begin(&guest);
	CU_ASSERT_FATAL(SOON(count_state(&guest, PAGE_RESIDENT) <= 100));
	CU_ASSERT(SOON(count_state(&guest, PAGE_LEAVING) == 0));
	letters = count_in_tier(&guest, TIER_RAM, 1);
	noise = count_in_tier(&guest, TIER_RAM, 0);
	CU_ASSERT_FATAL(letters > 100 && noise > 100);
	make_old(&guest, 5);
	CU_ASSERT_EQUAL(demote_recompress(guest.pager), 0);
	make_old(&guest, 6);
	for (i = 0; i < PAGES && demote_recompress(guest.pager) > 0;)
		i++;
	CU_ASSERT(i < PAGES);
	CU_ASSERT_EQUAL(count_in_tier(&guest, TIER_ZSTD, 1), letters);
	CU_ASSERT_EQUAL(count_in_tier(&guest, TIER_ZSTD, 0), 0);
	CU_ASSERT_EQUAL(count_in_tier(&guest, TIER_RAM, 0), noise);
	/* Nor do they go when RAM needs room: there is no file */
	CU_ASSERT_EQUAL(demote_some(guest.pager, &err), 0);
	CU_ASSERT_EQUAL(count_wrong_letters(&guest), 0);
	CU_ASSERT_EQUAL(guest.alarms, 0);
	/* The next pager finds them */
	guest_pager_stop(guest.pager);
	UNIT_CHECK(guest_resume(&guest, &err) == 0, "%s", err.text);
	CU_ASSERT_EQUAL(count_wrong_letters(&guest), 0);
}

/* Filled, with 100 pages resident and the others in RAM, above a file.  @tier: both */
static void begin_above_file(struct guest *guest, const struct tier_spec *tier,
			     struct tier_stores *stores)
{
	guest->options.tiers = tier;
	guest->options.stores = stores;
	guest->options.no_prefetch = !guest->prefetches;
	fill(guest, 1);
	guest_begin(guest);
	CU_ASSERT_FATAL(SOON(count_state(guest, PAGE_RESIDENT) <= 100));
}

/* While one page is waited for, others are answered; and nothing is lost on the way there */
static void test_slow_tier(void)
{
	struct tier_spec tier[] = { { .kind = TIER_RAM }, { .kind = TIER_FILE } };
	int rootfd = open(unit_disk_tmpdir(), O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct reader slow, fast, again;
	char why[PAGER_REASON_SIZE];
	struct tier_stores *stores;
	struct err err = { "" };
	uint64_t page;

	CU_ASSERT_FATAL(tier_stores_new(&stores, rootfd) == 0);
	tier[1].store = tier_stores_get(stores, "/tier");
	{
		GUEST(guest, 100);
		begin_above_file(&guest, tier, stores);
		CU_ASSERT(demote_some(guest.pager, &err) > 0);
		UNIT_CHECK_STR(err.text, "", "demotion");
		page = some_in_tier(&guest, TIER_FILE);
		tier_disk.silent = true;
		tier_disk.asked = 0;
		reader_start(&slow, &guest, page, 1);
		CU_ASSERT(SOON(tier_disk.asked));
		reader_start(&again, &guest, page, 1);
		reader_start(&fast, &guest, some_in_tier(&guest, TIER_RAM), 1);
		CU_ASSERT(SOON(fast.done));
		CU_ASSERT(!slow.done && !again.done);
		CU_ASSERT(SOON(alarm_has(&guest, "/tier does not answer")));
		/* What waits for it is pinned, of whichever guest */
		CU_ASSERT(SOON(tiers_silent(guest.pager->tiers)));
		UNIT_CHECK_STR(pager_pinned(guest.pager, why), "/tier does not answer", "pins");
		tier_disk.silent = false;
		CU_ASSERT(reader_was_right(&slow) && reader_was_right(&again));
		CU_ASSERT(reader_was_right(&fast));
		CU_ASSERT(SOON(alarm_has(&guest, "")));
		CU_ASSERT(SOON(!tiers_silent(guest.pager->tiers)));
		UNIT_CHECK(strstr(pager_pinned(guest.pager, why), "pages of this host pinned"),
			   "%s", why);
		CU_ASSERT_EQUAL(count_wrong(&guest, 1), 0);
	}
	tier_stores_free(stores);
	close(rootfd);
}

/* The first page of a window that was read ahead: it is in RAM alone, so that it is asked for */
static uint64_t first_of_window(const struct guest *guest, uint64_t page)
{
	while (page < PAGES && !(fields_of(guest, page).state == PAGE_EVICTED &&
				 fields_of(guest, page).tier == TIER_RAM))
		page++;
	return page;
}

static bool window_is_there(const struct guest *guest, uint64_t first, uint64_t n)
{
	uint64_t page = first + 1;

	while (page < first + n && page < PAGES && fields_of(guest, page).state == PAGE_RESIDENT)
		page++;
	return page == first + n;
}

static bool in_order(struct guest *guest, uint64_t page, uint64_t end)
{
	while (page < end && page_is(guest, page, 1))
		page++;
	return page == end;
}

/* Each slot of a tier that is taken is an entry's */
static bool tier_is_named(const struct guest *guest, unsigned int tier, const char *name)
{
	struct tier_usage usage[TIERS_MAX];
	size_t n = tiers_usage(guest->pager->tiers, usage, TIERS_MAX), i;
	uint64_t page, named = 0, taken = 0;

	for (page = 0; page < PAGES; page++)
		named += fields_of(guest, page).has_slot && fields_of(guest, page).tier == tier;
	for (i = 0; i < n; i++)
		taken += strcmp(usage[i].name, name) == 0 ? usage[i].pages : 0;
	return named == taken;
}

static bool two_windows_after(const struct guest *guest, uint64_t page)
{
	uint64_t first = first_of_window(guest, page), next = first + READ_AHEAD_MAX;

	return first < PAGES && window_is_there(guest, first, READ_AHEAD_MAX) &&
	       first_of_window(guest, first + 1) == next &&
	       window_is_there(guest, next, READ_AHEAD_MAX);
}

static void all_into_file(struct guest *guest)
{
	struct err err = { "" };

	CU_ASSERT(SOON(count_state(guest, PAGE_LEAVING) == 0));
	while (demote_some(guest->pager, &err) > 0)
		;
	CU_ASSERT_EQUAL_FATAL(first_of_window(guest, 0), PAGES);
	guest_pager_set_limit(guest->pager, 2 * PAGES);
}

static void check_stream_from_file(struct guest *guest)
{
	struct page_place place;
	struct reader reader;
	uint64_t first, next;

	all_into_file(guest);
	CU_ASSERT(in_order(guest, 0, 200));
	CU_ASSERT_FATAL(SOON(two_windows_after(guest, 200)));
	first = first_of_window(guest, 200);
	next = first + READ_AHEAD_MAX;
	/* As far as it was read ahead no disk is waited for */
	tier_disk.silent = true;
	reader_start(&reader, guest, first, 1);
	CU_ASSERT(SOON(reader.done));
	CU_ASSERT(in_order(guest, first + 1, next));
	tier_disk.silent = false;
	CU_ASSERT(reader_was_right(&reader));
	/* It has said that the one after these two is wanted */
	CU_ASSERT(SOON(window_is_there(guest, next + READ_AHEAD_MAX, READ_AHEAD_MAX)));
	CU_ASSERT(SOON(tier_is_named(guest, TIER_FILE, "file")));
	/* What RAM does not take stays in the file */
	guest->budget.limit = 1;
	while (store_content(guest->pager, guest->page[0], &place) == 0)
		;
	first = next + 2 * READ_AHEAD_MAX;
	CU_ASSERT(in_order(guest, next, next + 1));
	CU_ASSERT(SOON(window_is_there(guest, first, READ_AHEAD_MAX)));
	CU_ASSERT(SOON(fields_of(guest, first).state == PAGE_EVICTED));
	CU_ASSERT_EQUAL(fields_of(guest, first).tier, TIER_FILE);
	CU_ASSERT(in_order(guest, first, first + 1));
	CU_ASSERT_EQUAL(count_wrong(guest, 1), 0);
}

/* The first page of a window is discarded when RAM has it, and no entry says so yet.  Before the
 * first of these windows are a neighbourhood, and windows of 8, 16, 32 and 63 pages, each with the
 * page that was asked for */
enum { FIRST_NEARER = 16 + (1 + 8) + (1 + 16) + (1 + 32) + (1 + STREAM_MOST) };
static struct {
	struct guest *guest;
	_Atomic uint64_t page;
} discarded_nearer;

static void discard_nearer(const char *label)
{
	struct guest *guest = discarded_nearer.guest;
	uint64_t page = FIRST_NEARER;

	if (strcmp(label, "nearer_stored") != 0 || discarded_nearer.page)
		return;
	while (page < PAGES && fields_of(guest, page).state != PAGE_LOADING)
		page += READ_AHEAD_MAX;
	discarded_nearer.page = page;
	CU_ASSERT(page < PAGES && madvise(guest->page[page], PAGE_BYTES, MADV_REMOVE) == 0);
}

static void check_discard_nearer(struct guest *guest)
{
	uint64_t page;

	all_into_file(guest);
	discarded_nearer.guest = guest;
	discarded_nearer.page = 0;
	on_step = discard_nearer;
	CU_ASSERT(in_order(guest, 0, 100));
	CU_ASSERT_FATAL(SOON(discarded_nearer.page));
	page = discarded_nearer.page;
	CU_ASSERT(SOON(fields_of(guest, page).state == PAGE_ZERO));
	on_step = NULL;
	CU_ASSERT(SOON(tier_is_named(guest, TIER_FILE, "file")));
	CU_ASSERT(SOON(tier_is_named(guest, TIER_RAM, "ram")));
	CU_ASSERT_EQUAL(guest->page[page][0], 0);
}

/* Who reads memory in order does not wait for each window */
static void above_file(void (*check)(struct guest *guest), bool prefetches)
{
	struct tier_spec tier[] = { { .kind = TIER_RAM }, { .kind = TIER_FILE } };
	cleanup_close int rootfd = open(unit_disk_tmpdir(), O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct tier_stores *stores;

	CU_ASSERT_FATAL(tier_stores_new(&stores, rootfd) == 0);
	tier[1].store = tier_stores_get(stores, "/tier-stream");
	{
		GUEST(guest, 100);
		tier[0].budget = &guest.budget;
		guest.prefetches = prefetches;
		begin_above_file(&guest, tier, stores);
		check(&guest);
	}
	tier_stores_free(stores);
}

static void test_stream_from_file(void)
{
	above_file(check_stream_from_file, true);
}

static void test_discard_nearer(void)
{
	above_file(check_discard_nearer, true);
}

/* A file whose disk is taken away: its name is gone, and it can't be read any more */
static struct {
	struct tier_store *store;
	const char *path, *away;
} gone;

static void take_away(void)
{
	uint64_t id[TIER_ID_WORDS];
	struct err err = { "" };
	int fd = tier_store_open(gone.store, NULL, id, NULL, &err);
	int dead = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	CU_ASSERT_FATAL(fd >= 0 && dead >= 0 && dup2(dead, fd) == fd);
	CU_ASSERT(rename(gone.path, gone.away) == 0);
	close(dead);
}

static void comes_back_meanwhile(const char *label)
{
	if (strcmp(label, "detach_phase") == 0)
		CU_ASSERT(rename(gone.away, gone.path) == 0);
}

/* One that is away is looked for once a second: a release waits for that, and no longer */
static void test_release_when_back(void)
{
	struct tier_spec tier[] = { { .kind = TIER_RAM }, { .kind = TIER_FILE } };
	const char *directory = unit_disk_tmpdir();
	cleanup_close int rootfd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	char path[PATH_MAX], away[PATH_MAX];
	struct tier_stores *stores;
	struct err err = { "" };
	uint64_t began, took;
	int rc;

	snprintf(path, sizeof(path), "%s/tier", directory);
	snprintf(away, sizeof(away), "%s/away", directory);
	CU_ASSERT_FATAL(tier_stores_new(&stores, rootfd) == 0);
	tier[1].store = tier_stores_get(stores, "/tier");
	gone.store = tier[1].store;
	gone.path = path;
	gone.away = away;
	{
		GUEST(guest, 100);
		begin_above_file(&guest, tier, stores);
		CU_ASSERT(demote_some(guest.pager, &err) > 0);
		some_in_tier(&guest, TIER_FILE);
		take_away();
		CU_ASSERT_EQUAL(guest_pager_detach(guest.pager, 60000, &err), -EIO);
		began = clock_ms();
		CU_ASSERT_EQUAL(guest_pager_detach(guest.pager, 60000, &err), -EIO);
		took = clock_ms() - began;
		UNIT_CHECK(took >= 1900, "%llu ms", (unsigned long long)took);
		UNIT_CHECK(strstr(err.text, "No such device") != NULL, "%s", err.text);
		/* Nor longer than the caller has time */
		began = clock_ms();
		CU_ASSERT(guest_pager_detach(guest.pager, 100, &err) < 0);
		took = clock_ms() - began;
		UNIT_CHECK(took < 1500, "%llu ms", (unsigned long long)took);
		CU_ASSERT(page_map_phase(guest.pager->map) == MAP_PAGING);
		on_step = comes_back_meanwhile;
		rc = guest_pager_detach(guest.pager, 60000, &err);
		on_step = NULL;
		UNIT_CHECK(rc == 0, "%s", err.text);
		CU_ASSERT_EQUAL(count_wrong(&guest, 1), 0);
	}
	tier_stores_free(stores);
}

/* Pages of a guest that are in a file.  Return: the first of two neighbours */
static uint64_t two_in_file(const struct guest *guest)
{
	uint64_t page = some_in_tier(guest, TIER_FILE);

	while (page < PAGES - 1 && !(fields_of(guest, page).state == PAGE_EVICTED &&
				     fields_of(guest, page).tier == TIER_FILE &&
				     fields_of(guest, page + 1).state == PAGE_EVICTED &&
				     fields_of(guest, page + 1).tier == TIER_FILE))
		page++;
	CU_ASSERT_FATAL(page < PAGES - 1);
	return page;
}

static bool is_in_file(const struct guest *guest, uint64_t page, uint64_t slot)
{
	struct page_fields fields = fields_of(guest, page);

	return fields.state == PAGE_EVICTED && fields.tier == TIER_FILE && fields.slot == slot;
}

static void check_clean_in_file(struct guest *guest)
{
	uint64_t pages[2], slot[2], stores;
	struct evictor *evictor;
	size_t i;

	pages[0] = two_in_file(guest);
	pages[1] = pages[0] + 1;
	for (i = 0; i < 2; i++) {
		slot[i] = fields_of(guest, pages[i]).slot;
		CU_ASSERT(page_is(guest, pages[i], 1));
		CU_ASSERT(SOON(fields_of(guest, pages[i]).state == PAGE_RESIDENT));
		CU_ASSERT(fields_of(guest, pages[i]).has_slot);
	}
	guest->pager->stop_evicting = true;
	CU_ASSERT(SOON(guest->pager->evict_asleep));
	evictor = &guest->pager->evictor[1];
	guest->page[pages[1]][100] ^= 1;
	stores = guest->pager->statistics.stores;
	/* The disk is not asked */
	tier_disk.silent = true;
	CU_ASSERT_EQUAL(evict_run(guest->pager, evictor, pages, 2), 2);
	tier_disk.silent = false;
	CU_ASSERT_EQUAL(guest->pager->statistics.stores, stores + 1);
	CU_ASSERT(is_in_file(guest, pages[0], slot[0]));
	CU_ASSERT(!is_in_file(guest, pages[1], slot[1]));
	guest->page[pages[1]][100] ^= 1;
	CU_ASSERT(page_is(guest, pages[0], 1) && page_is(guest, pages[1], 1));
	/* Where the file is short of room they go */
	CU_ASSERT(SOON(fields_of(guest, pages[0]).state == PAGE_RESIDENT));
	CU_ASSERT(drop_clean_slots(guest->pager, SLOTS_IN_FILES, PAGES) > 0);
	CU_ASSERT(!fields_of(guest, pages[0]).has_slot && fields_of(guest, pages[1]).has_slot);
	CU_ASSERT(slots_go(guest->pager, SLOTS_IN_FILES, SLOTS_TIER_SHORT, true));
	CU_ASSERT(!slots_go(guest->pager, SLOTS_IN_FILES, SLOTS_TIER_SHORT, true));
	pages[0] = some_in_tier(guest, TIER_FILE);
	CU_ASSERT(page_is(guest, pages[0], 1));
	CU_ASSERT(SOON(fields_of(guest, pages[0]).state == PAGE_RESIDENT));
	CU_ASSERT(!fields_of(guest, pages[0]).has_slot);
}

/* A page that came from a disk and was not written since goes again without being written there */
static void test_clean_in_file(void)
{
	struct tier_spec tier[] = { { .kind = TIER_RAM }, { .kind = TIER_FILE } };
	int rootfd = open(unit_disk_tmpdir(), O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct tier_stores *stores;
	struct err err = { "" };

	CU_ASSERT_FATAL(tier_stores_new(&stores, rootfd) == 0);
	tier[1].store = tier_stores_get(stores, "/tier");
	{
		GUEST(guest, 100);
		begin_above_file(&guest, tier, stores);
		CU_ASSERT(demote_some(guest.pager, &err) > 0);
		guest_pager_set_limit(guest.pager, 2 * PAGES);
		check_clean_in_file(&guest);
		CU_ASSERT_EQUAL(count_wrong(&guest, 1), 0);
	}
	tier_stores_free(stores);
	close(rootfd);
}

/* Where it has nothing to do (demote.c) */
enum { DEMOTER_SLEEPS_MS = 10000 };

/* RAM that fills has pages taken out of it before it is full: the next page finds room */
static void test_demotion_in_time(void)
{
	struct tier_spec tier[] = { { .kind = TIER_RAM }, { .kind = TIER_FILE } };
	int rootfd = open(unit_disk_tmpdir(), O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct tier_stores *stores;
	uint64_t page, asked_ms;

	CU_ASSERT_FATAL(tier_stores_new(&stores, rootfd) == 0);
	tier[1].store = tier_stores_get(stores, "/tier-in-time");
	{
		GUEST(guest, 100);
		tier[0].budget = &guest.budget;
		guest.options.tiers = tier;
		guest.options.stores = stores;
		guest.options.no_prefetch = true;
		for (page = 0; page < PAGES; page++)
			make_letters(page, guest.page[page]);
		guest_begin(&guest);
		CU_ASSERT_FATAL(SOON(count_state(&guest, PAGE_RESIDENT) <= 100));
		CU_ASSERT(SOON(count_state(&guest, PAGE_LEAVING) == 0));
		CU_ASSERT_EQUAL(guest.pager->demoter.moved, 0);
		/* Room for some pages yet, and the demoter sleeps for seconds */
		guest.budget.limit = guest.budget.filled * 100 / 87;
		CU_ASSERT(guest.budget.used < guest.budget.limit);
		CU_ASSERT(SOON(guest.pager->demoter.asleep));
		asked_ms = clock_ms();
		/* More than what may be resident: as many others go */
		for (page = 0; page < 200; page++)
			guest.page[page][0]++;
		for (page = 0; page < 200; page++)
			guest.page[page][0]--;
		CU_ASSERT(SOON(guest.pager->demoter.moved));
		CU_ASSERT(clock_ms() - asked_ms < DEMOTER_SLEEPS_MS / 2);
		CU_ASSERT_EQUAL(count_wrong_letters(&guest), 0);
		CU_ASSERT_EQUAL(guest.alarms, 0);
	}
	tier_stores_free(stores);
	close(rootfd);
}

/* RAM is full, and a slow disk takes what is in it: there will be room, which the host's policy has
 * to know */
static void test_no_room_for_a_moment(void)
{
	struct tier_spec tier[] = { { .kind = TIER_RAM }, { .kind = TIER_FILE } };
	int rootfd = open(unit_disk_tmpdir(), O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct pager_statistics statistics;
	struct tier_stores *stores;
	uint64_t page;

	CU_ASSERT_FATAL(tier_stores_new(&stores, rootfd) == 0);
	tier[1].store = tier_stores_get(stores, "/tier-slow");
	{
		GUEST(guest, 100);
		tier[0].budget = &guest.budget;
		guest.budget.limit = 200 * PAGE_BYTES;
		guest.options.tiers = tier;
		guest.options.stores = stores;
		guest.options.no_prefetch = true;
		for (page = 0; page < PAGES; page++)
			make_letters(page, guest.page[page]);
		tier_disk.silent = true;
		guest_begin(&guest);
		CU_ASSERT(SOON(guest.pager->forced && guest.pager->failure == -ENOSPC));
		guest_pager_statistics(guest.pager, &statistics);
		CU_ASSERT(!statistics.no_tier);
		tier_disk.silent = false;
		CU_ASSERT(SOON(count_state(&guest, PAGE_RESIDENT) <= 100));
		CU_ASSERT_EQUAL(count_wrong_letters(&guest), 0);
	}
	tier_stores_free(stores);
	close(rootfd);
}

/* ---- a guest that goes from one pager to another ---- */

#define MOVED_UUID "11111111-2222-3333-4444-555555555550"

/* Two hosts, and the directory that both see */
struct hosts {
	int rootfd;
	struct tier_stores *here, *there;
	struct tier_budget budget;
	struct tier_spec tier[3];
};

static void hosts_open(struct hosts *hosts)
{
	static const struct tier_owner owner[] = { { "boot-1", "aaaa", "a" },
						   { "boot-2", "bbbb", "b" } };

	*hosts = (struct hosts){ .rootfd = open(unit_disk_tmpdir(),
						O_PATH | O_DIRECTORY | O_CLOEXEC) };
	CU_ASSERT_FATAL(mkdirat(hosts->rootfd, "srv", 0700) == 0);
	CU_ASSERT_FATAL(tier_stores_new(&hosts->here, hosts->rootfd) == 0);
	CU_ASSERT_FATAL(tier_stores_new(&hosts->there, hosts->rootfd) == 0);
	tier_stores_set_owner(hosts->here, &owner[0]);
	tier_stores_set_owner(hosts->there, &owner[1]);
	hosts->tier[0] = (struct tier_spec){ .kind = TIER_SAME_FILLED };
	hosts->tier[1] = (struct tier_spec){ .kind = TIER_RAM, .budget = &hosts->budget };
	hosts->tier[2] = (struct tier_spec){ .kind = TIER_DIRECTORY,
					     .store = tier_stores_get(hosts->here, "/srv"),
					     .guest = MOVED_UUID };
}

static void hosts_close(struct hosts *hosts)
{
	tier_stores_free(hosts->here);
	tier_stores_free(hosts->there);
	close(hosts->rootfd);
}

enum { SAME_FIRST = 40, ZERO_FIRST = 60, MANY = 20 };

/* Pages of each kind */
static void make_mixture(struct guest *guest)
{
	uint64_t page;
	size_t i;

	fill(guest, 1);
	for (page = SAME_FIRST; page < SAME_FIRST + MANY; page++)
		for (i = 0; i < WORDS; i++)
			guest->page[page][i] = 77;
	CU_ASSERT_FATAL(fallocate(guest->memory, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				  (off_t)ZERO_FIRST * PAGE_BYTES, (off_t)MANY * PAGE_BYTES) == 0);
}

static uint64_t wrong_in_mixture(struct guest *guest)
{
	uint64_t page, wrong = 0;

	for (page = 0; page < PAGES; page++) {
		if (page >= SAME_FIRST && page < SAME_FIRST + MANY)
			wrong += guest->page[page][0] != 77 || guest->page[page][WORDS - 1] != 77;
		else if (page >= ZERO_FIRST && page < ZERO_FIRST + MANY)
			wrong += !page_is_zero(guest, page);
		else
			wrong += !page_is(guest, page, 1);
	}
	return wrong;
}

static uint64_t count_tier(const struct guest *guest, unsigned int tier)
{
	return count_in_tier(guest, tier, 0) + count_in_tier(guest, tier, 1);
}

/* Its map, in a file; what is held goes into the other one's memory.  Return: how many are stored
 */
static uint64_t send(struct guest *from, struct guest *to, int *map)
{
	struct map_file_head head;
	struct map_file_page in;
	struct map_file *file;
	struct err err = { "" };
	uint64_t page, stored = 0;
	int fd = memfd_create("map", MFD_CLOEXEC);

	UNIT_CHECK(guest_pager_export(from->pager, MOVED_UUID, 0, fd, &err) == 0, "%s", err.text);
	lseek(fd, 0, SEEK_SET);
	CU_ASSERT_FATAL(map_file_open(&file, fd, &head, &err) == 0);
	UNIT_CHECK_STR(head.uuid, MOVED_UUID, "uuid");
	UNIT_CHECK_STR(head.object[0].name, "memfd:guest", "name");
	for (page = 0; page < PAGES; page++) {
		CU_ASSERT_FATAL(map_file_get(file, &in, &err) == 0);
		stored += in.kind == MAP_FILE_STORED;
		if (in.kind == MAP_FILE_HELD)
			CU_ASSERT(pwrite(to->memory, from->page[page], PAGE_BYTES,
					 (off_t)page * PAGE_BYTES) == PAGE_BYTES);
	}
	CU_ASSERT(map_file_end(file, &err) == 0);
	map_file_free(file);
	lseek(fd, 0, SEEK_SET);
	*map = fd;
	return stored;
}

static void start_here(struct guest *here, struct hosts *hosts)
{
	struct err err = { "" };
	int i;

	here->options.tiers = hosts->tier;
	here->options.n_tiers = 3;
	here->options.stores = hosts->here;
	make_mixture(here);
	guest_begin(here);
	CU_ASSERT_FATAL(SOON(count_state(here, PAGE_RESIDENT) <= 100));
	for (i = 0; i < 3; i++)
		UNIT_CHECK(demote_some(here->pager, &err) > 0, "%s", err.text);
	CU_ASSERT_FATAL(count_tier(here, TIER_DIRECTORY) > 0);
	CU_ASSERT_FATAL(count_tier(here, TIER_RAM) > 0);
}

static void options_there(struct guest *there, struct hosts *hosts, int map)
{
	there->options.stores = hosts->there;
	there->options.import = map;
	there->options.fenced = true;
}

/* Nothing of it is answered before the fence is lifted; then each byte is right, through a kill of
 * that pager, and with the first one letting its guest go meanwhile */
static void test_moved(void)
{
	struct hosts hosts;
	struct err err = { "" };
	struct reader reader;
	uint64_t page, stored;
	int map;

	hosts_open(&hosts);
	{
		GUEST(here, 100);
		GUEST(there, 400);
		start_here(&here, &hosts);
		page = some_in_tier(&here, TIER_DIRECTORY);
		stored = send(&here, &there, &map);
		CU_ASSERT(stored > MANY);
		options_there(&there, &hosts, map);
		guest_begin(&there);
		close(map);
		CU_ASSERT_EQUAL(count_tier(&there, TIER_BORROWED), stored);
		CU_ASSERT(count_tier(&there, TIER_SAME_FILLED) > 0);
		CU_ASSERT_EQUAL(count_state(&there, PAGE_ZERO), MANY);
		reader_start(&reader, &there, page, 1);
		clock_sleep_ms(100);
		CU_ASSERT(!reader.done);
		guest_pager_fence(there.pager, false);
		CU_ASSERT(reader_was_right(&reader));
		/* Both are killed, or end */
		guest_pager_stop(there.pager);
		there.pager = NULL;
		there.options.import = 0;
		UNIT_CHECK(guest_resume(&there, &err) == 0, "%s", err.text);
		CU_ASSERT_FATAL(there.pager != NULL);
		UNIT_CHECK(guest_pager_detach(here.pager, 60000, &err) == 0, "%s", err.text);
		CU_ASSERT(count_tier(&there, TIER_BORROWED) > MANY);
		CU_ASSERT_EQUAL(wrong_in_mixture(&there), 0);
		CU_ASSERT_EQUAL(there.alarms, 0);
		guest_pager_let_go(here.pager);
	}
	hosts_close(&hosts);
}

/* A map that is not the guest's, or cut short, or without its pages: no guest, and no zeros */
static void test_not_moved(void)
{
	struct hosts hosts;
	struct err err = { "" };
	struct adopted adopted;
	struct page_map *file;
	struct ram ram;
	int map;

	hosts_open(&hosts);
	{
		GUEST(here, 100);
		GUEST(there, 400);
		start_here(&here, &hosts);
		send(&here, &there, &map);
		options_there(&there, &hosts, map);
		/* One page was not sent */
		CU_ASSERT(fallocate(there.memory, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
				    PAGES * PAGE_BYTES) == 0);
		adopted = adopted_of(&there);
		ram = ram_of(&there);
		CU_ASSERT_EQUAL(
			guest_pager_start(&there.pager, &adopted, &ram, &there.options, &err),
			-ENODATA);
		unlinkat(there.directory, "map", 0);
		/* One is there that should not be */
		CU_ASSERT(pwrite(there.memory, "x", 1, (off_t)ZERO_FIRST * PAGE_BYTES) == 1);
		fill(&there, 1);
		lseek(map, 0, SEEK_SET);
		CU_ASSERT_EQUAL(
			guest_pager_start(&there.pager, &adopted, &ram, &there.options, &err),
			-EEXIST);
		unlinkat(there.directory, "map", 0);
		/* The pager was killed in it: no other makes zeros of what is missing */
		adopted.identity.n_objects = 1;
		adopted.identity.object[0].dev = ram.object[0].dev;
		adopted.identity.object[0].ino = ram.object[0].ino;
		adopted.identity.object[0].pages = PAGES;
		CU_ASSERT_FATAL(page_map_create(&file, there.directory, &adopted.identity, &err) ==
				0);
		page_map_set_imported(file);
		page_map_close(file);
		adopted_close(&adopted);
		ram_close(&ram);
		there.pager = NULL;
		UNIT_CHECK(guest_resume(&there, &err) == -EUCLEAN, "%s", err.text);
		guest_pager_let_go(here.pager);
		close(map);
	}
	hosts_close(&hosts);
}

/* ---- discards ---- */

static void test_discard(void)
{
	uint64_t page;

	GUEST(guest, 100);
	fill(&guest, 1);
	guest_begin(&guest);
	CU_ASSERT_FATAL(SOON(count_state(&guest, PAGE_RESIDENT) <= 100));
	page = some_evicted(&guest);
	madvise(guest.page[page], PAGE_BYTES, MADV_REMOVE);
	CU_ASSERT(SOON(fields_of(&guest, page).state == PAGE_ZERO));
	CU_ASSERT(page_is_zero(&guest, page));
	write_page(&guest, page, 2);
	/* Used again, discarded as a resident page, and used again */
	CU_ASSERT(SOON(fields_of(&guest, page).state != PAGE_ZERO));
	madvise(guest.page[page], PAGE_BYTES, MADV_REMOVE);
	CU_ASSERT(page_is_zero(&guest, page));
	write_page(&guest, page, 3);
	CU_ASSERT(page_is(&guest, page, 3));
	CU_ASSERT(guest.alarms == 0);
}

/* What a message makes of an entry: only content in slots goes */
static void test_discard_entries(void)
{
	static const struct {
		enum page_state before, after;
		bool discarded;
	} rows[] = {
		{ PAGE_ZERO, PAGE_ZERO, false },	{ PAGE_EVICTED, PAGE_ZERO, false },
		{ PAGE_RESIDENT, PAGE_RESIDENT, true }, { PAGE_LOADING, PAGE_LOADING, true },
		{ PAGE_LEAVING, PAGE_LEAVING, false },
	};
	struct page_fields fields;
	size_t i;

	GUEST(guest, 2 * PAGES);
	guest_begin(&guest);
	for (i = 0; i < ROWS(rows); i++) {
		uint64_t page = 600 * (i % 2) + i;
		struct uffd_msg message = {
			.event = UFFD_EVENT_REMOVE,
			.arg.remove = { .start = (uintptr_t)guest.page[page],
					.end = (uintptr_t)guest.page[page + 1] },
		};

		entry_settle(guest.pager, page,
			     (struct page_fields){ .state = rows[i].before, .generation = 9 });
		pthread_mutex_lock(&guest.pager->gate);
		discards_apply(guest.pager, &message, 1);
		pthread_mutex_unlock(&guest.pager->gate);
		fields = fields_of(&guest, page);
		UNIT_CHECK(fields.state == rows[i].after && fields.discarded == rows[i].discarded &&
				   fields.generation == 9,
			   "row %zu: %d, %d", i, (int)fields.state, fields.discarded);
		CU_ASSERT(journal_discarded_lately(guest.pager->journal, page));
		entry_settle(guest.pager, page, (struct page_fields){ .state = PAGE_ZERO });
	}
}

/* A page that should be there and isn't, without a discard: the guest waits, and never sees zeros
 */
static void test_missing(void)
{
	struct reader reader;
	uint64_t page = 7, content[WORDS];
	size_t i;

	GUEST(guest, 2 * PAGES);
	fill(&guest, 1);
	guest_begin(&guest);
	CU_ASSERT_FATAL(fields_of(&guest, page).state == PAGE_RESIDENT);
	came_back(&guest, page);
	punch(&guest, page);
	reader_start(&reader, &guest, page, 1);
	CU_ASSERT(SOON(alarm_has(&guest, "missing")));
	CU_ASSERT(!reader.done);
	/* Nor is a page of zeros made of it by an eviction; that evictions go well again, after one
	 * that did not, is no news of this page */
	guest.pager->forced = 1;
	guest_pager_set_limit(guest.pager, 100);
	CU_ASSERT(SOON(count_state(&guest, PAGE_EVICTED) > PAGES - 150));
	CU_ASSERT(guest.pager->forced == 0 && alarm_has(&guest, "missing"));
	CU_ASSERT(fields_of(&guest, page).state == PAGE_RESIDENT);
	CU_ASSERT(!reader.done);
	for (i = 0; i < WORDS; i++)
		content[i] = page << 32 | 1;
	CU_ASSERT(pwrite(guest.memory, content, PAGE_BYTES, 7 * PAGE_BYTES) == PAGE_BYTES);
	CU_ASSERT(reader_was_right(&reader));
	CU_ASSERT(SOON(alarm_has(&guest, "")));
}

/* What only the kernel can have taken away since the guest was adopted was a page of zeros, or is
 * discarded: it reads as zeros, also once an eviction has looked at it, and after a restart */
static void test_dropped(void)
{
	const uint64_t pages[] = { 7, 8, 9 };
	struct err err = { "" };
	size_t i;

	GUEST(guest, 2 * PAGES);
	fill(&guest, 1);
	guest_begin(&guest);
	for (i = 0; i < 3; i++)
		punch(&guest, pages[i]);
	CU_ASSERT(page_is_zero(&guest, 7));
	pthread_mutex_lock(&guest.pager->evictor[1].lock);
	CU_ASSERT(evict_run(guest.pager, &guest.pager->evictor[1], &pages[1], 1) == 0);
	pthread_mutex_unlock(&guest.pager->evictor[1].lock);
	CU_ASSERT(page_is_zero(&guest, 8));
	guest_pager_stop(guest.pager);
	guest.pager = NULL;
	UNIT_CHECK(guest_resume(&guest, &err) == 0, "%s", err.text);
	CU_ASSERT_FATAL(guest.pager != NULL);
	CU_ASSERT(page_is_zero(&guest, 9));
	CU_ASSERT(page_is(&guest, 10, 1));
}

/* Each alarm ends by itself, and those that still stand are said again */
static void test_alarms(void)
{
	GUEST(guest, 2 * PAGES);
	guest_begin(&guest);
	pager_alarm(guest.pager, ALARM_LOST, "a page is lost");
	CU_ASSERT(alarm_has(&guest, "lost"));
	pager_alarm(guest.pager, ALARM_EVICTION, "nothing goes out");
	pager_alarm(guest.pager, ALARM_FOLIOS, "large folios");
	CU_ASSERT(alarm_has(&guest, "folios"));
	pager_alarm_over(guest.pager, ALARM_EVICTION);
	CU_ASSERT(alarm_has(&guest, "folios"));
	pager_alarm_over(guest.pager, ALARM_FOLIOS);
	CU_ASSERT(alarm_has(&guest, "lost"));
	/* Once for each new sentence */
	guest.alarms = 0;
	pager_alarm(guest.pager, ALARM_LOST, "a page is lost");
	CU_ASSERT(guest.alarms == 0);
	pager_alarm(guest.pager, ALARM_LOST, "another page is lost");
	CU_ASSERT(guest.alarms == 1 && alarm_has(&guest, "another"));
	pager_alarm_over(guest.pager, ALARM_LOST);
	CU_ASSERT(alarm_has(&guest, ""));
}

/* ---- what fails ---- */

/* Why nothing goes out is said, and that the tiers are full is not the reason */
static void test_large_folios(void)
{
	struct reader reader;

	GUEST(guest, 200);
	fill(&guest, 1);
	guest_begin(&guest);
	CU_ASSERT_FATAL(SOON(count_state(&guest, PAGE_RESIDENT) <= 200));
	guest.pager->page_lost = true;
	/* So many are beyond it that a fault must wait */
	guest_pager_set_limit(guest.pager, 1);
	reader_start(&reader, &guest, some_evicted(&guest), 1);
	CU_ASSERT(SOON(alarm_has(&guest, "could not be finished")));
	CU_ASSERT(!reader.done);
	/* Just after the pager has looked whether there can be any: it looks once a second, and
	 * evicts at once where there are none */
	guest.pager->huge_folios = true;
	CU_ASSERT(SOON(!guest.pager->huge_folios));
	guest.pager->folios_stay = true;
	/* Nor because they were, before */
	guest.pager->failure = -ENOSPC;
	guest.pager->forced = 1;
	guest.pager->huge_folios = true;
	guest.pager->page_lost = false;
	CU_ASSERT(SOON((atomic_store(&guest.pager->huge_folios, true),
			alarm_has(&guest, "large folios"))));
	guest.pager->huge_folios = false;
	CU_ASSERT(reader_was_right(&reader));
}

static void test_full(void)
{
	struct pager_statistics statistics;
	uint64_t page;

	GUEST(guest, 100);
	/* Pages that no compression makes smaller */
	for (page = 0; page < PAGES; page++) {
		uint64_t seed = page;
		size_t i;

		for (i = 0; i < WORDS; i++)
			guest.page[page][i] = draw(&seed) << 32 ^ draw(&seed);
	}
	guest.budget.limit = 200 * PAGE_BYTES;
	guest_begin(&guest);
	CU_ASSERT(SOON(alarm_has(&guest, "full")));
	/* What is out is right, and what found no room is in memory */
	CU_ASSERT(count_state(&guest, PAGE_RESIDENT) > PAGES / 2);
	guest_pager_statistics(guest.pager, &statistics);
	CU_ASSERT(statistics.no_tier && statistics.limit == 100 && statistics.limit_now == 100);
	/* With a limit for which nothing has to go that is no trouble any more */
	guest_pager_set_limit(guest.pager, PAGES * 2);
	CU_ASSERT(SOON(alarm_has(&guest, "")));
	guest_pager_statistics(guest.pager, &statistics);
	CU_ASSERT(!statistics.no_tier);
	for (page = 0; page < PAGES; page++) {
		uint64_t seed = page;

		UNIT_CHECK(guest.page[page][0] == (draw(&seed) << 32 ^ draw(&seed)), "page %lu",
			   page);
	}
}

static void test_damaged_slot(void)
{
	struct reader reader;
	char bytes[1 << 20], zeros[1 << 20] = { 0 };
	uint64_t page;
	ssize_t n;
	int slots;

	GUEST(guest, 100);
	guest.options.no_prefetch = true;
	for (page = 0; page < PAGES; page++) {
		write_page(&guest, page, 1);
		guest.page[page][5] = page << 32 | 1;
	}
	for (page = 0; page < PAGES; page++)
		guest.page[page][page % WORDS] ^= 0; /* touched, not changed */
	/* Same-filled pages need no slot: these have two values */
	for (page = 0; page < PAGES; page++)
		guest.page[page][WORDS - 1] = ~guest.page[page][0];
	guest_begin(&guest);
	CU_ASSERT_FATAL(SOON(count_state(&guest, PAGE_RESIDENT) <= 100));
	page = some_evicted(&guest);
	slots = openat(guest.directory, "slots", O_RDWR | O_CLOEXEC);
	CU_ASSERT_FATAL(slots >= 0);
	n = pread(slots, bytes, sizeof(bytes), 0);
	CU_ASSERT_FATAL(n > 0);
	/* Behind the slab's head, which is read once */
	CU_ASSERT(pwrite(slots, zeros + 64, (size_t)n - 64, 64) == n - 64);
	*(volatile uint64_t *)&reader.version = 0;
	reader_start(&reader, &guest, page, 0);
	CU_ASSERT(SOON(alarm_has(&guest, "waits")));
	CU_ASSERT(!reader.done);
	CU_ASSERT(pwrite(slots, bytes, (size_t)n, 0) == n);
	CU_ASSERT(SOON(reader.done));
	pthread_join(reader.thread, NULL);
	CU_ASSERT(guest.page[page][0] == (page << 32 | 1));
	CU_ASSERT(SOON(alarm_has(&guest, "")));
	close(slots);
}

static _Atomic off_t poisoned = -1;

/* The kernel ends a splice in front of a page with a memory error */
static ssize_t short_splice(int in, off_t *offset, int pipe, size_t bytes)
{
	off_t bad = poisoned;

	if (bad >= 0 && *offset == bad) {
		errno = EIO;
		return -1;
	}
	if (bad > *offset && bad < *offset + (off_t)bytes)
		bytes = (size_t)(bad - *offset);
	return splice(in, offset, pipe, NULL, bytes, SPLICE_F_NONBLOCK);
}

/* Run by run, without threads: each step's failure */
static struct evictor *quiet(struct guest *guest)
{
	guest_begin(guest);
	guest->pager->stop_evicting = true;
	/* What the test replaces that thread has read by now */
	CU_ASSERT(SOON(guest->pager->evict_asleep));
	return &guest->pager->evictor[1];
}

/* QEMU's message comes while a page is on its way out, and its hole once the page was loaded again.
 * The guest may need it hours later */
static void test_discard_while_leaving(void)
{
	uint64_t page = 10, ahead = 300;
	struct evictor *evictor;

	GUEST(guest, 2 * PAGES);
	fill(&guest, 1);
	evictor = quiet(&guest);
	CU_ASSERT(evict_run(guest.pager, evictor, &page, 1) == 1);
	CU_ASSERT(page_is(&guest, page, 1));
	/* The guest has it a moment before the map says so */
	CU_ASSERT(SOON(fields_of(&guest, page).state == PAGE_RESIDENT));
	CU_ASSERT(!fields_of(&guest, page).discarded);
	CU_ASSERT(evict_run(guest.pager, evictor, &page, 1) == 1);
	CU_ASSERT(evict_run(guest.pager, evictor, &ahead, 1) == 1);
	/* As the message leaves such a page */
	journal_note_discard(guest.pager->journal, page, 1);
	CU_ASSERT(page_is(&guest, page, 1));
	CU_ASSERT(SOON(fields_of(&guest, page).discarded));
	CU_ASSERT(prefetch_pages(guest.pager, &guest.pager->mover, ahead, 1, false) == 1);
	CU_ASSERT(fields_of(&guest, ahead).discarded);
}

static void test_short_splice(void)
{
	const uint64_t pages[] = { 10, 11, 12, 13, 20, 21 };
	struct evictor *evictor;
	int rc;

	GUEST(guest, 2 * PAGES);
	fill(&guest, 1);
	evictor = quiet(&guest);
	guest.pager->calls.splice = short_splice;
	poisoned = 12 * PAGE_BYTES;
	rc = evict_run(guest.pager, evictor, pages, 6);
	UNIT_CHECK(rc == 5, "%d", rc);
	CU_ASSERT(fields_of(&guest, 12).state == PAGE_RESIDENT && fields_of(&guest, 12).bad);
	CU_ASSERT(fields_of(&guest, 11).state == PAGE_EVICTED);
	CU_ASSERT(fields_of(&guest, 13).state == PAGE_EVICTED);
	CU_ASSERT(fields_of(&guest, 21).state == PAGE_EVICTED);
	CU_ASSERT(guest.alarms == 1 && strstr(guest.alarm, "page that is resident"));
	/* It is not tried again, and was never punched */
	poisoned = -1;
	CU_ASSERT(evict_run(guest.pager, evictor, &pages[2], 1) == 0);
	CU_ASSERT(count_wrong(&guest, 1) == 0);
}

static ssize_t odd_splice(int in, off_t *offset, int pipe, size_t bytes)
{
	if (bytes > 100)
		bytes = 3 * PAGE_BYTES + 100;
	return splice(in, offset, pipe, NULL, bytes, SPLICE_F_NONBLOCK);
}

static int no_punch(int fd, off_t offset, off_t bytes)
{
	(void)fd;
	(void)offset;
	(void)bytes;
	return -EIO;
}

static void test_steps_fail(void)
{
	const uint64_t pages[] = { 10, 11, 12, 13, 20, 21 };
	struct evictor *evictor;
	struct pager_calls real;

	GUEST(guest, 2 * PAGES);
	fill(&guest, 1);
	evictor = quiet(&guest);
	real = guest.pager->calls;
	guest.pager->calls.punch = no_punch;
	CU_ASSERT(evict_run(guest.pager, evictor, pages, 6) <= 0);
	CU_ASSERT(count_state(&guest, PAGE_RESIDENT) == PAGES && !evictor->broken);
	guest.pager->calls = real;
	guest.pager->calls.splice = odd_splice;
	evict_run(guest.pager, evictor, pages, 6);
	CU_ASSERT(!evictor->broken && count_state(&guest, PAGE_LEAVING) == 0);
	guest.pager->calls = real;
	CU_ASSERT(evict_run(guest.pager, evictor, pages, 6) > 0);
	CU_ASSERT(count_wrong(&guest, 1) == 0);
}

static struct guest *unpunched;

/* Between the reading of the pipe and the end of the run */
static void write_then_discard(const char *label)
{
	if (strcmp(label, "evict_stage") != 0 || !unpunched)
		return;
	write_page(unpunched, 10, 2);
	write_page(unpunched, 11, 2);
	CU_ASSERT(madvise(unpunched->page[11], PAGE_BYTES, MADV_REMOVE) == 0);
	unpunched = NULL;
}

/* A page that stays since its hole can't be made is the guest's at once: what the run has read of
 * it is older than what the guest writes, or discards, then */
static void test_stays(void)
{
	const uint64_t pages[] = { 10, 11, 12 };
	struct evictor *evictor;
	struct pager_calls real;

	GUEST(guest, 2 * PAGES);
	fill(&guest, 1);
	evictor = quiet(&guest);
	real = guest.pager->calls;
	guest.pager->calls.punch = no_punch;
	unpunched = &guest;
	on_step = write_then_discard;
	CU_ASSERT(evict_run(guest.pager, evictor, pages, 3) <= 0);
	on_step = NULL;
	CU_ASSERT(!unpunched && !evictor->broken);
	CU_ASSERT(page_is(&guest, 10, 2));
	CU_ASSERT(page_is_zero(&guest, 11));
	CU_ASSERT(page_is(&guest, 12, 1));
	guest.pager->calls = real;
	CU_ASSERT(SOON(fields_of(&guest, 11).state == PAGE_RESIDENT));
	CU_ASSERT(evict_run(guest.pager, evictor, pages, 3) == 3);
	CU_ASSERT(page_is(&guest, 10, 2) && page_is(&guest, 12, 1));
}

static _Atomic unsigned int punches;

static int count_punch(int fd, off_t offset, off_t bytes)
{
	punches++;
	return no_punch(fd, offset, bytes);
}

/* Runs that come to nothing, one after the other, are no work for a whole processor */
static void test_punches_fail(void)
{
	unsigned int before;

	GUEST(guest, 2 * PAGES);
	fill(&guest, 1);
	quiet(&guest);
	guest.pager->calls.punch = count_punch;
	guest.pager->stop_evicting = false;
	punches = 0;
	guest_pager_set_limit(guest.pager, 100);
	CU_ASSERT(SOON(alarm_has(&guest, "can't be taken out of memory")));
	before = punches;
	clock_sleep_ms(500);
	/* Some pieces each tenth of a second */
	UNIT_CHECK(punches - before < 10 * RUN_PAGES_MAX, "%u", punches - before);
	CU_ASSERT(count_wrong(&guest, 1) == 0);
}

static _Atomic unsigned int looks;

static void count_looks(const char *label)
{
	looks += strcmp(label, "evict_begin") == 0;
}

/* Nor are pages that must all stay */
static void test_pages_stay(void)
{
	struct page_fields fields;
	uint64_t page;

	GUEST(guest, 2 * PAGES);
	fill(&guest, 1);
	quiet(&guest);
	for (page = 0; page < PAGES; page++) {
		fields = fields_of(&guest, page);
		fields.bad = true;
		entry_settle(guest.pager, page, fields);
	}
	looks = 0;
	on_step = count_looks;
	guest.pager->stop_evicting = false;
	guest_pager_set_limit(guest.pager, 100);
	clock_sleep_ms(500);
	on_step = NULL;
	UNIT_CHECK(looks > 0 && looks < 50, "%u", looks);
	CU_ASSERT(count_wrong(&guest, 1) == 0);
}

static _Atomic unsigned int fills;

static ssize_t count_fill(int fd, off_t offset, int pipe, size_t bytes)
{
	fills++;
	return splice(pipe, NULL, fd, &offset, bytes, 0);
}

/* Where the pager's own memory is limited, the guest's must not be charged to it */
static void test_copies_only(void)
{
	uint64_t page;

	GUEST(guest, 200);
	guest.options.copies_only = true;
	guest.budget.limit = 300 * PAGE_BYTES;
	fill_with_noise(&guest);
	guest_begin(&guest);
	pthread_mutex_lock(&guest.pager->gate);
	guest.pager->calls.fill = count_fill;
	pthread_mutex_unlock(&guest.pager->gate);
	fills = 0;
	/* What finds no slot goes back the same way */
	CU_ASSERT(SOON(alarm_has(&guest, "full")));
	guest.budget.limit = 0;
	for (page = 0; page < 3 * PAGES; page++)
		CU_ASSERT(read_noise(&guest, page % PAGES) == READ_RIGHT);
	CU_ASSERT(fills == 0);
}

/* ---- a device that writes past the page tables ---- */

/* What an io_uring has of this process: buffers that stay pinned */
struct ring {
	int fd;
	struct io_uring_params params;
	unsigned char *entries;
	struct io_uring_sqe *sqes;
	size_t bytes; /* of @entries */
};

static bool ring_open(struct ring *ring, void *buffer)
{
	struct iovec part = { .iov_base = buffer, .iov_len = PAGE_BYTES };

	memset(ring, 0, sizeof(*ring));
	ring->fd = (int)syscall(SYS_io_uring_setup, 4, &ring->params);
	if (ring->fd < 0)
		return false;
	ring->bytes = ring->params.sq_off.array + ring->params.sq_entries * sizeof(uint32_t);
	ring->entries = mmap(NULL, ring->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
			     ring->fd, IORING_OFF_SQ_RING);
	ring->sqes = mmap(NULL, ring->params.sq_entries * sizeof(*ring->sqes),
			  PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring->fd,
			  IORING_OFF_SQES);
	CU_ASSERT_FATAL((void *)ring->entries != MAP_FAILED && (void *)ring->sqes != MAP_FAILED);
	return syscall(SYS_io_uring_register, ring->fd, IORING_REGISTER_BUFFERS, &part, 1) == 0;
}

/* Nothing is pinned any more when this returns */
static void ring_close(struct ring *ring)
{
	CU_ASSERT(syscall(SYS_io_uring_register, ring->fd, IORING_UNREGISTER_BUFFERS, NULL, 0) ==
		  0);
	munmap(ring->entries, ring->bytes);
	munmap(ring->sqes, ring->params.sq_entries * sizeof(*ring->sqes));
	close(ring->fd);
}

/* Into the pinned page, wherever it is by now */
static void ring_read(struct ring *ring, int fd, void *buffer)
{
	uint32_t *tail = (void *)(ring->entries + ring->params.sq_off.tail);
	uint32_t *array = (void *)(ring->entries + ring->params.sq_off.array);

	ring->sqes[0] = (struct io_uring_sqe){
		.opcode = IORING_OP_READ_FIXED,
		.fd = fd,
		.addr = (uintptr_t)buffer,
		.len = PAGE_BYTES,
	};
	array[0] = 0;
	__atomic_store_n(tail, 1, __ATOMIC_RELEASE);
	CU_ASSERT(syscall(SYS_io_uring_enter, ring->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) ==
		  1);
}

/* A page that a device has pinned does not go: what the device writes later would be lost */
static void test_pinned(void)
{
	const uint64_t pages[] = { 94, 95, 96 };
	uint64_t content[WORDS];
	struct evictor *evictor;
	struct ring ring;
	int disk = memfd_create("disk", MFD_CLOEXEC), rc;
	size_t i;

	GUEST(guest, 2 * PAGES);
	guest.options.pins = PINS_WAIT;
	fill(&guest, 1);
	evictor = quiet(&guest);
	if (!ring_open(&ring, guest.page[95])) {
		printf("skip - no io_uring here: no page can be pinned\n");
		return;
	}
	rc = evict_run(guest.pager, evictor, pages, 3);
	UNIT_CHECK(rc == -EBUSY, "%d", rc);
	for (i = 0; i < WORDS; i++)
		content[i] = UINT64_C(95) << 32 | 2;
	CU_ASSERT(write(disk, content, PAGE_BYTES) == PAGE_BYTES);
	ring_read(&ring, disk, guest.page[95]);
	CU_ASSERT(page_is(&guest, 94, 1));
	CU_ASSERT(page_is(&guest, 95, 2));
	write_page(&guest, 96, 3);
	ring_close(&ring);
	close(disk);
}

/* The pager's threads read both meanwhile, each whole */
__attribute__((no_sanitize("thread"))) static void
replace(struct guest *guest, int (*call)(const struct uffd *uffd, unsigned long request, void *arg),
	enum pin_rule pins)
{
	guest->pager->uffd.ioctl = call;
	guest->pager->options.pins = pins;
}

static unsigned int refusals;

/* The kernel as it is while a discard's message waits: before a run's second piece is protected,
 * and when it is given up */
static int refuse_for_a_while(const struct uffd *uffd, unsigned long request, void *argument)
{
	const struct uffdio_writeprotect *protect = argument;

	if (request != UFFDIO_WRITEPROTECT || (protect->mode && !refusals++))
		return uffd_ioctl(uffd, request, argument);
	return -EAGAIN;
}

static bool is_protected(const struct guest *guest, uint64_t page)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry = 0;

	CU_ASSERT(pread(fd, &entry, sizeof(entry),
			(off_t)((uintptr_t)guest->page[page] / PAGE_BYTES * sizeof(entry))) ==
		  sizeof(entry));
	close(fd);
	return entry >> 57 & 1;
}

/* What is given up while the kernel refuses stays protected.  It has no slot any more, since it may
 * have been written after it was loaded, and a scan would take what is protected for unchanged */
static void test_given_up_protected(void)
{
	const uint64_t pages[] = { 20, 30 };
	struct evictor *evictor;
	int rc;

	GUEST(guest, 2 * PAGES);
	fill(&guest, 1);
	evictor = quiet(&guest);
	CU_ASSERT(evict_run(guest.pager, evictor, pages, 2) == 2);
	CU_ASSERT(page_is(&guest, 20, 1) && page_is(&guest, 30, 1));
	write_page(&guest, 20, 2);
	CU_ASSERT(fields_of(&guest, 20).has_slot);
	refusals = 0;
	/* Not before: other programs of this host may have pages pinned */
	replace(&guest, refuse_for_a_while, PINS_WAIT);
	rc = evict_run(guest.pager, evictor, pages, 2);
	replace(&guest, uffd_ioctl, PINS_NONE);
	UNIT_CHECK(rc == -EBUSY && refusals == 2, "%d, %u", rc, refusals);
	CU_ASSERT(is_protected(&guest, 20));
	CU_ASSERT(fields_of(&guest, 20).state == PAGE_RESIDENT && !fields_of(&guest, 20).has_slot);
	write_page(&guest, 20, 3);
	CU_ASSERT(!is_protected(&guest, 20));
	CU_ASSERT(evict_run(guest.pager, evictor, pages, 2) == 2);
	CU_ASSERT(page_is(&guest, 20, 3) && page_is(&guest, 30, 1));
}

/* ---- epochs ---- */

static uint64_t begin_epoch(struct guest *guest)
{
	struct err err = { "" };
	uint64_t epoch = 0;

	UNIT_CHECK(guest_pager_epoch(guest->pager, 10000, &epoch, &err) == 0, "%s", err.text);
	CU_ASSERT(epoch != 0);
	return epoch;
}

static uint64_t count_changed(struct guest *guest, uint64_t since)
{
	uint64_t page, n = 0;

	for (page = 0; page < PAGES; page++)
		n += changes_since(guest->pager, since, page);
	return n;
}

/* A page of each state that is read, and one that is written: these alone have changed */
static void test_epoch(void)
{
	struct err err = { "" };
	uint64_t resident, out, epoch, page;
	int i;

	GUEST(guest, 400);
	fill(&guest, 1);
	punch(&guest, 900);
	punch(&guest, 901);
	guest_begin(&guest);
	CU_ASSERT_FATAL(SOON(count_state(&guest, PAGE_RESIDENT) <= 400));
	CU_ASSERT_EQUAL(changes_check(guest.pager, 77, &err), -ESTALE);
	/* In the second round all that was written is protected again */
	for (i = 0; i < 2; i++) {
		guest.pager->stop_evicting = false;
		guest_pager_set_limit(guest.pager, 400);
		CU_ASSERT_FATAL(SOON(count_state(&guest, PAGE_RESIDENT) <= 400));
		/* What is on its way out and stays counts as changed, so from here on nothing goes
		 */
		CU_ASSERT(SOON(guest.pager->evict_asleep));
		epoch = begin_epoch(&guest);
		for (resident = 0; fields_of(&guest, resident).state != PAGE_RESIDENT;)
			resident++;
		out = some_evicted(&guest);
		guest_pager_set_limit(guest.pager, 2 * PAGES);
		write_page(&guest, resident, 2);
		write_page(&guest, out, 2);
		/* Read alone: brought back by copies, and through the file */
		for (page = 0; page < 800; page++)
			if (page != resident && page != out && fields_of(&guest, page).state)
				CU_ASSERT(page_is(&guest, page, 1) || page_is(&guest, page, 2));
		guest.page[900][0] = 5;
		CU_ASSERT(madvise(guest.page[950], PAGE_BYTES, MADV_REMOVE) == 0);
		/* It goes on as soon as its message is read */
		CU_ASSERT(SOON(!changes_protects(guest.pager, 950)));
		CU_ASSERT_EQUAL(begin_epoch(&guest), epoch + 1);
		CU_ASSERT_EQUAL(changes_check(guest.pager, epoch, &err), 0);
		CU_ASSERT_EQUAL(changes_check(guest.pager, epoch + 1, &err), -ESTALE);
		CU_ASSERT(changes_since(guest.pager, epoch, resident));
		CU_ASSERT(changes_since(guest.pager, epoch, out));
		CU_ASSERT(changes_since(guest.pager, epoch, 900));
		CU_ASSERT(changes_since(guest.pager, epoch, 950));
		UNIT_CHECK(count_changed(&guest, epoch) == 4, "%llu",
			   (unsigned long long)count_changed(&guest, epoch));
		CU_ASSERT_EQUAL(count_changed(&guest, 0), PAGES);
	}
	/* With the pager it ends */
	guest_pager_stop(guest.pager);
	guest.pager = NULL;
	CU_ASSERT_FATAL(guest_resume(&guest, &err) == 0);
	CU_ASSERT_EQUAL(changes_check(guest.pager, epoch, &err), -ESTALE);
	CU_ASSERT_EQUAL(guest.alarms, 0);
}

static _Atomic bool refused;

static int refuse_protection(const struct uffd *uffd, unsigned long request, void *argument)
{
	const struct uffdio_writeprotect *wp = argument;

	if (request == UFFDIO_WRITEPROTECT && refused && wp->mode)
		return -ENOMEM;
	return uffd_ioctl(uffd, request, argument);
}

/* One that can't begin leaves the one before as it was; a guest that is let go is written freely */
static void test_epoch_fails(void)
{
	struct err err = { "" };
	uint64_t epoch, next;

	GUEST(guest, 2 * PAGES);
	fill(&guest, 1);
	guest_begin(&guest);
	replace(&guest, refuse_protection, PINS_NONE);
	refused = true;
	CU_ASSERT_EQUAL(guest_pager_epoch(guest.pager, 100, &next, &err), -ENOMEM);
	CU_ASSERT_EQUAL(guest.pager->changes.epoch, 0);
	refused = false;
	epoch = begin_epoch(&guest);
	write_page(&guest, 3, 2);
	refused = true;
	CU_ASSERT_EQUAL(guest_pager_epoch(guest.pager, 100, &next, &err), -ENOMEM);
	refused = false;
	write_page(&guest, 4, 2);
	CU_ASSERT_EQUAL(begin_epoch(&guest), epoch + 1);
	CU_ASSERT_EQUAL(count_changed(&guest, epoch), 2);
	CU_ASSERT(changes_since(guest.pager, epoch, 3) && changes_since(guest.pager, epoch, 4));
	UNIT_CHECK(guest_pager_detach(guest.pager, 60000, &err) == 0, "%s", err.text);
	fill(&guest, 3);
	CU_ASSERT_EQUAL(count_wrong(&guest, 3), 0);
}

/* What a device has pinned it may write at any time: no epoch begins */
static void test_epoch_pinned(void)
{
	struct err err = { "" };
	uint64_t epoch;
	struct ring ring;

	GUEST(guest, 2 * PAGES);
	guest.options.pins = PINS_WAIT;
	fill(&guest, 1);
	guest_begin(&guest);
	if (!ring_open(&ring, guest.page[95])) {
		printf("skip - no io_uring here: no page can be pinned\n");
		return;
	}
	CU_ASSERT_EQUAL(guest_pager_epoch(guest.pager, 100, &epoch, &err), -EBUSY);
	CU_ASSERT_EQUAL(guest.pager->changes.epoch, 0);
	ring_close(&ring);
	if (!pins_wait(10000)) {
		printf("skip - another program on this host has pages pinned\n");
		return;
	}
	begin_epoch(&guest);
}

/* A guest that writes to some of its pages, most of them more often, while they come and go */
struct busy {
	struct guest *guest;
	uint64_t version[PAGES];
	_Atomic bool stop;
	pthread_t thread;
};

static void *write_some(void *arg)
{
	struct busy *busy = arg;
	uint64_t seed = 7;

	while (!busy->stop) {
		uint64_t page = draw(&seed) % (draw(&seed) % 4 ? 32 : 256);

		if (busy->version[page] && !page_is(busy->guest, page, busy->version[page]))
			UNIT_CHECK(false, "page %llu", (unsigned long long)page);
		write_page(busy->guest, page, ++busy->version[page]);
	}
	return NULL;
}

static int export_to(struct guest *from, uint64_t since)
{
	int fd = memfd_create("map", MFD_CLOEXEC);
	struct err err = { "" };

	UNIT_CHECK(guest_pager_export(from->pager, MOVED_UUID, since, fd, &err) == 0, "%s",
		   err.text);
	lseek(fd, 0, SEEK_SET);
	return fd;
}

static void read_content(struct guest *from, uint64_t page, void *content)
{
	int rc;

	while ((rc = guest_pager_read_page(from->pager, page, content)) == -EAGAIN)
		sched_yield();
	UNIT_CHECK(rc == 0, "page %llu: %d", (unsigned long long)page, rc);
}

/* What such a map says is put into the other one's memory.  Return: how many pages */
static uint64_t send_held(struct guest *from, struct guest *to, int map)
{
	struct map_file_head head;
	struct map_file_page in;
	struct map_file *file;
	struct err err = { "" };
	uint64_t content[WORDS], page, sent = 0;

	CU_ASSERT_FATAL(map_file_open(&file, map, &head, &err) == 0);
	for (page = 0; page < PAGES; page++) {
		CU_ASSERT_FATAL(map_file_get(file, &in, &err) == 0);
		if (in.kind == MAP_FILE_HELD) {
			read_content(from, page, content);
			CU_ASSERT(pwrite(to->memory, content, PAGE_BYTES,
					 (off_t)page * PAGE_BYTES) == PAGE_BYTES);
			sent++;
		} else if (in.kind != MAP_FILE_UNCHANGED) {
			punch(to, page);
		}
	}
	map_file_free(file);
	lseek(map, 0, SEEK_SET);
	return sent;
}

static int merge_maps(int map, int changes)
{
	int fd = memfd_create("map", MFD_CLOEXEC);
	struct err err = { "" };

	UNIT_CHECK(map_file_merge(map, changes, fd, &err) == 0, "%s", err.text);
	lseek(fd, 0, SEEK_SET);
	close(map);
	close(changes);
	return fd;
}

/* Sent while it runs: first all, then what has changed, the rest when it stands */
static void move_running(struct guest *here, struct guest *there, int *map)
{
	struct busy busy = { .guest = here };
	uint64_t page, epoch, last, sent = 0;
	int round, changes;

	for (page = 0; page < PAGES; page++)
		busy.version[page] = page < SAME_FIRST || page >= ZERO_FIRST + MANY;
	CU_ASSERT_FATAL(pthread_create(&busy.thread, NULL, write_some, &busy) == 0);
	last = begin_epoch(here);
	*map = export_to(here, 0);
	sent = send_held(here, there, *map);
	CU_ASSERT(sent > 0);
	for (round = 0; round < 6; round++) {
		if (round == 5) {
			busy.stop = true;
			pthread_join(busy.thread, NULL);
		}
		epoch = begin_epoch(here);
		changes = export_to(here, last);
		sent = send_held(here, there, changes);
		UNIT_CHECK(sent < PAGES / 2, "%llu", (unsigned long long)sent);
		*map = merge_maps(*map, changes);
		last = epoch;
	}
}

static void test_moved_running(void)
{
	struct hosts hosts;
	uint64_t page, word, wrong = 0;
	int map;

	hosts_open(&hosts);
	{
		GUEST(here, 100);
		GUEST(there, 400);
		start_here(&here, &hosts);
		move_running(&here, &there, &map);
		options_there(&there, &hosts, map);
		guest_begin(&there);
		close(map);
		guest_pager_fence(there.pager, false);
		CU_ASSERT(count_tier(&there, TIER_BORROWED) > 0);
		for (page = 0; page < PAGES; page++)
			for (word = 0; word < WORDS; word++)
				wrong += here.page[page][word] != there.page[page][word];
		CU_ASSERT_EQUAL(wrong, 0);
		CU_ASSERT_EQUAL(here.alarms + there.alarms, 0);
		guest_pager_let_go(here.pager);
	}
	hosts_close(&hosts);
}

/* Wherever a page is it is read, and stays where it is */
static void test_read_page(void)
{
	uint64_t content[WORDS], page, seen = 0, resident;
	struct hosts hosts;

	hosts_open(&hosts);
	{
		GUEST(here, 100);
		start_here(&here, &hosts);
		here.pager->stop_evicting = true;
		CU_ASSERT(SOON(here.pager->evict_asleep && !count_state(&here, PAGE_LEAVING)));
		resident = count_state(&here, PAGE_RESIDENT);
		for (page = 0; page < PAGES; page++) {
			bool zero = page >= ZERO_FIRST && page < ZERO_FIRST + MANY;
			bool same = page >= SAME_FIRST && page < SAME_FIRST + MANY;

			read_content(&here, page, content);
			CU_ASSERT_EQUAL(content[WORDS - 1], zero ? 0 : same ? 77 : page << 32 | 1);
		}
		CU_ASSERT_EQUAL(count_state(&here, PAGE_RESIDENT), resident);
		for (page = 0; guest_pager_next_resident(here.pager, 0, &page); page++)
			seen++;
		CU_ASSERT_EQUAL(seen, resident);
		/* A hole that nothing explains is no page of zeros */
		page = 0;
		CU_ASSERT_FATAL(guest_pager_next_resident(here.pager, 0, &page));
		came_back(&here, page);
		punch(&here, page);
		CU_ASSERT_EQUAL(guest_pager_read_page(here.pager, page, content), -ENODATA);
		entry_settle(here.pager, page, (struct page_fields){ .state = PAGE_ZERO });
	}
	hosts_close(&hosts);
}

static struct guest *punched;
static struct reader late;

/* The guest comes for a page that has just left its file */
static int punch_and_read(int fd, off_t offset, off_t bytes)
{
	int rc = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, bytes);

	reader_start(&late, punched, (uint64_t)offset / PAGE_BYTES, 1);
	CU_ASSERT(SOON(punched->pager->leaving_seen > 0));
	return rc;
}

static void test_wakes(void)
{
	const uint64_t pages[] = { 80 };
	struct evictor *evictor;

	GUEST(guest, 2 * PAGES);
	fill(&guest, 1);
	evictor = quiet(&guest);
	punched = &guest;
	guest.pager->calls.punch = punch_and_read;
	CU_ASSERT(evict_run(guest.pager, evictor, pages, 1) == 1);
	CU_ASSERT(reader_was_right(&late));
}

/* A pipe that holds something is no place for another run: its pages would get that content */
static void test_dirty_pipe(void)
{
	const uint64_t pages[] = { 30, 31 };
	struct evictor *evictor;
	char bytes[PAGE_BYTES] = { 1 };

	GUEST(guest, 2 * PAGES);
	fill(&guest, 1);
	evictor = quiet(&guest);
	CU_ASSERT(write(evictor->pipe_write, bytes, sizeof(bytes)) == PAGE_BYTES);
	CU_ASSERT(evict_run(guest.pager, evictor, pages, 2) < 0);
	CU_ASSERT(count_state(&guest, PAGE_RESIDENT) == PAGES);
	CU_ASSERT(alarm_has(&guest, "eviction stopped"));
}

static ssize_t short_fill(int fd, off_t offset, int pipe, size_t bytes)
{
	(void)bytes;
	/* One page, then never again in this call */
	if (offset % (4 * PAGE_BYTES)) {
		errno = ENOMEM;
		return -1;
	}
	return splice(pipe, NULL, fd, &offset, PAGE_BYTES, 0);
}

static void test_short_fill(void)
{
	const uint64_t pages[] = { 40, 41, 42, 43, 44, 45, 46, 47 };
	struct evictor *evictor;
	struct mover mover;
	struct err err;

	GUEST(guest, 2 * PAGES);
	fill(&guest, 1);
	evictor = quiet(&guest);
	CU_ASSERT(evict_run(guest.pager, evictor, pages, 8) == 8);
	CU_ASSERT_FATAL(mover_open(&mover, MOVER_LOADS, &err) == 0);
	guest.pager->calls.fill = short_fill;
	CU_ASSERT(prefetch_pages(guest.pager, &mover, 40, 8, false) == 8);
	CU_ASSERT(count_state(&guest, PAGE_RESIDENT) == PAGES);
	mover_close(&mover);
	CU_ASSERT(count_wrong(&guest, 1) == 0);
}

/* A clean page's slot is its slot again; a changed page gets a new one */
static void test_clean(void)
{
	const uint64_t pages[] = { 50, 51 };
	struct evictor *evictor;
	struct page_fields before[2], after[2];
	uint64_t stores;

	GUEST(guest, 2 * PAGES);
	fill(&guest, 1);
	guest.page[50][1] = 5;
	guest.page[51][1] = 5;
	evictor = quiet(&guest);
	guest.options.no_prefetch = true;
	CU_ASSERT(evict_run(guest.pager, evictor, pages, 2) == 2);
	before[0] = fields_of(&guest, 50);
	before[1] = fields_of(&guest, 51);
	CU_ASSERT(guest.page[50][1] == 5 && guest.page[51][1] == 5);
	CU_ASSERT(SOON(count_state(&guest, PAGE_RESIDENT) == PAGES));
	guest.page[51][2] = 6;
	stores = guest.pager->statistics.stores;
	CU_ASSERT(evict_run(guest.pager, evictor, pages, 2) == 2);
	after[0] = fields_of(&guest, 50);
	after[1] = fields_of(&guest, 51);
	CU_ASSERT(guest.pager->statistics.stores == stores + 1);
	CU_ASSERT(after[0].slot == before[0].slot && after[0].tier == before[0].tier);
	CU_ASSERT(after[0].generation == before[0].generation + 1);
	CU_ASSERT(guest.page[51][2] == 6 && guest.page[50][1] == 5);
}

static uint64_t slots_taken(struct guest *guest)
{
	struct pager_statistics statistics;
	uint64_t n = 0;
	size_t i;

	guest_pager_statistics(guest->pager, &statistics);
	for (i = 0; i < statistics.n_tiers; i++)
		n += statistics.tier[i].pages;
	return n;
}

static uint64_t slots_of_resident(const struct guest *guest)
{
	uint64_t page, n = 0;

	for (page = 0; page < PAGES; page++)
		n += fields_of(guest, page).state == PAGE_RESIDENT &&
		     fields_of(guest, page).has_slot;
	return n;
}

/* Where memory is short, no page is resident and in a tier as well */
static void test_keep_slots(void)
{
	const uint64_t pages[] = { 50, 51, 52, 53 };

	GUEST(guest, 2 * PAGES);
	guest.options.no_prefetch = true;
	fill(&guest, 1);
	CU_ASSERT(evict_run(guest.pager, quiet(&guest), pages, 4) == 4);
	CU_ASSERT(page_is(&guest, 50, 1) && page_is(&guest, 51, 1));
	CU_ASSERT(SOON(slots_of_resident(&guest) == 2));
	guest_pager_keep_slots(guest.pager, true);
	clock_sleep_ms(50);
	CU_ASSERT_EQUAL(slots_of_resident(&guest), 2);
	guest_pager_keep_slots(guest.pager, false);
	CU_ASSERT(SOON(slots_of_resident(&guest) == 0));
	CU_ASSERT(SOON(slots_taken(&guest) == 2));
	CU_ASSERT(page_is(&guest, 52, 1));
	CU_ASSERT(SOON(slots_taken(&guest) == 1));
	CU_ASSERT_EQUAL(slots_of_resident(&guest), 0);
	guest_pager_keep_slots(guest.pager, true);
	CU_ASSERT(page_is(&guest, 53, 1));
	CU_ASSERT(SOON(slots_of_resident(&guest) == 1));
	CU_ASSERT_EQUAL(count_wrong(&guest, 1), 0);
}

/* Neighbours in a slab are none in memory */
static void evict_by(struct guest *guest, uint64_t step, uint64_t n)
{
	struct evictor *evictor = quiet(guest);
	uint64_t i, page;

	for (i = 0; i < n; i++) {
		page = i * step % PAGES;
		CU_ASSERT(evict_run(guest->pager, evictor, &page, 1) == 1);
	}
}

/* From one page to another one, in the order of 389 */
static void load_some(struct guest *guest, uint64_t from, uint64_t to)
{
	uint64_t i;

	for (i = from; i < to; i++)
		CU_ASSERT(guest->page[i * 389 % PAGES][0] != 0);
}

/* One of them has all of RAM, in slabs of which no more than a share in percent is filled */
static void begin_first(struct guest *first, uint64_t loaded, uint64_t most)
{
	evict_by(first, 619, PAGES - 100);
	guest_pager_keep_slots(first->pager, false);
	load_some(first, 0, loaded);
	CU_ASSERT(SOON(slots_of_resident(first) == 0));
	first->budget.limit = first->budget.used;
	UNIT_CHECK(first->budget.filled * 100 / first->budget.limit < most, "%llu of %llu",
		   (unsigned long long)first->budget.filled,
		   (unsigned long long)first->budget.limit);
	CU_ASSERT_EQUAL(first->pager->demoter.moved, 0);
}

/* One slot of such a page keeps a slab */
static void check_kept_slots(struct guest *first, struct guest *newcomer)
{
	begin_first(first, PAGES * 5 / 8, 40);
	guest_pager_keep_slots(first->pager, true);
	load_some(first, PAGES * 5 / 8, PAGES * 15 / 16);
	CU_ASSERT(SOON(slots_of_resident(first) > 200));
	guest_begin(newcomer);
	CU_ASSERT(SOON_MS(40000, count_state(newcomer, PAGE_RESIDENT) <= 100));
	CU_ASSERT(SOON(alarm_has(newcomer, "")));
	CU_ASSERT_EQUAL(count_wrong_letters(newcomer) + count_wrong_letters(first), 0);
}

static void check_newcomer(struct guest *first, struct guest *newcomer)
{
	begin_first(first, PAGES / 3, 75);
	tier_disk.silent = true;
	guest_begin(newcomer);
	CU_ASSERT(SOON(alarm_has(newcomer, "no tier takes more: /tier-newcomer does not answer")));
	tier_disk.silent = false;
	CU_ASSERT(SOON(count_state(newcomer, PAGE_RESIDENT) <= 100));
	CU_ASSERT(SOON(alarm_has(newcomer, "")));
	/* Of slabs that are emptiest */
	UNIT_CHECK(first->pager->demoter.moved < 350, "%llu",
		   (unsigned long long)first->pager->demoter.moved);
	CU_ASSERT_EQUAL(count_wrong_letters(newcomer), 0);
	CU_ASSERT_EQUAL(count_wrong_letters(first), 0);
	CU_ASSERT_EQUAL(newcomer->alarms, 1);
}

static void with_newcomer(void (*check)(struct guest *first, struct guest *newcomer))
{
	struct tier_spec tier[] = { { .kind = TIER_RAM }, { .kind = TIER_FILE } };
	int rootfd = open(unit_disk_tmpdir(), O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct tier_stores *stores;
	uint64_t page;

	CU_ASSERT_FATAL(tier_stores_new(&stores, rootfd) == 0);
	tier[1].store = tier_stores_get(stores, "/tier-newcomer");
	{
		GUEST(first, 2 * PAGES);
		GUEST(newcomer, 100);
		tier[0].budget = &first.budget;
		first.options.tiers = newcomer.options.tiers = tier;
		first.options.stores = newcomer.options.stores = stores;
		first.options.no_prefetch = newcomer.options.no_prefetch = true;
		for (page = 0; page < PAGES; page++) {
			make_letters(page, first.page[page]);
			make_letters(page, newcomer.page[page]);
		}
		check(&first, &newcomer);
	}
	tier_stores_free(stores);
	close(rootfd);
}

static void test_newcomer(void)
{
	with_newcomer(check_newcomer);
}

static void test_newcomer_and_kept_slots(void)
{
	with_newcomer(check_kept_slots);
}

/* So much of the tier in RAM is filled, and its demoter looks */
static void fill_ram(struct guest *guest, unsigned int percent)
{
	guest->budget.limit = guest->budget.filled * 100 / percent;
	pager_wake(guest->pager->demoter.wake);
}

/* Above a file, where RAM fills, no page is resident and in RAM as well */
static void check_slots_above_file(struct guest *guest)
{
	CU_ASSERT(SOON(count_state(guest, PAGE_LEAVING) == 0));
	guest_pager_set_limit(guest->pager, 2 * PAGES);
	fill_ram(guest, 30);
	CU_ASSERT(page_is(guest, 0, 1) && page_is(guest, 1, 1));
	CU_ASSERT(SOON(slots_of_resident(guest) == 2));
	fill_ram(guest, 60);
	CU_ASSERT(SOON(slots_of_resident(guest) == 0));
	CU_ASSERT(page_is(guest, 2, 1));
	CU_ASSERT(SOON(fields_of(guest, 2).state == PAGE_RESIDENT));
	CU_ASSERT_EQUAL(slots_of_resident(guest), 0);
	/* And a little less changes nothing */
	fill_ram(guest, 45);
	CU_ASSERT(SOON(guest->pager->demoter.asleep));
	CU_ASSERT(page_is(guest, 5, 1));
	CU_ASSERT_EQUAL(slots_of_resident(guest), 0);
	/* That the host is short by itself is another reason */
	guest_pager_keep_slots(guest->pager, false);
	fill_ram(guest, 30);
	CU_ASSERT(SOON(guest->pager->slots_go[SLOTS_IN_MEMORY] == SLOTS_HOST_SHORT));
	CU_ASSERT(page_is(guest, 3, 1));
	CU_ASSERT_EQUAL(slots_of_resident(guest), 0);
	guest_pager_keep_slots(guest->pager, true);
	CU_ASSERT(page_is(guest, 4, 1));
	CU_ASSERT(SOON(slots_of_resident(guest) == 1));
	CU_ASSERT_EQUAL(guest->pager->demoter.moved, 0);
	CU_ASSERT_EQUAL(count_wrong(guest, 1), 0);
}

static void test_slots_above_file(void)
{
	above_file(check_slots_above_file, false);
}

/* ---- the next pager ---- */

static void test_stop_and_resume(void)
{
	struct err err = { "" };
	struct reader reader;
	uint64_t page;

	GUEST(guest, 200);
	fill(&guest, 1);
	guest_begin(&guest);
	CU_ASSERT_FATAL(SOON(count_state(&guest, PAGE_RESIDENT) <= 200));
	page = some_evicted(&guest);
	/* A fault that the first one has read, and does not answer */
	guest_pager_fence(guest.pager, true);
	reader_start(&reader, &guest, page, 1);
	clock_sleep_ms(50);
	guest_pager_stop(guest.pager);
	guest.pager = NULL;
	CU_ASSERT(!reader.done);
	UNIT_CHECK(guest_resume(&guest, &err) == 0, "%s", err.text);
	CU_ASSERT_FATAL(guest.pager != NULL);
	guest_pager_fence(guest.pager, false);
	CU_ASSERT(reader_was_right(&reader));
	CU_ASSERT(count_wrong(&guest, 1) == 0);
}

/* What a killed pager may leave, planted, and what the next one makes of it */
static void plant(struct guest *guest, uint64_t page, struct page_fields fields)
{
	entry_settle(guest->pager, page, fields);
}

static void test_planted(void)
{
	const uint64_t pages[] = { 60, 61, 62, 63 };
	struct page_fields fields;
	struct err err = { "" };
	struct evictor *evictor, *other;
	struct run_record *run;
	unsigned char old[PAGE_BYTES];
	size_t i;

	GUEST(guest, 2 * PAGES);
	fill(&guest, 1);
	evictor = quiet(&guest);
	run = evictor->run;
	CU_ASSERT(evict_run(guest.pager, evictor, pages, 4) == 4);
	/* 60: being loaded when it died; 61: and discarded; 62: EVICTED, its discard only read */
	fields = fields_of(&guest, 60);
	fields.state = PAGE_LOADING;
	plant(&guest, 60, fields);
	fields = fields_of(&guest, 61);
	fields.state = PAGE_LOADING;
	fields.discarded = true;
	plant(&guest, 61, fields);
	journal_ring(guest.pager->journal)[5] = (struct uffd_msg){
		.event = UFFD_EVENT_REMOVE,
		.arg.remove = { .start = (uintptr_t)guest.page[62],
				.end = (uintptr_t)guest.page[63] },
	};
	/* 63: back and gone again with another run than this one, whose record it is in */
	fields = fields_of(&guest, 63);
	run->n = 2;
	run->page[0] = 63;
	run->generation[0] = fields.generation - 1;
	memset(evictor->staging, 0xee, PAGE_BYTES);
	/* 64: in the staging, its old slot is stale; 65: in the pipe */
	for (i = 0; i < PAGE_BYTES; i++)
		old[i] = 0xdd;
	run->page[1] = 64;
	fields = fields_of(&guest, 64);
	fields.state = PAGE_LEAVING;
	run->generation[1] = fields.generation;
	CU_ASSERT(tiers_store(guest.pager->tiers, old, &(struct page_place){ 0, 0 }) == 0);
	plant(&guest, 64, fields);
	memcpy(evictor->staging + PAGE_BYTES, guest.page[64], PAGE_BYTES);
	run->n = 3;
	run->page[2] = 65;
	fields = fields_of(&guest, 65);
	fields.state = PAGE_LEAVING;
	run->generation[2] = fields.generation;
	plant(&guest, 65, fields);
	CU_ASSERT(write(evictor->pipe_write, guest.page[65], PAGE_BYTES) == PAGE_BYTES);
	fallocate(guest.memory, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 64 * PAGE_BYTES,
		  2 * PAGE_BYTES);
	run->phase = RUN_SPLICED;
	/* 67: on its way out with this run, and in the record of an earlier one, which was
	 * published and not cleared, and whose content of it is old */
	other = &guest.pager->evictor[0];
	fields = fields_of(&guest, 67);
	other->run->n = 1;
	other->run->page[0] = 67;
	other->run->generation[0] = fields.generation;
	other->run->phase = RUN_SPLICED;
	memset(other->staging, 0xcc, PAGE_BYTES);
	fields.state = PAGE_LEAVING;
	fields.generation++;
	run->n = 4;
	run->page[3] = 67;
	run->generation[3] = fields.generation;
	plant(&guest, 67, fields);
	CU_ASSERT(write(evictor->pipe_write, guest.page[67], PAGE_BYTES) == PAGE_BYTES);
	fallocate(guest.memory, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 67 * PAGE_BYTES,
		  PAGE_BYTES);
	/* 66: claimed, and nothing done */
	fields = fields_of(&guest, 66);
	fields.state = PAGE_LEAVING;
	plant(&guest, 66, fields);
	guest_pager_stop(guest.pager);
	guest.pager = NULL;
	UNIT_CHECK(guest_resume(&guest, &err) == 0, "%s", err.text);
	CU_ASSERT_FATAL(guest.pager != NULL);
	CU_ASSERT(page_is_zero(&guest, 61) && page_is_zero(&guest, 62));
	/* A discard near it was read while it was on its way out: its hole may come yet */
	CU_ASSERT(fields_of(&guest, 66).state == PAGE_RESIDENT && fields_of(&guest, 66).discarded);
	write_page(&guest, 61, 1);
	write_page(&guest, 62, 1);
	CU_ASSERT(count_wrong(&guest, 1) == 0);
	CU_ASSERT(guest.pager->evictor[1].run->phase == RUN_EMPTY);
	CU_ASSERT(journal_ring(guest.pager->journal)[5].event == 0);
	CU_ASSERT(guest.alarms == 0);
}

/* Two pages in one slot: the pager must not guess whose it is */
static void test_two_owners(void)
{
	const uint64_t pages[] = { 70, 71 };
	struct err err = { "" };
	struct evictor *evictor;

	GUEST(guest, 2 * PAGES);
	fill(&guest, 1);
	guest.page[70][1] = 5;
	guest.page[71][1] = 5;
	evictor = quiet(&guest);
	CU_ASSERT(evict_run(guest.pager, evictor, pages, 2) == 2);
	plant(&guest, 71, fields_of(&guest, 70));
	guest_pager_stop(guest.pager);
	guest.pager = NULL;
	CU_ASSERT(guest_resume(&guest, &err) == -EUCLEAN);
	UNIT_CHECK(strstr(err.text, "two pages") != NULL, "%s", err.text);
}

static void test_other_process(void)
{
	struct err err = { "" };
	struct adopted adopted;
	struct page_map *map;
	struct ram ram;

	GUEST(guest, 200);
	guest_begin(&guest);
	guest_pager_stop(guest.pager);
	guest.pager = NULL;
	CU_ASSERT_FATAL(page_map_open(&map, guest.directory, 0, &err) == 0);
	adopted = adopted_of(&guest);
	ram = ram_of(&guest);
	adopted.identity.pid++;
	CU_ASSERT(guest_pager_resume(&guest.pager, map, &adopted, &ram, &left, &guest.options,
				     &err) == -ESTALE);
	adopted.identity.pid--;
	/* The number has come round */
	adopted.identity.start_time++;
	CU_ASSERT(guest_pager_resume(&guest.pager, map, &adopted, &ram, &left, &guest.options,
				     &err) == -ESTALE);
	adopted.identity.start_time--;
	ram.object[0].ino++;
	CU_ASSERT(guest_pager_resume(&guest.pager, map, &adopted, &ram, &left, &guest.options,
				     &err) == -ESTALE);
	page_map_close(map);
	adopted_close(&adopted);
	ram_close(&ram);
}

/* ---- discards that a killed pager had not read ---- */

struct discarder {
	struct guest *guest;
	uint64_t page;
	pthread_t thread;
};

static _Atomic unsigned int discarders;

static void *tell_of_hole(void *arg)
{
	struct discarder *discarder = arg;

	discarders++;
	madvise(discarder->guest->page[discarder->page], PAGE_BYTES, MADV_DONTNEED);
	return NULL;
}

static void discarder_start(struct discarder *discarder, struct guest *guest, uint64_t page)
{
	discarder->guest = guest;
	discarder->page = page;
	CU_ASSERT_FATAL(pthread_create(&discarder->thread, NULL, tell_of_hole, discarder) == 0);
}

/* Pages that were out and were being loaded when the pager was killed: written since, and holes */
static void plant_holes(struct guest *guest, uint64_t first, uint64_t n)
{
	struct evictor *evictor = quiet(guest);
	struct page_fields fields;
	uint64_t page;

	for (page = first; page < first + n; page++) {
		CU_ASSERT(evict_run(guest->pager, evictor, &page, 1) == 1);
		fields = fields_of(guest, page);
		fields.state = PAGE_LOADING;
		plant(guest, page, fields);
		punch(guest, page);
	}
	guest_pager_stop(guest->pager);
	guest->pager = NULL;
}

enum { HOLE = 100, HOLES = 150 };
static struct guest *restarted;
static struct discarder discarder[HOLES];
static _Atomic uint64_t old_pages;

/* Before any fault is answered: pages whose slots would be loaded, older than the last write */
static void count_old_pages(const char *label)
{
	uint64_t page;

	if (strcmp(label, "restart_unprotected") != 0)
		return;
	for (page = HOLE; page < HOLE + HOLES; page++)
		old_pages += page_entry_fields(page_map_get(restarted->map, page)).state ==
			     PAGE_EVICTED;
}

static void discard_late(const char *label)
{
	if (strcmp(label, "restart_sought") == 0) {
		clock_sleep_ms(2);
		discarder_start(discarder, restarted, HOLE);
	}
	count_old_pages(label);
}

/* QEMU made its hole before the restart looked, and tells of it after that.  On a busy machine the
 * message may come too late for once */
static void test_late_message(void)
{
	struct err err = { "" };
	unsigned int i;

	old_pages = 1;
	for (i = 0; i < 5 && old_pages; i++) {
		GUEST(guest, 2 * PAGES);
		fill(&guest, 1);
		plant_holes(&guest, HOLE, 1);
		restarted = &guest;
		old_pages = 0;
		on_step = discard_late;
		UNIT_CHECK(guest_resume(&guest, &err) == 0, "%s", err.text);
		on_step = NULL;
		CU_ASSERT_FATAL(guest.pager != NULL);
		pthread_join(discarder[0].thread, NULL);
		CU_ASSERT(page_is_zero(&guest, HOLE));
	}
	CU_ASSERT(old_pages == 0);
}

static const char *kill_label;
static _Atomic unsigned int kill_count;

static void kill_there(const char *label)
{
	if (strcmp(label, kill_label) == 0 && --kill_count == 0)
		_exit(7);
}

/* A pager that is killed while it goes on after another one */
static bool killed_at(struct guest *guest, const char *label, unsigned int count)
{
	struct err err;
	int status;
	pid_t child;

	kill_label = label;
	kill_count = count;
	on_step = kill_there;
	child = fork();
	if (child == 0) {
		guest_resume(guest, &err);
		_exit(1);
	}
	on_step = NULL;
	return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7;
}

/* More discards wait than the ring takes, and pagers die while they read them */
static void test_many_messages(void)
{
	struct err err = { "" };
	unsigned int i;

	GUEST(guest, 2 * PAGES);
	fill(&guest, 1);
	plant_holes(&guest, HOLE, HOLES);
	discarders = 0;
	for (i = 0; i < HOLES; i++)
		discarder_start(&discarder[i], &guest, HOLE + i);
	CU_ASSERT(SOON(discarders == HOLES));
	clock_sleep_ms(50);
	/* Read; applied, cleared, read; applied, cleared; and the rest */
	CU_ASSERT(killed_at(&guest, "restart_events_read", 1));
	CU_ASSERT(killed_at(&guest, "restart_ring_applied", 1));
	CU_ASSERT(killed_at(&guest, "restart_events_read", 1));
	CU_ASSERT(killed_at(&guest, "restart_ring_cleared", 1));
	CU_ASSERT(killed_at(&guest, "restart_events_read", 1));
	restarted = &guest;
	old_pages = 0;
	on_step = count_old_pages;
	UNIT_CHECK(guest_resume(&guest, &err) == 0, "%s", err.text);
	on_step = NULL;
	CU_ASSERT_FATAL(guest.pager != NULL);
	UNIT_CHECK(old_pages == 0, "%lu", old_pages);
	for (i = 0; i < HOLES; i++) {
		pthread_join(discarder[i].thread, NULL);
		CU_ASSERT(page_is_zero(&guest, HOLE + i));
		write_page(&guest, HOLE + i, 1);
	}
	CU_ASSERT(count_wrong(&guest, 1) == 0);
	CU_ASSERT(guest.alarms == 0);
}

/* A page that was used again after its discard, and was on its way out when the pager was killed
 * that had read the discard.  Its successor is killed, too, when the page is in a slot */
static void test_newer_than_ring(void)
{
	struct page_fields fields;
	struct err err = { "" };
	struct evictor *evictor;

	GUEST(guest, 2 * PAGES);
	fill(&guest, 1);
	evictor = quiet(&guest);
	fields = fields_of(&guest, HOLE);
	fields.state = PAGE_LEAVING;
	plant(&guest, HOLE, fields);
	memcpy(evictor->staging, guest.page[HOLE], PAGE_BYTES);
	evictor->run->n = 1;
	evictor->run->page[0] = HOLE;
	evictor->run->generation[0] = fields.generation;
	evictor->run->phase = RUN_SPLICED;
	journal_ring(guest.pager->journal)[0] = (struct uffd_msg){
		.event = UFFD_EVENT_REMOVE,
		.arg.remove = { .start = (uintptr_t)guest.page[HOLE],
				.end = (uintptr_t)guest.page[HOLE + 1] },
	};
	punch(&guest, HOLE);
	guest_pager_stop(guest.pager);
	guest.pager = NULL;
	CU_ASSERT(killed_at(&guest, "restart_published", 1));
	UNIT_CHECK(guest_resume(&guest, &err) == 0, "%s", err.text);
	CU_ASSERT_FATAL(guest.pager != NULL);
	CU_ASSERT(count_wrong(&guest, 1) == 0);
}

/* ---- pages that no slot takes, on their way back: the second is behind the first ---- */

static void write_and_discard(struct guest *guest)
{
	guest->page[HOLE][0] = 2;
	punch(guest, HOLE);
}

/* It is in its file, and its entry does not say so yet */
static void die_putting_back(const char *label)
{
	if (strcmp(label, "evict_put_back") != 0)
		return;
	write_and_discard(restarted);
	madvise(restarted->page[HOLE], PAGE_BYTES, MADV_DONTNEED);
	pthread_exit(NULL);
}

static void die_with_all_staged(const char *label)
{
	if (strcmp(label, "evict_store") == 0)
		pthread_exit(NULL);
}

static void die_with_both_loading(const char *label)
{
	uint64_t page;

	if (strcmp(label, "evict_store") != 0)
		return;
	for (page = HOLE; page < HOLE + 2; page++) {
		struct page_fields fields = fields_of(restarted, page);

		/* As take_back() does */
		fields.state = PAGE_LOADING;
		fields.discarded = false;
		plant(restarted, page, fields);
	}
	pthread_exit(NULL);
}

static void *evict_holes(void *arg)
{
	const uint64_t pages[] = { HOLE, HOLE + 1 };
	struct guest *guest = arg;

	evict_run(guest->pager, &guest->pager->evictor[1], pages, 2);
	return NULL;
}

/* A guest that only has a tier for pages of one value, evicted from until it is killed at a step */
static void evict_until(struct guest *guest, void (*step)(const char *label))
{
	pthread_t thread;

	fill(guest, 1);
	guest->page[HOLE][0] = guest->page[HOLE + 1][0] = 1;
	guest->options.n_tiers = 1;
	quiet(guest);
	restarted = guest;
	on_step = step;
	CU_ASSERT_FATAL(pthread_create(&thread, NULL, evict_holes, guest) == 0);
	pthread_join(thread, NULL);
	on_step = NULL;
	guest_pager_stop(guest->pager);
	guest->pager = NULL;
}

/* Both are in their file; the first is as it was, or zeros */
static void check_back(struct guest *guest, bool zero)
{
	UNIT_CHECK(zero ? page_is_zero(guest, HOLE) : guest->page[HOLE][0] == 1, "%lu",
		   guest->page[HOLE][0]);
	CU_ASSERT(guest->page[HOLE + 1][0] == 1);
	CU_ASSERT(SOON(fields_of(guest, HOLE).state == PAGE_RESIDENT));
	write_page(guest, HOLE, 1);
	write_page(guest, HOLE + 1, 1);
	CU_ASSERT(count_wrong(guest, 1) == 0);
	CU_ASSERT(guest->alarms == 0);
}

static void test_killed_putting_back(void)
{
	struct err err = { "" };

	GUEST(guest, 2 * PAGES);
	evict_until(&guest, die_putting_back);
	UNIT_CHECK(guest_resume(&guest, &err) == 0, "%s", err.text);
	CU_ASSERT_FATAL(guest.pager != NULL);
	check_back(&guest, true);
}

static void test_killed_before_putting_back(void)
{
	struct err err = { "" };

	GUEST(guest, 2 * PAGES);
	evict_until(&guest, die_with_all_staged);
	CU_ASSERT(killed_at(&guest, "take_back", 1));
	CU_ASSERT(killed_at(&guest, "take_back", 2));
	UNIT_CHECK(guest_resume(&guest, &err) == 0, "%s", err.text);
	CU_ASSERT_FATAL(guest.pager != NULL);
	check_back(&guest, false);
}

/* The same in a restart, and the next one only finds the message */
static void test_restart_killed_putting_back(void)
{
	struct err err = { "" };

	GUEST(guest, 2 * PAGES);
	evict_until(&guest, die_with_all_staged);
	CU_ASSERT(killed_at(&guest, "restart_put_back", 1));
	write_and_discard(&guest);
	discarders = 0;
	discarder_start(discarder, &guest, HOLE);
	CU_ASSERT(SOON(discarders == 1));
	clock_sleep_ms(50);
	UNIT_CHECK(guest_resume(&guest, &err) == 0, "%s", err.text);
	CU_ASSERT_FATAL(guest.pager != NULL);
	pthread_join(discarder[0].thread, NULL);
	check_back(&guest, true);
}

/* As discards_apply() does while the first page is put back */
static void discard_second(const char *label)
{
	page_entry entry = page_map_get(restarted->map, HOLE + 1);
	struct page_fields fields = page_entry_fields(entry);

	fields.discarded = true;
	if (strcmp(label, "take_back") == 0 && fields.state == PAGE_LOADING)
		CU_ASSERT(page_map_swap(restarted->map, HOLE + 1, &entry, page_entry_make(fields)));
}

/* What it wrote there is newer than what is staged: neither may come back */
static void test_told_while_putting_back(void)
{
	struct err err = { "" };

	GUEST(guest, 2 * PAGES);
	evict_until(&guest, die_with_both_loading);
	on_step = discard_second;
	UNIT_CHECK(guest_resume(&guest, &err) == 0, "%s", err.text);
	on_step = NULL;
	CU_ASSERT_FATAL(guest.pager != NULL);
	CU_ASSERT(page_is_zero(&guest, HOLE + 1));
	guest.page[HOLE + 1][0] = 1;
	check_back(&guest, false);
}

static int always_discarding(const struct uffd *uffd, unsigned long request, void *argument)
{
	return request == UFFDIO_WRITEPROTECT ? -EAGAIN : uffd_ioctl(uffd, request, argument);
}

/* As it is before they begin */
static void end_threads(struct guest_pager *pager)
{
	pager->stop = true;
	pager_wake(pager->wake_fault);
	for (; pager->n_evict_threads; pager->n_evict_threads--) {
		pager_wake(pager->wake_evict);
		pthread_join(pager->evict_thread[pager->n_evict_threads - 1], NULL);
	}
	pthread_join(pager->fault_thread, NULL);
	pager->fault_thread_runs = false;
	pager->stop = false;
}

/* What is protected then stays so until it is written to */
static void test_endless_discards(void)
{
	struct err err = { "" };

	GUEST(guest, 2 * PAGES);
	fill(&guest, 1);
	quiet(&guest);
	end_threads(guest.pager);
	guest.pager->uffd.ioctl = always_discarding;
	UNIT_CHECK(restart_guest(guest.pager, &err) == 0, "%s", err.text);
	guest.pager->uffd.ioctl = uffd_ioctl;
	CU_ASSERT(count_wrong(&guest, 1) == 0);
}

/* While a guest does not fault, its memory is looked for each ten seconds only */
static bool alarm_after_look(struct guest *guest, const char *words)
{
	pager_wake(guest->pager->wake_evict);
	return alarm_has(guest, words);
}

/* A process that executes another program keeps its descriptors' numbers and loses its memory */
static void test_exec(void)
{
	struct adopted adopted = { .pipe = { -1, -1, -1, -1 } };
	struct pager_statistics s;
	struct err err = { "" };
	int tell[2], go[2], number, status;
	struct ram ram;
	pid_t pid;

	GUEST(guest, 2 * PAGES);
	CU_ASSERT_FATAL(pipe2(tell, O_CLOEXEC) == 0 && pipe2(go, O_CLOEXEC) == 0);
	pid = fork();
	if (pid == 0) {
		char *const argv[] = { "sleep", "60", NULL };

		number = open_uffd();
		if (write(tell[1], &number, sizeof(number)) != sizeof(number) ||
		    read(go[0], &number, 1) != 1)
			unit_end_child(1);
		execv("/bin/sleep", argv);
		unit_end_child(1);
	}
	CU_ASSERT_FATAL(read(tell[0], &number, sizeof(number)) == sizeof(number));
	adopted = adopted_of(&guest);
	close(adopted.pidfd);
	close(adopted.uffd);
	adopted.pidfd = pidfd_of(pid);
	adopted.uffd = pidfd_take(adopted.pidfd, number);
	adopted.identity.pid = pid;
	ram = ram_of(&guest);
	UNIT_CHECK(guest_pager_start(&guest.pager, &adopted, &ram, &guest.options, &err) == 0, "%s",
		   err.text);
	CU_ASSERT_FATAL(guest.pager != NULL && write(go[1], "", 1) == 1);
	guest.pager->ends_within_ms = 100;
	CU_ASSERT(SOON(alarm_after_look(&guest, "another program")));
	guest_pager_statistics(guest.pager, &s);
	CU_ASSERT(s.gone);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	close(tell[0]);
	close(tell[1]);
	close(go[0]);
	close(go[1]);
}

/* ---- memory errors of the host ---- */

/* An access here is a SIGBUS from now on, as it is where the host's memory is broken */
static void break_page(void *at)
{
	int empty = memfd_create("broken", MFD_CLOEXEC);

	/* Not by mmap(), which a sanitizer takes for a write of ours */
	CU_ASSERT_FATAL(syscall(SYS_mmap, at, PAGE_BYTES, PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_FIXED, empty, 0) == (long)at);
	close(empty);
}

/* Where the pager has its slots mapped */
static char *slots_memory(const struct guest *guest)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long address, inode, found = 0;
	struct stat st;
	char line[512];

	CU_ASSERT_FATAL(fstatat(guest->directory, "slots", &st, 0) == 0);
	while (fgets(line, sizeof(line), maps))
		if (sscanf(line, "%lx-%*x %*s %*s %*s %lu", &address, &inode) == 2 &&
		    inode == st.st_ino && !found)
			found = address;
	fclose(maps);
	CU_ASSERT_FATAL(found != 0);
	return (char *)found;
}

/* A sanitizer has all signals blocked in a handler, which is jumped out of */
static void on_error(int signal, siginfo_t *info, void *context)
{
	pthread_sigmask(SIG_SETMASK, &((ucontext_t *)context)->uc_sigmask, NULL);
	guest_pager_sigbus(signal, info, context);
}

static void catch_errors(void)
{
	struct sigaction bus = { .sa_sigaction = on_error, .sa_flags = SA_SIGINFO | SA_NODEFER };

	sigaction(SIGBUS, &bus, NULL);
}

/* 300 to 307 are out, in slots one behind the other; the memory of 301 and 302 is broken */
static struct evictor *two_lost(struct guest *guest)
{
	const uint64_t pages[] = { 300, 301, 302, 303, 304, 305, 306, 307 };
	struct evictor *evictor;

	catch_errors();
	guest->options.no_prefetch = true;
	fill_with_noise(guest);
	evictor = quiet(guest);
	CU_ASSERT(evict_run(guest->pager, evictor, pages, 8) == 8);
	break_page(slots_memory(guest) + 2 * PAGE_BYTES);
	return evictor;
}

/* The pager lives, the guest is told of these pages, and no other page is wrong */
static void test_broken_slots(void)
{
	uint64_t page, wrong = 0, errors = 0, more[32];
	struct evictor *evictor;

	GUEST(guest, 2 * PAGES);
	evictor = two_lost(&guest);
	for (page = 0; page < PAGES; page++) {
		enum read_result result = read_noise(&guest, page);

		wrong += result == READ_WRONG;
		errors += result == READ_ERROR;
	}
	UNIT_CHECK(wrong == 0 && errors == 2, "%lu, %lu", wrong, errors);
	CU_ASSERT(read_noise(&guest, 301) == READ_ERROR && read_noise(&guest, 302) == READ_ERROR);
	CU_ASSERT(fields_of(&guest, 301).bad && !fields_of(&guest, 303).bad);
	CU_ASSERT(alarm_has(&guest, "memory error"));
	/* Their slots are no other page's */
	drop_clean_slots(guest.pager, SLOTS_IN_MEMORY, PAGES);
	for (page = 0; page < 32; page++)
		more[page] = 400 + page;
	CU_ASSERT(evict_run(guest.pager, evictor, more, 32) == 32);
	for (page = 400; page < 432; page++)
		CU_ASSERT(read_noise(&guest, page) == READ_RIGHT);
}

/* Slots that are broken when the pager stores a page in them, or frees them */
static void test_broken_free_slots(void)
{
	const uint64_t pages[] = { 500, 501, 502, 503, 504, 505 };
	struct evictor *evictor;
	uint64_t page;

	GUEST(guest, 2 * PAGES);
	evictor = two_lost(&guest);
	for (page = 301; page < 303; page++)
		madvise(guest.page[page], PAGE_BYTES, MADV_REMOVE);
	CU_ASSERT(SOON(fields_of(&guest, 302).state == PAGE_ZERO));
	CU_ASSERT(evict_run(guest.pager, evictor, pages, 6) == 6);
	CU_ASSERT(page_is_zero(&guest, 301) && page_is_zero(&guest, 302));
	for (page = 0; page < PAGES; page++)
		if (page != 301 && page != 302)
			CU_ASSERT(read_noise(&guest, page) == READ_RIGHT);
	CU_ASSERT(guest.alarms == 0);
}

static unsigned char *staged;

static void break_staging(const char *label)
{
	if (staged && strcmp(label, "evict_stage") == 0) {
		break_page(staged + PAGE_BYTES);
		staged = NULL;
	}
}

/* The memory between pipe and slot: the page that was there is lost; later ones come to lie
 * elsewhere */
static void test_broken_staging(void)
{
	const uint64_t pages[] = { 300, 301, 302 }, later[] = { 310, 311, 312 },
		       last[] = { 320, 321, 322 };
	struct evictor *evictor;

	GUEST(guest, 2 * PAGES);
	catch_errors();
	guest.options.no_prefetch = true;
	fill_with_noise(&guest);
	evictor = quiet(&guest);
	staged = evictor->staging;
	on_step = break_staging;
	CU_ASSERT(evict_run(guest.pager, evictor, pages, 3) == 2);
	on_step = NULL;
	CU_ASSERT(read_noise(&guest, 300) == READ_RIGHT && read_noise(&guest, 302) == READ_RIGHT);
	CU_ASSERT(read_noise(&guest, 301) == READ_ERROR);
	CU_ASSERT(evict_run(guest.pager, evictor, later, 3) == 3);
	/* Broken while nothing is there: nothing is lost */
	break_page(evictor->staging + PAGE_BYTES);
	CU_ASSERT(evict_run(guest.pager, evictor, last, 3) == 3);
	CU_ASSERT(read_noise(&guest, 311) == READ_RIGHT && read_noise(&guest, 321) == READ_RIGHT);
	CU_ASSERT(!evictor->broken);
}

static size_t lock_offset;

/* As the memory is when the next pager has it mapped: two pages of the staging are broken */
static void break_when_locked(const char *at, size_t bytes)
{
	if (bytes < lock_offset + 2 * PAGE_BYTES)
		return;
	on_lock = NULL;
	break_page((void *)(uintptr_t)(at + lock_offset));
	break_page((void *)(uintptr_t)(at + lock_offset + PAGE_BYTES));
}

/* The same, and the pager dies before it has other memory there.  Of a run that it leaves, 300 and
 * 301 are in the staging, and 302 in the pipe */
static void test_broken_staging_left(void)
{
	const uint64_t more[] = { 310, 311, 312 };
	struct evictor *evictor;
	struct err err = { "" };
	uint64_t page;
	size_t i;

	GUEST(guest, 2 * PAGES);
	catch_errors();
	guest.options.no_prefetch = true;
	fill_with_noise(&guest);
	evictor = quiet(&guest);
	lock_offset = (size_t)((const char *)evictor->staging -
			       (const char *)((uintptr_t)journal_ring(guest.pager->journal) &
					      ~(uintptr_t)(PAGE_BYTES - 1))) +
		      PAGE_BYTES;
	for (i = 0; i < 3; i++) {
		struct page_fields fields = fields_of(&guest, 300 + i);

		fields.state = PAGE_LEAVING;
		evictor->run->page[i] = 300 + i;
		evictor->run->generation[i] = fields.generation;
		if (i < 2)
			memcpy(evictor->staging + i * PAGE_BYTES, guest.page[300 + i], PAGE_BYTES);
		else
			CU_ASSERT(write(evictor->pipe_write, guest.page[302], PAGE_BYTES) ==
				  PAGE_BYTES);
		plant(&guest, 300 + i, fields);
		punch(&guest, 300 + i);
	}
	evictor->run->n = 3;
	evictor->run->phase = RUN_SPLICED;
	guest_pager_stop(guest.pager);
	guest.pager = NULL;
	on_lock = break_when_locked;
	UNIT_CHECK(guest_resume(&guest, &err) == 0, "%s", err.text);
	CU_ASSERT(on_lock == NULL);
	CU_ASSERT_FATAL(guest.pager != NULL);
	CU_ASSERT(alarm_has(&guest, "memory error"));
	guest.pager->stop_evicting = true;
	CU_ASSERT(read_noise(&guest, 301) == READ_ERROR);
	for (page = 0; page < PAGES; page++)
		if (page != 301)
			CU_ASSERT(read_noise(&guest, page) == READ_RIGHT);
	/* And none of its memory is broken any more */
	evictor = &guest.pager->evictor[1];
	for (i = 0; i < RUN_PAGES_MAX; i++)
		CU_ASSERT(memory_copy(&page, evictor->staging + i * PAGE_BYTES, 8));
	CU_ASSERT(evict_run(guest.pager, evictor, more, 3) == 3);
	CU_ASSERT(read_noise(&guest, 311) == READ_RIGHT);
}

/* A write-protection that outlived its page is in the way of telling the guest.  One that was told
 * before, by a pager that was killed then, is told */
static void *read_broken(void *arg)
{
	struct reader *reader = arg;

	reader->right = read_noise(reader->guest, reader->page) == READ_ERROR;
	reader->done = true;
	return NULL;
}

static void test_told(void)
{
	struct page_fields fields;
	struct reader reader;

	GUEST(guest, 2 * PAGES);
	two_lost(&guest);
	CU_ASSERT(uffd_write_protect(&guest.pager->uffd, (uintptr_t)guest.page[301], 2 * PAGE_BYTES,
				     true) == 0);
	CU_ASSERT(read_noise(&guest, 301) == READ_ERROR && read_noise(&guest, 302) == READ_ERROR);
	CU_ASSERT(alarm_has(&guest, "the guest was told"));
	pager_alarm_over(guest.pager, ALARM_LOST);
	fields = fields_of(&guest, 301);
	lose_page(guest.pager, fields, 301);
	CU_ASSERT(alarm_has(&guest, "the guest was told"));
	/* A discard takes that away.  Its message was read before, while the page was on its way
	 * out */
	madvise(guest.page[301], PAGE_BYTES, MADV_DONTNEED);
	CU_ASSERT(SOON(fields_of(&guest, 301).discarded));
	entry_settle(guest.pager, 301, (struct page_fields){ .state = PAGE_RESIDENT, .bad = true });
	reader = (struct reader){ .guest = &guest, .page = 301 };
	CU_ASSERT_FATAL(pthread_create(&reader.thread, NULL, read_broken, &reader) == 0);
	CU_ASSERT(SOON(reader.done));
	if (!reader.done)
		madvise(guest.page[301], PAGE_BYTES, MADV_DONTNEED);
	CU_ASSERT(reader_was_right(&reader));
}

static struct {
	struct guest *guest;
	_Atomic bool done;
} loser;

static void *lose_one(void *arg)
{
	struct page_fields fields = { .state = PAGE_LEAVING };

	entry_settle(loser.guest->pager, 0, fields);
	punch(loser.guest, 0);
	lose_page(loser.guest->pager, fields, 0);
	loser.done = true;
	return arg;
}

/*
 * With one pipe the thread that serves faults waits for the one that evicts.  That one may have to
 * tell the guest of a memory error, which the kernel refuses until a discard's message is read.
 */
static void test_one_pipe(void)
{
	struct discarder other = { .page = PAGES - 1 };
	struct reader reader;
	pthread_t thread;
	uint64_t page;

	GUEST(guest, 200);
	catch_errors();
	guest.pipes = 1;
	fill(&guest, 1);
	guest_begin(&guest);
	CU_ASSERT_FATAL(SOON(count_state(&guest, PAGE_RESIDENT) <= 200));
	for (page = 0; page < 2; page++)
		CU_ASSERT(page_is(&guest, page, 1));
	pthread_mutex_lock(&guest.pager->evictor[0].lock);
	guest_pager_set_limit(guest.pager, 50);
	reader_start(&reader, &guest, some_evicted(&guest), 1);
	clock_sleep_ms(100);
	CU_ASSERT(!reader.done);
	discarders = 0;
	discarder_start(&other, &guest, PAGES - 1);
	CU_ASSERT(SOON(discarders == 1));
	clock_sleep_ms(20);
	loser.guest = &guest;
	loser.done = false;
	CU_ASSERT_FATAL(pthread_create(&thread, NULL, lose_one, NULL) == 0);
	CU_ASSERT(SOON(loser.done));
	if (!loser.done)
		guest.pager->stop = true;
	pthread_join(thread, NULL);
	pthread_mutex_unlock(&guest.pager->evictor[0].lock);
	CU_ASSERT_FATAL(!guest.pager->stop);
	pthread_join(other.thread, NULL);
	CU_ASSERT(reader_was_right(&reader));
}

/* A page is discarded while its fault waits for room: it is zeros now, and who waits is told */
static void test_discarded_while_waiting(void)
{
	struct reader reader;

	GUEST(guest, 200);
	guest.pipes = 1;
	fill(&guest, 1);
	guest_begin(&guest);
	CU_ASSERT_FATAL(SOON(count_state(&guest, PAGE_RESIDENT) <= 200));
	pthread_mutex_lock(&guest.pager->evictor[0].lock);
	guest_pager_set_limit(guest.pager, 50);
	reader_start(&reader, &guest, some_evicted(&guest), 0);
	clock_sleep_ms(100);
	CU_ASSERT(!reader.done);
	CU_ASSERT(madvise(guest.page[reader.page], PAGE_BYTES, MADV_REMOVE) == 0);
	pthread_mutex_unlock(&guest.pager->evictor[0].lock);
	CU_ASSERT(SOON(reader.done));
	if (!reader.done)
		pager_wake_page(guest.pager, reader.page);
	CU_ASSERT(reader_was_right(&reader));
}

/* A page that was ZERO is no more when there is room for it: what it is now counts */
static void test_changed_while_waiting(void)
{
	uint64_t content[WORDS];
	struct page_place place;
	struct reader reader;
	size_t i;

	GUEST(guest, 200);
	guest.pipes = 1;
	fill(&guest, 1);
	punch(&guest, HOLE);
	guest_begin(&guest);
	CU_ASSERT_FATAL(SOON(count_state(&guest, PAGE_RESIDENT) <= 200));
	CU_ASSERT_FATAL(fields_of(&guest, HOLE).state == PAGE_ZERO);
	for (i = 0; i < WORDS; i++)
		content[i] = (uint64_t)HOLE << 32 | 5;
	CU_ASSERT_FATAL(tiers_store(guest.pager->tiers, content, &place) == 0);
	pthread_mutex_lock(&guest.pager->evictor[0].lock);
	guest_pager_set_limit(guest.pager, 50);
	reader_start(&reader, &guest, HOLE, 5);
	clock_sleep_ms(100);
	CU_ASSERT(!reader.done);
	entry_settle(guest.pager, HOLE,
		     (struct page_fields){ .state = PAGE_EVICTED,
					   .has_slot = true,
					   .tier = place.tier,
					   .slot = place.slot });
	pthread_mutex_unlock(&guest.pager->evictor[0].lock);
	CU_ASSERT(reader_was_right(&reader));
}

static void break_slab(const char *label)
{
	if (strcmp(label, "restart_sought") == 0)
		break_page(slots_memory(restarted));
}

/* The next pager can't tell what is in a slab whose first bytes are broken: its pages are lost, and
 * nothing else */
static void test_broken_slab(void)
{
	uint64_t page, pages[32], wrong = 0, errors = 0;
	struct evictor *evictor;
	struct err err = { "" };

	GUEST(guest, 2 * PAGES);
	catch_errors();
	guest.options.no_prefetch = true;
	fill_with_noise(&guest);
	evictor = quiet(&guest);
	for (page = 0; page < 32; page++)
		pages[page] = 300 + page;
	CU_ASSERT(evict_run(guest.pager, evictor, pages, 32) == 32);
	guest_pager_stop(guest.pager);
	restarted = &guest;
	on_step = break_slab;
	UNIT_CHECK(guest_resume(&guest, &err) == 0, "%s", err.text);
	on_step = NULL;
	CU_ASSERT_FATAL(guest.pager != NULL);
	guest.pager->stop_evicting = true;
	/* Nothing else comes to lie there */
	for (page = 0; page < 32; page++)
		pages[page] = 600 + page;
	CU_ASSERT(evict_run(guest.pager, &guest.pager->evictor[1], pages, 32) == 32);
	for (page = 0; page < PAGES; page++) {
		enum read_result result = read_noise(&guest, page);

		wrong += result == READ_WRONG;
		errors += result == READ_ERROR;
	}
	UNIT_CHECK(wrong == 0 && errors == 15, "%lu, %lu", wrong, errors);
}

static int no_poison(const struct uffd *uffd, unsigned long request, void *argument)
{
	return _IOC_NR(request) == 8 ? -EINVAL : uffd_ioctl(uffd, request, argument);
}

/* Before Linux 6.6 a guest can't be told: who asks for the page waits, also after discards near it,
 * until a pager can */
static void test_lost_silently(void)
{
	struct err err = { "" };
	struct reader reader;

	GUEST(guest, 2 * PAGES);
	two_lost(&guest);
	/* The threads that call it lock this, or are woken, before they do */
	pthread_mutex_lock(&guest.pager->gate);
	guest.pager->uffd.ioctl = no_poison;
	pthread_mutex_unlock(&guest.pager->gate);
	pager_wake(guest.pager->wake_evict);
	madvise(guest.page[299], PAGE_BYTES, MADV_REMOVE);
	reader = (struct reader){ .guest = &guest, .page = 301 };
	CU_ASSERT_FATAL(pthread_create(&reader.thread, NULL, read_broken, &reader) == 0);
	CU_ASSERT(SOON(alarm_has(&guest, "waits")));
	clock_sleep_ms(100);
	CU_ASSERT(!reader.done && fields_of(&guest, 301).bad);
	guest_pager_stop(guest.pager);
	UNIT_CHECK(guest_resume(&guest, &err) == 0, "%s", err.text);
	CU_ASSERT_FATAL(guest.pager != NULL);
	/* One that can tells it */
	CU_ASSERT(reader_was_right(&reader));
	/* Told, and after that written down */
	CU_ASSERT(SOON(fields_of(&guest, 301).state == PAGE_RESIDENT));
	CU_ASSERT(fields_of(&guest, 301).bad);
	CU_ASSERT(guest_pager_detach(guest.pager, 1000, &err) == -EIO);
	/* Until the guest does not need it any more */
	madvise(guest.page[301], PAGE_BYTES, MADV_DONTNEED);
	CU_ASSERT(page_is_zero(&guest, 301));
}

/* What the host found in passing is sent to any thread: it is nothing that this one did */
static void test_error_in_passing(void)
{
	siginfo_t info = { .si_signo = SIGBUS, .si_code = BUS_MCEERR_AO };
	struct memory_guard guard;
	bool jumped = true;

	catch_errors();
	CU_ASSERT(syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGBUS, &info) == 0);
	if (MEMORY_GUARDED(&guard)) {
		CU_ASSERT(syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGBUS, &info) == 0);
		memory_guard_pop(&guard);
		jumped = false;
	}
	CU_ASSERT(!jumped);
}

/* ---- the order of steps ---- */

static struct guest *watched;
static uint64_t watched_page;
static _Atomic unsigned int steps_seen, steps_wrong;

static void watch(struct guest *guest, uint64_t page, void (*step)(const char *label))
{
	watched = guest;
	watched_page = page;
	steps_seen = steps_wrong = 0;
	on_step = step;
}

/* In the thread that has just read: the messages are where a successor finds them, and no run is
 * published until they are applied */
static void while_reading(const char *label)
{
	const struct uffd_msg *ring = journal_ring(watched->pager->journal);
	bool read = strcmp(label, "faults_read") == 0;

	if (steps_seen == 2 && strcmp(label, "ring_cleared") == 0) {
		steps_wrong += ring[0].event != 0;
		steps_seen++;
	}
	if ((!read && strcmp(label, "discards_applied") != 0) || ring[0].event != UFFD_EVENT_REMOVE)
		return;
	steps_seen++;
	if (pthread_mutex_trylock(&watched->pager->gate) == 0) {
		pthread_mutex_unlock(&watched->pager->gate);
		steps_wrong++;
	}
	steps_wrong += fields_of(watched, watched_page).state != (read ? PAGE_EVICTED : PAGE_ZERO);
}

static void test_reading(void)
{
	const uint64_t pages[] = { 90 };
	struct evictor *evictor;

	GUEST(guest, 2 * PAGES);
	fill(&guest, 1);
	evictor = quiet(&guest);
	CU_ASSERT(evict_run(guest.pager, evictor, pages, 1) == 1);
	watch(&guest, 90, while_reading);
	madvise(guest.page[90], PAGE_BYTES, MADV_REMOVE);
	CU_ASSERT(SOON(steps_seen >= 3));
	on_step = NULL;
	UNIT_CHECK(steps_seen == 3 && steps_wrong == 0, "%u, %u", steps_seen, steps_wrong);
}

static void *evict_watched(void *arg)
{
	struct guest *guest = arg;

	evict_run(guest->pager, &guest->pager->evictor[1], &watched_page, 1);
	return NULL;
}

static void while_storing(const char *label)
{
	steps_seen += strcmp(label, "evict_store") == 0;
}

/* While messages are read and not applied yet, no page that they are about becomes EVICTED */
static void test_publishing_waits(void)
{
	pthread_t thread;

	GUEST(guest, 2 * PAGES);
	fill(&guest, 1);
	quiet(&guest);
	watch(&guest, 91, while_storing);
	pthread_mutex_lock(&guest.pager->gate);
	CU_ASSERT_FATAL(pthread_create(&thread, NULL, evict_watched, &guest) == 0);
	CU_ASSERT(SOON(steps_seen == 1));
	clock_sleep_ms(50);
	CU_ASSERT(fields_of(&guest, 91).state == PAGE_LEAVING);
	pthread_mutex_unlock(&guest.pager->gate);
	pthread_join(thread, NULL);
	on_step = NULL;
	CU_ASSERT(fields_of(&guest, 91).state == PAGE_EVICTED);
	CU_ASSERT(page_is(&guest, 91, 1));
}

/* What a kill there would leave: an entry that names a slot names its content, and until it names
 * the new one, the old one is no other page's */
static void while_moving(const char *label)
{
	struct page_fields fields = fields_of(watched, watched_page);
	struct tier_usage usage[TIERS_MAX];
	uint64_t slots;

	tiers_usage(watched->pager->tiers, usage, TIERS_MAX);
	slots = usage[TIER_RAM].pages;
	if (strcmp(label, "evict_store") == 0)
		steps_wrong += fields.state != PAGE_LEAVING || slots != 2;
	else if (strcmp(label, "evict_publish") == 0)
		steps_wrong +=
			fields.state != PAGE_EVICTED || slots != 2 ||
			!slot_holds(watched->pager, fields, watched->pager->evictor[1].staging);
	else if (strcmp(label, "load_fetched") == 0 || strcmp(label, "load_copied") == 0)
		steps_wrong += fields.state != PAGE_LOADING || slots != 1;
	else
		return;
	steps_seen++;
}

static void test_slots_outlive_entries(void)
{
	const uint64_t pages[] = { 92 };
	struct tier_usage usage[TIERS_MAX];
	struct evictor *evictor;

	GUEST(guest, 2 * PAGES);
	guest.options.no_prefetch = true;
	fill_with_noise(&guest);
	evictor = quiet(&guest);
	CU_ASSERT(evict_run(guest.pager, evictor, pages, 1) == 1);
	watch(&guest, 92, while_moving);
	CU_ASSERT(read_noise(&guest, 92) == READ_RIGHT);
	CU_ASSERT(SOON(fields_of(&guest, 92).state == PAGE_RESIDENT && steps_seen >= 2));
	guest.page[92][0]++;
	CU_ASSERT(evict_run(guest.pager, evictor, pages, 1) == 1);
	on_step = NULL;
	UNIT_CHECK(steps_seen == 4 && steps_wrong == 0, "%u, %u", steps_seen, steps_wrong);
	tiers_usage(guest.pager->tiers, usage, TIERS_MAX);
	CU_ASSERT(usage[TIER_RAM].pages == 1);
}

static void *write_it(void *arg)
{
	struct reader *reader = arg;

	write_page(reader->guest, reader->page, 2);
	reader->done = true;
	return NULL;
}

/* A write to a page that no thread takes out goes on, although it was protected */
static void test_protected(void)
{
	struct reader writer = { .page = 93 };

	GUEST(guest, 2 * PAGES);
	fill(&guest, 1);
	quiet(&guest);
	writer.guest = &guest;
	CU_ASSERT(uffd_write_protect(&guest.pager->uffd, (uintptr_t)guest.page[93], PAGE_BYTES,
				     true) == 0);
	CU_ASSERT_FATAL(pthread_create(&writer.thread, NULL, write_it, &writer) == 0);
	CU_ASSERT_FATAL(SOON(writer.done));
	pthread_join(writer.thread, NULL);
	CU_ASSERT(page_is(&guest, 93, 2));
}

/* ---- faults beside threads that move pages ---- */

static struct reader late_reader;

/* In a thread that loads a page by COPY: it is discarded before its entry is RESIDENT, and asked
 * for again.  That fault is left to this thread */
static void discard_and_ask(const char *label)
{
	if (strcmp(label, "fault_served") == 0)
		steps_seen++;
	if (strcmp(label, "load_copied") != 0 || late_reader.thread)
		return;
	madvise(watched->page[watched_page], PAGE_BYTES, MADV_REMOVE);
	steps_seen = 0;
	reader_start(&late_reader, watched, watched_page, 0);
	CU_ASSERT(SOON(steps_seen > 0));
}

static void test_asked_while_loading(void)
{
	const uint64_t pages[] = { 94 };
	struct mover mover;
	struct err err = { "" };

	GUEST(guest, 2 * PAGES);
	fill(&guest, 1);
	CU_ASSERT(evict_run(guest.pager, quiet(&guest), pages, 1) == 1);
	CU_ASSERT_FATAL(mover_open(&mover, MOVER_LOADS, &err) == 0);
	late_reader = (struct reader){ 0 };
	watch(&guest, 94, discard_and_ask);
	CU_ASSERT(load_page(guest.pager, &mover, 94) == 0);
	CU_ASSERT(SOON(late_reader.done));
	if (!late_reader.done)
		pager_wake_page(guest.pager, 94);
	CU_ASSERT(reader_was_right(&late_reader));
	on_step = NULL;
	mover_close(&mover);
}

static pthread_t protecting;

/* In the thread that serves faults, which has found the page RESIDENT: it is to go meanwhile */
static void evict_while_allowing(const char *label)
{
	if (strcmp(label, "evict_protected") == 0)
		steps_seen++;
	if (strcmp(label, "write_allowing") != 0 || protecting)
		return;
	pthread_create(&protecting, NULL, evict_watched, watched);
	SOON(fields_of(watched, watched_page).state == PAGE_LEAVING);
	clock_sleep_ms(50);
	steps_wrong += steps_seen;
}

/* A run keeps its protection: what is allowed to write to it could pin it after pins were waited
 * for */
static void test_protection_of_runs(void)
{
	struct reader writer = { .page = 94 };

	GUEST(guest, 2 * PAGES);
	guest.options.pins = PINS_WAIT;
	fill(&guest, 1);
	quiet(&guest);
	writer.guest = &guest;
	protecting = 0;
	watch(&guest, 94, evict_while_allowing);
	CU_ASSERT(uffd_write_protect(&guest.pager->uffd, (uintptr_t)guest.page[94], PAGE_BYTES,
				     true) == 0);
	CU_ASSERT_FATAL(pthread_create(&writer.thread, NULL, write_it, &writer) == 0);
	CU_ASSERT_FATAL(SOON(writer.done));
	pthread_join(writer.thread, NULL);
	CU_ASSERT_FATAL(protecting != 0);
	pthread_join(protecting, NULL);
	on_step = NULL;
	UNIT_CHECK(steps_seen == 1 && steps_wrong == 0, "%u, %u", steps_seen, steps_wrong);
	CU_ASSERT(page_is(&guest, 94, 2));
}

/* The second piece of a run can't be protected, so the run is given up */
static int refuse_second(const struct uffd *uffd, unsigned long request, void *argument)
{
	const struct uffdio_writeprotect *protect = argument;

	if (request != UFFDIO_WRITEPROTECT)
		return uffd_ioctl(uffd, request, argument);
	if (protect->mode & UFFDIO_WRITEPROTECT_MODE_WP)
		return ++steps_seen == 2 ? -EAGAIN : uffd_ioctl(uffd, request, argument);
	steps_wrong += fields_of(watched, watched_page).state != PAGE_LEAVING &&
		       protect->range.start == (uintptr_t)watched->page[watched_page];
	return uffd_ioctl(uffd, request, argument);
}

/* A page is not RESIDENT, where another run may claim and protect it, before its writes are allowed
 */
static void test_given_back(void)
{
	const uint64_t pages[] = { 94, 96 };

	GUEST(guest, 2 * PAGES);
	guest.options.pins = PINS_WAIT;
	fill(&guest, 1);
	quiet(&guest);
	watch(&guest, 94, NULL);
	guest.pager->uffd.ioctl = refuse_second;
	CU_ASSERT(evict_run(guest.pager, &guest.pager->evictor[1], pages, 2) == -EBUSY);
	guest.pager->uffd.ioctl = uffd_ioctl;
	UNIT_CHECK(steps_seen == 2 && steps_wrong == 0, "%u, %u", steps_seen, steps_wrong);
	write_page(&guest, 94, 2);
	CU_ASSERT(page_is(&guest, 94, 2));
}

static int nothing_registered(const struct uffd *uffd, unsigned long request, void *argument)
{
	return request == UFFDIO_UNREGISTER ? -EINVAL : uffd_ioctl(uffd, request, argument);
}

/* Memory that was unplugged: nothing is there to be let go */
static void test_nothing_registered(void)
{
	static struct guest_pager other;
	struct err err = { "" };

	GUEST(guest, 2 * PAGES);
	guest_begin(&guest);
	other.ram = guest.pager->ram;
	other.uffd = (struct uffd){ .fd = guest.uffd, .ioctl = nothing_registered };
	CU_ASSERT(unregister_all(&other, &err) == 0);
}

/* ---- detach ---- */

static int no_room(void *arg, uint64_t bytes, struct err *err)
{
	*(uint64_t *)arg = bytes;
	return err_set(err, ENOMEM, "no room");
}

static void test_detach(void)
{
	struct err err = { "" };
	uint64_t asked = 0;

	GUEST(guest, 100);
	guest.options.room = no_room;
	guest.options.room_arg = &asked;
	fill(&guest, 1);
	guest_begin(&guest);
	CU_ASSERT_FATAL(SOON(count_state(&guest, PAGE_RESIDENT) <= 100));
	CU_ASSERT(guest_pager_detach(guest.pager, 10000, &err) == -ENOMEM);
	CU_ASSERT(asked >= (PAGES - 110) * (uint64_t)PAGE_BYTES);
	/* Paging goes on */
	CU_ASSERT(page_map_phase(guest.pager->map) == MAP_PAGING);
	CU_ASSERT(count_wrong(&guest, 1) == 0);
	guest.pager->options.room = NULL;
	CU_ASSERT(guest_pager_detach(guest.pager, 10000, &err) == 0);
	CU_ASSERT(page_map_phase(guest.pager->map) == MAP_UNREGISTERING);
	CU_ASSERT(count_wrong(&guest, 1) == 0);
	/* The kernel serves holes again */
	madvise(guest.page[1], PAGE_BYTES, MADV_REMOVE);
	CU_ASSERT(page_is_zero(&guest, 1));
	/* Killed here, the next one does it once more */
	guest_pager_stop(guest.pager);
	guest.pager = NULL;
	CU_ASSERT(guest_resume(&guest, &err) == -ECANCELED);
}

/*
 * Discards that are told after the memory was unregistered.  Other memory that is registered with
 * the same userfaultfd stands for it: its discards wait as those do.
 */
struct straggler {
	struct guest *guest;
	char *memory;
	unsigned int after_ms;
	_Atomic int on_its_way, is_told;
	pthread_t thread;
};

static struct straggler straggler;

static void *tell_late(void *arg)
{
	struct straggler *s = arg;

	clock_sleep_ms(s->after_ms);
	madvise(s->memory, PAGE_BYTES, MADV_DONTNEED);
	s->is_told = true;
	s->on_its_way = false;
	return NULL;
}

static void straggler_start(struct guest *guest, unsigned int after_ms)
{
	struct uffd uffd;

	straggler = (struct straggler){ .guest = guest, .after_ms = after_ms, .on_its_way = true };
	straggler.memory =
		mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CU_ASSERT_FATAL(straggler.memory != MAP_FAILED);
	uffd_init(&uffd, guest->uffd);
	CU_ASSERT(uffd_register(&uffd, (uintptr_t)straggler.memory, PAGE_BYTES) == 0);
	CU_ASSERT_FATAL(pthread_create(&straggler.thread, NULL, tell_late, &straggler) == 0);
}

static bool straggler_goes_on(void)
{
	if (!SOON(straggler.is_told))
		return false;
	pthread_join(straggler.thread, NULL);
	munmap(straggler.memory, PAGE_BYTES);
	return true;
}

static bool has_message(int uffd)
{
	struct pollfd message = { .fd = uffd, .events = POLLIN };

	return poll(&message, 1, 0) == 1 && message.revents & POLLIN;
}

/* The kernel as it is while a thread is between its count and its message */
static int refuse_changes(const struct uffd *uffd, unsigned long request, void *argument)
{
	int rc;

	if (request == UFFDIO_WRITEPROTECT && straggler.on_its_way)
		return -EAGAIN;
	rc = uffd_ioctl(uffd, request, argument);
	if (request == UFFDIO_UNREGISTER)
		straggler_start(straggler.guest, 100);
	return rc;
}

static void tell_when_unregistered(const char *label)
{
	if (strcmp(label, "detach_unregister") == 0) {
		straggler_start(straggler.guest, 0);
		CU_ASSERT(SOON(straggler.is_told || has_message(straggler.guest->uffd)));
	}
}

/* Where the last UNREGISTER was, until a WAKE has come after it */
static uint64_t not_woken;

static int note_wakes(const struct uffd *uffd, unsigned long request, void *argument)
{
	const struct uffdio_range *range = argument;

	if (request == UFFDIO_UNREGISTER)
		not_woken = range->start;
	else if (request == UFFDIO_WAKE && range->start == not_woken)
		not_woken = 0;
	return uffd_ioctl(uffd, request, argument);
}

/* A fault between the kernel's wake in UNREGISTER and its lock of the mapping */
static void test_fault_of_released(void)
{
	struct err err = { "" };

	GUEST(guest, 100);
	fill(&guest, 1);
	guest_begin(&guest);
	end_threads(guest.pager);
	not_woken = 1;
	guest.pager->uffd.ioctl = note_wakes;
	UNIT_CHECK(guest_pager_detach(guest.pager, 10000, &err) == 0, "%s", err.text);
	CU_ASSERT_EQUAL(not_woken, 0);
}

static void test_discard_of_released(void)
{
	struct err err = { "" };

	GUEST(guest, 100);
	fill(&guest, 1);
	guest_begin(&guest);
	end_threads(guest.pager);
	straggler = (struct straggler){ .guest = &guest };
	guest.pager->uffd.ioctl = refuse_changes;
	UNIT_CHECK(guest_pager_detach(guest.pager, 10000, &err) == 0, "%s", err.text);
	CU_ASSERT(straggler_goes_on());
	/* The pager that lets it go was killed: so does the next one */
	guest_pager_stop(guest.pager);
	guest.pager = NULL;
	straggler.guest = &guest;
	on_step = tell_when_unregistered;
	CU_ASSERT(guest_resume(&guest, &err) == -ECANCELED);
	on_step = NULL;
	CU_ASSERT(straggler_goes_on());
}

/* While the pages are looked at: one is claimed; one is a hole, and its discard told later */
static void *settle_late(void *arg)
{
	struct guest *guest = arg;

	clock_sleep_ms(20);
	plant(guest, HOLE, (struct page_fields){ .state = PAGE_RESIDENT });
	madvise(guest->page[HOLE + 1], PAGE_BYTES, MADV_DONTNEED);
	return NULL;
}

static void seem_missing(const char *label)
{
	if (strcmp(label, "detach_unprotected") != 0)
		return;
	plant(restarted, HOLE, (struct page_fields){ .state = PAGE_LEAVING });
	punch(restarted, HOLE + 1);
	CU_ASSERT(pthread_create(&discarder[0].thread, NULL, settle_late, restarted) == 0);
}

static void test_seems_missing(void)
{
	struct err err = { "" };
	int rc;

	GUEST(guest, 2 * PAGES);
	fill(&guest, 1);
	guest_begin(&guest);
	restarted = &guest;
	came_back(&guest, HOLE + 1);
	/* One that is missing for good is an error, and paging goes on */
	came_back(&guest, HOLE + 2);
	punch(&guest, HOLE + 2);
	CU_ASSERT(guest_pager_detach(guest.pager, 10000, &err) == -EIO);
	UNIT_CHECK(strstr(err.text, "missing") != NULL, "%s", err.text);
	CU_ASSERT(page_map_phase(guest.pager->map) == MAP_PAGING);
	madvise(guest.page[HOLE + 2], PAGE_BYTES, MADV_DONTNEED);
	on_step = seem_missing;
	rc = guest_pager_detach(guest.pager, 10000, &err);
	on_step = NULL;
	UNIT_CHECK(rc == 0, "%s", err.text);
	pthread_join(discarder[0].thread, NULL);
	CU_ASSERT(page_is_zero(&guest, HOLE + 1));
	CU_ASSERT(page_is(&guest, HOLE, 1));
}

/* Memory that can't be registered is left alone, and the rest goes on */
static void test_plugged_not_paged(void)
{
	struct err err = { "" };
	struct adopted adopted;
	struct page_map *map;
	struct ram ram;
	int more = memfd_create("dimm", MFD_CLOEXEC);
	struct stat before, after;

	CU_ASSERT_FATAL(fstat(more, &before) == 0);
	GUEST(guest, 100);
	fill(&guest, 1);
	guest_begin(&guest);
	CU_ASSERT_FATAL(SOON(count_state(&guest, PAGE_RESIDENT) <= 100));
	guest_pager_stop(guest.pager);
	guest.pager = NULL;
	CU_ASSERT_FATAL(page_map_open(&map, guest.directory, 0, &err) == 0);
	adopted = adopted_of(&guest);
	ram = ram_of(&guest);
	ram.object[1] = ram.object[0];
	ram.object[1].first = 512;
	ram.object[0] = (struct ram_object){ .fd = more, .ino = 1, .address = 4096, .pages = 512 };
	ram.n = 2;
	ram.pages += 512;
	UNIT_CHECK(guest_pager_resume(&guest.pager, map, &adopted, &ram, &left, &guest.options,
				      &err) == 0,
		   "%s", err.text);
	CU_ASSERT_FATAL(guest.pager != NULL);
	CU_ASSERT(left.pages == 512 && strstr(left.why.text, "UFFDIO_REGISTER"));
	CU_ASSERT(page_map_pages(map) == PAGES);
	/* Closed; the number may be another file's by now */
	CU_ASSERT(fstat(more, &after) < 0 || after.st_ino != before.st_ino);
	CU_ASSERT(count_wrong(&guest, 1) == 0);
}

/* ---- memory that comes and goes, as QEMU's dimms ---- */

struct dimm {
	int fd;
	ino_t ino;
	unsigned char *memory;
};

enum { DIMM_PAGES = 700 };

static struct dimm dimm_make(unsigned char byte)
{
	size_t bytes = (size_t)DIMM_PAGES * PAGE_BYTES;
	struct dimm dimm = { .fd = memfd_create("dimm", MFD_CLOEXEC) };
	struct stat st;

	CU_ASSERT_FATAL(dimm.fd >= 0 && ftruncate(dimm.fd, (off_t)bytes) == 0);
	CU_ASSERT_FATAL(fstat(dimm.fd, &st) == 0);
	dimm.ino = st.st_ino;
	dimm.memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, dimm.fd, 0);
	CU_ASSERT_FATAL(dimm.memory != MAP_FAILED);
	/* The second half was never touched */
	memset(dimm.memory, byte, bytes / 2);
	return dimm;
}

static void dimm_unplug(struct dimm *dimm)
{
	munmap(dimm->memory, (size_t)DIMM_PAGES * PAGE_BYTES);
	close(dimm->fd);
}

/* @byte: in the first half, and zeros in the other one */
static uint64_t dimm_wrong(const struct dimm *dimm, unsigned char byte)
{
	uint64_t wrong = 0, i;

	for (i = 0; i < (uint64_t)DIMM_PAGES * PAGE_BYTES; i++)
		wrong += dimm->memory[i] != (i < (uint64_t)DIMM_PAGES * PAGE_BYTES / 2 ? byte : 0);
	return wrong;
}

/* Stopped, and gone on with these dimms, in this order after the guest's first memory */
static void resume_with(struct guest *guest, const struct dimm *dimms, size_t n)
{
	struct err err = { "" };
	struct adopted adopted = adopted_of(guest);
	struct ram ram = ram_of(guest);
	struct page_map *map;
	size_t i;
	int rc;

	if (guest->pager)
		guest_pager_stop(guest->pager);
	guest->pager = NULL;
	left = (struct ram_left){ .pages = 0 };
	for (i = 0; i < n; i++) {
		ram.object[ram.n++] = (struct ram_object){
			.fd = fcntl(dimms[i].fd, F_DUPFD_CLOEXEC, 0),
			.dev = ram.object[0].dev,
			.ino = dimms[i].ino,
			.address = (uintptr_t)dimms[i].memory,
			.first = ram.pages,
			.pages = DIMM_PAGES,
		};
		ram.pages += DIMM_PAGES;
	}
	CU_ASSERT_FATAL(page_map_open(&map, guest->directory, 0, &err) == 0);
	rc = guest_pager_resume(&guest->pager, map, &adopted, &ram, &left, &guest->options, &err);
	UNIT_CHECK(rc == 0, "%s", err.text);
	CU_ASSERT_FATAL(rc == 0);
	CU_ASSERT(left.pages == 0);
}

static uint64_t guest_pages(struct guest *guest)
{
	struct pager_statistics s;

	guest_pager_statistics(guest->pager, &s);
	return s.pages;
}

static void test_plugged(void)
{
	struct dimm dimm[2];

	GUEST(guest, 100);
	fill(&guest, 1);
	guest_begin(&guest);
	CU_ASSERT_FATAL(SOON(count_state(&guest, PAGE_RESIDENT) <= 100));
	dimm[0] = dimm_make(2);
	dimm[1] = dimm_make(3);
	resume_with(&guest, dimm, 2);
	CU_ASSERT(guest_pages(&guest) == PAGES + 2 * DIMM_PAGES);
	/* One limit for all of it */
	CU_ASSERT(SOON(policy_resident(guest.pager) <= 100));
	/* What no longer counts as resident may still be on its way */
	CU_ASSERT(SOON(slots_taken(&guest) >= PAGES + DIMM_PAGES - 100));
	CU_ASSERT(dimm_wrong(&dimm[0], 2) == 0);
	CU_ASSERT(dimm_wrong(&dimm[1], 3) == 0);
	CU_ASSERT(count_wrong(&guest, 1) == 0);
	CU_ASSERT(SOON(policy_resident(guest.pager) <= 100));

	/* The first one goes: its slots are free, and the other pages keep their numbers */
	dimm_unplug(&dimm[0]);
	resume_with(&guest, &dimm[1], 1);
	CU_ASSERT(guest_pages(&guest) == PAGES + DIMM_PAGES);
	CU_ASSERT(slots_taken(&guest) <= PAGES + DIMM_PAGES);
	CU_ASSERT(page_map_identity(guest.pager->map)->object[1].ino == 0);
	CU_ASSERT(page_map_identity(guest.pager->map)->object[2].ino == dimm[1].ino);
	CU_ASSERT(dimm_wrong(&dimm[1], 3) == 0);
	CU_ASSERT(count_wrong(&guest, 1) == 0);

	/* Its place is taken again, and nothing of it is there */
	dimm[0] = dimm_make(4);
	resume_with(&guest, dimm, 2);
	CU_ASSERT(page_map_identity(guest.pager->map)->object[1].ino == dimm[0].ino);
	CU_ASSERT(page_map_pages(guest.pager->map) == PAGES + 2 * DIMM_PAGES);
	CU_ASSERT(SOON(policy_resident(guest.pager) <= 100));
	CU_ASSERT(dimm_wrong(&dimm[0], 4) == 0);
	CU_ASSERT(dimm_wrong(&dimm[1], 3) == 0);

	/* Both go, and after the next time the map has no place for them any more */
	dimm_unplug(&dimm[0]);
	dimm_unplug(&dimm[1]);
	resume_with(&guest, NULL, 0);
	resume_with(&guest, NULL, 0);
	CU_ASSERT(page_map_pages(guest.pager->map) == PAGES);
	CU_ASSERT(slots_taken(&guest) <= PAGES);
	CU_ASSERT(count_wrong(&guest, 1) == 0);
	CU_ASSERT(guest.alarms == 0);
}

/* Unmapped: what is out goes back into its file, and nothing is left that would be paged */
static void test_unplugged(void)
{
	struct err err = { "" };
	int rc;

	GUEST(guest, 100);
	fill(&guest, 1);
	guest_begin(&guest);
	CU_ASSERT_FATAL(SOON(count_state(&guest, PAGE_RESIDENT) <= 100));
	munmap(guest.page, PAGES * PAGE_BYTES);
	rc = guest_pager_detach(guest.pager, 10000, &err);
	UNIT_CHECK(rc == 0, "%s", err.text);
	guest.page =
		mmap(NULL, PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, guest.memory, 0);
	CU_ASSERT_FATAL(guest.page != MAP_FAILED);
	CU_ASSERT(count_wrong(&guest, 1) == 0);
	CU_ASSERT(guest.alarms == 0);
}

/* Unplugged while no pager ran, or since: the rest of the guest goes on, and can be let go */
static void test_unplugged_meanwhile(void)
{
	struct err err = { "" };
	struct adopted adopted;
	struct page_map *map;
	struct ram ram;
	int rest = memfd_create("rest", MFD_CLOEXEC), rc;
	struct map_identity *noted;

	GUEST(guest, 100);
	fill(&guest, 1);
	guest_begin(&guest);
	CU_ASSERT_FATAL(SOON(count_state(&guest, PAGE_RESIDENT) <= 100));
	guest_pager_stop(guest.pager);
	guest.pager = NULL;
	CU_ASSERT_FATAL(page_map_open(&map, guest.directory, 0, &err) == 0);
	/* The map's one memory is not among QEMU's any more; without any of it, it is another
	 * guest's */
	noted = (struct map_identity *)(uintptr_t)page_map_identity(map);
	adopted = adopted_of(&guest);
	ram = ram_of(&guest);
	ram.object[0] = (struct ram_object){ .fd = rest, .ino = 1, .address = 4096, .pages = 512 };
	ram.pages = 512;
	CU_ASSERT(guest_pager_resume(&guest.pager, map, &adopted, &ram, &left, &guest.options,
				     &err) == -ESTALE);
	/* Half of it is: as if there had been two dimms */
	noted->object[1] = noted->object[0];
	noted->object[0].pages = noted->object[1].pages = PAGES / 2;
	noted->object[1].ino++;
	noted->n_objects = 2;
	ram = ram_of(&guest);
	ram.object[0].pages = ram.pages = PAGES / 2;
	munmap((char *)guest.page + PAGES / 2 * PAGE_BYTES, PAGES / 2 * PAGE_BYTES);
	rc = guest_pager_resume(&guest.pager, map, &adopted, &ram, &left, &guest.options, &err);
	UNIT_CHECK(rc == 0, "%s", err.text);
	CU_ASSERT_FATAL(guest.pager != NULL);
	rc = guest_pager_detach(guest.pager, 10000, &err);
	UNIT_CHECK(rc == 0, "%s", err.text);
	guest.page = mremap(guest.page, PAGES / 2 * PAGE_BYTES, PAGES * PAGE_BYTES, MREMAP_MAYMOVE);
	CU_ASSERT_FATAL(guest.page != MAP_FAILED);
	CU_ASSERT(page_is(&guest, 0, 1));
	CU_ASSERT(page_is(&guest, PAGES / 2 - 1, 1));
	CU_ASSERT(guest.alarms == 0);
}

/* Reads pages at random until it is said to be alone, or for a while.  Return: was it? */
static bool becomes_alone(struct guest *guest, uint64_t *seed)
{
	unsigned int turns;

	for (turns = 0; turns < 4000 && !guest->pager->alone; turns++)
		CU_ASSERT_FATAL(page_is(guest, draw(seed) % PAGES, 1));
	return guest->pager->alone;
}

/* The fault thread serves one thread of the guest's that is bound to a processor all by itself,
 * until another one faults */
static void test_one_vcpu(void)
{
	GUEST(guest, PAGES / 2);
	cpu_set_t all, one;
	struct reader reader;
	uint64_t seed = 1;
	unsigned int turns;
	size_t cpu = 0;

	fill(&guest, 1);
	guest.options.no_prefetch = true;
	guest_begin(&guest);
	CU_ASSERT(SOON(policy_resident(guest.pager) <= PAGES / 2));
	CU_ASSERT_FATAL(sched_getaffinity(0, sizeof(all), &all) == 0);
	if (CPU_COUNT(&all) > 1)
		CU_ASSERT(!becomes_alone(&guest, &seed));
	while (!CPU_ISSET(cpu, &all))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	CU_ASSERT_FATAL(sched_setaffinity(0, sizeof(one), &one) == 0);
	CU_ASSERT(becomes_alone(&guest, &seed));
	for (turns = 0; turns < 1000; turns++)
		CU_ASSERT_FATAL(page_is(&guest, draw(&seed) % PAGES, 1));
	CU_ASSERT(guest.pager->alone);
	CU_ASSERT(SOON(policy_resident(guest.pager) <= PAGES / 2));
	reader_start(&reader, &guest, some_evicted(&guest), 1);
	CU_ASSERT(reader_was_right(&reader));
	CU_ASSERT(!guest.pager->alone);
	CU_ASSERT(sched_setaffinity(0, sizeof(all), &all) == 0);
	CU_ASSERT_EQUAL(guest.alarms, 0);
}

/* ---- a thread that reads all memory ---- */

struct scanner {
	struct guest *guest;
	uint64_t first, n, version;
	_Atomic uint64_t wrong;
	pthread_t thread;
};

/* Version 0: zeros */
static void *scan_it(void *arg)
{
	struct scanner *scanner = arg;
	uint64_t page;

	pthread_setname_np(pthread_self(), "live_migration");
	for (page = scanner->first; page < scanner->first + scanner->n; page++)
		scanner->wrong += scanner->version ?
					  !page_is(scanner->guest, page, scanner->version) :
					  !page_is_zero(scanner->guest, page);
	return NULL;
}

/* Return: how many were wrong */
static uint64_t scan(struct guest *guest, uint64_t first, uint64_t n, uint64_t version)
{
	struct scanner scanner = { .guest = guest, .first = first, .n = n, .version = version };

	CU_ASSERT_FATAL(pthread_create(&scanner.thread, NULL, scan_it, &scanner) == 0);
	pthread_join(scanner.thread, NULL);
	return scanner.wrong;
}

static uint64_t evictions_of(struct guest *guest)
{
	struct pager_statistics s;

	guest_pager_statistics(guest->pager, &s);
	return s.evictions;
}

/* Nothing is being evicted, nor will be: another program's pins have put nothing off */
static bool is_calm(struct guest *guest)
{
	uint64_t before = evictions_of(guest);
	bool slept = guest->pager->evict_asleep && !guest->pager->forced;

	clock_sleep_ms(50);
	return slept && guest->pager->evict_asleep && !guest->pager->forced &&
	       evictions_of(guest) == before && count_state(guest, PAGE_LEAVING) == 0;
}

static void states(const struct guest *guest, enum page_state *state)
{
	uint64_t page;

	for (page = 0; page < PAGES; page++)
		state[page] = fields_of(guest, page).state;
}

static uint64_t pages_in_file(const struct guest *guest)
{
	struct stat st;

	CU_ASSERT_FATAL(fstat(guest->memory, &st) == 0);
	return (uint64_t)st.st_blocks / (PAGE_BYTES / 512);
}

/* A page has left its file before its entry says so */
static bool states_are(const struct guest *guest, const enum page_state *expected)
{
	enum page_state now[PAGES];

	states(guest, now);
	return memcmp(now, expected, sizeof(now)) == 0;
}

static bool is_left_alone(void)
{
	enum page_state before[PAGES];
	struct pager_statistics then, now;
	bool same;

	GUEST(guest, 200);
	fill(&guest, 1);
	guest_begin(&guest);
	CU_ASSERT(SOON(count_state(&guest, PAGE_RESIDENT) <= 200 && is_calm(&guest)));
	states(&guest, before);
	guest_pager_statistics(guest.pager, &then);
	CU_ASSERT_EQUAL(scan(&guest, 0, PAGES, 1), 0);
	CU_ASSERT(count_state(&guest, PAGE_RESIDENT) <= 200 + SCAN_PAGES_MAX);
	CU_ASSERT(SOON(pages_in_file(&guest) <= 200));
	same = SOON_MS(2000, states_are(&guest, before));
	guest_pager_statistics(guest.pager, &now);
	CU_ASSERT_EQUAL(now.refaults, then.refaults);
	CU_ASSERT(now.scanned >= PAGES - 200);
	CU_ASSERT(now.faults - then.faults <= (PAGES - 200) / 8);
	CU_ASSERT_EQUAL(count_wrong(&guest, 1), 0);
	return same && now.evictions == then.evictions && now.stores == then.stores;
}

/* On a busy machine something was evicted meanwhile once in a dozen runs.  What holds is that it
 * need not be */
static void test_scan(void)
{
	unsigned int tries;

	for (tries = 0; tries < 3 && !is_left_alone(); tries++)
		;
	CU_ASSERT(tries < 3);
}

/* Memory that was never touched costs nothing */
static void test_scan_zeros(void)
{
	uint64_t begin;

	GUEST(guest, 200);
	guest_begin(&guest);
	CU_ASSERT_EQUAL(scan(&guest, 0, PAGES, 0), 0);
	CU_ASSERT_EQUAL(count_state(&guest, PAGE_ZERO), PAGES);
	/* Though no fault wakes the pager */
	begin = clock_ms();
	CU_ASSERT(SOON(pages_in_file(&guest) == 0));
	CU_ASSERT(clock_ms() - begin < 8000);
	/* One that is written goes like any other afterwards */
	CU_ASSERT_EQUAL(scan(&guest, 0, 32, 0), 0);
	write_page(&guest, 7, 1);
	CU_ASSERT_EQUAL(fields_of(&guest, 7).state, PAGE_RESIDENT);
	CU_ASSERT(SOON(pages_in_file(&guest) == 1));
	CU_ASSERT(page_is(&guest, 7, 1));
	fill(&guest, 2);
	CU_ASSERT_EQUAL(scan(&guest, 0, PAGES, 2), 0);
	CU_ASSERT_EQUAL(count_wrong(&guest, 2), 0);
}

/* What the guest writes right behind the thread stays */
static void test_scan_written(void)
{
	uint64_t version, page;

	GUEST(guest, 100);
	fill(&guest, 1);
	guest_begin(&guest);
	CU_ASSERT(SOON(count_state(&guest, PAGE_RESIDENT) <= 100));
	for (version = 2; version < 6; version++)
		for (page = 0; page < PAGES; page += 64) {
			CU_ASSERT_EQUAL(scan(&guest, page, 64, version - 1), 0);
			for (uint64_t i = 0; i < 64; i++)
				write_page(&guest, page + i, version);
		}
	CU_ASSERT_EQUAL(count_wrong(&guest, 5), 0);
	CU_ASSERT(SOON(pages_in_file(&guest) <= 100));
	CU_ASSERT_EQUAL(scan(&guest, 0, PAGES, 5), 0);
}

/* Writes that were allowed without our hearing of them: what the kernel says is asked, too */
static void test_scan_unprotected(void)
{
	uint64_t page;

	GUEST(guest, 100);
	fill(&guest, 1);
	guest_begin(&guest);
	CU_ASSERT(SOON(count_state(&guest, PAGE_RESIDENT) <= 100 && is_calm(&guest)));
	CU_ASSERT_EQUAL(scan(&guest, 0, 64, 1), 0);
	CU_ASSERT(uffd_write_protect(&guest.pager->uffd, (uintptr_t)guest.page, 64 * PAGE_BYTES,
				     false) == 0);
	for (page = 0; page < 64; page++)
		write_page(&guest, page, 2);
	CU_ASSERT(SOON(guest.pager->scan.resident == 0));
	CU_ASSERT(SOON(pages_in_file(&guest) <= 100));
	for (page = 0; page < PAGES; page++)
		UNIT_CHECK(page_is(&guest, page, page < 64 ? 2 : 1), "page %llu",
			   (unsigned long long)page);
}

static void test_scan_discarded(void)
{
	uint64_t page;

	GUEST(guest, 100);
	fill(&guest, 1);
	guest_begin(&guest);
	CU_ASSERT(SOON(count_state(&guest, PAGE_RESIDENT) <= 100));
	for (page = 0; page < PAGES; page += 32) {
		CU_ASSERT_EQUAL(scan(&guest, page, 32, 1), 0);
		CU_ASSERT(madvise(guest.page[page], 8 * PAGE_BYTES, MADV_REMOVE) == 0);
		CU_ASSERT_EQUAL(scan(&guest, page, 8, 0), 0);
		CU_ASSERT_EQUAL(scan(&guest, page + 8, 24, 1), 0);
		write_page(&guest, page + 1, 2);
	}
	CU_ASSERT(SOON(pages_in_file(&guest) <= 100));
	for (page = 0; page < PAGES; page += 32) {
		CU_ASSERT(page_is_zero(&guest, page));
		CU_ASSERT(page_is(&guest, page + 1, 2));
		CU_ASSERT(page_is(&guest, page + 8, 1));
	}
}

/* A pager that goes on has forgotten which pages should go again: they are ordinary ones */
static void test_scan_resumed(void)
{
	struct err err = { "" };

	GUEST(guest, 100);
	fill(&guest, 1);
	memset(guest.page[PAGES - 64], 0, 64 * PAGE_BYTES);
	guest_begin(&guest);
	CU_ASSERT(SOON(count_state(&guest, PAGE_RESIDENT) <= 100));
	CU_ASSERT(madvise(guest.page[PAGES - 64], 64 * PAGE_BYTES, MADV_REMOVE) == 0);
	CU_ASSERT_EQUAL(scan(&guest, 100, 64, 1), 0);
	CU_ASSERT_EQUAL(scan(&guest, PAGES - 32, 32, 0), 0);
	guest_pager_stop(guest.pager);
	guest.pager = NULL;
	CU_ASSERT_FATAL(guest_resume(&guest, &err) == 0);
	CU_ASSERT(SOON(pages_in_file(&guest) <= 100));
	CU_ASSERT_EQUAL(scan(&guest, 0, PAGES - 64, 1), 0);
	CU_ASSERT_EQUAL(scan(&guest, PAGES - 64, 64, 0), 0);
}

/* Let go while such pages are there: the guest writes them, and nothing is lost */
static void test_scan_released(void)
{
	struct err err = { "" };
	int rc;

	GUEST(guest, 100);
	fill(&guest, 1);
	guest_begin(&guest);
	CU_ASSERT(SOON(count_state(&guest, PAGE_RESIDENT) <= 100));
	CU_ASSERT_EQUAL(scan(&guest, 0, 512, 1), 0);
	rc = guest_pager_detach(guest.pager, 10000, &err);
	UNIT_CHECK(rc == 0, "%s", err.text);
	fill(&guest, 2);
	clock_sleep_ms(1200);
	CU_ASSERT_EQUAL(count_wrong(&guest, 2), 0);
}

static CU_TestInfo tests[] = {
	{ "a page on a disk that does not answer, and others", test_slow_tier },
	{ "what is read in order comes before it is asked for", test_stream_from_file },
	{ "and may be discarded while it comes", test_discard_nearer },
	{ "a guest whose tier is away for a moment is let go", test_release_when_back },
	{ "a clean page of a file", test_clean_in_file },
	{ "pages that are long in RAM go through zstd", test_recompress },
	{ "pages go to a disk before RAM is full", test_demotion_in_time },
	{ "a guest that comes late gets room in RAM from others", test_newcomer },
	{ "and of slots that resident pages have", test_newcomer_and_kept_slots },
	{ "RAM that is full while a slow disk takes pages", test_no_room_for_a_moment },
	{ "a thread that reads all memory leaves the guest's pages alone", test_scan },
	{ "it reads memory that was never touched", test_scan_zeros },
	{ "the guest writes behind it", test_scan_written },
	{ "the guest may write behind it, and it is not said", test_scan_unprotected },
	{ "the guest discards behind it", test_scan_discarded },
	{ "a pager goes on behind it", test_scan_resumed },
	{ "a guest is let go behind it", test_scan_released },
	{ "the limit is kept, and no page is wrong", test_limit },
	{ "how much is idle", test_idle },
	{ "pages read ahead are no part of a sample", test_idle_leaves_neighbours },
	{ "one processor for all threads", test_one_processor },
	{ "one vCPU that faults, bound to a processor", test_one_vcpu },
	{ "vCPUs, discards, limits and a release at once", test_threads },
	{ "a fence holds faults back", test_fence },
	{ "through kills, until it is lifted", test_fence_stays },
	{ "from one pager to another", test_moved },
	{ "no map, no guest", test_not_moved },
	{ "what changed since an epoch", test_epoch },
	{ "epochs that can't begin, and the last one's end", test_epoch_fails },
	{ "no epoch while a page is pinned", test_epoch_pinned },
	{ "from one pager to another, while it runs", test_moved_running },
	{ "pages are read where they are", test_read_page },
	{ "discards", test_discard },
	{ "what a discard makes of an entry", test_discard_entries },
	{ "a discard that is told while its page is on its way out", test_discard_while_leaving },
	{ "a missing page is waited for", test_missing },
	{ "a page that the kernel has dropped since the adoption is zeros", test_dropped },
	{ "alarms that stand beside one another", test_alarms },
	{ "full tiers", test_full },
	{ "large folios are not said to be full tiers", test_large_folios },
	{ "a slot that can't be read is waited for", test_damaged_slot },
	{ "a splice that ends at a bad page", test_short_splice },
	{ "splice and punch that fail", test_steps_fail },
	{ "punches that all fail", test_punches_fail },
	{ "a page that stays, and is written and discarded", test_stays },
	{ "pages that all stay", test_pages_stay },
	{ "pages that come back by COPY alone", test_copies_only },
	{ "a page that a device has pinned", test_pinned },
	{ "what is given up, and stays protected, has no slot", test_given_up_protected },
	{ "a fault on a page on its way out", test_wakes },
	{ "a pipe that is not empty", test_dirty_pipe },
	{ "a prefetch that is cut short", test_short_fill },
	{ "clean pages keep their slots", test_clean },
	{ "or do not, where memory is short", test_keep_slots },
	{ "or a tier comes after RAM", test_slots_above_file },
	{ "stopped, and gone on with", test_stop_and_resume },
	{ "what a killed pager left", test_planted },
	{ "a discard of which a killed pager had no message yet", test_late_message },
	{ "more discards than the ring takes, and kills meanwhile", test_many_messages },
	{ "content that is newer than a discard in the ring", test_newer_than_ring },
	{ "a page that was discarded on its way back", test_killed_putting_back },
	{ "a page that was not back yet", test_killed_before_putting_back },
	{ "a page that was discarded on its way back by a restart",
	  test_restart_killed_putting_back },
	{ "a discard that is told while pages are put back", test_told_while_putting_back },
	{ "a guest that never ends discarding is gone on with", test_endless_discards },
	{ "a slot with two owners", test_two_owners },
	{ "another process", test_other_process },
	{ "a process that executes another program", test_exec },
	{ "memory errors in slots", test_broken_slots },
	{ "memory errors in slots that are free", test_broken_free_slots },
	{ "memory errors on the way into slots", test_broken_staging },
	{ "memory errors on the way into slots that are left", test_broken_staging_left },
	{ "a memory error of which the guest is told", test_told },
	{ "one pipe, a memory error and a discard", test_one_pipe },
	{ "a page that is discarded while its fault waits for room", test_discarded_while_waiting },
	{ "a page that changes while its fault waits for room", test_changed_while_waiting },
	{ "a memory error in the beginning of a slab", test_broken_slab },
	{ "a lost page of which the guest can't be told", test_lost_silently },
	{ "a memory error that is found in passing", test_error_in_passing },
	{ "messages while they are read", test_reading },
	{ "publishing waits for discards", test_publishing_waits },
	{ "slots outlive the entries that name them", test_slots_outlive_entries },
	{ "a write to a protected page", test_protected },
	{ "a fault on a page that is discarded while it is loaded", test_asked_while_loading },
	{ "a run keeps its protection", test_protection_of_runs },
	{ "a run that is given back", test_given_back },
	{ "nothing is registered any more", test_nothing_registered },
	{ "a guest is let go", test_detach },
	{ "a discard that is told when its guest was let go", test_discard_of_released },
	{ "a fault while its guest is let go", test_fault_of_released },
	{ "pages that seem to be missing when a guest is let go", test_seems_missing },
	{ "memory that can't be registered is left alone", test_plugged_not_paged },
	{ "memory that is plugged in is paged, and what is unplugged is forgotten", test_plugged },
	{ "memory that was unplugged is let go", test_unplugged },
	{ "memory that is unplugged is not missed by the next pager", test_unplugged_meanwhile },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	struct kfs kfs;
	struct thp thp;
	bool forced;

	if (kfs_open(&kfs, "/", NULL) == 0) {
		forced = thp_read(&kfs, &thp, NULL) == 0 &&
			 (!strcmp(thp.shmem_enabled, "always") ||
			  !strcmp(thp.shmem_enabled, "within_size") ||
			  !strcmp(thp.shmem_enabled, "force"));
		kfs_close(&kfs);
		if (forced) {
			printf("skip - a guest's pager: shared memory is in huge pages here "
			       "(shmem_enabled is '%s'), and a part of one can't be paged\n",
			       thp.shmem_enabled);
			printf("test_guest_pager: 0 passed, 0 failed\n");
			return 0;
		}
	}
	/* Where they are made of what asks for them, nothing here does, the pager's own try
	 * included */
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	return unit_main(argc, argv, "test_guest_pager", tests);
}
