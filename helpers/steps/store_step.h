/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The store step: a guest's memory in files, and the mount it needs.
 */
#ifndef MEMBACKING_STEPS_STORE_STEP_H
#define MEMBACKING_STEPS_STORE_STEP_H

#include "steps/steps.h"

extern const struct step_ops store_step_ops;

/* Before a guest is refused for want of room: file systems free it with a delay */
#define STORE_ADMIT_TRIES   5
#define STORE_ADMIT_WAIT_MS 50

/* @view->state and what follows from it, as things are now */
int store_read_view(const struct kfs *kfs, struct store_view *view, struct err *err);

/* The files of a guest where they were planned */
struct store_use store_step_use(const struct kfs *kfs, const struct step_store *store);

/* Those in @store->lies_in; none if that is empty */
struct store_use store_step_use_elsewhere(const struct kfs *kfs, const struct step_store *store);

#endif
