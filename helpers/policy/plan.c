// SPDX-License-Identifier: LGPL-2.1-or-later
/* The plan: what each kind of step decides for a guest, put together. */
#include "policy/plan.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/err.h"
#include "policy/plan_kind.h"
#include "policy/refusal.h"

/* In the order of decisions: files in memory have what huge pages leave, and a store may be a
 * tmpfs, which is of interest to THP */
static const struct plan_kind *const kinds[] = { &plan_pages, &plan_store, &plan_ksm, &plan_thp,
						 &plan_overcommit };

_Static_assert(ARRAY_SIZE(kinds) == STEP_KINDS, "each kind of step has its row");

/* ---- needs ---- */

struct plan_needs plan_needs_host(const struct guest *guest, const struct guest_policy *policy,
				  const struct host_view *host)
{
	struct plan_needs needs = { 0 };
	size_t i;

	for (i = 0; i < STEP_KINDS; i++) {
		const struct plan_kind *kind = kinds[i];
		struct plan_need *need = &needs.kinds[kind->kind];

		need->wanted = kind->wanted(guest, policy, host);
		if (need->wanted && (!kind->uses_section || kind->uses_section(guest, policy)))
			need->section = kind->section;
	}
	return needs;
}

/* Is any kind needed that @has says so of? */
static bool any_is(const struct plan_needs *needs, bool (*has)(const struct plan_kind *kind))
{
	size_t i;

	for (i = 0; i < STEP_KINDS; i++)
		if (needs->kinds[kinds[i]->kind].wanted && has(kinds[i]))
			return true;
	return false;
}

static bool is_any(const struct plan_kind *kind)
{
	return kind;
}

static bool is_essential(const struct plan_kind *kind)
{
	return !kind->optional;
}

static bool is_ahead(const struct plan_kind *kind)
{
	return kind->ahead;
}

static bool is_small(const struct plan_kind *kind)
{
	return kind->small;
}

static bool is_of_stores(const struct plan_kind *kind)
{
	return kind->stores;
}

bool plan_needs_any(const struct plan_needs *needs)
{
	return any_is(needs, is_any);
}

bool plan_needs_essential(const struct plan_needs *needs)
{
	return any_is(needs, is_essential);
}

bool plan_needs_ahead(const struct plan_needs *needs)
{
	return any_is(needs, is_ahead);
}

bool plan_needs_stores(const struct plan_needs *needs)
{
	return any_is(needs, is_of_stores);
}

bool plan_needs_section(const struct plan_needs *needs, const char *section)
{
	size_t i;

	for (i = 0; i < STEP_KINDS; i++)
		if (needs->kinds[i].section && !strcmp(needs->kinds[i].section, section))
			return true;
	return false;
}

int plan_refuse(const struct guest *guest, const struct plan_needs *needs, struct err *err)
{
	int rc = 0;
	size_t i;

	for (i = 0; rc == 0 && i < STEP_KINDS; i++)
		if (needs->kinds[kinds[i]->kind].wanted && kinds[i]->refuse)
			rc = kinds[i]->refuse(guest, err);
	return rc;
}

/* ---- notes ---- */

void plan_note(struct plan *plan, const char *fmt, ...)
{
	void *more = reallocarray(plan->notes, plan->n_notes + 1, PLAN_NOTE_SIZE);
	va_list ap;

	if (!more)
		return;
	plan->notes = more;
	va_start(ap, fmt);
	vsnprintf(plan->notes[plan->n_notes++], PLAN_NOTE_SIZE, fmt, ap);
	va_end(ap);
}

const char *plan_doubt(const struct plan *plan)
{
	return plan->doubt ? plan->notes[plan->doubt - 1] : "";
}

void plan_note_obstacles(const struct guest *guest, const struct guest_policy *policy,
			 const struct host_view *host, const struct plan_needs *needs,
			 struct plan *plan)
{
	char why[PLAN_NOTE_SIZE];
	size_t i;

	for (i = 0; i < STEP_KINDS && !any_is(needs, is_small); i++)
		if (!needs->kinds[kinds[i]->kind].wanted && kinds[i]->obstacle &&
		    kinds[i]->obstacle(guest, policy, host, why, sizeof(why)))
			plan_note(plan, "%s", why);
}

/* ---- the list ---- */

static int put(struct plan *plan, size_t at, const struct step *step, struct err *err)
{
	struct step_list *list = &plan->list;
	struct step *more = reallocarray(list->steps, list->n + 1, sizeof(*more));

	if (!more)
		return err_nomem(err);
	memmove(more + at + 1, more + at, (list->n - at) * sizeof(*more));
	more[at] = *step;
	list->steps = more;
	list->n++;
	return 0;
}

int plan_put_first(struct plan *plan, const struct step *step, struct err *err)
{
	return put(plan, 0, step, err);
}

int plan_put_last(struct plan *plan, const struct step *step, struct err *err)
{
	return put(plan, plan->list.n, step, err);
}

void step_free(struct step *step)
{
	size_t i;

	for (i = 0; i < STEP_KINDS; i++)
		if (kinds[i]->kind == step->kind && kinds[i]->free)
			kinds[i]->free(step);
}

void plan_free(struct plan *plan)
{
	size_t i;

	for (i = 0; i < plan->list.n; i++)
		step_free(&plan->list.steps[i]);
	free(plan->list.steps);
	free(plan->notes);
	plan->list.steps = NULL;
	plan->list.n = 0;
	plan->notes = NULL;
	plan->n_notes = 0;
}

/* ---- the plan ---- */

/* Refusals that free memory can't help */
static int check_refusal(const struct planning *planning, struct err *err)
{
	struct err why;
	enum refusal found = refusal_find(planning->guest, planning->host,
					  planning->policy->hugepages.manage, NULL, &why);

	if (found == REFUSAL_MOUNT_YET)
		plan_note(planning->plan, "%s", why.text);
	else if (found && err)
		*err = why;
	switch (found) {
	case REFUSAL_NONE:
	case REFUSAL_MOUNT_YET:
		return 0;
	case REFUSAL_LIMIT:
		return -ENOSPC;
	case REFUSAL_DEFINITION:
	case REFUSAL_KVM:
		return -EINVAL;
	case REFUSAL_NODE:
	case REFUSAL_SIZE:
	case REFUSAL_MOUNT:
		break;
	}
	return -ENODEV;
}

static int make_kind(const struct plan_kind *kind, struct planning *planning, struct err *err)
{
	return kind->make(planning, err);
}

static int adopt_kind(const struct plan_kind *kind, struct planning *planning, struct err *err)
{
	return kind->adopt ? kind->adopt(planning, err) : 0;
}

/* Those kinds that @in says so of, by @add */
static int make(const struct guest *guest, const struct host_view *host,
		const struct guest_policy *policy, bool (*in)(const struct plan_kind *kind),
		int (*add)(const struct plan_kind *kind, struct planning *planning,
			   struct err *err),
		struct plan *plan, struct err *err)
{
	const struct plan_needs needs = plan_needs_host(guest, policy, host);
	struct plan result = { .ksm = ksm_rules_gain(guest, policy->ksm_allowed) };
	struct planning planning = {
		.guest = guest, .host = host, .policy = policy, .plan = &result
	};
	bool ask = false;
	int rc;
	size_t i;

	for (i = 0; i < STEP_KINDS; i++)
		ask = ask || (needs.kinds[kinds[i]->kind].wanted && in(kinds[i]) &&
			      is_essential(kinds[i]));
	/* libvirt refuses no guest that runs */
	rc = ask && add == make_kind ? check_refusal(&planning, err) : 0;
	for (i = 0; rc == 0 && i < STEP_KINDS; i++)
		if (needs.kinds[kinds[i]->kind].wanted && in(kinds[i]))
			rc = add(kinds[i], &planning, err);
	if (rc < 0)
		plan_free(&result);
	else
		*plan = result;
	return rc;
}

int plan_make(const struct guest *guest, const struct host_view *host,
	      const struct guest_policy *policy, struct plan *plan, struct err *err)
{
	return make(guest, host, policy, is_any, make_kind, plan, err);
}

int plan_make_pages(const struct guest *guest, const struct host_view *host,
		    const struct guest_policy *policy, struct plan *plan, struct err *err)
{
	return make(guest, host, policy, is_ahead, make_kind, plan, err);
}

int plan_adopt(const struct guest *guest, const struct host_view *host,
	       const struct guest_policy *policy, struct plan *plan, struct err *err)
{
	return make(guest, host, policy, is_any, adopt_kind, plan, err);
}
