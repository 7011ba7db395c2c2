/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is decided of one kind of step: a row of the table in plan.c.
 *
 * Pure, as all decisions.  What is done of it is the kind's struct step_ops in steps/.
 */
#ifndef MEMBACKING_POLICY_PLAN_KIND_H
#define MEMBACKING_POLICY_PLAN_KIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/plan.h"

/**
 * struct planning - A plan in the making.  Kinds find here what those before them decided
 * @grown_kib:	Memory of the host that the guest's huge pages take
 * @has_store, @store: Where its files lie, or are about to
 */
struct planning {
	const struct guest *guest;
	const struct host_view *host;
	const struct guest_policy *policy;
	struct plan *plan;
	uint64_t grown_kib;
	bool has_store;
	struct step_store store;
};

/**
 * struct plan_kind - One kind
 * @section:	Of the configuration, that it depends on
 * @optional:	A guest is better off with it, and can start without
 * @ahead:	It can be reserved ahead of a start, by hand
 * @stores:	It is decided by the stores in the host view
 * @small:	Its guests' memory must lie in small pages: what keeps transparent huge ones away is
 *		no obstacle
 * @wanted:	Is there anything to decide for the guest?  Of @host only what the kernel has is
 *		known: see plan_needs_host()
 * @uses_section: Does a bad value in @section keep the guest from starting?  NULL: if wanted
 * @make:	Add the steps, and notes, to the plan.  Return: 0 or -errno, as plan_make()
 * @adopt:	Add what a guest may still come to use that runs already, and was started without
 *		us.  Only -ENOMEM.  NULL: nothing
 * @refuse:	What in the guest's definition keeps it from starting, whatever the host says. NULL:
 *		nothing.  Return: 0 or -EINVAL
 * @obstacle:	What to tell those who ask about a guest for which it is not wanted.  May be NULL.
 *		Return: false: nothing
 * @free:	What a step of this kind has allocated.  May be NULL
 */
struct plan_kind {
	enum step_kind kind;
	const char *section;
	bool optional;
	bool ahead;
	bool stores;
	bool small;
	bool (*wanted)(const struct guest *guest, const struct guest_policy *policy,
		       const struct host_view *host);
	bool (*uses_section)(const struct guest *guest, const struct guest_policy *policy);
	int (*make)(struct planning *planning, struct err *err);
	int (*adopt)(struct planning *planning, struct err *err);
	int (*refuse)(const struct guest *guest, struct err *err);
	bool (*obstacle)(const struct guest *guest, const struct guest_policy *policy,
			 const struct host_view *host, char *buf, size_t size);
	void (*free)(struct step *step);
};

extern const struct plan_kind plan_pages, plan_store, plan_ksm, plan_thp, plan_overcommit;

/* Return: 0 or -ENOMEM */
int plan_put_first(struct plan *plan, const struct step *step, struct err *err);

/* Last in the list: should the others fail, the host's settings were never touched */
int plan_put_last(struct plan *plan, const struct step *step, struct err *err);

#endif
