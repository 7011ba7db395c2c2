// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Reading the host: of which memory huge pages can be made.
 */
#include "lifecycle/view_survey.h"

#include "base/clock.h"
#include "guest/guest.h"
#include "memory/fragmentation.h"
#include "memory/page_flags.h"
#include "memory/page_ranges.h"
#include "policy/host_view.h"
#include "policy/supply.h"
#include "steps/make_room.h"

/* 15 ms for each GiB: more than 100 GiB */
#define PATIENCE_MS 2000

static bool wants_gigantic(const struct guest *guest, const struct host_view *host)
{
	size_t i;

	for (i = 0; i < guest->n_memory; i++)
		if (guest->memory[i].hugepages &&
		    supply_gigantic(host, host_view_page_kib(host, &guest->memory[i])))
			return true;
	return false;
}

static void look_at_pages(const struct kfs *kfs, const struct host_view *host,
			  struct fragmentation *f)
{
	const struct page_flags_watch watch = { .deadline = clock_ms() + PATIENCE_MS };
	uint64_t sizes[FRAGMENTATION_SIZES];
	size_t n = u64_min(host->n_sizes, FRAGMENTATION_SIZES), i;

	for (i = 0; i < n; i++)
		sizes[i] = host->sizes[i].page_kib;
	page_flags_read(kfs, f, sizes, n, &watch, NULL);
}

static bool wants_size(const struct guest *guest, const struct host_view *host, uint64_t page_kib)
{
	size_t i;

	for (i = 0; i < guest->n_memory; i++)
		if (guest->memory[i].hugepages &&
		    host_view_page_kib(host, &guest->memory[i]) == page_kib)
			return true;
	return false;
}

static void find_most(const struct kfs *kfs, const struct numa *numa, struct size_view *size)
{
	struct nodeset nodes = { 0 };
	struct page_ranges ranges;
	size_t i;

	for (i = 0; i < size->n_pools; i++)
		nodeset_add(&nodes, size->pools[i].pool.node);
	if (!make_room_look(kfs, numa, size->page_kib, &nodes, make_room_look_until(size->page_kib),
			    &ranges))
		return;
	for (i = 0; i < size->n_pools; i++) {
		size->pools[i].most = make_room_most(kfs, numa, size->page_kib,
						     size->pools[i].pool.node, &ranges, NULL);
		size->pools[i].seen = size->pools[i].most != UINT64_MAX;
	}
	page_ranges_free(&ranges);
}

void view_survey_most(const struct kfs *kfs, const struct guest *guest, struct host_view *host)
{
	size_t i;

	for (i = 0; i < host->n_sizes; i++)
		if (wants_size(guest, host, host->sizes[i].page_kib))
			find_most(kfs, &host->numa, &host->sizes[i]);
}

bool view_survey_read(const struct kfs *kfs, const struct guest *guest,
		      const struct host_view *host, struct fragmentation *f)
{
	if (fragmentation_read(kfs, f, NULL) < 0)
		return false;
	if (wants_gigantic(guest, host))
		look_at_pages(kfs, host, f);
	return true;
}

void view_survey_start(const struct kfs *kfs, const struct guest *guest, struct host_view *host)
{
	struct fragmentation f = { 0 };

	if (host->surveyed || !wants_gigantic(guest, host))
		return;
	if (view_survey_read(kfs, guest, host, &f))
		supply_survey(host, &f);
	fragmentation_free(&f);
}
