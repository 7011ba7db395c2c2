// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Compressed RAM: pages through lz4, one by one, each in a slot with its length and its hash.
 *
 * Single pages, since a fault needs one page now: streams take four times as long, and blobs of
 * 64 KiB are read for one page.  What does not get smaller lies there as it is.  The hash is the
 * page's, not the compressed bytes': it finds a damaged slot and a changed page alike.
 */
#include <errno.h>
#include <lz4.h>
#include <stdlib.h>
#include <string.h>

#include "pager/memory_error.h"
#include "pager/page_hash.h"
#include "pager/slots.h"
#include "pager/tier_ops.h"

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

_Static_assert(PAGE_BYTES + (int)HEADER <= (int)SLOT_BYTES_MAX, "a whole page fits");

struct ram_tier {
	struct slots *slots;
	bool reading_only;
	_Atomic uint64_t pages, content_bytes;
};

static void ram_close_tier(void *tier)
{
	struct ram_tier *ram = tier;

	slots_close(ram->slots);
	free(ram);
}

static int ram_open_tier(void **tier, int directory, struct tier_stores *stores,
			 const struct tier_spec *spec, bool fresh, struct err *err)
{
	struct ram_tier *ram = calloc(1, sizeof(*ram));
	int rc;

	(void)stores;
	if (!ram)
		return err_nomem(err);
	ram->reading_only = !spec;
	rc = slots_open(&ram->slots, directory, "slots", spec ? spec->budget : NULL, fresh, err);
	if (rc)
		free(ram);
	else
		*tier = ram;
	return rc;
}

/* Return: bytes of the content.  @packed has room for PACKED_MAX */
static size_t pack(const void *page, char *packed)
{
	int n = LZ4_compress_fast(page, packed, PAGE_BYTES, PACKED_MAX, 1);

	return n > 0 ? (size_t)n : PAGE_BYTES;
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
	ram->pages++;
	ram->content_bytes += length;
	return 0;
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

static bool unpack(const char *content, size_t length, void *page)
{
	if (length == PAGE_BYTES) {
		memcpy(page, content, PAGE_BYTES);
		return true;
	}
	return LZ4_decompress_safe(content, page, (int)length, PAGE_BYTES) == PAGE_BYTES;
}

static int ram_load(void *tier, uint64_t slot, void *page)
{
	struct slot_header header;
	const char *content;
	int rc = find(tier, slot, &header, &content);

	if (rc < 0)
		return rc;
	return unpack(content, header.length, page) && page_hash(page) == header.hash ? 0 : -EIO;
}

static bool ram_holds(void *tier, uint64_t slot, const void *page)
{
	struct slot_header header;
	const char *content;
	char stored[PAGE_BYTES];

	/* The hash says no; only the bytes say yes */
	return find(tier, slot, &header, &content) == 0 && page_hash(page) == header.hash &&
	       unpack(content, header.length, stored) && !memcmp(stored, page, PAGE_BYTES);
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
	if (!rc) {
		ram->pages++;
		ram->content_bytes += length_of(ram, slot);
	}
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
		.name = "ram",
		.pages = ram->pages,
		.bytes = slots_bytes(ram->slots),
		.content_bytes = ram->content_bytes,
	};
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
};
