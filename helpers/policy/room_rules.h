/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Making room for huge pages: how much page cache is freed, and when it ends.  Pure.
 *
 * DOC: what is freed is another program's cache
 *
 * The pages themselves take as much memory as they have, and what was freed beyond that is
 * lost for nothing.  So little is freed at first.  When a round brings little although the missing
 * pages would fit into what is free, and much more was lost than the pages got so far, more of the
 * same is no help: what lies in the way can't be freed or moved.  Before that it may be, and a
 * start that is refused for want of a second bite costs more than cache.
 */
#ifndef MEMBACKING_POLICY_ROOM_RULES_H
#define MEMBACKING_POLICY_ROOM_RULES_H

#include <stdbool.h>
#include <stdint.h>

/* The first bite, of the missing pages' size */
#define ROOM_FIRST_PERCENT 35

/**
 * struct room_round - What a round of freeing, compacting and growing came to
 * @page_kib:	Size of the huge pages
 * @percent:	Its bite, as room_bite_kib()
 * @missing:	Pages that were missing before it,
 * @gained:	and those that it brought
 * @gained_all:	Pages that all rounds brought
 * @lost_kib:	Page cache that the node lost in all rounds, also to other programs
 */
struct room_round {
	uint64_t page_kib;
	unsigned int percent;
	uint64_t missing;
	uint64_t gained;
	uint64_t gained_all;
	uint64_t lost_kib;
};

/* Did @gained of @missing pages come, which is too little to go on in the same way? */
bool room_is_poor(uint64_t missing, uint64_t gained);

/* The next round's bite in percent; 0: it ends here */
unsigned int room_next_percent(const struct room_round *round);

/**
 * room_bite_kib() - Page cache to free
 * @missing_kib: Size of the missing pages
 * @percent:	This part of them should fit into free memory, beside what the kernel needs
 * @free_kib:	The node's free memory
 * @cache_kib:	Its page cache, of which some stays
 *
 * Return: 0: none, or not worth it
 */
uint64_t room_bite_kib(uint64_t missing_kib, unsigned int percent, uint64_t free_kib,
		       uint64_t cache_kib);

/* Must page cache be freed before pages of @kib fit? */
bool room_is_short(uint64_t kib, uint64_t free_kib, uint64_t cache_kib);

#endif
