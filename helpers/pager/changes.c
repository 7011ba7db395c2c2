// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Which pages the guest may have changed since a moment: for a pager that sends them to another
 * host while the guest runs.
 *
 * DOC: how a change is seen
 *
 * An epoch begins with the write-protection of all memory.  Who allows the guest to write to a page
 * says so here first.  So a page whose bit is not set can't be written without the pager: it is
 * protected, or a hole that keeps its protection in the page table.  A kill ends the epochs: the
 * next pager knows of none, and all has to be sent again.
 *
 * What the kernel has beside this, as Linux 6.18 does it.  PAGEMAP_SCAN also protects memory of
 * another process, by its pagemap; but only where the userfaultfd has WP_ASYNC.  With that no write
 * is a fault any more, and then neither is the guest held back from pages on their way out (pins),
 * nor are pages known that a migration alone has read (scan.c).  Soft-dirty bits are one for all
 * users of the process, and Linux may be built without them.
 *
 * UFFDIO_ZEROPAGE takes the protection of a hole away, COPY does unless it is told not to, and a
 * hole that is punched or filled through the file keeps it.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/clock.h"
#include "pager/engine.h"

void changes_open(struct guest_pager *pager)
{
	pthread_rwlock_init(&pager->changes.lock, NULL);
}

static void forget(struct changes *changes)
{
	free(changes->now);
	free(changes->ended);
	changes->now = changes->ended = NULL;
	changes->epoch = 0;
}

void changes_close(struct guest_pager *pager)
{
	forget(&pager->changes);
	pthread_rwlock_destroy(&pager->changes.lock);
}

void changes_lock(struct guest_pager *pager)
{
	pthread_rwlock_rdlock(&pager->changes.lock);
}

void changes_unlock(struct guest_pager *pager)
{
	pthread_rwlock_unlock(&pager->changes.lock);
}

bool changes_protects(const struct guest_pager *pager, uint64_t page)
{
	return pager->changes.now && !bit_get_atomic(pager->changes.now, page);
}

void changes_note(struct guest_pager *pager, uint64_t page, size_t n)
{
	size_t i;

	for (i = 0; pager->changes.now && i < n; i++)
		bit_set_atomic(pager->changes.now, page + i);
}

int changes_allow(struct guest_pager *pager, uint64_t page)
{
	int rc;

	changes_lock(pager);
	changes_note(pager, page, 1);
	rc = uffd_write_protect(&pager->uffd, ram_address(&pager->ram, page), PAGE_BYTES, false);
	changes_unlock(pager);
	return rc;
}

int changes_unprotect(struct guest_pager *pager, uint64_t page, size_t n)
{
	int rc = 0;

	changes_lock(pager);
	if (!pager->changes.now)
		rc = uffd_write_protect(&pager->uffd, ram_address(&pager->ram, page),
					n * PAGE_BYTES, false);
	changes_unlock(pager);
	return rc;
}

/* ---- epochs ---- */

/* What was noted so far belongs to the epoch that ends */
static void move_bits(struct changes *changes, uint64_t *ended, uint64_t first, uint64_t n)
{
	uint64_t page;

	for (page = first; page < first + n; page++)
		if (bit_get(changes->now, page)) {
			bit_set(ended, page, true);
			bit_set(changes->now, page, false);
		}
}

/* No page is allowed to be written between the protection and the look at its bit */
static int protect(struct guest_pager *pager, uint64_t *ended, uint64_t first, uint64_t n)
{
	int rc;

	pthread_rwlock_wrlock(&pager->changes.lock);
	rc = uffd_write_protect(&pager->uffd, ram_address(&pager->ram, first), n * PAGE_BYTES,
				true);
	/* -ENOENT: unplugged */
	if (rc == 0 || rc == -ENOENT) {
		move_bits(&pager->changes, ended, first, n);
		rc = 0;
	}
	pthread_rwlock_unlock(&pager->changes.lock);
	return rc;
}

/* By regions, so that faults are answered in between.  The kernel refuses while QEMU discards */
static int protect_all(struct guest_pager *pager, uint64_t *ended, uint64_t deadline)
{
	uint64_t end, first, n;
	int rc = 0;
	size_t i;

	for (i = 0; i < pager->ram.n; i++) {
		first = pager->ram.object[i].first;
		end = first + pager->ram.object[i].pages;
		while (rc == 0 && first < end) {
			n = end - first < REGION_PAGES ? end - first : REGION_PAGES;
			while ((rc = protect(pager, ended, first, n)) == -EAGAIN &&
			       clock_left_ms(deadline) && !pager_stopping(pager))
				events_wait(pager);
			STEP("epoch_protected");
			first += n;
		}
	}
	return rc;
}

static int begin_first(struct guest_pager *pager)
{
	struct changes *changes = &pager->changes;
	int rc = 0;

	pthread_rwlock_wrlock(&changes->lock);
	changes->ran = true;
	if (!changes->now)
		changes->now = calloc(1, bit_bytes(pager->ram.pages));
	if (!changes->now)
		rc = -ENOMEM;
	pthread_rwlock_unlock(&changes->lock);
	return rc;
}

/* The epoch goes on as if nothing had been asked */
static void take_bits_back(struct guest_pager *pager, const uint64_t *ended)
{
	struct changes *changes = &pager->changes;
	uint64_t page;

	pthread_rwlock_wrlock(&changes->lock);
	for (page = 0; page < pager->ram.pages; page++)
		if (bit_get(ended, page))
			bit_set(changes->now, page, true);
	if (!changes->epoch)
		forget(changes);
	pthread_rwlock_unlock(&changes->lock);
}

static int failed(int rc, struct err *err)
{
	if (rc == -EBUSY)
		return err_set(err, EBUSY,
			       "an epoch: a device or a program has pages of this host pinned");
	return err_sys(err, -rc, "an epoch: write-protecting the guest's memory");
}

/* Two pagers of one guest have no epoch in common */
static uint64_t some_number(void)
{
	uint64_t number = 0;

	while (!number)
		if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
			return pager_now_ns();
	return number >> 1 | 1;
}

int guest_pager_epoch(struct guest_pager *pager, int64_t deadline_ms, uint64_t *epoch,
		      struct err *err)
{
	uint64_t deadline = clock_ms() + (uint64_t)(deadline_ms > 0 ? deadline_ms : 0);
	uint64_t *ended = calloc(1, bit_bytes(pager->ram.pages));
	int rc = ended ? begin_first(pager) : -ENOMEM;

	if (rc < 0) {
		free(ended);
		return err_nomem(err);
	}
	rc = protect_all(pager, ended, deadline);
	/* What a device was told to write before that is no fault */
	if (rc == 0 && pager->options.pins == PINS_WAIT && !pins_wait(clock_left_ms(deadline)))
		rc = -EBUSY;
	if (rc < 0) {
		take_bits_back(pager, ended);
		free(ended);
		return failed(rc, err);
	}
	pthread_rwlock_wrlock(&pager->changes.lock);
	free(pager->changes.ended);
	pager->changes.ended = ended;
	pager->changes.epoch = pager->changes.epoch ? pager->changes.epoch + 1 : some_number();
	*epoch = pager->changes.epoch;
	pthread_rwlock_unlock(&pager->changes.lock);
	return 0;
}

void changes_end(struct guest_pager *pager)
{
	pthread_rwlock_wrlock(&pager->changes.lock);
	forget(&pager->changes);
	pthread_rwlock_unlock(&pager->changes.lock);
}

int changes_check(const struct guest_pager *pager, uint64_t since, struct err *err)
{
	if (!since || (pager->changes.epoch && since == pager->changes.epoch - 1))
		return 0;
	return err_set(err, ESTALE, "an epoch: not the last one that has ended");
}

bool changes_since(const struct guest_pager *pager, uint64_t since, uint64_t page)
{
	return !since || bit_get(pager->changes.ended, page);
}
