// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * All checks: the host is read once, then each subject has its say.
 */
#include "check/check_all.h"

#include <stddef.h>

#include "base/array.h"
#include "base/err.h"
#include "check/check_host.h"
#include "check/findings.h"
#include "lifecycle/next_start.h"
#include "policy/supply.h"

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

static void judge(const struct check_host *host, struct findings *findings)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(checks); i++) {
		findings->check = checks[i].name;
		checks[i].run(host, findings);
	}
}

int check_all(const struct kfs *kfs, const struct check_scope *scope, struct findings *findings,
	      bool *blind, struct err *err)
{
	struct check_host host;
	struct session session;
	struct err why;
	int rc = session_open_with_stores(&session, kfs, SESSION_READ, err);

	if (rc == 0)
		rc = session_read_most(&session, &why, err);
	if (rc == 0)
		rc = check_host_read(scope, &session, &host, err);
	if (rc == 0) {
		host.stores_why = why.text;
		/* As plan and a start see it */
		next_start_give_back(&session.ledgers, &session.host,
				     host.has_fragmentation ? &host.fragmentation : NULL);
		if (host.has_fragmentation)
			supply_survey(&session.host, &host.fragmentation);
		judge(&host, findings);
		*blind = !host.captured && !host.libvirt.reached;
		check_host_free(&host);
	}
	session_close(&session);
	return rc;
}
