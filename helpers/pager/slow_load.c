// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The threads that load pages from slow tiers, so that no other fault waits for a disk.
 *
 * The fault thread makes room for what it leaves here, meanwhile or before.  A page that can't be
 * read is tried again and again: who asked for it waits, an alarm says for what, and it never gets
 * anything else.  With each try those who wait are woken, and ask again: one that came while the
 * page was being loaded was left to us.
 *
 * DOC: what is read ahead
 *
 * Of a stream all that is coming, and the two windows after that, if there is room for them; of
 * each of these the first page is brought no nearer than RAM: see leave_next() in faults.c.  Of a
 * neighbourhood, if disk_near.h says so, what is of it on the same disk: pages that went out
 * together lie beside each other there, and are one read; the others are read at the same time.
 * Such neighbours go into the guest's file and are not mapped, so that its page table tells which
 * of them were used.
 *
 * What a thread asks for that reads all memory is loaded for a look, one window at a time, and
 * given to scan.c, which lets it go again.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "pager/engine.h"
#include "pager/tier_io.h"

enum { SLOW_RETRY_MS = 200, SLOW_SILENT_MS = 1000, SLOW_SLEEP_MS = 10000, SLOW_AT_ONCE = 16 };

void slow_load_init(struct guest_pager *pager)
{
	size_t i;

	for (i = 0; i < SLOW_WORKERS; i++) {
		struct slow_worker *worker = &pager->slow.worker[i];

		worker->pager = pager;
		worker->wake = worker->mover.pipe[0] = worker->mover.pipe[1] = -1;
	}
	pthread_mutex_init(&pager->slow.lock, NULL);
}

static int worker_open(struct slow_worker *worker, struct err *err)
{
	worker->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (worker->wake < 0)
		return err_sys(err, errno, "eventfd");
	return mover_open(&worker->mover, MOVER_LOADS, err);
}

int slow_load_open(struct guest_pager *pager, struct err *err)
{
	int rc = 0;
	size_t i;

	for (i = 0; i < SLOW_WORKERS && rc == 0; i++)
		rc = worker_open(&pager->slow.worker[i], err);
	return rc;
}

void slow_load_close(struct guest_pager *pager)
{
	size_t i;

	for (i = 0; i < SLOW_WORKERS; i++) {
		struct slow_worker *worker = &pager->slow.worker[i];

		if (pager->gave_up)
			worker->mover.buffer = NULL; /* a disk may write there */
		mover_close(&worker->mover);
		if (worker->wake >= 0)
			close(worker->wake);
		worker->wake = -1;
	}
	pthread_mutex_destroy(&pager->slow.lock);
	pthread_mutex_destroy(&pager->scan.lock);
}

/* ---- what is wanted ---- */

/* Under the lock */
static size_t count_unasked(const struct slow_loader *slow)
{
	size_t i, n = 0;

	for (i = 0; i < slow->n; i++)
		n += slow->wanted[i].unasked;
	return n;
}

/* Under the lock.  Of one whose page is there already both are woken together; it stays if one of
 * them is no scan.  Return: 0; 1: so; -ENOBUFS */
static int add(struct slow_loader *slow, const struct slow_fault *wanted)
{
	size_t i;

	for (i = 0; i < slow->n; i++)
		if (slow->wanted[i].fault.page == wanted->fault.page &&
		    slow->wanted[i].unasked == wanted->unasked) {
			slow->wanted[i].scans &= wanted->scans;
			return 1;
		}
	if (slow->n == SLOW_FAULTS_MAX ||
	    (wanted->unasked && count_unasked(slow) == SLOW_UNASKED_MAX))
		return -ENOBUFS;
	slow->wanted[slow->n++] = *wanted;
	slow->failing += wanted->due_ms != 0;
	return 0;
}

/* Under the lock.  One that has nothing to do; -1: all are at work, and look before they sleep */
static int sleeper(struct slow_loader *slow)
{
	size_t i;

	for (i = 0; i < SLOW_WORKERS; i++)
		if (slow->worker[i].asleep) {
			slow->worker[i].asleep = false;
			return slow->worker[i].wake;
		}
	return -1;
}

static int leave(struct guest_pager *pager, const struct slow_fault *wanted)
{
	int rc, wake;

	pthread_mutex_lock(&pager->slow.lock);
	rc = add(&pager->slow, wanted);
	wake = sleeper(&pager->slow);
	pthread_mutex_unlock(&pager->slow.lock);
	if (wake >= 0)
		pager_wake(wake);
	return rc;
}

int slow_load(struct guest_pager *pager, const struct fault *fault, struct read_ahead_range ahead)
{
	struct slow_fault wanted = { .fault = *fault, .ahead = ahead };

	return leave(pager, &wanted);
}

int slow_load_scan(struct guest_pager *pager, const struct fault *fault,
		   struct read_ahead_range ahead, size_t places)
{
	struct slow_fault wanted = {
		.fault = *fault, .ahead = ahead, .scans = true, .places = places
	};

	return leave(pager, &wanted);
}

void slow_load_ahead(struct guest_pager *pager, struct read_ahead_range ahead, bool next)
{
	struct slow_fault wanted = {
		.fault.page = ahead.first, .ahead = ahead, .unasked = true, .next = next
	};

	/* Of what finds no room here nothing is lost */
	leave(pager, &wanted);
}

/* One that fits to those before it: a window of a scan, or what is read for no fault, is as much as
 * is read at once */
static bool fits(const struct slow_fault *batch, size_t n, const struct slow_fault *wanted)
{
	return n == 0 ||
	       (!batch[0].scans && !wanted->scans && !batch[0].unasked && !wanted->unasked);
}

/* Under the lock.  @until: when the next one is due.  Return: how many are taken that are due now
 */
static size_t take_some(struct slow_loader *slow, bool unasked, struct slow_fault *batch,
			uint64_t *until)
{
	uint64_t now = clock_ms();
	size_t i = 0, n = 0;

	while (i < slow->n && n < SLOW_AT_ONCE) {
		struct slow_fault *wanted = &slow->wanted[i];

		if (wanted->due_ms > now) {
			*until = wanted->due_ms < *until ? wanted->due_ms : *until;
			i++;
			continue;
		}
		if (wanted->unasked != unasked || !fits(batch, n, wanted)) {
			i++;
			continue;
		}
		slow->failing -= wanted->due_ms != 0;
		batch[n++] = *wanted;
		slow->n--;
		memmove(wanted, wanted + 1, (slow->n - i) * sizeof(*wanted));
	}
	return n;
}

/* What a thread waits for comes first, and does not find all workers at what none waits for */
static size_t take(struct slow_loader *slow, struct slow_worker *worker, struct slow_fault *batch,
		   uint64_t *until)
{
	size_t n;

	*until = clock_ms() + clock_together_ms(SLOW_SLEEP_MS);
	pthread_mutex_lock(&slow->lock);
	n = take_some(slow, false, batch, until);
	if (!n && slow->ahead < SLOW_WORKERS_UNASKED) {
		n = take_some(slow, true, batch, until);
		slow->ahead += n > 0;
	}
	worker->asleep = n == 0;
	pthread_mutex_unlock(&slow->lock);
	return n;
}

/* The worker looks for more before it sleeps */
static void done_ahead(struct slow_loader *slow)
{
	pthread_mutex_lock(&slow->lock);
	slow->ahead--;
	pthread_mutex_unlock(&slow->lock);
}

static void try_again(struct guest_pager *pager, struct slow_fault *wanted)
{
	struct slow_fault again = *wanted;
	int rc;

	again.due_ms = clock_ms() + SLOW_RETRY_MS;
	again.ahead.n = 0;
	again.places = wanted->places ? 1 : 0;
	pthread_mutex_lock(&pager->slow.lock);
	/* Full: it was woken, and asks the fault thread again */
	rc = add(&pager->slow, &again);
	pthread_mutex_unlock(&pager->slow.lock);
	if (rc == 0)
		wanted->places -= again.places;
}

/* ---- loading ---- */

/* In the order of pages.  @to: as of load_together() */
struct slow_list {
	size_t n;
	uint64_t page[READ_AHEAD_MAX];
	enum load_to to[READ_AHEAD_MAX];
	int rc[READ_AHEAD_MAX];
};

/* Where it is, or would be */
static size_t list_find(const struct slow_list *list, uint64_t page)
{
	size_t i = list->n;

	while (i && list->page[i - 1] >= page)
		i--;
	return i;
}

static bool list_has(const struct slow_list *list, uint64_t page)
{
	size_t i = list_find(list, page);

	return i < list->n && list->page[i] == page;
}

static void list_add(struct slow_list *list, uint64_t page, enum load_to to)
{
	size_t i = list_find(list, page);

	if (list->n == READ_AHEAD_MAX || list_has(list, page))
		return;
	memmove(&list->page[i + 1], &list->page[i], (list->n - i) * sizeof(list->page[0]));
	memmove(&list->to[i + 1], &list->to[i], (list->n - i) * sizeof(list->to[0]));
	list->page[i] = page;
	list->to[i] = to;
	list->n++;
}

static struct page_fields fields_of(const struct guest_pager *pager, uint64_t page)
{
	return page_entry_fields(page_map_get(pager->map, page));
}

/* Where a page is, or was when it was looked at */
static struct page_place place_of(const struct guest_pager *pager, uint64_t page)
{
	struct page_fields fields = fields_of(pager, page);

	return (struct page_place){ .tier = fields.tier, .slot = fields.slot };
}

static unsigned int tier_of(const struct guest_pager *pager, uint64_t page)
{
	return place_of(pager, page).tier;
}

static uint64_t block_of(uint64_t page)
{
	return page - page % DISK_NEAR_BLOCK;
}

/* Bits: what else of its block is in the same tier */
static uint16_t near_pages(const struct guest_pager *pager, uint64_t asked)
{
	uint64_t first = block_of(asked), page;
	unsigned int tier = tier_of(pager, asked);
	uint16_t pages = 0;

	for (page = first; page < first + DISK_NEAR_BLOCK && page < pager->ram.pages; page++) {
		struct page_fields fields = fields_of(pager, page);

		if (page != asked && fields.state == PAGE_EVICTED && fields.tier == tier)
			pages |= (uint16_t)(1 << (page - first));
	}
	return pages;
}

/* Return: those that the caller loads as well */
static uint16_t near_fault(struct guest_pager *pager, uint64_t asked)
{
	uint64_t faults = pager->statistics.faults;
	enum disk_near_with with;
	uint16_t pages = 0;

	pthread_mutex_lock(&pager->slow.lock);
	with = disk_near_fault(&pager->slow.near, policy_resident(pager));
	if (with != DISK_NEAR_ALONE)
		pages = near_pages(pager, asked);
	if (with == DISK_NEAR_NOTED)
		disk_near_note(&pager->slow.near, block_of(asked), pages, faults);
	pthread_mutex_unlock(&pager->slow.lock);
	return with == DISK_NEAR_LOADED ? pages : 0;
}

static void list_near(struct guest_pager *pager, struct slow_list *list, uint64_t asked)
{
	uint16_t pages = near_fault(pager, asked);
	unsigned int i;

	for (i = 0; i < DISK_NEAR_BLOCK; i++)
		if (pages >> i & 1)
			list_add(list, block_of(asked) + i, LOAD_BESIDE);
}

/* The guest shall fault on the first page that is out, as it does anyway on one in RAM */
static uint64_t list_first(struct guest_pager *pager, struct slow_list *list, uint64_t page,
			   uint64_t end)
{
	while (page < end && fields_of(pager, page).state != PAGE_EVICTED)
		page++;
	if (page < end && tiers_is_slow(place_of(pager, page)))
		list_add(list, page, LOAD_NEARER);
	return page + 1;
}

static void list_ahead(struct guest_pager *pager, struct slow_list *list,
		       const struct slow_fault *wanted)
{
	uint64_t page = wanted->ahead.first, end = page + wanted->ahead.n;
	uint64_t asked = wanted->fault.page;

	end = end < pager->ram.pages ? end : pager->ram.pages;
	if (wanted->next)
		page = list_first(pager, list, page, end);
	for (; page < end; page++)
		if (fields_of(pager, page).state == PAGE_EVICTED)
			list_add(list, page, LOAD_MAPPED);
	if (!wanted->ahead.n && !wanted->scans && !pager->options.no_prefetch &&
	    fields_of(pager, asked).state == PAGE_EVICTED)
		list_near(pager, list, asked);
}

/* The pages that were asked for, and what is read ahead of them */
static void list_pages(struct guest_pager *pager, const struct slow_fault *batch, size_t n,
		       struct slow_list *list)
{
	size_t i;

	list->n = 0;
	for (i = 0; i < n; i++)
		if (!batch[i].unasked)
			list_add(list, batch[i].fault.page, LOAD_MAPPED);
	for (i = 0; i < n; i++)
		list_ahead(pager, list, &batch[i]);
}

static void say_why(struct guest_pager *pager, uint64_t page, int rc)
{
	struct err why;

	tiers_slow_why(pager->tiers, tier_of(pager, page), &why);
	pager_alarm(pager, ALARM_SLOW, "the guest waits for a page: %s",
		    why.text[0] ? why.text : err_text(-rc));
}

/* Return: what is wrong with a page that was asked for */
static int settle(struct guest_pager *pager, struct slow_fault *wanted, int rc)
{
	if (wanted->unasked)
		return 0;
	switch (rc) {
	case 0:
		fault_count_time(pager, &wanted->fault);
		if (wanted->scans)
			return 0;
		policy_faulted(pager, wanted->fault.page);
		pager->statistics.refaults++;
		return 0;
	case 1:	      /* discarded, or another thread had it */
	case -ENOENT: /* unplugged */
		pager_wake_page(pager, wanted->fault.page);
		return 0;
	default:
		if (!pager_stopping(pager))
			try_again(pager, wanted);
		return rc;
	}
}

/* What has come for a scan, and the places of what will not */
static void tell_scan(struct guest_pager *pager, const struct slow_fault *wanted,
		      const struct slow_list *list)
{
	struct scan_page come[READ_AHEAD_MAX];
	size_t i, k = 0;

	for (i = 0; i < list->n && wanted->scans; i++)
		if (list->rc[i] == 0)
			come[k++] = (struct scan_page){ list->page[i],
							page_map_get(pager->map, list->page[i]) };
	scan_arrived(pager, come, k, wanted->places);
}

static bool was_asked_for(const struct slow_fault *batch, size_t n, uint64_t page)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!batch[i].unasked && batch[i].fault.page == page)
			return true;
	return false;
}

/* What came beside what was asked for */
static void tell_policy(struct guest_pager *pager, const struct slow_fault *batch, size_t n,
			const struct slow_list *list)
{
	size_t i;

	for (i = 0; i < list->n; i++)
		if (list->rc[i] == 0 && !was_asked_for(batch, n, list->page[i]))
			policy_prefetched(pager, list->page[i], 1, list->to[i] == LOAD_BESIDE);
}

/* Neighbours that came with it */
static void note_near(struct guest_pager *pager, const struct slow_list *list, uint64_t asked)
{
	uint64_t first = block_of(asked);
	uint16_t pages = 0;
	size_t i;

	for (i = list_find(list, first); i < list->n && block_of(list->page[i]) == first; i++)
		if (list->to[i] == LOAD_BESIDE && list->rc[i] == 0)
			pages |= (uint16_t)(1 << list->page[i] % DISK_NEAR_BLOCK);
	if (!pages)
		return;
	pthread_mutex_lock(&pager->slow.lock);
	disk_near_note(&pager->slow.near, first, pages, pager->statistics.faults);
	pthread_mutex_unlock(&pager->slow.lock);
}

/* How many of those that were noted a while ago does the page table have now? */
static unsigned int count_used(const struct guest_pager *pager, const struct disk_near_noted *noted)
{
	const struct ram_object *object = ram_object_of(&pager->ram, noted->page);
	uint64_t entry[DISK_NEAR_BLOCK] = { 0 }, end = object->first + object->pages, i;
	unsigned int used = 0;
	off_t at;

	if (noted->page < object->first || noted->page + DISK_NEAR_BLOCK > end)
		return 0;
	at = (off_t)(ram_address(&pager->ram, noted->page) / PAGE_BYTES * sizeof(entry[0]));
	if (pread(pager->pagemap, entry, sizeof(entry), at) < 0)
		return 0;
	for (i = 0; i < DISK_NEAR_BLOCK; i++)
		used += (noted->pages >> i & 1) && entry[i] >> 63;
	return used;
}

static bool next_due(struct guest_pager *pager, uint64_t faults, struct disk_near_noted *noted)
{
	bool due;

	pthread_mutex_lock(&pager->slow.lock);
	due = disk_near_due(&pager->slow.near, faults, noted);
	pthread_mutex_unlock(&pager->slow.lock);
	return due;
}

/* The page table is read without the lock: that waits for what QEMU does with its memory, which may
 * wait for the thread that answers faults */
static void judge_near(struct guest_pager *pager)
{
	uint64_t faults = pager->statistics.faults, resident = policy_resident(pager);
	uint64_t out = pager->ram.pages > resident ? pager->ram.pages - resident : 0;
	struct disk_near_noted noted;

	while (next_due(pager, faults, &noted)) {
		unsigned int used = count_used(pager, &noted);

		pthread_mutex_lock(&pager->slow.lock);
		disk_near_result(&pager->slow.near, &noted, used, faults, resident, out);
		pthread_mutex_unlock(&pager->slow.lock);
	}
}

/* One that is in no list was asked for in vain: it asks again */
static int result_of(const struct slow_list *list, uint64_t page)
{
	return list_has(list, page) ? list->rc[list_find(list, page)] : 1;
}

bool slow_load_waits(const struct guest_pager *pager)
{
	size_t i = 0;

	while (i < SLOW_WORKERS && !pager->slow.worker[i].since_ms)
		i++;
	return i < SLOW_WORKERS;
}

/* Does an alarm stand for another one? */
static bool is_silent(const struct guest_pager *pager)
{
	size_t i = 0;

	while (i < SLOW_WORKERS && !pager->slow.worker[i].silent)
		i++;
	return i < SLOW_WORKERS;
}

static void load(struct slow_worker *worker, struct slow_fault *batch, size_t n)
{
	struct guest_pager *pager = worker->pager;
	bool scans = batch[0].scans;
	size_t i, worst_at = 0;
	struct slow_list list;
	int worst = 0;

	list_pages(pager, batch, n, &list);
	/* It may have had to wait: what has no room now is left where it is */
	if (batch[0].unasked && !evict_for(pager, list.n))
		list.n = 0;
	tier_io_stay_awake(may_stay_awake(pager) && !batch[0].unasked && !scans);
	worker->tier = tier_of(pager, batch[0].fault.page);
	worker->since_ms = clock_ms();
	load_together(pager, &worker->mover, list.page, list.to, list.n, scans, list.rc);
	worker->since_ms = 0;
	worker->silent = false;
	for (i = 0; i < n; i++) {
		int wrong = settle(pager, &batch[i], result_of(&list, batch[i].fault.page));

		worst_at = wrong ? i : worst_at;
		worst = wrong ? wrong : worst;
		tell_scan(pager, &batch[i], &list);
		note_near(pager, &list, batch[i].fault.page);
	}
	judge_near(pager);
	if (!scans)
		tell_policy(pager, batch, n, &list);
	if (worst < 0 && !pager_stopping(pager))
		say_why(pager, batch[worst_at].fault.page, worst);
	else if (!pager->slow.failing && !is_silent(pager))
		pager_alarm_over(pager, ALARM_SLOW);
}

void slow_load_look(struct guest_pager *pager)
{
	uint64_t now = clock_ms();
	size_t i;

	for (i = 0; i < SLOW_WORKERS; i++) {
		struct slow_worker *worker = &pager->slow.worker[i];
		uint64_t since = worker->since_ms;

		if (since && now >= since + SLOW_SILENT_MS &&
		    !atomic_exchange(&worker->silent, true))
			pager_alarm(pager, ALARM_SLOW,
				    "the guest waits for a page: %s does not answer",
				    tiers_slow_path(pager->tiers, worker->tier));
	}
}

void *slow_load_thread(void *worker_arg)
{
	struct slow_worker *worker = worker_arg;
	struct guest_pager *pager = worker->pager;
	struct pollfd wake = { .fd = worker->wake, .events = POLLIN };
	struct slow_fault batch[SLOW_AT_ONCE];
	uint64_t until;

	log_context(pager->name, "slow");
	pager_follow_memory(pager);
	while (!pager_stopping(pager)) {
		size_t n = take(&pager->slow, worker, batch, &until);

		if (n) {
			load(worker, batch, n);
			if (batch[0].unasked)
				done_ahead(&pager->slow);
			continue;
		}
		poll(&wake, 1, (int)clock_left_ms(until) + 1);
		pager_slept(wake.fd);
	}
	return NULL;
}
