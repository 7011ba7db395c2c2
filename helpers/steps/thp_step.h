/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The thp step: the host's settings of transparent huge pages while guests run.
 */
#ifndef MEMBACKING_STEPS_THP_STEP_H
#define MEMBACKING_STEPS_THP_STEP_H

#include "steps/steps.h"

extern const struct step_ops thp_step_ops;

#endif
