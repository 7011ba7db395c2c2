// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Findings: guests' definitions.
 */
#include <string.h>

#include "base/err.h"
#include "base/text.h"
#include "check/check.h"
#include "policy/store_rules.h"
#include "policy/store_text.h"

/* In a cell, in a dimm: any part in files with <discard/> */
static bool discards_files(const struct guest *guest)
{
	size_t i;

	for (i = 0; i < guest->n_memory; i++)
		if (guest_memory_is_file(&guest->memory[i]) && guest->memory[i].discard)
			return true;
	return false;
}

/* Measured (tests/bench/RESULTS.md): xfs writes out all that QEMU discards.  On ext4
 * <discard/> makes no difference, because the file is removed anyway */
static void check_discard(const struct guest *guest, const struct store_view *store,
			  struct findings *findings)
{
	if (strcmp(store->state.mount.fstype, "xfs") != 0 || !discards_files(guest))
		return;
	finding_add(findings, FINDING_HINT, "discard-on-xfs",
		    "guest '%s' has <discard/> for memory in an xfs store: xfs writes all of that "
		    "memory to the device when the guest ends, which without <discard/> it does "
		    "not",
		    guest->name);
	finding_edit(findings, guest->name, guest->uuid);
}

/* Even alone it would be refused, whatever the others use */
static void check_store_size(const struct guest *guest, const struct store_view *store,
			     struct findings *findings)
{
	char label[STORE_LABEL_SIZE], wanted[TEXT_KIB_SIZE], capacity[TEXT_KIB_SIZE],
		keep[TEXT_KIB_SIZE];
	uint64_t most = store_most(store);

	if (guest_file_kib(guest) <= most)
		return;
	finding_add(findings, FINDING_FAIL, "larger-than-store",
		    "guest '%s' has %s of file-backed memory, and %s holds %s at most, of which %s "
		    "are kept free: it can't start",
		    guest->name, text_from_kib(guest_file_kib(guest), wanted),
		    store_text_label(store, label, sizeof(label)),
		    text_from_kib(store_capacity(store), capacity),
		    text_from_kib(store_capacity(store) - most, keep));
	finding_edit(findings, guest->name, guest->uuid);
}

static const struct store_view *choose(const struct check_host *host, const struct guest *guest,
				       struct findings *findings)
{
	const struct store_view *store = NULL;
	struct guest_policy policy;
	struct err problem;
	int rc = config_for_guest(host->config, guest, &policy, &problem);

	/* Reported once for all guests, elsewhere */
	if (rc < 0 || !*policy.store || !host->view->stores_read)
		return store_in_use(host->view);
	rc = store_choose(host->view, policy.store, &store, &problem);
	if (rc == 0)
		return store;
	finding_add(findings, FINDING_FAIL, "other-store", "guest '%s': %s", guest->name,
		    problem.text);
	finding_edit(findings, guest->name, guest->uuid);
	return NULL;
}

static void check_guest(const struct check_host *host, const struct libvirt_guest *guest,
			struct findings *findings)
{
	const struct store_view *store;

	if (!guest->guest) {
		finding_add(findings, FINDING_WARN, "unreadable",
			    "guest '%s': its definition can't be read: %s", guest->name,
			    guest->why.text);
		finding_edit(findings, guest->name, "GUEST");
		return;
	}
	check_definition(host, guest->guest, findings);
	if (!check_guest_has_files(guest))
		return;
	store = choose(host, guest->guest, findings);
	if (!store)
		return;
	check_discard(guest->guest, store, findings);
	check_store_size(guest->guest, store, findings);
}

static bool is_known(const struct check_host *host, const char *name)
{
	struct check_host asked = { .n_names = 1, .names = (char *[]){ (char *)name } };
	size_t i;

	for (i = 0; i < host->libvirt.n; i++) {
		const struct libvirt_guest *guest = &host->libvirt.guests[i];

		if (check_wants(&asked, guest->name, guest->guest ? guest->guest->uuid : ""))
			return true;
	}
	for (i = 0; i < host->ledgers->n_damaged; i++)
		if (check_wants(&asked, "", host->ledgers->damaged[i].uuid))
			return true;
	return ledgers_find(host->ledgers, name);
}

void check_guests(const struct check_host *host, struct findings *findings)
{
	size_t before = findings->n, looked = 0, i;

	for (i = 0; i < host->n_names; i++)
		if (!is_known(host, host->names[i])) {
			finding_add(findings, FINDING_FAIL, "no-such-guest",
				    "no such guest: %.256s", host->names[i]);
			finding_remedy(findings, "virsh list --all");
		}
	if (!host->libvirt.reached) {
		/* Of a captured host it is no more than a file that is missing */
		if (host->captured)
			finding_add(findings, FINDING_HINT, "not-checked",
				    "guests' definitions were not checked: %s",
				    host->libvirt.why.text);
		else
			finding_add(findings, FINDING_FAIL, "libvirt-unreachable",
				    "libvirt can't be asked, so no guest starts, and guests' "
				    "definitions were not checked: %s",
				    host->libvirt.why.text);
		return;
	}
	for (i = 0; i < host->libvirt.n; i++) {
		const struct libvirt_guest *guest = &host->libvirt.guests[i];

		if (!check_wants(host, guest->name, guest->guest ? guest->guest->uuid : ""))
			continue;
		check_guest(host, guest, findings);
		looked++;
	}
	if (findings->n == before)
		finding_add(findings, FINDING_PASS, "definitions", "%zu guest definition%s fine",
			    looked, looked == 1 ? " is" : "s are");
}
