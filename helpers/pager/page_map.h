/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The durable map of one guest's pages: where each page is, in a file that outlives the daemon.
 *
 * One 64-bit entry a page, changed by compare-and-swap alone: a store that does not know what it
 * replaces can lose a change of another thread's.  The file is mapped shared and locked in
 * memory, so entries survive the death of this process in the order in which they were stored.
 */
#ifndef MEMBACKING_PAGER_PAGE_MAP_H
#define MEMBACKING_PAGER_PAGE_MAP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "pager/ram.h"

/**
 * enum page_state - Where a page is, and who may change that
 * @PAGE_ZERO:		Never written, or discarded: a hole that reads as zeros
 * @PAGE_RESIDENT:	In the guest's file
 * @PAGE_LEAVING:	An evicting thread has claimed it: in the file, the pipe or the staging
 * @PAGE_LOADING:	A thread has claimed it to bring it back; its slot stays in the entry.
 *Without a slot its content comes from the staging, where it was on its way out
 * @PAGE_EVICTED:	In a slot of a tier
 * @PAGE_STAGED:	Reserved for migration: in the staging file of an incoming guest
 */
enum page_state {
	PAGE_ZERO,
	PAGE_RESIDENT,
	PAGE_LEAVING,
	PAGE_LOADING,
	PAGE_EVICTED,
	PAGE_STAGED,
};

/*
 * An entry: state 3 bits | discarded 1 | bad 1 | generation 20 | tier 3 | slot 36.
 * The generation grows with each eviction, so that a slot that was freed and used again is
 * no match for an entry that was read before.
 */
typedef uint64_t page_entry;

/**
 * struct page_fields - An entry, taken apart
 * @discarded:	Resident, or about to be: the guest discarded it since it was out last, or it has
 *		never been out since the adoption, so that a hole found here is zeros
 * @bad:	Never evict it again
 * @has_slot:	@tier and @slot name content: of a page that is evicted or loading, the page's; of
 *		one that is resident or leaving, what it was when it was loaded last
 * @slot:	Below PAGE_SLOTS_MAX
 */
struct page_fields {
	enum page_state state;
	bool discarded;
	bool bad;
	bool has_slot;
	uint32_t generation;
	unsigned int tier;
	uint64_t slot;
};

#define PAGE_GENERATIONS ((uint32_t)1 << 20)
#define PAGE_SLOTS_MAX	 (((uint64_t)1 << 36) - 1)

page_entry page_entry_make(struct page_fields fields);
struct page_fields page_entry_fields(page_entry entry);

/* What the daemon is doing with the guest as a whole, in the map's header */
enum map_phase {
	MAP_ADOPTING,
	MAP_PAGING,
	MAP_DETACHING,
	MAP_UNREGISTERING,
};

enum { PAGER_PIPES_MAX = 4, MAP_VERSION = 1 };

/**
 * struct map_identity - Whose pages these are.  All of it must match before a map is used again
 * @uffd, @pipe: Descriptors' numbers in QEMU; @pipe_ino: what the pipes are told by
 * @object:	Files of memory, in the order of their entries.  @ino 0: a place of memory that was
 *		unplugged, all of whose entries are ZERO
 */
struct map_identity {
	char boot_id[40];
	char uuid[40];
	pid_t pid;
	uint64_t start_time; /* of the process, in ticks since boot: field 22 of /proc/PID/stat */
	int uffd;
	uint32_t n_pipes;
	int pipe[PAGER_PIPES_MAX];
	uint64_t pipe_ino[PAGER_PIPES_MAX];
	uint32_t n_objects;
	struct {
		uint64_t dev, ino, pages;
	} object[RAM_OBJECTS_MAX];
};

struct page_map;

/**
 * page_map_create() - Make the file "map" in a guest's directory, every page PAGE_ZERO
 * @directory:	Descriptor of the guest's directory, root's alone
 *
 * The file is locked (flock) for the life of the process, threads included: who locks it next
 * knows that none of them is writing any more.
 */
int page_map_create(struct page_map **map, int directory, const struct map_identity *identity,
		    struct err *err);
/**
 * page_map_open() - Take over the map of a daemon that is gone, waiting for its last thread
 *
 * Return: 0; -ENOENT: there is none; -ESTALE: of another version or boot; -ETIMEDOUT; -errno
 */
int page_map_open(struct page_map **map, int directory, int64_t deadline_ms, struct err *err);
void page_map_close(struct page_map *map);

/* Another object in the map, all of whose entries are ZERO: in the place of one that was vacated,
 * or behind the last one.  No thread uses the map.
 *
 * Return: which one it is; -ENOTSUP: there are as many as there can be; -errno */
int page_map_take_in(struct page_map *map, const struct ram_object *object, struct err *err);
/* All entries of this object are ZERO, and it is no memory of the guest's any more */
void page_map_vacate(struct page_map *map, uint32_t object);
/* Forget vacated places behind the last object that is one.  No thread uses the map */
void page_map_trim(struct page_map *map);

const struct map_identity *page_map_identity(const struct page_map *map);
/* The files that it has, for ram_open_again(): without addresses and descriptors */
struct ram page_map_ram(const struct page_map *map);
enum map_phase page_map_phase(const struct page_map *map);
void page_map_set_phase(struct page_map *map, enum map_phase phase);
/* See guest_pager_fence().  An earlier version's map has none */
bool page_map_is_fenced(const struct page_map *map);
void page_map_fence(struct page_map *map, bool up);
/* It is filled from another host's while it is MAP_ADOPTING: without that its zeros are none */
bool page_map_is_imported(const struct page_map *map);
void page_map_set_imported(struct page_map *map);
uint64_t page_map_pages(const struct page_map *map);
/* Bytes of memory that it takes */
uint64_t page_map_bytes(const struct page_map *map);
page_entry page_map_get(const struct page_map *map, uint64_t page);
/* Replace an entry if it is still @expected; else @expected becomes what it is */
bool page_map_swap(struct page_map *map, uint64_t page, page_entry *expected, page_entry wanted);

#endif
