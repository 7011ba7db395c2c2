/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Taking over: what was reserved by hand becomes part of the steps of a start.
 */
#ifndef MEMBACKING_STEPS_TAKE_OVER_H
#define MEMBACKING_STEPS_TAKE_OVER_H

#include "policy/step.h"

/**
 * steps_take_over() - Planned steps take over pages that earlier steps hold
 * @list:	What a guest holds, and behind it, from step @first on, what is planned for it
 *
 * Each planned share gets as many pages as its "reserved" says, and the planned steps come
 * first in @list.  Behind them is what is left of the others, for the caller to give back.  It
 * keeps the pages that the pool was grown by, as far as possible: those can go back, and idle
 * ones are let go of.  Steps that hold nothing any more are removed.
 * Return: how many steps are planned
 */
size_t steps_take_over(struct step_list *list, size_t first);

/**
 * steps_append() - Move all steps of @more to the end of @list
 * Return: 0, or -ENOMEM with nothing changed
 */
int steps_append(struct step_list *list, struct step_list *more);

#endif
