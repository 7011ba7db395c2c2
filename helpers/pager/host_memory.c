// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What the host says of its memory.
 */
#include "pager/host_memory.h"

#include <errno.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "kernel/meminfo.h"
#include "kernel/psi.h"

void host_memory_open(struct host_memory *memory, const struct kfs *kfs)
{
	struct err err = { "" };

	*memory = (struct host_memory){ .kfs = kfs, .percent = -1 };
	memory->trigger = psi_watch_memory(kfs, HOST_MEMORY_STALL_US, HOST_MEMORY_WINDOW_US, &err);
	if (memory->trigger < 0) {
		log_debug("stalls for memory are not told: %s", err.text);
		memory->trigger = -1;
	}
}

void host_memory_close(struct host_memory *memory)
{
	if (memory->trigger >= 0)
		close(memory->trigger);
	memory->trigger = -1;
}

/* Shorter times say nothing: what was found before stands */
static int stalled_percent(struct host_memory *memory, uint64_t now)
{
	uint64_t us, passed = now - memory->looked;
	bool first = !memory->counts_stalls;

	memory->counts_stalls = psi_memory(memory->kfs, &us, NULL) == 0;
	if (!memory->counts_stalls)
		return memory->percent = -1;
	if (!first && passed < HOST_MEMORY_LEAST_MS)
		return memory->percent;
	memory->percent =
		first ? -1 : (int)u64_min(u64_sub_floor(us, memory->stalled_us) / 10 / passed, 100);
	memory->stalled_us = us;
	memory->looked = now;
	return memory->percent;
}

int host_memory_look(struct host_memory *memory, uint64_t now, struct host_memory_look *look,
		     struct err *err)
{
	uint64_t kib;
	int rc = meminfo_available(memory->kfs, &kib, err);

	if (rc < 0)
		return rc;
	*look = (struct host_memory_look){
		.available_kib = kib,
		.stalled_percent = stalled_percent(memory, now),
	};
	return 0;
}
