/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Taking over: what was reserved by hand becomes part of the steps of a start.
 */
#ifndef MEMBACKING_STEPS_TAKE_OVER_H
#define MEMBACKING_STEPS_TAKE_OVER_H

#include "policy/step.h"

/**
 * steps_take_over() - Move pages from reserved steps to the steps that want them
 * @to:		Planned: each share gets as many as its "reserved" says
 * @from:	The steps that hold them.  Those that hold nothing any more are removed
 *
 * What stays in @from is given back.  It keeps the pages that the pool was grown
 * by, as far as possible: those can go back, and idle ones are let go of.
 */
void steps_take_over(struct step_list *to, struct step_list *from);

/**
 * steps_append() - Move all steps of @more to the end of @list
 * Return: 0, or -ENOMEM with nothing changed
 */
int steps_append(struct step_list *list, struct step_list *more);

#endif
