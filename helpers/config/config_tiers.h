/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * "tiers" of [overcommit]: where pages are kept that are not resident, in order.
 */
#ifndef MEMBACKING_CONFIG_CONFIG_TIERS_H
#define MEMBACKING_CONFIG_CONFIG_TIERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config_amount.h"

#define CONFIG_TIERS_MAX      8
#define CONFIG_TIER_PATH_SIZE 256
/* In a directory a guest's file has a name of 60 characters */
#define CONFIG_TIER_DIRECTORY_SIZE (CONFIG_TIER_PATH_SIZE - 64)

/**
 * enum config_tier_kind - What pages are kept in
 * @CONFIG_TIER_SAME_FILLED: Nowhere: pages that repeat one word are remembered by that word
 * @CONFIG_TIER_RAM: Compressed, in the host's memory
 * @CONFIG_TIER_ZSTD: There, too, what stays long: compressed once more, by zstd
 * @CONFIG_TIER_FILE: In a file or on a block device
 * @CONFIG_TIER_DIRECTORY: In a directory that several hosts may see, each guest in its own file
 *
 * From the fastest to the slowest.
 */
enum config_tier_kind {
	CONFIG_TIER_SAME_FILLED,
	CONFIG_TIER_RAM,
	CONFIG_TIER_ZSTD,
	CONFIG_TIER_FILE,
	CONFIG_TIER_DIRECTORY,
};

/**
 * struct config_tier - One of them
 * @size:	What it may take; a percentage is one of the host's memory.  Nothing for
 *		CONFIG_TIER_SAME_FILLED
 * @path:	For CONFIG_TIER_FILE and CONFIG_TIER_DIRECTORY: absolute
 */
struct config_tier {
	enum config_tier_kind kind;
	struct config_amount size;
	char path[CONFIG_TIER_PATH_SIZE];
};

struct config_tiers {
	size_t n;
	struct config_tier tier[CONFIG_TIERS_MAX];
};

/**
 * config_tiers_parse() - "same-filled, ram:25%, zstd:10%, file:/PATH:64G"
 * @tiers:	Result; unchanged on failure
 *
 * same-filled, ram and zstd can be given once each, and a path once.
 * Return: 0; -EINVAL: none of that; -EOPNOTSUPP: it is right, and this version can't use it: more
 * than one file or one directory, or another order than ram, zstd, file, directory
 */
int config_tiers_parse(const char *text, struct config_tiers *tiers);

/* "same-filled", "ram", "zstd", "file", "directory": static string */
const char *config_tier_name(enum config_tier_kind kind);

/* Do pages of it lie on a disk, or beyond a network? */
bool config_tier_is_slow(enum config_tier_kind kind);

/**
 * config_tier_kib() - What a tier may take, in KiB
 * @host_kib:	The host's memory
 */
uint64_t config_tier_kib(const struct config_tier *tier, uint64_t host_kib);

#endif
