/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What prepare would do for a guest as things are now.  Changes nothing.
 */
#ifndef MEMBACKING_LIFECYCLE_DRY_RUN_H
#define MEMBACKING_LIFECYCLE_DRY_RUN_H

#include "policy/plan.h"

struct err;
struct guest;
struct kfs;

/**
 * struct dry_run - The plan, or why there is none
 * @nothing:	Why @plan has no steps; empty if it has some
 */
struct dry_run {
	struct plan plan;
	char nothing[PLAN_NOTE_SIZE];
};

/**
 * dry_run() - Decide as prepare does
 * @result:	Its plan is freed by plan_free(); unchanged on failure
 * Return: 0, or -errno with the sentence that prepare would refuse the start with
 */
int dry_run(const struct kfs *kfs, const struct guest *guest, struct dry_run *result,
	    struct err *err);

#endif
