// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * virt-membacking status: the host's huge pages, stores, KSM, THP, and what guests hold.
 *
 * Takes no lock and changes nothing, so that it works beside a start that takes
 * long, and without root.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "base/text.h"
#include "check/hook_links.h"
#include "ctl/ctl.h"
#include "ctl/domain_xml.h"
#include "guest/guest.h"
#include "guest/guest_parse.h"
#include "lifecycle/ledger.h"
#include "report/guests_text.h"
#include "report/hugepage_users.h"
#include "report/status_json.h"
#include "report/status_report.h"
#include "report/status_text.h"
#include "terminal/watch.h"

/* With --json beside the rest; people who ask that look for nothing else */
static int report_users(const struct ctl *ctl, const struct status_report *status, struct err *err)
{
	const struct host_view *host = &status->session.host;
	uint64_t *sizes = calloc(host->n_sizes + 1, sizeof(*sizes));
	struct hugepage_users users = { 0 };
	json_t *root;
	size_t i;
	int rc;

	if (!sizes)
		return err_nomem(err);
	for (i = 0; i < host->n_sizes; i++)
		sizes[i] = host->sizes[i].page_kib;
	rc = hugepage_users_read(&ctl->kfs, sizes, host->n_sizes, host->default_page_kib, &users,
				 err);
	if (rc == 0 && ctl->json) {
		root = status_json(status);
		json_object_set_new(root, "huge_page_users", hugepage_users_to_json(&users));
		rc = ctl_print_report(ctl, root, err);
	} else if (rc == 0) {
		rc = hugepage_users_print(&users, err);
	}
	hugepage_users_free(&users);
	free(sizes);
	return rc;
}

static bool is_called(const char *word, const char *name, const char *uuid)
{
	return !strcmp(name, word) || !strcasecmp(uuid, word);
}

/* libvirt's number of a guest that runs */
static bool has_id(const struct report_guest *guest, uint64_t id)
{
	return guest->ledger && !guest->gone && guest->ledger->id > 0 &&
	       (uint64_t)guest->ledger->id == id;
}

/* As virsh does, an id first */
static const struct report_guest *find_guest(const struct status_report *status, const char *word)
{
	uint64_t id;
	size_t i;

	if (text_to_u64(word, &id) == 0)
		for (i = 0; i < status->n_guests; i++)
			if (has_id(&status->guests[i], id))
				return &status->guests[i];
	for (i = 0; i < status->n_guests; i++)
		if (is_called(word, status->guests[i].name, status->guests[i].uuid))
			return &status->guests[i];
	return NULL;
}

/**
 * name_of() - What a guest is called here that may have been given by its id
 * @uuid:	Buffer
 *
 * A guest that holds nothing has no record with its id: libvirt knows it.
 */
static const char *name_of(const struct ctl *ctl, const struct status_report *status,
			   const char *word, char uuid[GUEST_UUID_SIZE])
{
	const struct report_guest *known = find_guest(status, word);
	cleanup_guest struct guest *guest = NULL;
	cleanup_free char *xml = NULL;
	uint64_t id;
	size_t len;

	if (known)
		return known->uuid;
	if (ctl->root || text_to_u64(word, &id) < 0 ||
	    domain_xml_from_libvirt(word, &xml, &len, NULL) < 0 ||
	    guest_parse(xml, len, &guest, NULL) < 0)
		return word;
	memcpy(uuid, guest->uuid, GUEST_UUID_SIZE);
	return uuid;
}

static const struct refusal_note *find_refusal(const struct status_report *status, const char *word)
{
	const struct refusals *refusals = &status->refusals;
	size_t i;

	for (i = 0; i < refusals->n; i++)
		if (is_called(word, refusals->list[i].name, refusals->list[i].uuid))
			return &refusals->list[i];
	return NULL;
}

static void print_guest(const struct report_guest *guest, const struct refusal_note *refusal)
{
	if (guest)
		guest_print_full(guest);
	if (refusal)
		status_print_refusal(refusal);
}

/* "status web db": these guests in full, and no host */
static int report_guests(const struct ctl *ctl, const struct status_report *status, struct err *err)
{
	json_t *guests = json_array(), *refusals = json_array();
	size_t i;

	for (i = 0; i < ctl->n_args; i++) {
		char uuid[GUEST_UUID_SIZE];
		const char *name = name_of(ctl, status, ctl->args[i], uuid);
		const struct report_guest *guest = find_guest(status, name);
		const struct refusal_note *refusal = find_refusal(status, name);

		if (!guest && !refusal) {
			json_decref(guests);
			json_decref(refusals);
			return err_set(err, ENOENT,
				       "guest '%.256s' is not running and holds nothing",
				       ctl->args[i]);
		}
		if (ctl->json && guest)
			json_add(&guests, status_guest_json(guest));
		if (ctl->json && refusal)
			json_add(&refusals, status_refusal_json(refusal));
		if (i && !ctl->json)
			putchar('\n');
		if (!ctl->json)
			print_guest(guest, refusal);
	}
	if (ctl->json)
		return ctl_print_report(
			ctl, json_pack("{s:o, s:o}", "guests", guests, "refusals", refusals), err);
	json_decref(guests);
	json_decref(refusals);
	return 0;
}

static int report(const void *arg, struct err *err)
{
	const struct ctl *ctl = arg;
	struct status_report status;
	int hook = hook_would_run(&ctl->kfs, ctl->root);
	int rc = status_report_read(&ctl->kfs, ctl->root, &status, err);

	status.hook_enabled = hook < 0 ? REPORT_UNKNOWN : hook ? REPORT_YES : REPORT_NO;
	if (rc == 0 && ctl->users)
		rc = report_users(ctl, &status, err);
	else if (rc == 0 && ctl->n_args)
		rc = report_guests(ctl, &status, err);
	else if (rc == 0)
		rc = ctl->json ? ctl_print_report(ctl, status_json(&status), err) :
				 status_print(&status, err);
	status_report_close(&status);
	return rc;
}

static int run(struct ctl *ctl, struct err *err)
{
	uint64_t pause;

	if (ctl->users && ctl->n_args) {
		err_set(err, EINVAL, "status --huge-page-users: unexpected argument '%.64s'",
			ctl->args[0]);
		return CTL_USAGE;
	}
	if (!ctl->watch)
		return report(ctl, err);
	if (watch_pause(ctl->watch, &pause, err) < 0)
		return CTL_USAGE;
	return watch(pause, ctl->json, report, ctl, err);
}

const struct command cmd_status = {
	.name = "status",
	.usage = "status [GUEST...] [--watch [SECONDS]]\nstatus --huge-page-users",
	.summary = "show huge pages, stores, KSM, THP, and what guests hold",
	.help = "Shows each node's memory and huge pages, the stores of file-backed memory, KSM\n"
		"and THP, and what guests hold. With GUEST, an id, name or UUID, shows all\n"
		"that is known of these guests. Changes nothing.\n\n"
		"RSVD      by the kernel for files and mappings; the kernel does not say on which\n"
		"          node, so each node shows the whole number\n"
		"CLAIMED   promised to a guest whose QEMU has not taken them yet\n"
		"IDLE      free and not promised\n"
		"OURS      added for a guest, and given back when it is gone\n\n"
		"AVAILABLE free in a store for guests\n"
		"PROMISED  what its guests use, or may come to use, altogether\n\n"
		"RESIDENT  of a guest's memory, without static huge pages\n"
		"THP       of that, in transparent huge pages\n"
		"KSM       what KSM saves of it, or why it can't save any\n\n"
		"With --huge-page-users instead: which processes have huge pages mapped, and files\n"
		"in a hugetlbfs that no process has open, as programs that died leave them.",
	.options = CTL_JSON | CTL_ROOT | CTL_WATCH | CTL_USERS,
	.max_args = SIZE_MAX,
	.run = run,
};
