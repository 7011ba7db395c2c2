/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Shared settings: /run/libvirt-membacking/shared/NAME, one file each.
 *
 * Written before the first change.  A setting whose holders are gone, whether they
 * were released or died, is put back by the next session with the host lock.
 */
#ifndef MEMBACKING_LIFECYCLE_SHARED_H
#define MEMBACKING_LIFECYCLE_SHARED_H

#include "lifecycle/ledger.h"
#include "steps/steps.h"

struct state;

int shared_write(const struct state *state, const char *boot_id,
		 const struct shared_setting *setting, struct err *err);

/**
 * shared_load() - What is written down of one setting
 * Return: 0; -ENOENT also for a setting of another boot; -EINVAL for a damaged file
 */
int shared_load(const struct state *state, const char *boot_id, const char *name,
		struct shared_setting *setting, struct err *err);

/**
 * shared_put_back() - Put back every setting that no ledger holds, in the order of names
 * @ledgers:	All there are: living ones, and those that wait to be given back
 *
 * Settings of another boot are forgotten.  What can't be put back yet stays.
 * Return: 0, or -EAGAIN with the first thing that is still in use
 */
int shared_put_back(const struct kfs *kfs, const struct state *state, const char *boot_id,
		    const struct ledgers *ledgers, struct err *err);

/* Is any setting of @kind still to be put back, since no ledger holds it any more?  For
 * those who only look: the holder of the lock may be doing that */
bool shared_waits(const struct state *state, const char *boot_id, const struct ledgers *ledgers,
		  enum step_kind kind);

#endif
