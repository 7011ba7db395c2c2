// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Compressed RAM: pages one by one, each in a slot with its length and its hash.  Through lz4 on
 * their way out of a guest's memory; those that stay long, through zstd after that.
 *
 * Single pages, since a fault needs one page now: streams take four times as long, and blobs of
 * 64 KiB are read for one page.  What lz4 does not make smaller lies there as it is; zstd takes
 * only what gets smaller than it was.  The hash is the page's, not the compressed bytes': it finds
 * a damaged slot and a changed page alike.
 */
#include <errno.h>
#include <fcntl.h>
#include <lz4.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "pager/memory_error.h"
#include "pager/page_hash.h"
#include "pager/slots.h"
#include "pager/tier_ops.h"
#include "pager/zstd_page.h"

/*
 * Whose a slot is.  For a migration between two pagers that reach the same slots: neither uses
 * one again that the other may still read.  Today all are owned.
 */
enum slot_owner { SLOT_OWNED, SLOT_SHARED_OUT, SLOT_BORROWED };

/* Before the content.  @length is PAGE_BYTES: not compressed */
struct slot_header {
	uint64_t hash;
	uint16_t length;
	uint8_t owner;
	uint8_t zero[5];
};

enum { HEADER = sizeof(struct slot_header), PACKED_MAX = SLOT_GAIN_MAX - HEADER };

/* A page is worth another compression, and slower reads, if this share of it is saved, and it does
 * not fit into the smallest slot as it is */
enum { GAIN_SHARE = 8, GAIN_FROM = SLOT_BYTES_MIN - HEADER };

#define ZSTD_SLOTS "zstd-slots"

_Static_assert(PAGE_BYTES + (int)HEADER <= (int)SLOT_BYTES_MAX, "a whole page fits");

/* @zstd: NULL: by lz4 */
struct ram_tier {
	struct slots *slots;
	struct zstd_page *zstd;
	bool reading_only;
	_Atomic uint64_t pages, content_bytes;
};

static void ram_close_tier(void *tier)
{
	struct ram_tier *ram = tier;

	slots_close(ram->slots);
	zstd_page_close(ram->zstd);
	free(ram);
}

/* @ram is freed if that fails */
static int open_slots(struct ram_tier *ram, int directory, const char *name,
		      const struct tier_spec *spec, bool fresh, struct err *err)
{
	int rc;

	ram->reading_only = !spec;
	rc = slots_open(&ram->slots, directory, name, spec ? spec->budget : NULL, fresh, err);
	if (rc) {
		zstd_page_close(ram->zstd);
		free(ram);
	}
	return rc;
}

static int ram_open_tier(void **tier, int directory, struct tier_stores *stores,
			 const struct tier_spec *spec, bool fresh, struct err *err)
{
	struct ram_tier *ram = calloc(1, sizeof(*ram));
	int rc;

	(void)stores;
	if (!ram)
		return err_nomem(err);
	rc = open_slots(ram, directory, "slots", spec, fresh, err);
	if (!rc)
		*tier = ram;
	return rc;
}

static int zstd_open_tier(void **tier, int directory, struct tier_stores *stores,
			  const struct tier_spec *spec, bool fresh, struct err *err)
{
	struct ram_tier *ram;
	struct stat st;
	int rc;

	(void)stores;
	if (!spec && fstatat(directory, ZSTD_SLOTS, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	ram = calloc(1, sizeof(*ram));
	if (!ram)
		return err_nomem(err);
	rc = zstd_page_open(&ram->zstd, err);
	if (rc) {
		free(ram);
		return rc;
	}
	rc = open_slots(ram, directory, ZSTD_SLOTS, spec, fresh, err);
	if (!rc)
		*tier = ram;
	return rc;
}

/* Return: bytes of the content.  @packed has room for PACKED_MAX */
static size_t pack(const void *page, char *packed)
{
	int n = LZ4_compress_fast(page, packed, PAGE_BYTES, PACKED_MAX, 1);

	return n > 0 ? (size_t)n : PAGE_BYTES;
}

static void count(struct ram_tier *ram, size_t length)
{
	ram->pages++;
	ram->content_bytes += length;
}

static int ram_store(void *tier, const void *page, uint64_t *slot)
{
	struct ram_tier *ram = tier;
	struct slot_header header = { .owner = SLOT_OWNED };
	char packed[PACKED_MAX];
	size_t length, room;
	char *at;
	int rc;

	if (ram->reading_only)
		return -ENOSPC;
	length = pack(page, packed);
	rc = slots_get(ram->slots, HEADER + length, slot);
	if (rc)
		return rc;
	header.hash = page_hash(page);
	header.length = (uint16_t)length;
	at = slots_at(ram->slots, *slot, &room);
	memcpy(at, &header, HEADER);
	memcpy(at + HEADER, length == PAGE_BYTES ? page : packed, length);
	count(ram, length);
	return 0;
}

static bool is_gain(size_t now, size_t then)
{
	return now > GAIN_FROM && then <= now - now / GAIN_SHARE;
}

/* One that takes @now bytes elsewhere.  Return: 0; -EFBIG: it gets no smaller; as ram_store() */
static int zstd_put_one(struct ram_tier *ram, const void *page, size_t now, uint64_t *slot)
{
	struct slot_header header = { .owner = SLOT_OWNED };
	char packed[HEADER + PACKED_MAX];
	size_t length = zstd_page_pack(ram->zstd, page, packed + HEADER, PACKED_MAX), room;
	int rc;

	if (!length || !is_gain(now, length))
		return -EFBIG;
	rc = slots_get(ram->slots, HEADER + length, slot);
	if (rc)
		return rc;
	header.hash = page_hash(page);
	header.length = (uint16_t)length;
	memcpy(packed, &header, HEADER);
	/* A slot whose memory is broken stays taken, so that no other page comes to lie there */
	if (!memory_copy(slots_at(ram->slots, *slot, &room), packed, HEADER + length))
		return -EIO;
	count(ram, length);
	return 0;
}

static int zstd_put(void *tier, const void *pages, const size_t *now, size_t n, uint64_t *slots,
		    struct err *err)
{
	struct ram_tier *ram = tier;
	const char *page = pages;
	int rc = 0;
	size_t i;

	for (i = 0; i < n; i++)
		slots[i] = SLOT_NONE;
	if (ram->reading_only)
		return -ENOENT;
	for (i = 0; i < n; i++) {
		rc = zstd_put_one(ram, page + i * PAGE_BYTES, now[i], &slots[i]);
		if (rc)
			slots[i] = rc == -EFBIG ? SLOT_NO_GAIN : SLOT_NONE;
		if (rc < 0 && rc != -EFBIG)
			break;
	}
	if (i == n || i > 0)
		return 0;
	return err_set(err, -rc, "zstd: %s", rc == -ENOSPC ? "no room" : err_text(-rc));
}

/*
 * The slot, its header read once: another thread may be writing to a slot that was given back.
 * Return: 0; -EIO: it holds no page; -EHWPOISON: a memory error of the host
 */
static int find(const struct ram_tier *ram, uint64_t slot, struct slot_header *header,
		const char **content)
{
	size_t room;
	const char *at = slots_at(ram->slots, slot, &room);

	if (!at)
		return slots_broken(ram->slots, slot) ? -EHWPOISON : -EIO;
	if (!memory_copy(header, at, HEADER))
		return -EHWPOISON;
	if (!header->length || header->length > PAGE_BYTES ||
	    HEADER + (size_t)header->length > room)
		return -EIO;
	*content = at + HEADER;
	return 0;
}

/* In a copy: under its lock nothing may touch a slot */
static int unpack_zstd(struct zstd_page *zstd, const char *content, size_t length, void *page)
{
	char packed[PACKED_MAX];

	if (length > sizeof(packed))
		return -EIO;
	if (!memory_copy(packed, content, length))
		return -EHWPOISON;
	return zstd_page_unpack(zstd, packed, length, page) ? 0 : -EIO;
}

/* Return: 0; -EIO: it is no page; -EHWPOISON: a memory error of the host */
static int unpack(const struct ram_tier *ram, const char *content, size_t length, void *page)
{
	if (ram->zstd)
		return unpack_zstd(ram->zstd, content, length, page);
	if (length == PAGE_BYTES) {
		memcpy(page, content, PAGE_BYTES);
		return 0;
	}
	return LZ4_decompress_safe(content, page, (int)length, PAGE_BYTES) == PAGE_BYTES ? 0 : -EIO;
}

static int ram_load(void *tier, uint64_t slot, void *page)
{
	struct slot_header header;
	const char *content;
	int rc = find(tier, slot, &header, &content);

	if (rc == 0)
		rc = unpack(tier, content, header.length, page);
	if (rc < 0)
		return rc;
	return page_hash(page) == header.hash ? 0 : -EIO;
}

static bool ram_holds(void *tier, uint64_t slot, const void *page)
{
	struct slot_header header;
	const char *content;
	char stored[PAGE_BYTES];

	/* The hash says no; only the bytes say yes */
	return find(tier, slot, &header, &content) == 0 && page_hash(page) == header.hash &&
	       unpack(tier, content, header.length, stored) == 0 &&
	       !memcmp(stored, page, PAGE_BYTES);
}

static uint64_t length_of(const struct ram_tier *ram, uint64_t slot)
{
	struct slot_header header;
	const char *content;

	return find(ram, slot, &header, &content) == 0 ? header.length : 0;
}

static int ram_claim(void *tier, uint64_t slot)
{
	struct ram_tier *ram = tier;
	int rc = slots_claim(ram->slots, slot);

	/* One that is damaged stays its page's: nothing else may come to lie there */
	if (!rc)
		count(ram, length_of(ram, slot));
	return rc;
}

static int ram_ready(void *tier, struct err *err)
{
	struct ram_tier *ram = tier;

	return slots_ready(ram->slots, err);
}

static void ram_free(void *tier, uint64_t slot)
{
	struct ram_tier *ram = tier;

	uint64_t length = length_of(ram, slot);

	if (slots_put(ram->slots, slot)) {
		ram->pages--;
		ram->content_bytes -= length;
	}
}

static void ram_usage(const void *tier, struct tier_usage *usage)
{
	const struct ram_tier *ram = tier;

	*usage = (struct tier_usage){
		.name = ram->zstd ? "zstd" : "ram",
		.pages = ram->pages,
		.bytes = slots_bytes(ram->slots),
		.content_bytes = ram->content_bytes,
	};
}

static size_t ram_length(const void *tier, uint64_t slot)
{
	return (size_t)length_of(tier, slot);
}

static unsigned int ram_slab_filled(const void *tier, uint64_t slot)
{
	const struct ram_tier *ram = tier;

	return slots_slab_filled(ram->slots, slot);
}

static void ram_tidy(void *tier)
{
	struct ram_tier *ram = tier;

	slots_tidy(ram->slots);
}

static size_t zstd_own(const void *tier)
{
	const struct ram_tier *ram = tier;

	return zstd_page_bytes(ram->zstd);
}

const struct tier_ops tier_ram_ops = {
	.open = ram_open_tier,
	.close = ram_close_tier,
	.claim = ram_claim,
	.ready = ram_ready,
	.store = ram_store,
	.load = ram_load,
	.holds = ram_holds,
	.free = ram_free,
	.usage = ram_usage,
	.length = ram_length,
	.slab_filled = ram_slab_filled,
	.tidy = ram_tidy,
};

const struct tier_ops tier_zstd_ops = {
	.lower = true,
	.open = zstd_open_tier,
	.close = ram_close_tier,
	.claim = ram_claim,
	.ready = ram_ready,
	.load = ram_load,
	.holds = ram_holds,
	.free = ram_free,
	.usage = ram_usage,
	.put = zstd_put,
	.length = ram_length,
	.own = zstd_own,
};
