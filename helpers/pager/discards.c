// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Discards: the balloon, free page reporting, a guest's reset.
 *
 * QEMU's discard goes on as soon as its message is read, so what is read is applied with the gate
 * held.  Only content in slots is dropped.  A page that is resident or on its way out stays what it
 * is: it may have been written again since.  Its old bytes may stay; new ones must not be lost.
 *
 * QEMU makes its hole after its message was read, at any time, and the guest may come back to it
 * days later: "discarded" in the entry of a resident page says that a hole there is zeros.  It
 * stays until the page is out.  What was ZERO or LEAVING when the message came learns of it when
 * it becomes resident, from the time that the journal keeps for its region: also what was out and
 * loaded in between.
 */
#include <errno.h>
#include <linux/userfaultfd.h>

#include "base/clock.h"
#include "pager/engine.h"

/* For a thread of QEMU's that has to get a processor; a QEMU that is frozen gets none */
enum { FINISH_MS = 5000 };

bool discard_range(const struct ram *ram, const struct uffd_msg *message, uint64_t *first,
		   uint64_t *n)
{
	const struct ram_object *object;
	uint64_t pages;

	if (message->event != UFFD_EVENT_REMOVE ||
	    message->arg.remove.end <= message->arg.remove.start)
		return false;
	if (!ram_page_at(ram, message->arg.remove.start, first))
		return false;
	object = ram_object_of(ram, *first);
	pages = (message->arg.remove.end - message->arg.remove.start) / PAGE_BYTES;
	*n = object->first + object->pages - *first;
	if (*n > pages)
		*n = pages;
	return *n > 0;
}

/* What a discard makes of an entry.  False: it stays */
static bool discard_entry(struct page_fields *fields)
{
	switch (fields->state) {
	case PAGE_EVICTED:
		*fields = (struct page_fields){
			.state = PAGE_ZERO,
			.generation = fields->generation,
		};
		return true;
	case PAGE_LOADING:
	case PAGE_RESIDENT:
		if (fields->discarded && !fields->bad)
			return false;
		fields->discarded = true;
		fields->bad = false;
		return true;
	case PAGE_ZERO:
	case PAGE_LEAVING:
	case PAGE_STAGED:
		break;
	}
	return false;
}

struct page_fields discard_in_map(struct guest_pager *pager, uint64_t page)
{
	page_entry entry = page_map_get(pager->map, page);
	struct page_fields before, after;

	do {
		before = page_entry_fields(entry);
		after = before;
		if (!discard_entry(&after))
			break;
	} while (!page_map_swap(pager->map, page, &entry, page_entry_make(after)));
	STEP("discard_entry");
	return before;
}

static void discard_page(struct guest_pager *pager, uint64_t page)
{
	struct page_fields before = discard_in_map(pager, page);

	if (before.state == PAGE_EVICTED)
		tiers_free(pager->tiers,
			   (struct page_place){ .tier = before.tier, .slot = before.slot });
	if (before.state == PAGE_RESIDENT)
		policy_left(pager, page, true);
}

void discards_remember(struct guest_pager *pager, uint64_t page)
{
	page_entry entry = page_map_get(pager->map, page);
	struct page_fields fields;

	if (!journal_discarded_lately(pager->journal, page))
		return;
	do {
		fields = page_entry_fields(entry);
		if (fields.state != PAGE_RESIDENT || fields.discarded)
			return;
		fields.discarded = true;
	} while (!page_map_swap(pager->map, page, &entry, page_entry_make(fields)));
}

void discards_apply(struct guest_pager *pager, const struct uffd_msg *messages, size_t count)
{
	uint64_t first, n, i;
	size_t m;

	for (m = 0; m < count; m++) {
		if (!discard_range(&pager->ram, &messages[m], &first, &n))
			continue;
		journal_note_discard(pager->journal, first, n);
		changes_lock(pager);
		changes_note(pager, first, n);
		changes_unlock(pager);
		for (i = 0; i < n; i++)
			discard_page(pager, first + i);
		pager->statistics.discards += n;
	}
}

/*
 * QEMU waits in a discard until its message is read.  A thread that found its memory registered may
 * queue its message after that memory was unregistered; but the kernel counts it before, and
 * refuses changes until it has been woken.  So none is left when the kernel no longer refuses.
 */
void discards_finish(struct guest_pager *pager)
{
	uint64_t deadline = clock_ms() + FINISH_MS;

	for (;;) {
		while (faults_read(pager) > 0)
			pager->n_faults = 0;
		if (pager_ask_kernel(pager) != -EAGAIN || !clock_left_ms(deadline))
			return;
		clock_sleep_ms(1);
	}
}
