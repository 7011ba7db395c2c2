// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The thread that loads pages from slow tiers, so that no other fault waits for a disk.
 *
 * The fault thread has made room for what it leaves here.  A page that can't be read is tried again
 * and again: who asked for it waits, an alarm says for what, and it never gets anything else.  With
 * each try those who wait are woken, and ask again: one that came while the page was being loaded
 * was left to us.
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

enum { SLOW_RETRY_MS = 200, SLOW_SILENT_MS = 1000, SLOW_SLEEP_MS = 10000, SLOW_AT_ONCE = 16 };

int slow_load_open(struct guest_pager *pager, struct err *err)
{
	pager->slow.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (pager->slow.wake < 0)
		return err_sys(err, errno, "eventfd");
	return mover_open(&pager->slow.mover, MOVER_LOADS, err);
}

void slow_load_close(struct guest_pager *pager)
{
	mover_close(&pager->slow.mover);
	if (pager->slow.wake >= 0)
		close(pager->slow.wake);
	pager->slow.wake = -1;
	pthread_mutex_destroy(&pager->slow.lock);
	pthread_mutex_destroy(&pager->scan.lock);
}

/* ---- what is wanted ---- */

/* Under the lock.  Of one whose page is there already both are woken together; it stays if one of
 * them is no scan.  Return: 0; 1: so; -ENOBUFS */
static int add(struct slow_loader *slow, const struct slow_fault *wanted)
{
	size_t i;

	for (i = 0; i < slow->n; i++)
		if (slow->wanted[i].fault.page == wanted->fault.page) {
			slow->wanted[i].scans &= wanted->scans;
			return 1;
		}
	if (slow->n == SLOW_FAULTS_MAX)
		return -ENOBUFS;
	slow->wanted[slow->n++] = *wanted;
	slow->failing += wanted->due_ms != 0;
	return 0;
}

static int leave(struct guest_pager *pager, const struct slow_fault *wanted)
{
	int rc;

	pthread_mutex_lock(&pager->slow.lock);
	rc = add(&pager->slow, wanted);
	pthread_mutex_unlock(&pager->slow.lock);
	pager_wake(pager->slow.wake);
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

/* One that fits to those before it: a window of a scan is as much as is read at once */
static bool fits(const struct slow_fault *batch, size_t n, const struct slow_fault *wanted)
{
	return n == 0 || (!batch[0].scans && !wanted->scans);
}

/* @until: when the next one is due.  Return: how many are taken that are due now */
static size_t take(struct slow_loader *slow, struct slow_fault *batch, uint64_t *until)
{
	uint64_t now = clock_ms();
	size_t i = 0, n = 0;

	*until = now + SLOW_SLEEP_MS;
	pthread_mutex_lock(&slow->lock);
	while (i < slow->n && n < SLOW_AT_ONCE) {
		struct slow_fault *wanted = &slow->wanted[i];

		if (wanted->due_ms > now) {
			*until = wanted->due_ms < *until ? wanted->due_ms : *until;
			i++;
			continue;
		}
		if (!fits(batch, n, wanted)) {
			i++;
			continue;
		}
		slow->failing -= wanted->due_ms != 0;
		batch[n++] = *wanted;
		slow->n--;
		memmove(wanted, wanted + 1, (slow->n - i) * sizeof(*wanted));
	}
	pthread_mutex_unlock(&slow->lock);
	return n;
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

static bool is_among(const uint64_t *pages, size_t n, uint64_t page)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (pages[i] == page)
			return true;
	return false;
}

/* The pages that were asked for, in their order, then what is read ahead of them */
static size_t list_pages(const struct guest_pager *pager, const struct slow_fault *batch, size_t n,
			 uint64_t *pages)
{
	size_t i, all = n;
	uint64_t page;

	for (i = 0; i < n; i++)
		pages[i] = batch[i].fault.page;
	for (i = 0; i < n; i++) {
		uint64_t end = batch[i].ahead.first + batch[i].ahead.n;

		for (page = batch[i].ahead.first; page < end && all < READ_AHEAD_MAX; page++)
			if (page < pager->ram.pages && !is_among(pages, all, page))
				pages[all++] = page;
	}
	return all;
}

/* Where a page is, or was when it was looked at */
static unsigned int tier_of(const struct guest_pager *pager, uint64_t page)
{
	return page_entry_fields(page_map_get(pager->map, page)).tier;
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
		      const uint64_t *pages, const int *rc, size_t n)
{
	struct scan_page come[READ_AHEAD_MAX];
	size_t i, k = 0;

	for (i = 0; i < n && wanted->scans; i++)
		if (rc[i] == 0)
			come[k++] =
				(struct scan_page){ pages[i], page_map_get(pager->map, pages[i]) };
	scan_arrived(pager, come, k, wanted->places);
}

static void load(struct guest_pager *pager, struct slow_fault *batch, size_t n)
{
	uint64_t pages[READ_AHEAD_MAX];
	int rc[READ_AHEAD_MAX], worst = 0;
	size_t all = list_pages(pager, batch, n, pages), i, worst_at = 0;
	bool scans = batch[0].scans;

	pager->slow.tier = tier_of(pager, pages[0]);
	pager->slow.since_ms = clock_ms();
	load_together(pager, &pager->slow.mover, pages, all, scans, rc);
	pager->slow.since_ms = 0;
	for (i = 0; i < n; i++) {
		int wrong = settle(pager, &batch[i], rc[i]);

		worst_at = wrong ? i : worst_at;
		worst = wrong ? wrong : worst;
		tell_scan(pager, &batch[i], pages, rc, all);
	}
	for (; i < all && !scans; i++)
		if (rc[i] == 0)
			policy_prefetched(pager, pages[i], 1, false);
	if (worst < 0 && !pager_stopping(pager))
		say_why(pager, pages[worst_at], worst);
	else if (!pager->slow.failing)
		pager_alarm_over(pager, ALARM_SLOW);
	pager->slow.silent = false;
}

void slow_load_look(struct guest_pager *pager)
{
	uint64_t since = pager->slow.since_ms, now = clock_ms();

	if (!since || now < since + SLOW_SILENT_MS || atomic_exchange(&pager->slow.silent, true))
		return;
	pager_alarm(pager, ALARM_SLOW, "the guest waits for a page: %s does not answer",
		    tiers_slow_path(pager->tiers, pager->slow.tier));
}

void *slow_load_thread(void *pager_arg)
{
	struct guest_pager *pager = pager_arg;
	struct pollfd wake = { .fd = pager->slow.wake, .events = POLLIN };
	struct slow_fault batch[SLOW_AT_ONCE];
	uint64_t until;

	log_context(pager->name, "slow");
	pager_follow_memory(pager);
	while (!pager_stopping(pager)) {
		size_t n = take(&pager->slow, batch, &until);

		if (n) {
			load(pager, batch, n);
			continue;
		}
		poll(&wake, 1, (int)clock_left_ms(until) + 1);
		pager_slept(wake.fd);
	}
	return NULL;
}
