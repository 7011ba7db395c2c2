/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What reconcile and release have in common.
 */
#ifndef MEMBACKING_CTL_SETTLE_H
#define MEMBACKING_CTL_SETTLE_H

#include <jansson.h>

#include "ctl/ctl.h"
#include "lifecycle/round.h"
#include "lifecycle/state.h"

struct config;

/* For progress_wait(): until the lock is had, and until pages are idle */
#define SETTLE_WAIT "giving back"

/* What it takes to settle: rounds and where they write */
struct settling {
	struct config *config;
	struct state state;
	struct round round;
};

/**
 * settle_begin() - The configuration, the state directory, how long the lock is waited for
 * @create:	Make the state directory where it is missing
 * Return: 0, or -ENOENT if there is no state directory: no guest holds anything.
 * To be ended by settle_end() in any case
 */
int settle_begin(const struct ctl *ctl, bool create, struct settling *settling, struct err *err);
void settle_end(struct settling *settling);

json_t *settle_to_json(const struct settled *settled);
void settle_print(const struct settled *settled);

#endif
