/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a domain's XML says of memory all over the document, before it is known
 * which backends there are.
 */
#ifndef MEMBACKING_GUEST_GUEST_LAYOUT_H
#define MEMBACKING_GUEST_GUEST_LAYOUT_H

#include <libxml/tree.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest/guest.h"
#include "memory/numa.h"

enum access { ACCESS_UNSET, ACCESS_PRIVATE, ACCESS_SHARED };
enum discard { DISCARD_UNSET, DISCARD_NO, DISCARD_YES };

/* <page>, or a bare <hugepages/> */
struct layout_page {
	uint64_t kib; /* 0: the host's default */
	bool has_cells;
	struct nodeset cells;
};

/**
 * struct layout_tune - <numatune>'s <memory> or <memnode>
 * @trouble:	Why its nodes are not known; empty: they are, or none are named.  Stops
 *		those only whose pages depend on it
 */
struct layout_tune {
	bool present;
	char trouble[GUEST_WORDS_SIZE];
	enum guest_bind mode;
	bool has_nodes;
	struct nodeset nodes;
};

struct layout_cell {
	bool present;
	uint64_t size_kib;
	enum access access;
	enum discard discard;
	struct layout_tune tune;
};

struct layout {
	uint64_t system_page_kib;
	uint64_t ram_align_kib;
	uint64_t device_align_kib;
	size_t n_pages;
	struct layout_page *pages;
	enum guest_source source;
	enum access access;
	enum discard discard;
	bool auto_placement;
	/* Of a <memnode> that is for no cell we can tell */
	char trouble[GUEST_WORDS_SIZE];
	struct layout_tune tune;
	size_t n_cells;
	struct layout_cell *cells;
};

/**
 * guest_layout_read() - Fill @layout, and @guest's flags
 *
 * Sizes must be right, since we compute with them; sets of nodes, where pages depend on
 * them.  Words that
 * we do not know (a mode, a source) stop no guest, a newer libvirt may know them: an
 * unknown mode counts as strict, which is right for every mode.
 * Return: 0, -EINVAL or -ENOMEM; the caller frees @layout in any case
 */
int guest_layout_read(const xmlNode *domain, struct layout *layout, struct guest *guest,
		      struct err *err);
void guest_layout_free(struct layout *layout);

/* Attributes that cells and memory devices share with <memoryBacking> */
enum access guest_layout_access(const xmlNode *node, const char *attr);
enum discard guest_layout_discard(const xmlNode *node);

/* A guest NUMA cell, or NULL if there is none of that number */
const struct layout_cell *guest_layout_find_cell(const struct layout *layout, int cell);

#define cleanup_layout __attribute__((cleanup(guest_layout_free)))

#endif
