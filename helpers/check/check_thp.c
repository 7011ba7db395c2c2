// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Findings: what keeps transparent huge pages away.
 */
#include <string.h>

#include "base/err.h"
#include "check/check.h"
#include "policy/overcommit_rules.h"
#include "policy/store_rules.h"
#include "policy/thp_rules.h"

/* Long enough for the path of a store */
#define OBSTACLE_SIZE (CONFIG_PATH_SIZE + 256)

/* Where [thp] is managed the administrator wants them; else it is good to know */
static void check_guest(const struct check_host *host, const struct libvirt_guest *guest,
			struct findings *findings)
{
	const struct config_thp *thp = config_thp(host->config);
	const struct store_view *store = check_guest_has_files(guest) ? store_in_use(host->view) :
									NULL;
	char obstacle[OBSTACLE_SIZE];
	struct guest_policy policy;

	/* The pager takes small pages only.  Huge ones for this guest would keep others from it */
	if (config_for_guest(host->config, guest->guest, &policy, NULL) == 0 &&
	    overcommit_rules_small_pages(&policy))
		return;
	if (!thp_rules_store_obstacle(guest->guest, host->view, store, thp, obstacle,
				      sizeof(obstacle)))
		return;
	finding_add(findings, thp->manage ? FINDING_WARN : FINDING_HINT, "obstacle",
		    "guest '%s': %s", guest->name, obstacle);
	finding_guest(findings, guest->name);
}

/* Small pages are all that it has: neither huge pages nor a memfd or a file */
static bool is_plain(const struct guest *guest)
{
	size_t i;

	for (i = 0; i < guest->n_memory; i++)
		if (!guest->memory[i].hugepages &&
		    guest->memory[i].source == GUEST_SOURCE_ANONYMOUS)
			return true;
	return false;
}

/* One line for all of them.  Where [thp] is managed each was told already */
static void check_plain(const struct check_host *host, struct findings *findings)
{
	const char *first = NULL;
	size_t n = 0, i;

	if (config_thp(host->config)->manage || strcmp(host->view->thp.thp.enabled, "never") != 0)
		return;
	for (i = 0; i < host->libvirt.n; i++) {
		const struct libvirt_guest *guest = &host->libvirt.guests[i];

		if (!guest->guest || !check_wants(host, guest->name, guest->guest->uuid) ||
		    !is_plain(guest->guest))
			continue;
		first = first ? first : guest->name;
		n++;
	}
	if (!n)
		return;
	finding_add(findings, FINDING_HINT, "never",
		    "enabled is 'never': guests that ask for no huge pages ('%s'%s) have no "
		    "transparent ones either; that costs them page tables and time: madvise "
		    "there is enough, or for guests only [thp] manage = yes with enabled = madvise",
		    first, n > 1 ? " and others" : "");
	finding_remedy(findings, "virt-membacking conf apply thp");
}

void check_thp(const struct check_host *host, struct findings *findings)
{
	size_t before = findings->n, i;

	if (!host->view->thp.present) {
		finding_add(findings, FINDING_PASS, "not-in-kernel", "not in this kernel");
		return;
	}
	for (i = 0; i < host->libvirt.n; i++) {
		const struct libvirt_guest *guest = &host->libvirt.guests[i];

		if (guest->guest && check_wants(host, guest->name, guest->guest->uuid))
			check_guest(host, guest, findings);
	}
	check_plain(host, findings);
	if (findings->n == before && host->libvirt.reached)
		finding_add(findings, FINDING_PASS, "fine",
			    "nothing keeps guests with a memfd or in a tmpfs from transparent huge "
			    "pages");
}
