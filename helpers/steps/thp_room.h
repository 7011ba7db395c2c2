/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Making room for transparent huge pages before a guest starts.
 *
 * DOC: what the kernel does by itself, and what that leaves
 *
 * When QEMU touches memory for which it has asked for huge pages, the kernel looks for a free
 * block, and may reclaim and compact once for it ("defrag").  After an attempt that failed it
 * skips up to 63 others.  So a guest that starts on a fragmented host gets small pages for most
 * of its memory, and keeps them: khugepaged changes 16 MiB in ten seconds.  Blocks that are free
 * before the guest starts are what it gets.
 *
 * Nothing is reserved by that: until QEMU takes them, any program may.
 */
#ifndef MEMBACKING_STEPS_THP_ROOM_H
#define MEMBACKING_STEPS_THP_ROOM_H

#include <stdint.h>

struct kfs;
struct numa;
struct step_thp;

/**
 * thp_room_make() - Reclaim cache and compact until the nodes have free blocks for all of it
 * @deadline:	clock_ms()
 *
 * Each node gets an equal part of it.  In rounds, as for huge pages: policy/room_rules.h
 * says how much cache each may cost, and when it ends.  Logs what came of it.  Without any lock.
 */
void thp_room_make(const struct kfs *kfs, const struct numa *numa, const struct step_thp *thp,
		   uint64_t deadline);

#endif
