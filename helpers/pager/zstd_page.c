// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Contexts of libzstd that outlive each page: making one takes longer than a page.
 */
#include "pager/zstd_page.h"

#include <pthread.h>
#include <stdlib.h>
#include <zstd.h>

#include "pager/memory_error.h"
#include "pager/ram.h"

enum {
	/* "make bench-tiers": higher ones save less than 1 % of a page more, and take longer */
	LEVEL = 1,
	READERS = 2,
};

struct reader {
	pthread_mutex_t lock;
	ZSTD_DCtx *context;
};

/**
 * struct zstd_page
 * @writer:	Of the thread that packs
 * @reader:	Under its lock
 */
struct zstd_page {
	ZSTD_CCtx *writer;
	struct reader reader[READERS];
};

/* Each context's memory comes with its first page at the latest */
static bool warm_up(struct zstd_page *zstd)
{
	char page[PAGE_BYTES] = "the first page", packed[PAGE_BYTES];
	size_t i, n = zstd_page_pack(zstd, page, packed, sizeof(packed));

	for (i = 0; i < READERS && n; i++) {
		size_t bytes =
			ZSTD_decompressDCtx(zstd->reader[i].context, page, sizeof(page), packed, n);

		if (bytes != sizeof(page))
			n = 0;
	}
	return n;
}

int zstd_page_open(struct zstd_page **zstd, struct err *err)
{
	struct zstd_page *new = calloc(1, sizeof(*new));
	bool whole;
	size_t i;

	if (!new)
		return err_nomem(err);
	new->writer = ZSTD_createCCtx();
	whole = new->writer;
	for (i = 0; i < READERS; i++) {
		pthread_mutex_init(&new->reader[i].lock, NULL);
		new->reader[i].context = ZSTD_createDCtx();
		whole &= new->reader[i].context != NULL;
	}
	if (!whole || !warm_up(new)) {
		zstd_page_close(new);
		return err_nomem(err);
	}
	*zstd = new;
	return 0;
}

void zstd_page_close(struct zstd_page *zstd)
{
	size_t i;

	if (!zstd)
		return;
	for (i = 0; i < READERS; i++) {
		ZSTD_freeDCtx(zstd->reader[i].context);
		pthread_mutex_destroy(&zstd->reader[i].lock);
	}
	ZSTD_freeCCtx(zstd->writer);
	free(zstd);
}

size_t zstd_page_bytes(const struct zstd_page *zstd)
{
	size_t i, bytes = sizeof(*zstd) + ZSTD_sizeof_CCtx(zstd->writer);

	for (i = 0; i < READERS; i++)
		bytes += ZSTD_sizeof_DCtx(zstd->reader[i].context);
	return bytes;
}

size_t zstd_page_pack(struct zstd_page *zstd, const void *page, void *packed, size_t max)
{
	size_t n = ZSTD_compressCCtx(zstd->writer, packed, max, page, PAGE_BYTES, LEVEL);

	return ZSTD_isError(n) ? 0 : n;
}

/* One that is free, or the first */
static struct reader *take_reader(struct zstd_page *zstd)
{
	size_t i;

	for (i = 0; i < READERS; i++)
		if (!pthread_mutex_trylock(&zstd->reader[i].lock))
			return &zstd->reader[i];
	pthread_mutex_lock(&zstd->reader[0].lock);
	return &zstd->reader[0];
}

static bool unpack(struct reader *reader, const void *packed, size_t bytes, void *page)
{
	struct memory_guard guard;
	size_t n;

	if (!MEMORY_GUARDED(&guard))
		return false;
	n = ZSTD_decompressDCtx(reader->context, page, PAGE_BYTES, packed, bytes);
	memory_guard_pop(&guard);
	return n == PAGE_BYTES;
}

bool zstd_page_unpack(struct zstd_page *zstd, const void *packed, size_t bytes, void *page)
{
	struct reader *reader = take_reader(zstd);
	bool whole = unpack(reader, packed, bytes, page);

	pthread_mutex_unlock(&reader->lock);
	return whole;
}
