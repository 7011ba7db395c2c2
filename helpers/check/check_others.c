// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Whose setting is kept where another program's file sets what the hooks set.
 *
 * KSM and THP are the administrator's as long as [ksm] and [thp] don't manage them.
 */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "check/check.h"

#define SAYS_SIZE 512

static bool manages_ksm(const struct check_host *host)
{
	const struct config_ksm *ksm = config_ksm(host->config);

	return ksm->manage && ksm->enable != KSM_NEVER;
}

/* " = 16384 (32 GiB in pages of 2 MiB)"; empty where the value can't be told */
static const char *amount(const struct check_host *host, const struct other *other,
			  char buf[SAYS_SIZE])
{
	char all[TEXT_KIB_SIZE], page[TEXT_KIB_SIZE];
	uint64_t pages, page_kib = host->view->default_page_kib;

	buf[0] = '\0';
	if (!*other->value)
		return buf;
	if (text_to_u64(other->value, &pages) == 0 && pages && page_kib &&
	    !strncmp(other->key, "vm.", 3))
		snprintf(buf, SAYS_SIZE, " = %s (%s in pages of %s)", other->value,
			 text_from_kib(u64_mul_sat(pages, page_kib), all),
			 text_from_kib(page_kib, page));
	else
		snprintf(buf, SAYS_SIZE, " = %s", other->value);
	return buf;
}

static void check_hook(const struct check_host *host, const struct other *other,
		       struct findings *findings)
{
	const char *asleep = other->asleep ? "; it is not executable, and counts only where "
					     "another script reads it" :
					     "";

	if (!config_hugepages(host->config)->manage)
		finding_add(findings, FINDING_HINT, "hook-left",
			    "%s sets huge pages (%s) in a hook: [hugepages] manage = no leaves "
			    "them to it%s",
			    other->where, other->key, asleep);
	else if (other->zero)
		finding_add(findings, FINDING_WARN, "hook-zero",
			    "%s writes 0 to a pool: that takes idle pages which other guests are "
			    "promised, and those of an administrator; take it out, the hooks of "
			    "libvirt-membacking give back what each guest had%s",
			    other->where, asleep);
	else
		finding_add(findings, FINDING_WARN, "hook-pages",
			    "%s sets huge pages (%s) in a hook, as guests' starts and ends do by "
			    "themselves: the two undo each other's work; take it out, and keep "
			    "libvirt-membacking's%s",
			    other->where, other->key, asleep);
}

static void check_drop(const struct other *other, struct findings *findings)
{
	finding_add(findings, FINDING_WARN, "hook-drop-caches",
		    "%s throws away the whole host's page cache (drop_caches) at a guest's start "
		    "or end: take it out; a guest that can't do without says hugepages.drop_caches "
		    "= auto",
		    other->where);
}

static void check_sysctl(const struct check_host *host, const struct other *other,
			 struct findings *findings)
{
	char is[SAYS_SIZE];

	if (other->zero)
		finding_add(findings, FINDING_WARN, "sysctl-zero",
			    "%s sets %s = 0: each \"sysctl --system\" takes all idle pages, also "
			    "those which guests that are about to start are promised; take it out",
			    other->where, other->key);
	else
		finding_add(findings, FINDING_HINT, "sysctl-pages",
			    "%s sets %s%s: each \"sysctl --system\" sets the whole pool back to "
			    "that, under guests that have more; take it out if it is for guests, "
			    "which get their pages without it, else keep it by \"virt-membacking "
			    "conf apply static-hugepages\"",
			    other->where, other->key, amount(host, other, is));
	finding_remedy_line(findings, other->where);
}

static void check_boot(const struct check_host *host, const struct other *other,
		       struct findings *findings)
{
	char is[SAYS_SIZE];

	if (other->zero)
		finding_add(findings, FINDING_WARN, "boot-zero",
			    "%s writes 0 to a pool (%s): run again beside guests, it takes idle "
			    "pages which they are promised; take it out",
			    other->where, other->key);
	else
		finding_add(findings, FINDING_HINT, "boot-pages",
			    "%s sets huge pages (%s%s): take it out if they are for guests, which "
			    "get their pages without it, else keep it by \"virt-membacking conf "
			    "apply static-hugepages\"",
			    other->where, other->key, amount(host, other, is));
}

static void check_spdk(const struct other *other, struct findings *findings)
{
	finding_add(findings, FINDING_HINT, "spdk",
		    "%s reserves huge pages for SPDK or DPDK (%s): keep it, have it run before "
		    "guests start, and say keep_free_2M (or of its page size) in [hugepages] of "
		    "/%s, so that guests leave them alone",
		    other->where, other->key, CONFIG_FILE);
}

static void check_vdsm(const struct check_host *host, const struct other *other,
		       struct findings *findings)
{
	if (!config_hugepages(host->config)->manage) {
		finding_add(findings, FINDING_PASS, "vdsm-alone",
			    "%s has VDSM make guests' huge pages, and [hugepages] manage = no "
			    "leaves them to it",
			    other->where);
		return;
	}
	finding_add(findings, FINDING_WARN, "vdsm-too",
		    "%s has VDSM make each guest's huge pages (use_dynamic_hugepages = true), and "
		    "libvirt-membacking makes them too: two do the same, and a guest costs twice "
		    "its pages; say false there and keep libvirt-membacking's, or manage = no in "
		    "[hugepages] of /%s and keep VDSM's",
		    other->where, CONFIG_FILE);
}

static void check_ksm_file(const struct check_host *host, const struct other *other,
			   struct findings *findings)
{
	if (!manages_ksm(host))
		finding_add(findings, FINDING_PASS, "ksm-left",
			    "%s sets KSM (%s): it is the administrator's, and left alone",
			    other->where, other->key);
	else if (other->off)
		finding_add(findings, FINDING_WARN, "ksm-off",
			    "%s says that KSM is off, and [ksm] manage = yes switches it on for "
			    "guests all the same; keep one: manage = no in [ksm] of /%s, or take "
			    "that line out",
			    other->where, CONFIG_FILE);
	else
		finding_add(findings, FINDING_HINT, "ksm-too",
			    "%s sets KSM (%s) beside [ksm] manage = yes: where it runs already it "
			    "stays as it is, whatever [ksm] says; keep one: manage = no in [ksm] "
			    "of /%s, or take that line out",
			    other->where, other->key, CONFIG_FILE);
}

static void check_thp_file(const struct check_host *host, const struct other *other,
			   struct findings *findings)
{
	char is[SAYS_SIZE];

	if (!config_thp(host->config)->manage)
		finding_add(findings, FINDING_PASS, "thp-left",
			    "%s sets THP (%s%s): it is the administrator's, and left alone",
			    other->where, other->key, amount(host, other, is));
	else
		finding_add(findings, FINDING_HINT, "thp-too",
			    "%s sets THP (%s%s) beside [thp] manage = yes, which sets it anew "
			    "while guests run, and puts it back after them; keep one: manage = no "
			    "in [thp] of /%s, or take that line out",
			    other->where, other->key, amount(host, other, is), CONFIG_FILE);
}

static void check_masked(const struct check_host *host, const struct other *other,
			 struct findings *findings)
{
	if (other->off && manages_ksm(host)) {
		finding_add(findings, FINDING_WARN, "masked-ksm",
			    "%s is masked, as if KSM were to stay off, and [ksm] manage = yes "
			    "switches it on for guests all the same; keep one: manage = no in "
			    "[ksm] of /%s, or unmask it",
			    other->where, CONFIG_FILE);
		finding_remedy(findings, "systemctl unmask %s", other->key);
	} else if (other->off) {
		finding_add(findings, FINDING_PASS, "masked-ksm-left",
			    "%s is masked: KSM is the administrator's, and left alone",
			    other->where);
	} else if (!strncmp(other->key, "libvirt-membacking", 18)) {
		finding_add(findings, FINDING_HINT, "masked-ours",
			    "%s is masked: what it would do, nothing else does", other->where);
		finding_remedy(findings, "systemctl unmask %s", other->key);
	} else {
		finding_add(findings, FINDING_PASS, "masked-mount",
			    "%s is masked: the daemon hook makes the mount", other->where);
	}
}

/* Decided without looking at the host */
static void check_plain(const struct other *other, struct findings *findings)
{
	if (other->kind == OTHER_DROP)
		finding_add(findings, FINDING_HINT, "drop-caches",
			    "%s throws away the whole host's page cache (drop_caches): guests and "
			    "programs read it from disk again; take it out, a guest's start makes "
			    "room by itself",
			    other->where);
	else if (other->kind == OTHER_CMDLINE)
		finding_add(findings, FINDING_PASS, "command-line",
			    "%s reserves huge pages at boot (%s%s): they may stay, guests use "
			    "those first",
			    other->where, other->key, other->value);
	else if (other->kind == OTHER_FSTAB)
		finding_add(findings, FINDING_PASS, "fstab-hugetlbfs",
			    "%s mounts hugetlbfs at %s: it may stay, and is not needed if it is "
			    "only for libvirt",
			    other->where, other->value);
	else
		finding_add(findings, FINDING_HINT, "fstab-store",
			    "%s mounts memory_backing_dir at boot: say noauto there and keep a "
			    "[store] with its path, which mounts and checks it before a guest "
			    "starts",
			    other->where);
}

static void check_other(const struct check_host *host, const struct other *other,
			struct findings *findings)
{
	char is[SAYS_SIZE];

	switch (other->kind) {
	case OTHER_HOOK:
		check_hook(host, other, findings);
		break;
	case OTHER_HOOK_DROP:
		check_drop(other, findings);
		break;
	case OTHER_SYSCTL:
		check_sysctl(host, other, findings);
		break;
	case OTHER_BOOT:
		check_boot(host, other, findings);
		break;
	case OTHER_SPDK:
		check_spdk(other, findings);
		break;
	case OTHER_DROP:
	case OTHER_CMDLINE:
	case OTHER_FSTAB:
	case OTHER_FSTAB_STORE:
		check_plain(other, findings);
		break;
	case OTHER_VDSM:
		check_vdsm(host, other, findings);
		break;
	case OTHER_KSM:
		check_ksm_file(host, other, findings);
		break;
	case OTHER_THP:
		check_thp_file(host, other, findings);
		break;
	case OTHER_MASKED:
		check_masked(host, other, findings);
		break;
	case OTHER_KSM_PROGRAM:
	case OTHER_KINDS:
		amount(host, other, is);
		break;
	}
}

void check_others(const struct check_host *host, struct findings *findings)
{
	const struct others *others = &host->others;
	size_t i;

	for (i = 0; i < others->n; i++)
		check_other(host, &others->list[i], findings);
	if (others->left_out)
		finding_add(
			findings, FINDING_HINT, "not-read",
			"of other programs' files %zu or their lines were not read: they are too "
			"many, or too large",
			others->left_out);
	if (!others->n && !others->left_out)
		finding_add(findings, FINDING_PASS, "none",
			    "no other program's file sets huge pages, KSM or THP");
}
