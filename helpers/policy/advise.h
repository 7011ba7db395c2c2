/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which backing suits a guest on this host.  Pure.
 *
 * DOC: how one is recommended
 *
 * Each backing is tried by the plan that the guest's start would make with the very XML
 * that would be pasted.  Of those that are possible the first that applies:
 *
 * Before them all: the guest's configuration has it paged, and it can be.
 * 0. The guest's definition asks for huge pages, and the host can provide them: what an
 * administrator wrote weighs more than any rule about sizes.
 * 1. The guest's memory is pinned from the start, by VFIO, vhost-vdpa or SEV: there is
 *    nothing to merge, swap or put off, so the largest pages that the host can provide.
 * 2. Enough huge pages lie idle in the pools: they serve for nothing else.
 * 3. Memory does not hold the guest: a store that is not in memory; else the pager, if what
 *    it promises fits.
 * 4. Memory holds it and little is left (ADVISE_TIGHT), or KSM saves much here
 *    already (ADVISE_SAVES): KSM.
 * 5. A large guest (ADVISE_LARGE_KIB): huge pages, grown for it and given back.
 * 6. Transparent huge pages; or huge pages where there are none.
 *
 * A guest whose memory is pinned gets pages of 1 GiB where a look at every page has found
 * enough ranges without one that can't be moved, and memory to make them of.
 *
 * Another backing than the recommended one can be asked for: struct advise_wish.
 *
 * Private memory of SEV-SNP and TDX comes from guest_memfd, whatever the XML says: nothing is
 * recommended for it.  Where a device's back end maps the guest's memory, every variant shares
 * it.
 */
#ifndef MEMBACKING_POLICY_ADVISE_H
#define MEMBACKING_POLICY_ADVISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "guest/guest_backing.h"
#include "memory/base_page.h"
#include "memory/fragmentation.h"
#include "memory/gigantic.h"
#include "memory/ksm.h"
#include "memory/thp.h"
#include "policy/host_view.h"

struct err;
struct guest;

/* Memory is short when less than a tenth of the host is left */
#define ADVISE_TIGHT 10

/* KSM saves much when that is a sixteenth of the host */
#define ADVISE_SAVES 16

/* Below, page tables and the TLB matter little, and THP mostly does as well */
#define ADVISE_LARGE_KIB (UINT64_C(2) * 1024 * 1024)

/* Resident of a guest for which no limit is configured, in percent */
#define ADVISE_RESIDENT 50

/* Ways to write <memoryBacking> */
enum advise_shape {
	ADVISE_PLAIN,
	ADVISE_SMALL, /* huge pages of 2 MiB, or what this host has in their place */
	ADVISE_GIANT, /* of 1 GiB */
	ADVISE_FILES,
	ADVISE_KEPT,   /* its own huge pages, as they are written */
	ADVISE_ASKED,  /* huge pages of the size that was asked for */
	ADVISE_SHARED, /* what the pager takes: shared memory in memfds, or as it is */
	ADVISE_SHAPES
};

enum advise_backing {
	ADVISE_STATIC,	/* huge pages that are in the pools already */
	ADVISE_DYNAMIC, /* huge pages, grown for the guest */
	ADVISE_THP,
	ADVISE_FILE,
	ADVISE_KSM,
	ADVISE_PAGED, /* under the pager */
	ADVISE_BACKINGS
};

enum advise_verdict {
	ADVISE_NO,
	ADVISE_LATER, /* after something else is done: see why */
	ADVISE_YES,
};

/**
 * struct advise_wish - A backing that was asked for, whatever is recommended
 * @given:	One was
 * @page_kib:	Of huge pages; 0: those that the guest's definition asks for, or else those that
 *		advise would take
 */
struct advise_wish {
	bool given;
	enum advise_backing backing;
	uint64_t page_kib;
};

/**
 * struct advise_input - All that is asked
 * @running:	The guest runs.  @ends: what it has counts as free in @host and @fragmentation,
 *		since its next start will find it so; else it counts as taken
 * @variants:	By shape.  Without a guest in them: the host has no such pages, or the guest
 *		asks for none
 * @arch:	The host's, as uname(2) has it; empty: unknown
 */
struct advise_input {
	const struct guest *guest;
	bool running;
	bool ends;
	const struct guest_variant *variants;
	const struct host_view *host;
	const struct fragmentation *fragmentation;
	const struct guest_policy *policy;
	struct advise_wish wish;
	bool has_ksm;
	struct ksm ksm;
	bool has_thp;
	struct thp thp;
	struct gigantic gigantic;
	char arch[BASE_ARCH_SIZE];
};

/**
 * struct advise_size - The guest in pages of one size
 * @tables_kib:	Page tables of a process that maps it.  The processor's second level (EPT,
 *		NPT) needs as much again
 * @waste_kib:	Rounded up to whole pages
 * @idle:	Pages in the pools that are promised to no guest, on the nodes it may use
 * @now, @more:	Pages that can be made of free memory, and at most of the rest of it
 *		by compaction and reclaim.  0 for the base page, as @idle
 */
struct advise_size {
	uint64_t page_kib;
	uint64_t pages;
	uint64_t tables_kib;
	uint64_t waste_kib;
	uint64_t idle;
	uint64_t now;
	uint64_t more;
};

#define ADVISE_SIZES_MAX   8
#define ADVISE_WHY_SIZE	   640
#define ADVISE_REASONS_MAX 16
#define ADVISE_REASON_SIZE 768

/**
 * struct advise_option - One backing
 * @shape:	What to write for it
 * @page_kib:	Of huge pages; 0: they have no part in it
 */
struct advise_option {
	enum advise_shape shape;
	uint64_t page_kib;
	enum advise_verdict verdict;
	char why[ADVISE_WHY_SIZE];
};

/**
 * struct advice - The comparison
 * @chosen:	What is recommended.  ADVISE_BACKINGS: none is possible
 * @asked:	The backing of the wish, if there is one
 */
struct advice {
	uint64_t size_kib;
	size_t n_sizes;
	struct advise_size sizes[ADVISE_SIZES_MAX];
	struct advise_option options[ADVISE_BACKINGS];
	enum advise_backing chosen;
	struct advise_option asked;
	size_t n_reasons;
	char reasons[ADVISE_REASONS_MAX][ADVISE_REASON_SIZE];
};

/* "static", "dynamic", "thp", "file", "ksm", "overcommit" */
const char *advise_name(enum advise_backing backing);

/**
 * advise_small_kib() - Page size for ADVISE_SMALL
 * Return: the default size unless that is gigantic, else the smallest; 0: none
 */
uint64_t advise_small_kib(const struct host_view *host);

/* ADVISE_BACKINGS: there is no such backing */
enum advise_backing advise_find(const char *name);

/* How the variant of @shape is made, with page_kib for those of pages */
struct guest_backing advise_want(enum advise_shape shape, const struct advise_input *in);

/* What the guest is defined as: the backing that was asked for, or else the recommended one.
 * NULL: none is possible */
const struct advise_option *advise_taken(const struct advise_input *in,
					 const struct advice *advice);

/* Only -ENOMEM: what is impossible is part of the advice */
int advise_make(const struct advise_input *in, struct advice *advice, struct err *err);

#endif
