// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Making room for transparent huge pages before a guest starts.
 */
#include "steps/thp_room.h"

#include <stdbool.h>
#include <sys/types.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "kernel/kfs.h"
#include "memory/compaction.h"
#include "memory/fragmentation.h"
#include "memory/numa.h"
#include "memory/reclaim.h"
#include "memory/thp.h"
#include "policy/room_rules.h"
#include "policy/step.h"
#include "process/child.h"

/* Of a transparent huge page where the kernel does not say */
#define BLOCK_KIB (2 * KIB_PER_MIB)

/* QEMU's own memory, and what other programs take meanwhile */
#define SLACK_KIB (32 * KIB_PER_MIB)

/**
 * struct place - A node on which room is made
 * @block_kib:	Size of a transparent huge page
 * @blocks_kib:	Free memory in such blocks
 * @free_kib, @cache_kib: All free memory, and page cache
 */
struct place {
	const struct kfs *kfs;
	const struct numa *numa;
	const struct step_thp *thp;
	uint64_t deadline;
	uint64_t block_kib;
	unsigned int node;
	uint64_t blocks_kib;
	uint64_t free_kib;
	uint64_t cache_kib;
};

static uint64_t block_kib(const struct kfs *kfs)
{
	uint64_t bytes = 0;

	if (kfs_read_u64(kfs, THP_DIR "/hpage_pmd_size", &bytes, NULL) < 0 || !bytes)
		return BLOCK_KIB;
	return bytes / 1024;
}

/* Return: false: the node can't be read */
static bool look(struct place *p)
{
	struct fragmentation_share share;
	struct fragmentation f = { 0 };
	struct numa_node node;

	reclaim_drain_percpu_lists(p->kfs);
	if (numa_read_node(p->kfs, p->numa, p->node, &node, NULL) < 0 ||
	    fragmentation_read(p->kfs, &f, NULL) < 0)
		return false;
	fragmentation_share(&f, &node, p->block_kib, 0, &share);
	fragmentation_free(&f);
	p->blocks_kib = share.now_kib;
	p->free_kib = node.free_kib;
	p->cache_kib = numa_cache(&node);
	return true;
}

static void wait_for(const struct place *p, pid_t pid)
{
	if (pid > 0)
		child_wait(pid, p->deadline);
}

/* Free memory in pieces is what compaction works with */
static void reclaim(const struct place *p, uint64_t missing_kib, unsigned int percent)
{
	uint64_t kib = room_bite_kib(missing_kib, missing_kib, percent,
				     u64_sub_floor(p->free_kib, p->blocks_kib), p->cache_kib);

	if (kib && reclaim_way(p->kfs, p->numa, p->node) != RECLAIM_NONE)
		wait_for(p, reclaim_start(p->kfs, p->numa, p->node, kib));
}

static void make_on_node(struct place *p, uint64_t wanted_kib)
{
	struct room_round round = {
		.page_kib = p->block_kib,
		.percent = ROOM_FIRST_PERCENT,
		.first = ROOM_FIRST_PERCENT,
	};
	uint64_t first_kib = p->blocks_kib, cache_kib = p->cache_kib;

	while (p->blocks_kib < wanted_kib && clock_left_ms(p->deadline) && round.percent) {
		uint64_t before_kib = p->blocks_kib;

		round.missing = u64_div_up(wanted_kib - before_kib, p->block_kib);
		if (p->thp->reclaim)
			reclaim(p, wanted_kib - before_kib, round.percent);
		if (p->thp->compact && clock_left_ms(p->deadline))
			wait_for(p, compaction_start(p->kfs, p->numa, p->node));
		if (!look(p))
			return;
		round.gained = u64_sub_floor(p->blocks_kib, before_kib) / p->block_kib;
		round.gained_all = u64_sub_floor(p->blocks_kib, first_kib) / p->block_kib;
		round.lost_kib = u64_sub_floor(cache_kib, p->cache_kib);
		round.cache_kib = p->thp->reclaim ? p->cache_kib : 0;
		round.percent = room_next_percent(&round);
	}
}

static void say(const struct step_thp *thp, uint64_t before_kib, uint64_t after_kib, uint64_t ms)
{
	char wanted[TEXT_KIB_SIZE], before[TEXT_KIB_SIZE], after[TEXT_KIB_SIZE];

	log_info("room for transparent huge pages: of %s, %s were free in blocks before, and %s "
		 "after %llu ms",
		 text_from_kib(thp->room_kib, wanted), text_from_kib(before_kib, before),
		 text_from_kib(after_kib, after), (unsigned long long)ms);
}

void thp_room_make(const struct kfs *kfs, const struct numa *numa, const struct step_thp *thp,
		   uint64_t deadline)
{
	struct place p = { kfs, numa, thp, deadline, .block_kib = block_kib(kfs) };
	uint64_t before_kib = 0, after_kib = 0, begin = clock_ms();
	unsigned int left = nodeset_count(&thp->nodes);
	size_t i;

	for (i = 0; i < numa->n_nodes; i++) {
		uint64_t part_kib;

		p.node = numa->nodes[i].id;
		if (!nodeset_has(&thp->nodes, p.node))
			continue;
		/* Alike on all nodes, and on the next ones what this one lacks */
		part_kib = u64_div_up(u64_sub_floor(thp->room_kib, after_kib), left--);
		if (!look(&p))
			continue;
		before_kib += u64_min(p.blocks_kib, part_kib);
		make_on_node(&p, u64_add_sat(part_kib, SLACK_KIB));
		after_kib += u64_min(p.blocks_kib, part_kib);
	}
	say(thp, before_kib, after_kib, clock_ms() - begin);
}
