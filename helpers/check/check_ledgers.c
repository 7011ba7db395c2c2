// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Findings: what guests hold, and what dead ones left.
 */
#include "base/err.h"
#include "base/text.h"
#include "check/check.h"
#include "policy/store_place.h"
#include "steps/steps.h"

/* Its files are in another directory than planned */
static void check_place(const struct check_host *host, const struct ledger *ledger,
			struct findings *findings)
{
	char text[STORE_PLACE_SIZE + GUEST_NAME_SIZE];
	size_t i;

	for (i = 0; ledger->alive && i < ledger->list.n; i++) {
		const struct step_store *files = step_files(&ledger->list.steps[i]);

		if (!files || !*files->lies_in)
			continue;
		store_place_problem(host->view, ledger->name, files, text, sizeof(text));
		finding_add(findings, FINDING_WARN, "%s", text);
		if (store_place_wants_daemon(host->view))
			finding_remedy(findings, "systemctl restart %s", check_daemon(host));
		else
			finding_remedy(findings, "virsh shutdown %s",
				       text_shell_name(ledger->name, ledger->uuid));
	}
}

static void check_ledger(const struct ledger *ledger, bool has_qemu, struct findings *findings)
{
	const char *guest = text_shell_name(ledger->name, ledger->uuid);
	struct err text;

	if (ledger->foreign_version) {
		ledger_other_version(ledger, &text);
		finding_add(findings, FINDING_WARN, "%s", text.text);
		finding_remedy(findings, "virt-membacking release %s --force", ledger->uuid);
	} else if (ledger->phase == LEDGER_LEAVING) {
		finding_add(findings, FINDING_WARN,
			    "guest '%s' has ended, but some of what it held was still in use",
			    ledger->name);
		finding_remedy(findings, "virt-membacking reconcile");
	} else if (!ledger->alive) {
		finding_add(findings, FINDING_WARN,
			    "guest '%s' is gone, but what it held is not given back yet",
			    ledger->name);
		finding_remedy(findings, "virt-membacking reconcile");
	} else if (ledger->phase == LEDGER_PREPARED && !has_qemu) {
		finding_add(
			findings, FINDING_WARN,
			"guest '%s' is prepared and has no QEMU: libvirt is starting it at this "
			"moment, or that start was killed half-way, and what it holds has to be "
			"given back by hand",
			ledger->name);
		finding_remedy(findings, "virt-membacking release %s --force", guest);
	}
}

void check_ledgers(const struct check_host *host, struct findings *findings)
{
	const struct ledgers *ledgers = host->ledgers;
	size_t before = findings->n, i;

	for (i = 0; i < ledgers->n; i++)
		if (check_wants(host, ledgers->list[i]->name, ledgers->list[i]->uuid)) {
			check_ledger(ledgers->list[i], host->has_qemu[i], findings);
			check_place(host, ledgers->list[i], findings);
		}
	for (i = 0; i < ledgers->n_damaged; i++) {
		if (!check_wants(host, "", ledgers->damaged[i].uuid))
			continue;
		finding_add(
			findings, FINDING_FAIL,
			"%s; repair it, or remove it: pages added for the guest stay in the pools then",
			ledgers->damaged[i].why.text);
		finding_remedy(findings, "virt-membacking release %s --force",
			       ledgers->damaged[i].uuid);
	}
	if (findings->n == before)
		finding_add(findings, FINDING_PASS, "no guest that is gone holds anything");
}
