// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What each guest has of the host's memory, for status and metrics.
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

#include "base/cleanup.h"
#include "base/err.h"
#include "lifecycle/ledger.h"
#include "lifecycle/live_guest.h"
#include "lifecycle/liveness.h"
#include "report/status.h"

static enum ksm_gain gain_of(const struct status *status, const struct guest *guest)
{
	struct guest_policy policy;
	bool known = config_for_guest(status->look.config, guest, &policy, NULL) == 0;

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
static enum ksm_gain gain_of_ledger(const struct status *status, const struct ledger *ledger)
{
	cleanup_guest struct guest *guest = NULL;

	if (*ledger->no_ksm || holds_ksm(ledger) || !ledger->alive)
		return ksm_rules_find(ledger->no_ksm);
	if (live_guest_read(status->look.round.kfs, ledger->name, &guest, NULL) < 0)
		return KSM_GAINS;
	return gain_of(status, guest);
}

static void measure(const struct kfs *kfs, struct status_guest *guest)
{
	pid_t pid = 0;

	if (!liveness_qemu(kfs, guest->name, &pid) || !pid)
		return;
	guest->has_saved = ksm_process_saved(kfs, pid, &guest->saved_kib) == 0;
	guest->has_thp = thp_process(kfs, pid, &guest->thp, NULL) == 0;
}

static void add(struct status *status, const char *name, const char *uuid,
		const struct ledger *ledger, enum ksm_gain gain)
{
	struct status_guest *guest = &status->guests[status->n_guests++];

	*guest = (struct status_guest){ .ledger = ledger, .gain = gain };
	snprintf(guest->name, sizeof(guest->name), "%s", name);
	snprintf(guest->uuid, sizeof(guest->uuid), "%s", uuid);
	measure(status->look.round.kfs, guest);
}

static void add_running(struct status *status, const char *name)
{
	cleanup_guest struct guest *guest = NULL;

	if (!ledgers_find_name(&status->look.round.ledgers, name) &&
	    live_guest_read(status->look.round.kfs, name, &guest, NULL) == 0)
		add(status, guest->name, guest->uuid, NULL, gain_of(status, guest));
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int status_read_guests(struct status *status, struct err *err)
{
	const struct ledgers *ledgers = &status->look.round.ledgers;
	char **names = NULL;
	size_t n = 0, i;

	/* Who may not look sees those with a ledger only */
	liveness_running(status->look.round.kfs, &names, &n, NULL);
	status->guests = calloc(ledgers->n + n + 1, sizeof(*status->guests));
	for (i = 0; status->guests && i < ledgers->n; i++)
		add(status, ledgers->list[i]->name, ledgers->list[i]->uuid, ledgers->list[i],
		    gain_of_ledger(status, ledgers->list[i]));
	if (n)
		qsort(names, n, sizeof(*names), by_name);
	for (i = 0; i < n; i++) {
		if (status->guests)
			add_running(status, names[i]);
		free(names[i]);
	}
	free(names);
	return status->guests ? 0 : err_set(err, ENOMEM, "out of memory");
}
