// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The thread that answers the guest's faults.
 *
 * Messages are read with the gate held, straight into the event ring of the journal: reading a
 * discard lets QEMU go on with it, and a pager that is killed then must not have forgotten it.
 * Faults need no such care.  The kernel delivers an unanswered one again after a WAKE.
 */
#include <errno.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "kernel/kfs.h"
#include "pager/engine.h"

/* Faults that can't be answered are tried again so often; a person hears of them after a while */
enum { RETRY_MS = 20, SLEEP_MS = 10000, ALARM_AFTER_MS = 1000, AT_ONCE = 64 };
/* What a fault is that another thread will answer */
enum { LEFT = 1 };
/* Where nothing can be evicted: pages above the limit that are given all the same */
enum { OVER_PAGES = 16, EXCHANGE_PAGES = 64 };

/* ---- reading ---- */

static void keep_fault(struct guest_pager *pager, const struct uffd_msg *message)
{
	struct fault *fault = &pager->fault[pager->n_faults];

	if (message->event != UFFD_EVENT_PAGEFAULT)
		return;
	if (!ram_page_at(&pager->ram, message->arg.pagefault.address, &fault->page))
		return;
	fault->read_ns = pager_now_ns();
	fault->tid = message->arg.pagefault.feat.ptid;
	fault->write_protected = message->arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WP;
	fault->writes = message->arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WRITE;
	pager->n_faults++;
}

static void clear_ring(struct uffd_msg *ring, ssize_t n)
{
	/* Only a kill comes between: the order of our own stores is enough */
	atomic_signal_fence(memory_order_seq_cst);
	memset(ring, 0, (size_t)n * sizeof(*ring));
	STEP("ring_cleared");
}

int faults_read(struct guest_pager *pager)
{
	struct uffd_msg *ring = journal_ring(pager->journal);
	size_t room = FAULTS_MAX - pager->n_faults;
	ssize_t n, i;

	if (room < EVENT_RING_MAX) {
		/* More threads than that wait at once: they are woken, and ask again */
		pager->n_faults = FAULTS_MAX - EVENT_RING_MAX;
		pager->lost_faults = true;
	}
	pthread_mutex_lock(&pager->gate);
	n = uffd_read(&pager->uffd, ring, EVENT_RING_MAX);
	if (n > 0) {
		STEP("faults_read");
		discards_apply(pager, ring, (size_t)n);
		STEP("discards_applied");
		for (i = 0; i < n; i++)
			keep_fault(pager, &ring[i]);
		clear_ring(ring, n);
	}
	pthread_mutex_unlock(&pager->gate);
	return (int)n;
}

static _Thread_local bool reads_events;

void events_are_read_here(bool yes)
{
	reads_events = yes;
}

void events_wait(struct guest_pager *pager)
{
	if (!reads_events || faults_read(pager) <= 0)
		sched_yield();
}

/* ---- whose fault ---- */

/* By the thread's name, asked now and then: names are given after a thread's start */
static enum fault_class ask_class(const struct guest_pager *pager, uint32_t tid)
{
	enum fault_class class = FAULT_OTHER;
	char path[KFS_PATH_SIZE], name[64];
	struct kfs kfs;

	if ((pid_t)tid == pager->adopted.identity.pid)
		return FAULT_MAIN;
	if (kfs_open(&kfs, "/", NULL) < 0)
		return FAULT_OTHER;
	snprintf(path, sizeof(path), "proc/%d/task/%u/comm", (int)pager->adopted.identity.pid, tid);
	if (kfs_read(&kfs, path, name, sizeof(name), NULL) == 0)
		class = thread_class_of(name);
	kfs_close(&kfs);
	return class;
}

static struct thread_seen *thread_of(struct guest_pager *pager, const struct fault *fault)
{
	bool name_it;
	struct thread_seen *thread =
		thread_find(&pager->classes, fault->tid, fault->read_ns, &name_it);

	if (name_it)
		thread->class = ask_class(pager, fault->tid);
	return thread;
}

/* ---- one fault ---- */

static enum page_state state_of(const struct guest_pager *pager, uint64_t page)
{
	return page_entry_fields(page_map_get(pager->map, page)).state;
}

bool page_present(struct guest_pager *pager, uint64_t page)
{
	const struct ram_object *object = ram_object_of(&pager->ram, page);
	off_t offset = (off_t)((page - object->first) * PAGE_BYTES);

	return lseek(object->fd, offset, SEEK_DATA) == offset;
}

/* Linux 6.5; headers may be older */
#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif

/* Seeking looks for the next hole or page, however far; counting looks at this range alone */
int64_t pages_cached(struct guest_pager *pager, uint64_t page, size_t n)
{
	const struct ram_object *object = ram_object_of(&pager->ram, page);
	struct {
		uint64_t offset, bytes;
	} range = { (page - object->first) * PAGE_BYTES, n * PAGE_BYTES };
	struct {
		uint64_t cached, dirty, writeback, evicted, recently_evicted;
	} counts;

	if (syscall(SYS_cachestat, object->fd, &range, &counts, 0) < 0)
		return -1;
	return (int64_t)counts.cached;
}

/* A hole that reads as zeros.  Return: 0, also if it is there already; -errno: it has to wait */
static int give_zeros(struct guest_pager *pager, uint64_t page)
{
	int rc;

	do {
		changes_lock(pager);
		changes_note(pager, page, 1);
		rc = uffd_zeropage(&pager->uffd, ram_address(&pager->ram, page), PAGE_BYTES);
		changes_unlock(pager);
		if (rc == -EAGAIN && pager_stopping(pager))
			return -ECANCELED;
		if (rc == -EAGAIN)
			faults_read(pager);
	} while (rc == -EAGAIN);
	if (rc == -EEXIST)
		rc = pager_wake_page(pager, page);
	if (rc == -ESRCH)
		pager_gone(pager);
	return rc;
}

/* Why nothing goes out, so that nothing can come in */
static int no_room(const struct guest_pager *pager)
{
	if (pager->page_lost || pager->evictor[0].broken)
		return -EUCLEAN;
	if (pager->huge_folios)
		return -EOPNOTSUPP;
	if (pager->forced && pager->failure)
		return pager->failure;
	return pager->folios_stay ? -EOPNOTSUPP : -ENOSPC;
}

static int serve_zero(struct guest_pager *pager, uint64_t page)
{
	struct page_fields fields;
	int rc;

	/* It takes room for good: it has no slot to give for it */
	if (!evict_for(pager, 1) && policy_resident(pager) > pager->limit + OVER_PAGES)
		return no_room(pager);
	fields = page_entry_fields(page_map_get(pager->map, page));
	/* Changed while room was made for it */
	if (fields.state != PAGE_ZERO)
		return -EAGAIN;
	rc = give_zeros(pager, page);
	if (rc < 0)
		return rc;
	STEP("zero_given");
	fields.state = PAGE_RESIDENT;
	entry_settle(pager, page, fields);
	discards_remember(pager, page);
	pager->statistics.zero_faults++;
	policy_faulted(pager, page);
	return 0;
}

static struct read_ahead_range what_ahead(struct guest_pager *pager, uint64_t page)
{
	uint64_t judged = atomic_exchange(&pager->statistics.judged, 0);
	uint64_t used = atomic_exchange(&pager->statistics.judged_used, 0);
	struct read_ahead_range range;

	if (judged)
		read_ahead_result(pager->read_ahead, judged, used);
	if (pager->options.no_prefetch)
		return (struct read_ahead_range){ .n = 0 };
	range = read_ahead_fault(pager->read_ahead, page);
	/* Which neighbours are used is only seen of those that were written into the file */
	if (!range.stream && pager->options.copies_only)
		range.n = 0;
	return range;
}

/* What is resident beyond the limit because no tier takes it */
static uint64_t over_limit(const struct guest_pager *pager)
{
	return pager->forced > pager->limit ? pager->forced : pager->limit;
}

static bool is_slow(const struct guest_pager *pager, uint64_t page)
{
	struct page_fields fields = page_entry_fields(page_map_get(pager->map, page));

	return fields.state == PAGE_EVICTED &&
	       tiers_is_slow((struct page_place){ .tier = fields.tier, .slot = fields.slot });
}

/* Its disk reads while room is made, if there is hardly too little: what comes is more than the
 * limit for so long.  Where nothing goes out it may not */
static bool may_read_first(const struct guest_pager *pager, uint64_t page, uint64_t pages)
{
	return is_slow(pager, page) && !pager->forced &&
	       policy_resident(pager) + pages <= pager->limit + OVER_PAGES;
}

/* What of a stream's window is on a disk */
static void leave_window(struct guest_pager *pager, uint64_t first)
{
	uint64_t end = first + READ_AHEAD_MAX;

	end = end < pager->ram.pages ? end : pager->ram.pages;
	while (first < end && !is_slow(pager, first))
		first++;
	if (first < end)
		slow_load_ahead(
			pager, (struct read_ahead_range){ .first = first, .n = end - first }, true);
}

/*
 * A disk reads the next windows of a stream while the guest works through this one.  Each one's
 * first page goes to RAM alone: the fault on it says that the guest has come there, so that the
 * next but one is read, and takes no longer than any in RAM.
 */
static void leave_next(struct guest_pager *pager, struct read_ahead_range range)
{
	uint64_t end = range.first + range.n;

	if (!range.full || !pager->slow.worker[0].runs)
		return;
	leave_window(pager, end);
	leave_window(pager, end + READ_AHEAD_MAX);
}

/* Pages of the range that are out */
static uint64_t count_out(const struct guest_pager *pager, struct read_ahead_range range)
{
	uint64_t page, out = 0;

	for (page = range.first; page < range.first + range.n; page++)
		out += state_of(pager, page) == PAGE_EVICTED;
	return out;
}

static int read_first(struct guest_pager *pager, const struct fault *fault,
		      struct read_ahead_range range, uint64_t come)
{
	int rc = slow_load(pager, fault, range);

	if (rc < 0)
		return rc;
	leave_next(pager, range);
	evict_for(pager, come);
	return LEFT;
}

/* Of a stream's pages that were not loaded here, since this thread does not wait for a disk */
static void leave_ahead(struct guest_pager *pager, struct read_ahead_range range)
{
	uint64_t end = range.first + range.n;

	while (range.first < end && !is_slow(pager, range.first))
		range.first++;
	range.n = end - range.first;
	if (range.n)
		slow_load_ahead(pager, range, false);
}

static int serve_evicted(struct guest_pager *pager, const struct fault *fault)
{
	struct read_ahead_range range = what_ahead(pager, fault->page);
	bool joined = range.n && range.stream && range.first == fault->page + 1;
	uint64_t come;
	int rc;

	/* Neighbours on a disk are another matter: see slow_load.c */
	if (!range.stream && is_slow(pager, fault->page))
		range.n = 0;
	placement_fault(pager, fault->tid, range.n);
	come = 1 + count_out(pager, range);
	if (may_read_first(pager, fault->page, come))
		return read_first(pager, fault, range, come);
	if (!evict_for(pager, come)) {
		/* Loading frees a slot, into which another page can go: so many may be ahead of
		 * that */
		if (policy_resident(pager) > over_limit(pager) + EXCHANGE_PAGES)
			return no_room(pager);
		range = (struct read_ahead_range){ .n = 0 };
		joined = false;
	}
	if (joined && range.n + 1 <= READ_AHEAD_MAX) {
		range.first--;
		range.n++;
	}
	if (joined)
		prefetch_pages(pager, &pager->mover, range.first, range.n, true);
	rc = load_page(pager, &pager->mover, fault->page);
	if (rc == LOAD_SLOW) {
		range.n = range.stream ? range.n : 0;
		rc = slow_load(pager, fault, range);
		if (rc < 0)
			return rc;
		leave_next(pager, range);
		return LEFT;
	}
	if (joined) {
		leave_ahead(pager, range);
		leave_next(pager, range);
	}
	if (rc == 0)
		policy_faulted(pager, fault->page);
	if (rc >= 0 && range.n && !joined)
		prefetch_pages(pager, &pager->mover, range.first, range.n, range.stream);
	if (rc < 0)
		return rc;
	/* Discarded while room was made for it: nothing has woken those who wait for it */
	if (rc == 1 && state_of(pager, fault->page) == PAGE_ZERO)
		return -EAGAIN;
	if (rc == 1 && joined)
		policy_faulted(pager, fault->page);
	pager->statistics.refaults++;
	return 0;
}

/* The page's claim, so that it doesn't leave while we look */
static bool claim_look(struct guest_pager *pager, uint64_t page, struct page_fields *fields)
{
	page_entry entry = page_map_get(pager->map, page);
	struct page_fields leaving;

	*fields = page_entry_fields(entry);
	leaving = *fields;
	leaving.state = PAGE_LEAVING;
	return fields->state == PAGE_RESIDENT &&
	       page_map_swap(pager->map, page, &entry, page_entry_make(leaving));
}

static int tell_again(struct guest_pager *pager, uint64_t page)
{
	return poison_page(pager, page) ? pager_wake_page(pager, page) : -ENODATA;
}

/*
 * A fault on a page that should be there.  It is: another thread was faster.  It is not, and the
 * page was discarded since it became resident, or pages near it lately: zeros are right.  Else
 * never zeros: the discard's message may come yet, or content is lost.  Of one whose content is
 * known to be lost the guest was told, and a discard that was read before took that away: it is
 * told again.
 */
static int serve_resident(struct guest_pager *pager, uint64_t page)
{
	struct page_fields fields;
	int rc = 0;

	if (page_present(pager, page))
		return pager_wake_page(pager, page);
	if (!claim_look(pager, page, &fields))
		return -EAGAIN;
	STEP("look_claimed");
	if (page_present(pager, page))
		rc = pager_wake_page(pager, page);
	else if (fields.discarded ||
		 (!fields.bad && journal_discarded_lately(pager->journal, page)))
		rc = give_zeros(pager, page);
	else if (fields.bad)
		rc = tell_again(pager, page);
	else
		rc = -ENODATA;
	entry_settle(pager, page, fields);
	/* Of a lost page a hole is no zeros, whatever was discarded near it */
	if (!fields.bad)
		discards_remember(pager, page);
	if (rc == 0)
		policy_faulted(pager, page);
	return rc;
}

/*
 * A fault on a page on its way out: who evicts it wakes, if he hears of it.  We count, and look
 * again; he publishes, and looks at the count.  One of the two sees the other.
 */
static int leave_to_evictor(struct guest_pager *pager, uint64_t page)
{
	atomic_fetch_add(&pager->leaving_seen, 1);
	return state_of(pager, page) == PAGE_LEAVING ? 0 : -EAGAIN;
}

/* Return: -EAGAIN also if an evictor has claimed it: its protection is the evictor's */
static int allow_writes(struct guest_pager *pager, uint64_t page)
{
	int rc = -EAGAIN;

	pthread_mutex_lock(&pager->protection);
	if (state_of(pager, page) != PAGE_LEAVING) {
		STEP("write_allowing");
		rc = changes_allow(pager, page);
	}
	pthread_mutex_unlock(&pager->protection);
	return rc;
}

static int serve_write_protected(struct guest_pager *pager, uint64_t page)
{
	if (state_of(pager, page) == PAGE_LEAVING)
		return leave_to_evictor(pager, page);
	scan_written(pager, page);
	return allow_writes(pager, page);
}

/* A page that a scan reads goes again behind it */
static enum scan_result serve_scan(struct guest_pager *pager, const struct fault *fault)
{
	struct thread_seen *thread = thread_of(pager, fault);

	pager->statistics.by_class[thread->class]++;
	if (!thread_scans(thread, fault->page, fault->writes))
		return SCAN_NOT;
	return scan_serve(pager, fault, thread->class == FAULT_MIGRATION);
}

static int serve_out(struct guest_pager *pager, const struct fault *fault, bool zero)
{
	switch (serve_scan(pager, fault)) {
	case SCAN_SERVED:
		return 0;
	case SCAN_LEFT:
		return LEFT;
	case SCAN_NOT:
		break;
	}
	return zero ? serve_zero(pager, fault->page) : serve_evicted(pager, fault);
}

static int serve_missing(struct guest_pager *pager, const struct fault *fault)
{
	switch (state_of(pager, fault->page)) {
	case PAGE_ZERO:
		return serve_out(pager, fault, true);
	case PAGE_EVICTED:
		return serve_out(pager, fault, false);
	case PAGE_RESIDENT:
		return serve_resident(pager, fault->page);
	case PAGE_LEAVING:
		return leave_to_evictor(pager, fault->page);
	case PAGE_LOADING:
		/* Its owner wakes after its last change of the entry */
		return 0;
	case PAGE_STAGED:
		break;
	}
	return -ENODATA;
}

/* ---- batches ---- */

void fault_count_time(struct guest_pager *pager, const struct fault *fault)
{
	uint64_t ns = pager_now_ns() - fault->read_ns;
	unsigned int bucket = ns ? 63 - (unsigned int)__builtin_clzll(ns) : 0;

	pager->statistics.fault_ns[bucket < FAULT_BUCKETS ? bucket : FAULT_BUCKETS - 1]++;
}

static const char *reason(struct guest_pager *pager, int rc, char text[PAGER_REASON_SIZE])
{
	switch (rc) {
	case -ENOSPC:
		return demote_helps(pager) ? "pages go to lower tiers to make room for it" :
					     pager_tiers_full(pager, text);
	case -ENOBUFS:
		return "too many threads wait for a file";
	case -EOPNOTSUPP:
		return "nothing can be evicted: memory is in large folios, see "
		       "/sys/kernel/mm/transparent_hugepage/shmem_enabled";
	case -EUCLEAN:
		return "nothing can be evicted since an eviction could not be finished";
	case -EBUSY:
		return pager_pinned(pager, text);
	case -ENODATA:
		return "a page that should be in memory is missing there";
	case -ENOMEM:
		return "there is no memory below the limit of its cgroup";
	case -EHWPOISON:
		return "a memory error of the host in a page that was out";
	default:
		return err_text(-rc);
	}
}

static void wait_for_it(struct guest_pager *pager, const struct fault *fault, int rc)
{
	char why[PAGER_REASON_SIZE];

	if (pager_stopping(pager))
		return;
	/* Nothing of the guest's is registered there any more */
	if (rc == -ENOENT) {
		pager_wake_page(pager, fault->page);
		return;
	}
	if (pager_now_ns() - fault->read_ns > (uint64_t)ALARM_AFTER_MS * 1000000)
		pager_alarm(pager, ALARM_WAITS, "the guest waits for a page: %s",
			    reason(pager, rc, why));
	if (pager->n_waiting == WAITING_MAX) {
		pager->lost_faults = true;
		return;
	}
	pager->waiting[pager->n_waiting++] = *fault;
	pager->statistics.waiting = pager->n_waiting;
}

static void serve_one(struct guest_pager *pager, const struct fault *fault)
{
	bool loads = state_of(pager, fault->page) == PAGE_EVICTED;
	int rc;

	for (;;) {
		rc = fault->write_protected ? serve_write_protected(pager, fault->page) :
					      serve_missing(pager, fault);
		if (rc != -EAGAIN || pager_stopping(pager))
			break;
		/* While a discard's message waits the kernel refuses, and only this thread reads */
		faults_read(pager);
	}
	if (rc < 0)
		wait_for_it(pager, fault, rc);
	else if (loads && rc != LEFT)
		fault_count_time(pager, fault);
	STEP("fault_served");
}

/* By page, so that neighbours come one after the other; of one page once */
static size_t sort_batch(struct fault *batch, size_t n)
{
	size_t i, j, kept = 0;

	for (i = 1; i < n; i++) {
		struct fault fault = batch[i];

		for (j = i; j > 0 && batch[j - 1].page > fault.page; j--)
			batch[j] = batch[j - 1];
		batch[j] = fault;
	}
	for (i = 0; i < n; i++)
		if (i == 0 || batch[i].page != batch[kept - 1].page ||
		    batch[i].write_protected != batch[kept - 1].write_protected)
			batch[kept++] = batch[i];
	return kept;
}

void faults_serve(struct guest_pager *pager)
{
	struct fault batch[AT_ONCE];

	if (pager->n_faults && atomic_exchange(&pager->rests, false))
		pager_wake(pager->wake_evict);
	/* Reading goes on meanwhile, where an event is in a COPY's way */
	while (pager->n_faults && !pager_stopping(pager)) {
		size_t n = pager->n_faults < AT_ONCE ? pager->n_faults : AT_ONCE, i;

		memcpy(batch, pager->fault, n * sizeof(batch[0]));
		pager->n_faults -= n;
		memmove(pager->fault, pager->fault + n, pager->n_faults * sizeof(batch[0]));
		pager->statistics.faults += n;
		n = sort_batch(batch, n);
		for (i = 0; i < n; i++)
			serve_one(pager, &batch[i]);
	}
}

/* What had to wait is tried again */
static void retry_waiting(struct guest_pager *pager)
{
	size_t i, n = pager->n_waiting;

	if (n == 0)
		return;
	pager->n_waiting = 0;
	for (i = 0; i < n; i++) {
		struct fault fault = pager->waiting[i];

		serve_one(pager, &fault);
	}
	pager->statistics.waiting = pager->n_waiting;
	if (pager->n_waiting == 0)
		pager_alarm_over(pager, ALARM_WAITS);
}

void pager_wake_all(struct guest_pager *pager)
{
	size_t i;

	for (i = 0; i < pager->ram.n; i++)
		uffd_wake(&pager->uffd, pager->ram.object[i].address,
			  pager->ram.object[i].pages * PAGE_BYTES);
}

static int sleeps_ms(const struct guest_pager *pager)
{
	if (pager->n_waiting || pager->lost_faults)
		return RETRY_MS;
	if (pager->scan.n || pager->scan.coming)
		return SCAN_TURN_MS;
	return (int)clock_together_ms(SLEEP_MS);
}

/* False: there is none */
static bool wait_for_messages(struct guest_pager *pager)
{
	struct pollfd fds[] = {
		{ .fd = pager->uffd.fd, .events = POLLIN },
		{ .fd = pager->wake_fault, .events = POLLIN },
	};

	poll(fds, 2, sleeps_ms(pager));
	if (fds[1].revents)
		pager_slept(pager->wake_fault);
	/* QEMU's memory is gone: its process ends, which the evicting thread sees */
	if (fds[0].revents & (POLLERR | POLLHUP))
		poll(NULL, 0, RETRY_MS);
	return fds[0].revents & POLLIN;
}

void *faults_thread(void *pager_arg)
{
	struct guest_pager *pager = pager_arg;
	uint64_t retried = 0;

	log_context(pager->name, "faults");
	pager_follow_memory(pager);
	events_are_read_here(true);
	placement_begin(pager);
	while (!pager_stopping(pager)) {
		/* One reading a turn: waiting tells at once if there is more */
		if (wait_for_messages(pager))
			faults_read(pager);
		if (pager->fenced) {
			pager->n_faults = 0;
			pager->lost_faults = true;
			continue;
		}
		placement_turn(pager);
		faults_serve(pager);
		scan_turn(pager);
		evict_behind(pager);
		if (pager_now_ns() - retried > (uint64_t)RETRY_MS * 1000000) {
			retried = pager_now_ns();
			retry_waiting(pager);
			if (atomic_exchange(&pager->lost_faults, false))
				pager_wake_all(pager);
		}
	}
	return NULL;
}
