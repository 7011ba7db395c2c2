/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What reconcile and release have in common.
 */
#ifndef MEMBACKING_CTL_SETTLE_H
#define MEMBACKING_CTL_SETTLE_H

#include <jansson.h>

#include "ctl/ctl.h"
#include "lifecycle/round.h"

/**
 * settle_begin() - The state directory, and how long the lock is waited for
 * Return: 0, or -ENOENT if there is no state directory: no guest holds anything
 */
int settle_begin(const struct ctl *ctl, struct state *state, struct round *round, struct err *err);
void settle_end(struct state *state, struct round *round);

json_t *settle_to_json(const struct settled *settled);
void settle_print(const struct settled *settled);

#endif
