/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table of all configuration keys, and the values they set.
 *
 * One row says all there is about a key: where it may stand, its default, what
 * it accepts and how that is put in words.  Defaults are text and go through the
 * same setter as what people write, so a default can't be a value that is refused.
 */
#ifndef MEMBACKING_CONFIG_CONFIG_KEYS_H
#define MEMBACKING_CONFIG_CONFIG_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"

/* What only a [guest] section or a guest's metadata can say */
struct config_guest {
	bool ksm;
	char store[CONFIG_NAME_SIZE];
};

/* Every value a key can set.  @store is the section that is being read */
struct config_values {
	struct config_hook hook;
	struct config_hugepages hugepages;
	struct config_store store;
	struct config_ksm ksm;
	struct config_thp thp;
	struct config_overcommit overcommit;
	struct config_guest guest;
};

struct config_word {
	const char *text;
	unsigned int value;
};

/**
 * struct config_key - All that is known about one key
 * @section, @name: Where it stands.  For @sized keys @name is what comes before
 *		the page size: "keep_free_" of "keep_free_2M"
 * @fallback:	Default as one would write it; NULL: there is none
 * @set:	Checks a value and stores it: 0, -EINVAL, -ENOSPC for more page
 *		sizes than there is room for, or -EOPNOTSUPP.  Nothing is stored on
 *		failure.  NULL for "match", which is no value
 * @offset, @size: Of the value in struct config_values
 * @words:	For setters that choose among words; ends with a NULL text
 * @expected:	Completes "expected ..."
 * @unsupported: Why a value can't be used that is right: for -EOPNOTSUPP
 * @per_guest:	May be set for one guest
 * @guest_only:	And not for the whole host: "overcommit.resident" in [guest]
 */
struct config_key {
	const char *section;
	const char *name;
	const char *fallback;
	int (*set)(const struct config_key *key, uint64_t page_kib, const char *text,
		   struct config_values *values);
	size_t offset;
	size_t size;
	const struct config_word *words;
	const char *expected;
	const char *unsupported;
	bool sized;
	bool per_guest;
	bool guest_only;
};

/* Is @text a name for a store, a file system, a word of the kernel's?  "" is not */
bool config_is_name(const char *text);

/**
 * config_word_text() - How a value of a key that chooses among words is written
 * @section, @name: The key; one that there is
 * Return: a static string; "" for a value without a word
 */
const char *config_word_text(const char *section, const char *name, unsigned int value);

/* The other way round.  Return: 0 or -EINVAL */
int config_word_value(const char *section, const char *name, const char *text, unsigned int *value);

/* All keys.  Return: the first of @n */
const struct config_key *config_keys(size_t *n);

/* The section's name as a text that lives for ever; NULL if there is none such */
const char *config_section_find(const char *name);

/* The key most like @name; NULL if none is close */
const char *config_section_near(const char *name);

/* Room for "hugepages.keep_free_2M" and the like */
#define CONFIG_KEY_SIZE 64

/**
 * config_key_near() - The known key most like an unknown one
 * @near:	Set to what can stand in the section [@section]
 * Return: false if none is close
 */
bool config_key_near(const char *section, const char *name, char near[CONFIG_KEY_SIZE]);

/**
 * config_key_find() - The row for a key as written
 * @page_kib:	Set to the page size in a sized key's name, else 0
 * Return: NULL for an unknown key, which includes a suffix that is no page size
 */
const struct config_key *config_key_find(const char *section, const char *name, uint64_t *page_kib);

/**
 * config_key_find_for_guest() - The same for "SECTION.KEY" and for [guest]'s own keys
 * Return: 0, -ENOENT (unknown), -EPERM (known, but for the whole host only)
 */
int config_key_find_for_guest(const char *name, const struct config_key **key, uint64_t *page_kib);

/* The section a key speaks of: in [guest], "ksm" and "store" speak of those sections */
const char *config_key_section(const struct config_key *key);

/**
 * config_key_refuse() - "hugepages.compact = 'x': expected auto or never"
 * @section:	In front of the key; may be ""
 * @rc:		What the key's set() returned
 */
void config_key_refuse(struct err *err, const char *section, const char *key_as_written,
		       const char *value, const struct config_key *key, int rc);

/* All values set to their defaults */
void config_values_init(struct config_values *values);

#endif
