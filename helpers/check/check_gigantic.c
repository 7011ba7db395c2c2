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

/* No way that is open is news on a host whose guests want no such pages; one that the administrator
 * chose and that failed is */
static bool is_news(const struct gigantic_way *way, const char *guest)
{
	return guest || way->state == GIGANTIC_FAILED;
}

static void check_ways(const struct gigantic_way ways[GIGANTIC_WAYS], const char *guest,
		       struct findings *findings)
{
	static const char *const ids[] = {
		[GIGANTIC_AT_BOOT] = "at-boot",
		[GIGANTIC_KEEP] = "keep",
		[GIGANTIC_CMA] = "cma",
	};
	size_t i;

	for (i = 0; i < GIGANTIC_WAYS; i++)
		if (is_news(&ways[i], guest))
			finding_add(findings,
				    ways[i].state == GIGANTIC_FAILED ? FINDING_WARN : FINDING_PASS,
				    ids[i], "1 GiB pages (%s): %s", ways[i].name, ways[i].text);
}

static bool is_done(const struct gigantic_way ways[GIGANTIC_WAYS])
{
	size_t i;

	for (i = 0; i < GIGANTIC_WAYS; i++)
		if (ways[i].state == GIGANTIC_DONE)
			return true;
	return false;
}

void check_gigantic(const struct check_host *host, struct findings *findings)
{
	const struct config_hugepages *config = config_hugepages(host->config);
	bool keep = config_on_release(config, GIGANTIC_KIB) == ON_RELEASE_KEEP;
	const char *guest = who_wants(host);
	struct gigantic_way ways[GIGANTIC_WAYS];

	if (!gigantic_rules_ways(&host->gigantic, keep, ways)) {
		if (!guest)
			return;
		finding_add(findings, FINDING_FAIL, "no-such-pages",
			    "this kernel or this processor has no pages of 1 GiB, and guest '%s' "
			    "asks for some",
			    guest);
		finding_guest(findings, guest);
		return;
	}
	check_ways(ways, guest, findings);
	if (!guest || in_pools(host->view) || is_done(ways))
		return;
	finding_add(findings, FINDING_HINT, "rarely-available",
		    "guest '%s' asks for pages of 1 GiB, which are rarely available on a host that "
		    "has been up for a while: use one of these ways",
		    guest);
	finding_guest(findings, guest);
}
