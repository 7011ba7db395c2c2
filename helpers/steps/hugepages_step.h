/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The hugepages step: a guest's pages of one size and one binding.
 */
#ifndef MEMBACKING_STEPS_HUGEPAGES_STEP_H
#define MEMBACKING_STEPS_HUGEPAGES_STEP_H

#include "steps/steps.h"

extern const struct step_ops hugepages_step_ops;

#endif
