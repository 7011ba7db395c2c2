// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Going on after a pager that was killed.
 *
 * The dead one's threads are gone (the map's lock says so), the guest's vCPUs wait at their
 * faults, but discards go on: what was read of them may be punched at any time, also now, and what
 * was punched may not be told yet.  From the map's entry, the guest's file, the run records and the
 * event ring follows where each page is.  Whatever is changed here is changed by one store, and
 * nothing that says where content is is cleared before the entry says so: a second kill anywhere is
 * the same restart once more.
 */
#include <errno.h>
#include <linux/userfaultfd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "pager/engine.h"

/* ---- what is known ---- */

static void set_range(uint64_t *bits, uint64_t first, uint64_t n)
{
	for (; n; n--, first++)
		bit_set(bits, first, true);
}

static int object_presence(const struct ram_object *object, uint64_t *present, struct err *err)
{
	off_t end = (off_t)(object->pages * PAGE_BYTES), data, hole = 0;

	while (hole < end) {
		data = lseek(object->fd, hole, SEEK_DATA);
		if (data < 0 && errno == ENXIO)
			return 0;
		if (data < 0)
			return err_sys(err, errno, "guest memory: finding its pages");
		hole = lseek(object->fd, data, SEEK_HOLE);
		if (hole < 0)
			return err_sys(err, errno, "guest memory: finding its holes");
		if (data >= end)
			return 0;
		hole = hole < end ? hole : end;
		set_range(present, object->first + (uint64_t)data / PAGE_BYTES,
			  (uint64_t)(hole - data) / PAGE_BYTES);
	}
	return 0;
}

int presence_read(const struct ram *ram, uint64_t *present, struct err *err)
{
	size_t i;
	int rc;

	for (i = 0; i < ram->n; i++) {
		rc = object_presence(&ram->object[i], present, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

struct restart {
	uint64_t *present, *ring, *held;
};

static void restart_free(struct restart *restart)
{
	free(restart->present);
	free(restart->ring);
	free(restart->held);
}

static int restart_alloc(struct restart *restart, uint64_t pages, struct err *err)
{
	restart->present = calloc(1, bit_bytes(pages));
	restart->ring = calloc(1, bit_bytes(pages));
	restart->held = calloc(1, bit_bytes(pages));
	if (!restart->present || !restart->ring || !restart->held)
		return err_nomem(err);
	return 0;
}

static int contradiction(struct err *err, const char *what)
{
	return err_set(err, EUCLEAN, "page map: %s", what);
}

/*
 * What a run left in its pipe goes behind what is in its staging already.  The list's first pages
 * were read before it was killed, as many as are not in the pipe any more.
 */
static int pipe_into_staging(struct guest_pager *pager, struct evictor *evictor, struct err *err)
{
	size_t n = atomic_load(&evictor->run->n), done;
	bool renewed = false;
	int left = 0;

	if (ioctl(evictor->pipe_read, FIONREAD, &left) < 0)
		return err_sys(err, errno, "parked pipe");
	if (n > RUN_PAGES_MAX || left < 0 || (size_t)left > n * PAGE_BYTES)
		return contradiction(err, "a run does not fit its pipe");
	done = n * PAGE_BYTES - (size_t)left;
	while (done < n * PAGE_BYTES) {
		ssize_t got =
			read(evictor->pipe_read, evictor->staging + done, n * PAGE_BYTES - done);

		STEP("restart_stage");
		if (got < 0 && errno == EINTR)
			continue;
		/* A memory error there: nothing has left the pipe for that page */
		if (got < 0 && errno == EFAULT && !renewed &&
		    journal_renew(pager->journal, evictor->staging + done) == 0) {
			renewed = true;
			continue;
		}
		if (got <= 0)
			return err_sys(err, got < 0 ? errno : EIO, "parked pipe");
		renewed = false;
		done += (size_t)got;
	}
	return 0;
}

/* Is this page still on its way out with this run, or back from it?  It may be with a later one */
static bool holds(const struct guest_pager *pager, const struct evictor *evictor, size_t i)
{
	struct page_fields fields =
		page_entry_fields(page_map_get(pager->map, evictor->run->page[i]));
	bool back = fields.state == PAGE_LOADING && !fields.has_slot;

	return (fields.state == PAGE_LEAVING || back) &&
	       fields.generation == evictor->run->generation[i];
}

static int runs_read(struct guest_pager *pager, uint64_t *held, struct err *err)
{
	unsigned int e;
	size_t i, n;
	int rc;

	for (e = 0; e < pager->n_evictors; e++) {
		struct evictor *evictor = &pager->evictor[e];

		if (atomic_load(&evictor->run->phase) != RUN_SPLICED)
			continue;
		rc = pipe_into_staging(pager, evictor, err);
		if (rc < 0)
			return rc;
		n = atomic_load(&evictor->run->n);
		for (i = 0; i < n; i++) {
			if (evictor->run->page[i] >= pager->ram.pages)
				return contradiction(err, "a run names a page that is not there");
			if (holds(pager, evictor, i))
				bit_set(held, evictor->run->page[i], true);
		}
	}
	return 0;
}

/* ---- discards ---- */

/*
 * A hole of MADV_REMOVE comes after its message: where we have seen one, its message is in the ring
 * or can be read.  Of a hole that QEMU makes with fallocate() the message comes after it, by
 * another call, and we wait a moment for that.  Nothing depends on it: until the message comes,
 * such a page that was LOADING is out in the slot it was loaded from, and the message makes it
 * ZERO before QEMU tells its guest that the page is discarded.  Only a thread that reads the page
 * while it is being discarded can see old bytes of it then, as discards may leave them.
 *
 * FLOOD_MS: how long a guest can keep us reading that never ends discarding.
 */
enum { PUNCHED_MS = 10, FLOOD_MS = 200 };

/* Messages behind the last discard say nothing that must last */
static size_t ring_end(const struct uffd_msg *ring)
{
	size_t n = EVENT_RING_MAX;

	while (n && ring[n - 1].event != UFFD_EVENT_REMOVE)
		n--;
	return n;
}

/* Discards that were read, and possibly not applied.  Their punch may come later than we look */
static void ring_read(struct guest_pager *pager, size_t from, uint64_t *bits)
{
	const struct uffd_msg *ring = journal_ring(pager->journal);
	uint64_t first, n;
	size_t i;

	for (i = from; i < EVENT_RING_MAX; i++) {
		if (!discard_range(&pager->ram, &ring[i], &first, &n))
			continue;
		journal_note_discard(pager->journal, first, n);
		set_range(bits, first, n);
	}
}

static void ring_clear(struct guest_pager *pager, size_t from)
{
	struct uffd_msg *ring = journal_ring(pager->journal);

	/* Only a kill comes between: the order of our own stores is enough */
	atomic_signal_fence(memory_order_seq_cst);
	memset(&ring[from], 0, (EVENT_RING_MAX - from) * sizeof(*ring));
	STEP("restart_ring_cleared");
}

/*
 * Into the entries, where they outlive us as they do in the ring: a page that is LOADING has then
 * been discarded, and what is a hole of it is zeros.  Slots have no owners yet: none is freed.
 */
static void ring_apply(struct guest_pager *pager)
{
	const struct uffd_msg *ring = journal_ring(pager->journal);
	uint64_t first, n;
	size_t i;

	for (i = 0; i < EVENT_RING_MAX; i++) {
		if (!discard_range(&pager->ram, &ring[i], &first, &n))
			continue;
		for (; n; n--, first++)
			discard_in_map(pager, first);
	}
	STEP("restart_ring_applied");
}

/* Read more, behind what the ring holds.  False: there is no more */
static bool ring_more(struct guest_pager *pager, uint64_t *bits)
{
	struct uffd_msg *ring = journal_ring(pager->journal);
	size_t end = ring_end(ring);
	ssize_t n;

	if (end == EVENT_RING_MAX) {
		ring_apply(pager);
		end = 0;
	}
	ring_clear(pager, end);
	pthread_mutex_lock(&pager->gate);
	n = uffd_read(&pager->uffd, &ring[end], EVENT_RING_MAX - end);
	pthread_mutex_unlock(&pager->gate);
	if (n <= 0)
		return false;
	STEP("restart_events_read");
	ring_read(pager, end, bits);
	return true;
}

/*
 * What the dead one had read of discards, and what it had not.  A page that was LOADING may have
 * been loaded, written and punched since: only the message tells that its slot is older than the
 * last write.  Faults among the messages come again when all are woken.
 */
static void restart_events(struct guest_pager *pager, uint64_t *bits)
{
	uint64_t flood;

	ring_read(pager, 0, bits);
	clock_sleep_ms(PUNCHED_MS);
	flood = clock_ms() + FLOOD_MS;
	while (ring_more(pager, bits) && clock_left_ms(flood))
		;
}

/* ---- the map ---- */

static struct restart_seen seen_of(struct guest_pager *pager, const struct restart *restart,
				   uint64_t page, struct page_fields fields)
{
	return (struct restart_seen){
		.state = fields.state,
		.discarded = fields.discarded,
		.has_slot = fields.has_slot,
		.present = bit_get(restart->present, page),
		.ring = bit_get(restart->ring, page),
		.held = bit_get(restart->held, page),
		.explained = !fields.bad && journal_discarded_lately(pager->journal, page),
	};
}

static int change_page(struct guest_pager *pager, uint64_t page, struct page_fields fields,
		       enum restart_action action, struct err *err)
{
	switch (action) {
	case RESTART_KEEP:
	case RESTART_STORE:
		return 0;
	case RESTART_RESIDENT:
	case RESTART_MISSING:
		/* It came before its memory was registered, as at an adoption: see find_pages() */
		fields.discarded |= fields.state == PAGE_ZERO;
		fields.state = PAGE_RESIDENT;
		break;
	case RESTART_EVICTED:
		fields.state = PAGE_EVICTED;
		fields.discarded = false;
		break;
	case RESTART_ZERO:
		fields = (struct page_fields){
			.state = PAGE_ZERO,
			.generation = fields.generation,
		};
		break;
	case RESTART_BROKEN:
		return contradiction(err, "a page is out, and in no slot");
	}
	entry_settle(pager, page, fields);
	STEP("restart_entry");
	return 0;
}

/* What was in unplugged memory went with it: no content is needed any more */
static enum restart_action action_of(const struct guest_pager *pager, uint64_t page,
				     struct restart_seen seen)
{
	if (!ram_object_of(&pager->ram, page)->stands_in)
		return restart_resolve(seen);
	return seen.state == PAGE_ZERO ? RESTART_KEEP : RESTART_ZERO;
}

/* Slots of unplugged memory are claimed by no entry now */
static void vacate_unplugged(struct guest_pager *pager)
{
	size_t i;

	for (i = 0; i < pager->ram.n; i++)
		if (pager->ram.object[i].stands_in)
			page_map_vacate(pager->map, (uint32_t)i);
	STEP("restart_vacated");
}

static int resolve_all(struct guest_pager *pager, const struct restart *restart, struct err *err)
{
	uint64_t page;
	int rc;

	for (page = 0; page < pager->ram.pages; page++) {
		struct page_fields fields = page_entry_fields(page_map_get(pager->map, page));
		struct restart_seen seen = seen_of(pager, restart, page, fields);

		rc = change_page(pager, page, fields, action_of(pager, page, seen), err);
		if (rc < 0)
			return rc;
		/* Those that were RESIDENT have it in their entry, but for what is in the ring, and
		 * those that were loaded for a look, which have slots */
		if (seen.ring || ((seen.state != PAGE_RESIDENT || seen.has_slot) && !fields.bad))
			discards_remember(pager, page);
	}
	return 0;
}

/* Each slot has one owner.  A page that is out needs its slot; a resident one can do without, and
 * does where only the dead daemon knew what its slot has */
static int claim_slots(struct guest_pager *pager, bool out, struct err *err)
{
	uint64_t page;

	for (page = 0; page < pager->ram.pages; page++) {
		struct page_fields fields = page_entry_fields(page_map_get(pager->map, page));
		struct page_place place = { .tier = fields.tier, .slot = fields.slot };
		int rc;

		if (!fields.has_slot || out != (fields.state == PAGE_EVICTED))
			continue;
		rc = out || !tiers_is_slow(place) ? tiers_claim(pager->tiers, place) : -ESTALE;
		/* Lost to a memory error of the host: its next fault tells the guest */
		if (rc == 0 || (out && rc == -EHWPOISON))
			continue;
		if (out)
			return contradiction(err, rc == -EEXIST ? "two pages have one slot" :
								  "a page has a slot that is none");
		fields.has_slot = false;
		entry_settle(pager, page, fields);
	}
	return 0;
}

/* No tier has room: back into the guest's file.  Return: it is there, and @fields what follows */
static bool put_back_held(struct guest_pager *pager, struct evictor *evictor, size_t i,
			  struct page_fields *fields)
{
	uint64_t page = evictor->run->page[i];

	take_back(pager, page);
	if (!put_page(pager, &evictor->mover, page, evictor->staging + i * PAGE_BYTES))
		return false;
	STEP("restart_put_back");
	fields->state = PAGE_RESIDENT;
	fields->has_slot = false;
	fields->discarded = page_entry_fields(page_map_get(pager->map, page)).discarded;
	return true;
}

/*
 * A page whose content is in the staging: into a slot, or without room back into its file.
 * Where it was on its way back there, and a message comes only now, its content may be older
 */
static int store_held(struct guest_pager *pager, struct evictor *evictor, size_t i, struct err *err)
{
	uint64_t page = evictor->run->page[i];
	const unsigned char *content = evictor->staging + i * PAGE_BYTES;
	struct page_fields before = page_entry_fields(page_map_get(pager->map, page));
	struct page_fields fields = {
		.state = PAGE_EVICTED,
		.has_slot = true,
		.generation = before.generation + 1,
	};
	struct page_place place;
	int rc;

	if (!holds(pager, evictor, i))
		return 0;
	if (before.state == PAGE_LOADING && before.discarded) {
		entry_settle(pager, page,
			     (struct page_fields){ .state = PAGE_ZERO,
						   .generation = before.generation });
		return 0;
	}
	rc = store_content(pager, content, &place);
	if (rc == -ENOSPC && drop_clean_slots(pager, SLOTS_IN_MEMORY, RUN_PAGES_MAX))
		rc = store_content(pager, content, &place);
	if (rc == 0) {
		fields.tier = place.tier;
		fields.slot = place.slot;
	} else if (rc == -EHWPOISON) {
		lose_page(pager, before, page);
		goto free_old;
	} else if (put_back_held(pager, evictor, i, &fields)) {
		before.has_slot = false; /* free already */
	} else {
		return err_sys(err, -rc, "a page on its way out has no room anywhere");
	}
	STEP("restart_stored");
	entry_settle(pager, page, fields);
	STEP("restart_published");
	discards_remember(pager, page);
free_old:
	if (before.has_slot)
		tiers_free(pager->tiers, (struct page_place){ before.tier, before.slot });
	return 0;
}

static void drain(struct evictor *evictor)
{
	unsigned char bytes[PAGE_BYTES];
	int left = 0;

	while (ioctl(evictor->pipe_read, FIONREAD, &left) == 0 && left > 0 &&
	       read(evictor->pipe_read, bytes, sizeof(bytes)) > 0)
		;
}

/* The runs' content into slots; then their records are empty, and their pipes */
static int finish_runs(struct guest_pager *pager, struct err *err)
{
	unsigned int e;
	size_t i, n;
	int rc;

	for (e = 0; e < pager->n_evictors; e++) {
		struct evictor *evictor = &pager->evictor[e];

		n = atomic_load(&evictor->run->n);
		if (atomic_load(&evictor->run->phase) != RUN_SPLICED)
			n = 0;
		for (i = 0; i < n; i++) {
			rc = store_held(pager, evictor, i, err);
			if (rc < 0)
				return rc;
		}
		atomic_store_explicit(&evictor->run->phase, RUN_EMPTY, memory_order_release);
		STEP("restart_run_empty");
		rc = journal_renew_staging(pager->journal, e);
		if (rc < 0)
			return err_sys(err, -rc, "journal: other memory for what is broken");
		drain(evictor);
		STEP("restart_drained");
	}
	return 0;
}

static void count_resident(struct guest_pager *pager)
{
	uint64_t page;

	for (page = 0; page < pager->ram.pages; page++) {
		struct page_fields fields = page_entry_fields(page_map_get(pager->map, page));

		if (fields.state == PAGE_RESIDENT)
			policy_faulted(pager, page);
	}
}

/*
 * What was protected when it died, and who waits for what it had read.  The kernel refuses while a
 * discard is under way, and a guest can discard without an end.  What stays protected then is let
 * on by its own first fault: serve_write_protected().
 */
static int let_go_on(struct guest_pager *pager, struct err *err)
{
	uint64_t flood = clock_ms() + FLOOD_MS;
	size_t i;
	int rc;

	for (i = 0; i < pager->ram.n; i++) {
		const struct ram_object *object = &pager->ram.object[i];
		uint64_t bytes = object->pages * PAGE_BYTES;

		do {
			rc = uffd_write_protect(&pager->uffd, object->address, bytes, false);
			if (rc == -EAGAIN)
				events_wait(pager);
		} while (rc == -EAGAIN && clock_left_ms(flood));
		if (rc == -ESRCH)
			return err_set(err, ESRCH, "QEMU is gone");
		if (rc < 0 && rc != -ENOENT && rc != -EAGAIN)
			return err_sys(err, -rc, "userfaultfd: allowing writes");
	}
	STEP("restart_unprotected");
	pager_wake_all(pager);
	return 0;
}

static int go_on(struct guest_pager *pager, struct err *err)
{
	cleanup_with(restart_free) struct restart restart = { .present = NULL };
	int rc = restart_alloc(&restart, pager->ram.pages, err);

	if (rc == 0) /* before the events: a punch may follow any of them */
		rc = presence_read(&pager->ram, restart.present, err);
	if (rc < 0)
		return rc;
	STEP("restart_sought");
	restart_events(pager, restart.ring);
	rc = runs_read(pager, restart.held, err);
	if (rc == 0)
		rc = resolve_all(pager, &restart, err);
	/* Before pages are EVICTED whose content may be newer than a discard in the ring: the next
	 * restart, if this one is killed, must not apply it to them */
	if (rc == 0) {
		ring_clear(pager, 0);
		vacate_unplugged(pager);
		rc = claim_slots(pager, true, err);
	}
	if (rc == 0)
		rc = claim_slots(pager, false, err);
	if (rc == 0)
		rc = tiers_ready(pager->tiers, err);
	if (rc == 0)
		rc = finish_runs(pager, err);
	if (rc < 0)
		return rc;
	count_resident(pager);
	return let_go_on(pager, err);
}

int restart_guest(struct guest_pager *pager, struct err *err)
{
	int rc;

	events_are_read_here(true);
	rc = go_on(pager, err);
	events_are_read_here(false);
	return rc;
}
