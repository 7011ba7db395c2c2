/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Room for things smaller than a page, in a file that outlives the daemon.
 *
 * The file lies on a tmpfs, is mapped shared and locked in memory.  It consists of slabs of 64
 * KiB; all slots of a slab have one size, which its first bytes say.  Which slots are taken is
 * known in this process alone: after a restart each is claimed again.  Any thread may call.
 */
#ifndef MEMBACKING_PAGER_SLOTS_H
#define MEMBACKING_PAGER_SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "pager/tier.h"

/* Largest slot: a page and a header.  Smaller ones: SLOT_GAIN_MAX is the largest that saves room */
enum { SLOT_BYTES_MIN = 128, SLOT_BYTES_MAX = 4368, SLOT_GAIN_MAX = 4080 };

struct slots;

/**
 * slots_open() - Open or make the file
 * @budget:	What slabs are counted in; NULL: in none
 * @fresh:	What is in it goes.  Else slots_claim() and slots_ready() come first
 */
int slots_open(struct slots **slots, int directory, const char *name, struct tier_budget *budget,
	       bool fresh, struct err *err);
void slots_close(struct slots *slots);
/* Return: 0; -EEXIST: claimed already; -EINVAL: no slot of a slab; -EHWPOISON: a memory error of
 * the host, the content is lost */
int slots_claim(struct slots *slots, uint64_t slot);
/* Slabs without a claimed slot go back to the host.  Return: 0 or -errno */
int slots_ready(struct slots *slots, struct err *err);

/**
 * slots_get() - Take a slot
 * @bytes:	1 to SLOT_BYTES_MAX
 *
 * Return: 0; -ENOSPC: no room in the budget or on the tmpfs; -ENOMEM; -errno
 */
int slots_get(struct slots *slots, size_t bytes, uint64_t *slot);
/*
 * Give it back.  A slab of which all slots are free goes back to the host, but for a few, which
 * are kept unless a guest asks for room.
 * Return: false: it was not taken
 */
bool slots_put(struct slots *slots, uint64_t slot);
/**
 * slots_at() - Where a slot is mapped
 * @room:	Its bytes
 *
 * Return: NULL: no such slot.  The mapping is there until slots_close(), also of a slot that was
 * given back
 */
void *slots_at(const struct slots *slots, uint64_t slot, size_t *room);
/* Was its slab lost to a memory error?  Then it has no place any more, and is no other's */
bool slots_broken(const struct slots *slots, uint64_t slot);
/* Of the slab that has this slot, so many percent are taken.  100: no such slot */
unsigned int slots_slab_filled(const struct slots *slots, uint64_t slot);
/* Empty slabs go back to the host, all of them, if a guest asks for room in the budget */
void slots_tidy(struct slots *slots);
/* Bytes of all slabs, as counted in the budget */
uint64_t slots_bytes(const struct slots *slots);

#endif
