/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Guests that run, put under the pager, given another limit, and taken from it again.
 *
 * What a start does for a guest whose configuration says so, commands do for one that runs.
 * (Ledgers for guests that were started without the hooks: lifecycle/adoption.h.)
 */
#ifndef MEMBACKING_LIFECYCLE_OVERCOMMIT_H
#define MEMBACKING_LIFECYCLE_OVERCOMMIT_H

#include "config/config_amount.h"

struct err;
struct guest;
struct session;

/**
 * overcommit_put() - Have a running guest paged with this limit
 * @session:	Opened for change, with its configuration and stores; not locked, before and after
 * @guest:	As it runs
 * @resident:	A percentage is one of its memory
 *
 * Admitted and written down first, as at a start; then the pager is asked, without the lock.
 * If that fails, the guest's record is as before.
 * Return: 0; -EINVAL, -ENODEV: it can't be paged; -ENOSPC: it does not fit; -ESRCH: it does not
 * run; what the pager says
 */
int overcommit_put(struct session *session, const struct guest *guest,
		   const struct config_amount *resident, struct err *err);

/* Another limit for a guest that is under the pager.  Return: as above; -ENOENT: it isn't */
int overcommit_change(struct session *session, const struct guest *guest,
		      const struct config_amount *resident, struct err *err);

/**
 * overcommit_take() - All of its memory back into RAM, and no step of this kind in its record
 * @session:	As above
 *
 * Return: 0; -ENOENT: it is not under the pager; -ENOMEM: it does not fit, and stays as it is;
 * what the pager says
 */
int overcommit_take(struct session *session, const struct guest *guest, struct err *err);

#endif
