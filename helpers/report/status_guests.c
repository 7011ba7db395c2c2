// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What each guest has of the host's memory.
 *
 * DOC: guests without a ledger
 *
 * A guest that needs nothing of us has none, and is shown nevertheless: that a memfd gets
 * huge pages, or that a passed-through device keeps KSM away, is not known otherwise.
 * What such a guest is made of says the file that libvirt's daemon keeps of it.  Only root
 * may read that, so without root these guests are left out.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/text.h"
#include "lifecycle/ledger.h"
#include "lifecycle/live_guest.h"
#include "lifecycle/liveness.h"
#include "report/status_report.h"
#include "steps/steps.h"

static enum ksm_gain gain_of(const struct status_report *report, const struct guest *guest)
{
	struct guest_policy policy;
	bool known = config_for_guest(report->session.config, guest, &policy, NULL) == 0;

	return ksm_rules_gain(guest, !known || policy.ksm_allowed);
}

/* From its record, or, without one, as it runs now */
static enum ksm_gain gain_of_ledger(const struct status_report *report, const struct ledger *ledger)
{
	cleanup_guest struct guest *guest = NULL;

	if (*ledger->no_ksm || step_list_held(&ledger->list).mergeable || !ledger->alive)
		return ksm_rules_find(ledger->no_ksm);
	if (live_guest_read(report->session.kfs, ledger->name, &guest, NULL) < 0)
		return KSM_GAINS;
	return gain_of(report, guest);
}

static struct report_kib known(uint64_t kib)
{
	return (struct report_kib){ true, (int64_t)u64_min(kib, INT64_MAX) };
}

static void measure(const struct kfs *kfs, struct report_guest *guest)
{
	struct thp_process thp;
	pid_t pid = 0;

	if (!liveness_qemu(kfs, guest->name, &pid) || !pid)
		return;
	guest->saved.known = ksm_process_saved(kfs, pid, &guest->saved.kib) == 0;
	if (thp_process(kfs, pid, &thp, NULL) < 0)
		return;
	guest->resident = known(thp.resident_kib);
	guest->anon = known(thp.anon_kib);
	guest->shmem = known(thp.shmem_kib);
}

static struct report_guest *add(struct status_report *report, const char *name, const char *uuid,
				enum ksm_gain gain)
{
	struct report_guest *guest = &report->guests[report->n_guests++];
	const char *word = ksm_rules_word(gain), *why = ksm_rules_why(gain);

	*guest = (struct report_guest){
		.phase = ledger_phase_name(LEDGER_RUNNING),
		.alive = REPORT_YES,
		.gain = gain,
		.no_ksm = *word ? word : NULL,
		.no_ksm_why = *why ? why : NULL,
	};
	snprintf(guest->name, sizeof(guest->name), "%s", name);
	snprintf(guest->uuid, sizeof(guest->uuid), "%s", uuid);
	measure(report->session.kfs, guest);
	return guest;
}

/* Of a ledger of another version only the guest is known */
static void add_with_ledger(struct status_report *report, const struct ledger *ledger)
{
	struct report_guest *guest =
		add(report, ledger->name, ledger->uuid, gain_of_ledger(report, ledger));
	struct step_held held = step_list_held(&ledger->list);

	guest->ledger = ledger;
	guest->gone = !ledger->alive;
	if (ledger->foreign_version) {
		guest->phase = "unknown";
		guest->alive = REPORT_UNKNOWN;
		return;
	}
	guest->phase = ledger_phase_name(ledger->phase);
	guest->alive = ledger->alive ? REPORT_YES : REPORT_NO;
	guest->steps = ledger->list;
	guest->held = known(held.pages);
	guest->files = known(held.files);
	overcommit_of(&report->pager, ledger, &guest->overcommit);
}

static void add_running(struct status_report *report, const char *name)
{
	cleanup_guest struct guest *guest = NULL;

	if (!ledgers_find_name(&report->session.ledgers, name) &&
	    live_guest_read(report->session.kfs, name, &guest, NULL) == 0)
		add(report, guest->name, guest->uuid, gain_of(report, guest));
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int status_report_guests(struct status_report *report, struct err *err)
{
	const struct ledgers *ledgers = &report->session.ledgers;
	char **names = NULL;
	size_t n = 0, i;

	/* Without the right to look: those with a ledger only */
	liveness_running(report->session.kfs, &names, &n, NULL);
	report->guests = calloc(ledgers->n + n + 1, sizeof(*report->guests));
	for (i = 0; report->guests && i < ledgers->n; i++)
		add_with_ledger(report, ledgers->list[i]);
	if (n)
		qsort(names, n, sizeof(*names), by_bytes);
	for (i = 0; i < n; i++) {
		if (report->guests)
			add_running(report, names[i]);
		free(names[i]);
	}
	free(names);
	return report->guests ? 0 : err_nomem(err);
}

static int by_name(const void *a, const void *b)
{
	const struct report_guest *const *one = a, *const *other = b;

	return strverscmp((*one)->name, (*other)->name);
}

const struct report_guest **status_guests_by_name(const struct status_report *report)
{
	const struct report_guest **sorted = calloc(report->n_guests + 1, sizeof(*sorted));
	size_t i;

	if (!sorted)
		return NULL;
	for (i = 0; i < report->n_guests; i++)
		sorted[i] = &report->guests[i];
	qsort(sorted, report->n_guests, sizeof(*sorted), by_name);
	return sorted;
}
