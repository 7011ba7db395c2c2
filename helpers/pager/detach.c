// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Letting a guest go: every page back into its memory, then the kernel serves its holes again.
 *
 * Until the phase says UNREGISTERING, a kill means that paging goes on.  After it, discards are
 * no longer seen and the map is worth nothing: a successor only unregisters once more.
 */
#include <errno.h>
#include <linux/mempolicy.h>
#include <poll.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "pager/engine.h"

/* How long a page may seem to be missing: on a busy host a thread of QEMU's that has made a hole
 * may wait as long for a processor */
enum { SEEMS_MISSING_MS = 2000 };

/* How long a tier may be away at each page: it is looked for once a second, so one whose disk has
 * just come back is not missed */
enum { TIER_AWAY_MS = 2000 };

static uint64_t count_out(struct guest_pager *pager)
{
	uint64_t page, out = 0;

	for (page = 0; page < pager->ram.pages; page++) {
		enum page_state state = page_entry_fields(page_map_get(pager->map, page)).state;

		out += state != PAGE_RESIDENT && state != PAGE_ZERO;
	}
	return out;
}

/* 1: no process of the guest's may be killed for want of memory */
static int room_for_all(struct guest_pager *pager, struct err *err)
{
	if (!pager->options.room)
		return 0;
	return pager->options.room(pager->options.room_arg, count_out(pager) * PAGE_BYTES, err);
}

/* 2: no run is begun any more, and those that were are finished */
static int stop_eviction(struct guest_pager *pager, struct err *err)
{
	unsigned int e;
	int rc = 0;

	page_map_set_phase(pager->map, MAP_DETACHING);
	STEP("detach_phase");
	pager->stop_evicting = true;
	for (e = 0; e < pager->n_evictors; e++) {
		struct evictor *evictor = &pager->evictor[e];

		pthread_mutex_lock(&evictor->lock);
		if (evictor->broken || atomic_load(&evictor->run->phase) != RUN_EMPTY)
			rc = err_set(err, EIO, "an eviction could not be finished");
		pthread_mutex_unlock(&evictor->lock);
	}
	return rc;
}

static int went_wrong(struct guest_pager *pager, int rc, uint64_t deadline, struct err *err)
{
	if (rc == -ESRCH || pager->gone)
		return err_set(err, ESRCH, "QEMU is gone");
	if (pager->stop)
		return err_set(err, ECANCELED, "the pager ends");
	if (rc == -ENOMEM)
		return err_set(err, ENOMEM,
			       "no memory for the guest's pages below its cgroup's limit");
	if (rc < 0)
		return err_sys(err, EIO, "a page can't be brought back (%s)", err_text(-rc));
	if (!clock_left_ms(deadline))
		return err_set(err, ETIMEDOUT, "not all pages are back in time");
	return 0;
}

static int load_one(struct guest_pager *pager, struct mover *mover, uint64_t page,
		    uint64_t deadline)
{
	uint64_t end = u64_min(clock_ms() + TIER_AWAY_MS, deadline);
	int rc;

	while ((rc = load_page(pager, mover, page)) == -ENODEV && clock_left_ms(end) &&
	       !pager_stopping(pager))
		clock_sleep_ms(50);
	/* Unplugged: no mapping to COPY into, but its file */
	if (rc == -ENOENT && prefetch_pages(pager, mover, page, 1, false))
		rc = 0;
	return rc;
}

/* 3: all of it by COPY, beside the thread that goes on serving faults */
static int load_all(struct guest_pager *pager, struct mover *mover, uint64_t deadline,
		    struct err *err)
{
	uint64_t page, passes = 0;
	int rc = 0;

	/* Pages that another thread is loading are seen again in the next pass */
	do {
		for (page = 0; page < pager->ram.pages; page++) {
			enum page_state state =
				page_entry_fields(page_map_get(pager->map, page)).state;

			if (state == PAGE_EVICTED) {
				prefetch_pages(pager, mover, page, READ_AHEAD_MAX, true);
				rc = load_one(pager, mover, page, deadline);
			}
			rc = went_wrong(pager, rc, deadline, err);
			if (rc < 0)
				return rc;
		}
		if (passes++)
			poll(NULL, 0, 1);
	} while (count_out(pager));
	return 0;
}

/* 4: what the map says and what is there agree */
bool all_present(struct guest_pager *pager, struct err *err)
{
	cleanup_free uint64_t *present = calloc(1, bit_bytes(pager->ram.pages));
	uint64_t page;

	if (!present || presence_read(&pager->ram, present, err) < 0)
		return false;
	for (page = 0; page < pager->ram.pages; page++) {
		struct page_fields fields = page_entry_fields(page_map_get(pager->map, page));

		if (bit_get(present, page) || fields.state == PAGE_ZERO)
			continue;
		if (fields.state == PAGE_RESIDENT && fields.discarded)
			continue;
		if (fields.state != PAGE_RESIDENT || fields.bad ||
		    !journal_discarded_lately(pager->journal, page)) {
			err_set(err, EIO, "a page that should be in memory is missing there");
			return false;
		}
	}
	return true;
}

/* A guest that never ends discarding is in the way for good */
static int unprotect_all(struct guest_pager *pager, uint64_t deadline, struct err *err)
{
	size_t i;
	int rc;

	changes_end(pager);
	for (i = 0; i < pager->ram.n; i++) {
		const struct ram_object *object = &pager->ram.object[i];

		while ((rc = uffd_write_protect(&pager->uffd, object->address,
						object->pages * PAGE_BYTES, false)) == -EAGAIN &&
		       clock_left_ms(deadline) && !pager_stopping(pager))
			poll(NULL, 0, 1);
		if (rc < 0 && rc != -ENOENT)
			return err_sys(err, -rc, "userfaultfd: allowing writes");
	}
	return 0;
}

/*
 * UNREGISTER wakes those that wait, and only then locks the mapping against faults, which since
 * Linux 6.6 wait under a lock of the mapping alone.  A thread that comes between would wait for
 * ever: no page is missing for the pager any more, and nothing wakes it.
 */
int unregister_all(struct guest_pager *pager, struct err *err)
{
	size_t i;
	int rc;

	for (i = 0; i < pager->ram.n; i++) {
		const struct ram_object *object = &pager->ram.object[i];

		rc = uffd_unregister(&pager->uffd, object->address, object->pages * PAGE_BYTES);
		STEP("detach_unregister");
		if (rc == -ESRCH)
			return err_set(err, ESRCH, "QEMU is gone");
		/* -EINVAL: unplugged, nothing is mapped there */
		if (rc < 0 && rc != -EINVAL)
			return err_sys(err, -rc, "userfaultfd: UFFDIO_UNREGISTER");
		uffd_wake(&pager->uffd, object->address, object->pages * PAGE_BYTES);
	}
	return 0;
}

/* 4 and 6.  No discard may be read between the look and the phase */
static int release_if_whole(struct guest_pager *pager, struct err *err)
{
	int rc = 0;

	pthread_mutex_lock(&pager->gate);
	if (count_out(pager) || !all_present(pager, err))
		rc = err_set(err, EIO, "a page that should be in memory is missing there");
	else
		page_map_set_phase(pager->map, MAP_UNREGISTERING);
	pthread_mutex_unlock(&pager->gate);
	return rc;
}

/*
 * 4 to 6.  For a moment a page may seem to be missing that is not: the fault thread looks whether
 * it is there, or QEMU has made its hole and tells of the discard after that.
 */
static int let_go(struct guest_pager *pager, uint64_t deadline, struct err *err)
{
	int rc = unprotect_all(pager, deadline, err);
	uint64_t end = u64_min(clock_ms() + SEEMS_MISSING_MS, deadline);

	if (rc < 0)
		return rc;
	STEP("detach_unprotected");
	while ((rc = release_if_whole(pager, err)) < 0 && clock_left_ms(end) &&
	       !pager_stopping(pager))
		clock_sleep_ms(2);
	if (rc < 0)
		return rc;
	STEP("detach_unregistering");
	return unregister_all(pager, err);
}

/* Paging goes on as if nothing had been asked */
static void go_on(struct guest_pager *pager)
{
	page_map_set_phase(pager->map, MAP_PAGING);
	pager->stop_evicting = false;
	pager_wake(pager->wake_evict);
}

/* The thread is its caller's, which has other work for it */
static const struct memory_policy any_node = { .mode = MPOL_DEFAULT };

int detach_guest(struct guest_pager *pager, int64_t deadline_ms, struct err *err)
{
	uint64_t deadline = clock_ms() + (uint64_t)(deadline_ms > 0 ? deadline_ms : 0);
	struct mover mover;
	int rc = room_for_all(pager, err);

	if (rc < 0)
		return rc;
	rc = mover_open(&mover, MOVER_LOADS, err);
	if (rc == 0)
		rc = stop_eviction(pager, err);
	if (rc == 0) {
		pager_follow_memory(pager);
		/* In this order: of a guest that has just ended one of the two sees the other */
		pager->detaching = true;
		rc = went_wrong(pager, 0, deadline, err);
		if (rc == 0)
			rc = load_all(pager, &mover, deadline, err);
		pager->detaching = false;
		memory_policy_take(&any_node);
	}
	STEP("detach_loaded");
	if (rc == 0)
		rc = let_go(pager, deadline, err);
	if (pager->gave_up)
		mover.buffer = NULL; /* a disk may write there */
	mover_close(&mover);
	if (rc < 0 && page_map_phase(pager->map) != MAP_UNREGISTERING)
		go_on(pager);
	return rc;
}
