/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a guest's table of slots in a file says to those who don't have its tiers open.
 */
#ifndef MEMBACKING_PAGER_TIER_FILE_H
#define MEMBACKING_PAGER_TIER_FILE_H

#include "pager/tier.h"

/**
 * tier_file_reserve() - The extents of a guest that an earlier daemon had
 * @directory:	Descriptor of the guest's directory
 *
 * For each guest before the first one is gone on with: no other may get its extents.
 *
 * Return: 0, also if it has none; -errno
 */
int tier_file_reserve(int directory, struct tier_stores *stores, struct err *err);

/* The guest's files are about to be removed, and its tiers are closed: its extents are free, and
 * their content goes */
void tier_file_forget(int directory, struct tier_stores *stores);

#endif
