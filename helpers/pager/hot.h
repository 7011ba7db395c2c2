/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which pages stay in RAM: a clock whose pages have lives.  Pure: no clock, no system call.
 *
 * Refaults are the only thing seen.  A page that comes back soon after its eviction (within
 * horizon x limit faults) earns 1, 3, 7, 15 rounds that the clock's hand passes it by; one that
 * comes back late loses them.  One thread calls at a time.
 */
#ifndef MEMBACKING_PAGER_HOT_H
#define MEMBACKING_PAGER_HOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hot;

struct hot_options {
	double horizon; /* 0: the default, 0.4 */
};

/* Return: NULL without memory.  @pages: of the guest; @limit: resident ones */
struct hot *hot_new(uint64_t pages, uint64_t limit, struct hot_options options);
void hot_free(struct hot *hot);
void hot_set_limit(struct hot *hot, uint64_t limit);
/* Bytes that it takes, for the pager's own account */
uint64_t hot_bytes(const struct hot *hot);

/* The guest faulted on this page, and has it now */
void hot_faulted(struct hot *hot, uint64_t page);
/* It was brought in ahead of a fault: one life; @used: it turned out to be used, or not */
void hot_prefetched(struct hot *hot, uint64_t page);
void hot_prefetch_used(struct hot *hot, uint64_t page, bool used);
/* It is out, or discarded, or could not be evicted after all */
void hot_evicted(struct hot *hot, uint64_t page);
void hot_discarded(struct hot *hot, uint64_t page);
void hot_kept(struct hot *hot, uint64_t page);

/**
 * hot_victims() - The next pages to evict, in runs of neighbours where that costs nothing
 * @max:	At most so many, 64 or fewer
 *
 * Return: their number.  The caller claims them; those it could not claim it reports by hot_kept()
 */
size_t hot_victims(struct hot *hot, uint64_t *pages, size_t max);
uint64_t hot_resident(const struct hot *hot);

#endif
