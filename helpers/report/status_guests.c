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

static enum ksm_gain gain_of(const struct status_report *report, const struct guest *guest)
{
	struct guest_policy policy;
	bool known = config_for_guest(report->session.config, guest, &policy, NULL) == 0;

	return ksm_rules_gain(guest, !known || policy.ksm_allowed);
}

static bool holds_ksm(const struct ledger *ledger)
{
	size_t i;

	for (i = 0; i < ledger->list.n; i++)
		if (ledger->list.steps[i].kind == STEP_KSM && ledger->list.steps[i].ksm.size_kib)
			return true;
	return false;
}

/* What was written down at its start; or, where nothing was, as it runs now */
static enum ksm_gain gain_of_ledger(const struct status_report *report, const struct ledger *ledger)
{
	cleanup_guest struct guest *guest = NULL;

	if (*ledger->no_ksm || holds_ksm(ledger) || !ledger->alive)
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

static uint64_t held_pages(const struct step *step)
{
	const struct step_hugepages *hp = &step->hugepages;
	uint64_t kib = 0;
	size_t i;

	for (i = 0; step->kind == STEP_HUGEPAGES && i < hp->n_shares; i++)
		kib = u64_add_sat(kib, u64_mul_sat(hp->shares[i].have, hp->page_kib));
	return kib;
}

/* Of a ledger of another version nothing is known but whose it is */
static void add_with_ledger(struct status_report *report, const struct ledger *ledger)
{
	struct report_guest *guest =
		add(report, ledger->name, ledger->uuid, gain_of_ledger(report, ledger));
	uint64_t pages = 0, files = 0;
	size_t i;

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
	for (i = 0; i < ledger->list.n; i++) {
		const struct step *step = &ledger->list.steps[i];

		pages = u64_add_sat(pages, held_pages(step));
		if (step->kind == STEP_STORE)
			files = u64_add_sat(files, step->store.size_kib);
	}
	guest->held = known(pages);
	guest->files = known(files);
}

static void add_running(struct status_report *report, const char *name)
{
	cleanup_guest struct guest *guest = NULL;

	if (!ledgers_find_name(&report->session.ledgers, name) &&
	    live_guest_read(report->session.kfs, name, &guest, NULL) == 0)
		add(report, guest->name, guest->uuid, gain_of(report, guest));
}

static int by_name(const void *a, const void *b)
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
		qsort(names, n, sizeof(*names), by_name);
	for (i = 0; i < n; i++) {
		if (report->guests)
			add_running(report, names[i]);
		free(names[i]);
	}
	free(names);
	return report->guests ? 0 : err_nomem(err);
}
