/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What steps are given to work with: a ledger to write down what they do, within a session.
 */
#ifndef MEMBACKING_LIFECYCLE_STEP_RUN_H
#define MEMBACKING_LIFECYCLE_STEP_RUN_H

#include <stdint.h>

#include "steps/steps.h"

struct err;
struct ledger;
struct session;

/* @ctx is the first member's: steps get its address, and its functions find the rest */
struct step_run {
	struct step_ctx ctx;
	struct session *session;
	struct ledger *ledger;
};

/**
 * step_run_begin() - Fill @run for the steps of @ledger
 * @deadline:	clock_ms() when steps give up
 *
 * Without ctx.pause: what gives back holds the lock throughout.
 */
void step_run_begin(struct step_run *run, struct session *session, struct ledger *ledger,
		    uint64_t deadline);

struct step_run *step_run_of(struct step_ctx *ctx);

/* Write the ledger down */
int step_run_save(struct step_run *run, struct err *err);

/* Note in planned steps what applying them would find out */
void step_run_foresee(struct session *session, struct step_list *list);

#endif
