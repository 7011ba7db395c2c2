/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ksm step: KSM runs while a guest that gains from it does.
 */
#ifndef MEMBACKING_STEPS_KSM_STEP_H
#define MEMBACKING_STEPS_KSM_STEP_H

#include "steps/steps.h"

extern const struct step_ops ksm_step_ops;

#endif
