/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The decision: guest x host x policy -> steps.  Pure: no I/O, no clock.
 */
#ifndef MEMBACKING_POLICY_PLAN_H
#define MEMBACKING_POLICY_PLAN_H

#include "policy/config.h"
#include "policy/host_view.h"
#include "policy/step.h"

#define PLAN_NOTES_MAX 4
#define PLAN_NOTE_SIZE 256

/**
 * struct plan - What a guest's start needs.  Often nothing
 * @notes:	Words for the log: decisions an administrator may wonder about
 */
struct plan {
	struct step_list list;
	size_t n_notes;
	char notes[PLAN_NOTES_MAX][PLAN_NOTE_SIZE];
};

/* Sections of the configuration that a guest's plan depends on */
struct plan_needs {
	bool hugepages;
	bool store;
};

/**
 * plan_needs_host() - Would plan_make() look at the host at all?
 *
 * Neither for a guest without huge pages (or with "manage = no") and without
 * file-backed memory: then nothing is read, locked or written.
 */
struct plan_needs plan_needs_host(const struct guest *guest, const struct guest_policy *policy);

/**
 * plan_make() - Decide the steps
 * @plan:	Result, freed by plan_free(); unchanged on failure
 *
 * Return: 0; -ENOSPC when the nodes can't have that many pages, with what was
 * asked, what there is, where, and what would help; -ENODEV for a node or a page
 * size that the host doesn't have; -ENOMEM.
 */
int plan_make(const struct guest *guest, const struct host_view *host,
	      const struct guest_policy *policy, struct plan *plan, struct err *err);

void plan_free(struct plan *plan);

#endif
