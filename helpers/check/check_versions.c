// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Findings: the versions of libvirt and QEMU.
 */
#include <stdio.h>

#include "base/array.h"
#include "check/check.h"
#include "policy/store_rules.h"

#define VERSION_NUMBER(major, minor) ((major)*1000000ul + (minor)*1000ul)
#define VERSION_SIZE		     32

/* Features that guests of this host use, and the first versions that have them */
static const struct {
	const char *what;
	const char *id;
	unsigned long libvirt;
	unsigned long qemu;
	enum finding_level level; /* without it */
} features[] = {
	{ "file-backed memory", "no-file-backed", VERSION_NUMBER(4, 0), VERSION_NUMBER(2, 6),
	  FINDING_FAIL },
	{ "<discard/>", "no-discard", VERSION_NUMBER(4, 4), VERSION_NUMBER(2, 10), FINDING_WARN },
};

enum { FILE_BACKED, DISCARD, FEATURES };

_Static_assert(ARRAY_SIZE(features) == FEATURES, "a row for each feature");

static const char *version(unsigned long number, char buf[VERSION_SIZE])
{
	snprintf(buf, VERSION_SIZE, "%lu.%lu.%lu", number / 1000000, number / 1000 % 1000,
		 number % 1000);
	return buf;
}

static bool too_old(unsigned long found, unsigned long needed)
{
	return found && found < needed;
}

static void complain(const char *program, unsigned long found, unsigned long needed, size_t feature,
		     struct findings *findings)
{
	char is[VERSION_SIZE], since[VERSION_SIZE];

	if (too_old(found, needed))
		finding_add(findings, features[feature].level, features[feature].id,
			    "%s %s is too old for %s, which it has since %s", program,
			    version(found, is), features[feature].what, version(needed, since));
}

/* Wanted by a guest, or by Nova, whose guests use both */
static void find_wanted(const struct check_host *host, bool wanted[FEATURES])
{
	size_t i, j;

	wanted[FILE_BACKED] = wanted[DISCARD] = nova_conf_file_backed_mib(&host->nova);
	for (i = 0; i < host->view->n_stores; i++)
		if (host->view->stores[i].configured)
			wanted[FILE_BACKED] = true;
	for (i = 0; i < host->libvirt.n; i++) {
		const struct guest *guest = host->libvirt.guests[i].guest;

		for (j = 0; guest && j < guest->n_memory; j++) {
			wanted[FILE_BACKED] |= guest_memory_is_file(&guest->memory[j]);
			wanted[DISCARD] |= guest_memory_is_file(&guest->memory[j]) &&
					   guest->memory[j].discard;
		}
	}
}

void check_versions(const struct check_host *host, struct findings *findings)
{
	const struct libvirt_host *libvirt = &host->libvirt;
	char text[2][VERSION_SIZE];
	bool wanted[FEATURES] = { false };
	size_t before = findings->n, i;

	find_wanted(host, wanted);
	for (i = 0; i < FEATURES; i++) {
		if (!wanted[i])
			continue;
		complain("libvirt", libvirt->libvirt, features[i].libvirt, i, findings);
		complain("QEMU", libvirt->qemu, features[i].qemu, i, findings);
	}
	if (findings->n == before && libvirt->libvirt && libvirt->qemu)
		finding_add(findings, FINDING_PASS, "enough",
			    "libvirt %s and QEMU %s support everything the guests use",
			    version(libvirt->libvirt, text[0]), version(libvirt->qemu, text[1]));
}
