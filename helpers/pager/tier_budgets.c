// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Sizes of tiers, from the configuration to the budgets that guests share.
 */
#include "pager/tier_budgets.h"

#include "base/text.h"
#include "pager/tier_store.h"

/* Maps take 1/512 of a guest, policy and hashes as much; guests are larger than the host */
#define OWN_SHARE 16

/* Of a file's size what its guests' tables take: eight bytes a page, and a little */
#define TABLES_SHARE 500

/* Staging and journals of some guests on a host with little memory */
#define OWN_LEAST_KIB (64 * KIB_PER_MIB)

static const struct {
	enum config_tier_kind kind;
	const char *name;
} kinds[] = {
	[TIER_SAME_FILLED] = { CONFIG_TIER_SAME_FILLED, "same-filled" },
	[TIER_RAM] = { CONFIG_TIER_RAM, "ram" },
	[TIER_FILE] = { CONFIG_TIER_FILE, "file" },
	[TIER_ZSTD] = { CONFIG_TIER_ZSTD, "zstd" },
	[TIER_DIRECTORY] = { CONFIG_TIER_DIRECTORY, "directory" },
};

const char *tier_budget_name(enum tier_kind kind)
{
	return kinds[kind].name;
}

static enum tier_kind kind_of(enum config_tier_kind kind)
{
	enum tier_kind k = TIER_SAME_FILLED;

	while (k < TIER_DIRECTORY && kinds[k].kind != kind)
		k++;
	return k;
}

static struct tier_store *store_of(const struct tier_budgets *budgets,
				   const struct config_tier *tier, bool encrypt)
{
	struct tier_store *store;

	if (!config_tier_is_slow(tier->kind) || !budgets->stores)
		return NULL;
	store = tier_stores_get(budgets->stores, tier->path);
	if (store)
		tier_store_encrypt(store, encrypt);
	return store;
}

void tier_budgets_set(struct tier_budgets *budgets, const struct config_tiers *tiers, bool encrypt,
		      uint64_t host_kib)
{
	/* 0 would be no limit; what doesn't take up room has none */
	uint64_t limit[TIER_KINDS] = {
		[TIER_RAM] = 1,
		[TIER_FILE] = 1,
		[TIER_ZSTD] = 1,
		[TIER_DIRECTORY] = 1,
	};
	size_t i;

	budgets->n = 0;
	for (i = 0; i < tiers->n && i < TIERS_MAX; i++) {
		enum tier_kind kind = kind_of(tiers->tier[i].kind);

		if (kind != TIER_SAME_FILLED)
			limit[kind] = u64_max(
				u64_mul_sat(config_tier_kib(&tiers->tier[i], host_kib), 1024), 1);
		budgets->spec[budgets->n++] = (struct tier_spec){
			.kind = kind,
			.budget = &budgets->budget[kind],
			.store = store_of(budgets, &tiers->tier[i], encrypt),
		};
	}
	for (i = 0; i < TIER_KINDS; i++)
		atomic_store(&budgets->budget[i].limit, limit[i]);
}

/* What it may take, or has from before */
static uint64_t most(const struct tier_budgets *budgets, enum tier_kind kind)
{
	return u64_max(atomic_load(&budgets->budget[kind].limit),
		       atomic_load(&budgets->budget[kind].used));
}

uint64_t tier_budgets_file_bytes(const struct tier_budgets *budgets, uint64_t host_kib)
{
	uint64_t own = u64_add_sat(host_kib / OWN_SHARE, OWN_LEAST_KIB);
	uint64_t ram = u64_add_sat(most(budgets, TIER_RAM), most(budgets, TIER_ZSTD));
	uint64_t files = u64_add_sat(most(budgets, TIER_FILE), most(budgets, TIER_DIRECTORY));

	return u64_add_sat(u64_add_sat(ram, files / TABLES_SHARE), u64_mul_sat(own, 1024));
}
