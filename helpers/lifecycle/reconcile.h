/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Giving back: what guests hold that are gone, what they left in stores, and settings that no
 * guest holds any more.
 *
 * DOC: one round under the lock
 *
 * A session is locked, which reads the host once.  Then each ledger that is not alive is given
 * back: its steps are undone, and the ledger is removed.  What is in use still, or lies on a
 * file system that does not answer, stays in the ledger, which waits as "leaving".  Ledgers of
 * an earlier boot hold nothing but files in stores.  Shared settings without a holder are put
 * back at the end.
 *
 * All others wait for the lock meanwhile, so a round has an end: guests that it has not come to
 * are left, said so, and are given back by the next operation.  reconcile() lets the lock go and
 * goes on.
 */
#ifndef MEMBACKING_LIFECYCLE_RECONCILE_H
#define MEMBACKING_LIFECYCLE_RECONCILE_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "steps/steps.h"

struct err;
struct ledger;
struct session;

/* What could not be given back now is given back by a later operation: it is in use for
 * the moment (-EAGAIN), or its file system does not answer */
static inline bool reconcile_waits(int rc)
{
	return rc == -EAGAIN || rc == -ETIMEDOUT;
}

/**
 * struct reconcile_options - What reconcile() gives back
 * @only:	One guest's ledger, as it was read: a later one of the same guest is left alone.
 *		NULL: all that are not alive
 * @force:	@only even if it is alive.  A reservation by hand needs no force
 * @leftovers:	And directories of no running guest in @session's stores
 * @limit_ms:	For all rounds together; 0: one round, and further ones only for what is in use
 */
struct reconcile_options {
	const struct ledger *only;
	bool force;
	bool leftovers;
	uint64_t limit_ms;
};

/**
 * reconcile() - Give back, in as many rounds as it takes
 * @session:	Opened for change.  What came of it is in @session->report.  The lock is let go
 *
 * What is in use is waited for a moment, without the lock.
 * Return: 0, with what is left in the report.  Of @options->only: 0 also when there is no such
 * ledger any more; -EAGAIN or -ETIMEDOUT when something is left; -EBUSY with who keeps the
 * guest alive
 */
int reconcile(struct session *session, const struct reconcile_options *options, struct err *err);

/**
 * reconcile_begin() - session_lock(), one round, and the stores: how most operations begin
 * @own:	UUID whose ledger the caller sees to itself: not given back.  Or NULL
 * @first:	UUID of the guest that the caller is about, given back whatever time it takes.
 *		Or NULL
 *
 * On failure the lock is let go.
 */
int reconcile_begin(struct session *session, uint64_t deadline, const char *own, const char *first,
		    struct err *err);

/**
 * reconcile_ledger() - Give back what one ledger holds and remove it, alive or not
 * @ledger:	The session's, or the caller's own.  It is still to be freed
 *
 * Under the lock.  @session->host is true afterwards, but for the stores.
 * Return: 0, or an error for reconcile_waits() with the ledger left behind as "leaving"
 */
int reconcile_ledger(struct session *session, struct ledger *ledger, enum undo_reason reason,
		     struct err *err);

#endif
