/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a profile has changed, and what was there before:
 * /var/lib/libvirt-membacking/conf/PROFILE.json
 *
 * DOC: written before and after
 *
 * The entry of a file that is new to the profile is written with @done false before the
 * file is changed, and all entries as they are then after that.  So nothing is changed
 * without its former bytes being known, and what was interrupted is told from what a
 * person has put back.
 */
#ifndef MEMBACKING_PROFILES_RECORD_H
#define MEMBACKING_PROFILES_RECORD_H

#include <stdbool.h>
#include <stddef.h>

#include "profiles/profile.h"

#define RECORD_DIR "var/lib/libvirt-membacking/conf"

/**
 * struct record_entry - One file
 * @path:	Without a slash at its beginning
 * @before:	Its bytes before the profile's first change; NULL: it was not there
 * @after:	Its bytes after our last one
 * @text:	PART_FILE, PART_LINES: what we put there
 * @key, @value: PART_QEMU_CONF: what we set
 * @old_value:	What that was; NULL: not set
 */
struct record_entry {
	enum part_kind kind;
	bool done;
	bool made_dir;
	char *path;
	char *before;
	char *after;
	char *text;
	char *key;
	char *value;
	char *old_value;
};

/* Parts that the profile has, and those that it had */
#define RECORD_MAX ((size_t)2 * PARTS_MAX)

struct record {
	size_t n;
	struct record_entry entries[RECORD_MAX];
};

void record_free(struct record *record);
void record_entry_free(struct record_entry *entry);

/* NULL if there is none for @path */
struct record_entry *record_find(struct record *record, const char *path);

/* Forget an entry; those behind it move up */
void record_drop(struct record *record, struct record_entry *entry);

/**
 * record_lock() - Keep others from applying or taking back a profile
 * Return: a descriptor for lock_release(), or -errno with a sentence
 */
int record_lock(int rootfd, struct err *err);

/* Is something of the profile applied?  True where that can't be seen: record_read() says why */
bool record_exists(int rootfd, const char *profile);

/* Empty where there is none.  To be freed in any case */
int record_read(int rootfd, const char *profile, struct record *record, struct err *err);

/* An empty one is removed */
int record_write(int rootfd, const char *profile, const struct record *record, struct err *err);

#endif
