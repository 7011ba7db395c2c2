// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The profiles ksm and thp.
 */
#include "profiles/sharing_profiles.h"

#include <errno.h>

#include "base/err.h"
#include "config/config.h"
#include "kernel/kfs.h"
#include "memory/thp.h"
#include "profiles/profile.h"
#include "profiles/reload.h"
#include "profiles/template.h"

TEMPLATE(thp_conf, "conf-snippets/thp/membacking.conf");
TEMPLATE(thp_sysctl, "conf-snippets/thp/sysctl.conf");
TEMPLATE(ksm_conf, "conf-snippets/ksm/membacking.conf");
TEMPLATE(ksm_ksmtuned, "conf-snippets/ksm/ksmtuned.conf");

#define UNITS SYSCONF_DIR "/systemd/system"

int profile_thp_fill(const struct kfs *kfs, const struct host_view *host, struct parts *parts,
		     struct err *err)
{
	struct thp thp;
	int rc = thp_read(kfs, &thp, err);

	(void)host;
	if (rc == 0)
		rc = profile_parts_add(parts, PART_FILE, CONFIG_DIR "/20-thp.conf", thp_conf, err);
	if (rc == 0)
		rc = profile_parts_add(parts, PART_FILE,
				       SYSCONF_DIR "/sysctl.d/60-membacking-thp.conf", thp_sysctl,
				       err);
	return rc;
}

int profile_ksm_fill(const struct kfs *kfs, const struct host_view *host, struct parts *parts,
		     struct err *err)
{
	bool there;
	int rc = kfs_look(kfs, "sys/kernel/mm/ksm/run", &there, err);

	(void)host;
	if (rc < 0)
		return rc;
	if (!there)
		return err_set(err, ENOENT, "this kernel has no KSM");
	rc = profile_parts_add(parts, PART_FILE, CONFIG_DIR "/20-ksm.conf", ksm_conf, err);
	/* Elsewhere check names the program that would set KSM, too */
	if (rc < 0 || !reload_has_systemd(kfs))
		return rc;
	rc = profile_parts_add(parts, PART_FILE, UNITS "/ksmtuned.service.d/50-membacking.conf",
			       ksm_ksmtuned, err);
	if (rc == 0)
		rc = profile_parts_add(parts, PART_FILE, UNITS "/ksm.service.d/50-membacking.conf",
				       ksm_ksmtuned, err);
	return rc;
}
