// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Findings: guests under the pager, and what they need of the host.
 */
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/text.h"
#include "check/check.h"
#include "policy/overcommit_rules.h"
#include "policy/store_rules.h"
#include "steps/steps.h"

#define SOCKET_UNIT "virt-membacking-pagerd.socket"

/**
 * struct view - What is judged, and what of it was seen
 * @wanted:	Guests that shall be paged
 */
struct view {
	const struct check_host *host;
	struct findings *findings;
	size_t wanted;
};

static bool policy_of(const struct check_host *host, const struct libvirt_guest *known,
		      struct guest_policy *policy)
{
	return known->guest && check_wants(host, known->name, known->guest->uuid) &&
	       config_for_guest(host->config, known->guest, policy, NULL) == 0;
}

/* ---- what is wrong with the host ---- */

/* Guests that run, and have been adopted.  @first: a name, or NULL */
static size_t count_paged(const struct check_host *host, const char **first)
{
	size_t n = 0, i;

	for (i = 0; i < host->ledgers->n; i++) {
		const struct ledger *ledger = host->ledgers->list[i];
		const struct step_overcommit *step = step_list_paging(&ledger->list);

		if (!ledger->alive || !step || !step->paged)
			continue;
		*first = *first ? *first : ledger->name;
		n++;
	}
	return n;
}

static void check_daemon_answers(const struct view *v)
{
	const struct overcommit_answer *answer = &v->host->pager.answer;
	const char *first = NULL;
	size_t n;

	if (answer->answered)
		return;
	n = count_paged(v->host, &first);
	if (n)
		finding_add(v->findings, FINDING_FAIL, "guests-stand",
			    "%zu paged guest%s ('%s'%s) stand%s at each page that is out, and no "
			    "other that shall be paged can start: %s",
			    n, plural(n), first, n > 1 ? " and others" : "", n == 1 ? "s" : "",
			    answer->why.text);
	else
		finding_add(v->findings, v->wanted ? FINDING_FAIL : FINDING_WARN, "no-answer",
			    "guests that shall be paged can't start: %s", answer->why.text);
	finding_remedy(v->findings, "systemctl enable --now " SOCKET_UNIT);
}

static void check_kernel(const struct view *v)
{
	enum finding_level level = v->wanted ? FINDING_FAIL : FINDING_WARN;
	const struct overcommit_view *view = &v->host->view->overcommit;

	if (!view->device)
		finding_add(
			v->findings, level, "no-userfaultfd",
			"this host has no /dev/userfaultfd, so no guest can be paged: " OVERCOMMIT_UFFD_REMEDY);
	if (view->no_ptrace)
		finding_add(v->findings, level, "no-ptrace",
			    "kernel.yama.ptrace_scope is 3, so that no running QEMU can be "
			    "adopted: " OVERCOMMIT_PTRACE_REMEDY);
	if (*view->in_the_clear)
		finding_add(v->findings, level, "not-encrypted",
			    "[overcommit] has encrypt = yes, and no guest can be paged: "
			    "%s: " OVERCOMMIT_CRYPT_REMEDY,
			    view->in_the_clear);
	if (*view->shmem_huge) {
		finding_add(v->findings, level, "shmem-thp",
			    "of transparent huge pages, %s: guests with memfds can't be paged, set "
			    "it to never or deny",
			    view->shmem_huge);
		finding_remedy(v->findings,
			       "echo never >/sys/kernel/mm/transparent_hugepage/shmem_enabled");
	}
}

static void check_tiers(const struct view *v)
{
	const struct config_overcommit *overcommit = config_overcommit(v->host->config);
	uint64_t memory = overcommit_rules_memory(v->host->view), in_ram;
	uint64_t keep = config_amount_of(&overcommit->keep_free, memory);
	char text[3][TEXT_KIB_SIZE];

	overcommit_rules_tiers(overcommit, memory, &in_ram);
	if (u64_add_sat(in_ram, keep) < memory)
		return;
	finding_add(v->findings, FINDING_FAIL, "tiers-too-large",
		    "tiers in memory (%s) and keep_free (%s) of [overcommit] leave guests nothing "
		    "of this host's %s: make them smaller",
		    text_from_kib(in_ram, text[0]), text_from_kib(keep, text[1]),
		    text_from_kib(memory, text[2]));
}

static void check_places(const struct view *v)
{
	const struct config_overcommit *overcommit = config_overcommit(v->host->config);
	uint64_t memory = overcommit_rules_memory(v->host->view);
	enum finding_level unusable = v->wanted ? FINDING_FAIL : FINDING_WARN;
	size_t i;

	for (i = 0; overcommit->enable && i < overcommit->tiers.n; i++) {
		const struct config_tier *tier = &overcommit->tiers.tier[i];
		enum tier_room_fit fit;
		struct err why;

		if (!config_tier_is_slow(tier->kind))
			continue;
		fit = tier_room_judge(tier, &v->host->pager.rooms[i], memory,
				      &v->host->pager.answer, &why);
		if (fit == TIER_ROOM_UNUSABLE)
			finding_add(v->findings, unusable, "tier-unusable", "%s", why.text);
		else if (fit == TIER_ROOM_SHORT)
			finding_add(v->findings, FINDING_WARN, "tier-no-room", "%s", why.text);
	}
}

/* ---- guests ---- */

static const struct ledger *ledger_of(const struct check_host *host, const struct guest *guest)
{
	return ledgers_find_uuid(host->ledgers, guest->uuid);
}

static void check_unpaged(const struct view *v, size_t i)
{
	const struct libvirt_guest *known = &v->host->libvirt.guests[i];
	const struct ledger *ledger = ledger_of(v->host, known->guest);

	if (!v->host->runs[i] || (ledger && step_list_paging(&ledger->list)))
		return;
	finding_add(v->findings, FINDING_WARN, "not-paged",
		    "guest '%s' runs and is not paged: it was started before it was configured so",
		    known->name);
	finding_guest(v->findings, known->name);
	finding_remedy(v->findings, "virt-membacking overcommit adopt %s",
		       text_shell_name(known->name, known->guest->uuid));
}

/* Its next start would be refused.  What the host lacks for all of them is said once */
static void check_definition_of(const struct view *v, const struct libvirt_guest *known,
				const struct guest_policy *policy)
{
	struct step_overcommit step;
	struct err err;
	int rc = overcommit_rules_guest(known->guest, &err);

	if (rc == 0)
		rc = overcommit_rules_fill(known->guest, &policy->overcommit, &step, &err);
	if (rc == 0) {
		finding_add(v->findings, FINDING_HINT, "all-resident",
			    "guest '%s' is not paged: its overcommit.resident is all of its memory",
			    known->name);
		finding_guest(v->findings, known->name);
	}
	if (rc < 0) {
		finding_add(v->findings, FINDING_FAIL, "cannot-page", "%s", err.text);
		finding_edit(v->findings, known->name, known->guest->uuid);
	}
}

static void check_nested(const struct view *v, const struct libvirt_guest *known)
{
	if (known->guest->nesting != GUEST_NESTING_AS_HOST || !v->host->view->overcommit.nested)
		return;
	finding_add(v->findings, FINDING_FAIL, "nested",
		    "guest '%s' can't be paged: its processor is like the host's, with vmx or svm: "
		    "put <feature policy='disable' name='vmx'/> (or svm) into its <cpu>",
		    known->name);
	finding_edit(v->findings, known->name, known->guest->uuid);
}

static void check_wanted(const struct view *v)
{
	struct guest_policy policy;
	size_t i;

	for (i = 0; i < v->host->libvirt.n; i++) {
		const struct libvirt_guest *known = &v->host->libvirt.guests[i];

		if (!policy_of(v->host, known, &policy) ||
		    !overcommit_rules_wanted(&policy.overcommit))
			continue;
		check_definition_of(v, known, &policy);
		check_nested(v, known);
		check_unpaged(v, i);
	}
}

/* Those that have a limit while [overcommit] is off, in one line */
static void check_off(const struct view *v)
{
	const char *first = NULL;
	struct guest_policy policy;
	size_t n = 0, i;

	for (i = 0; i < v->host->libvirt.n; i++) {
		if (!policy_of(v->host, &v->host->libvirt.guests[i], &policy))
			continue;
		policy.overcommit.enable = true;
		if (!overcommit_rules_wanted(&policy.overcommit))
			continue;
		first = first ? first : v->host->libvirt.guests[i].name;
		n++;
	}
	if (n)
		finding_add(
			v->findings, FINDING_HINT, "off",
			"%zu guest%s ('%s'%s) with overcommit.resident: not paged, for [overcommit] "
			"says enable = no",
			n, plural(n), first, n > 1 ? " and others" : "");
}

/* Compares records and the daemon for guests that run.  Return: their number */
static size_t check_alarms(const struct view *v)
{
	size_t n = 0, i;

	for (i = 0; i < v->host->ledgers->n; i++) {
		const struct ledger *ledger = v->host->ledgers->list[i];
		struct report_overcommit guest;

		if (!ledger->alive || !check_wants(v->host, ledger->name, ledger->uuid))
			continue;
		overcommit_of(&v->host->pager.answer, ledger, &guest);
		n += guest.present;
		/* That no daemon answers is said already */
		if (!guest.why || !v->host->pager.answer.answered)
			continue;
		finding_add(v->findings, FINDING_WARN, "alarm", "guest '%s'%s: %s", ledger->name,
			    guest.paged ? "" : " is not paged", guest.why);
		finding_guest(v->findings, ledger->name);
		if (!guest.paged)
			finding_remedy(v->findings, "virt-membacking overcommit adopt %s",
				       text_shell_name(ledger->name, ledger->uuid));
	}
	return n;
}

/* ---- all of it ---- */

static size_t count_wanted(const struct check_host *host)
{
	struct guest_policy policy;
	size_t n = 0, i;

	for (i = 0; i < host->libvirt.n; i++)
		n += policy_of(host, &host->libvirt.guests[i], &policy) &&
		     overcommit_rules_wanted(&policy.overcommit);
	return n;
}

void check_pager(const struct check_host *host, struct findings *findings)
{
	struct view v = { host, findings, count_wanted(host) };
	size_t before = findings->n, paged;

	if (!config_overcommit(host->config)->enable)
		check_off(&v);
	if (!host->pager.answer.asked)
		return;
	check_daemon_answers(&v);
	check_kernel(&v);
	check_tiers(&v);
	check_places(&v);
	check_wanted(&v);
	paged = check_alarms(&v);
	if (findings->n == before)
		finding_add(findings, FINDING_PASS, "fine",
			    "the pager answers, and has %zu guest%s", paged, plural(paged));
}
