/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tiers in files and directories, as they are on this host before a guest uses them.
 */
#ifndef MEMBACKING_CHECK_TIER_ROOMS_H
#define MEMBACKING_CHECK_TIER_ROOMS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "config/config_tiers.h"

struct kfs;
struct overcommit_answer;

/**
 * struct tier_room - One of them
 * @rc, @why:	The pager can't use it
 * @device:	It is a block device
 * @room_kib:	The device's size, or what the file system has free and the file has already
 */
struct tier_room {
	int rc;
	struct err why;
	bool device;
	uint64_t room_kib;
};

/* Of each of @tiers that is in a file or directory.  For seconds at most, and nothing is opened for
 * writing */
void tier_rooms_read(const struct kfs *kfs, const struct config_tiers *tiers,
		     struct tier_room rooms[CONFIG_TIERS_MAX]);

enum tier_room_fit { TIER_ROOM_FITS, TIER_ROOM_SHORT, TIER_ROOM_UNUSABLE };

/**
 * tier_room_judge() - Can a tier have its size there?
 * @memory_kib:	The host's memory
 * @answer:	What the pager says of its tiers; it may not have been asked
 * @why:	Result, unless it can: what is wrong, and what mends it
 *
 * Starts are admitted by the size, so where there is less guests may stand.
 */
enum tier_room_fit tier_room_judge(const struct config_tier *tier, const struct tier_room *room,
				   uint64_t memory_kib, const struct overcommit_answer *answer,
				   struct err *why);

#endif
