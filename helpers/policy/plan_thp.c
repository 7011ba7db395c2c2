// SPDX-License-Identifier: LGPL-2.1-or-later
/* The plan's part of transparent huge pages. */
#include "policy/plan_kind.h"

#include "guest/guest.h"
#include "policy/overcommit_rules.h"
#include "policy/thp_rules.h"

/* A store may be a tmpfs: what keeps huge pages away there is said to its guests, too */
static bool wanted(const struct guest *guest, const struct guest_policy *policy,
		   const struct host_view *host)
{
	return host->thp.present &&
	       (policy->thp.manage || thp_rules_makes_room(&policy->thp) || guest_file_kib(guest));
}

/* Guests that are only told something are not refused for it */
static bool uses_section(const struct guest *guest, const struct guest_policy *policy)
{
	return (policy->thp.manage || thp_rules_makes_room(&policy->thp)) && thp_rules_size(guest);
}

/* Return: false: none is changed for this guest */
static bool add_settings(const struct planning *p, struct step_thp *step)
{
	bool tmpfs = p->has_store && thp_rules_in_tmpfs(p->host, &p->store);

	if (!thp_rules_wanted(p->guest, p->policy, tmpfs))
		return false;
	thp_rules_fill(p->guest, p->policy, tmpfs, step);
	return true;
}

/* Room for a guest that runs already comes too late */
static int adopt(struct planning *p, struct err *err)
{
	struct step step = { .kind = STEP_THP };

	return add_settings(p, &step.thp) ? plan_put_last(p->plan, &step, err) : 0;
}

static int add(struct planning *p, struct err *err)
{
	struct step step = { .kind = STEP_THP };
	bool set = add_settings(p, &step.thp);

	if (!overcommit_rules_small_pages(p->policy))
		thp_rules_room(p->guest, p->host, &p->policy->thp, &step.thp);
	if (!set && !step.thp.room_kib)
		return 0;
	if (!set)
		step.thp.size_kib = step.thp.room_kib;
	return plan_put_last(p->plan, &step, err);
}

static int make(struct planning *p, struct err *err)
{
	const struct config_thp *thp = &p->policy->thp;
	const struct step_store *store = p->has_store ? &p->store : NULL;
	char why[PLAN_NOTE_SIZE];

	if (!overcommit_rules_small_pages(p->policy) &&
	    thp_rules_obstacle(p->guest, p->host, store, thp->manage ? thp : NULL, why,
			       sizeof(why)))
		plan_note(p->plan, "%s", why);
	return add(p, err);
}

static bool obstacle(const struct guest *guest, const struct guest_policy *policy,
		     const struct host_view *host, char *buf, size_t size)
{
	return !(policy && overcommit_rules_small_pages(policy)) &&
	       thp_rules_obstacle(guest, host, NULL, NULL, buf, size);
}

const struct plan_kind plan_thp = {
	.kind = STEP_THP,
	.section = "thp",
	.optional = true,
	.wanted = wanted,
	.uses_section = uses_section,
	.make = make,
	.adopt = adopt,
	.obstacle = obstacle,
};
