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

/* What @put makes of a page that it does not take: no room, or it would save too little */
#define SLOT_NONE    UINT64_MAX
#define SLOT_NO_GAIN (UINT64_MAX - 1)

/**
 * struct tier_ops - One kind of tier
 * @lower:	Pages come there from other tiers alone: it has @put, and no @store
 * @slow:	Of tiers that may have to be waited for.  These have what comes after @put
 * @open:	@spec is NULL if the configuration has it no more: for reading alone.  Where there
 *is nothing to be read *tier may stay NULL
 * @store:	-ENOSPC also for a page that this kind does not take
 * @put:	@now: bytes that each takes where it is.  0: some are taken, or have no gain; else
 *none
 * @keeps:	NULL: a page that is loaded keeps its slot
 * @length:	Bytes of a slot's content; NULL: of a page
 * @slab_filled: As of tiers_slab_filled(); NULL: it has no slabs
 * @own:	Bytes that it has besides slots; NULL: few
 */
struct tier_ops {
	bool lower, slow;
	int (*open)(void **tier, int directory, struct tier_stores *stores,
		    const struct tier_spec *spec, bool fresh, struct err *err);
	void (*close)(void *tier);
	int (*claim)(void *tier, uint64_t slot);
	int (*ready)(void *tier, struct err *err);
	int (*store)(void *tier, const void *page, uint64_t *slot);
	int (*load)(void *tier, uint64_t slot, void *page);
	bool (*holds)(void *tier, uint64_t slot, const void *page);
	bool (*keeps)(const void *tier);
	void (*free)(void *tier, uint64_t slot);
	void (*usage)(const void *tier, struct tier_usage *usage);
	size_t (*length)(const void *tier, uint64_t slot);
	unsigned int (*slab_filled)(const void *tier, uint64_t slot);
	size_t (*own)(const void *tier);
	int (*put)(void *tier, const void *pages, const size_t *now, size_t n, uint64_t *slots,
		   struct err *err);
	void (*fetch)(void *tier, const uint64_t *slots, size_t n, void *pages, int *rc);
	void (*tidy)(void *tier);
	void (*give_up)(void *tier);
	const char *(*path)(const void *tier);
	bool (*silent)(const void *tier);
	void (*why)(void *tier, struct err *why);
	int (*lend)(void *tier, uint64_t slot, struct tier_location *location, struct err *err);
	void (*let_go)(void *tier);
	int (*lent_file)(const void *tier, struct tier_file_id *file);
	int (*borrow)(void *tier, const struct tier_location *location, uint64_t *slot);
};

extern const struct tier_ops tier_same_ops;
extern const struct tier_ops tier_ram_ops;
extern const struct tier_ops tier_file_ops;
extern const struct tier_ops tier_zstd_ops;
extern const struct tier_ops tier_directory_ops;
extern const struct tier_ops tier_borrowed_ops;

/* A tier of tier_borrowed_ops for pages of that file */
int tier_borrowed_begin(void **tier, int directory, struct tier_stores *stores,
			const struct tier_file_id *file, struct err *err);

#endif
