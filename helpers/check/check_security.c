// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Findings: what AppArmor and SELinux let the hooks do.
 */
#include <string.h>

#include "base/array.h"
#include "base/text.h"
#include "check/check.h"
#include "config/qemu_conf.h"
#include "policy/store_rules.h"

/* ---- AppArmor ---- */

static void check_profile(const struct security *security, struct findings *findings)
{
	if (!*security->profile || !security->enforced || security->runs_hooks)
		return;
	finding_add(findings, FINDING_FAIL, "apparmor-hooks",
		    "AppArmor's profile of %s has no rule by which the hooks run unconfined: they "
		    "may not change what they are for, or are not called at all",
		    security->profile);
	finding_remedy(findings,
		       "echo '/usr/sbin/libvirt-membacking-*-hook PUx,' "
		       ">>/etc/apparmor.d/local/usr.sbin.%s && apparmor_parser -r "
		       "/etc/apparmor.d/usr.sbin.%s",
		       security->profile, security->profile);
}

/* Guests get rules for their own directories from a helper, which has its own mind */
static void check_directory(const struct check_host *host, struct findings *findings)
{
	const char *dir = qemu_conf_memory_dir(&host->view->qemu_conf);

	if (!host->security.apparmor || !*host->security.profile || !host->view->stores_read ||
	    !security_helper_refuses(dir))
		return;
	finding_add(
		findings, FINDING_FAIL, "apparmor-directory",
		"libvirt's virt-aa-helper refuses to let guests have files below %s: no guest "
		"with file-backed memory can start; memory_backing_dir has to lead elsewhere, or "
		"to libvirt's own place for it",
		dir);
	finding_remedy(findings,
		       "sed -i 's/^ *memory_backing_dir/#&/' /" QEMU_CONF_FILE
		       " && systemctl restart %s",
		       check_daemon(host));
}

/* ---- SELinux ---- */

static void check_domain(const struct security *security, struct findings *findings)
{
	if (!security->selinux || security->hooks_unconfined || security->labelled)
		return;
	finding_add(findings, FINDING_FAIL, "selinux-domain",
		    "SELinux runs the hooks in libvirt's domain, which may neither size pools nor "
		    "mount stores");
	if (security->module)
		finding_remedy(findings, "semodule -X 200 -i /" SECURITY_MODULE
					 " && restorecon -F /usr/sbin/libvirt-membacking-*-hook");
	else
		finding_remedy(findings, "setsebool -P virt_hooks_unconfined on");
}

/* The label of a new directory or file system, which QEMU may not even search */
static bool is_closed_type(const char *type)
{
	static const char *const closed[] = { "default_t",   "unlabeled_t",	"file_t",
					      "user_home_t", "user_home_dir_t", "admin_home_t" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(closed); i++)
		if (!strcmp(type, closed[i]))
			return true;
	return false;
}

static void check_label(const struct check_host *host, struct findings *findings)
{
	const struct security *security = &host->security;
	const struct store_view *store = store_in_use(host->view);

	if (!store)
		return;
	if (security->boolean) {
		finding_add(findings, FINDING_FAIL, "selinux-boolean",
			    "SELinux lets no guest have its memory on %s, as %s is, while %s is "
			    "off",
			    store->state.mount.fstype, store->config.path, security->boolean);
		finding_remedy(findings, "setsebool -P %s on", security->boolean);
	} else if (is_closed_type(security->store_type)) {
		finding_add(findings, FINDING_FAIL, "selinux-label",
			    "SELinux's type of %s is %s, which guests may not pass",
			    store->config.path, security->store_type);
		if (text_is_shell_word(store->config.path))
			finding_remedy(findings,
				       "semanage fcontext -a -t virt_image_t '%s(/.*)?' && "
				       "restorecon -R %s",
				       store->config.path, store->config.path);
	}
}

/* ---- both ---- */

static void pass(const struct security *security, struct findings *findings)
{
	if (security->selinux)
		finding_add(findings, FINDING_PASS, "selinux",
			    "SELinux lets the hooks do their work: %s",
			    security->labelled ? "they have a domain of their own" :
						 "virt_hooks_unconfined is on");
	if (security->apparmor && !*security->profile)
		finding_add(findings, FINDING_PASS, "apparmor-unused",
			    "AppArmor is there, and has no profile of libvirt's daemon loaded");
	else if (security->apparmor)
		finding_add(findings, FINDING_PASS, "apparmor", "AppArmor's profile of %s %s",
			    security->profile,
			    security->runs_hooks ? "lets the hooks run unconfined" :
						   "only complains");
}

void check_security(const struct check_host *host, struct findings *findings)
{
	size_t before = findings->n;

	check_profile(&host->security, findings);
	check_directory(host, findings);
	check_domain(&host->security, findings);
	check_label(host, findings);
	if (findings->n == before)
		pass(&host->security, findings);
}
