/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Making room for huge pages: how many there can be, how much page cache is freed, and when
 * it ends.  Pure.
 *
 * DOC: what is freed is another program's cache
 *
 * The pages themselves take as much memory as they have, and what was freed beyond that is
 * lost for nothing.  So little is freed at first, unless the flags of all pages say what it takes,
 * and then no more than eight times the pages.  When a round brings little although the
 * missing pages would fit into what is free, and much more was lost than the pages got so far, more
 * of the same is no help: what lies in the way can't be freed or moved.  Before that it may be, and
 * a start that is refused for want of a second bite costs more than cache.
 */
#ifndef MEMBACKING_POLICY_ROOM_RULES_H
#define MEMBACKING_POLICY_ROOM_RULES_H

#include <stdbool.h>
#include <stdint.h>

struct numa_node;
struct page_ranges;

/**
 * struct room_estimate - What the flags of all pages say of a node
 * @pages:	Blocks that can become huge pages, at most
 * @beside:	Percent of the free memory and page cache that lie in blocks that are not good
 *		(struct page_range)
 */
struct room_estimate {
	uint64_t pages;
	unsigned int beside;
};

/**
 * room_rules_estimate() - Of blocks of the page's size on @node, which was read now
 * @leaves:	Programs' memory can leave the node: it has swap, or a slower node
 *
 * By what lies in each block: a page that no file has any more, and a pipe or a device still
 * holds, can't be moved.  By its flags it may as well be one that was only read.  But the kernel
 * counts those that files have: only as many blocks as it counts more than can be told by flags are
 * counted in.  Compaction leaves huge pages of programs alone, but reclaim splits those of which a
 * part was given up: as many as are not mapped as huge ones.
 *
 * And by where pages go: compaction moves them from the lowest blocks of a zone to the highest
 * free places, and never down.  What is held, and can't leave, fills the blocks at the top, those
 * that could have become huge pages as well.  So many as can be emptied into what is free above
 * them, with all cache gone, and each page moved only once, are counted.
 */
struct room_estimate room_rules_estimate(const struct page_ranges *ranges,
					 const struct numa_node *node, bool leaves);

/**
 * room_rules_surely() - How many pages can be made on @node beyond doubt, all cache gone
 * @sample:	Blocks of the page's size, one of @one_of parts of memory
 *
 * Far fewer than a sample says.  For no more than that, a look at all of memory would refuse
 * nothing.
 */
uint64_t room_rules_surely(const struct page_ranges *sample, unsigned int node,
			   unsigned int one_of);

/* The first bite, of what it takes */
#define ROOM_FIRST_PERCENT 35

/* Where the flags say what it takes */
#define ROOM_SEEN_PERCENT 100

/**
 * room_need_kib() - Memory that has to be free before compaction brings pages of that size
 * @missing_kib: Size of the pages
 * @beside:	As in struct room_estimate
 * @all_kib:	Free memory and page cache
 *
 * What is free in blocks that can't become a page serves only as a place to move others' to,
 * and compaction finds but a part of it: it moves from the lower blocks to the higher ones.
 */
uint64_t room_need_kib(uint64_t missing_kib, unsigned int beside, uint64_t all_kib);

/**
 * room_can_pack() - Is it good to compact the node while memory is freed?
 * @beside:	As in struct room_estimate
 * @need_kib:	What it takes: room_need_kib()
 * @all_kib:	Free memory and page cache
 *
 * Freeing and compaction keep a processor each busy, and for about as long.  But where most blocks
 * can become pages, the kernel is quicker at emptying one after the other as it makes them.  And
 * compaction of a node packs all that can be moved into the highest blocks: for the last pages that
 * there can be, those must be left free in which nothing else lies.
 */
bool room_can_pack(unsigned int beside, uint64_t need_kib, uint64_t all_kib);

/**
 * struct room_round - What a round of freeing, compacting and growing came to
 * @page_kib:	Size of the huge pages
 * @percent:	Its bite, as room_bite_kib()
 * @first:	What that is at first
 * @missing:	Pages that were missing before it,
 * @gained:	and those that it brought
 * @gained_all:	Pages that all rounds brought
 * @lost_kib:	Page cache that the node lost in all rounds, also to other programs
 * @cache_kib:	The node's page cache at the end of it; 0: none may be freed
 */
struct room_round {
	uint64_t page_kib;
	unsigned int percent;
	unsigned int first;
	uint64_t missing;
	uint64_t gained;
	uint64_t gained_all;
	uint64_t lost_kib;
	uint64_t cache_kib;
};

/**
 * room_takes_blocks() - Are the pages to be taken of what compaction of the node makes whole?
 * @beside, @need_kib, @all_kib: As in room_can_pack()
 *
 * A page that is not free as a whole wakes kswapd, which frees twice as much cache as the page is
 * large, and the kernel empties one block after the other in the process that writes.  Compaction
 * of the node empties all, and wakes nothing.  But it spoils some blocks where pages stay for ever:
 * not where nearly all that there can be are wanted.
 */
bool room_takes_blocks(unsigned int beside, uint64_t need_kib, uint64_t all_kib);

/* Page cache to free when compacting brings no more: what is free then lies where it is of no use.
 * Return: 0: none, or not worth it */
uint64_t room_more_kib(uint64_t missing_kib, uint64_t cache_kib);

/* Did compacting bring so many of @missing that it is good to do it once more? */
bool room_compacts_well(uint64_t missing, uint64_t gained);

/* Did @gained of @missing pages come, which is too little to go on in the same way? */
bool room_is_poor(uint64_t missing, uint64_t gained);

/* The next round's bite in percent; 0: it ends here */
unsigned int room_next_percent(const struct room_round *round);

/**
 * room_bite_kib() - Page cache to free
 * @missing_kib: Size of the missing pages: eight times as much is freed at most
 * @need_kib:	What it takes: room_need_kib()
 * @percent:	This part of it should be free, beside what the kernel needs
 * @free_kib:	The node's free memory
 * @cache_kib:	Its page cache, of which some stays
 *
 * Return: 0: none, or not worth it
 */
uint64_t room_bite_kib(uint64_t missing_kib, uint64_t need_kib, unsigned int percent,
		       uint64_t free_kib, uint64_t cache_kib);

/* Do dirty pages have to be written before @bite_kib of @cache_kib can be freed? */
bool room_is_dirty(uint64_t bite_kib, uint64_t cache_kib, uint64_t dirty_kib);

/* Must page cache be freed before pages of @kib fit? */
bool room_is_short(uint64_t kib, uint64_t free_kib, uint64_t cache_kib);

#endif
