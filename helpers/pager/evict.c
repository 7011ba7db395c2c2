// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Taking pages out of the guest's memory, a run of up to 64 at a time.
 *
 * DOC: why the content goes through a pipe
 *
 * splice() moves the guest's own pages into the pipe without a copy: a store by a vCPU until the
 * punch lands in the page that is in the pipe, so nothing is lost and no page is write-protected.
 * The pipe's other end is parked in QEMU, and the pipe is read straight into a file, so that a
 * kill leaves each page's content in the guest's file, in the pipe, or in the staging, and the
 * run record says which.  The order of the nine steps is what makes that so.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "kernel/kfs.h"
#include "pager/engine.h"
#include "pager/shmem_thp.h"

enum { PINS_DEADLINE_MS = 50, CLEAN_SLOTS_AT_ONCE = 256, FAILED_PAUSE_MS = 15 };
/* Between two looks at what may change while the guest runs, and while it does not fault */
enum { LOOK_MS = 1000, LOOK_IDLE_MS = 10000 };
/* Of the file, in percent: clean slots go from here on, and stay again below there */
enum { FILE_SHORT = 75, FILE_ROOMY = 65 };
enum { BEHIND_PAGES = 96, BEHIND_AT_ONCE = 8, SLACK_MAX = 512, PINNED_LONG_MS = 2000 };

static int in_pipe(const struct evictor *evictor)
{
	int bytes = 0;

	return ioctl(evictor->pipe_read, FIONREAD, &bytes) < 0 ? -errno : bytes;
}

static uint64_t address_of(struct guest_pager *pager, const struct evictor *evictor, size_t i)
{
	return ram_address(&pager->ram, evictor->page[i]);
}

/* Neighbours in one file, from the @i th on.  Return: behind the last of them */
static size_t piece_end(struct guest_pager *pager, const struct evictor *evictor, size_t i)
{
	const struct ram_object *object = ram_object_of(&pager->ram, evictor->page[i]);
	uint64_t end = object->first + object->pages;

	do {
		i++;
	} while (i < evictor->n && evictor->page[i] == evictor->page[i - 1] + 1 &&
		 evictor->page[i] < end);
	return i;
}

static off_t offset_of(const struct ram_object *object, uint64_t page)
{
	return (off_t)((page - object->first) * PAGE_BYTES);
}

static void list_write(struct evictor *evictor)
{
	size_t i;

	for (i = 0; i < evictor->n; i++) {
		evictor->run->page[i] = evictor->page[i];
		evictor->run->generation[i] = page_entry_fields(evictor->entry[i]).generation;
	}
	atomic_store(&evictor->run->n, (uint32_t)evictor->n);
}

static void phase_set(struct evictor *evictor, enum run_phase phase)
{
	atomic_store_explicit(&evictor->run->phase, (uint32_t)phase, memory_order_release);
}

/* What a run can't be brought out of: the next daemon resolves it, and this one leaves it alone */
static int run_broken(struct guest_pager *pager, struct evictor *evictor, const char *what)
{
	evictor->broken = true;
	pager_alarm(pager, ALARM_BROKEN, "eviction stopped: %s; %zu pages wait", what, evictor->n);
	return -EIO;
}

/* False: a discard's message waits, and the kernel refuses.  The page's first write ends it then */
static bool allow_writes_again(struct guest_pager *pager, struct evictor *evictor, size_t i)
{
	int rc;

	if (pager->options.pins != PINS_WAIT)
		return true;
	rc = changes_unprotect(pager, evictor->page[i], 1);
	return rc == 0 || rc == -ENOENT;
}

/* Back to RESIDENT; the page is in the guest's file.  Wakes.  A run that lists it and is not
 * cleared yet must not be believed any more when it leaves again: hence the generation.  Once it is
 * RESIDENT its protection may be another evictor's */
static void give_back(struct guest_pager *pager, struct evictor *evictor, size_t i, bool bad)
{
	struct page_fields fields = page_entry_fields(evictor->entry[i]);
	struct page_fields now = page_entry_fields(page_map_get(pager->map, evictor->page[i]));
	bool writable, slot_goes;

	fields.state = PAGE_RESIDENT;
	fields.generation++;
	fields.discarded |= now.discarded; /* since take_back(): its hole may come yet */
	fields.bad |= bad;
	writable = allow_writes_again(pager, evictor, i);
	/* Protected, a scan would take it for what its slot has */
	slot_goes = fields.has_slot && !writable;
	fields.has_slot = fields.has_slot && writable;
	entry_settle(pager, evictor->page[i], fields);
	if (slot_goes)
		tiers_free(pager->tiers, (struct page_place){ fields.tier, fields.slot });
	discards_remember(pager, evictor->page[i]);
	pager_wake_page(pager, evictor->page[i]);
}

static void drop(struct evictor *evictor, size_t i, size_t n)
{
	size_t rest = evictor->n - i - n;

	memmove(&evictor->page[i], &evictor->page[i + n], rest * sizeof(evictor->page[0]));
	memmove(&evictor->entry[i], &evictor->entry[i + n], rest * sizeof(evictor->entry[0]));
	evictor->n -= n;
}

static void give_back_all(struct guest_pager *pager, struct evictor *evictor)
{
	while (evictor->n) {
		give_back(pager, evictor, evictor->n - 1, false);
		evictor->n--;
	}
}

/* Nothing was punched yet: each page is in the guest's file, and what is in the pipe a second
 * reference to it */
static void pipe_forget(struct evictor *evictor)
{
	unsigned char bytes[PAGE_BYTES];

	while (in_pipe(evictor) > 0 && read(evictor->pipe_read, bytes, sizeof(bytes)) > 0)
		;
}

/* 1: an empty pipe, the list, then its phase */
static int evict_begin(struct guest_pager *pager, struct evictor *evictor, const uint64_t *pages,
		       size_t n)
{
	evictor->n = n < evictor->max ? n : evictor->max;
	memcpy(evictor->page, pages, evictor->n * sizeof(pages[0]));
	memset(evictor->entry, 0, sizeof(evictor->entry));
	evictor->leaving_seen = atomic_load(&pager->leaving_seen);
	if (evictor->broken)
		return -EIO;
	if (in_pipe(evictor) != 0 || atomic_load(&evictor->run->phase) != RUN_EMPTY)
		return run_broken(pager, evictor, "an earlier run was not finished");
	list_write(evictor);
	phase_set(evictor, RUN_LISTED);
	STEP("evict_begin");
	return 0;
}

static bool claim_one(struct guest_pager *pager, struct evictor *evictor, size_t i)
{
	page_entry entry = page_map_get(pager->map, evictor->page[i]), wanted;
	struct page_fields fields;

	do {
		fields = page_entry_fields(entry);
		if (fields.state != PAGE_RESIDENT || fields.bad)
			return false;
		fields.state = PAGE_LEAVING;
		wanted = page_entry_make(fields);
	} while (!page_map_swap(pager->map, evictor->page[i], &entry, wanted));
	evictor->entry[i] = wanted;
	return true;
}

/* The guest's devices may write past its page tables: no page of the run may be pinned.  -ENOENT:
 * unplugged, and mapped nowhere */
static bool unpinned(struct guest_pager *pager, struct evictor *evictor)
{
	size_t i, end;
	int rc = 0;

	pthread_mutex_lock(&pager->protection);
	for (i = 0; i < evictor->n && rc == 0; i = end) {
		end = piece_end(pager, evictor, i);
		rc = uffd_write_protect(&pager->uffd, address_of(pager, evictor, i),
					(end - i) * PAGE_BYTES, true);
		rc = rc == -ENOENT ? 0 : rc;
	}
	pthread_mutex_unlock(&pager->protection);
	if (rc < 0)
		return false;
	STEP("evict_protected");
	return pins_wait(evictor->patient ? PINS_DEADLINE_MS : 0);
}

/* 2: RESIDENT to LEAVING, before anything is done to a page.  Return: 0; -EBUSY: pins */
static int evict_claim(struct guest_pager *pager, struct evictor *evictor)
{
	size_t i = 0;

	while (i < evictor->n) {
		if (huge_folio_in(pager, evictor->page[i])) {
			pager->folios_stay = true;
			drop(evictor, i, 1);
		} else if (claim_one(pager, evictor, i)) {
			i++;
		} else {
			drop(evictor, i, 1);
		}
		STEP("evict_claim");
	}
	if (!evictor->n || pager->options.pins == PINS_NONE || unpinned(pager, evictor))
		return 0;
	give_back_all(pager, evictor);
	return -EBUSY;
}

/* A claimed page turns out to be a hole.  If a discard made it, it reads as zeros.  If that
 * discard's message is still to come, the next fault on the page decides */
static void hole_found(struct guest_pager *pager, struct evictor *evictor, size_t i)
{
	struct page_fields zero = {
		.state = PAGE_ZERO,
		.generation = page_entry_fields(evictor->entry[i]).generation,
	};
	struct page_fields before = page_entry_fields(evictor->entry[i]);

	if (!before.discarded && !journal_discarded_lately(pager->journal, evictor->page[i])) {
		give_back(pager, evictor, i, false);
	} else {
		entry_settle(pager, evictor->page[i], zero);
		if (before.has_slot)
			tiers_free(pager->tiers, (struct page_place){ before.tier, before.slot });
		pager_wake_page(pager, evictor->page[i]);
	}
	policy_left(pager, evictor->page[i], true);
}

/* Reading a hole would make a page of zeros of it */
static void drop_holes(struct guest_pager *pager, struct evictor *evictor)
{
	size_t i = 0, end;

	while (i < evictor->n) {
		end = piece_end(pager, evictor, i);
		if (pages_cached(pager, evictor->page[i], end - i) == (int64_t)(end - i)) {
			i = end;
			continue;
		}
		/* One by one, also where the kernel can't count */
		while (i < evictor->n && i < end) {
			if (page_present(pager, evictor->page[i])) {
				i++;
				continue;
			}
			hole_found(pager, evictor, i);
			drop(evictor, i, 1);
			end--;
		}
	}
}

/* One piece into the pipe.  Return: bytes; @rc: why not all */
static size_t splice_piece(struct guest_pager *pager, struct evictor *evictor, size_t i, size_t n,
			   int *rc)
{
	const struct ram_object *object = ram_object_of(&pager->ram, evictor->page[i]);
	off_t offset = offset_of(object, evictor->page[i]);
	size_t bytes = n * PAGE_BYTES, done = 0;

	*rc = 0;
	while (done < bytes) {
		ssize_t got =
			pager->calls.splice(object->fd, &offset, evictor->pipe_write, bytes - done);

		if (got <= 0) {
			*rc = got < 0 ? -errno : -EIO;
			break;
		}
		done += (size_t)got;
	}
	return done;
}

/*
 * 3: the pages into the pipe, and the list as it is there.
 * A page that can't be read (a memory error) ends its piece; it stays, and is not tried again.
 * Return: why others stay
 */
static int evict_splice(struct guest_pager *pager, struct evictor *evictor)
{
	size_t i, end, got;
	int rc, worst = 0;
	bool bad;

	drop_holes(pager, evictor);
	for (i = 0; i < evictor->n; i = end) {
		end = piece_end(pager, evictor, i);
		got = splice_piece(pager, evictor, i, end - i, &rc);
		STEP("evict_splice");
		if (got == (end - i) * PAGE_BYTES)
			continue;
		bad = rc == -EIO || rc == -EHWPOISON;
		worst = bad ? worst : rc;
		if (got % PAGE_BYTES) /* half a page can't be taken out again alone */
			break;
		i += got / PAGE_BYTES;
		give_back(pager, evictor, i, bad);
		if (bad)
			pager_alarm(pager, ALARM_POISON,
				    "memory error of the host in a page that is resident: it stays "
				    "where it is, and the guest is told if it uses it");
		drop(evictor, i, 1);
		end = i;
	}
	if (in_pipe(evictor) != (int)(evictor->n * PAGE_BYTES)) {
		pipe_forget(evictor);
		give_back_all(pager, evictor);
	}
	list_write(evictor);
	STEP("evict_listed");
	if (evictor->n)
		phase_set(evictor, RUN_SPLICED);
	STEP("evict_spliced");
	return worst;
}

bool still_there(struct guest_pager *pager, uint64_t page, size_t n)
{
	const struct ram_object *object = ram_object_of(&pager->ram, page);
	off_t from = offset_of(object, page), data;
	int64_t cached = pages_cached(pager, page, n);

	if (cached >= 0)
		return cached > 0;
	data = lseek(object->fd, from, SEEK_DATA);
	return data >= 0 && data < from + (off_t)(n * PAGE_BYTES);
}

/* They are still in the guest's file, where they may be written and discarded from now on: what the
 * pipe has of them is older then, and must not be believed by a restart either.  Before it is read:
 * until then it is the guest's own page */
static void stay(struct guest_pager *pager, struct evictor *evictor, size_t i, size_t end)
{
	for (; i < end; i++) {
		evictor->failed[i] = evictor->stayed[i] = true;
		give_back(pager, evictor, i, false);
		STEP("evict_stayed");
	}
}

/*
 * 4: out of the guest's file: what was spliced, and no other page.
 * Data that is there afterwards was zeroed in place, in a large folio, and the pipe's page is that
 * page: it must have been impossible.
 *
 * Return: 0; -EIO: the run is broken; @worst: why some stay
 */
static int evict_punch(struct guest_pager *pager, struct evictor *evictor, int *worst)
{
	size_t i, end;
	int rc;

	memset(evictor->failed, 0, sizeof(evictor->failed));
	memset(evictor->stayed, 0, sizeof(evictor->stayed));
	for (i = 0; i < evictor->n; i = end) {
		const struct ram_object *object = ram_object_of(&pager->ram, evictor->page[i]);
		off_t from = offset_of(object, evictor->page[i]), bytes;

		end = piece_end(pager, evictor, i);
		bytes = (off_t)((end - i) * PAGE_BYTES);
		rc = pager->calls.punch(object->fd, from, bytes);
		if (rc < 0) {
			*worst = rc;
			stay(pager, evictor, i, end);
			continue;
		}
		STEP("evict_punch");
		if (still_there(pager, evictor->page[i], end - i)) {
			pager->page_lost = true;
			return run_broken(pager, evictor,
					  "memory was in large folios, and a page is lost");
		}
	}
	return 0;
}

/* 5: from the pipe straight into the file that outlives us */
static int evict_stage(struct guest_pager *pager, struct evictor *evictor)
{
	size_t done = 0, bytes = evictor->n * PAGE_BYTES;
	bool renewed = false;

	while (done < bytes) {
		ssize_t n = read(evictor->pipe_read, evictor->staging + done, bytes - done);

		STEP("evict_stage");
		if (n < 0 && errno == EINTR)
			continue;
		/* A memory error there: nothing has left the pipe for that page */
		if (n < 0 && errno == EFAULT && !renewed &&
		    journal_renew(pager->journal, evictor->staging + done) == 0) {
			renewed = true;
			continue;
		}
		if (n <= 0)
			return run_broken(pager, evictor, "the pipe can't be read");
		renewed = false;
		done += (size_t)n;
	}
	return 0;
}

static bool slot_is_there(struct page_fields fields, enum slots_where where)
{
	const struct page_place place = { .tier = fields.tier, .slot = fields.slot };

	return fields.has_slot && tiers_is_slow(place) == (where == SLOTS_IN_FILES);
}

/* Room in a full tier: slots of pages that are resident, too */
size_t drop_clean_slots(struct guest_pager *pager, enum slots_where where, size_t max)
{
	uint64_t pages = pager->ram.pages, looked, at = pager->sweep[where];
	size_t dropped = 0;

	for (looked = 0; looked < pages && dropped < max; looked++, at++) {
		page_entry entry;
		struct page_fields fields, next;

		at = at < pages ? at : 0;
		entry = page_map_get(pager->map, at);
		fields = page_entry_fields(entry);
		if (fields.state != PAGE_RESIDENT || !slot_is_there(fields, where))
			continue;
		next = fields;
		next.has_slot = false;
		if (!page_map_swap(pager->map, at, &entry, page_entry_make(next)))
			continue;
		tiers_free(pager->tiers, (struct page_place){ fields.tier, fields.slot });
		dropped++;
	}
	pager->sweep[where] = at;
	return dropped;
}

bool slots_go(struct guest_pager *pager, enum slots_where where, enum slots_why why, bool go)
{
	unsigned int bit = (unsigned int)why;
	unsigned int before = go ? atomic_fetch_or(&pager->slots_go[where], bit) :
				   atomic_fetch_and(&pager->slots_go[where], ~bit);

	if (before || !go)
		return false;
	pager->slots_sweep[where] = true;
	return true;
}

/* The page's own old slot goes as well: the content is in the staging */
static void drop_own_slot(struct guest_pager *pager, struct evictor *evictor, size_t i)
{
	struct page_fields fields = page_entry_fields(evictor->entry[i]), next = fields;
	page_entry expected = evictor->entry[i];

	if (!fields.has_slot)
		return;
	next.has_slot = false;
	if (page_map_swap(pager->map, evictor->page[i], &expected, page_entry_make(next))) {
		evictor->entry[i] = page_entry_make(next);
		tiers_free(pager->tiers, (struct page_place){ fields.tier, fields.slot });
	}
}

static int store_new(struct guest_pager *pager, struct evictor *evictor, size_t i,
		     const void *content)
{
	struct page_place place;
	int rc = store_content(pager, content, &place);

	if (rc == -ENOSPC) {
		drop_own_slot(pager, evictor, i);
		/* Where there is none all pages would be looked at for it */
		if (!pager->slots_go[SLOTS_IN_MEMORY] || pager->slots_sweep[SLOTS_IN_MEMORY])
			drop_clean_slots(pager, SLOTS_IN_MEMORY, CLEAN_SLOTS_AT_ONCE);
		rc = store_content(pager, content, &place);
	}
	if (rc < 0)
		return rc;
	pager->statistics.stores++;
	evictor->next[i].has_slot = true;
	evictor->next[i].tier = place.tier;
	evictor->next[i].slot = place.slot;
	return 0;
}

/* Return: 0; -errno: it has no slot.  A clean page has one already, as its content says by now: the
 * guest can't change it any more */
static int store_one(struct guest_pager *pager, struct evictor *evictor, size_t i)
{
	const unsigned char *content = evictor->staging + i * PAGE_BYTES;
	struct page_fields before = page_entry_fields(evictor->entry[i]);

	evictor->next[i] = before;
	evictor->next[i].state = PAGE_EVICTED;
	evictor->next[i].discarded = false;
	evictor->next[i].generation = before.generation + 1;
	if (before.has_slot && slot_holds(pager, before, content))
		return 0;
	return store_new(pager, evictor, i, content);
}

/* 6: slots.  What finds none is marked, and goes back into the guest's memory */
static int evict_store(struct guest_pager *pager, struct evictor *evictor)
{
	int worst = 0;
	size_t i;

	for (i = 0; i < evictor->n; i++) {
		int rc;

		if (evictor->failed[i])
			continue;
		rc = worst ? worst : store_one(pager, evictor, i);
		STEP("evict_store");
		evictor->failed[i] = rc < 0;
		if (rc == -EHWPOISON) {
			evictor->failed[i] = false;
			evictor->next[i] = (struct page_fields){ .state = PAGE_LEAVING };
		} else if (rc < 0) {
			worst = rc;
		}
	}
	demote_look(pager);
	return worst;
}

/* 7: with the gate, so that no discard is read, but not applied, while entries become EVICTED */
static void evict_publish(struct guest_pager *pager, struct evictor *evictor)
{
	size_t i;

	pthread_mutex_lock(&pager->gate);
	for (i = 0; i < evictor->n; i++) {
		page_entry expected = evictor->entry[i];

		if (evictor->failed[i] || evictor->next[i].state != PAGE_EVICTED)
			continue;
		if (!page_map_swap(pager->map, evictor->page[i], &expected,
				   page_entry_make(evictor->next[i])))
			run_broken(pager, evictor, "another thread changed a page on its way out");
		STEP("evict_publish");
	}
	pthread_mutex_unlock(&pager->gate);
}

/* An old slot is free once no entry names it */
static void free_old_slots(struct guest_pager *pager, struct evictor *evictor)
{
	size_t i;

	for (i = 0; i < evictor->n; i++) {
		struct page_fields before = page_entry_fields(evictor->entry[i]);
		const struct page_fields *next = &evictor->next[i];

		if (evictor->failed[i] || next->state != PAGE_EVICTED || !before.has_slot)
			continue;
		if (before.tier != next->tier || before.slot != next->slot)
			tiers_free(pager->tiers, (struct page_place){ before.tier, before.slot });
	}
}

/* What has no slot goes back: from the staging into the guest's file, whose hole it still is */
static bool put_back(struct guest_pager *pager, struct evictor *evictor, size_t i)
{
	struct page_fields fields = page_entry_fields(evictor->entry[i]);

	take_back(pager, evictor->page[i]);
	fields.has_slot = false;
	evictor->entry[i] = page_entry_make(fields);
	if (!put_page(pager, &evictor->mover, evictor->page[i], evictor->staging + i * PAGE_BYTES))
		return false;
	STEP("evict_put_back");
	give_back(pager, evictor, i, false);
	return true;
}

/* Its memory in the staging broke.  Its old slot has older content */
static void lose(struct guest_pager *pager, struct evictor *evictor, size_t i)
{
	struct page_fields fields = page_entry_fields(evictor->entry[i]);

	lose_page(pager, fields, evictor->page[i]);
	journal_renew(pager->journal, evictor->staging + i * PAGE_BYTES);
	if (fields.has_slot)
		tiers_free(pager->tiers, (struct page_place){ fields.tier, fields.slot });
}

static int evict_leftovers(struct guest_pager *pager, struct evictor *evictor)
{
	size_t i;

	for (i = 0; i < evictor->n; i++) {
		bool done = true;

		if (evictor->stayed[i])
			continue;
		if (evictor->failed[i])
			done = put_back(pager, evictor, i);
		else if (evictor->next[i].state == PAGE_LEAVING)
			lose(pager, evictor, i);
		if (!done)
			return run_broken(pager, evictor, "a page can't be put back");
	}
	return 0;
}

/* 8: only now, with every page of the list settled */
static void evict_clear(struct evictor *evictor)
{
	phase_set(evictor, RUN_EMPTY);
	STEP("evict_clear");
}

/* 9: faults on these pages while they were LEAVING left the waking to us.  Rarely there is one */
static void evict_wake(struct guest_pager *pager, struct evictor *evictor)
{
	size_t i, end;

	if (atomic_load(&pager->leaving_seen) == evictor->leaving_seen)
		return;
	for (i = 0; i < evictor->n; i = end) {
		end = piece_end(pager, evictor, i);
		if (uffd_wake(&pager->uffd, address_of(pager, evictor, i),
			      (end - i) * PAGE_BYTES) == -ESRCH)
			pager_gone(pager);
		STEP("evict_wake");
	}
}

static int count_out(struct guest_pager *pager, const struct evictor *evictor)
{
	int out = 0;
	size_t i;

	for (i = 0; i < evictor->n; i++) {
		if (evictor->failed[i] || evictor->next[i].state != PAGE_EVICTED)
			continue;
		policy_left(pager, evictor->page[i], false);
		out++;
	}
	pager->statistics.evictions += (uint64_t)out;
	return out;
}

int evict_run(struct guest_pager *pager, struct evictor *evictor, const uint64_t *pages, size_t n)
{
	int rc = evict_begin(pager, evictor, pages, n), taken, stored, out;

	if (rc < 0)
		return rc;
	rc = evict_claim(pager, evictor);
	taken = evict_splice(pager, evictor);
	evictor->takes = taken == 0;
	if (evictor->n == 0) {
		evict_clear(evictor);
		return rc < 0 ? rc : taken;
	}
	rc = evict_punch(pager, evictor, &taken);
	evictor->takes = taken == 0;
	if (rc == 0)
		rc = evict_stage(pager, evictor);
	if (rc < 0)
		return rc;
	stored = evict_store(pager, evictor);
	evict_publish(pager, evictor);
	free_old_slots(pager, evictor);
	rc = evictor->broken ? -EIO : evict_leftovers(pager, evictor);
	if (rc == 0)
		evict_clear(evictor);
	evict_wake(pager, evictor);
	out = count_out(pager, evictor);
	if (out || rc < 0)
		return out ? out : rc;
	return stored < 0 ? stored : taken;
}

/* ---- which pages, and when ---- */

/* What the page table says of a page that was brought in ahead of a fault */
enum judgement { NOT_AHEAD, AHEAD, AHEAD_UNUSED, AHEAD_USED };

/* Of neighbours, if one was brought in ahead */
static void judge_piece(struct guest_pager *pager, uint64_t first, enum judgement *judged, size_t n)
{
	off_t at = (off_t)(ram_address(&pager->ram, first) / PAGE_BYTES * sizeof(uint64_t));
	uint64_t entry[RUN_PAGES_MAX];
	size_t k;

	for (k = 0; k < n && judged[k] == NOT_AHEAD;)
		k++;
	if (k == n || pager->pagemap < 0 ||
	    pread(pager->pagemap, entry, n * sizeof(entry[0]), at) !=
		    (ssize_t)(n * sizeof(entry[0])))
		return;
	for (k = 0; k < n; k++)
		if (judged[k] == AHEAD)
			judged[k] = entry[k] >> 63 ? AHEAD_USED : AHEAD_UNUSED;
}

static void judge_done(struct guest_pager *pager, uint64_t page, enum judgement judged)
{
	bool used = judged == AHEAD_USED;

	if (judged < AHEAD_UNUSED || !bit_get(pager->ahead, page))
		return;
	bit_set(pager->ahead, page, false);
	hot_prefetch_used(pager->hot, page, used);
	pager->statistics.judged++;
	pager->statistics.judged_used += used;
	pager->statistics.prefetch_used += used;
}

/* Of pages that were brought in ahead of a fault, the page table says which were used.  Neighbours
 * are read together; without the lock, since a read takes as long as a fault */
static void judge_prefetched(struct guest_pager *pager, const uint64_t *pages,
			     enum judgement *judged, size_t n)
{
	size_t i, end;

	for (i = 0; i < n; i = end) {
		const struct ram_object *object = ram_object_of(&pager->ram, pages[i]);

		for (end = i + 1; end < n && pages[end] == pages[end - 1] + 1 &&
				  pages[end] < object->first + object->pages;)
			end++;
		judge_piece(pager, pages[i], judged + i, end - i);
	}
	policy_lock(pager);
	for (i = 0; i < n; i++)
		judge_done(pager, pages[i], judged[i]);
	policy_unlock(pager);
}

/* What is coldest, in the order of addresses */
static size_t choose(struct guest_pager *pager, uint64_t *pages, size_t max)
{
	enum judgement judged[RUN_PAGES_MAX];
	bool ahead = false;
	size_t n, i;

	policy_lock(pager);
	n = hot_victims(pager->hot, pages, max);
	for (i = 0; i < n; i++) {
		judged[i] = bit_get(pager->ahead, pages[i]) ? AHEAD : NOT_AHEAD;
		ahead |= judged[i] == AHEAD;
	}
	policy_unlock(pager);
	if (ahead)
		judge_prefetched(pager, pages, judged, n);
	return n;
}

/* Those that stayed are hot's again; those that are no page any more it forgets */
static void report_stayed(struct guest_pager *pager, const uint64_t *pages, size_t n)
{
	size_t i;

	policy_lock(pager);
	for (i = 0; i < n; i++)
		if (bit_get(pager->counted, pages[i]))
			hot_kept(pager->hot, pages[i]);
	policy_unlock(pager);
}

static void say_failure(struct guest_pager *pager, const struct evictor *evictor, int rc)
{
	char why[PAGER_REASON_SIZE];

	/* Pins come and go: it is only said when they have stayed */
	if (rc == -EBUSY && clock_ms() - pager->went_ms < PINNED_LONG_MS)
		return;
	if (rc == -EBUSY)
		pager_alarm(pager, ALARM_EVICTION, "eviction stopped: %s",
			    pager_pinned(pager, why));
	else if (rc == -ENOSPC && demote_helps(pager))
		return;
	else if (rc == -ENOSPC)
		pager_alarm(pager, ALARM_EVICTION, "eviction stopped: %s",
			    pager_tiers_full(pager, why));
	else if (!evictor->broken)
		pager_alarm(pager, ALARM_EVICTION, "eviction stopped: %s: %s",
			    evictor->takes ? "a tier fails" : "pages can't be taken out of memory",
			    err_text(-rc));
}

static void note_result(struct guest_pager *pager, const struct evictor *evictor, int rc)
{
	if (rc > 0) {
		pager->went_ms = clock_ms();
		pager->demoter.asks = false;
		if (atomic_exchange(&pager->forced, 0))
			pager_alarm_over(pager, ALARM_EVICTION);
	} else if (rc < 0) {
		if (!pager->forced)
			pager->forced = policy_resident(pager);
		pager->failed_ms = clock_ms();
		pager->failure = rc;
		say_failure(pager, evictor, rc);
	}
}

int evict_some(struct guest_pager *pager, struct evictor *evictor, size_t max)
{
	uint64_t pages[RUN_PAGES_MAX];
	size_t n;
	int rc;

	if (pager->huge_folios || pager->page_lost || pager->stop_evicting || evictor->broken)
		return -EBUSY;
	max = max < evictor->max ? max : evictor->max;
	n = choose(pager, pages, max);
	if (n == 0)
		return 0;
	rc = evict_run(pager, evictor, pages, n);
	if (rc < (int)n)
		report_stayed(pager, pages, n);
	note_result(pager, evictor, rc);
	return rc;
}

/*
 * Where the evicting thread stops.  What is free above it is memory that the guest can't use.  With
 * one processor for all of us, and where a vCPU is alone with its faults, that thread would only
 * take turns with the one that serves faults, and be in its way with a lock: there it works if that
 * one does not come after.  Unless it has to wait for pins, which a vCPU should not.
 */
static uint64_t low_mark(const struct guest_pager *pager)
{
	uint64_t limit = pager->limit, slack = limit / 64;

	if ((pager->alone || pager->processors == 1) && pager->options.pins == PINS_NONE)
		return limit;
	if (slack < 16)
		slack = limit < 64 ? limit / 4 : 16;
	return limit - (slack < SLACK_MAX ? slack : SLACK_MAX);
}

/* Room for what a fault brings: made after a fault, while its vCPU runs on */
void evict_behind(struct guest_pager *pager)
{
	uint64_t limit = pager->limit, room = limit / 8 < BEHIND_PAGES ? limit / 8 : BEHIND_PAGES;
	struct evictor *evictor = &pager->evictor[0];

	if (policy_resident(pager) + room <= limit || pager->forced)
		return;
	/* With one pipe for all another thread may be at it */
	if (pthread_mutex_trylock(&evictor->lock) != 0)
		return;
	evictor->patient = false;
	evict_some(pager, evictor, BEHIND_AT_ONCE);
	pthread_mutex_unlock(&evictor->lock);
}

/*
 * For a thread that a vCPU waits for.  With one pipe for all the evicting thread may have it, and
 * itself wait until a discard's message is read, by this thread.
 */
bool evictor_lock(struct guest_pager *pager)
{
	while (pthread_mutex_trylock(&pager->evictor[0].lock) != 0) {
		if (pager_stopping(pager))
			return false;
		events_wait(pager);
	}
	return true;
}

void evictor_unlock(struct guest_pager *pager)
{
	pthread_mutex_unlock(&pager->evictor[0].lock);
}

int evict_now(struct guest_pager *pager)
{
	int rc;

	if (!evictor_lock(pager))
		return -ECANCELED;
	pager->evictor[0].patient = false;
	rc = evict_some(pager, &pager->evictor[0], RUN_PAGES_MAX);
	evictor_unlock(pager);
	return rc;
}

/*
 * The evicting threads keep some pages free; the thread that serves faults takes a hand at the
 * limit.  Where a guest is far above it, as after its adoption, each fault takes out as
 * many pages as it brings in, and no vCPU waits until all of that is done.
 */
bool evict_for(struct guest_pager *pager, size_t pages)
{
	size_t out = 0;
	int rc = 1;

	/* All of it comes in: the guest is let go */
	if (pager->stop_evicting)
		return true;
	if (policy_resident(pager) + pages > low_mark(pager) + 8 && pager->evict_asleep)
		pager_wake(pager->wake_evict);
	/* Trying again costs as much as an eviction, and searches the whole map for a slot */
	if (pager->forced && clock_ms() - pager->failed_ms < FAILED_PAUSE_MS)
		rc = 0;
	while (rc > 0 && out < pages && policy_resident(pager) + pages > pager->limit) {
		rc = evict_now(pager);
		out += rc > 0 ? (size_t)rc : 0;
	}
	return out >= pages || policy_resident(pager) + pages <= pager->limit;
}

/* The memory of a QEMU that is gone, or has executed another program, is gone */
static void look_for_memory(struct guest_pager *pager)
{
	if (pager_ask_kernel(pager) == -ESRCH)
		pager_gone(pager);
}

/* Settings that would make eviction lose pages may be changed while the guest runs */
static void housekeeping(struct guest_pager *pager)
{
	struct err err = { "" };
	struct kfs kfs;
	int rc;

	if (kfs_open(&kfs, "/", NULL) < 0)
		return;
	rc = shmem_thp_refusal(&kfs, pager->adopted.identity.pid, &pager->ram, &err);
	kfs_close(&kfs);
	if (rc == -ENOTSUP && !pager->huge_folios) {
		pager->huge_folios = true;
		pager_alarm(pager, ALARM_FOLIOS, "eviction stopped: %.400s", err.text);
	} else if (rc == 0 && pager->huge_folios) {
		/* Large folios that were made meanwhile are still there */
		huge_folio_forget(pager);
		pager->huge_folios = false;
		pager_alarm_over(pager, ALARM_FOLIOS);
	}
}

/* Pages that are resident and not counted: their discard made no hole after all */
static void recount(struct guest_pager *pager)
{
	uint64_t page;
	bool counted;

	for (page = 0; page < pager->ram.pages && !pager_stopping(pager); page++) {
		if (page_entry_fields(page_map_get(pager->map, page)).state != PAGE_RESIDENT)
			continue;
		policy_lock(pager);
		counted = bit_get(pager->counted, page);
		policy_unlock(pager);
		if (!counted && page_present(pager, page))
			policy_faulted(pager, page);
	}
}

/* What the files have beyond what is counted, by a part of the limit */
static bool miscounted(struct guest_pager *pager)
{
	uint64_t blocks = 0;
	struct stat st;
	size_t i;

	for (i = 0; i < pager->ram.n; i++)
		if (fstat(pager->ram.object[i].fd, &st) == 0)
			blocks += (uint64_t)st.st_blocks;
	return blocks / (PAGE_BYTES / 512) >
	       policy_resident(pager) + pager->scan.resident + pager->limit / 32 + 256;
}

static bool above_low_mark(struct guest_pager *pager)
{
	return policy_resident(pager) > low_mark(pager);
}

/* What could not go has its room below a limit that was raised: nothing has to go now */
static void forget_failure(struct guest_pager *pager)
{
	if (pager->forced && !above_low_mark(pager) && atomic_exchange(&pager->forced, 0))
		pager_alarm_over(pager, ALARM_EVICTION);
}

static void evict_sleep(struct guest_pager *pager, int ms)
{
	struct pollfd fds[] = {
		{ .fd = pager->wake_evict, .events = POLLIN },
		{ .fd = pager->adopted.pidfd, .events = POLLIN },
	};

	pager->evict_asleep = true;
	if (poll(fds, 2, ms) > 0 && fds[1].revents)
		pager_gone(pager);
	pager->evict_asleep = false;
	pager_slept(pager->wake_evict);
}

/* Return: as evict_some(), but never 0 without any progress: what is left are pages that stay */
static int evict_patiently(struct guest_pager *pager, struct evictor *evictor)
{
	uint64_t before = policy_resident(pager);
	int rc;

	pthread_mutex_lock(&evictor->lock);
	evictor->patient = true;
	rc = evict_some(pager, evictor, RUN_PAGES_MAX);
	pthread_mutex_unlock(&evictor->lock);
	return rc == 0 && policy_resident(pager) >= before ? -EAGAIN : rc;
}

/* Some at a time: pages go meanwhile.  Return: there are more */
static bool sweep_slots(struct guest_pager *pager, enum slots_where where)
{
	if (pager->slots_sweep[where] &&
	    drop_clean_slots(pager, where, CLEAN_SLOTS_AT_ONCE) < CLEAN_SLOTS_AT_ONCE)
		pager->slots_sweep[where] = false;
	return pager->slots_sweep[where];
}

/* All guests see the same file, and each gives up what it can do without */
static void look_for_room(struct guest_pager *pager)
{
	unsigned int taken = tiers_slow_taken(pager->tiers);

	if (taken >= FILE_SHORT || taken < FILE_ROOMY)
		slots_go(pager, SLOTS_IN_FILES, SLOTS_TIER_SHORT, taken >= FILE_SHORT);
}

static int look_again_ms(const struct guest_pager *pager)
{
	return pager->rests ? (int)clock_together_ms(LOOK_IDLE_MS) : LOOK_MS;
}

/* The guest has ended, or the daemon does, while a thread that lets the guest go waits for a disk.
 * That thread returns once the disk is given up, and the guest's end is no longer held up by it */
static void end_detach(struct guest_pager *pager)
{
	uint64_t deadline = clock_ms() + DISK_MS;

	while (pager->detaching && clock_left_ms(deadline))
		clock_sleep_ms(10);
	if (!pager->detaching)
		return;
	pager->gave_up = true;
	tiers_give_up(pager->tiers);
}

void *evict_thread(void *evictor_arg)
{
	struct evictor *evictor = evictor_arg;
	struct guest_pager *pager = evictor->pager;
	bool first = evictor->number == (pager->n_evictors > 1 ? 1 : 0);
	uint64_t looked = 0, turns = 0, faults = 0;

	log_context(pager->name, "evict");
	pager_follow_memory(pager);
	while (!pager_stopping(pager)) {
		int rc = 0;

		if (first && clock_ms() - looked >= LOOK_MS) {
			housekeeping(pager);
			pager_stay_below_cgroup(pager);
			look_for_memory(pager);
			look_for_room(pager);
			slow_load_look(pager);
			if (++turns % 16 == 0 && miscounted(pager))
				recount(pager);
			looked = clock_ms();
			pager->rests = pager->statistics.faults == faults &&
				       !slow_load_waits(pager);
			faults = pager->statistics.faults;
		}
		forget_failure(pager);
		if (above_low_mark(pager))
			rc = evict_patiently(pager, evictor);
		if (first &&
		    (sweep_slots(pager, SLOTS_IN_MEMORY) || sweep_slots(pager, SLOTS_IN_FILES)))
			continue;
		if (rc < 0 || (rc == 0 && !stay_awake(pager, above_low_mark)))
			evict_sleep(pager, rc < 0 ? 100 : look_again_ms(pager));
	}
	if (first)
		end_detach(pager);
	return NULL;
}
