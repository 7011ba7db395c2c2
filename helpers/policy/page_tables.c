// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The geometry of page tables, by architecture and base page.
 */
#include "policy/page_tables.h"

#include <string.h>

#include "base/text.h"

/* A table takes a page, and the topmost one is for 48 bits */
#define ENTRY_BYTES   8
#define ADDRESSES_KIB (UINT64_C(1) << 38)

#define GIB(n)	      (UINT64_C(n) * KIB_PER_GIB)

/* One level: what a table of it covers and takes.  0: there is no more level */
struct level {
	uint64_t covers_kib;
	uint64_t bytes;
};

#define LEVELS_MAX 3

/* 256 entries of 8 bytes, and behind them as much again for the guest's storage keys: KVM's
 * processes have such tables (arch/s390/mm/pgalloc.c).  Then 2048 entries */
static const struct level s390[LEVELS_MAX] = { { KIB_PER_MIB, 4096 }, { GIB(2), 16384 } };

/* POWER with base pages of 64 KiB (arch/powerpc/include/asm/book3s/64/hash-64k.h, radix-64k.h).
 * The hash MMU keeps as much again beside the entries of the lowest level */
static const struct level power_hash[LEVELS_MAX] = {
	{ 16 * KIB_PER_MIB, 4096 },
	{ GIB(16), 8192 },
	{ GIB(16384), 8192 },
};
static const struct level power_radix[LEVELS_MAX] = {
	{ 2 * KIB_PER_MIB, 256 },
	{ GIB(1), 4096 },
	{ GIB(512), 4096 },
};

static const struct level *find_levels(const struct page_tables *tables)
{
	if (!strcmp(tables->arch, "s390x"))
		return s390;
	if (strncmp(tables->arch, "ppc64", 5) != 0 || tables->base_kib != 64)
		return NULL;
	return tables->hash ? power_hash : power_radix;
}

uint64_t page_tables_kib(const struct page_tables *tables, uint64_t size_kib, uint64_t page_kib)
{
	const uint64_t table = tables->base_kib * 1024, entries = table / ENTRY_BYTES;
	const struct level *level = find_levels(tables);
	uint64_t covers = tables->base_kib, bytes = 0;
	int i;

	for (i = 0; level && i < LEVELS_MAX && level[i].bytes; i++)
		if (page_kib < level[i].covers_kib)
			bytes = u64_add_sat(bytes,
					    u64_mul_sat(u64_div_up(size_kib, level[i].covers_kib),
							level[i].bytes));
	while (!level && entries > 1 && (covers *= entries) < ADDRESSES_KIB)
		if (page_kib < covers)
			bytes = u64_add_sat(bytes,
					    u64_mul_sat(u64_div_up(size_kib, covers), table));
	return u64_div_up(bytes, 1024);
}
