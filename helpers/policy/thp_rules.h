/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Decisions about transparent huge pages: who gains, and what stands in the way.  Pure.
 *
 * DOC: which setting governs what
 *
 * QEMU asks for huge pages (MADV_HUGEPAGE) for all of a guest's memory.  For anonymous
 * memory "enabled" has to allow that, for a memfd "shmem_enabled".  For a file in a tmpfs
 * it is the tmpfs's own mount option huge=, unless "shmem_enabled" is "deny" or "force".
 * Files on a disk's file system get none.
 *
 * That is needed, and not enough for a memfd and a tmpfs: the kernel has a huge page there
 * only if the mapping begins at a multiple of its size, too.  QEMU 7.2 was seen to leave
 * that to chance, so what came of it shows in the running guest's ShmemPmdMapped alone.
 */
#ifndef MEMBACKING_POLICY_THP_RULES_H
#define MEMBACKING_POLICY_THP_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "policy/host_view.h"
#include "policy/step.h"

struct guest;

/* Memory that can lie in transparent huge pages wherever the guest's files are, in KiB */
uint64_t thp_rules_size(const struct guest *guest);

/* Does @store, mounted or about to be, lie in a tmpfs? */
bool thp_rules_in_tmpfs(const struct host_view *host, const struct step_store *store);

/**
 * thp_rules_wanted() - Does the configuration want settings to be changed for this guest?
 * @tmpfs:	Its files lie in a tmpfs
 */
bool thp_rules_wanted(const struct guest *guest, const struct guest_policy *policy, bool tmpfs);

void thp_rules_fill(const struct guest *guest, const struct guest_policy *policy, bool tmpfs,
		    struct step_thp *step);

/* Does the configuration have room made for guests that can have such pages? */
bool thp_rules_makes_room(const struct config_thp *thp);

/**
 * thp_rules_room() - For how much of a guest free blocks are wanted, and where
 * @thp:	What the configuration says, "manage" included
 * @step:	room_kib and what belongs to it; room_kib 0: none is made
 *
 * Without a <numatune> those are the nodes of the processors that its vCPUs are pinned to: where
 * its memory lies is decided when they touch it.
 */
void thp_rules_room(const struct guest *guest, const struct host_view *host,
		    const struct config_thp *thp, struct step_thp *step);

/* The value of "huge=" among mount options; empty where there is none */
void thp_rules_huge(const char *options, char word[THP_WORD_SIZE]);

/**
 * thp_rules_obstacle() - Why memory of this guest can't lie in transparent huge pages
 * @store:	Where its files lie, or are about to; NULL: it has none, or that is unknown
 * @settings:	Applied before the guest starts; NULL: the host's stay, since no guest wants
 *		them managed.  Then nothing is said of "enabled": that the host's programs
 *		go without is a choice, while few know of "shmem_enabled"
 * @buf:	One sentence, without full stop, that says what would help
 * Return: false where nothing stands in the way
 */
bool thp_rules_obstacle(const struct guest *guest, const struct host_view *host,
			const struct step_store *store, const struct config_thp *settings,
			char *buf, size_t size);

/**
 * thp_rules_store_obstacle() - thp_rules_obstacle() ahead of any plan
 * @store:	Where the guest's files would lie; NULL as there
 * @thp:	What the configuration says, "manage" included
 */
bool thp_rules_store_obstacle(const struct guest *guest, const struct host_view *host,
			      const struct store_view *store, const struct config_thp *thp,
			      char *buf, size_t size);

#endif
