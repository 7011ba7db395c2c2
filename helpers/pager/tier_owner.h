/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which host, and which boot of it, has a file that other hosts can see.
 */
#ifndef MEMBACKING_PAGER_TIER_OWNER_H
#define MEMBACKING_PAGER_TIER_OWNER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "kernel/kfs.h"

enum { TIER_OWNER_ID_SIZE = 40, TIER_OWNER_NAME_SIZE = 72 };

/**
 * struct tier_owner - As it is written into the file
 * @boot:	Random, of each boot: no other host has it
 * @machine:	"": not known
 * @name:	Hosts that were cloned have one machine id, but not one name
 */
struct tier_owner {
	char boot[TIER_OWNER_ID_SIZE];
	char machine[TIER_OWNER_ID_SIZE];
	char name[TIER_OWNER_NAME_SIZE];
};

/* Return: 0, also without /etc/machine-id; -errno */
int tier_owner_read(const struct kfs *kfs, struct tier_owner *owner, struct err *err);

/**
 * enum tier_owned - Whose a file is
 * @OWNED_BY_US:	This boot's of this host
 * @OWNED_BEFORE:	An earlier boot's of this host: the guest that had it has ended
 * @OWNED_BY_OTHER:	Another host's, or it can't be told
 */
enum tier_owned { OWNED_BY_US, OWNED_BEFORE, OWNED_BY_OTHER };

/* Pure */
enum tier_owned tier_owner_judge(const struct tier_owner *owner, const struct tier_owner *us);
/* The same at each boot of a host, and hardly another host's.  Pure */
uint32_t tier_owner_tag(const struct tier_owner *owner);

#endif
