/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What tiers.c asks of one kind of tier.  The contracts are those of tier.h.
 */
#ifndef MEMBACKING_PAGER_TIER_OPS_H
#define MEMBACKING_PAGER_TIER_OPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pager/ram.h"
#include "pager/tier.h"

/**
 * struct tier_ops - One kind of tier
 * @slow:	Of tiers that may have to be waited for.  These have @put and what comes after it,
 *and no @store
 * @open:	@spec is NULL if the configuration has it no more: for reading alone.  Where there
 *is nothing to be read *tier may stay NULL
 * @store:	-ENOSPC also for a page that this kind does not take
 */
struct tier_ops {
	bool slow;
	int (*open)(void **tier, int directory, struct tier_stores *stores,
		    const struct tier_spec *spec, bool fresh, struct err *err);
	void (*close)(void *tier);
	int (*claim)(void *tier, uint64_t slot);
	int (*ready)(void *tier, struct err *err);
	int (*store)(void *tier, const void *page, uint64_t *slot);
	int (*load)(void *tier, uint64_t slot, void *page);
	bool (*holds)(void *tier, uint64_t slot, const void *page);
	void (*free)(void *tier, uint64_t slot);
	void (*usage)(const void *tier, struct tier_usage *usage);
	int (*put)(void *tier, const void *pages, size_t n, uint64_t *slots, struct err *err);
	void (*fetch)(void *tier, const uint64_t *slots, size_t n, void *pages, int *rc);
	void (*tidy)(void *tier);
	const char *(*path)(const void *tier);
	void (*why)(void *tier, struct err *why);
};

extern const struct tier_ops tier_same_ops;
extern const struct tier_ops tier_ram_ops;
extern const struct tier_ops tier_file_ops;

#endif
