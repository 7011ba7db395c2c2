// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The kernel's own small objects, from /proc/slabinfo.
 */
#include "memory/slab.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "kernel/kfs.h"

#define TREES "radix_tree_node "

/* "NAME active objects size per-slab pages-per-slab : tunables ... : slabdata active slabs shared"
 */
static uint64_t pages_of(const char *line)
{
	const char *data = strstr(line, ": slabdata ");
	uint64_t each, slabs;

	if (!data || sscanf(line, "%*s %*u %*u %*u %*u %" SCNu64, &each) != 1 ||
	    sscanf(data, ": slabdata %*u %" SCNu64, &slabs) != 1)
		return 0;
	return u64_mul_sat(each, slabs);
}

uint64_t slab_cache_trees(const struct kfs *kfs)
{
	cleanup_fclose FILE *f = kfs_stream(kfs, "proc/slabinfo");
	char line[512];

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, TREES, strlen(TREES)))
			return pages_of(line);
	return 0;
}
