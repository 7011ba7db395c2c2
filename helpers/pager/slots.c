// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Slots of a few sizes in a file on a tmpfs.
 *
 * DOC: how a slab gets and loses its memory
 * A slab is absent (a hole in the file), empty (memory, no size) or of a class.  Its memory comes
 * by fallocate() before it is touched: a write to a full tmpfs through a mapping would be SIGBUS.
 * The last slot that goes makes it empty; a few empty ones are kept, for a punch of the hole
 * interrupts each processor that runs a thread of ours.  The file is mapped in pieces of 64 MiB:
 * a process has 65,000 mappings, and all guests share them.
 *
 * Locks: a class's, then @slabs_lock; never two classes'.
 */
#include "pager/slots.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pager/memory_error.h"

#ifndef MADV_POPULATE_WRITE /* Linux 5.14 */
#define MADV_POPULATE_WRITE 23
#endif

enum {
	SLAB_BYTES = 64 * 1024,
	HEADER_BYTES = 16,
	INDEX_BITS = 9, /* of a slot in its slab */
	CHUNK_SLABS = 1024,
	CHUNKS_MAX = 16384, /* 1 TiB, of all 64 TiB that a slot's number could say */
	/* Empty slabs that are kept, and one more for so many slabs */
	EMPTY_KEPT = 8,
	KEPT_OF = 64,
	NO_CLASS = 255,
};

#define SLAB_MAGIC  UINT32_C(0x62616c53)
#define CHUNK_BYTES ((size_t)CHUNK_SLABS * SLAB_BYTES)

/*
 * Slots in a slab, by class: sizes of 128 to 4368 bytes, each 6 % above the one before it, and
 * chosen so that they fill the slab.  A number in use may not get another size.
 */
static const uint16_t slots_in[] = {
	511, 341, 273, 227, 195, 170, 151, 136, 124, 114, 105, 97, 90, 83,
	77,  71,  66,  61,  57,	 53,  49,  46,	43,  40,  37,  35, 33, 31,
	29,  27,  25,  24,  23,	 22,  21,  20,	19,  18,  17,  16, 15,
};

enum { CLASSES = sizeof(slots_in) / sizeof(slots_in[0]), INDEX_MAX = 1 << INDEX_BITS };

/* At the beginning of a slab's memory */
struct slab_header {
	uint32_t magic;
	uint16_t n; /* slots */
	uint16_t zero;
	uint64_t number;
};

_Static_assert(sizeof(struct slab_header) == HEADER_BYTES, "slots begin behind it");

/**
 * struct slab - What this process knows of one; under its class's lock
 * @taken:	A bit a slot
 * @n_taken:	Read without the lock, like @size_class, by those who have a slot in it
 * @size_class:	NO_CLASS: empty or absent
 * @broken:	After a restart: a memory error of the host hides its size.  Its slots can't be
 * found
 * @next, @previous: Slabs of the class with a free slot, or empty, or absent ones; 1 + number
 */
struct slab {
	uint64_t taken[INDEX_MAX / 64];
	_Atomic uint16_t n_taken;
	_Atomic uint8_t size_class;
	bool broken;
	uint32_t next, previous;
};

struct chunk {
	char *memory;
	struct slab slab[CHUNK_SLABS];
};

struct slab_list {
	uint32_t first; /* 1 + number */
	uint32_t n;
};

/* @free: slabs of it that have a free slot */
struct size_class {
	pthread_mutex_t lock;
	struct slab_list free;
};

/**
 * struct slots
 * @bytes:	In slabs
 * @filled:	In slots that are taken
 * @class_of:	The class for so many bytes, in units of 16
 * @slabs_lock:	Protects @empty, @absent, @n_slabs and the making of chunks
 * @chunk:	Pieces of the file, each published once
 */
struct slots {
	int fd;
	struct tier_budget *budget;
	_Atomic uint64_t bytes, filled;
	uint8_t class_of[SLOT_BYTES_MAX / 16 + 1];
	struct size_class size_class[CLASSES];
	pthread_mutex_t slabs_lock;
	struct slab_list empty, absent;
	uint32_t n_slabs;
	struct chunk *_Atomic chunk[CHUNKS_MAX];
};

static size_t class_bytes(unsigned int size_class)
{
	return (size_t)((SLAB_BYTES - HEADER_BYTES) / slots_in[size_class]) & ~(size_t)15;
}

static struct chunk *chunk_of(const struct slots *slots, uint32_t number)
{
	return atomic_load_explicit(&slots->chunk[number / CHUNK_SLABS], memory_order_acquire);
}

static struct slab *slab_of(const struct slots *slots, uint32_t number)
{
	return &chunk_of(slots, number)->slab[number % CHUNK_SLABS];
}

static char *slab_memory(const struct slots *slots, uint32_t number)
{
	return chunk_of(slots, number)->memory + (size_t)(number % CHUNK_SLABS) * SLAB_BYTES;
}

static off_t slab_offset(uint32_t number)
{
	return (off_t)number * SLAB_BYTES;
}

/* ---- lists ---- */

static void list_add(struct slots *slots, struct slab_list *list, uint32_t number)
{
	struct slab *slab = slab_of(slots, number);

	slab->previous = 0;
	slab->next = list->first;
	if (list->first)
		slab_of(slots, list->first - 1)->previous = number + 1;
	list->first = number + 1;
	list->n++;
}

static void list_remove(struct slots *slots, struct slab_list *list, uint32_t number)
{
	const struct slab *slab = slab_of(slots, number);

	if (slab->next)
		slab_of(slots, slab->next - 1)->previous = slab->previous;
	if (slab->previous)
		slab_of(slots, slab->previous - 1)->next = slab->next;
	else
		list->first = slab->next;
	list->n--;
}

static bool list_pop(struct slots *slots, struct slab_list *list, uint32_t *number)
{
	if (!list->first)
		return false;
	*number = list->first - 1;
	list_remove(slots, list, *number);
	return true;
}

/* ---- the budget ---- */

static void budget_count(struct slots *slots)
{
	slots->bytes += SLAB_BYTES;
	if (slots->budget)
		slots->budget->used += SLAB_BYTES;
}

static bool budget_take(struct slots *slots)
{
	if (!tier_budget_take(slots->budget, SLAB_BYTES))
		return false;
	slots->bytes += SLAB_BYTES;
	return true;
}

static void budget_return(struct slots *slots)
{
	slots->bytes -= SLAB_BYTES;
	tier_budget_give(slots->budget, SLAB_BYTES);
}

static void count_slot(struct slots *slots, unsigned int size_class)
{
	slots->filled += class_bytes(size_class);
	if (slots->budget)
		slots->budget->filled += class_bytes(size_class);
}

static void uncount_slot(struct slots *slots, unsigned int size_class)
{
	slots->filled -= class_bytes(size_class);
	if (slots->budget)
		slots->budget->filled -= class_bytes(size_class);
}

/* ---- memory ---- */

/*
 * Locked as it is touched.  Only root is sure to be allowed to; a test that isn't root loses
 * nothing when its pages are swapped.
 */
static int lock_memory(void *memory)
{
	if (!mlock2(memory, CHUNK_BYTES, MLOCK_ONFAULT) || geteuid() != 0)
		return 0;
	return -errno;
}

/* The file has it already */
static int map_chunk(struct slots *slots, uint32_t index)
{
	struct chunk *chunk;
	size_t i;
	int rc = 0;

	chunk = calloc(1, sizeof(*chunk));
	if (!chunk)
		return -ENOMEM;
	chunk->memory = mmap(NULL, CHUNK_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, slots->fd,
			     (off_t)index * (off_t)CHUNK_BYTES);
	if (chunk->memory == MAP_FAILED)
		rc = -errno;
	else
		rc = lock_memory(chunk->memory);
	if (rc) {
		if (chunk->memory != MAP_FAILED)
			munmap(chunk->memory, CHUNK_BYTES);
		free(chunk);
		return rc;
	}
	for (i = 0; i < CHUNK_SLABS; i++)
		chunk->slab[i].size_class = NO_CLASS;
	atomic_store_explicit(&slots->chunk[index], chunk, memory_order_release);
	return 0;
}

/* The last one: at the end of the file */
static int add_chunk(struct slots *slots, uint32_t index)
{
	if (ftruncate(slots->fd, (off_t)(index + 1) * (off_t)CHUNK_BYTES))
		return -errno;
	return map_chunk(slots, index);
}

/* Under @slabs_lock */
static int add_slab(struct slots *slots, uint32_t *number)
{
	uint32_t index = slots->n_slabs / CHUNK_SLABS;
	int rc;

	if (index >= CHUNKS_MAX)
		return -ENOSPC;
	if (!chunk_of(slots, slots->n_slabs)) {
		rc = add_chunk(slots, index);
		if (rc)
			return rc;
	}
	*number = slots->n_slabs++;
	return 0;
}

static int give_memory(struct slots *slots, uint32_t number)
{
	while (fallocate(slots->fd, 0, slab_offset(number), SLAB_BYTES))
		if (errno != EINTR)
			return -errno;
	/* One call instead of sixteen faults; where it is unknown they happen */
	madvise(slab_memory(slots, number), SLAB_BYTES, MADV_POPULATE_WRITE);
	return 0;
}

static int punch(struct slots *slots, uint32_t first, uint32_t n)
{
	while (fallocate(slots->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, slab_offset(first),
			 slab_offset(n)))
		if (errno != EINTR)
			return -errno;
	return 0;
}

/* A slab with memory and without a class */
static int take_slab(struct slots *slots, uint32_t *number)
{
	int rc = 0;

	pthread_mutex_lock(&slots->slabs_lock);
	if (list_pop(slots, &slots->empty, number))
		goto out;
	if (!budget_take(slots)) {
		rc = -ENOSPC;
		goto out;
	}
	if (!list_pop(slots, &slots->absent, number))
		rc = add_slab(slots, number);
	if (!rc) {
		rc = give_memory(slots, *number);
		if (rc)
			list_add(slots, &slots->absent, *number);
	}
	if (rc)
		budget_return(slots);
out:
	pthread_mutex_unlock(&slots->slabs_lock);
	return rc;
}

/* In no list meanwhile: the punch takes longer than others should wait for */
static void give_memory_back(struct slots *slots, uint32_t number)
{
	bool keep = punch(slots, number, 1) != 0;

	pthread_mutex_lock(&slots->slabs_lock);
	list_add(slots, keep ? &slots->empty : &slots->absent, number);
	pthread_mutex_unlock(&slots->slabs_lock);
	if (!keep)
		budget_return(slots);
}

static bool is_room_asked_for(const struct slots *slots)
{
	return slots->budget && slots->budget->asked_ms;
}

static void give_slab_back(struct slots *slots, uint32_t number)
{
	bool keep;

	pthread_mutex_lock(&slots->slabs_lock);
	keep = !is_room_asked_for(slots) &&
	       slots->empty.n < EMPTY_KEPT + slots->bytes / SLAB_BYTES / KEPT_OF;
	if (keep)
		list_add(slots, &slots->empty, number);
	pthread_mutex_unlock(&slots->slabs_lock);
	if (!keep)
		give_memory_back(slots, number);
}

void slots_tidy(struct slots *slots)
{
	uint32_t number = 0, n, i;
	bool found = true;

	if (!is_room_asked_for(slots))
		return;
	/* No more than there are now: a punch that fails leaves them empty */
	pthread_mutex_lock(&slots->slabs_lock);
	n = slots->empty.n;
	pthread_mutex_unlock(&slots->slabs_lock);
	for (i = 0; i < n && found; i++) {
		pthread_mutex_lock(&slots->slabs_lock);
		found = list_pop(slots, &slots->empty, &number);
		pthread_mutex_unlock(&slots->slabs_lock);
		if (found)
			give_memory_back(slots, number);
	}
}

/* ---- taking and giving ---- */

/* Under the class's lock, like the two after it */
static uint64_t take_bit(struct slots *slots, unsigned int size_class, uint32_t number)
{
	struct slab *slab = slab_of(slots, number);
	unsigned int word = 0, bit;

	while (!~slab->taken[word])
		word++;
	bit = (unsigned int)__builtin_ctzll(~slab->taken[word]);
	slab->taken[word] |= UINT64_C(1) << bit;
	count_slot(slots, size_class);
	if (++slab->n_taken == slots_in[size_class])
		list_remove(slots, &slots->size_class[size_class].free, number);
	return (uint64_t)number << INDEX_BITS | (word * 64 + bit);
}

static int add_to_class(struct slots *slots, unsigned int size_class)
{
	struct slab_header header = { .magic = SLAB_MAGIC, .n = slots_in[size_class] };
	uint32_t number = 0;
	int rc = take_slab(slots, &number);

	if (rc)
		return rc;
	header.number = number;
	/* One that was kept may have got a memory error since.  Another page will be in its place
	 */
	if (!memory_copy(slab_memory(slots, number), &header, sizeof(header))) {
		give_memory_back(slots, number);
		return -EIO;
	}
	slab_of(slots, number)->size_class = (uint8_t)size_class;
	list_add(slots, &slots->size_class[size_class].free, number);
	return 0;
}

/* Return: whether it was taken.  @empty: it was the last of its slab */
static bool drop_bit(struct slots *slots, unsigned int size_class, uint64_t slot, bool *empty)
{
	uint32_t number = (uint32_t)(slot >> INDEX_BITS);
	unsigned int index = slot % INDEX_MAX;
	struct slab *slab = slab_of(slots, number);

	if (!(slab->taken[index / 64] & UINT64_C(1) << index % 64))
		return false;
	slab->taken[index / 64] &= ~(UINT64_C(1) << index % 64);
	uncount_slot(slots, size_class);
	if (slab->n_taken-- == slots_in[size_class])
		list_add(slots, &slots->size_class[size_class].free, number);
	*empty = !slab->n_taken;
	if (*empty) {
		list_remove(slots, &slots->size_class[size_class].free, number);
		slab->size_class = NO_CLASS;
	}
	return true;
}

static int get_of_class(struct slots *slots, unsigned int size_class, bool may_add, uint64_t *slot)
{
	struct size_class *of = &slots->size_class[size_class];
	int rc = 0;

	pthread_mutex_lock(&of->lock);
	if (!of->free.first)
		rc = may_add ? add_to_class(slots, size_class) : -ENOSPC;
	if (!rc)
		*slot = take_bit(slots, size_class, of->free.first - 1);
	pthread_mutex_unlock(&of->lock);
	return rc;
}

int slots_get(struct slots *slots, size_t bytes, uint64_t *slot)
{
	unsigned int size_class;
	int rc;

	if (!bytes || bytes > SLOT_BYTES_MAX)
		return -EINVAL;
	size_class = slots->class_of[(bytes + 15) / 16];
	rc = get_of_class(slots, size_class, true, slot);
	/* Too large a slot is better than none: what is stored may be of other sizes than before */
	while (rc == -ENOSPC && ++size_class < CLASSES)
		rc = get_of_class(slots, size_class, false, slot);
	return rc;
}

/* Return: its class, or NO_CLASS: no slot */
static unsigned int class_of_slot(const struct slots *slots, uint64_t slot)
{
	uint64_t number = slot >> INDEX_BITS;
	unsigned int size_class;

	if (number >= (uint64_t)CHUNKS_MAX * CHUNK_SLABS || !chunk_of(slots, (uint32_t)number))
		return NO_CLASS;
	size_class = slab_of(slots, (uint32_t)number)->size_class;
	return size_class < CLASSES && slot % INDEX_MAX < slots_in[size_class] ? size_class :
										 NO_CLASS;
}

bool slots_put(struct slots *slots, uint64_t slot)
{
	unsigned int size_class = class_of_slot(slots, slot);
	bool taken, empty = false;

	if (size_class == NO_CLASS)
		return false;
	pthread_mutex_lock(&slots->size_class[size_class].lock);
	taken = drop_bit(slots, size_class, slot, &empty);
	pthread_mutex_unlock(&slots->size_class[size_class].lock);
	if (empty)
		give_slab_back(slots, (uint32_t)(slot >> INDEX_BITS));
	return taken;
}

void *slots_at(const struct slots *slots, uint64_t slot, size_t *room)
{
	unsigned int size_class = class_of_slot(slots, slot);

	if (size_class == NO_CLASS)
		return NULL;
	*room = class_bytes(size_class);
	return slab_memory(slots, (uint32_t)(slot >> INDEX_BITS)) + HEADER_BYTES +
	       *room * (slot % INDEX_MAX);
}

bool slots_broken(const struct slots *slots, uint64_t slot)
{
	uint64_t number = slot >> INDEX_BITS;

	return number < (uint64_t)CHUNKS_MAX * CHUNK_SLABS && chunk_of(slots, (uint32_t)number) &&
	       slab_of(slots, (uint32_t)number)->broken;
}

unsigned int slots_slab_filled(const struct slots *slots, uint64_t slot)
{
	unsigned int size_class = class_of_slot(slots, slot);

	if (size_class == NO_CLASS)
		return 100;
	return slab_of(slots, (uint32_t)(slot >> INDEX_BITS))->n_taken * 100U /
	       slots_in[size_class];
}

uint64_t slots_bytes(const struct slots *slots)
{
	return slots->bytes;
}

/* ---- after a restart ---- */

static unsigned int class_in_header(const struct slots *slots, uint32_t number)
{
	struct slab_header header;
	unsigned int size_class;

	slab_of(slots, number)->broken =
		!memory_copy(&header, slab_memory(slots, number), sizeof(header));
	if (slab_of(slots, number)->broken || header.magic != SLAB_MAGIC || header.number != number)
		return NO_CLASS;
	for (size_class = 0; size_class < CLASSES; size_class++)
		if (slots_in[size_class] == header.n)
			return size_class;
	return NO_CLASS;
}

/* Under @slabs_lock: slots of a slab are claimed by one thread at a time */
static int claim(struct slots *slots, uint64_t slot)
{
	uint32_t number = (uint32_t)(slot >> INDEX_BITS);
	struct slab *slab = slab_of(slots, number);
	unsigned int index = slot % INDEX_MAX, size_class = slab->size_class;

	if (size_class == NO_CLASS && !slab->broken)
		size_class = class_in_header(slots, number);
	if (slab->broken)
		return -EHWPOISON;
	if (size_class == NO_CLASS || index >= slots_in[size_class])
		return -EINVAL;
	if (slab->taken[index / 64] & UINT64_C(1) << index % 64)
		return -EEXIST;
	if (slab->size_class == NO_CLASS) {
		slab->size_class = (uint8_t)size_class;
		budget_count(slots);
	}
	slab->taken[index / 64] |= UINT64_C(1) << index % 64;
	slab->n_taken++;
	count_slot(slots, size_class);
	return 0;
}

int slots_claim(struct slots *slots, uint64_t slot)
{
	int rc = -EINVAL;

	pthread_mutex_lock(&slots->slabs_lock);
	if (slot >> INDEX_BITS < slots->n_slabs)
		rc = claim(slots, slot);
	pthread_mutex_unlock(&slots->slabs_lock);
	return rc;
}

/* Holes side by side at once: there may be a million */
static int punch_free(struct slots *slots)
{
	uint32_t first, n;
	int rc = 0;

	for (first = 0; first < slots->n_slabs && !rc; first += n) {
		n = 0;
		while (first + n < slots->n_slabs &&
		       slab_of(slots, first + n)->size_class == NO_CLASS &&
		       !slab_of(slots, first + n)->broken)
			n++;
		if (n)
			rc = punch(slots, first, n);
		else
			n = 1;
	}
	return rc;
}

int slots_ready(struct slots *slots, struct err *err)
{
	uint32_t number = slots->n_slabs;
	int rc = punch_free(slots);

	if (rc)
		return err_sys(err, -rc, "slots: giving memory back");
	while (number--) {
		const struct slab *slab = slab_of(slots, number);
		unsigned int size_class = slab->size_class;

		if (slab->broken)
			continue;
		if (size_class == NO_CLASS)
			list_add(slots, &slots->absent, number);
		else if (slab->n_taken < slots_in[size_class])
			list_add(slots, &slots->size_class[size_class].free, number);
	}
	return 0;
}

/* ---- opening ---- */

static int open_file(int directory, const char *name, bool fresh)
{
	int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | (fresh ? O_EXCL : 0);
	int fd;

	if (fresh && unlinkat(directory, name, 0) && errno != ENOENT)
		return -errno;
	fd = openat(directory, name, flags, 0600);
	return fd < 0 ? -errno : fd;
}

static int map_file(struct slots *slots)
{
	struct stat st;
	uint64_t i, n;
	int rc = 0;

	if (fstat(slots->fd, &st))
		return -errno;
	n = (uint64_t)st.st_size / CHUNK_BYTES;
	if (!S_ISREG(st.st_mode) || n > CHUNKS_MAX)
		return -EFBIG;
	for (i = 0; i < n && !rc; i++)
		rc = map_chunk(slots, (uint32_t)i);
	if (rc)
		return rc;
	slots->n_slabs = (uint32_t)(n * CHUNK_SLABS);
	return 0;
}

static void make_classes(struct slots *slots)
{
	unsigned int size_class = 0;
	size_t i;

	for (i = 0; i < sizeof(slots->class_of); i++) {
		if (i * 16 > class_bytes(size_class))
			size_class++;
		slots->class_of[i] = (uint8_t)size_class;
	}
	for (i = 0; i < CLASSES; i++)
		pthread_mutex_init(&slots->size_class[i].lock, NULL);
}

int slots_open(struct slots **slots, int directory, const char *name, struct tier_budget *budget,
	       bool fresh, struct err *err)
{
	struct slots *new = calloc(1, sizeof(*new));
	int rc;

	if (!new)
		return err_nomem(err);
	make_classes(new);
	pthread_mutex_init(&new->slabs_lock, NULL);
	new->budget = budget;
	new->fd = open_file(directory, name, fresh);
	rc = new->fd < 0 ? new->fd : map_file(new);
	if (rc) {
		slots_close(new);
		return err_sys(err, -rc, "%s: opening and mapping", name);
	}
	*slots = new;
	return 0;
}

static void unmap_chunks(struct slots *slots)
{
	size_t i;

	for (i = 0; i < CHUNKS_MAX; i++) {
		struct chunk *chunk = slots->chunk[i];

		if (!chunk)
			break;
		munmap(chunk->memory, CHUNK_BYTES);
		free(chunk);
	}
}

void slots_close(struct slots *slots)
{
	size_t i;

	if (!slots)
		return;
	unmap_chunks(slots);
	for (i = 0; i < CLASSES; i++)
		pthread_mutex_destroy(&slots->size_class[i].lock);
	pthread_mutex_destroy(&slots->slabs_lock);
	if (slots->fd >= 0)
		close(slots->fd);
	if (slots->budget) {
		slots->budget->used -= slots->bytes;
		slots->budget->filled -= slots->filled;
	}
	free(slots);
}
