// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Reading and writing slots although the host's memory there may have an uncorrectable error.
 */
#include <errno.h>

#include "pager/engine.h"
#include "pager/memory_error.h"

/* Slots that may be broken one after the other before a tier is said to fail */
enum { STORE_TRIES = 8 };

void guest_pager_sigbus(int signal, siginfo_t *info, void *context)
{
	memory_error_signal(signal, info, context);
}

int load_content(struct guest_pager *pager, struct page_fields fields, void *to)
{
	const struct page_place place = { .tier = fields.tier, .slot = fields.slot };
	struct memory_guard guard;
	int rc;

	if (!MEMORY_GUARDED(&guard))
		return -EHWPOISON;
	rc = tiers_load(pager->tiers, place, to);
	memory_guard_pop(&guard);
	return rc;
}

/* Those in slow tiers, as many as are side by side: these read no slot's memory themselves */
void load_contents(struct guest_pager *pager, const struct page_fields *fields, size_t n, void *to,
		   int *rc)
{
	struct page_place place[READ_AHEAD_MAX];
	unsigned char *at = to;
	size_t i, end;

	for (i = 0; i < n; i++)
		place[i] = (struct page_place){ .tier = fields[i].tier, .slot = fields[i].slot };
	for (i = 0; i < n; i = end) {
		for (end = i; end < n && tiers_is_slow(place[end]);)
			end++;
		if (end > i) {
			tiers_fetch(pager->tiers, &place[i], end - i, at + i * PAGE_BYTES, &rc[i]);
			continue;
		}
		rc[i] = load_content(pager, fields[i], at + i * PAGE_BYTES);
		end = i + 1;
	}
}

bool slot_holds(struct guest_pager *pager, struct page_fields fields, const void *content)
{
	const struct page_place place = { .tier = fields.tier, .slot = fields.slot };
	struct memory_guard guard;
	bool holds;

	if (!MEMORY_GUARDED(&guard))
		return false;
	holds = tiers_holds(pager->tiers, place, content);
	memory_guard_pop(&guard);
	return holds;
}

/* Return: as tiers_store(); 1: the slot's memory is broken.  It stays taken, so that no other page
 * comes to lie there */
static int store_once(struct guest_pager *pager, const char *content, struct page_place *place)
{
	struct memory_guard guard;
	int rc;

	if (!MEMORY_GUARDED(&guard))
		return guard.at >= content && guard.at < content + PAGE_BYTES ? -EHWPOISON : 1;
	rc = tiers_store(pager->tiers, content, place);
	memory_guard_pop(&guard);
	return rc;
}

int store_content(struct guest_pager *pager, const void *content, struct page_place *place)
{
	int rc = 1, tries;

	for (tries = 0; tries < STORE_TRIES && rc == 1; tries++)
		rc = store_once(pager, content, place);
	return rc == 1 ? -EIO : rc;
}
