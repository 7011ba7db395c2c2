// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Making room for huge pages: how many there can be, how much page cache is freed, and when
 * it ends.
 */
#include "policy/room_rules.h"

#include "base/text.h"
#include "memory/numa.h"
#include "memory/page_ranges.h"

/* Free memory the kernel wants beside the pages themselves */
#define MARGIN_KIB (128 * KIB_PER_MIB)

/* Page cache that stays, and a deficit that isn't worth asking for */
#define CACHE_FLOOR_KIB	  (256 * KIB_PER_MIB)
#define DEFICIT_FLOOR_KIB (16 * KIB_PER_MIB)

/* After a poor round twice as much is freed.  Compaction needs free memory to move pages into,
 * and the more the fewer blocks are left.  No bite is larger: on a large host of which hardly any
 * block can become a page, what it takes is more than a guest is worth */
#define LAST_PERCENT 800

/* A round that brings less than this share of what is missing was a poor one */
#define POOR_ROUND 20

/* As soon as more than all the pages need is free, cache may be lost in this proportion to the
 * pages got, and what other programs may have lost meanwhile.  Where half of the blocks are pinned,
 * three times as much is lost before the last page comes */
#define ALL_PERCENT  100
#define LOSS_PERCENT 400
#define NOISE_KIB    (64 * KIB_PER_MIB)

static uint64_t part(uint64_t kib, unsigned int percent)
{
	return u64_mul_sat(kib / 100, percent);
}

/* ---- what can be ---- */

/* More slab pages in one block count as so many: that makes the bound higher, never lower */
#define SLAB_MOST 512

/* What comes and goes while the flags are read */
#define CHANGES 64

/* Blocks of a node, by what has to go before they are whole */
struct blocks {
	uint64_t good;
	uint64_t loose;	  /* with pages that may have no file */
	uint64_t swapped; /* one huge page of a program's, which can be swapped */
	uint64_t slab[SLAB_MOST + 1];
	uint64_t loose_pages;
	uint64_t shmem_pages;
	uint64_t inside; /* free, or clean cache, in good blocks */
	uint64_t beside; /* and in others */
};

static void count_range(struct blocks *b, const struct page_ranges *all,
			const struct page_range *range, bool swap)
{
	uint64_t cache = range->seen - range->fixed - range->slab - range->huge - range->moved;
	bool never = range->seen < all->pages || range->fixed || range->huge ||
		     (page_range_is_thp(all, range) && !swap);
	bool good = page_range_is_good(all, range);

	b->loose_pages += range->loose;
	b->shmem_pages += range->shmem;
	b->good += good;
	*(good ? &b->inside : &b->beside) += cache;
	if (!never && page_range_is_thp(all, range))
		b->swapped++;
	else if (!never && range->loose)
		b->loose++;
	else if (!never && !good)
		b->slab[u64_min(range->slab, SLAB_MOST)]++;
}

/* Blocks with the fewest pages of slab first: the more of them the kernel can give up */
static uint64_t slab_blocks(const struct blocks *b, uint64_t slab_pages)
{
	uint64_t n = 0, slab;

	for (slab = 1; slab <= SLAB_MOST && slab <= slab_pages; slab++) {
		uint64_t freed = u64_min(b->slab[slab], slab_pages / slab);

		n += freed;
		slab_pages -= freed * slab;
	}
	return n;
}

/* Pages that may have lost their files, and have not, at most */
static uint64_t with_file(const struct blocks *b, const struct numa_node *node, uint64_t page_kib)
{
	if (!node->shmem_kib)
		return b->loose_pages;
	return u64_sub_floor(b->loose_pages + node->shmem_kib / page_kib + CHANGES, b->shmem_pages);
}

struct room_estimate room_rules_estimate(const struct page_ranges *ranges,
					 const struct numa_node *node, bool swap)
{
	uint64_t page_kib = u64_max(1, ranges->page_kib);
	uint64_t slab_kib = u64_sub_floor(node->reclaimable_kib, node->file_kib);
	struct room_estimate estimate = { 0 };
	struct blocks b = { 0 };
	size_t i;

	for (i = 0; i < ranges->n; i++)
		if (ranges->ranges[i].node == node->id)
			count_range(&b, ranges, &ranges->ranges[i], swap);
	estimate.pages = b.good + b.swapped + slab_blocks(&b, slab_kib / page_kib) +
			 u64_min(b.loose, with_file(&b, node, page_kib));
	if (b.inside + b.beside)
		estimate.beside = (unsigned int)(b.beside * 100 / (b.inside + b.beside));
	return estimate;
}

/* ---- what it takes ---- */

static uint64_t square_root(uint64_t n)
{
	uint64_t root = 0, bit;

	for (bit = UINT64_C(1) << 15; bit; bit >>= 1)
		if ((root + bit) * (root + bit) <= n)
			root += bit;
	return root;
}

/* Of x of the pages there can be, x of the memory has to be free where all blocks can become
 * pages, and about the square root of x where hardly any can */
uint64_t room_need_kib(uint64_t missing_kib, unsigned int beside, uint64_t all_kib)
{
	uint64_t can_be = u64_max(1, part(all_kib, 100 - beside)), share;

	if (!beside)
		return missing_kib;
	if (missing_kib >= can_be)
		return all_kib;
	share = u64_mul_sat(missing_kib, 1000) / can_be;
	share += beside * (square_root(share * 1000) - share) / 100;
	/* The kernel frees some more meanwhile, and the more the longer it takes */
	return u64_mul_sat(all_kib, share * (7000 + 3 * share) / 10000) / 1000;
}

bool room_is_poor(uint64_t missing, uint64_t gained)
{
	return gained < u64_max(1, missing / POOR_ROUND);
}

unsigned int room_next_percent(const struct room_round *round)
{
	uint64_t worth = part(u64_mul_sat(round->gained_all, round->page_kib), LOSS_PERCENT);

	if (round->gained >= round->missing)
		return 0;
	if (!room_is_poor(round->missing, round->gained))
		return round->first;
	if (round->percent >= LAST_PERCENT)
		return 0;
	if (round->percent > ALL_PERCENT && round->lost_kib > u64_add_sat(worth, NOISE_KIB))
		return 0;
	return round->percent * 2 < LAST_PERCENT ? round->percent * 2 : LAST_PERCENT;
}

uint64_t room_bite_kib(uint64_t missing_kib, uint64_t need_kib, unsigned int percent,
		       uint64_t free_kib, uint64_t cache_kib)
{
	uint64_t need = u64_add_sat(part(need_kib, percent), MARGIN_KIB);
	uint64_t most = u64_add_sat(part(missing_kib, LAST_PERCENT), MARGIN_KIB);
	uint64_t bite =
		u64_min(u64_sub_floor(need, free_kib), u64_sub_floor(cache_kib, CACHE_FLOOR_KIB));

	bite = u64_min(bite, most);
	return bite < DEFICIT_FLOOR_KIB ? 0 : bite;
}

bool room_is_short(uint64_t kib, uint64_t free_kib, uint64_t cache_kib)
{
	return free_kib < u64_add_sat(kib, MARGIN_KIB) && cache_kib > CACHE_FLOOR_KIB;
}
