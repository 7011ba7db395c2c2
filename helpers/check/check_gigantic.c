// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Findings: the ways to pages of 1 GiB.
 */
#include "check/check.h"
#include "policy/gigantic_rules.h"

static bool wants_gigantic(const struct guest *guest, const struct host_view *view)
{
	size_t i;

	for (i = 0; i < guest->n_memory; i++)
		if (guest->memory[i].hugepages &&
		    host_view_page_kib(view, &guest->memory[i]) == GIGANTIC_KIB)
			return true;
	return false;
}

/* The first guest that asks for them; NULL: none */
static const char *who_wants(const struct check_host *host)
{
	size_t i;

	for (i = 0; i < host->libvirt.n; i++) {
		const struct libvirt_guest *guest = &host->libvirt.guests[i];

		if (guest->guest && check_wants(host, guest->name, guest->guest->uuid) &&
		    wants_gigantic(guest->guest, host->view))
			return guest->name;
	}
	return NULL;
}

static bool in_pools(const struct host_view *view)
{
	const struct size_view *size = host_view_size(view, GIGANTIC_KIB);
	size_t i;

	for (i = 0; size && i < size->n_pools; i++)
		if (size->pools[i].pool.total)
			return true;
	return false;
}

void check_gigantic(const struct check_host *host, struct findings *findings)
{
	const struct config_hugepages *config = config_hugepages(host->config);
	bool keep = config_on_release(config, GIGANTIC_KIB) == ON_RELEASE_KEEP;
	const char *guest = who_wants(host);
	struct gigantic_way ways[GIGANTIC_WAYS];
	bool done = in_pools(host->view);
	size_t i;

	if (!gigantic_rules_ways(&host->gigantic, keep, ways)) {
		finding_add(findings, guest ? FINDING_FAIL : FINDING_PASS,
			    "this kernel or this processor has no pages of 1 GiB%s%s%s",
			    guest ? ", and guest '" : "", guest ? guest : "",
			    guest ? "' asks for some" : "");
		return;
	}
	for (i = 0; i < GIGANTIC_WAYS; i++) {
		finding_add(findings,
			    ways[i].state == GIGANTIC_FAILED ? FINDING_WARN : FINDING_PASS,
			    "pages of 1 GiB (%s): %s", ways[i].name, ways[i].text);
		done |= ways[i].state == GIGANTIC_DONE;
	}
	if (guest && !done)
		finding_add(findings, FINDING_HINT,
			    "guest '%s' asks for pages of 1 GiB, which are rarely available on a "
			    "host that has been up for a while: use one of these ways",
			    guest);
}
