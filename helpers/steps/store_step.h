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

#endif
