// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Faults of a thread that reads all memory once: a migration's, a dump's, a snapshot's.
 *
 * DOC: behind the thread
 *
 * What it asks for is loaded with what follows, protected against writes, and keeps its slot; a
 * page that was never touched is shown as zeros, and stays ZERO.  Some windows later it goes again.
 * While it is protected its content is what its slot has, or zeros, so that a hole in the guest's
 * file is all it takes.  The guest's first write makes an ordinary page of it.  So the pages that
 * the guest uses stay, nothing is compressed, and the policy does not hear of it.
 *
 * Only this thread lets the guest write to such a page.  A detach lets it write everywhere, after
 * it has had each evictor's lock: hence that lock.
 *
 * DOC: from a slow tier
 *
 * The thread that waits for disks loads such a window, in larger reads, and tells us what has come;
 * places are kept for it.  A page keeps its slot there, so that nothing is written to the disk when
 * it goes.  What the guest writes to before we hear of it is not protected any more, and stays.
 */
#include <string.h>

#include "pager/engine.h"

enum { SCAN_PART = 16 };

static const uint64_t asks_no_more_ns = 1000000000;

/* So many are kept at most */
static size_t most(const struct guest_pager *pager)
{
	return pager->slow.worker[0].runs ? SCAN_PAGES_MAX : SCAN_PAGES;
}

/* No page may go.  What only the kernel's page table tells is not known without it, and since the
 * first epoch it tells something else */
static bool may_drop(const struct guest_pager *pager)
{
	return pager->pagemap >= 0 && !pager->stop_evicting && !pager->huge_folios &&
	       !pager->page_lost && !pager->changes.ran;
}

static struct scan_page *nth(struct scan *scan, size_t i)
{
	return &scan->page[(scan->first + i) % SCAN_PAGES_MAX];
}

/* An ordinary page from now on.  False: it isn't there */
static bool keep(struct guest_pager *pager, uint64_t page)
{
	struct page_fields fields = page_entry_fields(page_map_get(pager->map, page));

	if (fields.state == PAGE_ZERO && page_present(pager, page)) {
		fields.state = PAGE_RESIDENT;
		entry_settle(pager, page, fields);
		discards_remember(pager, page);
		STEP("scan_kept");
		return true;
	}
	/* Of one that was discarded it is not known whether it is there */
	if (fields.state != PAGE_RESIDENT || fields.discarded)
		return false;
	discards_remember(pager, page);
	return true;
}

/* ---- out again ---- */

/* The oldest, and what follows it in one file */
static size_t oldest_piece(struct guest_pager *pager, size_t max, page_entry *entry)
{
	struct scan *scan = &pager->scan;
	uint64_t first = nth(scan, 0)->page;
	const struct ram_object *object = ram_object_of(&pager->ram, first);
	size_t n = 0;

	do {
		entry[n] = nth(scan, n)->entry;
		n++;
	} while (n < max && nth(scan, n)->page == first + n &&
		 first + n < object->first + object->pages);
	return n;
}

static void forget_oldest(struct scan *scan, size_t n)
{
	scan->first = (scan->first + n) % SCAN_PAGES_MAX;
	scan->n -= n;
	scan->resident = scan->n;
}

static void drop_piece(struct guest_pager *pager, size_t max, bool may)
{
	uint64_t first = nth(&pager->scan, 0)->page;
	page_entry entry[SCAN_PAGES_MAX];
	bool gone[SCAN_PAGES_MAX] = { false };
	size_t n = oldest_piece(pager, max, entry), i;

	if (may && !huge_folio_in(pager, first) && !huge_folio_in(pager, first + n - 1))
		drop_scanned(pager, first, n, entry, gone);
	forget_oldest(&pager->scan, n);
	for (i = 0; i < n; i++) {
		if (gone[i])
			policy_left(pager, first + i, false);
		else if (keep(pager, first + i))
			policy_prefetched(pager, first + i, 1, false);
	}
}

/* Until no more than so many are left */
static void scan_drop(struct guest_pager *pager, size_t left)
{
	if (pager->scan.n <= left || !evictor_lock(pager))
		return;
	while (pager->scan.n > left)
		drop_piece(pager, pager->scan.n - left, may_drop(pager));
	evictor_unlock(pager);
}

void scan_arrived(struct guest_pager *pager, const struct scan_page *pages, size_t n, size_t places)
{
	struct scan *scan = &pager->scan;

	if (!places)
		return;
	pthread_mutex_lock(&scan->lock);
	memcpy(&scan->arrived[scan->n_arrived], pages, n * sizeof(*pages));
	scan->n_arrived += n;
	scan->settled += places;
	pthread_mutex_unlock(&scan->lock);
}

/* Its places were kept */
static void take_arrived(struct guest_pager *pager)
{
	struct scan *scan = &pager->scan;
	size_t i;

	if (!scan->coming)
		return;
	pthread_mutex_lock(&scan->lock);
	for (i = 0; i < scan->n_arrived; i++)
		*nth(scan, scan->n++) = scan->arrived[i];
	pager->statistics.scanned += scan->n_arrived;
	scan->coming -= scan->settled;
	scan->n_arrived = scan->settled = 0;
	pthread_mutex_unlock(&scan->lock);
	scan->resident = scan->n;
}

void scan_turn(struct guest_pager *pager)
{
	take_arrived(pager);
	if (pager->scan.n &&
	    (!may_drop(pager) || pager_now_ns() - pager->scan.last_ns > asks_no_more_ns))
		scan_drop(pager, 0);
}

/* ---- in ---- */

static void note(struct guest_pager *pager, uint64_t first, const page_entry *entry, size_t n)
{
	struct scan *scan = &pager->scan;
	size_t i;

	for (i = 0; i < n; i++)
		*nth(scan, scan->n++) = (struct scan_page){ .page = first + i, .entry = entry[i] };
	scan->resident = scan->n;
	pager->statistics.scanned += n;
}

/* A part, so that the thread goes on while the rest is fetched */
static size_t load_more(struct guest_pager *pager, uint64_t page, size_t max)
{
	page_entry entry[SCAN_PART];
	size_t n =
		load_scanned(pager, &pager->mover, page, max < SCAN_PART ? max : SCAN_PART, entry);

	note(pager, page, entry, n);
	return n;
}

/* Places for so many pages.  Return: for how many there are some */
static size_t make_places(struct guest_pager *pager, size_t window)
{
	size_t kept = most(pager) - pager->scan.coming;

	if (window > kept)
		window = kept;
	scan_drop(pager, kept - window);
	return pager->scan.n > kept - window ? 0 : window;
}

static enum scan_result leave_to_slow(struct guest_pager *pager, const struct fault *fault)
{
	size_t window = make_places(pager, SCAN_SLOW_WINDOW);
	struct read_ahead_range ahead = { .first = fault->page + 1 };
	int rc;

	if (!window)
		return SCAN_NOT;
	ahead.n = window - 1;
	rc = slow_load_scan(pager, fault, ahead, window);
	if (rc == 0)
		pager->scan.coming += window;
	return rc < 0 ? SCAN_NOT : SCAN_LEFT;
}

static enum scan_result load_window(struct guest_pager *pager, uint64_t page, size_t window)
{
	size_t done;

	if (make_places(pager, window) < window)
		return SCAN_NOT;
	done = load_more(pager, page, window);
	if (!done)
		return SCAN_NOT;
	while (done < window && page + done < pager->ram.pages) {
		size_t n = load_more(pager, page + done, window - done);

		done += n ? n : 1;
	}
	return SCAN_SERVED;
}

enum scan_result scan_serve(struct guest_pager *pager, const struct fault *fault, bool zeros_ahead)
{
	struct page_fields fields = page_entry_fields(page_map_get(pager->map, fault->page));
	struct page_place place = { .tier = fields.tier, .slot = fields.slot };
	enum scan_result result;

	if (!may_drop(pager))
		return SCAN_NOT;
	take_arrived(pager);
	pager->scan.last_ns = pager_now_ns();
	if (fields.state == PAGE_EVICTED && tiers_is_slow(place))
		return leave_to_slow(pager, fault);
	result = load_window(pager, fault->page,
			     fields.state == PAGE_ZERO && !zeros_ahead ? 1 : SCAN_WINDOW);
	pager->scan.last_ns = pager_now_ns();
	return result;
}

/* ---- the guest writes ---- */

static bool forget_page(struct scan *scan, uint64_t page)
{
	bool found = false;
	size_t i;

	for (i = 0; i < scan->n; i++) {
		if (nth(scan, i)->page != page)
			continue;
		/* No entry is like that: it keeps its place in the order */
		nth(scan, i)->entry = page_entry_make(
			(struct page_fields){ .state = PAGE_RESIDENT, .bad = true });
		found = true;
	}
	return found;
}

void scan_written(struct guest_pager *pager, uint64_t page)
{
	bool was_ours = pager->scan.n && forget_page(&pager->scan, page);
	bool was_zero = page_entry_fields(page_map_get(pager->map, page)).state == PAGE_ZERO;

	if (!was_ours && !was_zero)
		return;
	if (keep(pager, page)) {
		policy_faulted(pager, page);
		evict_for(pager, 1);
	}
}
