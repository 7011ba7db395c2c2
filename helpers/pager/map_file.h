/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where a guest's pages are, as one file for the pager of another host.
 *
 * A head, then a record for each page in order, then a sum over all of it.  Nothing that was read
 * counts before map_file_end() has said that the sum is right.  What another host wrote is checked
 * before it is used: numbers are within bounds, texts end.
 *
 * A map may have only the changes since another one, which map_file_merge() adds to it.
 */
#ifndef MEMBACKING_PAGER_MAP_FILE_H
#define MEMBACKING_PAGER_MAP_FILE_H

#include <stdint.h>

#include "base/err.h"
#include "pager/ram.h"
#include "pager/tier.h"

enum { MAP_FILE_UUID_SIZE = 40, MAP_FILE_NAME_SIZE = 64 };

/* 1 TiB */
#define MAP_FILE_PAGES_MAX (UINT64_C(1) << 28)

/**
 * struct map_file_head
 * @uuid:	The guest's
 * @object:	@n_objects RAM blocks, 1 to RAM_OBJECTS_MAX: the name of each file, and its pages
 * @file:	Where what is stored is; an empty path: no page is stored
 * @epoch:	The guest's first epoch whose changes are not in it (guest_pager_epoch()); 0: it
 * stood
 * @since:	The @epoch of the map that this one has the changes of; 0: it has all pages
 */
struct map_file_head {
	char uuid[MAP_FILE_UUID_SIZE];
	uint32_t n_objects;
	struct {
		char name[MAP_FILE_NAME_SIZE];
		uint64_t pages;
	} object[RAM_OBJECTS_MAX];
	struct tier_file_id file;
	uint64_t epoch, since;
};

/**
 * struct map_file_page
 * @MAP_FILE_SAME:	It repeats @word
 * @MAP_FILE_STORED:	It is lent, at @at
 * @MAP_FILE_HELD:	The other pager has it and sends it
 * @MAP_FILE_UNCHANGED:	As in the map before; in one of changes alone
 */
struct map_file_page {
	enum map_file_kind {
		MAP_FILE_SAME,
		MAP_FILE_STORED,
		MAP_FILE_HELD,
		MAP_FILE_UNCHANGED
	} kind;
	uint64_t word;
	struct tier_location at;
};

struct map_file;

uint64_t map_file_pages(const struct map_file_head *head);

/* Begin to write one at @fd's position.  The descriptor stays the caller's, here and below */
int map_file_create(struct map_file **file, int fd, const struct map_file_head *head,
		    struct err *err);
int map_file_put(struct map_file *file, const struct map_file_page *page, struct err *err);
/* Begin to read one.  Return: 0; -EBADMSG: it is none, or of another version; -errno */
int map_file_open(struct map_file **file, int fd, struct map_file_head *head, struct err *err);
/* Return: 0; -EBADMSG: no record, or behind the last one; -errno */
int map_file_get(struct map_file *file, struct map_file_page *page, struct err *err);
/**
 * map_file_end() - After the last page: write the sum, or compare it
 *
 * Return: 0; -EBADMSG: it is not right, pages are missing or something follows; -errno
 */
int map_file_end(struct map_file *file, struct err *err);
void map_file_free(struct map_file *file);

/**
 * map_file_merge() - Two maps, of which one has what was changed since the other, as one
 * @map, @changes: Read from their positions to their ends
 * @fd:		Where it goes
 *
 * Return: 0; -EINVAL: they do not belong together; -EBADMSG; -errno.  What @fd has is no map then
 */
int map_file_merge(int map, int changes, int fd, struct err *err);

#endif
