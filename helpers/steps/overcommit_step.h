/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The overcommit step: a guest under the pager.
 */
#ifndef MEMBACKING_STEPS_OVERCOMMIT_STEP_H
#define MEMBACKING_STEPS_OVERCOMMIT_STEP_H

#include "steps/steps.h"

extern const struct step_ops overcommit_step_ops;

#endif
