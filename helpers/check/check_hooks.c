// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Findings: are the hooks installed, and has libvirt called them?
 */
#include "base/err.h"
#include "check/check.h"

/* Since then libvirt looks into qemu.d */
#define HOOK_DIRECTORIES_SINCE 6005000

/* A hook that libvirt doesn't call does nothing: guests start as if we were not there */
static const char *loss(enum hook_kind kind)
{
	return kind == HOOK_QEMU ? "no guest's memory is prepared" :
				   "nothing is mounted or given back when libvirt starts";
}

static void check_program(const struct check_hooks *hooks, enum hook_kind kind,
			  struct findings *findings)
{
	const struct hook_link *link = &hooks->links[kind];

	finding_add(findings, FINDING_FAIL, link->present ? "not-executable" : "not-installed",
		    "/%s is %s: %s", link->program, link->present ? "not executable" : "not there",
		    loss(kind));
	if (link->present)
		finding_remedy(findings, "chmod 755 /%s", link->program);
	else
		finding_remedy(findings, "%s", hooks->reinstall);
}

static void check_link(const struct check_hooks *hooks, enum hook_kind kind,
		       struct findings *findings)
{
	const struct hook_link *link = &hooks->links[kind];

	if (!link->executable) {
		check_program(hooks, kind, findings);
	} else if (link->foreign) {
		finding_add(findings, FINDING_FAIL, "name-taken",
			    "/%s is not ours, and has the name that our hook would have: %s",
			    link->path, loss(kind));
		finding_remedy(findings, "mv /%s /root/ && virt-membacking hook enable --reload",
			       link->path);
	} else if (!link->linked) {
		finding_add(findings, FINDING_FAIL, "not-enabled", "the %s hook is not enabled: %s",
			    link->name, loss(kind));
		finding_remedy(findings, "virt-membacking hook enable --reload");
	}
}

static void check_seen(const struct check_host *host, struct findings *findings)
{
	const struct hook_link *link = &host->hooks.links[HOOK_QEMU];

	if (link->linked && !link->direct && host->libvirt.libvirt &&
	    host->libvirt.libvirt < HOOK_DIRECTORIES_SINCE) {
		finding_add(findings, FINDING_FAIL, "libvirt-too-old",
			    "this libvirt is older than 6.5 and does not look for hooks in /%s",
			    link->path);
		finding_remedy(findings, "virt-membacking hook enable --direct --reload");
	} else if (link->linked && link->executable && host->hooks.seen == HOOK_SEEN_UNKNOWN) {
		finding_add(findings, FINDING_WARN, "not-known-to-libvirt",
			    "libvirt may not know the hooks, and start guests without them: %s",
			    host->hooks.seen_why);
		finding_remedy(findings, "virt-membacking hook enable --reload");
	}
}

void check_hooks(const struct check_host *host, struct findings *findings)
{
	const struct check_hooks *hooks = &host->hooks;
	size_t before = findings->n, i;

	if (hooks->rc < 0) {
		finding_add(findings, FINDING_FAIL, "unreadable", "%s", hooks->why.text);
		return;
	}
	for (i = 0; i < HOOK_KINDS; i++)
		check_link(hooks, (enum hook_kind)i, findings);
	check_seen(host, findings);
	if (findings->n > before)
		return;
	if (hooks->seen == HOOK_NO_LIBVIRT)
		finding_add(findings, FINDING_PASS, "enabled",
			    "both hooks are enabled; libvirt does not run");
	else
		finding_add(findings, FINDING_PASS, "known", "libvirt knows the hooks: %s",
			    hooks->seen_why);
}
