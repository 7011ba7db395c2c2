/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Giving back by hand what one guest holds.
 */
#ifndef MEMBACKING_LIFECYCLE_RELEASE_H
#define MEMBACKING_LIFECYCLE_RELEASE_H

#include <stdbool.h>

struct err;
struct round;
struct settled;

/**
 * release_guest() - Settle the guest of this name or UUID
 * @round:	From round_init(), with an open state directory
 * @force:	Even if it is alive; and a ledger that can't be read is removed,
 *		so that what it held stays in the pools
 * @settled:	Result: what came of it
 *
 * Return: 0; -ENOENT (holds nothing), -EBUSY (alive), -EEXIST (a ledger of
 * another version), -EINVAL (a damaged one), ...
 */
int release_guest(struct round *round, const char *guest, bool force, struct settled *settled,
		  struct err *err);

#endif
