/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reserving huge pages by hand: ahead of a start, or for a device that will be
 * plugged into a running guest.
 *
 * DOC: what a reservation is
 *
 * Steps in the guest's ledger, like those of a start, and so they go back with the
 * guest.  Ahead of a start the ledger's phase is "reserved", and the start adopts it.
 * Of a running guest the phase stays what it is.
 *
 * Growth is appended to what the guest holds already.  Until it is complete nothing of
 * that is touched, so that a reservation that fails, or is interrupted, can be taken
 * back to what was before.
 */
#ifndef MEMBACKING_LIFECYCLE_RESERVE_H
#define MEMBACKING_LIFECYCLE_RESERVE_H

#include "policy/plan.h"

struct err;
struct guest;
struct ledger;
struct session;

/**
 * reserve_for_start() - All the huge pages that @guest's next start will ask for
 * @session:	Opened for change.  The lock is let go
 * @ledger:	Result: what the guest holds now, freed by ledger_free()
 * @plan:	Result: its notes; freed by plan_free()
 *
 * What was reserved before and fits is kept, the rest given back.  Takes as long as it
 * takes: from the first page on, interrupts are caught and end it.
 * Return: 0; -EINVAL (it asks for none, or they are not managed); -EBUSY (it runs, or
 * is being started, or reserved for by another command); -ECANCELED (another operation,
 * a start among them, took it over); -EINTR; and as plan_make()
 */
int reserve_for_start(struct session *session, const struct guest *guest, struct ledger **ledger,
		      struct plan *plan, struct err *err);

/**
 * reserve_for_plug() - Huge pages beside those that a running guest has
 * @extra:	The guest's name and UUID, and what will be plugged as its memory
 *
 * As reserve_for_start().  Return: also -ESRCH if the guest does not run
 */
int reserve_for_plug(struct session *session, const struct guest *extra, struct ledger **ledger,
		     struct plan *plan, struct err *err);

#endif
