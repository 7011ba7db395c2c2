// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Pages in a file or on a block device, as they are: 4 KiB each, read and written past the page
 * cache.  The same in a file of the guest's own, in a directory that another host may see.
 *
 * DOC: the table
 *
 * Where a guest's slots are stands in a file in its directory on the tmpfs, which outlives the
 * daemon: of each of its extents which one of the store it is, and of each slot a hash of what was
 * put there.  A slot's number is the extent's in this table, and its place in the extent.  An entry
 * of the page map names a slot only after the disk has said that the page is there, and after its
 * hash stands in the table.  Which slots are taken is known in this process alone: after a restart
 * each is claimed again.
 *
 * What is read is given out only if its hash is right: a disk that lost a write, or wrote it
 * elsewhere, has another page there.  The tag of a cipher comes in the hash's place: seal() and
 * is_sealed() are the only ones that know it.
 *
 * DOC: clean pages
 *
 * Of a page that was read, and found to be what was put there, a second hash is kept in this
 * process: content_hash.h.  By it a page that goes again is known to be what its slot has, and the
 * disk has neither to be read nor written.  The first hash would not do: a guest can make two pages
 * that have the same one.
 */
#include "pager/tier_file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "pager/content_hash.h"
#include "pager/memory_error.h"
#include "pager/page_hash.h"
#include "pager/protocol.h"
#include "pager/tier_io.h"
#include "pager/tier_ops.h"
#include "pager/tier_store.h"

#define TABLE_MAGIC "membacking file slots"

enum {
	TABLE_VERSION = 1,
	EXTENTS_MAX = 1 << 20, /* of one guest: 1 TiB */
	INDEX_BITS = 8,
	EMPTY_KEPT = 2,
	ROOMY = EXTENT_PAGES - TIER_PIECES_MAX, /* so many taken at most: a batch is in one piece */
	OPEN_AGAIN_MS = 1000,
	READERS = 3, /* threads that can read at the same time */
};

_Static_assert(1 << INDEX_BITS == EXTENT_PAGES, "a slot's place in its extent");
_Static_assert((int)TIER_FILE_PATH_SIZE == (int)TIER_PATH_SIZE, "of one file");

/**
 * struct extent_record - One extent, as it outlives us
 * @where:	In the store; EXTENT_NONE: none
 * @lent:	Another host may read it: nothing is put there, and it stays, used or not
 * @proof:	Of what is in each slot: see seal()
 */
struct extent_record {
	_Atomic uint32_t where;
	_Atomic uint32_t lent;
	uint64_t proof[EXTENT_PAGES];
};

/**
 * struct table - The file
 * @magic:	Set last
 * @n:		Records that may be in use: only they have memory
 */
struct table {
	char magic[24];
	uint32_t version;
	_Atomic uint32_t n;
	uint64_t id[TIER_ID_WORDS];
	char path[TIER_PATH_SIZE];
	_Alignas(PAGE_BYTES) struct extent_record extent[];
};

#define CONTENT_BYTES (EXTENT_PAGES * sizeof(struct content_hash))

#define TABLE_BYTES   (sizeof(struct table) + EXTENTS_MAX * sizeof(struct extent_record))

/**
 * struct file_kind - A file of all guests, or of one
 * @table:	The table's name
 * @own:	The file is the guest's own, and its spec names the directory
 * @borrowed:	It is a guest's own on another host, and only read
 */
struct file_kind {
	const char *name, *table;
	bool own, borrowed;
};

enum { KIND_FILE, KIND_DIRECTORY, KIND_BORROWED, FILE_KINDS };

static const struct file_kind kinds[FILE_KINDS] = {
	[KIND_FILE] = { "file", "file-slots", false, false },
	[KIND_DIRECTORY] = { "directory", "directory-slots", true, false },
	[KIND_BORROWED] = { "borrowed", "borrowed-slots", false, true },
};

/* What this process knows of an extent.  @content: of slots that were read; NULL: of none */
struct extent {
	uint64_t taken[EXTENT_PAGES / 64], known[EXTENT_PAGES / 64];
	uint16_t n_taken;
	struct content_hash *content;
};

/**
 * struct file_tier
 * @lock:	Protects @extent, the counts and @why.  No I/O under it
 * @key:	Of the hashes in @extent
 * @guest:	Its UUID, for its own file
 * @store:	The directory's until there is an own file
 * @is_new:	That file has a name, and no table has it
 * @budget:	NULL with @reading_only
 * @table:	NULL: no page was put there yet
 * @filling:	The extent that pages go to
 * @extent:	@room of them
 * @why:	What did not go, last
 * @open_again:	clock_ms(): not before
 * @writer:	The demoting thread's
 */
struct file_tier {
	const struct file_kind *kind;
	int directory;
	char guest[PAGER_UUID_SIZE];
	struct tier_stores *stores;
	struct tier_store *_Atomic store;
	bool is_new, reading_only;
	_Atomic bool given_up; /* no disk is waited for any more */
	struct tier_budget *budget;
	pthread_mutex_t lock;
	struct table *_Atomic table;
	uint32_t filling, room;
	struct extent *extent;
	/* Changed under @lock */
	_Atomic uint32_t n_empty;
	_Atomic uint64_t pages, bytes, content_bytes;
	struct content_key key;
	struct err why;
	uint64_t open_again;
	struct reader {
		pthread_mutex_t lock;
		struct tier_io *io;
	} reader[READERS];
	struct tier_io *writer;
};

/* ---- what a slot returns is what was put there ---- */

static uint64_t seal(const void *page)
{
	return page_hash(page);
}

static bool is_sealed(const void *page, uint64_t proof)
{
	return page_hash(page) == proof;
}

/* ---- the table ---- */

static int lock_memory(void *memory)
{
	if (!mlock2(memory, TABLE_BYTES, MLOCK_ONFAULT) || geteuid() != 0)
		return 0;
	return -errno;
}

static int map_table(int fd, struct table **table)
{
	void *at = mmap(NULL, TABLE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	int rc;

	if (at == MAP_FAILED)
		return -errno;
	rc = lock_memory(at);
	if (rc < 0) {
		munmap(at, TABLE_BYTES);
		return rc;
	}
	*table = at;
	return 0;
}

/* A write through the mapping to a full tmpfs would be a signal */
static int give_memory(int fd, size_t from, size_t bytes)
{
	while (fallocate(fd, 0, (off_t)from, (off_t)bytes) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

static bool is_whole(const struct table *table)
{
	return memcmp(table->magic, TABLE_MAGIC, sizeof(TABLE_MAGIC)) == 0 &&
	       memchr(table->path, '\0', sizeof(table->path)) && table->n <= EXTENTS_MAX;
}

/* Return: 0; -ENOENT: there is none, or its maker was killed before it had a page; -ESTALE; -errno
 */
static int read_table(int directory, const struct file_kind *kind, struct table **table)
{
	cleanup_close int fd = openat(directory, kind->table, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	int rc;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size != (off_t)TABLE_BYTES || st.st_blocks == 0)
		return -ENOENT;
	rc = map_table(fd, table);
	if (rc < 0)
		return rc;
	if (is_whole(*table) && (*table)->version == TABLE_VERSION)
		return 0;
	rc = (*table)->magic[0] ? -ESTALE : -ENOENT;
	munmap(*table, TABLE_BYTES);
	return rc;
}

static int make_table(const struct file_tier *file, const uint64_t id[TIER_ID_WORDS],
		      struct table **table)
{
	const char *name = file->kind->table;
	cleanup_close int fd = -1;
	int rc;

	if (unlinkat(file->directory, name, 0) < 0 && errno != ENOENT)
		return -errno;
	fd = openat(file->directory, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, (off_t)TABLE_BYTES) < 0)
		return -errno;
	rc = give_memory(fd, 0, sizeof(struct table));
	if (rc == 0)
		rc = map_table(fd, table);
	if (rc < 0)
		return rc;
	(*table)->version = TABLE_VERSION;
	memcpy((*table)->id, id, sizeof((*table)->id));
	strcpy((*table)->path, tier_store_path(file->store));
	/* Only a kill comes between */
	atomic_signal_fence(memory_order_seq_cst);
	memcpy((*table)->magic, TABLE_MAGIC, sizeof(TABLE_MAGIC));
	return 0;
}

/* The one in which its slots are */
static struct tier_store *store_of(const struct table *table, const struct file_kind *kind,
				   struct tier_stores *stores)
{
	if (kind->borrowed)
		return tier_stores_get_borrowed(stores, table->path);
	return kind->own ? tier_stores_get_own(stores, table->path) :
			   tier_stores_get(stores, table->path);
}

static bool has_lent(const struct table *table)
{
	uint32_t i;

	for (i = 0; i < table->n; i++)
		if (table->extent[i].where && table->extent[i].lent)
			return true;
	return false;
}

/* ---- for those who don't have the tier open ---- */

static int reserve_kind(int directory, const struct file_kind *kind, struct tier_stores *stores,
			struct err *err)
{
	struct tier_store *store;
	struct table *table;
	uint32_t i;
	int rc = read_table(directory, kind, &table);

	if (rc < 0)
		return rc == -ENOENT ? 0 : err_sys(err, -rc, "%s", kind->table);
	store = store_of(table, kind, stores);
	rc = store ? 0 : -ENOMEM;
	for (i = 0; rc == 0 && i < table->n; i++)
		if (table->extent[i].where)
			rc = tier_store_reserve(store, table->extent[i].where);
	munmap(table, TABLE_BYTES);
	return rc < 0 ? err_sys(err, -rc, "%s", kind->table) : 0;
}

int tier_file_reserve(int directory, struct tier_stores *stores, struct err *err)
{
	size_t i;
	int rc = 0;

	for (i = 0; i < FILE_KINDS && rc == 0; i++)
		rc = reserve_kind(directory, &kinds[i], stores, err);
	return rc;
}

/* Its record goes first, as in give_back() */
static void put_extents(struct table *table, struct tier_store *store)
{
	cleanup_free uint32_t *extent = malloc((table->n + 1) * sizeof(*extent));
	uint32_t i;
	size_t n = 0;

	for (i = 0; i < table->n; i++) {
		uint32_t where = atomic_exchange(&table->extent[i].where, EXTENT_NONE);

		if (where && extent)
			extent[n++] = where;
		else if (where)
			tier_store_put_all(store, table->id, &where, 1);
	}
	if (n)
		tier_store_put_all(store, table->id, extent, n);
}

static void forget_kind(int directory, const struct file_kind *kind, struct tier_stores *stores)
{
	struct tier_store *store;
	struct table *table;

	if (read_table(directory, kind, &table) < 0)
		return;
	store = store_of(table, kind, stores);
	if (store && kind->own && has_lent(table))
		tier_stores_leave_own(store, table->id);
	else if (store && (kind->own || kind->borrowed))
		tier_stores_drop_own(store, table->id);
	else if (store)
		put_extents(table, store);
	munmap(table, TABLE_BYTES);
}

void tier_file_forget(int directory, struct tier_stores *stores)
{
	size_t i;

	for (i = 0; i < FILE_KINDS && stores; i++)
		forget_kind(directory, &kinds[i], stores);
}

/* ---- opening ---- */

static void file_close(void *tier)
{
	struct file_tier *file = tier;
	uint32_t i;

	if (file->table) {
		for (i = 0; i < file->table->n && i < file->room; i++)
			tier_store_leave(file->store, file->table->extent[i].where);
		munmap(file->table, TABLE_BYTES);
	} else if (file->is_new) {
		tier_stores_drop_own(file->store, NULL);
	}
	tier_budget_give(file->budget, file->bytes);
	for (i = 0; i < READERS; i++) {
		tier_io_close(file->reader[i].io);
		pthread_mutex_destroy(&file->reader[i].lock);
	}
	tier_io_close(file->writer);
	if (file->directory >= 0)
		close(file->directory);
	pthread_mutex_destroy(&file->lock);
	for (i = 0; i < file->room; i++)
		free(file->extent[i].content);
	free(file->extent);
	free(file);
}

/* Under the lock */
static int know(struct file_tier *file, uint32_t n)
{
	uint32_t room = file->room ? file->room : 64;
	struct extent *more;

	if (n <= file->room)
		return 0;
	while (room < n)
		room *= 2;
	more = realloc(file->extent, room * sizeof(*more));
	if (!more)
		return -ENOMEM;
	memset(more + file->room, 0, (room - file->room) * sizeof(*more));
	file->extent = more;
	file->room = room;
	return 0;
}

static void count_extent(struct file_tier *file)
{
	file->bytes += EXTENT_BYTES;
	if (file->budget)
		file->budget->used += EXTENT_BYTES;
}

/* All or none: a guest whose extents are another's is not gone on with */
static int claim_extents(struct file_tier *file)
{
	struct table *table = file->table;
	uint32_t i;
	int rc = know(file, table->n);

	for (i = 0; rc == 0 && i < table->n; i++) {
		if (!table->extent[i].where)
			continue;
		rc = tier_store_claim(file->store, table->extent[i].where);
		if (rc == 0)
			count_extent(file);
	}
	if (rc == 0)
		return 0;
	while (i-- > 1)
		tier_store_leave(file->store, table->extent[i - 1].where);
	munmap(file->table, TABLE_BYTES);
	file->table = NULL;
	return rc == -EEXIST || rc == -EINVAL ? -EUCLEAN : rc;
}

/* What an earlier daemon left.  Pages stay in the file that they are in */
static int go_on(struct file_tier *file)
{
	const struct tier_store *configured = file->store;
	struct tier_store *store;
	struct table *table;
	int rc = read_table(file->directory, file->kind, &table);

	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	store = file->stores ? store_of(table, file->kind, file->stores) : NULL;
	if (!store) {
		munmap(table, TABLE_BYTES);
		return -ENOMEM;
	}
	file->reading_only |= configured != (file->kind->own ? tier_store_directory(store) : store);
	file->store = store;
	file->table = table;
	return claim_extents(file);
}

static int open_ios(struct file_tier *file)
{
	int rc = tier_io_open(&file->writer);
	size_t i;

	for (i = 0; i < READERS && rc == 0; i++)
		rc = tier_io_open(&file->reader[i].io);
	return rc;
}

static struct file_tier *new_tier(const struct file_kind *kind, int directory,
				  struct tier_stores *stores, const struct tier_spec *spec)
{
	struct file_tier *file = calloc(1, sizeof(*file));
	size_t i;

	if (!file)
		return NULL;
	pthread_mutex_init(&file->lock, NULL);
	for (i = 0; i < READERS; i++)
		pthread_mutex_init(&file->reader[i].lock, NULL);
	file->directory = fcntl(directory, F_DUPFD_CLOEXEC, 0);
	file->kind = kind;
	file->stores = stores;
	file->reading_only = !spec;
	file->store = spec ? spec->store : NULL;
	if (spec && spec->guest)
		snprintf(file->guest, sizeof(file->guest), "%s", spec->guest);
	file->budget = spec ? spec->budget : NULL;
	if (file->directory >= 0 && open_ios(file) == 0 && content_key_new(&file->key) == 0)
		return file;
	file_close(file);
	return NULL;
}

static int open_kind(const struct file_kind *kind, void **tier, int directory,
		     struct tier_stores *stores, const struct tier_spec *spec, bool fresh,
		     struct err *err)
{
	struct file_tier *file = new_tier(kind, directory, stores, spec);
	int rc = 0;

	if (!file)
		return err_nomem(err);
	if (fresh)
		rc = unlinkat(directory, kind->table, 0) < 0 && errno != ENOENT ? -errno : 0;
	else
		rc = go_on(file);
	if (rc < 0 || !file->store) {
		file_close(file);
		return rc < 0 ? err_sys(err, -rc, "%s", kind->table) : 0;
	}
	*tier = file;
	return 0;
}

static int file_open(void **tier, int directory, struct tier_stores *stores,
		     const struct tier_spec *spec, bool fresh, struct err *err)
{
	return open_kind(&kinds[KIND_FILE], tier, directory, stores, spec, fresh, err);
}

static int directory_open(void **tier, int directory, struct tier_stores *stores,
			  const struct tier_spec *spec, bool fresh, struct err *err)
{
	return open_kind(&kinds[KIND_DIRECTORY], tier, directory, stores, spec, fresh, err);
}

/* None of the configuration's: what another daemon borrowed is read on */
static int borrowed_open(void **tier, int directory, struct tier_stores *stores,
			 const struct tier_spec *spec, bool fresh, struct err *err)
{
	return open_kind(&kinds[KIND_BORROWED], tier, directory, stores, spec, fresh, err);
}

/* ---- slots ---- */

static struct extent_record *record_of(const struct file_tier *file, uint64_t slot)
{
	struct table *table = file->table;
	uint64_t index = slot >> INDEX_BITS;

	return table && index < table->n ? &table->extent[index] : NULL;
}

/* Under the lock.  Return: it was not taken */
static bool take_slot(struct file_tier *file, uint64_t slot)
{
	struct extent *extent = &file->extent[slot >> INDEX_BITS];
	uint64_t bit = UINT64_C(1) << slot % 64, *word = &extent->taken[slot % EXTENT_PAGES / 64];

	if (*word & bit)
		return false;
	*word |= bit;
	extent->n_taken++;
	file->pages++;
	return true;
}

static int file_claim(void *tier, uint64_t slot)
{
	struct file_tier *file = tier;
	struct extent_record *record = record_of(file, slot);
	int rc;

	if (!record || !record->where)
		return -EINVAL;
	pthread_mutex_lock(&file->lock);
	rc = take_slot(file, slot) ? 0 : -EEXIST;
	pthread_mutex_unlock(&file->lock);
	return rc;
}

static int file_ready(void *tier, struct err *err)
{
	struct file_tier *file = tier;
	uint32_t i;

	(void)err;
	pthread_mutex_lock(&file->lock);
	for (i = 0; file->table && i < file->table->n; i++)
		if (file->table->extent[i].where && !file->extent[i].n_taken)
			file->n_empty++;
	pthread_mutex_unlock(&file->lock);
	return 0;
}

static void file_free(void *tier, uint64_t slot)
{
	struct file_tier *file = tier;
	uint64_t bit = UINT64_C(1) << slot % 64, *word;
	struct extent *extent;

	if (!record_of(file, slot))
		return;
	pthread_mutex_lock(&file->lock);
	extent = &file->extent[slot >> INDEX_BITS];
	word = &extent->taken[slot % EXTENT_PAGES / 64];
	if (*word & bit) {
		*word &= ~bit;
		extent->known[slot % EXTENT_PAGES / 64] &= ~bit;
		file->pages--;
		if (--extent->n_taken == 0)
			file->n_empty++;
	}
	pthread_mutex_unlock(&file->lock);
}

/* ---- clean pages ---- */

/* Under the lock.  NULL: no memory, or another process may change what is there */
static struct content_hash *content_of(struct file_tier *file, uint64_t slot)
{
	struct extent *extent = &file->extent[slot >> INDEX_BITS];

	if (!extent->content && !file->kind->borrowed) {
		extent->content = calloc(EXTENT_PAGES, sizeof(*extent->content));
		file->content_bytes += extent->content ? CONTENT_BYTES : 0;
	}
	return extent->content ? &extent->content[slot % EXTENT_PAGES] : NULL;
}

/* This is what the slot has: it was read there.  The slot is the caller's meanwhile */
static void know_content(struct file_tier *file, uint64_t slot, const void *page)
{
	struct content_hash hash = content_hash(&file->key, page), *at;

	pthread_mutex_lock(&file->lock);
	at = content_of(file, slot);
	if (at) {
		*at = hash;
		file->extent[slot >> INDEX_BITS].known[slot % EXTENT_PAGES / 64] |= UINT64_C(1)
										    << slot % 64;
	}
	pthread_mutex_unlock(&file->lock);
}

static bool known_content(struct file_tier *file, uint64_t slot, struct content_hash *hash)
{
	const struct extent *extent;
	bool known;

	if (!record_of(file, slot))
		return false;
	pthread_mutex_lock(&file->lock);
	extent = &file->extent[slot >> INDEX_BITS];
	known = extent->known[slot % EXTENT_PAGES / 64] >> slot % 64 & 1;
	if (known)
		*hash = extent->content[slot % EXTENT_PAGES];
	pthread_mutex_unlock(&file->lock);
	return known;
}

/* Without the disk: of a slot that was not read since it was taken it is not known */
static bool file_holds(void *tier, uint64_t slot, const void *page)
{
	struct file_tier *file = tier;
	struct content_hash hash;

	return known_content(file, slot, &hash) &&
	       content_hash_same(content_hash(&file->key, page), hash);
}

/* What goes nowhere any more, and what is borrowed, has to leave soon */
static bool file_keeps(const void *tier)
{
	const struct file_tier *file = tier;

	return !file->reading_only && !file->kind->borrowed;
}

/* ---- I/O ---- */

static void note_why(struct file_tier *file, const struct err *why)
{
	pthread_mutex_lock(&file->lock);
	file->why = *why;
	pthread_mutex_unlock(&file->lock);
}

/* What was missing when the guest began may be there now; not asked at each page */
static int open_file(struct file_tier *file, uint64_t id[TIER_ID_WORDS], struct err *err)
{
	struct table *table = file->table;
	int fd;

	pthread_mutex_lock(&file->lock);
	if (file->open_again && clock_left_ms(file->open_again)) {
		*err = file->why;
		pthread_mutex_unlock(&file->lock);
		return -ENODEV;
	}
	pthread_mutex_unlock(&file->lock);
	fd = tier_store_open(file->store, table ? table->id : NULL, id, &file->given_up, err);
	pthread_mutex_lock(&file->lock);
	file->open_again = fd < 0 ? clock_ms() + OPEN_AGAIN_MS : 0;
	if (fd < 0)
		file->why = *err;
	pthread_mutex_unlock(&file->lock);
	/* That a tier has nothing to give or to take is another matter */
	return fd == -ENOENT ? -ENODEV : fd;
}

/* Slots side by side, whose pages are too, are one piece.  Return: how many pieces */
static size_t make_pieces(const struct file_tier *file, const uint64_t *slots, size_t n,
			  unsigned char *pages, struct tier_piece *piece, size_t *piece_of)
{
	size_t i, pieces = 0;
	uint64_t end = 0;

	for (i = 0; i < n; i++) {
		uint64_t where = record_of(file, slots[i])->where;
		uint64_t offset = where * EXTENT_BYTES + slots[i] % EXTENT_PAGES * PAGE_BYTES;

		if (pieces && offset == end)
			piece[pieces - 1].bytes += PAGE_BYTES;
		else
			piece[pieces++] = (struct tier_piece){
				.at = pages + i * PAGE_BYTES,
				.bytes = PAGE_BYTES,
				.offset = offset,
			};
		piece_of[i] = pieces - 1;
		end = offset + PAGE_BYTES;
	}
	return pieces;
}

static void mismatch(struct file_tier *file)
{
	struct err why;

	err_set(&why, EIO, "%s: a page there is not what was put there",
		tier_store_path(file->store));
	note_why(file, &why);
}

static void failed_io(struct file_tier *file, int rc, const char *what, struct err *why)
{
	err_sys(why, -rc, "%s: %s", tier_store_path(file->store), what);
	note_why(file, why);
	/* One that does not answer has not failed yet */
	if (rc != -ECANCELED)
		tier_store_failed(file->store);
}

/* One that no thread uses, or the first.  Locked */
static struct reader *take_reader(struct file_tier *file)
{
	size_t i;

	for (i = 0; i < READERS; i++)
		if (pthread_mutex_trylock(&file->reader[i].lock) == 0)
			return &file->reader[i];
	pthread_mutex_lock(&file->reader[0].lock);
	return &file->reader[0];
}

/* While others can see that the disk is waited for */
static int run_pieces(struct file_tier *file, struct tier_io *io, int fd, bool write,
		      struct tier_piece *piece, size_t n)
{
	int rc;

	tier_store_asks(file->store);
	rc = tier_io_run(io, fd, write, piece, n);
	tier_store_answered(file->store);
	return rc;
}

/* All of @slots are slots of ours.  In a piece that fails each page is read again by itself: one
 * bad sector is one page */
static void read_slots(struct file_tier *file, int fd, const uint64_t *slots, size_t n,
		       unsigned char *pages, int *rc)
{
	struct tier_piece piece[TIER_PIECES_MAX];
	size_t piece_of[TIER_PIECES_MAX], i, pieces;
	struct reader *reader;
	bool canceled = false;
	struct err why;

	pieces = make_pieces(file, slots, n, pages, piece, piece_of);
	reader = take_reader(file);
	run_pieces(file, reader->io, fd, false, piece, pieces);
	for (i = 0; i < n; i++) {
		struct tier_piece one;
		size_t none;

		rc[i] = piece[piece_of[i]].rc;
		canceled |= rc[i] == -ECANCELED;
		if (rc[i] == 0 || rc[i] == -ECANCELED || pieces == n)
			continue;
		make_pieces(file, &slots[i], 1, pages + i * PAGE_BYTES, &one, &none);
		rc[i] = run_pieces(file, reader->io, fd, false, &one, 1);
	}
	pthread_mutex_unlock(&reader->lock);
	tier_store_silent(file->store, canceled);
	for (i = 0; i < n; i++)
		if (rc[i] < 0)
			failed_io(file, rc[i], "cannot read", &why);
}

static void file_fetch(void *tier, const uint64_t *slots, size_t n, void *pages, int *rc)
{
	struct file_tier *file = tier;
	uint64_t proof[TIER_PIECES_MAX], id[TIER_ID_WORDS];
	unsigned char *at = pages;
	struct err err;
	size_t i;
	int fd;

	for (i = 0; i < n; i++)
		rc[i] = -EIO;
	for (i = 0; i < n; i++) {
		const struct extent_record *record = record_of(file, slots[i]);

		if (!record || !record->where)
			return mismatch(file);
		if (!memory_copy(&proof[i], &record->proof[slots[i] % EXTENT_PAGES],
				 sizeof(proof[i]))) {
			rc[i] = -EHWPOISON;
			return;
		}
	}
	fd = open_file(file, id, &err);
	/* Of a page, what failed says other things */
	if (fd < 0) {
		for (i = 0; i < n; i++)
			rc[i] = fd == -ENOMEM ? fd : -ENODEV;
		return;
	}
	read_slots(file, fd, slots, n, at, rc);
	for (i = 0; i < n; i++) {
		if (rc[i] < 0)
			continue;
		if (is_sealed(at + i * PAGE_BYTES, proof[i])) {
			know_content(file, slots[i], at + i * PAGE_BYTES);
		} else {
			mismatch(file);
			rc[i] = -EIO;
		}
	}
}

static int file_load(void *tier, uint64_t slot, void *page)
{
	unsigned char *aligned = aligned_alloc(PAGE_BYTES, PAGE_BYTES);
	int rc;

	if (!aligned)
		return -ENOMEM;
	file_fetch(tier, &slot, 1, aligned, &rc);
	if (rc == 0)
		memcpy(page, aligned, PAGE_BYTES);
	/* The disk may still write there */
	if (rc != -ECANCELED)
		free(aligned);
	return rc;
}

/* ---- putting pages there ---- */

static int memory_for_record(const struct file_tier *file, uint32_t index)
{
	cleanup_close int fd =
		openat(file->directory, file->kind->table, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	size_t from = sizeof(struct table) + index * sizeof(struct extent_record);

	return fd < 0 ? -errno : give_memory(fd, from, sizeof(struct extent_record));
}

/* An index without an extent.  Only the demoting thread gives and takes extents */
static uint32_t free_index(const struct file_tier *file)
{
	const struct table *table = file->table;
	uint32_t i = 0;

	while (i < table->n && table->extent[i].where)
		i++;
	return i;
}

static int add_extent(struct file_tier *file, uint32_t *added)
{
	struct table *table = file->table;
	uint32_t index = free_index(file), where = EXTENT_NONE;
	int rc = index < EXTENTS_MAX ? memory_for_record(file, index) : -ENOSPC;

	if (rc == 0)
		rc = tier_store_take(file->store, file->budget, &file->given_up, &where);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&file->lock);
	rc = know(file, index + 1);
	if (rc == 0) {
		file->bytes += EXTENT_BYTES;
		file->n_empty++;
		atomic_store(&table->extent[index].where, where);
		if (index >= table->n)
			atomic_store(&table->n, index + 1);
	}
	pthread_mutex_unlock(&file->lock);
	if (rc < 0) {
		tier_store_put(file->store, where, &file->given_up);
		tier_budget_give(file->budget, EXTENT_BYTES);
	}
	*added = index;
	return rc;
}

/* Under the lock, like the next one.  One with so few taken */
static bool find_extent(const struct file_tier *file, unsigned int most, uint32_t *found)
{
	const struct table *table = file->table;
	uint32_t i;

	for (i = 0; i < table->n; i++)
		if (table->extent[i].where && !table->extent[i].lent &&
		    file->extent[i].n_taken <= most) {
			*found = i;
			return true;
		}
	return false;
}

/* From @slots[@done] on.  Return: how many there are then */
static size_t take_of(struct file_tier *file, uint64_t *slots, size_t done, size_t n)
{
	uint64_t slot = (uint64_t)file->filling << INDEX_BITS, end = slot + EXTENT_PAGES;
	struct extent *extent = &file->extent[file->filling];

	if (!file->table->extent[file->filling].where || file->table->extent[file->filling].lent)
		return done;
	if (extent->n_taken == 0 && done < n)
		file->n_empty--;
	for (; slot < end && done < n; slot++)
		if (take_slot(file, slot))
			slots[done++] = slot;
	return done;
}

/* The extent that is being filled, then one with room for a batch, then a new one, then any */
static int next_extent(struct file_tier *file)
{
	uint32_t found;
	bool there;
	int rc;

	pthread_mutex_lock(&file->lock);
	there = find_extent(file, ROOMY, &found);
	pthread_mutex_unlock(&file->lock);
	rc = there ? 0 : add_extent(file, &found);
	if (rc == -ENOSPC) {
		pthread_mutex_lock(&file->lock);
		rc = find_extent(file, EXTENT_PAGES - 1, &found) ? 0 : rc;
		pthread_mutex_unlock(&file->lock);
	}
	if (rc == 0)
		file->filling = found;
	return rc;
}

static int take_slots(struct file_tier *file, uint64_t *slots, size_t n)
{
	size_t done = 0, i;
	int rc = 0;

	while (done < n && rc == 0) {
		pthread_mutex_lock(&file->lock);
		if (file->filling < file->table->n)
			done = take_of(file, slots, done, n);
		pthread_mutex_unlock(&file->lock);
		if (done < n)
			rc = next_extent(file);
	}
	for (i = 0; rc < 0 && i < done; i++)
		file_free(file, slots[i]);
	return rc;
}

static int write_slots(struct file_tier *file, int fd, const uint64_t *slots, size_t n,
		       unsigned char *pages)
{
	struct tier_piece piece[TIER_PIECES_MAX];
	size_t piece_of[TIER_PIECES_MAX], i;
	size_t pieces = make_pieces(file, slots, n, pages, piece, piece_of);
	int rc = run_pieces(file, file->writer, fd, true, piece, pieces);

	for (i = 0; i < pieces; i++)
		if (piece[i].rc == -ECANCELED)
			return -ECANCELED;
	tier_store_silent(file->store, false);
	/* Another host reads what its server has, not what is in our memory */
	if (rc == 0 && file->kind->own)
		rc = tier_store_sync(file->store, &file->given_up);
	for (i = 0; i < n && rc == 0; i++) {
		uint64_t proof = seal(pages + i * PAGE_BYTES);

		if (!memory_copy(&record_of(file, slots[i])->proof[slots[i] % EXTENT_PAGES], &proof,
				 sizeof(proof)))
			rc = -EIO;
	}
	return rc;
}

/* The disk may still write there, whenever it answers: these slots are no page's any more */
static void hold_slots(struct file_tier *file, const uint64_t *slots, size_t n)
{
	size_t i;

	tier_store_silent(file->store, true);
	for (i = 0; i < n; i++)
		tier_store_hold(file->store, record_of(file, slots[i])->where);
}

static int first_time(struct file_tier *file, const uint64_t id[TIER_ID_WORDS])
{
	struct table *table = NULL;
	int rc;

	if (file->table)
		return 0;
	rc = make_table(file, id, &table);
	if (rc < 0)
		return rc;
	file->table = table;
	file->is_new = false;
	return 0;
}

/* Before its first page */
static int name_own(struct file_tier *file, struct err *err)
{
	struct tier_store *store = file->store;
	int rc;

	if (!file->kind->own || file->table || tier_store_directory(store))
		return 0;
	rc = tier_stores_new_own(file->stores, store, file->guest, &file->given_up, &store, err);
	if (rc < 0)
		return rc;
	file->store = store;
	file->is_new = true;
	return 0;
}

/* What is full, for a person who will make room */
static int no_room(const struct file_tier *file, int rc, struct err *err)
{
	const struct tier_budget *budget = file->budget;
	const char *path = tier_store_path(file->store);
	char size[TEXT_KIB_SIZE];

	if (rc != -ENOSPC)
		return err_sys(err, -rc, "%s: no room for pages", path);
	if (budget && budget->limit && budget->used + EXTENT_BYTES > budget->limit)
		return err_set(err, ENOSPC,
			       "%s: no room for pages: it has the size in [overcommit], %s", path,
			       text_from_kib(budget->limit / 1024, size));
	return err_set(err, ENOSPC, "%s: no room for pages: its %s is full", path,
		       tier_store_is_device(file->store) ? "device" : "file system");
}

static int file_put(void *tier, const void *pages, const size_t *now, size_t n, uint64_t *slots,
		    struct err *err)
{
	struct file_tier *file = tier;
	unsigned char *from = (unsigned char *)(uintptr_t)pages; /* read only */
	uint64_t id[TIER_ID_WORDS];
	size_t i;
	int fd, rc;

	(void)now;
	if (file->reading_only)
		return -ENOENT;
	rc = name_own(file, err);
	if (rc < 0)
		return rc;
	fd = open_file(file, id, err);
	if (fd < 0)
		return fd;
	rc = tier_store_may_put(file->store, err);
	if (rc < 0) {
		note_why(file, err);
		return rc;
	}
	rc = first_time(file, id);
	if (rc == 0)
		rc = take_slots(file, slots, n);
	if (rc < 0)
		return no_room(file, rc, err);
	rc = write_slots(file, fd, slots, n, from);
	if (rc == 0)
		return 0;
	if (rc == -ECANCELED)
		hold_slots(file, slots, n);
	for (i = 0; i < n && rc != -ECANCELED; i++)
		file_free(file, slots[i]);
	failed_io(file, rc, "cannot write", err);
	return rc;
}

/* Under the lock */
static void forget_content(struct file_tier *file, uint32_t index)
{
	struct extent *extent = &file->extent[index];

	file->content_bytes -= extent->content ? CONTENT_BYTES : 0;
	free(extent->content);
	extent->content = NULL;
}

/* Its record goes first: what a kill leaves in between is no guest's */
static void give_back(struct file_tier *file, uint32_t index)
{
	uint32_t where = EXTENT_NONE;

	pthread_mutex_lock(&file->lock);
	if (file->n_empty > EMPTY_KEPT && !file->extent[index].n_taken &&
	    !file->table->extent[index].lent) {
		where = atomic_exchange(&file->table->extent[index].where, EXTENT_NONE);
		file->n_empty -= where != EXTENT_NONE;
	}
	if (where) {
		file->bytes -= EXTENT_BYTES;
		forget_content(file, index);
	}
	pthread_mutex_unlock(&file->lock);
	if (!where)
		return;
	tier_store_put(file->store, where, &file->given_up);
	tier_budget_give(file->budget, EXTENT_BYTES);
}

static void file_tidy(void *tier)
{
	struct file_tier *file = tier;
	uint32_t i, n = file->table ? file->table->n : 0;
	uint64_t id[TIER_ID_WORDS];
	struct err err;

	/* While it can't be opened its content can't go either */
	if (file->kind->borrowed || file->n_empty <= EMPTY_KEPT || open_file(file, id, &err) < 0)
		return;
	for (i = 0; i < n && file->n_empty > EMPTY_KEPT && !file->given_up; i++)
		if (i != file->filling)
			give_back(file, i);
}

/* ---- lent, and borrowed ---- */

/* First the file, so that no start of this host takes it for one that is left */
static int begin_lending(struct file_tier *file, struct err *err)
{
	uint64_t id[TIER_ID_WORDS];
	int fd;

	if (has_lent(file->table))
		return 0;
	fd = open_file(file, id, err);
	return fd < 0 ? fd : tier_store_lend(file->store, true, &file->given_up, err);
}

static int file_lend(void *tier, uint64_t slot, struct tier_location *location, struct err *err)
{
	struct file_tier *file = tier;
	struct extent_record *record = record_of(file, slot);
	int rc;

	if (!file->kind->own || !record || !record->where)
		return -ENOTSUP;
	rc = begin_lending(file, err);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&file->lock);
	record->lent = 1;
	pthread_mutex_unlock(&file->lock);
	location->offset =
		(uint64_t)record->where * EXTENT_BYTES + slot % EXTENT_PAGES * PAGE_BYTES;
	location->hash = record->proof[slot % EXTENT_PAGES];
	location->bytes = PAGE_BYTES;
	return 0;
}

static void file_let_go(void *tier)
{
	struct file_tier *file = tier;
	bool any = file->table && has_lent(file->table);
	uint64_t id[TIER_ID_WORDS];
	struct err err;
	uint32_t i;

	pthread_mutex_lock(&file->lock);
	for (i = 0; any && i < file->table->n; i++)
		file->table->extent[i].lent = 0;
	pthread_mutex_unlock(&file->lock);
	if (any && (open_file(file, id, &err) < 0 ||
		    tier_store_lend(file->store, false, &file->given_up, &err) < 0))
		log_warning("%s", err.text);
}

static int file_lent_file(const void *tier, struct tier_file_id *id)
{
	const struct file_tier *file = tier;

	if (!file->kind->own || !file->table || !has_lent(file->table))
		return -ENOENT;
	strcpy(id->path, file->table->path);
	memcpy(id->id, file->table->id, sizeof(id->id));
	return 0;
}

int tier_borrowed_begin(void **tier, int directory, struct tier_stores *stores,
			const struct tier_file_id *id, struct err *err)
{
	struct file_tier *file = new_tier(&kinds[KIND_BORROWED], directory, stores, NULL);
	struct table *table = NULL;
	int rc;

	if (!file)
		return err_nomem(err);
	file->store = tier_stores_get_borrowed(stores, id->path);
	if (!file->store)
		rc = err_set(err, EINVAL, "%s: no file of another host's guest", id->path);
	else
		rc = make_table(file, id->id, &table);
	if (rc < 0) {
		file_close(file);
		return rc == -EINVAL ? rc : err_sys(err, -rc, "%s", kinds[KIND_BORROWED].table);
	}
	file->table = table;
	*tier = file;
	return 0;
}

/* Its table has each extent at that extent's number, and no more than is needed has memory */
static int borrow_extent(struct file_tier *file, uint32_t where)
{
	struct table *table = file->table;
	int rc;

	if (where < table->n && table->extent[where].where)
		return 0;
	rc = memory_for_record(file, where);
	if (rc == 0)
		rc = tier_store_claim(file->store, where);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&file->lock);
	rc = know(file, where + 1);
	if (rc == 0) {
		count_extent(file);
		if (where >= table->n)
			atomic_store(&table->n, where + 1);
		atomic_store(&table->extent[where].where, where);
	}
	pthread_mutex_unlock(&file->lock);
	if (rc < 0)
		tier_store_leave(file->store, where);
	return rc;
}

static int file_borrow(void *tier, const struct tier_location *location, uint64_t *slot)
{
	struct file_tier *file = tier;
	uint64_t where = location->offset / EXTENT_BYTES;
	int rc;

	if (location->offset % PAGE_BYTES || location->bytes != PAGE_BYTES ||
	    where == EXTENT_NONE || where >= EXTENTS_MAX)
		return -EINVAL;
	rc = borrow_extent(file, (uint32_t)where);
	if (rc < 0)
		return rc;
	*slot = where << INDEX_BITS | location->offset / PAGE_BYTES % EXTENT_PAGES;
	pthread_mutex_lock(&file->lock);
	rc = take_slot(file, *slot) ? 0 : -EEXIST;
	pthread_mutex_unlock(&file->lock);
	if (rc == 0)
		file->table->extent[where].proof[*slot % EXTENT_PAGES] = location->hash;
	return rc;
}

static void file_give_up(void *tier)
{
	struct file_tier *file = tier;
	size_t i;

	file->given_up = true;
	for (i = 0; i < READERS; i++)
		tier_io_give_up(file->reader[i].io);
	tier_io_give_up(file->writer);
}

/* ---- for people ---- */

static void file_usage(const void *tier, struct tier_usage *usage)
{
	const struct file_tier *file = tier;

	*usage = (struct tier_usage){
		.name = file->kind->name,
		.pages = file->pages,
		.bytes = file->bytes,
		.content_bytes = file->pages * PAGE_BYTES,
	};
}

static size_t file_own(const void *tier)
{
	const struct file_tier *file = tier;
	size_t bytes = tier_io_bytes(file->writer), i;

	for (i = 0; i < READERS; i++)
		bytes += tier_io_bytes(file->reader[i].io);
	return bytes + sizeof(*file) + file->content_bytes;
}

static const char *file_path(const void *tier)
{
	const struct file_tier *file = tier;

	return tier_store_path(file->store);
}

static bool file_silent(const void *tier)
{
	const struct file_tier *file = tier;

	return tier_store_is_silent(file->store);
}

static void file_why(void *tier, struct err *why)
{
	struct file_tier *file = tier;

	pthread_mutex_lock(&file->lock);
	*why = file->why;
	pthread_mutex_unlock(&file->lock);
}

#define FILE_OPS(opens)                                                                            \
	{                                                                                          \
		.lower = true, .slow = true, .open = (opens), .close = file_close,                 \
		.claim = file_claim, .ready = file_ready, .load = file_load, .holds = file_holds,  \
		.free = file_free, .usage = file_usage, .put = file_put, .fetch = file_fetch,      \
		.tidy = file_tidy, .give_up = file_give_up, .path = file_path,                     \
		.silent = file_silent, .why = file_why, .lend = file_lend, .let_go = file_let_go,  \
		.lent_file = file_lent_file, .borrow = file_borrow, .keeps = file_keeps,           \
		.own = file_own,                                                                   \
	}

const struct tier_ops tier_file_ops = FILE_OPS(file_open);
const struct tier_ops tier_directory_ops = FILE_OPS(directory_open);
const struct tier_ops tier_borrowed_ops = FILE_OPS(borrowed_open);
