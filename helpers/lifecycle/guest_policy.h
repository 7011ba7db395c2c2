/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What prepare and its dry run decide alike, before the plan is made.
 */
#ifndef MEMBACKING_LIFECYCLE_GUEST_POLICY_H
#define MEMBACKING_LIFECYCLE_GUEST_POLICY_H

#include <stdbool.h>

#include "config/config.h"
#include "policy/plan.h"

struct err;
struct guest;
struct kfs;
struct ledger;
struct session;

/**
 * guest_policy_asks() - Can there be anything to do for the guest?
 *
 * If not, no configuration is read.  Where there is none, that is so for guests that ask
 * for nothing and gain nothing of what is done by default.
 */
bool guest_policy_asks(const struct kfs *kfs, const struct guest *guest);

/**
 * struct decided - What the configuration means for a guest
 * @needs:	Nothing of it set: the guest needs nothing
 */
struct decided {
	struct config *config;
	struct guest_policy policy;
	struct plan_needs needs;
};

/**
 * guest_policy_decide() - Read the configuration and what it means for @guest
 * @hook:	Log as the configuration says from now on, and all that is wrong
 *		with it but the result.  Else warnings only: a bad value that matters
 *		is the result
 * @decided:	Freed by decided_free(), on failure too
 *
 * Return: 0, or -EINVAL for a bad value that concerns this guest
 */
int guest_policy_decide(const struct kfs *kfs, const struct guest *guest, bool hook,
			struct decided *decided, struct err *err);

void decided_free(struct decided *decided);

/* Pages and settings that the guest has from an earlier start */
enum own_ledger {
	OWN_NONE,
	OWN_SAME_START, /* this very start was prepared before: nothing to do */
	OWN_RUNNING,	/* a QEMU of the guest runs: nothing to do */
	OWN_RESERVED,	/* by hand: the start takes it over */
	OWN_LEFTOVER,	/* given back first */
};

/**
 * guest_policy_own() - What to do about the guest's own ledger
 * @ledger:	Set for everything but OWN_NONE
 * Return: enum own_ledger, or -EEXIST for a ledger of another version, -EINVAL for
 * one that can't be read: what it holds would be lost
 */
int guest_policy_own(const struct session *session, const struct guest *guest,
		     struct ledger **ledger, struct err *err);

#endif
