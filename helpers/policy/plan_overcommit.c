// SPDX-License-Identifier: LGPL-2.1-or-later
/* The plan's part of guests under the pager. */
#include "policy/plan_kind.h"

#include "guest/guest.h"
#include "policy/overcommit_rules.h"

static bool wanted(const struct guest *guest, const struct guest_policy *policy,
		   const struct host_view *host)
{
	(void)guest;
	(void)host;
	return overcommit_rules_wanted(&policy->overcommit);
}

static int make(struct planning *p, struct err *err)
{
	const struct config_overcommit *overcommit = &p->policy->overcommit;
	struct step step = { .kind = STEP_OVERCOMMIT };
	int rc = overcommit_rules_guest(p->guest, err);

	if (rc == 0)
		rc = overcommit_rules_host(p->guest, p->host, p->has_store ? &p->store : NULL,
					   &p->policy->thp, err);
	if (rc == 0)
		rc = overcommit_rules_fill(p->guest, overcommit, &step.overcommit, err);
	if (rc == 0)
		plan_note(p->plan, "it is not paged: its overcommit.resident is all of its memory");
	if (rc <= 0)
		return rc;
	rc = overcommit_rules_admit(&step.overcommit, 0, p->host, overcommit, p->guest->name, err);
	return rc < 0 ? rc : plan_put_last(p->plan, &step, err);
}

/* A start that waits for a daemon to answer had better be refused before that */
static int refuse(const struct guest *guest, struct err *err)
{
	return overcommit_rules_guest(guest, err);
}

/* Not of a guest that runs and was started without us: it is put under the pager by name */
const struct plan_kind plan_overcommit = {
	.kind = STEP_OVERCOMMIT,
	.section = "overcommit",
	.small = true,
	.wanted = wanted,
	.make = make,
	.refuse = refuse,
};
