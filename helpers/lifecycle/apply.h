/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Applying the steps of a ledger, under the host lock.
 */
#ifndef MEMBACKING_LIFECYCLE_APPLY_H
#define MEMBACKING_LIFECYCLE_APPLY_H

#include <stddef.h>
#include <stdint.h>

struct err;
struct ledger;
struct session;

/**
 * apply_ledger() - Apply @ledger's steps, saving it before and after each change
 *
 * The lock may be let go and taken again in between.  On failure everything is
 * undone and the ledger removed.
 * Return: also -ECANCELED, if another operation has released the guest meanwhile
 */
int apply_ledger(struct session *session, struct ledger *ledger, uint64_t deadline,
		 struct err *err);

/**
 * apply_missing() - Apply those of @ledger's steps that are not complete
 *
 * For a guest that runs already, whatever comes of it: nothing is undone on failure.
 */
int apply_missing(struct session *session, struct ledger *ledger, uint64_t deadline,
		  struct err *err);

/**
 * apply_more() - Apply the steps of @ledger from @first on, and save it
 *
 * As apply_ledger(), but what failed takes only these steps with it: those before
 * @first stay as they are, and so does the ledger.
 */
int apply_more(struct session *session, struct ledger *ledger, size_t first, uint64_t deadline,
	       struct err *err);

/**
 * apply_undo() - Take back the steps of @ledger from @first on
 * Return: 0, or -EAGAIN with what is still in use left in @ledger
 */
int apply_undo(struct session *session, struct ledger *ledger, size_t first, struct err *err);

#endif
