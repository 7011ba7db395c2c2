/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Giving back by hand what one guest holds.
 */
#ifndef MEMBACKING_LIFECYCLE_RELEASE_H
#define MEMBACKING_LIFECYCLE_RELEASE_H

#include <stdbool.h>

struct err;
struct reconciled_guest;
struct session;

/**
 * release_guest() - Give back what the guest of this name or UUID holds
 * @session:	Opened for change.  The lock is let go
 * @force:	Even if it is alive; and a ledger that can't be read is removed,
 *		so that what it held stays in the pools
 * @result:	What came of it
 *
 * Return: 0; -ENOENT (holds nothing), -EBUSY (alive), -EEXIST (a ledger of
 * another version), -EINVAL (a damaged one), ...
 */
int release_guest(struct session *session, const char *guest, bool force,
		  struct reconciled_guest *result, struct err *err);

#endif
