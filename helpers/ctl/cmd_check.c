// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * virt-membacking check: what is wrong on this host, and what would help.
 */
#include <errno.h>
#include <stdint.h>

#include "base/array.h"
#include "base/err.h"
#include "check/check_host.h"
#include "ctl/ctl.h"
#include "lifecycle/next_start.h"
#include "policy/supply.h"
#include "terminal/term.h"

static const struct check {
	const char *name;
	void (*run)(const struct check_host *host, struct findings *findings);
} checks[] = {
	{ "hook", check_hooks },       { "security", check_security },
	{ "config", check_config },    { "hugetlbfs", check_mounts },
	{ "room", check_room },	       { "store", check_stores },
	{ "record", check_ledgers },   { "guest", check_guests },
	{ "ksm", check_ksm },	       { "others", check_others },
	{ "thp", check_thp },	       { "1G", check_gigantic },
	{ "pager", check_pager },      { "nova", check_nova },
	{ "version", check_versions },
};

static int status_of(const struct ctl *ctl, const struct findings *findings)
{
	if (findings_count(findings, FINDING_FAIL))
		return CTL_FINDINGS;
	return ctl->strict && findings_count(findings, FINDING_WARN) ? CTL_FINDINGS : CTL_FINE;
}

static int report(const struct ctl *ctl, const struct findings *findings, struct err *err)
{
	int rc = 0;

	if (findings->failed)
		return err_nomem(err);
	if (ctl->json)
		rc = ctl_print_json(findings_to_json(findings), err);
	else
		rc = findings_print(findings, ctl->all, err);
	return rc < 0 ? rc : status_of(ctl, findings);
}

static int judge(const struct ctl *ctl, const struct check_host *host, struct err *err)
{
	struct findings findings = { 0 };
	size_t i;
	int rc;

	for (i = 0; i < ARRAY_SIZE(checks); i++) {
		findings.check = checks[i].name;
		checks[i].run(host, &findings);
	}
	rc = report(ctl, &findings, err);
	if (rc >= 0 && !host->captured && !host->libvirt.reached)
		rc = CTL_BLIND;
	findings_free(&findings);
	return rc;
}

static int look(struct ctl *ctl, struct err *err)
{
	struct check_host host;
	const struct check_scope scope = { ctl->root, ctl->n_args, ctl->args };
	struct session session;
	struct err why;
	int rc = ctl_need_root(ctl, "check this host: try sudo", err);

	if (rc < 0)
		return rc;
	rc = session_open_with_stores(&session, &ctl->kfs, SESSION_READ, err);
	if (rc == 0)
		rc = session_read_most(&session, &why, err);
	if (rc == 0)
		rc = check_host_read(&scope, &session, &host, err);
	if (rc == 0) {
		host.stores_why = why.text;
		/* As plan and a start see it */
		next_start_give_back(&session.ledgers, &session.host,
				     host.has_fragmentation ? &host.fragmentation : NULL);
		if (host.has_fragmentation)
			supply_survey(&session.host, &host.fragmentation);
		rc = judge(ctl, &host, err);
		check_host_free(&host);
	}
	session_close(&session);
	return rc;
}

/* A monitor has to tell "nothing is wrong" and "nothing could be seen" apart */
static int run(struct ctl *ctl, struct err *err)
{
	int rc = look(ctl, err);

	return rc < 0 ? ctl_blind(ctl, err) : rc;
}

const struct command cmd_check = {
	.name = "check",
	.usage = "check [--all] [--strict] [GUEST...]",
	.summary = "look for what is wrong, and say what would help",
	.help = "Checks the hooks, AppArmor and SELinux, the configuration, hugetlbfs, room for\n"
		"guests with autostart, the store in use, what guests hold, guests'\n"
		"definitions, other programs that set KSM, other files that set huge pages, KSM\n"
		"or THP and which of them to keep, what keeps transparent huge pages\n"
		"away, the ways to pages of 1 GiB, guests under the pager, OpenStack Nova's\n"
		"settings, and the versions of libvirt and QEMU.\n"
		"With GUEST, by id, name or UUID, checks only those guests. Changes nothing.\n\n"
		"PASS  fine; only shown with --all\n"
		"HINT  fine, and could be better\n"
		"WARN  does not do what it seems to do, or needs an administrator\n"
		"FAIL  keeps guests from starting, or is a mistake\n\n"
		"The worst comes last. Exit status 1 if there is any FAIL, with --strict also if\n"
		"there is any WARN; 3 if the host or libvirt could not be looked at.",
	.options = CTL_JSON | CTL_ROOT | CTL_ALL | CTL_STRICT,
	.max_args = SIZE_MAX,
	.run = run,
};
