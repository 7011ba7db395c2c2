// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Making room for huge pages: how much page cache is freed, and when it ends.
 */
#include "policy/room_rules.h"

#include "base/text.h"

/* Free memory the kernel wants beside the pages themselves */
#define MARGIN_KIB (128 * KIB_PER_MIB)

/* Page cache that stays, and a deficit that isn't worth asking for */
#define CACHE_FLOOR_KIB	  (256 * KIB_PER_MIB)
#define DEFICIT_FLOOR_KIB (16 * KIB_PER_MIB)

/* After a poor round twice as much is freed.  Compaction needs free memory to move pages into,
 * and the more the fewer blocks are left */
#define LAST_PERCENT 800

/* A round that brings less than this share of what is missing was a poor one */
#define POOR_ROUND 20

/* As soon as more than all the pages need is free, cache may be lost in this proportion to the
 * pages got, and what other programs may have lost meanwhile.  Where half of the blocks are pinned,
 * three times as much is lost before the last page comes */
#define ALL_PERCENT  100
#define LOSS_PERCENT 400
#define NOISE_KIB    (64 * KIB_PER_MIB)

bool room_is_poor(uint64_t missing, uint64_t gained)
{
	return gained < u64_max(1, missing / POOR_ROUND);
}

static uint64_t part(uint64_t kib, unsigned int percent)
{
	return u64_mul_sat(kib / 100, percent);
}

unsigned int room_next_percent(const struct room_round *round)
{
	uint64_t worth = part(u64_mul_sat(round->gained_all, round->page_kib), LOSS_PERCENT);

	if (round->gained >= round->missing)
		return 0;
	if (!room_is_poor(round->missing, round->gained))
		return ROOM_FIRST_PERCENT;
	if (round->percent >= LAST_PERCENT)
		return 0;
	if (round->percent > ALL_PERCENT && round->lost_kib > u64_add_sat(worth, NOISE_KIB))
		return 0;
	return round->percent * 2 < LAST_PERCENT ? round->percent * 2 : LAST_PERCENT;
}

uint64_t room_bite_kib(uint64_t missing_kib, unsigned int percent, uint64_t free_kib,
		       uint64_t cache_kib)
{
	uint64_t need = u64_add_sat(part(missing_kib, percent), MARGIN_KIB);
	uint64_t bite =
		u64_min(u64_sub_floor(need, free_kib), u64_sub_floor(cache_kib, CACHE_FLOOR_KIB));

	return bite < DEFICIT_FLOOR_KIB ? 0 : bite;
}

bool room_is_short(uint64_t kib, uint64_t free_kib, uint64_t cache_kib)
{
	return free_kib < u64_add_sat(kib, MARGIN_KIB) && cache_kib > CACHE_FLOOR_KIB;
}
