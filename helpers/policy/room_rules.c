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

/* Compacting once more takes less time than writing page by page where it brings this share */
#define COMPACTS_WELL 4

/* As soon as more than all the pages need is free, cache may be lost in this proportion to the
 * pages got, and what other programs may have lost meanwhile.  Where half of the blocks are pinned,
 * three times as much is lost before the last page comes */
#define ALL_PERCENT  100
#define LOSS_PERCENT 400
#define NOISE_KIB    (64 * KIB_PER_MIB)

/* Where more than this share has to be free, all pages that there can be are about to be asked for
 */
#define PACK_PERCENT 90

/* And where less lies beside than this, compacting takes longer than it saves */
#define PACK_BESIDE 30

static uint64_t part(uint64_t kib, unsigned int percent)
{
	return u64_mul_sat(kib / 100, percent);
}

/* ---- what can be, block by block ---- */

/* More slab pages in one block count as so many: that makes the bound higher, never lower */
#define SLAB_MOST 512

/* Pages that change while the flags are read */
#define CHANGES 64

/* Blocks of a node, by what has to go before they are whole */
struct blocks {
	uint64_t good;
	uint64_t loose; /* with pages that may have no file */
	uint64_t thp;	/* one huge page of a program's */
	uint64_t anon;	/* of them, those of no file */
	uint64_t slab[SLAB_MOST + 1];
	uint64_t loose_pages;
	uint64_t shmem_pages;
	uint64_t inside; /* free, or clean cache, in good blocks */
	uint64_t beside; /* and in others */
};

/* No page in it stays for ever */
static bool can_go(const struct page_ranges *all, const struct page_range *range)
{
	return range->seen == all->pages && !range->fixed && !range->huge;
}

static void count_range(struct blocks *b, const struct page_ranges *all,
			const struct page_range *range)
{
	uint64_t cache = range->seen - range->fixed - range->slab - range->huge - range->moved;
	bool good = page_range_is_good(all, range);

	b->loose_pages += range->loose;
	b->shmem_pages += range->shmem;
	b->good += good;
	*(good ? &b->inside : &b->beside) += cache;
	if (!can_go(all, range) || good)
		return;
	if (page_range_is_thp(all, range)) {
		b->thp++;
		b->anon += !range->shmem;
	} else if (range->loose) {
		b->loose++;
	} else {
		b->slab[u64_min(range->slab, SLAB_MOST)]++;
	}
}

/**
 * struct slab_free - What comes free if the kernel gives up slab pages
 * @blocks:	Of them, those with the fewest pages first: the more they are
 * @most:	Slab pages in the last of these
 * @left:	Pages that can be given up elsewhere
 */
struct slab_free {
	uint64_t blocks;
	uint64_t most;
	uint64_t left;
};

static struct slab_free free_slab(const struct blocks *b, uint64_t pages)
{
	struct slab_free f = { .left = pages };
	uint64_t slab;

	for (slab = 1; slab <= SLAB_MOST && slab <= f.left; slab++) {
		uint64_t freed = u64_min(b->slab[slab], f.left / slab);

		f.blocks += freed;
		f.left -= freed * slab;
		if (freed)
			f.most = slab;
	}
	return f;
}

/* Pages that may have lost their files, and have not, at most */
static uint64_t with_file(const struct blocks *b, const struct numa_node *node, uint64_t page_kib)
{
	if (!node->shmem_kib)
		return b->loose_pages;
	return u64_sub_floor(b->loose_pages + node->shmem_kib / page_kib + CHANGES, b->shmem_pages);
}

/* Reclaim splits programs' huge pages of which a part was given up.  Such a page is not mapped as a
 * huge one, and the kernel counts those that are */
static uint64_t split(const struct blocks *b, const struct numa_node *node, uint64_t block_kib)
{
	return u64_sub_floor(b->anon, node->anon_thp_kib / block_kib);
}

/* ---- what can be, by where pages go ---- */

/* Held pages of a block, in so many steps, rounded down */
#define LEVELS 512

/* Programs' pages that are given up meanwhile */
#define COME_AND_GO 4096

/**
 * struct packing - Of a zone, from its last block down
 * @below:	Blocks that can become huge pages, by what is held in them
 * @places:	For what is held in others, above: base pages
 * @most:	Blocks that came free, at most, so far
 */
struct packing {
	uint64_t below[LEVELS + 1];
	uint64_t places;
	uint64_t most;
};

static uint64_t level(const struct page_ranges *all, const struct page_range *range)
{
	return range->held * LEVELS / all->pages;
}

/* The block becomes a huge page, if there is a place for what is held in it */
static bool can_empty(const struct page_ranges *all, const struct page_range *range,
		      const struct slab_free *slab)
{
	return can_go(all, range) && !range->loose && range->slab <= slab->most &&
	       !page_range_is_thp(all, range);
}

/* All that is above is full: how many of those below came free?  The emptiest first */
static uint64_t emptied(const struct packing *p, const struct page_ranges *all)
{
	uint64_t left = p->places * LEVELS / all->pages, n = p->below[0], i;

	for (i = 1; i <= LEVELS; i++) {
		uint64_t some = u64_min(p->below[i], left / i);

		n += some;
		left -= some * i;
	}
	return n;
}

static uint64_t pack_zone(const struct page_ranges *all, size_t first, size_t end,
			  const struct slab_free *slab)
{
	struct packing p = { .places = slab->left + COME_AND_GO };
	size_t i;

	for (i = first; i < end; i++)
		if (can_empty(all, &all->ranges[i], slab))
			p.below[level(all, &all->ranges[i])]++;
	for (i = end; i-- > first;) {
		const struct page_range *range = &all->ranges[i];

		p.most = u64_max(p.most, emptied(&p, all));
		p.places += range->seen - range->fixed - range->slab - range->huge - range->held;
		if (can_empty(all, range, slab))
			p.below[level(all, range)]--;
	}
	return p.most;
}

static uint64_t pack(const struct page_ranges *all, unsigned int node, const struct slab_free *slab)
{
	size_t first, end;
	uint64_t n = 0;

	for (first = 0; first < all->n; first = end) {
		for (end = first + 1;
		     end < all->n && all->ranges[end].zone == all->ranges[first].zone; end++)
			;
		if (all->ranges[first].node == node)
			n += pack_zone(all, first, end, slab);
	}
	return n;
}

struct room_estimate room_rules_estimate(const struct page_ranges *ranges,
					 const struct numa_node *node, bool leaves)
{
	uint64_t page_kib = u64_max(1, ranges->page_kib), more;
	uint64_t slab_kib = u64_sub_floor(node->reclaimable_kib, node->file_kib);
	struct room_estimate estimate = { 0 };
	struct slab_free slab;
	struct blocks b = { 0 };
	size_t i;

	for (i = 0; i < ranges->n; i++)
		if (ranges->ranges[i].node == node->id)
			count_range(&b, ranges, &ranges->ranges[i]);
	slab = free_slab(&b, slab_kib / page_kib);
	more = u64_min(b.loose, with_file(&b, node, page_kib));
	more += leaves ? b.thp : split(&b, node, page_kib * u64_max(1, ranges->pages));
	estimate.pages = b.good + slab.blocks;
	if (!leaves)
		estimate.pages = u64_min(estimate.pages, pack(ranges, node->id, &slab));
	estimate.pages += more;
	if (b.inside + b.beside)
		estimate.beside = (unsigned int)(b.beside * 100 / (b.inside + b.beside));
	return estimate;
}

/* So much of what a sample says is believed, and of so few blocks nothing */
#define SURE_PERCENT 70
#define SAMPLE_LEAST 128

uint64_t room_rules_surely(const struct page_ranges *sample, unsigned int node, unsigned int one_of)
{
	const struct slab_free none = { 0 };
	struct blocks b = { 0 };
	uint64_t seen = 0, most;
	size_t i;

	for (i = 0; i < sample->n; i++) {
		if (sample->ranges[i].node != node)
			continue;
		count_range(&b, sample, &sample->ranges[i]);
		seen++;
	}
	if (seen < SAMPLE_LEAST)
		return 0;
	most = u64_min(b.good, pack(sample, node, &none));
	return u64_mul_sat(most, (uint64_t)one_of * SURE_PERCENT) / 100;
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
	return u64_mul_sat(all_kib, share) / 1000;
}

bool room_can_pack(unsigned int beside, uint64_t need_kib, uint64_t all_kib)
{
	return beside >= PACK_BESIDE && need_kib < part(all_kib, PACK_PERCENT);
}

bool room_takes_blocks(unsigned int beside, uint64_t need_kib, uint64_t all_kib)
{
	return beside && (beside < PACK_BESIDE || need_kib < part(all_kib, PACK_PERCENT));
}

uint64_t room_more_kib(uint64_t missing_kib, uint64_t cache_kib)
{
	uint64_t kib = u64_min(missing_kib, u64_sub_floor(cache_kib, CACHE_FLOOR_KIB));

	return kib < DEFICIT_FLOOR_KIB ? 0 : kib;
}

bool room_compacts_well(uint64_t missing, uint64_t gained)
{
	return gained >= u64_max(1, missing / COMPACTS_WELL);
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
	/* Another round would be this one once more */
	if (round->percent >= LAST_PERCENT ||
	    round->cache_kib < CACHE_FLOOR_KIB + DEFICIT_FLOOR_KIB)
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

bool room_is_dirty(uint64_t bite_kib, uint64_t cache_kib, uint64_t dirty_kib)
{
	return dirty_kib >= DEFICIT_FLOOR_KIB && u64_add_sat(bite_kib, dirty_kib) > cache_kib;
}

bool room_is_short(uint64_t kib, uint64_t free_kib, uint64_t cache_kib)
{
	return free_kib < u64_add_sat(kib, MARGIN_KIB) && cache_kib > CACHE_FLOOR_KIB;
}
