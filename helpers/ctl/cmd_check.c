// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * virt-membacking check: what is wrong on this host, and what would help.
 */
#include <errno.h>
#include <stdint.h>

#include "base/err.h"
#include "check/check_all.h"
#include "check/check_host.h"
#include "ctl/ctl.h"
#include "terminal/term.h"

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

static int look(struct ctl *ctl, struct err *err)
{
	const struct check_scope scope = { ctl->root, ctl->n_args, ctl->args };
	struct findings findings = { 0 };
	bool blind = false;
	int rc = ctl_need_root(ctl, "check this host", err);

	if (rc == 0)
		rc = check_all(&ctl->kfs, &scope, &findings, &blind, err);
	if (rc == 0)
		rc = report(ctl, &findings, err);
	findings_free(&findings);
	return rc >= 0 && blind ? CTL_BLIND : rc;
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
	.options = CTL_JSON | CTL_ROOT | CTL_CONNECT | CTL_ALL | CTL_STRICT,
	.max_args = SIZE_MAX,
	.run = run,
};
