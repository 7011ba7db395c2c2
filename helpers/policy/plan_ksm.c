// SPDX-License-Identifier: LGPL-2.1-or-later
/* The plan's part of KSM. */
#include "policy/plan_kind.h"

#include "policy/ksm_rules.h"

static bool wanted(const struct guest *guest, const struct guest_policy *policy,
		   const struct host_view *host)
{
	return host->has_ksm && ksm_rules_wanted(guest, policy);
}

static int make(struct planning *p, struct err *err)
{
	struct step step = { .kind = STEP_KSM };

	ksm_rules_fill(p->guest, p->policy, &step.ksm);
	return plan_put_last(p->plan, &step, err);
}

const struct plan_kind plan_ksm = {
	.kind = STEP_KSM,
	.section = "ksm",
	.optional = true,
	.wanted = wanted,
	.make = make,
	.adopt = make,
};
