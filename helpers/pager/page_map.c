// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The map file: a header of one page, then one entry a page of the guest.
 *
 * The file has all its memory from the beginning, so that no store can fail for want of it.  The
 * header's magic number is written last: a file without it was never in use.
 *
 * Memory that is plugged in gets entries behind the others.  It is in the map when the header
 * counts it, by the last of the stores.  So the file may be longer than what is counted.
 */
#include "pager/page_map.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "kernel/kfs.h"

#define MAP_NAME  "map"
#define MAP_MAGIC UINT64_C(0x70616d2d6b62656d) /* "mbek-map" */

struct map_header {
	_Atomic uint64_t magic;
	uint32_t version;
	_Atomic uint32_t phase;
	uint64_t pages;
	struct map_identity identity;
	_Atomic uint32_t fenced, imported; /* behind what version 1 began with, and 0 there */
};

_Static_assert(sizeof(struct map_header) <= PAGE_BYTES, "the header is one page");
_Static_assert(sizeof(_Atomic uint64_t) == 8 && ATOMIC_LLONG_LOCK_FREE == 2, "entries are 64 bits");

struct page_map {
	int fd;
	size_t bytes;
	struct map_header *header;
	_Atomic uint64_t *entry;
	uint64_t pages;
};

enum { DISCARDED_BIT = 3, BAD_BIT = 4, GENERATION_BIT = 5, TIER_BIT = 25, SLOT_BIT = 28 };

/* The slot is kept as one more than it is: an entry of zeros has none */
page_entry page_entry_make(struct page_fields fields)
{
	page_entry entry = (uint64_t)fields.state;

	entry |= (uint64_t)fields.discarded << DISCARDED_BIT;
	entry |= (uint64_t)fields.bad << BAD_BIT;
	entry |= (uint64_t)(fields.generation % PAGE_GENERATIONS) << GENERATION_BIT;
	if (fields.has_slot) {
		entry |= (uint64_t)(fields.tier & 7) << TIER_BIT;
		entry |= (fields.slot + 1) << SLOT_BIT;
	}
	return entry;
}

struct page_fields page_entry_fields(page_entry entry)
{
	struct page_fields fields = {
		.state = (enum page_state)(entry & 7),
		.discarded = (entry >> DISCARDED_BIT) & 1,
		.bad = (entry >> BAD_BIT) & 1,
		.generation = (uint32_t)(entry >> GENERATION_BIT) % PAGE_GENERATIONS,
		.has_slot = entry >> SLOT_BIT,
	};

	if (fields.has_slot) {
		fields.tier = (entry >> TIER_BIT) & 7;
		fields.slot = (entry >> SLOT_BIT) - 1;
	}
	return fields;
}

static uint64_t count_pages(const struct map_identity *identity)
{
	uint64_t pages = 0;
	uint32_t i;

	for (i = 0; i < identity->n_objects; i++)
		pages += identity->object[i].pages;
	return pages;
}

static size_t bytes_of(uint64_t pages)
{
	return PAGE_BYTES + pages * sizeof(page_entry);
}

static int map_memory(struct page_map *map, struct err *err)
{
	void *at = mmap(NULL, map->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, map->fd, 0);

	if (at == MAP_FAILED)
		return err_sys(err, errno, "page map: mmap");
	map->header = at;
	map->entry = (_Atomic uint64_t *)(void *)((char *)at + PAGE_BYTES);
	if (mlock(at, map->bytes) < 0)
		return err_sys(err, errno, "page map: locking %zu bytes in memory", map->bytes);
	return 0;
}

static int make_file(struct page_map *map, int directory, const struct map_identity *identity,
		     struct err *err)
{
	int rc;

	map->pages = count_pages(identity);
	map->bytes = bytes_of(map->pages);
	map->fd = openat(directory, MAP_NAME, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
			 0600);
	if (map->fd < 0)
		return err_sys(err, errno, "page map");
	if (flock(map->fd, LOCK_EX | LOCK_NB) < 0)
		return err_sys(err, errno, "page map: flock");
	rc = posix_fallocate(map->fd, 0, (off_t)map->bytes);
	if (rc)
		return err_sys(err, rc, "page map: %zu bytes", map->bytes);
	rc = map_memory(map, err);
	if (rc < 0)
		return rc;
	map->header->version = MAP_VERSION;
	map->header->pages = map->pages;
	map->header->identity = *identity;
	atomic_store(&map->header->phase, MAP_ADOPTING);
	atomic_store_explicit(&map->header->magic, MAP_MAGIC, memory_order_release);
	return 0;
}

static struct page_map *new_map(void)
{
	struct page_map *map = calloc(1, sizeof(*map));

	if (map)
		map->fd = -1;
	return map;
}

int page_map_create(struct page_map **map, int directory, const struct map_identity *identity,
		    struct err *err)
{
	struct page_map *new = new_map();
	int rc;

	if (!new)
		return err_nomem(err);
	rc = make_file(new, directory, identity, err);
	if (rc < 0) {
		if (new->fd >= 0)
			unlinkat(directory, MAP_NAME, 0);
		page_map_close(new);
		return rc;
	}
	*map = new;
	return 0;
}

/* Who has the lock has threads that may still write; it goes with the last of them */
static int wait_for_lock(int fd, int64_t deadline_ms, struct err *err)
{
	uint64_t end = clock_ms() + (uint64_t)(deadline_ms > 0 ? deadline_ms : 0);

	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_sys(err, errno, "page map: flock");
		if (!clock_left_ms(end))
			return err_set(err, ETIMEDOUT, "page map: another pager still has it");
		clock_sleep_ms(1);
	}
	return 0;
}

static int same_boot(const struct map_identity *identity, struct err *err)
{
	char boot_id[sizeof(identity->boot_id)];
	struct kfs kfs;
	int rc = kfs_open(&kfs, "/", err);

	if (rc < 0)
		return rc;
	rc = kfs_read(&kfs, "proc/sys/kernel/random/boot_id", boot_id, sizeof(boot_id), err);
	kfs_close(&kfs);
	if (rc < 0)
		return rc;
	if (strncmp(boot_id, identity->boot_id, sizeof(boot_id)) != 0)
		return err_set(err, ESTALE, "page map: from another boot of the host");
	return 0;
}

static bool fits(struct page_map *map)
{
	const struct map_identity *identity = &map->header->identity;
	uint64_t most = (map->bytes - PAGE_BYTES) / sizeof(page_entry);
	uint32_t i;

	if (identity->n_pipes > PAGER_PIPES_MAX || identity->n_objects > RAM_OBJECTS_MAX)
		return false;
	for (i = 0; i < identity->n_objects; i++)
		if (identity->object[i].pages > most)
			return false;
	map->pages = count_pages(identity);
	return map->pages <= most;
}

static int check_header(struct page_map *map, struct err *err)
{
	const struct map_header *header = map->header;

	if (atomic_load_explicit(&header->magic, memory_order_acquire) != MAP_MAGIC)
		return err_set(err, ESTALE, "page map: was never in use");
	if (header->version != MAP_VERSION)
		return err_set(err, ESTALE, "page map: version %u, this pager has %d",
			       header->version, MAP_VERSION);
	if (!fits(map))
		return err_set(err, ESTALE, "page map: its length does not fit its header");
	return same_boot(&header->identity, err);
}

static int open_file(struct page_map *map, int directory, int64_t deadline_ms, struct err *err)
{
	struct stat st;
	int rc;

	map->fd = openat(directory, MAP_NAME, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (map->fd < 0)
		return err_sys(err, errno, "page map");
	rc = wait_for_lock(map->fd, deadline_ms, err);
	if (rc < 0)
		return rc;
	if (fstat(map->fd, &st) < 0)
		return err_sys(err, errno, "page map");
	if (!S_ISREG(st.st_mode) || st.st_size < PAGE_BYTES || st.st_size % 8)
		return err_set(err, ESTALE, "page map: was never in use");
	map->bytes = (size_t)st.st_size;
	rc = map_memory(map, err);
	return rc < 0 ? rc : check_header(map, err);
}

int page_map_open(struct page_map **map, int directory, int64_t deadline_ms, struct err *err)
{
	struct page_map *new = new_map();
	int rc;

	if (!new)
		return err_nomem(err);
	rc = open_file(new, directory, deadline_ms, err);
	if (rc < 0) {
		page_map_close(new);
		return rc;
	}
	*map = new;
	return 0;
}

void page_map_close(struct page_map *map)
{
	if (!map)
		return;
	if (map->header)
		munmap(map->header, map->bytes);
	if (map->fd >= 0)
		close(map->fd);
	free(map);
}

/* ---- memory that comes and goes ---- */

/* Only a kill comes between two stores: their order is enough */
static void store_order(void)
{
	atomic_signal_fence(memory_order_seq_cst);
}

/* The count of objects is what decides; @pages is for pagers that know no other */
static void set_objects(struct page_map *map, uint32_t n)
{
	store_order();
	map->header->identity.n_objects = n;
	store_order();
	map->pages = count_pages(&map->header->identity);
	map->header->pages = map->pages;
}

/* Memory for more entries.  What there is stays */
static int grow(struct page_map *map, uint64_t pages, struct err *err)
{
	size_t bytes = bytes_of(pages), before = map->bytes;
	struct map_header *header = map->header;
	int rc;

	if (bytes <= before)
		return 0;
	rc = posix_fallocate(map->fd, 0, (off_t)bytes);
	if (rc)
		return err_sys(err, rc, "page map: %zu bytes", bytes);
	map->bytes = bytes;
	rc = map_memory(map, err);
	if (rc < 0) {
		if (map->header != header)
			munmap(map->header, bytes);
		map->bytes = before;
		map->header = header;
		map->entry = (_Atomic uint64_t *)(void *)((char *)header + PAGE_BYTES);
		return rc;
	}
	munmap(header, before);
	return 0;
}

static uint32_t vacant_place(const struct map_identity *identity, uint64_t pages)
{
	uint32_t i;

	for (i = 0; i < identity->n_objects; i++)
		if (!identity->object[i].ino && identity->object[i].pages == pages)
			break;
	return i;
}

int page_map_take_in(struct page_map *map, const struct ram_object *object, struct err *err)
{
	uint32_t n = map->header->identity.n_objects;
	uint32_t i = vacant_place(&map->header->identity, object->pages);
	struct map_identity *identity;
	int rc;

	if (i == RAM_OBJECTS_MAX)
		return err_set(err, ENOTSUP, "more than %d memory files", RAM_OBJECTS_MAX);
	if (i == n) {
		rc = grow(map, map->pages + object->pages, err);
		if (rc < 0)
			return rc;
	}
	identity = &map->header->identity;
	identity->object[i].dev = object->dev;
	identity->object[i].pages = object->pages;
	store_order();
	identity->object[i].ino = object->ino;
	if (i == n)
		set_objects(map, n + 1);
	return (int)i;
}

void page_map_vacate(struct page_map *map, uint32_t object)
{
	store_order();
	map->header->identity.object[object].ino = 0;
}

void page_map_trim(struct page_map *map)
{
	const struct map_identity *identity = &map->header->identity;

	while (identity->n_objects > 1 && !identity->object[identity->n_objects - 1].ino)
		set_objects(map, identity->n_objects - 1);
}

const struct map_identity *page_map_identity(const struct page_map *map)
{
	return &map->header->identity;
}

struct ram page_map_ram(const struct page_map *map)
{
	const struct map_identity *identity = &map->header->identity;
	struct ram ram = { .n = 0 };
	uint32_t i;

	for (i = 0; i < identity->n_objects; i++)
		if (identity->object[i].ino)
			ram.object[ram.n++] = (struct ram_object){
				.fd = -1,
				.dev = identity->object[i].dev,
				.ino = identity->object[i].ino,
				.pages = identity->object[i].pages,
			};
	return ram;
}

enum map_phase page_map_phase(const struct page_map *map)
{
	return (enum map_phase)atomic_load_explicit(&map->header->phase, memory_order_acquire);
}

void page_map_set_phase(struct page_map *map, enum map_phase phase)
{
	atomic_store_explicit(&map->header->phase, (uint32_t)phase, memory_order_release);
}

bool page_map_is_fenced(const struct page_map *map)
{
	return atomic_load_explicit(&map->header->fenced, memory_order_acquire);
}

void page_map_fence(struct page_map *map, bool up)
{
	atomic_store_explicit(&map->header->fenced, up, memory_order_release);
}

bool page_map_is_imported(const struct page_map *map)
{
	return atomic_load_explicit(&map->header->imported, memory_order_acquire);
}

void page_map_set_imported(struct page_map *map)
{
	atomic_store_explicit(&map->header->imported, 1, memory_order_release);
}

uint64_t page_map_pages(const struct page_map *map)
{
	return map->pages;
}

uint64_t page_map_bytes(const struct page_map *map)
{
	return map->bytes;
}

page_entry page_map_get(const struct page_map *map, uint64_t page)
{
	/* Who counts first and looks then (leave_to_evictor) must not look first */
	return atomic_load(&map->entry[page]);
}

bool page_map_swap(struct page_map *map, uint64_t page, page_entry *expected, page_entry wanted)
{
	return atomic_compare_exchange_strong(&map->entry[page], expected, wanted);
}
