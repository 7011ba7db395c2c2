/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host as a guest's next start will find it.  Nothing is changed on the host.
 *
 * DOC: what that is
 *
 * Before prepare plans, it gives back what guests that are gone hold, and what the guest itself
 * holds of an earlier start.  A guest that runs now will have ended by then: its huge pages lie
 * free in the pools, and the rest of its memory is free.  plan and advise show what comes of that
 * host, so there is one simulation of it.  How the host looks without a step is the step's
 * as_if_undone().
 */
#ifndef MEMBACKING_LIFECYCLE_NEXT_START_H
#define MEMBACKING_LIFECYCLE_NEXT_START_H

#include <sys/types.h>

struct err;
struct fragmentation;
struct guest;
struct host_view;
struct kfs;
struct ledger;
struct ledgers;
struct session;

/**
 * next_start() - Change the view of @session, which has been read, so
 * @guest:	The guest that will start
 * @own:	Its ledger, which counts as a dead guest's from now on.  NULL: it has none, or
 *		keeps what it holds
 * @pid:	Its QEMU, as far as its memory can be seen; 0: none
 * @f:		Where free memory lies, changed likewise, for supply_survey(); NULL: unknown, and
 *		@pid is 0
 */
int next_start(struct session *session, const struct guest *guest, struct ledger *own, pid_t pid,
	       struct fragmentation *f, struct err *err);

/* next_start() of a guest that does not run, by the kernel's files about fragmentation: see
 * view_survey_read() */
int next_start_survey(struct session *session, const struct guest *guest, struct ledger *own,
		      struct err *err);

/* ---- its parts ---- */

/* As if the dead among @ledgers had been given back.  @f may be NULL */
void next_start_give_back(const struct ledgers *ledgers, struct host_view *host,
			  struct fragmentation *f);

/* As if the QEMU @pid had ended.  Its ledger is not looked at.
 * Return: 0, or -errno where it can't be seen what it has: nothing is changed */
int next_start_end_qemu(const struct kfs *kfs, pid_t pid, struct host_view *host,
			struct fragmentation *f);

#endif
