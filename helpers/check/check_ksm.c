// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Findings: KSM, and other programs that set it.
 */
#include "base/array.h"
#include "base/text.h"
#include "check/check.h"
#include "memory/ksm.h"
#include "policy/ksm_rules.h"

/* Does [ksm] want anything to be done at all? */
static bool is_managed(const struct config_ksm *ksm)
{
	return ksm->manage && ksm->enable != KSM_NEVER;
}

/* How each of them changes KSM, and the consequence */
static const struct {
	enum finding_level level;
	const char *id;
	const char *what;
} kinds[] = {
	[KSM_TUNER_KSMTUNED] = { FINDING_WARN, "ksmtuned",
				 "switches KSM on and off and sets its rates, as "
				 "guests' starts and ends do: they undo each "
				 "other's work" },
	[KSM_TUNER_MOMD] = { FINDING_WARN, "momd",
			     "switches KSM on and off and sets its rates, as "
			     "guests' starts and ends do: they undo each other's "
			     "work" },
	[KSM_TUNER_UKSMD] = { FINDING_HINT, "uksmd",
			      "has the memory of every program merged, so that "
			      "guests' memory has to wait for its turn" },
	[KSM_TUNER_TUNED] = { FINDING_WARN, "tuned",
			      "switches KSM off, and the next guest's start "
			      "switches it on again" },
	[KSM_TUNER_SERVICE] = { FINDING_HINT, "ksm-service",
				"has switched KSM on for good: it stays on with "
				"the host's rates, whatever guests run" },
};

_Static_assert(ARRAY_SIZE(kinds) == KSM_TUNERS, "a row for each");

static void remedy(enum ksm_tuner tuner, const struct ksm_tuner_found *found,
		   struct findings *findings)
{
	if (tuner == KSM_TUNER_TUNED)
		finding_remedy(findings, "tuned-adm profile virtual-host");
	else if (*found->units)
		finding_remedy(findings, "systemctl disable --now %s", found->units);
	else if (found->pid)
		finding_remedy(findings, "kill %d", (int)found->pid);
}

static void warn(enum ksm_tuner tuner, const struct ksm_tuner_found *found,
		 struct findings *findings)
{
	char who[KSM_TUNER_TEXT_SIZE + 64];

	if (*found->profile)
		snprintf(who, sizeof(who), "tuned's profile '%s'", found->profile);
	else if (found->pid)
		snprintf(who, sizeof(who), "%s (PID %d)", ksm_tuner_name(tuner), (int)found->pid);
	else
		snprintf(who, sizeof(who), "%s", ksm_tuner_name(tuner));
	if (kinds[tuner].level == FINDING_WARN)
		finding_add(findings, FINDING_WARN, kinds[tuner].id,
			    "%s %s; stop it, or say manage = no in [ksm] of /%s", who,
			    kinds[tuner].what, CONFIG_FILE);
	else
		finding_add(findings, kinds[tuner].level, kinds[tuner].id, "%s %s", who,
			    kinds[tuner].what);
	remedy(tuner, found, findings);
}

static void check_tuners(const struct check_host *host, struct findings *findings)
{
	enum ksm_tuner i;

	for (i = 0; i < KSM_TUNERS; i++) {
		if (!host->ksm.tuners[i].found)
			continue;
		/* ksmtuned comes with it, and that is said already */
		if (i == KSM_TUNER_SERVICE && host->ksm.tuners[KSM_TUNER_KSMTUNED].found)
			continue;
		if (is_managed(config_ksm(host->config)))
			warn(i, &host->ksm.tuners[i], findings);
	}
}

/* The configuration can't keep QEMU from offering a guest's pages to whatever KSM runs */
static bool only_looks_apart(const struct check_host *host, const struct guest *guest)
{
	struct guest_policy policy;

	return ksm_rules_gain(guest, true) == KSM_GAINS &&
	       config_for_guest(host->config, guest, &policy, NULL) == 0 && !policy.ksm_allowed;
}

static void check_apart(const struct check_host *host, struct findings *findings)
{
	size_t i;

	for (i = 0; i < host->libvirt.n; i++) {
		const struct libvirt_guest *guest = &host->libvirt.guests[i];

		if (!guest->guest || !check_wants(host, guest->name, guest->guest->uuid) ||
		    !only_looks_apart(host, guest->guest))
			continue;
		finding_add(
			findings, FINDING_HINT, "merges-anyway",
			"guest '%s' has ksm = no: KSM is not switched on for it, but merges its "
			"pages while it runs for others; if they have to stay apart, put "
			"<nosharepages/> into its <memoryBacking>",
			guest->name);
		finding_edit(findings, guest->name, guest->guest->uuid);
	}
}

static void pass(const struct check_host *host, struct findings *findings)
{
	if (!is_managed(config_ksm(host->config)))
		finding_add(findings, FINDING_PASS, "not-managed",
			    "KSM is left to others by [ksm] of /%s", CONFIG_FILE);
	else if (host->ksm.run == KSM_RUN_MERGE && !host->ksm.ours)
		finding_add(findings, FINDING_PASS, "on-by-others",
			    "another program has switched KSM on: it stays as it is");
	else
		finding_add(findings, FINDING_PASS, "no-others", "no other program manages KSM");
}

void check_ksm(const struct check_host *host, struct findings *findings)
{
	size_t before = findings->n;

	if (!host->view->has_ksm) {
		finding_add(findings, FINDING_PASS, "not-in-kernel", "not in this kernel");
		return;
	}
	check_tuners(host, findings);
	check_apart(host, findings);
	if (host->ksm.left) {
		finding_add(findings, FINDING_WARN, "not-restored",
			    "no guest needs KSM any more, and its settings are not back yet: what "
			    "is merged can't be taken apart before there is memory for it, or "
			    "that is being done at this moment");
		finding_remedy(findings, "virt-membacking reconcile");
	}
	if (findings->n == before)
		pass(host, findings);
}
