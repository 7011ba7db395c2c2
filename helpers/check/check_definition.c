// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What is wrong with one guest's definition, whatever the host has for it.
 */
#include "base/err.h"
#include "base/text.h"
#include "check/check.h"
#include "policy/guest_notes.h"
#include "policy/plan.h"
#include "policy/refusal.h"

struct judging {
	const struct guest *guest;
	struct plan_needs needs;
	struct findings *findings;
};

static void add(const struct judging *j, enum finding_level level, const char *id, const char *text)
{
	finding_add(j->findings, level, id, "guest '%s': %s", j->guest->name, text);
	finding_edit(j->findings, j->guest->name, j->guest->uuid);
}

static void on_note(enum guest_note kind, const char *text, void *data)
{
	const struct judging *j = data;

	switch (kind) {
	case GUEST_NOTE_REFUSED:
		add(j, FINDING_FAIL, "refused", text);
		break;
	case GUEST_NOTE_UNSHARED:
		add(j, FINDING_WARN, "unshared", text);
		break;
	case GUEST_NOTE_PRIVATE:
		if (guest_asks_for_hugepages(j->guest))
			add(j, FINDING_WARN, "private", text);
		break;
	case GUEST_NOTE_EXTRA:
	case GUEST_NOTE_DOUBT:
		finding_add(j->findings, FINDING_HINT, "note", "guest '%s': %s", j->guest->name,
			    text);
		finding_guest(j->findings, j->guest->name);
		break;
	/* It is so on purpose */
	case GUEST_NOTE_LATER:
	case GUEST_NOTE_DRAFT:
		break;
	}
}

/* A bad value refuses the start if the plan uses it; else it has no effect, as an unknown key */
static void on_problem(const struct config_problem *problem, void *data)
{
	const struct judging *j = data;
	bool refuses = problem->fatal && problem->section &&
		       plan_needs_section(&j->needs, problem->section);

	finding_add(j->findings, refuses ? FINDING_FAIL : FINDING_WARN,
		    refuses ? "bad-metadata" : "unused-metadata", "%s%s", problem->text,
		    refuses ? ": the guest won't start" : "");
	finding_edit(j->findings, j->guest->name, j->guest->uuid);
}

static void check_metadata(const struct check_host *host, struct judging *j)
{
	struct guest_policy policy;

	/* Reported once for all guests, elsewhere */
	if (config_for_guest(host->config, j->guest, &policy, NULL) < 0)
		return;
	j->needs = plan_needs_host(j->guest, &policy, host->view);
	config_for_each_guest_problem(host->config, j->guest, on_problem, j);
}

void check_definition(const struct check_host *host, const struct guest *guest,
		      struct findings *findings)
{
	struct judging j = { .guest = guest, .findings = findings };
	struct err err;

	guest_notes(guest, on_note, &j);
	check_metadata(host, &j);
	if (refusal_find(guest, host->view, true, NULL, &err) != REFUSAL_KVM)
		return;
	finding_add(findings, FINDING_FAIL, "kvm-huge-pages", "%s", err.text);
	finding_guest(findings, guest->name);
	finding_remedy(findings, "echo 'options kvm hpage=1' >/etc/modprobe.d/kvm-hpage.conf && "
				 "modprobe -r kvm && modprobe kvm");
}
