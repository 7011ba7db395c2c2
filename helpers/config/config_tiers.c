// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * "same-filled, ram:25%, zstd:10%, file:/PATH:64G, directory:/PATH:1T" to a list of tiers.
 */
#include "config/config_tiers.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* A path and a size */
#define SPEC_SIZE (CONFIG_TIER_PATH_SIZE + 64)

static const char *const names[] = {
	[CONFIG_TIER_SAME_FILLED] = "same-filled",
	[CONFIG_TIER_RAM] = "ram",
	[CONFIG_TIER_ZSTD] = "zstd",
	[CONFIG_TIER_FILE] = "file",
	[CONFIG_TIER_DIRECTORY] = "directory",
};

const char *config_tier_name(enum config_tier_kind kind)
{
	return names[kind];
}

bool config_tier_is_slow(enum config_tier_kind kind)
{
	return kind == CONFIG_TIER_FILE || kind == CONFIG_TIER_DIRECTORY;
}

uint64_t config_tier_kib(const struct config_tier *tier, uint64_t host_kib)
{
	return config_amount_of(&tier->size, host_kib);
}

static int parse_size(const char *text, struct config_amount *size)
{
	if (config_amount_parse(text, size) < 0 || (!size->kib && !size->percent))
		return -EINVAL;
	return 0;
}

/* "/PATH:64G".  A path may have colons in it, a size has none */
static int parse_path(char *text, size_t path_size, struct config_tier *tier)
{
	char *colon = strrchr(text, ':');

	if (*text != '/' || !colon)
		return -EINVAL;
	*colon = '\0';
	/* A percentage of what would be the question: of the file system, or of memory? */
	if (parse_size(colon + 1, &tier->size) < 0 || tier->size.percent)
		return -EINVAL;
	if (strlen(text) >= path_size)
		return -EINVAL;
	snprintf(tier->path, sizeof(tier->path), "%s", text);
	return 0;
}

/* "ram:25%".  @text is changed */
static int parse_one(char *text, struct config_tier *tier)
{
	char *colon = strchr(text, ':');

	if (colon)
		*colon++ = '\0';
	if (!strcmp(text, names[CONFIG_TIER_SAME_FILLED])) {
		tier->kind = CONFIG_TIER_SAME_FILLED;
		return colon ? -EINVAL : 0;
	}
	if (!colon)
		return -EINVAL;
	if (!strcmp(text, names[CONFIG_TIER_RAM]) || !strcmp(text, names[CONFIG_TIER_ZSTD])) {
		tier->kind = *text == 'r' ? CONFIG_TIER_RAM : CONFIG_TIER_ZSTD;
		return parse_size(colon, &tier->size);
	}
	if (!strcmp(text, names[CONFIG_TIER_FILE])) {
		tier->kind = CONFIG_TIER_FILE;
		return parse_path(colon, CONFIG_TIER_PATH_SIZE, tier);
	}
	if (strcmp(text, names[CONFIG_TIER_DIRECTORY]) != 0)
		return -EINVAL;
	tier->kind = CONFIG_TIER_DIRECTORY;
	return parse_path(colon, CONFIG_TIER_DIRECTORY_SIZE, tier);
}

static bool is_there(const struct config_tiers *tiers, const struct config_tier *tier)
{
	size_t i;

	for (i = 0; i < tiers->n; i++)
		if (tiers->tier[i].kind == tier->kind && !strcmp(tiers->tier[i].path, tier->path))
			return true;
	return false;
}

/* One tier of @len bytes at @text, at the end of @tiers */
static int take_one(const char *text, size_t len, struct config_tiers *tiers)
{
	struct config_tier tier = { 0 };
	char spec[SPEC_SIZE];

	while (len && isspace((unsigned char)*text)) {
		text++;
		len--;
	}
	while (len && isspace((unsigned char)text[len - 1]))
		len--;
	if (!len || len >= sizeof(spec) || tiers->n == CONFIG_TIERS_MAX)
		return -EINVAL;
	memcpy(spec, text, len);
	spec[len] = '\0';
	if (parse_one(spec, &tier) < 0 || is_there(tiers, &tier))
		return -EINVAL;
	tiers->tier[tiers->n++] = tier;
	return 0;
}

/*
 * ram, then zstd, then one file, then one directory: no page waits for a disk or for zstd on its
 * way out, and RAM is what takes it.  Each is slower than the one before.
 */
static bool order_is_usable(const struct config_tiers *tiers)
{
	enum config_tier_kind last = CONFIG_TIER_SAME_FILLED;
	size_t i;

	for (i = 0; i < tiers->n; i++) {
		enum config_tier_kind kind = tiers->tier[i].kind;

		if (kind == CONFIG_TIER_SAME_FILLED)
			continue;
		if (kind <= last || (last == CONFIG_TIER_SAME_FILLED && kind != CONFIG_TIER_RAM))
			return false;
		last = kind;
	}
	return true;
}

int config_tiers_parse(const char *text, struct config_tiers *tiers)
{
	struct config_tiers read = { 0 };

	for (;;) {
		size_t len = strcspn(text, ",");

		if (take_one(text, len, &read) < 0)
			return -EINVAL;
		text += len;
		if (!*text)
			break;
		text++;
	}
	if (!order_is_usable(&read))
		return -EOPNOTSUPP;
	*tiers = read;
	return 0;
}
