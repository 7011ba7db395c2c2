/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The tiers of this host, as the configuration has them: their sizes, which all guests share.
 */
#ifndef MEMBACKING_PAGER_TIER_BUDGETS_H
#define MEMBACKING_PAGER_TIER_BUDGETS_H

#include <stddef.h>
#include <stdint.h>

#include "config/config_tiers.h"
#include "pager/tier.h"

/**
 * struct tier_budgets
 * @budget:	One a kind.  It stays at its place, for guests point to it
 * @spec:	What a guest that comes now gets
 * @stores:	The files of tiers; NULL: there can be none
 */
struct tier_budgets {
	struct tier_stores *stores;
	struct tier_budget budget[TIER_KINDS];
	struct tier_spec spec[TIERS_MAX];
	size_t n;
};

/**
 * tier_budgets_set() - As the configuration says
 * @encrypt:	Files take pages only on dm-crypt
 * @host_kib:	The host's memory
 *
 * Again after a change of the configuration: guests that run have the new sizes at once.  A tier
 * that is gone from it takes nothing more; one that is new is for guests that come later.
 */
void tier_budgets_set(struct tier_budgets *budgets, const struct config_tiers *tiers, bool encrypt,
		      uint64_t host_kib);

const char *tier_budget_name(enum tier_kind kind);

/* What all their files may take together, in bytes, with maps and journals of guests */
uint64_t tier_budgets_file_bytes(const struct tier_budgets *budgets, uint64_t host_kib);

#endif
