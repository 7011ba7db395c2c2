/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which pages stay in RAM: a clock whose pages have lives.  Pure: no clock, no system call.
 *
 * Refaults are the only thing seen.  A page that comes back soon after its eviction (within
 * horizon x the pages that are out) earns 1, 3, 7, 15 rounds that the clock's hand passes it by;
 * one that comes back late loses them.  The clock's order is that of arrival, not of addresses: a
 * hand that ran just ahead of a reader would take each page before it is read.
 *
 * It sees no use of a page that is there, so where most of them are, or where others become
 * popular, LRU misses less: of Zipf's law with three quarters resident 4.3 in 100 accesses,
 * this 4.7.  A second look makes up for that ("look" of make simulate: 4.3): pages whose lives have
 * run out are unmapped first, and go only if they are not used within a quarter of a round.  It
 * unmaps a page more for each eviction and each one that is used, which takes longer than the
 * misses that it saves, unless most are resident.
 *
 * One thread calls at a time.
 */
#ifndef MEMBACKING_PAGER_HOT_H
#define MEMBACKING_PAGER_HOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HOT_VICTIMS_MAX = 64 };

struct hot;

struct hot_options {
	double horizon; /* 0: the default, 0.5 */
};

/* Return: NULL without memory.  @pages: of the guest, below 2^32 - 1; @limit: resident ones */
struct hot *hot_new(uint64_t pages, uint64_t limit, struct hot_options options);
void hot_free(struct hot *hot);
void hot_set_limit(struct hot *hot, uint64_t limit);
/* Bytes that it takes, for the pager's own account: five a page */
uint64_t hot_bytes(const struct hot *hot);

/* The guest faulted on this page, and has it now */
void hot_faulted(struct hot *hot, uint64_t page);
/* It was brought in ahead of a fault: it has as long as a new page to be used, and no life */
void hot_prefetched(struct hot *hot, uint64_t page);
/* Whether it turned out to be used, said when it goes.  Else that it was here says nothing of it */
void hot_prefetch_used(struct hot *hot, uint64_t page, bool used);
/* It went out without having been a victim */
void hot_evicted(struct hot *hot, uint64_t page);
/* It is gone for good: what comes back is another page */
void hot_discarded(struct hot *hot, uint64_t page);
/* It is in RAM: found there at the beginning, or a victim that could not be evicted after all */
void hot_kept(struct hot *hot, uint64_t page);

/**
 * hot_victims() - The next pages to evict, sorted by their numbers
 * @max:	At most so many, HOT_VICTIMS_MAX or fewer
 *
 * They count as out from now on.  The caller claims them; those that it could not claim or evict
 * it reports by hot_kept().
 *
 * Return: their number; 0: no page is in RAM
 */
size_t hot_victims(struct hot *hot, uint64_t *pages, size_t max);
/* Pages in RAM, without victims that may still be on their way out */
uint64_t hot_resident(const struct hot *hot);

#endif
