// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The file in blocks of a page: two of the head, then records, then one with the sum.
 */
#include "pager/map_file.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "pager/page_hash.h"

#define MAP_FILE_MAGIC "membacking page map"
#define END_MAGIC      UINT64_C(0x646e652d70616d2e) /* ".map-end" */
#define FACTOR	       UINT64_C(0x9e3779b97f4a7c15)

enum { VERSION = 2, HEAD_BLOCKS = 2 };

struct header {
	char magic[24];
	uint32_t version;
	uint32_t zero;
	struct map_file_head head;
};

struct record {
	uint32_t kind, bytes;
	uint64_t at, hash;
};

enum { RECORDS = PAGE_BYTES / sizeof(struct record) };

_Static_assert(sizeof(struct header) <= (size_t)HEAD_BLOCKS * PAGE_BYTES, "the head's blocks");
_Static_assert(sizeof(struct record) == 24, "no holes, which would have any bytes");

/**
 * struct map_file
 * @sum:	Of all blocks so far
 * @pages, @done: records in all, and so far
 * @stores:	There is a file for pages that are stored
 * @changes:	It has changes alone
 */
struct map_file {
	int fd;
	bool writes, stores, changes;
	uint64_t sum, pages, done;
	union {
		unsigned char byte[PAGE_BYTES];
		struct record record[RECORDS];
		uint64_t word[PAGE_BYTES / sizeof(uint64_t)];
	} block;
};

uint64_t map_file_pages(const struct map_file_head *head)
{
	uint64_t pages = 0;
	uint32_t i;

	for (i = 0; i < head->n_objects; i++)
		pages += head->object[i].pages;
	return pages;
}

static void add_to_sum(struct map_file *file)
{
	uint64_t sum = (file->sum ^ page_hash(&file->block)) * FACTOR;

	file->sum = sum ^ sum >> 32;
}

static int write_block(struct map_file *file, struct err *err)
{
	const unsigned char *at = file->block.byte, *end = at + PAGE_BYTES;

	add_to_sum(file);
	while (at < end) {
		ssize_t n = write(file->fd, at, (size_t)(end - at));

		if (n < 0 && errno != EINTR)
			return err_sys(err, errno, "page map: cannot write");
		at += n > 0 ? n : 0;
	}
	memset(&file->block, 0, sizeof(file->block));
	return 0;
}

static int bad(const char *what, struct err *err)
{
	return err_set(err, EBADMSG, "page map: %s", what);
}

static int read_block(struct map_file *file, struct err *err)
{
	size_t done = 0;

	while (done < PAGE_BYTES) {
		ssize_t n = read(file->fd, file->block.byte + done, PAGE_BYTES - done);

		if (n < 0 && errno != EINTR)
			return err_sys(err, errno, "page map: cannot read");
		if (n == 0)
			return bad("it ends too early", err);
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* ---- the head ---- */

static bool ends(const char *text, size_t size)
{
	return memchr(text, '\0', size);
}

static const char *wrong_with(const struct map_file_head *head)
{
	uint64_t pages = 0;
	uint32_t i;

	if (!ends(head->uuid, sizeof(head->uuid)) || !text_is_uuid(head->uuid))
		return "it has no guest's UUID";
	if (head->n_objects < 1 || head->n_objects > RAM_OBJECTS_MAX)
		return "its number of RAM blocks is out of bounds";
	for (i = 0; i < head->n_objects; i++) {
		if (!ends(head->object[i].name, sizeof(head->object[i].name)))
			return "a RAM block's name does not end";
		if (!head->object[i].pages || head->object[i].pages > MAP_FILE_PAGES_MAX - pages)
			return "a RAM block's size is out of bounds";
		pages += head->object[i].pages;
	}
	if (!ends(head->file.path, sizeof(head->file.path)) ||
	    (head->file.path[0] && head->file.path[0] != '/'))
		return "the path of what is stored is none";
	if (head->since && (!head->epoch || head->since == head->epoch))
		return "its changes are of no epoch";
	return NULL;
}

static struct map_file *new_file(int fd, bool writes)
{
	struct map_file *file = calloc(1, sizeof(*file));

	if (!file)
		return NULL;
	file->fd = fd;
	file->writes = writes;
	return file;
}

static void begin(struct map_file *file, const struct map_file_head *head)
{
	file->pages = map_file_pages(head);
	file->stores = head->file.path[0];
	file->changes = head->since;
}

int map_file_create(struct map_file **file, int fd, const struct map_file_head *head,
		    struct err *err)
{
	unsigned char blocks[HEAD_BLOCKS][PAGE_BYTES] = { { 0 } };
	struct header header = { .magic = MAP_FILE_MAGIC, .version = VERSION, .head = *head };
	const char *wrong = wrong_with(head);
	struct map_file *new;
	int i, rc = 0;

	if (wrong)
		return err_set(err, EINVAL, "page map: %s", wrong);
	new = new_file(fd, true);
	if (!new)
		return err_nomem(err);
	memcpy(blocks, &header, sizeof(header));
	for (i = 0; i < HEAD_BLOCKS && rc == 0; i++) {
		memcpy(&new->block, blocks[i], PAGE_BYTES);
		rc = write_block(new, err);
	}
	if (rc < 0) {
		map_file_free(new);
		return rc;
	}
	begin(new, head);
	*file = new;
	return 0;
}

static int read_head(struct map_file *file, struct map_file_head *head, struct err *err)
{
	unsigned char blocks[HEAD_BLOCKS][PAGE_BYTES];
	struct header header;
	const char *wrong;
	int i, rc = 0;

	for (i = 0; i < HEAD_BLOCKS && rc == 0; i++) {
		rc = read_block(file, err);
		add_to_sum(file);
		memcpy(blocks[i], &file->block, PAGE_BYTES);
	}
	if (rc < 0)
		return rc;
	memcpy(&header, blocks, sizeof(header));
	if (memcmp(header.magic, MAP_FILE_MAGIC, sizeof(MAP_FILE_MAGIC)) != 0)
		return bad("is none", err);
	if (header.version != VERSION)
		return bad("is of another version", err);
	wrong = wrong_with(&header.head);
	if (wrong)
		return bad(wrong, err);
	*head = header.head;
	return 0;
}

int map_file_open(struct map_file **file, int fd, struct map_file_head *head, struct err *err)
{
	struct map_file *new = new_file(fd, false);
	int rc = new ? read_head(new, head, err) : err_nomem(err);

	if (rc < 0) {
		map_file_free(new);
		return rc;
	}
	begin(new, head);
	*file = new;
	return 0;
}

/* ---- records ---- */

int map_file_put(struct map_file *file, const struct map_file_page *page, struct err *err)
{
	struct record *record = &file->block.record[file->done % RECORDS];

	if (file->done == file->pages)
		return err_set(err, EINVAL, "page map: more pages than the guest has");
	*record = (struct record){ .kind = (uint32_t)page->kind };
	if (page->kind == MAP_FILE_SAME)
		record->at = page->word;
	if (page->kind == MAP_FILE_STORED) {
		record->bytes = page->at.bytes;
		record->at = page->at.offset;
		record->hash = page->at.hash;
	}
	file->done++;
	if (file->done % RECORDS && file->done != file->pages)
		return 0;
	return write_block(file, err);
}

static bool is_record(const struct map_file *file, const struct record *record)
{
	switch (record->kind) {
	case MAP_FILE_SAME:
		return !record->bytes && !record->hash;
	case MAP_FILE_STORED:
		return file->stores && record->bytes > 0 && record->bytes <= PAGE_BYTES &&
		       record->at <= UINT64_MAX - record->bytes;
	case MAP_FILE_UNCHANGED:
		if (!file->changes)
			return false;
		/* fall through */
	case MAP_FILE_HELD:
		return !record->bytes && !record->at && !record->hash;
	default:
		return false;
	}
}

int map_file_get(struct map_file *file, struct map_file_page *page, struct err *err)
{
	const struct record *record = &file->block.record[file->done % RECORDS];
	int rc;

	if (file->done == file->pages)
		return bad("has no more pages", err);
	if (file->done % RECORDS == 0) {
		rc = read_block(file, err);
		if (rc < 0)
			return rc;
		add_to_sum(file);
	}
	if (!is_record(file, record))
		return bad("a page's record is none", err);
	*page = (struct map_file_page){ .kind = (enum map_file_kind)record->kind };
	if (page->kind == MAP_FILE_SAME)
		page->word = record->at;
	if (page->kind == MAP_FILE_STORED)
		page->at = (struct tier_location){ record->at, record->hash, record->bytes };
	file->done++;
	return 0;
}

/* ---- the end ---- */

static int check_end(struct map_file *file, struct err *err)
{
	uint64_t sum = file->sum;
	unsigned char more;
	int rc = read_block(file, err);

	if (rc < 0)
		return rc;
	if (file->block.word[0] != END_MAGIC || file->block.word[1] != sum)
		return bad("its sum is not right", err);
	return read(file->fd, &more, 1) == 0 ? 0 : bad("something follows it", err);
}

int map_file_end(struct map_file *file, struct err *err)
{
	if (file->done != file->pages)
		return bad("pages are missing", err);
	if (!file->writes)
		return check_end(file, err);
	file->block.word[0] = END_MAGIC;
	file->block.word[1] = file->sum;
	return write_block(file, err);
}

void map_file_free(struct map_file *file)
{
	free(file);
}

/* ---- two of them ---- */

static bool is_same_memory(const struct map_file_head *a, const struct map_file_head *b)
{
	uint32_t i;

	if (strcmp(a->uuid, b->uuid) != 0 || a->n_objects != b->n_objects)
		return false;
	for (i = 0; i < a->n_objects; i++)
		if (strcmp(a->object[i].name, b->object[i].name) != 0 ||
		    a->object[i].pages != b->object[i].pages)
			return false;
	return true;
}

static bool is_same_file(const struct tier_file_id *a, const struct tier_file_id *b)
{
	return strcmp(a->path, b->path) == 0 && memcmp(a->id, b->id, sizeof(a->id)) == 0;
}

static int merge_heads(const struct map_file_head *map, const struct map_file_head *changes,
		       struct map_file_head *merged, struct err *err)
{
	if (!changes->since || changes->since != map->epoch)
		return err_set(err, EINVAL, "page map: its changes are not of this one");
	if (!is_same_memory(map, changes))
		return err_set(err, EINVAL, "page map: its changes are of other memory");
	if (map->file.path[0] && changes->file.path[0] && !is_same_file(&map->file, &changes->file))
		return err_set(err, EINVAL, "page map: its changes are stored elsewhere");
	*merged = *map;
	merged->epoch = changes->epoch;
	if (!map->file.path[0])
		merged->file = changes->file;
	return 0;
}

static int merge_pages(struct map_file *map, struct map_file *changes, struct map_file *to,
		       struct err *err)
{
	struct map_file_page page, change;
	uint64_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < to->pages; i++) {
		rc = map_file_get(map, &page, err);
		if (rc == 0)
			rc = map_file_get(changes, &change, err);
		if (rc == 0)
			rc = map_file_put(to, change.kind == MAP_FILE_UNCHANGED ? &page : &change,
					  err);
	}
	/* Its own end only behind theirs: without it there is no map */
	if (rc == 0)
		rc = map_file_end(map, err);
	if (rc == 0)
		rc = map_file_end(changes, err);
	return rc < 0 ? rc : map_file_end(to, err);
}

int map_file_merge(int map_fd, int changes_fd, int fd, struct err *err)
{
	struct map_file *map = NULL, *changes = NULL, *to = NULL;
	struct map_file_head map_head, changes_head, head;
	int rc = map_file_open(&map, map_fd, &map_head, err);

	if (rc == 0)
		rc = map_file_open(&changes, changes_fd, &changes_head, err);
	if (rc == 0)
		rc = merge_heads(&map_head, &changes_head, &head, err);
	if (rc == 0)
		rc = map_file_create(&to, fd, &head, err);
	if (rc == 0)
		rc = merge_pages(map, changes, to, err);
	map_file_free(map);
	map_file_free(changes);
	map_file_free(to);
	return rc;
}
