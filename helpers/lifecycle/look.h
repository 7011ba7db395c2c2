/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host, its stores and its guests, for commands that only look.
 */
#ifndef MEMBACKING_LIFECYCLE_LOOK_H
#define MEMBACKING_LIFECYCLE_LOOK_H

#include "config/config.h"
#include "lifecycle/round.h"
#include "lifecycle/state.h"

/**
 * struct look - What round_look() needs and finds
 * @round:	With @config, so that stores are looked at
 */
struct look {
	struct state state;
	struct config *config;
	struct round round;
};

/* Everything but round_look() itself.  A missing state directory is one without ledgers.
 * After a failure there is nothing to end, but look_end() is harmless */
int look_begin(const struct kfs *kfs, struct look *look, struct err *err);
void look_end(struct look *look);

/**
 * look_around() - round_look(), and without stores if those can't be looked at
 * @why:	Why they could not: then @round.host.stores_read is false, and there are none
 */
int look_around(struct look *look, struct err *why, struct err *err);

#endif
