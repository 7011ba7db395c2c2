/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the threads of one guest's pager share.  For the files of the engine and its tests alone.
 *
 * DOC: who may change a page's entry
 *
 *	ZERO -> RESIDENT	the fault thread, after the page of zeros is in place
 *	RESIDENT -> LEAVING	who evicts it, and who looks whether it is a hole
 *	LEAVING -> any		the thread that made it LEAVING, and no other
 *	LEAVING -> LOADING	the same thread, where no slot takes the content; without a slot
 *	EVICTED -> LOADING	who brings it back; it alone may write into the guest's file then
 *	LOADING -> any		the same thread; discards only set "discarded" in the entry
 *	EVICTED -> ZERO		a discard
 *	RESIDENT -> LOADING	the fault thread, for a page whose slot has its content: it goes
 *				again
 *	EVICTED -> EVICTED	the demoting thread, from one slot to another, in any tier
 *
 * One that is ZERO may be in the guest's file, as zeros that the guest can't write before we are
 * told: a thread reads it that reads all memory.
 *
 * By compare-and-swap of the whole entry, always.  All of it stands in the map file in the order
 * in which it is done, so that a pager that is killed anywhere has a successor: see restart.c.
 *
 * DOC: locks, in this order
 *
 * evictor.lock	a run, its pipe and its staging
 * gate		from reading the userfaultfd until the discards that were read are applied; around
 *		the publishing of a run.  Without it a discard that was read, but not applied, would
 *		take away content that is newer than it
 * protection	where pins are waited for: from the look whether a page is LEAVING until
 *		writes to it are allowed, and while a run is write-protected.  Without it a fault
 *		on a page that was RESIDENT would take away the protection of the run that has
 *		claimed it meanwhile
 * policy	hot, and the bitmaps beside it
 * changes.lock	see struct changes
 *
 * DOC: steps
 *
 * pager_step() marks the places between which a kill makes a difference.  Programs don't have it;
 * a test that defines it stops the process there.
 */
#ifndef MEMBACKING_PAGER_ENGINE_H
#define MEMBACKING_PAGER_ENGINE_H

#include <pthread.h>
#include <stdatomic.h>

#include "kernel/uffd.h"
#include "pager/disk_near.h"
#include "pager/guest_pager.h"
#include "pager/journal.h"
#include "pager/lone_vcpu.h"
#include "pager/memory_policy.h"
#include "pager/page_map.h"
#include "pager/pins.h"
#include "pager/read_ahead.h"
#include "pager/thread_class.h"

extern void pager_step(const char *label) __attribute__((weak));

#define STEP(label)                                                                                \
	do {                                                                                       \
		if (pager_step)                                                                    \
			pager_step(label);                                                         \
	} while (0)

enum { FAULTS_MAX = 1024, WAITING_MAX = 1024, FAULT_BUCKETS = 32, IDLE_PAGES_MAX = 256 };
/* Four windows, so that a thread that lends pages to others has not lost them yet.  From a slow
 * tier larger ones are read */
enum { SCAN_WINDOW = 32, SCAN_PAGES = 128, SCAN_SLOW_WINDOW = 64, SCAN_PAGES_MAX = 256 };
/* Of these faults and workers, for what no thread asks for */
enum { SLOW_FAULTS_MAX = 256, SLOW_UNASKED_MAX = 32 };
enum { SLOW_WORKERS = 3, SLOW_WORKERS_UNASKED = SLOW_WORKERS - 1 };

/* How long a disk is waited for at a guest's end, or the daemon's */
enum { DISK_MS = 500 };

/* System calls that tests replace */
struct pager_calls {
	ssize_t (*splice)(int in, off_t *offset, int pipe, size_t bytes);
	ssize_t (*fill)(int fd, off_t offset, int pipe, size_t bytes);
	int (*punch)(int fd, off_t offset, off_t bytes);
};

/* Whose a mover is: the fault thread's, an evictor's, which has each page's content in its staging,
 * or another thread's */
enum mover_of { MOVER_SERVES, MOVER_EVICTS, MOVER_LOADS };

/**
 * struct mover - A thread's means to bring pages back
 * @buffer:	READ_AHEAD_MAX pages, aligned; an evictor has none
 * @pipe:	Private: from the buffer into the guest's file, without an access that could fault
 * @serves:	It is the fault thread
 */
struct mover {
	unsigned char *buffer;
	int pipe[2];
	bool serves;
};

/**
 * struct evictor - One run at a time, through one parked pipe
 * @max:	Pages that the pipe takes, RUN_PAGES_MAX at most
 * @patient:	It may wait for pins
 * @broken:	A run could not be finished: its pages wait there for the next daemon
 */
struct evictor {
	struct guest_pager *pager;
	pthread_mutex_t lock;
	unsigned int number;
	int pipe_read, pipe_write;
	size_t max;
	struct run_record *run;
	unsigned char *staging;
	bool broken, patient;
	bool takes; /* the last run left the guest's file, and what failed was in the tiers */
	struct mover mover;
	/* Of the run that is being made; what must outlive us is in @run */
	uint64_t leaving_seen; /* before its first page was claimed */
	size_t n;
	uint64_t page[RUN_PAGES_MAX];
	page_entry entry[RUN_PAGES_MAX];
	struct page_fields next[RUN_PAGES_MAX]; /* what is published */
	bool failed[RUN_PAGES_MAX];
	bool stayed[RUN_PAGES_MAX]; /* of these: RESIDENT again, and the run's no more */
};

/**
 * enum pager_alarm - What can be wrong.  Each ends by itself; of those that stand the first is said
 * @ALARM_GONE:		QEMU runs on without its memory
 * @ALARM_BROKEN:	A run can't be finished.  Until the next daemon
 * @ALARM_WAITS:	The guest waits for a page
 * @ALARM_SLOW:		The guest waits for a page in a slow tier
 * @ALARM_FOLIOS:	Memory may be in large folios
 * @ALARM_EVICTION:	Nothing goes out
 * @ALARM_DEMOTION:	Nothing goes from RAM to the tiers after it
 * @ALARM_LOST:		A page was lost to a memory error of the host.  Until the next daemon
 * @ALARM_POISON:	A resident page has a memory error of the host.  Until the next daemon
 * @ALARM_CGROUP:	Less is resident than was set
 */
enum pager_alarm {
	ALARM_GONE,
	ALARM_BROKEN,
	ALARM_WAITS,
	ALARM_SLOW,
	ALARM_FOLIOS,
	ALARM_EVICTION,
	ALARM_DEMOTION,
	ALARM_LOST,
	ALARM_POISON,
	ALARM_CGROUP,
	ALARMS,
};

struct fault {
	uint64_t page;
	uint64_t read_ns;
	uint32_t tid;
	bool write_protected, writes;
};

/* A page that was loaded for a thread that reads all memory, and its entry then */
struct scan_page {
	uint64_t page;
	page_entry entry;
};

/**
 * struct scan - Pages that go again behind such a thread: see scan.c.  The fault thread's own
 * @page:	In the order of loading, from @first on
 * @coming:	Places that are kept for pages which the thread for slow tiers loads
 * @last_ns:	When pages came last
 * @resident:	@n, for other threads
 * @lock:	Protects @arrived, @n_arrived and @settled.  No other lock is taken under it
 * @arrived:	What that thread has loaded
 * @settled:	Of @coming, these have come, or will not
 */
struct scan {
	struct scan_page page[SCAN_PAGES_MAX];
	size_t first, n, coming;
	uint64_t last_ns;
	_Atomic uint64_t resident;
	pthread_mutex_t lock;
	struct scan_page arrived[SCAN_PAGES_MAX];
	size_t n_arrived, settled;
};

/**
 * struct idle_sample - Of one thread at a time, but for @percent and @found
 * @page:	Resident, and not mapped in QEMU when they were chosen
 * @percent:	Of the last sample that told; -1: none yet
 * @found:	How many told
 */
struct idle_sample {
	size_t n;
	uint64_t page[IDLE_PAGES_MAX];
	uint64_t random;
	_Atomic int percent;
	_Atomic uint64_t found;
};

/**
 * struct placement - Where the fault thread runs.  Its own
 * @follows:	The processor that it is bound to
 * @follow_in:	Faults until the next look where the vCPU is
 * @bound:	That vCPU is bound to this processor
 */
struct placement {
	int follows, follow_in;
	bool bound;
	struct lone_vcpu lone;
};

/**
 * struct slow_fault - A fault on a page in a slow tier
 * @ahead:	What is loaded with it
 * @due_ms:	clock_ms(): not before: it failed
 * @scans:	What is loaded goes again: see scan.c
 * @unasked:	No fault asks for it: @ahead alone is loaded, when no thread waits for a page
 * @next:	@ahead is a stream's next window: see faults.c
 * @places:	That it has there
 */
struct slow_fault {
	struct fault fault;
	struct read_ahead_range ahead;
	uint64_t due_ms;
	bool scans, unasked, next;
	size_t places;
};

/**
 * struct slow_worker - A thread that loads from slow tiers
 * @since_ms:	clock_ms(): since when it waits for a disk; 0: it does not
 * @tier:	For which, by its number
 * @asleep:	It has nothing to do; under the loader's lock
 */
struct slow_worker {
	struct guest_pager *pager;
	_Atomic uint64_t since_ms;
	_Atomic unsigned int tier;
	_Atomic bool silent; /* an alarm says that its disk does not answer */
	bool asleep;
	int wake;
	struct mover mover;
	pthread_t thread;
	bool runs;
};

/**
 * struct slow_loader - What these threads have to do.  While one waits for the disk another can ask
 * it for more
 * @lock:	Protects @wanted, @n, @ahead and @near.  No other lock is taken under it
 * @ahead:	So many workers load what no thread asks for
 * @failing:	Of @wanted: they failed
 */
struct slow_loader {
	pthread_mutex_t lock;
	struct slow_fault wanted[SLOW_FAULTS_MAX];
	size_t n;
	unsigned int ahead;
	_Atomic size_t failing;
	struct disk_near near;
	struct slow_worker worker[SLOW_WORKERS];
};

/**
 * struct demoted_tier - A tier that pages go down from
 * @coldest:	Pages of this age and above go
 * @hand:	Where the search goes on
 * @long_ago:	Pages that could go through zstd now, when they were counted last
 * @fails:	Those after it take none
 */
struct demoted_tier {
	enum tier_kind kind;
	uint8_t coldest;
	uint64_t hand, aged_ms, long_ago;
	bool fails;
};

/**
 * struct demoter - The thread that moves pages down from tier to tier.  What is atomic other
 *		threads use, too, and @runs is of the thread that starts and ends it: else all is
 *		its own
 * @wanted:	A page found no room in RAM
 * @stuck:	The tiers after RAM take none
 * @asleep:	It looks again after a while
 * @moved:	Pages, counted for tests
 * @asks:	This guest has no slot in RAM, and other guests have all slabs
 * @asks_since:	clock_ms() at which it asked for room first
 * @asked_ms:	clock_ms() at which it asked last; 0: it never did
 * @gives_ms:	clock_ms() before which this guest gives no room, since it had none to give
 * @age:	Of each page, while it is out: see demote.c
 */
struct demoter {
	_Atomic bool wanted, stuck, asleep;
	_Atomic uint64_t moved;
	_Atomic bool asks;
	_Atomic uint64_t asks_since;
	uint64_t asked_ms;
	_Atomic uint64_t gives_ms;
	unsigned char *buffer;
	uint8_t *age;
	struct demoted_tier ram, zstd;
	int wake;
	pthread_t thread;
	bool runs;
};

/**
 * struct changes - Pages that the guest may have changed: see changes.c
 * @lock:	For reading around each call that lets the guest write; for writing while memory is
 *		protected.  No other lock is taken under it
 * @epoch:	Its number; 0: none has begun
 * @now:	A bit a page: changed since it began; NULL: no epoch runs
 * @ended:	The same of the epoch before it.  Of the thread that asks for epochs
 * @ran:	One has run: that a page is protected says no more that it was not written since it
 *		was loaded.  Stays
 */
struct changes {
	pthread_rwlock_t lock;
	uint64_t epoch;
	uint64_t *now, *ended;
	_Atomic bool ran;
};

struct guest_pager {
	struct guest_pager_options options;
	char name[256];
	struct page_map *map;
	struct journal *journal;
	struct tiers *tiers;
	struct adopted adopted;
	struct ram ram;
	struct uffd uffd;
	struct pager_calls calls;

	pthread_mutex_t gate;
	pthread_mutex_t protection;

	pthread_mutex_t policy;
	struct hot *hot;
	_Atomic uint64_t resident; /* hot's, when it was unlocked last */
	uint64_t *counted;	   /* a bit a page: hot counts it as resident */
	uint64_t *ahead;	   /* prefetched, and not known yet whether it is used */

	struct evictor evictor[PAGER_PIPES_MAX];
	unsigned int n_evictors;
	struct memory_policy memory; /* QEMU's: see pager_follow_memory() */
	_Atomic uint8_t *folios;     /* a region's pages: see huge_folio.c */
	int pagemap, kpageflags;

	/* The fault thread's own */
	struct mover mover;
	struct read_ahead *read_ahead;
	struct fault fault[FAULTS_MAX];
	size_t n_faults;
	struct fault waiting[WAITING_MAX];
	size_t n_waiting;
	struct thread_classes classes;
	struct scan scan;
	struct placement place;

	struct slow_loader slow;
	struct demoter demoter;

	pthread_t fault_thread, evict_thread[PAGER_PIPES_MAX];
	unsigned int n_evict_threads;
	bool fault_thread_runs;
	_Atomic bool gave_up;	/* a slow tier's disk did not answer, and may still use buffers */
	_Atomic bool detaching; /* a thread that lets it go may wait for a disk */
	bool processors_are_virtual;
	unsigned int processors;    /* that our threads may use */
	int wake_fault, wake_evict; /* eventfds */
	_Atomic bool stop, stop_evicting, fenced, gone, lost_faults;
	_Atomic int ends_within_ms; /* a process whose memory is gone; see pager_gone() */
	_Atomic bool huge_folios;   /* eviction is off: memory may be in large folios */
	_Atomic bool folios_stay;   /* some memory is, and is left out */
	_Atomic bool page_lost;	    /* and for good: one was */
	_Atomic uint64_t limit;
	_Atomic uint64_t
		wanted; /* the limit that was set: more than the other one below cgroups' */
	_Atomic uint64_t capped_of;	     /* that one, while ALARM_CGROUP stands */
	_Atomic uint64_t went_ms, failed_ms; /* when an eviction went well, and failed, last */
	_Atomic int failure;		     /* how */
	_Atomic uint64_t forced;   /* resident pages when no tier took any more; 0: they take */
	_Atomic uint64_t sweep[2]; /* where to go on looking for clean slots: enum slots_where */
	_Atomic unsigned int slots_go[2]; /* what is loaded keeps none: bits, enum slots_why */
	_Atomic bool slots_sweep[2];	  /* and what was loaded before loses its own */
	_Atomic bool evict_asleep;
	_Atomic bool rests; /* it has not faulted for a while, and its threads sleep longer */
	_Atomic bool alone; /* one vCPU faults, and the fault thread evicts: see lone_vcpu.h */
	_Atomic uint64_t leaving_seen; /* faults on pages that were LEAVING */

	pthread_mutex_t alarm_lock;
	char alarm[ALARMS][512];
	enum pager_alarm alarm_said;

	struct idle_sample idle;
	struct changes changes;

	struct {
		_Atomic uint64_t faults, zero_faults, evictions, refaults, prefetched,
			prefetch_used, discards, waiting, stores, judged, judged_used, scanned;
		_Atomic uint64_t by_class[FAULT_CLASSES];
		_Atomic uint64_t fault_ns[FAULT_BUCKETS];
	} statistics;
};

enum { PAGER_REASON_SIZE = 480 };

/* ---- guest_pager.c ---- */

uint64_t pager_now_ns(void);
/* Tell a person, once for each new sentence */
void pager_alarm(struct guest_pager *pager, enum pager_alarm which, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Others may still stand: then one of them is said */
void pager_alarm_over(struct guest_pager *pager, enum pager_alarm which);
/* For a person: why no tier takes a page, and what helps */
const char *pager_tiers_full(struct guest_pager *pager, char text[PAGER_REASON_SIZE]);
/* For a person: what has pages of this host pinned */
const char *pager_pinned(const struct guest_pager *pager, char text[PAGER_REASON_SIZE]);
/* QEMU is gone, as an ioctl said */
void pager_gone(struct guest_pager *pager);
/* Less than was wanted is resident where the limits of the guest's cgroups leave less */
void pager_stay_below_cgroup(struct guest_pager *pager);
/* From now on pages that the calling thread has made come from the nodes that QEMU's come from */
void pager_follow_memory(const struct guest_pager *pager);
bool pager_stopping(const struct guest_pager *pager);
void pager_wake(int eventfd);
void pager_slept(int eventfd);

/* Around hot, and the bitmaps beside it */
void policy_lock(struct guest_pager *pager);
void policy_unlock(struct guest_pager *pager);
/* What hot is told, so that it counts each page once */
void policy_faulted(struct guest_pager *pager, uint64_t page);
/* @judge: its page table will tell whether it was used */
void policy_prefetched(struct guest_pager *pager, uint64_t first, size_t n, bool judge);
void policy_left(struct guest_pager *pager, uint64_t page, bool discarded);
uint64_t policy_resident(const struct guest_pager *pager);

/* Replace an entry that only this thread may change but for its "discarded" */
void entry_settle(struct guest_pager *pager, uint64_t page, struct page_fields fields);
int pager_wake_page(struct guest_pager *pager, uint64_t page);
/* Ask for a change behind the guest's memory, where nothing is registered and nothing comes of it.
 *
 * Return: -ESRCH: QEMU's memory is gone; -EAGAIN: a thread of QEMU's is in a discard, and has not
 * been told yet to go on; else another -errno */
int pager_ask_kernel(struct guest_pager *pager);

int mover_open(struct mover *mover, enum mover_of of, struct err *err);
void mover_close(struct mover *mover);

/* ---- evict.c ---- */

/**
 * evict_run() - Take pages out of the guest's memory
 * @pages:	At most evictor->max; claimed here.  The evictor's lock is held
 *
 * Return: how many are out; -ENOSPC or another -errno: none, and an alarm was raised
 */
int evict_run(struct guest_pager *pager, struct evictor *evictor, const uint64_t *pages, size_t n);
/* The next run of what is coldest.  Return: as evict_run(); 0: nothing to evict */
int evict_some(struct guest_pager *pager, struct evictor *evictor, size_t max);
/* One run at once, whatever the limit.  Return: as evict_some() */
int evict_now(struct guest_pager *pager);
/* For a thread that is about to load so many pages: make room.  False: nothing goes out */
bool evict_for(struct guest_pager *pager, size_t pages);
/* The first evictor's, while messages are read.  False: the pager stops */
bool evictor_lock(struct guest_pager *pager);
void evictor_unlock(struct guest_pager *pager);
/* Of pages that were just punched is one there?  It was zeroed in place */
bool still_there(struct guest_pager *pager, uint64_t page, size_t n);
/* After a fault, in the thread that serves them: some pages, if the next fault might have to wait
 */
void evict_behind(struct guest_pager *pager);
/* One thread for each evictor but the fault thread's, the first; where there is one alone, both use
 * it */
void *evict_thread(void *evictor_arg);
/* Give back slots of resident pages, to make room in those tiers.  Return: how many */
enum slots_where { SLOTS_IN_MEMORY, SLOTS_IN_FILES };
size_t drop_clean_slots(struct guest_pager *pager, enum slots_where where, size_t max);
/* Pages that are loaded keep none there as long as one of these is so */
enum slots_why { SLOTS_HOST_SHORT = 1, SLOTS_TIER_SHORT = 2 };
/* Return: the evicting thread has to take those that were kept */
bool slots_go(struct guest_pager *pager, enum slots_where where, enum slots_why why, bool go);

/* ---- idle.c ---- */

/**
 * idle_sample() - Judge the pages of the call before, and choose @n others
 *
 * Only while the kernel may not swap the guest's memory.  Each page that it chose and the guest
 * uses costs a fault of the kernel's, a microsecond.
 *
 * Return: 0; -ENOTSUP, -ENOSYS, -EPERM: not on this kernel, or not allowed; -ESRCH: QEMU is gone
 */
int idle_sample(struct guest_pager *pager, size_t n);

/* ---- slow_load.c, demote.c: where the guest has a slow tier ---- */

void slow_load_init(struct guest_pager *pager);
int slow_load_open(struct guest_pager *pager, struct err *err);
void slow_load_close(struct guest_pager *pager);
/* For the fault thread: leave a page to the thread that waits.  Return: 0; 1: it was left before;
 * -ENOBUFS: too many are left to it */
int slow_load(struct guest_pager *pager, const struct fault *fault, struct read_ahead_range ahead);
/* Load what is in slow tiers of a stream's range, before it is asked for.  @next: but for the first
 * page that is out: that is brought no nearer than RAM, so that it is asked for */
void slow_load_ahead(struct guest_pager *pager, struct read_ahead_range ahead, bool next);
/* As slow_load() for a thread that reads all memory.  @places: one for each page.  0:
 * scan_arrived() will be told of them */
int slow_load_scan(struct guest_pager *pager, const struct fault *fault,
		   struct read_ahead_range ahead, size_t places);
void *slow_load_thread(void *worker_arg);
/* Does a thread wait for a disk? */
bool slow_load_waits(const struct guest_pager *pager);
/* Once a second, in another thread: does its disk answer? */
void slow_load_look(struct guest_pager *pager);

int demote_open(struct guest_pager *pager, struct err *err);
void demote_close(struct guest_pager *pager);
void *demote_thread(void *pager_arg);
/* Does RAM get room, by pages that go further down? */
bool demote_works(const struct guest_pager *pager);
/* RAM had no room for a page.  Return: there will be some */
bool demote_helps(struct guest_pager *pager);
/* Pages came into RAM: it may be filled so far that others go now */
void demote_look(struct guest_pager *pager);
/* One batch of what is coldest in RAM.  Return: how many pages were looked at; -ENOSPC or another
 * -errno, with the sentence: the tiers after it take none */
int demote_some(struct guest_pager *pager, struct err *err);
/* One batch of what is long in RAM, through zstd.  Return: how many pages were looked at */
int demote_recompress(struct guest_pager *pager);

/* ---- placement.c: for the fault thread ---- */

void placement_begin(struct guest_pager *pager);
/* Before faults are answered: go where the vCPU is */
void placement_turn(struct guest_pager *pager);
/* A thread's fault on a page that is out, and how many pages are read ahead of it */
void placement_fault(struct guest_pager *pager, uint32_t tid, uint64_t ahead);

/* ---- stay_awake.c ---- */

/* How many processors this process may use */
unsigned int processors_of_ours(void);
/* Is this host a virtual machine? */
bool processors_are_virtual(void);
/* Is it worth anything to wait without sleeping? */
bool may_stay_awake(const struct guest_pager *pager);
/* Wait without sleeping while faults follow one another.  False: sleep; true: there is work */
bool stay_awake(struct guest_pager *pager, bool (*has_work)(struct guest_pager *pager));

/* ---- huge_folio.c ---- */

/* Does eviction work here, and lose nothing?  Return: 0; -ENOTSUP: it would lose pages */
int huge_folio_self_test(struct err *err);
/* Has this page's region one?  Looks once a region */
bool huge_folio_in(struct guest_pager *pager, uint64_t page);
void huge_folio_forget(struct guest_pager *pager);

/* ---- faults.c ---- */

void *faults_thread(void *pager_arg);
/* It is answered: how long it took */
void fault_count_time(struct guest_pager *pager, const struct fault *fault);
void faults_serve(struct guest_pager *pager);
/* Read messages, apply discards, and keep the faults for faults_serve().  Fault thread only */
int faults_read(struct guest_pager *pager);
/* This thread alone reads messages: the fault thread, or the one that makes a restart */
void events_are_read_here(bool yes);
/* While a discard's message waits, the kernel does nothing for us: let it be read */
void events_wait(struct guest_pager *pager);
void pager_wake_all(struct guest_pager *pager);
/* Is this page in the guest's file? */
bool page_present(struct guest_pager *pager, uint64_t page);
/* How many of @n neighbours in one file are in memory, and not in the kernel's swap.  -1: unknown
 */
int64_t pages_cached(struct guest_pager *pager, uint64_t page, size_t n);

/* ---- scan.c: for the fault thread, but for scan_arrived() ---- */

/**
 * enum scan_result - What became of such a fault
 * @SCAN_NOT:	It is one like any other
 * @SCAN_LEFT:	The thread for slow tiers has it
 */
enum scan_result { SCAN_NOT, SCAN_SERVED, SCAN_LEFT };

/**
 * scan_serve() - A fault on a page that is EVICTED or ZERO, of a thread that reads all memory
 * @zeros_ahead: It writes nothing
 */
enum scan_result scan_serve(struct guest_pager *pager, const struct fault *fault, bool zeros_ahead);
/* From the thread for slow tiers: pages that it has loaded protected, and how many of the places
 * that were kept for it this settles: @n at least */
void scan_arrived(struct guest_pager *pager, const struct scan_page *pages, size_t n,
		  size_t places);
/* The guest writes to a page that is in its file.  Before that is allowed */
void scan_written(struct guest_pager *pager, uint64_t page);
/* Each turn, and after SCAN_TURN_MS: what was loaded goes if the thread asks no more */
enum { SCAN_TURN_MS = 500 };
void scan_turn(struct guest_pager *pager);

/* ---- discards.c ---- */

/* Apply the discards among messages.  The gate is held */
void discards_apply(struct guest_pager *pager, const struct uffd_msg *messages, size_t n);
/* What a discard makes of a page's entry.  Return: what it was.  EVICTED: its slot is free now */
struct page_fields discard_in_map(struct guest_pager *pager, uint64_t page);
/* After unregistering: let go on who tells of a discard.  No other thread reads messages */
void discards_finish(struct guest_pager *pager);
/* A page that has just become resident: was it discarded while it was not? */
void discards_remember(struct guest_pager *pager, uint64_t page);
/* Pages of a message's range.  False: none of the guest's */
bool discard_range(const struct ram *ram, const struct uffd_msg *message, uint64_t *first,
		   uint64_t *n);

/* ---- prefetch.c ---- */

enum { LOAD_SLOW = 2 };

/**
 * load_page() - Bring one page back by COPY, which wakes
 * Return: 0; 1: it isn't EVICTED any more; LOAD_SLOW: the fault thread would have to wait for its
 * tier; -ENOENT, -ESRCH; -ENODEV: its tier is away, which is looked for anew once a second;
 * -errno: its tier fails.  EVICTED again
 */
int load_page(struct guest_pager *pager, struct mover *mover, uint64_t page);
/* COPY pages that this thread has as LOADING or LEAVING.  @copied: pages in place */
int copy_pages(struct guest_pager *pager, uint64_t page, const void *from, size_t n,
	       size_t *copied);
/* Write pages that this thread has as LOADING or LEAVING into the guest's file.  No wake.
 *
 * Return: how many pages, from the first on */
size_t fill_pages(struct guest_pager *pager, struct mover *mover, uint64_t page, const void *from,
		  size_t n);
/**
 * take_back() - LEAVING to LOADING, for a page that goes back from the staging into its file
 *
 * There the guest may write and discard it before its entry says RESIDENT, and the staging is older
 * then.  As LOADING it keeps a discard in its entry, also for the next pager.  Its slot, which is
 * older still, is free.  Under the gate: a discard that was read before counts for nothing
 */
void take_back(struct guest_pager *pager, uint64_t page);
/* One of them, by the way that may be used.  Return: it is in place */
bool put_page(struct guest_pager *pager, struct mover *mover, uint64_t page, const void *from);
/* Give the guest a memory error for a hole that this thread has as LOADING or LEAVING.  Return: it
 * is told, now or before */
bool poison_page(struct guest_pager *pager, uint64_t page);
/**
 * lose_page() - A page's content is lost to a memory error of the host
 * @fields:	What this thread, which has it as LOADING or LEAVING, made of its entry
 *
 * The guest gets a memory error for this page.  Where the kernel can't give it one (before Linux
 * 6.6), who asks for the page waits: never zeros.  An alarm says so
 */
void lose_page(struct guest_pager *pager, struct page_fields fields, uint64_t page);
/**
 * enum load_to - Where a page goes
 * @LOAD_MAPPED:	Into the guest's memory, by COPY
 * @LOAD_BESIDE:	No fault asks for it, and its page table is to tell whether it is used
 * @LOAD_NEARER:	It stays out, in another slot of the first tier that takes it
 */
enum load_to { LOAD_MAPPED, LOAD_BESIDE, LOAD_NEARER };
/* Several pages anywhere, READ_AHEAD_MAX at most, read side by side.  @to: of each.  @protect: as
 * load_scanned() does.  @rc: of each, as of load_page(); 1 also of one that stays out */
void load_together(struct guest_pager *pager, struct mover *mover, const uint64_t *pages,
		   const enum load_to *to, size_t n, bool protect, int *rc);
/* Load what is EVICTED of a range, by COPY if it is a stream.  The fault thread: as far as it need
 * not wait.  Return: how many pages */
size_t prefetch_pages(struct guest_pager *pager, struct mover *mover, uint64_t first, size_t n,
		      bool stream);

/**
 * load_scanned() - Bring EVICTED neighbours back, or give zeros for ZERO ones, for a look alone
 * @n:		SCAN_WINDOW at most
 * @entry:	Of each that is there: protected, so that the guest can't write before we are told
 *
 * Return: how many are there, from the first on
 */
size_t load_scanned(struct guest_pager *pager, struct mover *mover, uint64_t first, size_t n,
		    page_entry *entry);
/**
 * drop_scanned() - Take neighbours out again that are as load_scanned() brought them
 * @gone:	Of each.  The others are what they are
 *
 * An evictor's lock is held: no detach allows writes meanwhile.
 */
void drop_scanned(struct guest_pager *pager, uint64_t first, size_t n, const page_entry *entry,
		  bool *gone);

/* ---- changes.c ---- */

void changes_open(struct guest_pager *pager);
void changes_close(struct guest_pager *pager);
/* Around the next two, and one call that lets the guest write; not while events are waited for */
void changes_lock(struct guest_pager *pager);
void changes_unlock(struct guest_pager *pager);
/* Has a page that is brought back to be protected, so that a change of it is seen? */
bool changes_protects(const struct guest_pager *pager, uint64_t page);
/* The guest may write to them from now on */
void changes_note(struct guest_pager *pager, uint64_t page, size_t n);
/* Allow writes to a page, and note it.  Return: as uffd_write_protect() */
int changes_allow(struct guest_pager *pager, uint64_t page);
/* Pages are protected for another reason than an epoch, which is over.  Return: as
 * uffd_write_protect(); 0: an epoch runs, and they stay protected */
int changes_unprotect(struct guest_pager *pager, uint64_t page, size_t n);
/* Writes are allowed to all pages.  Before that */
void changes_end(struct guest_pager *pager);
/* Is it known what was changed in this epoch?  0: all counts as changed.  Return: 0 or -ESTALE */
int changes_check(const struct guest_pager *pager, uint64_t since, struct err *err);
bool changes_since(const struct guest_pager *pager, uint64_t since, uint64_t page);

/* ---- slot_guard.c ---- */

/* Fetch a page's content, and survive a memory error in its slot.  Return: as tiers_load() */
int load_content(struct guest_pager *pager, struct page_fields fields, void *to);
/* Several, one after the other into @to.  @rc: of each */
void load_contents(struct guest_pager *pager, const struct page_fields *fields, size_t n, void *to,
		   int *rc);
bool slot_holds(struct guest_pager *pager, struct page_fields fields, const void *content);
/* Return: as tiers_store(); -EHWPOISON: an error in the content.  One in a slot: another is taken
 */
int store_content(struct guest_pager *pager, const void *content, struct page_place *place);

/* ---- restart_rules.c, restart.c ---- */

/**
 * struct restart_seen - What is known of one page when a pager goes on
 * @present:	It is in the guest's file
 * @ring:	A discard of it was read, and possibly not applied
 * @held:	It is in a run, and its content is in the staging: LEAVING, or LOADING without a
 * slot
 * @explained:	Pages near it were discarded lately, and it is not known to be lost
 */
struct restart_seen {
	enum page_state state;
	bool discarded, has_slot;
	bool present, ring, held, explained;
};

/**
 * enum restart_action - What follows
 * @RESTART_KEEP:	The entry stays
 * @RESTART_RESIDENT:	It is RESIDENT; a slot is only something to compare with
 * @RESTART_EVICTED:	It is EVICTED, in the slot that the entry names
 * @RESTART_ZERO:	It is ZERO; a slot is free
 * @RESTART_STORE:	Its content is in the staging: into a slot with it, then EVICTED
 * @RESTART_MISSING:	RESIDENT without a page, and nothing explains it: the guest waits if it asks
 * @RESTART_BROKEN:	EVICTED or LOADING, neither in a slot nor held: a map that no pager wrote
 */
enum restart_action {
	RESTART_KEEP,
	RESTART_RESIDENT,
	RESTART_EVICTED,
	RESTART_ZERO,
	RESTART_STORE,
	RESTART_MISSING,
	RESTART_BROKEN,
};

enum restart_action restart_resolve(struct restart_seen seen);
/* Make the map agree with the guest's memory.  No thread runs.  Return: as guest_pager_resume() */
int restart_guest(struct guest_pager *pager, struct err *err);
/* Holes and pages of the guest's files, as a bitmap of the pages that are there */
int presence_read(const struct ram *ram, uint64_t *present, struct err *err);

/* ---- map_transfer.c ---- */

/* Fill a new guest's map, whose pages that are in its files are RESIDENT.  No thread runs.  Return:
 * 0; -EBADMSG: no map; -EINVAL: of other memory; -ENODATA, -EEXIST: a page is missing, or there
 * already; -errno */
int map_import(struct guest_pager *pager, int fd, struct err *err);

/* ---- detach.c ---- */

int detach_guest(struct guest_pager *pager, int64_t deadline_ms, struct err *err);
/* Every page that is RESIDENT is there, and every other ZERO.  The gate is held */
bool all_present(struct guest_pager *pager, struct err *err);
/* Unregister every object.  Return: 0, also if that was done before; -ESRCH; -errno */
int unregister_all(struct guest_pager *pager, struct err *err);

static inline bool bit_get(const uint64_t *bits, uint64_t n)
{
	return bits[n / 64] >> (n % 64) & 1;
}

static inline void bit_set(uint64_t *bits, uint64_t n, bool on)
{
	if (on)
		bits[n / 64] |= UINT64_C(1) << (n % 64);
	else
		bits[n / 64] &= ~(UINT64_C(1) << (n % 64));
}

/* Beside other threads that set bits */
static inline bool bit_get_atomic(const uint64_t *bits, uint64_t n)
{
	return __atomic_load_n(&bits[n / 64], __ATOMIC_RELAXED) >> (n % 64) & 1;
}

static inline void bit_set_atomic(uint64_t *bits, uint64_t n)
{
	__atomic_fetch_or(&bits[n / 64], UINT64_C(1) << (n % 64), __ATOMIC_RELAXED);
}

static inline size_t bit_bytes(uint64_t n)
{
	return (size_t)((n / 64 + 1) * 8);
}

#endif
