// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * One guest's pager: created, started, resumed after a restart, and ended.
 */
#include "pager/guest_pager.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "kernel/kfs.h"
#include "pager/engine.h"

enum { ENDS_WITHIN_MS = 5000, PAGES_ON_THEIR_WAY = 256 };

/* How long a thread takes to give a disk up */
enum { GIVE_UP_MS = 300 };

uint64_t pager_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* ---- alarms ---- */

/* Holds the lock, so that the alarm that is reported last is also the one that is stored */
static void alarm_say(struct guest_pager *pager, const char *sentence)
{
	/* A listener logs its alarms itself */
	if (pager->options.alarm)
		pager->options.alarm(pager->options.alarm_arg, sentence);
	else if (*sentence)
		log_error("%s", sentence);
}

static void alarm_set(struct guest_pager *pager, enum pager_alarm which, const char *sentence)
{
	enum pager_alarm first = 0;
	bool changed;

	pthread_mutex_lock(&pager->alarm_lock);
	changed = strcmp(pager->alarm[which], sentence) != 0;
	snprintf(pager->alarm[which], sizeof(pager->alarm[which]), "%s", sentence);
	while (first < ALARMS && !*pager->alarm[first])
		first++;
	if (first != pager->alarm_said || (changed && first == which))
		alarm_say(pager, first < ALARMS ? pager->alarm[first] : "");
	pager->alarm_said = first;
	pthread_mutex_unlock(&pager->alarm_lock);
}

void pager_alarm(struct guest_pager *pager, enum pager_alarm which, const char *fmt, ...)
{
	char sentence[sizeof(pager->alarm[which])];
	va_list args;

	va_start(args, fmt);
	vsnprintf(sentence, sizeof(sentence), fmt, args);
	va_end(args);
	alarm_set(pager, which, sentence);
}

void pager_alarm_over(struct guest_pager *pager, enum pager_alarm which)
{
	alarm_set(pager, which, "");
}

/* Where pages do not get to a slow tier, that has to be mended first */
const char *pager_tiers_full(struct guest_pager *pager, char text[PAGER_REASON_SIZE])
{
	/* Of a disk that other guests' pages are to go to, they alone have an alarm */
	const char *silent = tiers_silent(pager->tiers);

	pthread_mutex_lock(&pager->alarm_lock);
	snprintf(text, PAGER_REASON_SIZE, "no tier takes more: %.400s",
		 pager->alarm[ALARM_DEMOTION]);
	if (!*pager->alarm[ALARM_DEMOTION] && silent)
		snprintf(text, PAGER_REASON_SIZE, "no tier takes more: %.300s does not answer",
			 silent);
	else if (!*pager->alarm[ALARM_DEMOTION])
		snprintf(text, PAGER_REASON_SIZE,
			 "all tiers are full: enlarge them in [overcommit] and reload "
			 "virt-membacking-pagerd, raise the guest's limit, or release a guest");
	pthread_mutex_unlock(&pager->alarm_lock);
	return text;
}

/* What waits for a disk is pinned meanwhile */
const char *pager_pinned(const struct guest_pager *pager, char text[PAGER_REASON_SIZE])
{
	const char *silent = tiers_silent(pager->tiers);

	snprintf(text, PAGER_REASON_SIZE, "%.300s%s", silent ? silent : "",
		 silent ? " does not answer" :
			  "a device or a program has pages of this host pinned");
	return text;
}

/* A process's memory is gone shortly before the process is seen to end.  A process that lives on
 * without this memory has executed another program, which reads zeros for evicted pages */
void pager_gone(struct guest_pager *pager)
{
	struct pollfd ended = { .fd = pager->adopted.pidfd, .events = POLLIN };

	if (atomic_exchange(&pager->gone, true) || ended.fd < 0)
		return;
	if (poll(&ended, 1, pager->ends_within_ms) == 0)
		pager_alarm(pager, ALARM_GONE,
			    "QEMU has executed another program: pages that were out are lost "
			    "to it");
}

bool pager_stopping(const struct guest_pager *pager)
{
	return pager->stop || pager->gone;
}

void pager_wake(int eventfd)
{
	uint64_t one = 1;

	if (write(eventfd, &one, sizeof(one)) < 0)
		return; /* full: its reader is awake already */
}

void pager_slept(int eventfd)
{
	uint64_t count;

	if (read(eventfd, &count, sizeof(count)) < 0)
		return; /* no thread woke it */
}

/* ---- entries and policy ---- */

void entry_settle(struct guest_pager *pager, uint64_t page, struct page_fields fields)
{
	page_entry wanted = page_entry_make(fields);
	page_entry entry = page_map_get(pager->map, page);

	while (!page_map_swap(pager->map, page, &entry, wanted))
		;
}

int pager_wake_page(struct guest_pager *pager, uint64_t page)
{
	return uffd_wake(&pager->uffd, ram_address(&pager->ram, page), PAGE_BYTES);
}

int pager_ask_kernel(struct guest_pager *pager)
{
	return uffd_write_protect(&pager->uffd, RAM_NOWHERE - PAGE_BYTES, PAGE_BYTES, false);
}

void policy_lock(struct guest_pager *pager)
{
	pthread_mutex_lock(&pager->policy);
}

void policy_unlock(struct guest_pager *pager)
{
	pager->resident = hot_resident(pager->hot);
	pthread_mutex_unlock(&pager->policy);
}

void policy_faulted(struct guest_pager *pager, uint64_t page)
{
	policy_lock(pager);
	bit_set(pager->counted, page, true);
	bit_set(pager->ahead, page, false);
	hot_faulted(pager->hot, page);
	policy_unlock(pager);
}

void policy_prefetched(struct guest_pager *pager, uint64_t first, size_t n, bool judge)
{
	size_t i;

	policy_lock(pager);
	for (i = 0; i < n; i++) {
		bit_set(pager->counted, first + i, true);
		bit_set(pager->ahead, first + i, judge);
		hot_prefetched(pager->hot, first + i);
	}
	policy_unlock(pager);
	pager->statistics.prefetched += n;
}

void policy_left(struct guest_pager *pager, uint64_t page, bool discarded)
{
	policy_lock(pager);
	if (bit_get(pager->counted, page)) {
		bit_set(pager->counted, page, false);
		bit_set(pager->ahead, page, false);
		if (discarded)
			hot_discarded(pager->hot, page);
		else
			hot_evicted(pager->hot, page);
	}
	policy_unlock(pager);
}

uint64_t policy_resident(const struct guest_pager *pager)
{
	return pager->resident;
}

/* ---- creating ---- */

static ssize_t real_splice(int in, off_t *offset, int pipe, size_t bytes)
{
	return splice(in, offset, pipe, NULL, bytes, SPLICE_F_NONBLOCK);
}

static ssize_t real_fill(int fd, off_t offset, int pipe, size_t bytes)
{
	return splice(pipe, NULL, fd, &offset, bytes, 0);
}

static int real_punch(int fd, off_t offset, off_t bytes)
{
	return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, bytes) < 0 ?
		       -errno :
		       0;
}

/* Opens a pipe's other end by way of the end that we have */
static int open_writing_end(int reading, struct err *err)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", reading);
	fd = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK);
	return fd < 0 ? err_sys(err, errno, "parked pipe") : fd;
}

static int evictor_open(struct guest_pager *pager, unsigned int number, struct err *err)
{
	struct evictor *evictor = &pager->evictor[number];
	int size, rc;

	evictor->pager = pager;
	evictor->number = number;
	evictor->pipe_read = pager->adopted.pipe[number];
	evictor->run = journal_run(pager->journal, number);
	evictor->staging = journal_staging(pager->journal, number);
	rc = open_writing_end(evictor->pipe_read, err);
	if (rc < 0)
		return rc;
	evictor->pipe_write = rc;
	fcntl(evictor->pipe_write, F_SETPIPE_SZ, RUN_PAGES_MAX * PAGE_BYTES);
	size = fcntl(evictor->pipe_write, F_GETPIPE_SZ);
	if (size < PAGE_BYTES)
		return err_set(err, EINVAL, "parked pipe: it takes no page");
	evictor->max = (size_t)size / PAGE_BYTES;
	if (evictor->max > RUN_PAGES_MAX)
		evictor->max = RUN_PAGES_MAX;
	return mover_open(&evictor->mover, MOVER_EVICTS, err);
}

static void open_tables(struct guest_pager *pager)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/pagemap", (int)pager->adopted.identity.pid);
	pager->pagemap = open(path, O_RDONLY | O_CLOEXEC);
	pager->kpageflags = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
}

static int make_policy(struct guest_pager *pager, struct err *err)
{
	uint64_t pages = pager->ram.pages;

	pager->hot = hot_new(pages, pager->limit, pager->options.hot);
	pager->read_ahead = read_ahead_new(pages, pager->limit);
	pager->counted = calloc(1, bit_bytes(pages));
	pager->ahead = calloc(1, bit_bytes(pages));
	pager->folios = calloc(pages / REGION_PAGES + 1, 1);
	if (!pager->hot || !pager->read_ahead || !pager->counted || !pager->ahead || !pager->folios)
		return err_nomem(err);
	return 0;
}

static int make_threads_means(struct guest_pager *pager, struct err *err)
{
	unsigned int e;
	int rc = mover_open(&pager->mover, MOVER_SERVES, err);

	pager->wake_fault = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pager->wake_evict = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (rc == 0 && (pager->wake_fault < 0 || pager->wake_evict < 0))
		rc = err_sys(err, errno, "eventfd");
	for (e = 0; rc == 0 && e < pager->n_evictors; e++)
		rc = evictor_open(pager, e, err);
	return rc;
}

static void evictors_init(struct guest_pager *pager)
{
	unsigned int e;

	for (e = 0; e < PAGER_PIPES_MAX; e++) {
		pthread_mutex_init(&pager->evictor[e].lock, NULL);
		pager->evictor[e].pipe_read = pager->evictor[e].pipe_write = -1;
		pager->evictor[e].mover.pipe[0] = pager->evictor[e].mover.pipe[1] = -1;
	}
}

static int check_arguments(const struct adopted *adopted, const struct ram *ram,
			   const struct guest_pager_options *options, struct err *err)
{
	if (adopted->identity.n_pipes < 1 || adopted->identity.n_pipes > PAGER_PIPES_MAX)
		return err_set(err, EINVAL, "no pipe is parked in QEMU");
	if (ram->n == 0 || ram->pages == 0)
		return err_set(err, EINVAL, "the guest has no memory");
	if (options->limit == 0)
		return err_set(err, EINVAL, "the resident limit is 0");
	return huge_folio_self_test(err);
}

static struct guest_pager *new_pager(const struct adopted *adopted, const struct ram *ram,
				     const struct guest_pager_options *options)
{
	struct guest_pager *pager = calloc(1, sizeof(*pager));

	if (!pager)
		return NULL;
	pager->options = *options;
	snprintf(pager->name, sizeof(pager->name), "%s", options->name ? options->name : "");
	pager->options.name = pager->name;
	pager->options.tiers = NULL; /* the caller's, and needed only in here */
	pager->adopted = *adopted;
	pager->ram = *ram;
	pager->limit = pager->wanted = options->limit;
	pager->n_evictors = adopted->identity.n_pipes;
	pager->calls = (struct pager_calls){ real_splice, real_fill, real_punch };
	pager->pagemap = pager->kpageflags = pager->wake_fault = pager->wake_evict = -1;
	pager->demoter.wake = -1;
	slow_load_init(pager);
	pthread_mutex_init(&pager->scan.lock, NULL);
	pager->alarm_said = ALARMS;
	pager->idle.percent = -1;
	pager->idle.random = pager_now_ns();
	pager->mover.pipe[0] = pager->mover.pipe[1] = -1;
	pager->processors_are_virtual = processors_are_virtual();
	pager->processors = processors_of_ours();
	pager->went_ms = clock_ms();
	pager->ends_within_ms = ENDS_WITHIN_MS;
	uffd_init(&pager->uffd, adopted->uffd);
	pthread_mutex_init(&pager->gate, NULL);
	pthread_mutex_init(&pager->protection, NULL);
	pthread_mutex_init(&pager->policy, NULL);
	pthread_mutex_init(&pager->alarm_lock, NULL);
	changes_open(pager);
	evictors_init(pager);
	return pager;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Frees all but what the caller gave, which belongs to the caller again */
static void free_own(struct guest_pager *pager)
{
	unsigned int e;

	for (e = 0; e < PAGER_PIPES_MAX; e++) {
		close_fd(&pager->evictor[e].pipe_write);
		mover_close(&pager->evictor[e].mover);
		pthread_mutex_destroy(&pager->evictor[e].lock);
	}
	mover_close(&pager->mover);
	close_fd(&pager->pagemap);
	close_fd(&pager->kpageflags);
	close_fd(&pager->wake_fault);
	close_fd(&pager->wake_evict);
	if (pager->gave_up)
		pager->demoter.buffer = NULL; /* a disk may write there */
	slow_load_close(pager);
	demote_close(pager);
	hot_free(pager->hot);
	read_ahead_free(pager->read_ahead);
	free(pager->counted);
	free(pager->ahead);
	free((void *)pager->folios);
	tiers_close(pager->tiers);
	journal_close(pager->journal);
	changes_close(pager);
	pthread_mutex_destroy(&pager->gate);
	pthread_mutex_destroy(&pager->protection);
	pthread_mutex_destroy(&pager->policy);
	pthread_mutex_destroy(&pager->alarm_lock);
	free(pager);
}

/* ---- the limit ---- */

static void use_limit(struct guest_pager *pager, uint64_t pages)
{
	policy_lock(pager);
	pager->limit = pages;
	hot_set_limit(pager->hot, pages);
	read_ahead_set_limit(pager->read_ahead, pages);
	policy_unlock(pager);
}

static void say_capped(struct guest_pager *pager, uint64_t pages)
{
	char now[TEXT_KIB_SIZE], wanted[TEXT_KIB_SIZE];

	pager_alarm(pager, ALARM_CGROUP,
		    "the memory limits of its cgroups leave it %s resident of the %s that it was "
		    "given: raise them, or give it less",
		    text_from_kib(pages * (PAGE_BYTES / 1024), now),
		    text_from_kib(pager->wanted * (PAGE_BYTES / 1024), wanted));
}

/* Page tables and pages in transit are charged to the cgroup, too */
static uint64_t below_cgroup(struct guest_pager *pager)
{
	uint64_t most = pager->options.most(pager->options.room_arg);

	if (most == UINT64_MAX)
		return most;
	most = u64_sub_floor(most / PAGE_BYTES, PAGES_ON_THEIR_WAY);
	most -= most / 50;
	return most ? most : 1;
}

void pager_stay_below_cgroup(struct guest_pager *pager)
{
	uint64_t wanted = pager->wanted, limit = pager->limit, most;
	bool capped, changed;

	if (!pager->options.most)
		return;
	most = below_cgroup(pager);
	capped = most < wanted;
	most = u64_min(most, wanted);
	/* The rest of QEMU's memory grows and shrinks */
	changed = most + most / 64 < limit || most > limit + limit / 64 ||
		  (!capped && most != limit);
	if (changed)
		use_limit(pager, most);
	if (!capped)
		pager_alarm_over(pager, ALARM_CGROUP);
	else if (changed || pager->capped_of != wanted)
		say_capped(pager, most);
	pager->capped_of = capped ? wanted : 0;
}

/* ---- threads ---- */

/* Its failure is no reason to leave the guest unpaged */
static void read_memory_policy(struct guest_pager *pager)
{
	struct err err = { "" };
	struct kfs kfs;
	int rc = kfs_open(&kfs, "/", &err);

	if (rc == 0) {
		rc = memory_policy_read(&kfs, (pid_t)pager->adopted.identity.pid, &pager->memory,
					&err);
		kfs_close(&kfs);
	}
	if (rc < 0)
		log_warning("its pages may come back on another NUMA node: %s", err.text);
}

void pager_follow_memory(const struct guest_pager *pager)
{
	int rc = memory_policy_take(&pager->memory);

	if (rc < 0)
		log_warning("its pages may come back on another NUMA node: set_mempolicy: %s",
			    err_text(-rc));
}

static int thread_start(pthread_t *thread, const char *name, void *(*run)(void *), void *arg,
			struct err *err)
{
	int rc = pthread_create(thread, NULL, run, arg);

	if (rc)
		return err_sys(err, rc, "a thread");
	pthread_setname_np(*thread, name);
	return 0;
}

void guest_pager_end_soon(struct guest_pager *pager)
{
	unsigned int i;

	pager->stop = true;
	pager_wake(pager->wake_fault);
	for (i = 0; i < PAGER_PIPES_MAX; i++)
		pager_wake(pager->wake_evict);
	for (i = 0; i < SLOW_WORKERS; i++)
		pager_wake(pager->slow.worker[i].wake);
	pager_wake(pager->demoter.wake);
}

static bool thread_ended(pthread_t thread, bool *runs, uint64_t deadline)
{
	while (*runs && (*runs = pthread_tryjoin_np(thread, NULL) == EBUSY) &&
	       clock_left_ms(deadline))
		clock_sleep_ms(1);
	return !*runs;
}

static bool lower_threads_ended(struct guest_pager *pager, uint64_t deadline)
{
	bool ended = thread_ended(pager->demoter.thread, &pager->demoter.runs, deadline);
	size_t i;

	for (i = 0; i < SLOW_WORKERS; i++)
		ended = thread_ended(pager->slow.worker[i].thread, &pager->slow.worker[i].runs,
				     deadline) &&
			ended;
	return ended;
}

/* Those that wait for a disk get so long.  Return: false: one waits on, in the kernel */
static bool threads_ended(struct guest_pager *pager, uint64_t deadline)
{
	unsigned int i;

	guest_pager_end_soon(pager);
	for (i = 0; i < pager->n_evict_threads; i++)
		pthread_join(pager->evict_thread[i], NULL);
	if (pager->fault_thread_runs)
		pthread_join(pager->fault_thread, NULL);
	pager->n_evict_threads = 0;
	pager->fault_thread_runs = false;
	if (lower_threads_ended(pager, deadline))
		return true;
	log_warning("the disk of a tier does not answer, and is not waited for");
	pager->gave_up = true;
	tiers_give_up(pager->tiers);
	return lower_threads_ended(pager, clock_ms() + GIVE_UP_MS);
}

static void threads_end(struct guest_pager *pager)
{
	if (!threads_ended(pager, clock_ms() + DISK_MS))
		lower_threads_ended(pager, CLOCK_NEVER);
}

static bool has_slow_tier(const struct guest_pager *pager)
{
	return tiers_has_slow(pager->tiers);
}

static bool has_lower_tier(const struct guest_pager *pager)
{
	return has_slow_tier(pager) || tiers_has(pager->tiers, TIER_ZSTD);
}

static int lower_threads_start(struct guest_pager *pager, struct err *err)
{
	int rc = 0;
	size_t i;

	for (i = 0; i < SLOW_WORKERS && rc == 0 && has_slow_tier(pager); i++) {
		struct slow_worker *worker = &pager->slow.worker[i];

		rc = thread_start(&worker->thread, "slow", slow_load_thread, worker, err);
		worker->runs = rc == 0;
	}
	if (rc == 0 && has_lower_tier(pager)) {
		rc = thread_start(&pager->demoter.thread, "demote", demote_thread, pager, err);
		pager->demoter.runs = rc == 0;
	}
	return rc;
}

static int threads_start(struct guest_pager *pager, struct err *err)
{
	unsigned int wanted = pager->options.evict_threads ? pager->options.evict_threads : 1;
	unsigned int first = pager->n_evictors > 1 ? 1 : 0, i;
	int rc;

	pager_stay_below_cgroup(pager);
	/* The fault thread leaves pages to them */
	rc = lower_threads_start(pager, err);
	if (rc == 0)
		rc = thread_start(&pager->fault_thread, "faults", faults_thread, pager, err);
	pager->fault_thread_runs = rc == 0;
	for (i = 0; rc == 0 && i < wanted && first + i < pager->n_evictors; i++) {
		rc = thread_start(&pager->evict_thread[i], "evict", evict_thread,
				  &pager->evictor[first + i], err);
		pager->n_evict_threads += rc == 0;
	}
	if (rc < 0)
		threads_end(pager);
	return rc;
}

/* ---- starting ---- */

static int register_all(struct guest_pager *pager, struct err *err)
{
	int rc = uffd_api(&pager->uffd, err);
	size_t i;

	for (i = 0; rc == 0 && i < pager->ram.n; i++) {
		const struct ram_object *object = &pager->ram.object[i];

		if (object->stands_in)
			continue;
		rc = uffd_register(&pager->uffd, object->address, object->pages * PAGE_BYTES);
		STEP("start_registered");
		if (rc == -EBUSY)
			return err_set(err, EBUSY, "another userfaultfd has the guest's memory");
		if (rc < 0)
			return err_sys(err, -rc, "userfaultfd: UFFDIO_REGISTER");
	}
	return rc;
}

/*
 * All of the memory is registered, so no hole is filled without us: a page that is there is
 * resident, and all others were never written.
 *
 * One that is there may become a hole without a message, and is zeros then, until we have taken it
 * out ourselves: a discard may have begun before the memory was registered, and the kernel drops
 * pages that were only read, which it has made of zeros, where it may swap.
 */
static int find_pages(struct guest_pager *pager, struct err *err)
{
	uint64_t *present = calloc(1, bit_bytes(pager->ram.pages)), page;
	int rc = present ? presence_read(&pager->ram, present, err) : err_nomem(err);

	for (page = 0; rc == 0 && page < pager->ram.pages; page++) {
		struct page_fields fields = { .state = PAGE_RESIDENT, .discarded = true };

		if (!bit_get(present, page))
			continue;
		entry_settle(pager, page, fields);
		policy_faulted(pager, page);
	}
	free(present);
	STEP("start_found");
	return rc;
}

static void identify_objects(struct map_identity *identity, const struct ram *ram)
{
	uint32_t i;

	identity->n_objects = (uint32_t)ram->n;
	for (i = 0; i < identity->n_objects; i++) {
		identity->object[i].dev = ram->object[i].dev;
		identity->object[i].ino = ram->object[i].ino;
		identity->object[i].pages = ram->object[i].pages;
	}
}

static int begin(struct guest_pager *pager, struct err *err)
{
	int rc = register_all(pager, err);

	if (rc == 0)
		rc = find_pages(pager, err);
	if (rc == 0 && pager->options.import)
		rc = map_import(pager, pager->options.import, err);
	if (rc < 0)
		return rc;
	page_map_set_phase(pager->map, MAP_PAGING);
	STEP("start_paging");
	/* A pager that was killed while it started may have read these faults */
	pager_wake_all(pager);
	return threads_start(pager, err);
}

static int open_files(struct guest_pager *pager, const struct guest_pager_options *options,
		      bool fresh, struct err *err)
{
	int directory = options->directory;
	int rc = fresh ? journal_create(&pager->journal, directory, pager->ram.pages,
					pager->n_evictors, err) :
			 journal_open(&pager->journal, directory, pager->ram.pages,
				      pager->n_evictors, err);

	if (rc == 0)
		rc = tiers_open(&pager->tiers, directory, options->stores, options->tiers,
				options->n_tiers, fresh, err);
	if (rc == 0)
		rc = make_policy(pager, err);
	if (rc == 0)
		rc = make_threads_means(pager, err);
	if (rc == 0 && (has_slow_tier(pager) || options->import))
		rc = slow_load_open(pager, err);
	if (rc == 0 && (has_lower_tier(pager) || options->import))
		rc = demote_open(pager, err);
	if (rc < 0)
		return rc;
	open_tables(pager);
	/* Slow, so it is done before a new guest's memory is registered: from then on vCPUs wait */
	read_memory_policy(pager);
	return 0;
}

int guest_pager_start(struct guest_pager **pager, struct adopted *adopted, struct ram *ram,
		      const struct guest_pager_options *options, struct err *err)
{
	struct guest_pager *new;
	int rc = check_arguments(adopted, ram, options, err);

	if (rc < 0)
		return rc;
	new = new_pager(adopted, ram, options);
	if (!new)
		return err_nomem(err);
	identify_objects(&new->adopted.identity, ram);
	/* First, because it fails where there is a map already, whose slots must be kept */
	rc = page_map_create(&new->map, options->directory, &new->adopted.identity, err);
	if (rc == 0) {
		page_map_fence(new->map, options->fenced);
		if (options->import)
			page_map_set_imported(new->map);
		new->fenced = options->fenced;
		rc = open_files(new, options, true, err);
	}
	if (rc == 0) {
		rc = begin(new, err);
		if (rc < 0) {
			unregister_all(new, NULL);
			discards_finish(new);
		}
	}
	if (rc < 0) {
		page_map_close(new->map);
		free_own(new);
		return rc;
	}
	*pager = new;
	return 0;
}

/* ---- memory that comes and goes ---- */

static bool is_noted(const struct map_identity *noted, uint32_t i, const struct ram_object *object)
{
	return noted->object[i].dev == object->dev && noted->object[i].ino == object->ino;
}

/* In the place of memory that was unplugged, so that the numbers of other pages stay.  Restarting
 * makes ZERO of its pages, and their slots are free */
static int stand_in(const struct map_identity *noted, uint32_t i, uint64_t first,
		    struct ram_object *object, struct err *err)
{
	uint64_t pages = noted->object[i].pages;
	int fd = memfd_create("unplugged", MFD_CLOEXEC);

	if (fd < 0)
		return err_sys(err, errno, "a file in place of unplugged memory");
	if (ftruncate(fd, (off_t)(pages * PAGE_BYTES)) < 0) {
		int rc = err_sys(err, errno, "a file in place of unplugged memory");

		close(fd);
		return rc;
	}
	*object = (struct ram_object){
		.fd = fd,
		.dev = noted->object[i].dev,
		.ino = noted->object[i].ino,
		.address = RAM_NOWHERE + first * PAGE_BYTES,
		.pages = pages,
		.stands_in = true,
	};
	return 0;
}

static void close_stand_ins(const struct ram *kept)
{
	size_t i;

	for (i = 0; i < kept->n; i++)
		if (kept->object[i].stands_in)
			close(kept->object[i].fd);
}

/* In the order of the map.  @more: what is not in the map.  If none of the map's memory is left,
 * the map belongs to another guest */
static int keep_noted(const struct map_identity *noted, const struct ram *ram, struct ram *kept,
		      struct ram *more, struct err *err)
{
	bool keep[RAM_OBJECTS_MAX] = { false };
	size_t i, j, found = 0;
	int rc = 0;

	*kept = *more = (struct ram){ .n = 0 };
	for (i = 0; i < noted->n_objects && rc == 0; i++) {
		struct ram_object *object = &kept->object[kept->n];

		for (j = 0; j < ram->n && !is_noted(noted, (uint32_t)i, &ram->object[j]); j++)
			;
		if (j < ram->n && ram->object[j].pages != noted->object[i].pages) {
			rc = err_set(err, EUCLEAN, "page map: a memory file has another length");
		} else if (j < ram->n) {
			*object = ram->object[j];
			keep[j] = true;
			found++;
		} else {
			rc = stand_in(noted, (uint32_t)i, kept->pages, object, err);
		}
		if (rc < 0)
			break;
		object->first = kept->pages;
		kept->pages += object->pages;
		kept->n++;
	}
	if (rc == 0 && !found)
		rc = err_set(err, ESTALE, "page map: of other memory");
	if (rc < 0)
		close_stand_ins(kept);
	for (j = 0; j < ram->n; j++)
		if (!keep[j])
			more->object[more->n++] = ram->object[j];
	return rc;
}

static void put_object(struct ram *kept, size_t i, const struct ram_object *object)
{
	uint64_t first = i < kept->n ? kept->object[i].first : kept->pages;

	if (i < kept->n) {
		close(kept->object[i].fd); /* what stood there */
	} else {
		kept->n++;
		kept->pages += object->pages;
	}
	kept->object[i] = *object;
	kept->object[i].first = first;
}

/*
 * Registered first, then in the map: from then on it is restarted with the rest, as memory that was
 * never looked at.  A kill in between leaves faults there to the next pager, which comes here, too.
 */
static int plug_in(struct page_map *map, const struct uffd *uffd, int directory, struct ram *kept,
		   const struct ram_object *object, struct err *err)
{
	uint32_t pipes = page_map_identity(map)->n_pipes;
	uint64_t bytes = object->pages * PAGE_BYTES;
	int rc = journal_grow(directory, page_map_pages(map) + object->pages, pipes, err);

	/* It is made new after an adoption that was not finished */
	if (rc < 0 && page_map_phase(map) != MAP_ADOPTING)
		return rc;
	rc = uffd_register(uffd, object->address, bytes);
	STEP("plug_registered");
	if (rc < 0)
		return err_sys(err, -rc, "userfaultfd: UFFDIO_REGISTER");
	rc = page_map_take_in(map, object, err);
	STEP("plug_noted");
	if (rc < 0) {
		uffd_unregister(uffd, object->address, bytes);
		uffd_wake(uffd, object->address, bytes);
		return rc;
	}
	put_object(kept, (size_t)rc, object);
	return 0;
}

static void plug_in_all(struct page_map *map, const struct adopted *adopted, int directory,
			struct ram *kept, const struct ram *more, struct ram_left *left)
{
	struct uffd uffd;
	size_t j;

	uffd_init(&uffd, adopted->uffd);
	for (j = 0; j < more->n; j++) {
		struct err why = { "" };

		if (page_map_phase(map) != MAP_UNREGISTERING &&
		    plug_in(map, &uffd, directory, kept, &more->object[j], &why) == 0)
			continue;
		close(more->object[j].fd);
		if (!left->pages)
			left->why = why;
		left->pages += more->object[j].pages;
	}
}

/* The map describes only memory that this very process has mapped */
static int check_identity(const struct page_map *map, const struct adopted *adopted,
			  struct err *err)
{
	const struct map_identity *noted = page_map_identity(map);

	if (noted->pid != adopted->identity.pid ||
	    noted->start_time != adopted->identity.start_time ||
	    noted->n_pipes != adopted->identity.n_pipes)
		return err_set(err, ESTALE, "page map: of another process");
	return 0;
}

/* What the map has, and what was plugged in since.  @ram's descriptors are taken where it succeeds
 */
static int match_memory(struct page_map *map, const struct adopted *adopted, int directory,
			struct ram *ram, struct ram_left *left, struct err *err)
{
	struct ram kept, more;
	int rc;

	page_map_trim(map);
	rc = keep_noted(page_map_identity(map), ram, &kept, &more, err);
	if (rc < 0)
		return rc;
	plug_in_all(map, adopted, directory, &kept, &more, left);
	*ram = kept;
	return 0;
}

static int go_on(struct guest_pager *pager, struct err *err)
{
	int rc;

	switch (page_map_phase(pager->map)) {
	case MAP_ADOPTING:
		if (page_map_is_imported(pager->map))
			return err_set(err, EUCLEAN, "the map of another host was cut short");
		return begin(pager, err);
	case MAP_UNREGISTERING:
		rc = unregister_all(pager, err);
		if (rc < 0)
			return rc;
		discards_finish(pager);
		return err_set(err, ECANCELED, "the guest was being released");
	case MAP_DETACHING:
	case MAP_PAGING:
		break;
	}
	rc = restart_guest(pager, err);
	if (rc < 0)
		return rc;
	page_map_set_phase(pager->map, MAP_PAGING);
	return threads_start(pager, err);
}

int guest_pager_resume(struct guest_pager **pager, struct page_map *map, struct adopted *adopted,
		       struct ram *ram, struct ram_left *left,
		       const struct guest_pager_options *options, struct err *err)
{
	struct guest_pager *new;
	int rc = check_arguments(adopted, ram, options, err);

	if (rc == 0)
		rc = check_identity(map, adopted, err);
	if (rc == 0)
		rc = match_memory(map, adopted, options->directory, ram, left, err);
	if (rc < 0)
		return rc;
	new = new_pager(adopted, ram, options);
	if (!new)
		return err_nomem(err);
	identify_objects(&new->adopted.identity, ram);
	new->map = map;
	new->fenced = page_map_is_fenced(map);
	/* Nothing was evicted during the adoption, so start from the beginning */
	rc = open_files(new, options, page_map_phase(map) == MAP_ADOPTING, err);
	if (rc == 0)
		rc = go_on(new, err);
	if (rc < 0) {
		free_own(new);
		return rc;
	}
	*pager = new;
	return 0;
}

/* ---- requests of the daemon ---- */

void guest_pager_set_limit(struct guest_pager *pager, uint64_t pages)
{
	pager->wanted = pages ? pages : 1;
	/* With cgroups' limits, pager_stay_below_cgroup() decides whether the limit may rise */
	if (pager->limit > pager->wanted || !pager->options.most)
		use_limit(pager, pager->wanted);
	pager_stay_below_cgroup(pager);
	pager_wake(pager->wake_evict);
}

void guest_pager_keep_slots(struct guest_pager *pager, bool keep)
{
	if (slots_go(pager, SLOTS_IN_MEMORY, SLOTS_HOST_SHORT, !keep))
		pager_wake(pager->wake_evict);
}

int guest_pager_detach(struct guest_pager *pager, int64_t deadline_ms, struct err *err)
{
	int rc;

	if (pager->fenced)
		return err_set(err, EBUSY, "the guest is on its way to this host");
	rc = detach_guest(pager, deadline_ms, err);
	if (rc < 0)
		return rc;
	threads_end(pager);
	discards_finish(pager);
	return 0;
}

static void close_and_free(struct guest_pager *pager)
{
	page_map_close(pager->map);
	adopted_close(&pager->adopted);
	ram_close(&pager->ram);
	free_own(pager);
}

void guest_pager_stop(struct guest_pager *pager)
{
	threads_end(pager);
	close_and_free(pager);
}

bool guest_pager_leave(struct guest_pager *pager, uint64_t deadline)
{
	bool ended = threads_ended(pager, deadline);

	if (ended)
		close_and_free(pager);
	return ended;
}

struct adopted *guest_pager_adopted(struct guest_pager *pager)
{
	return &pager->adopted;
}

/* First what outlives us: a guest that went on once is not held back by the next pager */
void guest_pager_fence(struct guest_pager *pager, bool up)
{
	page_map_fence(pager->map, up);
	STEP("fence_noted");
	pager->fenced = up;
	pager_wake(pager->wake_fault);
}

void guest_pager_let_go(struct guest_pager *pager)
{
	tiers_let_go(pager->tiers);
}

bool guest_pager_is_fenced(const struct guest_pager *pager)
{
	return pager->fenced;
}

/* A percentile of the times to answer faults, from a histogram by powers of two */
static uint64_t quantile(struct guest_pager *pager, uint64_t percent)
{
	uint64_t total = 0, below = 0;
	unsigned int i;

	for (i = 0; i < FAULT_BUCKETS; i++)
		total += pager->statistics.fault_ns[i];
	if (!total)
		return 0;
	for (i = 0; i < FAULT_BUCKETS; i++) {
		uint64_t here = pager->statistics.fault_ns[i], low = UINT64_C(1) << i;

		if ((below + here) * 100 >= total * percent && here)
			return low + low *
					     (total * percent / 100 > below ?
						      total * percent / 100 - below :
						      0) /
					     here;
		below += here;
	}
	return UINT64_C(1) << FAULT_BUCKETS;
}

/* Without what stands in for unplugged memory */
static uint64_t pages_of_guest(const struct guest_pager *pager)
{
	uint64_t pages = 0;
	size_t i;

	for (i = 0; i < pager->ram.n; i++)
		if (!pager->ram.object[i].stands_in)
			pages += pager->ram.object[i].pages;
	return pages;
}

static uint64_t own_bytes(struct guest_pager *pager)
{
	uint64_t pages = pager->ram.pages;

	uint64_t lower =
		pager->demoter.age ?
			pages + (1 + SLOW_WORKERS) * (uint64_t)READ_AHEAD_MAX * PAGE_BYTES :
			0;

	return lower + tiers_own_bytes(pager->tiers) + page_map_bytes(pager->map) +
	       journal_bytes(pager->journal) + hot_bytes(pager->hot) + 2 * bit_bytes(pages) +
	       pages / REGION_PAGES + (uint64_t)READ_AHEAD_MAX * PAGE_BYTES + sizeof(*pager);
}

void guest_pager_statistics(struct guest_pager *pager, struct pager_statistics *out)
{
	*out = (struct pager_statistics){
		.pages = pages_of_guest(pager),
		.resident = policy_resident(pager),
		.limit = pager->wanted,
		.limit_now = pager->limit,
		.no_tier = pager->forced && pager->failure == -ENOSPC && !demote_works(pager),
		.faults = pager->statistics.faults,
		.zero_faults = pager->statistics.zero_faults,
		.evictions = pager->statistics.evictions,
		.refaults = pager->statistics.refaults,
		.prefetched = pager->statistics.prefetched,
		.prefetch_used = pager->statistics.prefetch_used,
		.discards = pager->statistics.discards,
		.waiting = pager->statistics.waiting + pager->slow.failing,
		.stores = pager->statistics.stores,
		.scanned = pager->statistics.scanned,
		.vcpu_faults = pager->statistics.by_class[FAULT_VCPU],
		.idle_percent = pager->idle.percent,
		.idle_samples = pager->idle.found,
		.fault_p50_ns = quantile(pager, 50),
		.fault_p99_ns = quantile(pager, 99),
		.own_bytes = own_bytes(pager),
		.gone = pager->gone,
	};
	out->n_tiers = tiers_usage(pager->tiers, out->tier, TIERS_MAX);
}
