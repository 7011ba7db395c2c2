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
		finding_add(findings, FINDING_WARN, "files-elsewhere", "%s", text);
		finding_guest(findings, ledger->name);
		if (store_place_wants_daemon(host->view))
			finding_remedy(findings, "systemctl restart %s", check_daemon(host));
		else
			finding_remedy(findings, "virsh shutdown %s",
				       text_shell_name(ledger->name, ledger->uuid));
	}
}

/* A record that "reconcile" does away with */
enum leftover { LEFT_NOT, LEFT_IN_USE, LEFT_GONE };

static enum leftover leftover_of(const struct ledger *ledger)
{
	if (ledger->foreign_version)
		return LEFT_NOT;
	if (ledger->phase == LEDGER_LEAVING)
		return LEFT_IN_USE;
	return ledger->alive ? LEFT_NOT : LEFT_GONE;
}

/* One line for all of a kind: twenty guests of a host that crashed are one finding */
static void check_leftovers(const struct check_host *host, enum leftover kind, const char *id,
			    const char *one, const char *many, struct findings *findings)
{
	const char *first = NULL;
	size_t n = 0, i;

	for (i = 0; i < host->ledgers->n; i++) {
		const struct ledger *ledger = host->ledgers->list[i];

		if (leftover_of(ledger) != kind || !check_wants(host, ledger->name, ledger->uuid))
			continue;
		first = first ? first : ledger->name;
		n++;
	}
	if (!n)
		return;
	if (n == 1)
		finding_add(findings, FINDING_WARN, id, "guest '%s' %s", first, one);
	else
		finding_add(findings, FINDING_WARN, id, "%zu guests ('%s' and others) %s", n, first,
			    many);
	if (n == 1)
		finding_guest(findings, first);
	finding_remedy(findings, "virt-membacking reconcile");
}

static void check_ledger(const struct ledger *ledger, bool has_qemu, struct findings *findings)
{
	const char *guest = text_shell_name(ledger->name, ledger->uuid);
	struct err text;

	if (ledger->foreign_version) {
		ledger_other_version(ledger, &text);
		finding_add(findings, FINDING_WARN, "other-version", "%s", text.text);
		finding_guest(findings, ledger->name);
		finding_remedy(findings, "virt-membacking release %s --force", ledger->uuid);
	} else if (ledger->alive && ledger->phase == LEDGER_PREPARED && !has_qemu) {
		finding_add(
			findings, FINDING_WARN, "no-qemu",
			"guest '%s' is prepared and has no QEMU: libvirt is starting it at this "
			"moment, or that start was killed half-way, and what it holds has to be "
			"given back by hand",
			ledger->name);
		finding_guest(findings, ledger->name);
		finding_remedy(findings, "virt-membacking release %s --force", guest);
	}
}

void check_ledgers(const struct check_host *host, struct findings *findings)
{
	const struct ledgers *ledgers = host->ledgers;
	size_t before = findings->n, i;

	check_leftovers(host, LEFT_IN_USE, "still-in-use",
			"has stopped; some of what it held is still in use",
			"have stopped; some of what they held is still in use", findings);
	check_leftovers(host, LEFT_GONE, "gone", "is gone, and what it held is not given back yet",
			"are gone, and what they held is not given back yet", findings);
	for (i = 0; i < ledgers->n; i++)
		if (check_wants(host, ledgers->list[i]->name, ledgers->list[i]->uuid)) {
			check_ledger(ledgers->list[i], host->has_qemu[i], findings);
			check_place(host, ledgers->list[i], findings);
		}
	for (i = 0; i < ledgers->n_damaged; i++) {
		if (!check_wants(host, "", ledgers->damaged[i].uuid))
			continue;
		finding_add(
			findings, FINDING_FAIL, "damaged",
			"%s; repair it, or remove it: pages added for the guest stay in the pools then",
			ledgers->damaged[i].why.text);
		finding_remedy(findings, "virt-membacking release %s --force",
			       ledgers->damaged[i].uuid);
	}
	if (findings->n == before)
		finding_add(findings, FINDING_PASS, "no-leftovers",
			    "no leftovers of stopped guests");
}
