// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Which backing suits a guest on this host, and why.
 */
#include "policy/advise.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/text.h"
#include "guest/guest.h"
#include "policy/guest_notes.h"
#include "policy/ksm_rules.h"
#include "policy/memory_promise.h"
#include "policy/overcommit_rules.h"
#include "policy/page_tables.h"
#include "policy/pins.h"
#include "policy/plan.h"
#include "policy/refusal.h"
#include "policy/store_rules.h"
#include "policy/thp_rules.h"

/* At most this part of a host is worth reserving at boot, in percent */
#define BOOT_PERCENT 80

/* From here on pages of 1 GiB are worth a word at the kernel's command line */
#define GIANT_WORTH_KIB (UINT64_C(8) * GIGANTIC_KIB)

/**
 * struct adviser - One advice while it is made
 * @unpaged:	The policy without paging, for all other backings
 * @kept:	Its definition asks for huge pages, and the host can provide them.  @kept_why: why
 *		not, where the plan refuses it as it is
 */
struct adviser {
	const struct advise_input *in;
	struct advice advice;
	struct guest_policy unpaged;
	uint64_t total_kib;    /* of the nodes it may use, as */
	uint64_t ram_kib;      /* free or reclaimable, without pools and swap, beside */
	uint64_t promised_kib; /* what running guests may still use */
	uint64_t swapped_kib;  /* of programs' memory, for dynamic huge pages */
	bool shared;
	bool kept;
	struct err kept_why;
};

const char *advise_name(enum advise_backing backing)
{
	static const char *const names[ADVISE_BACKINGS + 1] = {
		[ADVISE_STATIC] = "static", [ADVISE_DYNAMIC] = "dynamic",
		[ADVISE_THP] = "thp",	    [ADVISE_FILE] = "file",
		[ADVISE_KSM] = "ksm",	    [ADVISE_PAGED] = "overcommit",
		[ADVISE_BACKINGS] = "none",
	};

	return names[backing];
}

enum advise_backing advise_find(const char *name)
{
	int i = 0;

	while (i < ADVISE_BACKINGS && strcmp(advise_name((enum advise_backing)i), name) != 0)
		i++;
	return (enum advise_backing)i;
}

uint64_t advise_small_kib(const struct host_view *host)
{
	if (!host->n_sizes)
		return 0;
	if (host->default_page_kib && host->default_page_kib < GIGANTIC_KIB)
		return host->default_page_kib;
	return host->sizes[0].page_kib < GIGANTIC_KIB ? host->sizes[0].page_kib : 0;
}

static bool is_shared(const struct guest *guest)
{
	size_t i;

	for (i = 0; i < guest->n_memory; i++)
		if (guest->memory[i].shared)
			return true;
	return *guest->sharing;
}

struct guest_backing advise_want(enum advise_shape shape, const struct advise_input *in)
{
	const struct guest *guest = in->guest;
	const struct host_view *host = in->host;
	static const enum guest_backing_kind kinds[ADVISE_SHAPES] = {
		[ADVISE_PLAIN] = GUEST_BACKING_PLAIN,	  [ADVISE_SMALL] = GUEST_BACKING_HUGEPAGES,
		[ADVISE_GIANT] = GUEST_BACKING_HUGEPAGES, [ADVISE_FILES] = GUEST_BACKING_FILE,
		[ADVISE_KEPT] = GUEST_BACKING_KEEP,	  [ADVISE_SHARED] = GUEST_BACKING_PLAIN,
		[ADVISE_ASKED] = GUEST_BACKING_HUGEPAGES,
	};
	struct guest_backing want = { .kind = kinds[shape],
				      .default_kib = host->bare_page_kib,
				      .shared = is_shared(guest),
				      .share_all = *guest->sharing };

	if (shape == ADVISE_SHARED) {
		want.shared = want.share_all = true;
		if (overcommit_rules_guest(guest, NULL) == 0)
			want.kind = GUEST_BACKING_KEEP;
	}
	if (shape == ADVISE_SMALL)
		want.page_kib = advise_small_kib(host);
	if (shape == ADVISE_GIANT && host_view_size(host, GIGANTIC_KIB))
		want.page_kib = GIGANTIC_KIB;
	if (shape == ADVISE_ASKED)
		want.page_kib = in->wish.page_kib;
	return want;
}

__attribute__((format(printf, 4, 5))) static void decide(struct adviser *a,
							 enum advise_backing backing,
							 enum advise_verdict verdict,
							 const char *fmt, ...)
{
	struct advise_option *option = &a->advice.options[backing];
	va_list ap;

	option->verdict = verdict;
	va_start(ap, fmt);
	vsnprintf(option->why, sizeof(option->why), fmt, ap);
	va_end(ap);
}

static void add_words(struct adviser *a, enum advise_backing backing, const char *words)
{
	char *why = a->advice.options[backing].why;
	size_t used = strlen(why);

	snprintf(why + used, ADVISE_WHY_SIZE - used, "%s", words);
}

__attribute__((format(printf, 2, 3))) static void reason(struct adviser *a, const char *fmt, ...)
{
	va_list ap;

	if (a->advice.n_reasons == ADVISE_REASONS_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(a->advice.reasons[a->advice.n_reasons++], ADVISE_REASON_SIZE, fmt, ap);
	va_end(ap);
}

/* ---- sizes ---- */

static uint64_t guest_pages(const struct guest *guest, uint64_t page_kib)
{
	uint64_t pages = 0;
	size_t i;

	for (i = 0; i < guest->n_memory; i++)
		pages = u64_add_sat(pages, u64_div_up(guest->memory[i].size_kib, page_kib));
	return pages;
}

static uint64_t tables_kib(const struct adviser *a, uint64_t page_kib)
{
	const struct page_tables tables = {
		.arch = a->in->arch,
		.base_kib = a->in->fragmentation->page_kib,
		/* With the radix MMU they are of 2 MiB */
		.hash = host_view_size(a->in->host, 16 * KIB_PER_MIB),
	};

	return page_tables_kib(&tables, a->advice.size_kib, page_kib);
}

static void node_share(const struct adviser *a, const struct numa_node *node, uint64_t page_kib,
		       struct fragmentation_share *share)
{
	fragmentation_share(a->in->fragmentation, node, page_kib,
			    host_view_pooled(a->in->host, node->id), share);
}

/* Is any of its memory allowed there? */
static bool may_use(const struct guest *guest, unsigned int node)
{
	size_t i;

	for (i = 0; i < guest->n_memory; i++) {
		const struct guest_memory *memory = &guest->memory[i];

		if (memory->bind == GUEST_BIND_ANY || memory->bind == GUEST_BIND_PREFERRED ||
		    nodeset_has(&memory->nodes, node))
			return true;
	}
	return false;
}

static void add_size(struct adviser *a, uint64_t page_kib)
{
	const struct host_view *host = a->in->host;
	const struct size_view *view = host_view_size(host, page_kib);
	struct advise_size *size = &a->advice.sizes[a->advice.n_sizes];
	uint64_t arc_kib = 0;
	size_t i;

	if (a->advice.n_sizes == ADVISE_SIZES_MAX)
		return;
	a->advice.n_sizes++;
	size->page_kib = page_kib;
	size->pages = guest_pages(a->in->guest, page_kib);
	size->tables_kib = tables_kib(a, page_kib);
	size->waste_kib = u64_sub_floor(u64_mul_sat(size->pages, page_kib), a->advice.size_kib);
	for (i = 0; view && i < view->n_pools; i++)
		if (may_use(a->in->guest, view->pools[i].pool.node))
			size->idle += host_view_lendable(view, &view->pools[i]);
	for (i = 0; view && i < host->numa.n_nodes; i++) {
		struct fragmentation_share share;

		if (!may_use(a->in->guest, host->numa.nodes[i].id) ||
		    !host_view_pool(host, page_kib, host->numa.nodes[i].id))
			continue;
		node_share(a, &host->numa.nodes[i], page_kib, &share);
		size->now += share.now_kib / page_kib;
		size->more += (share.compact_kib + share.cache_kib) / page_kib;
		arc_kib += u64_sub_floor(share.cache_kib, host->numa.nodes[i].file_kib);
	}
	/* ZFS' cache may lie on any node, and only once */
	size->more =
		u64_sub_floor(size->more, u64_sub_floor(arc_kib, host->numa.arc_kib) / page_kib);
}

static void add_sizes(struct adviser *a)
{
	size_t i;

	add_size(a, a->in->fragmentation->page_kib);
	for (i = 0; i < a->in->host->n_sizes; i++)
		add_size(a, a->in->host->sizes[i].page_kib);
}

static const struct advise_size *size_of(const struct adviser *a, uint64_t page_kib)
{
	size_t i;

	for (i = 0; i < a->advice.n_sizes; i++)
		if (a->advice.sizes[i].page_kib == page_kib)
			return &a->advice.sizes[i];
	return NULL;
}

/* ---- huge pages ---- */

/**
 * struct trial - The plan for a guest with huge pages, summed up
 * @rc:		What plan_make() returned; @err: its sentence
 * @refusal:	With -ENODEV and REFUSAL_NONE: no node that it may use can have such pages
 * @grow:	Pages to make, in all of @grow_kib
 * @now:	Of these, what can be made at once; @doubtful: what fragmentation leaves no room
 *		for
 * @seen:	Of them, those for which a look at every page has found a place
 * @swapped_kib: Programs' memory that has to be swapped out for them
 * @managed:	The plan has steps for huge pages at all
 */
struct trial {
	uint64_t page_kib;
	int rc;
	enum refusal refusal;
	bool managed;
	uint64_t idle;
	uint64_t grow;
	uint64_t grow_kib;
	uint64_t now;
	uint64_t seen;
	uint64_t doubtful;
	uint64_t swapped_kib;
	struct err err;
};

/* Pages of that size that have a place on @node, if every page was looked at.  Pages without a
 * mark may be pinned for a device */
static uint64_t seen_ranges(const struct fragmentation *f, unsigned int node, uint64_t page_kib)
{
	uint64_t seen = 0;
	size_t i;

	for (i = 0; i < f->n_zones; i++) {
		const struct fragmentation_zone *zone = &f->zones[i];
		const struct fragmentation_ranges *ranges = fragmentation_ranges(f, zone, page_kib);

		if (zone->node == node && ranges && !fragmentation_is_movable(zone))
			seen += u64_sub_floor(ranges->movable,
					      fragmentation_unsure(zone) ? ranges->unsure : 0);
	}
	return seen;
}

static void sum_share(const struct adviser *a, const struct step_share *planned, uint64_t page_kib,
		      struct trial *trial)
{
	const struct numa_node *node = numa_find(&a->in->host->numa, planned->node);
	struct fragmentation_share share = { 0 };

	if (node)
		node_share(a, node, page_kib, &share);
	trial->idle += planned->want_idle;
	trial->grow += planned->want_grow;
	trial->grow_kib = u64_add_sat(trial->grow_kib, u64_mul_sat(planned->want_grow, page_kib));
	trial->now += u64_min(planned->want_grow, share.now_kib / page_kib);
	trial->seen += u64_min(planned->want_grow,
			       seen_ranges(a->in->fragmentation, planned->node, page_kib));
}

static void sum_plan(const struct adviser *a, const struct plan *plan, struct trial *trial)
{
	const struct step_hugepages *pages = NULL;
	size_t i;

	while ((pages = plan_next_pages(plan, pages))) {
		trial->managed = true;
		for (i = 0; i < pages->n_shares; i++)
			sum_share(a, &pages->shares[i], pages->page_kib, trial);
	}
}

/* Return: false where the host has no such pages, or memory ran out (rc says) */
static bool try_shape(const struct adviser *a, enum advise_shape shape, uint64_t page_kib,
		      struct trial *trial)
{
	const struct guest *guest = a->in->variants[shape].guest;
	struct plan plan = { 0 };

	memset(trial, 0, sizeof(*trial));
	trial->page_kib = page_kib;
	trial->rc = -ENODEV;
	if (!guest)
		return false;
	trial->refusal =
		refusal_find(guest, a->in->host, a->in->policy->hugepages.manage, NULL, NULL);
	trial->rc = plan_make(guest, a->in->host, &a->unpaged, &plan, &trial->err);
	if (trial->rc < 0)
		return false;
	sum_plan(a, &plan, trial);
	trial->doubtful = plan.doubtful;
	trial->swapped_kib = plan.swapped_kib;
	plan_free(&plan);
	return true;
}

/* Without our growing anything: what lies idle must do */
static bool is_idle(const struct adviser *a, const struct trial *trial)
{
	const struct advise_size *size = size_of(a, trial->page_kib);

	if (trial->rc < 0 || !size)
		return false;
	return trial->managed ? !trial->grow : size->idle >= size->pages;
}

static bool giant_fits(const struct adviser *a)
{
	const struct advise_size *size = size_of(a, GIGANTIC_KIB);

	return size && size->waste_kib <= a->advice.size_kib / 8;
}

static void choose_shape(struct adviser *a, enum advise_backing backing, bool giant)
{
	a->advice.options[backing].shape = giant ? ADVISE_GIANT : ADVISE_SMALL;
	a->advice.options[backing].page_kib = giant ? GIGANTIC_KIB : advise_small_kib(a->in->host);
}

/* The kernel spreads a bare number over all nodes.  From 5.16 on it takes one for each */
static const char *boot_pages(const struct adviser *a, uint64_t page_kib, char *buf, size_t size)
{
	const struct guest *guest = a->in->guest;
	const struct numa *numa = &a->in->host->numa;
	size_t used = 0, i, j;

	snprintf(buf, size, "%" PRIu64, guest_pages(guest, page_kib));
	for (i = 0; i < guest->n_memory; i++)
		if (guest->memory[i].bind != GUEST_BIND_STRICT ||
		    nodeset_count(&guest->memory[i].nodes) != 1)
			return buf;
	for (i = 0; numa->n_nodes > 1 && i < numa->n_nodes && used < size; i++) {
		uint64_t pages = 0;

		for (j = 0; j < guest->n_memory; j++)
			if (nodeset_has(&guest->memory[j].nodes, numa->nodes[i].id))
				pages += u64_div_up(guest->memory[j].size_kib, page_kib);
		if (pages)
			used += (size_t)snprintf(buf + used, size - used, "%s%u:%" PRIu64,
						 used ? "," : "", numa->nodes[i].id, pages);
	}
	return buf;
}

/* Not at boot either: no node that it may use can have such pages, or size= of their hugetlbfs
 * lets too few through */
static bool is_hopeless(const struct trial *trial)
{
	return *trial->err.text && ((trial->rc == -ENODEV && trial->refusal == REFUSAL_NONE) ||
				    trial->refusal == REFUSAL_LIMIT);
}

/* libvirt needs a hugetlbfs for them, too */
static void say_mount(struct adviser *a, const struct trial *trial)
{
	if (trial->refusal != REFUSAL_MOUNT && trial->refusal != REFUSAL_MOUNT_YET)
		return;
	if (a->in->host->hugetlbfs.by_conf)
		add_words(a, ADVISE_STATIC,
			  ", and name a hugetlbfs for them in hugetlbfs_mount of "
			  "/" QEMU_CONF_FILE);
	else
		add_words(a, ADVISE_STATIC,
			  ", and mount a hugetlbfs for them before libvirt starts");
}

static void say_boot(struct adviser *a, const struct trial *trial)
{
	const uint64_t page_kib = a->advice.options[ADVISE_STATIC].page_kib;
	const struct advise_size *size = size_of(a, page_kib);
	uint64_t kib = size ? u64_mul_sat(size->pages, page_kib) : 0;
	char page[TEXT_KIB_SIZE], all[TEXT_KIB_SIZE], number[ADVISE_WHY_SIZE / 2];

	if (is_hopeless(trial)) {
		decide(a, ADVISE_STATIC, ADVISE_NO, "%s", trial->err.text);
		return;
	}
	if (!size) {
		decide(a, ADVISE_STATIC, ADVISE_NO, "this kernel has no huge pages");
		return;
	}
	text_from_kib(page_kib, page);
	text_from_kib(kib, all);
	if (kib / BOOT_PERCENT >= a->total_kib / 100)
		decide(a, ADVISE_STATIC, ADVISE_NO,
		       "%s in pages of %s are more than this host can reserve", all, page);
	else
		decide(a, ADVISE_STATIC, ADVISE_LATER,
		       "reserve %" PRIu64 " page%s of %s at boot: hugepagesz=%" PRIu64
		       "%c hugepages=%s on the kernel's command line",
		       size->pages, plural(size->pages), page,
		       page_kib >= KIB_PER_GIB ? page_kib / KIB_PER_GIB : page_kib / KIB_PER_MIB,
		       page_kib >= KIB_PER_GIB ? 'G' : 'M',
		       boot_pages(a, page_kib, number, sizeof(number)));
	if (a->advice.options[ADVISE_STATIC].verdict == ADVISE_LATER)
		say_mount(a, trial);
}

/* Why no huge pages are for this guest, on any host; NULL: they are */
static const char *never_huge(const struct guest *guest)
{
	if (guest_has_guest_memfd(guest))
		return "its private memory comes from guest_memfd: huge pages would be taken on "
		       "top of that, and stay unused";
	if (guest->security == GUEST_S390_PV)
		return "QEMU refuses huge pages for a protected guest (s390-pv)";
	return NULL;
}

/* Return: true where that is all there is to say of huge pages */
static bool refuse_huge(struct adviser *a)
{
	const char *never = never_huge(a->in->guest);
	enum advise_verdict verdict = never ? ADVISE_NO : ADVISE_LATER;

	if (!never && !a->in->host->kvm_refuses_hugepages)
		return false;
	if (!never)
		never = "kvm was loaded with hpage=0, and QEMU refuses huge pages then: load it "
			"with hpage=1";
	choose_shape(a, ADVISE_STATIC, false);
	choose_shape(a, ADVISE_DYNAMIC, false);
	decide(a, ADVISE_STATIC, verdict, "%s", never);
	decide(a, ADVISE_DYNAMIC, verdict, "%s", never);
	return true;
}

static void advise_static(struct adviser *a, const struct trial *small, const struct trial *giant)
{
	bool giant_idle = is_idle(a, giant) && giant_fits(a), large, take_giant;
	const struct trial *idle = giant_idle ? giant : small;
	char page[TEXT_KIB_SIZE];

	if (giant_idle || is_idle(a, small)) {
		choose_shape(a, ADVISE_STATIC, giant_idle);
		decide(a, ADVISE_STATIC, ADVISE_YES,
		       "%" PRIu64
		       " page%s of %s %s idle in the pools, and the guest needs %" PRIu64,
		       size_of(a, idle->page_kib)->idle, plural(size_of(a, idle->page_kib)->idle),
		       text_from_kib(idle->page_kib, page),
		       is_or_are(size_of(a, idle->page_kib)->idle),
		       size_of(a, idle->page_kib)->pages);
		return;
	}
	large = a->advice.size_kib >= GIANT_WORTH_KIB || guest_is_pinned(a->in->guest);
	take_giant = giant_fits(a) && (large || !small->page_kib) &&
		     (!is_hopeless(giant) || !small->page_kib);
	choose_shape(a, ADVISE_STATIC, take_giant);
	say_boot(a, take_giant ? giant : small);
}

/* The kernel would still make these pages, of memory that running guests have not used yet */
static bool takes_promised(const struct adviser *a, const struct trial *trial)
{
	return a->promised_kib && trial->grow_kib > a->ram_kib;
}

/* Return: true where they are not recommended therefore */
static bool refuse_promised(struct adviser *a, const struct trial *trial)
{
	char grow[TEXT_KIB_SIZE], ram[TEXT_KIB_SIZE], promised[TEXT_KIB_SIZE];

	if (!takes_promised(a, trial))
		return false;
	decide(a, ADVISE_DYNAMIC, ADVISE_NO,
	       "huge pages for %s of it have to be made, and memory has %s for them besides the "
	       "%s that running guests may still use",
	       text_from_kib(trial->grow_kib, grow), text_from_kib(a->ram_kib, ram),
	       text_from_kib(a->promised_kib, promised));
	return true;
}

static void say_growth(struct adviser *a, const struct trial *trial)
{
	char page[TEXT_KIB_SIZE] = "the sizes it asks for", kib[TEXT_KIB_SIZE];

	a->swapped_kib = trial->swapped_kib;
	if (trial->page_kib)
		text_from_kib(trial->page_kib, page);
	if (trial->doubtful)
		decide(a, ADVISE_DYNAMIC, ADVISE_NO,
		       "memory is too fragmented: the guest needs %" PRIu64
		       " more page%s of %s, and the host can make %" PRIu64 " at most",
		       trial->grow, plural(trial->grow), page,
		       u64_sub_floor(trial->grow, trial->doubtful));
	else if (trial->swapped_kib)
		decide(a, ADVISE_DYNAMIC, ADVISE_YES,
		       "%" PRIu64 " page%s of %s idle and %" PRIu64 " to make, for which %s of "
		       "programs' memory would have to be swapped out",
		       trial->idle, plural(trial->idle), page, trial->grow,
		       text_from_kib(trial->swapped_kib, kib));
	else if (trial->now < trial->grow)
		decide(a, ADVISE_DYNAMIC, ADVISE_YES,
		       "%" PRIu64 " page%s of %s idle, %" PRIu64 " made of free memory, %" PRIu64
		       " after compaction or reclaim of cache, which takes time at the start",
		       trial->idle, plural(trial->idle), page, trial->now,
		       trial->grow - trial->now);
	else if (!trial->grow)
		decide(a, ADVISE_DYNAMIC, ADVISE_YES,
		       "no page has to be made: %" PRIu64 " page%s of %s %s idle", trial->idle,
		       plural(trial->idle), page, is_or_are(trial->idle));
	else if (trial->idle)
		decide(a, ADVISE_DYNAMIC, ADVISE_YES,
		       "%" PRIu64 " page%s of %s idle, %" PRIu64
		       " made of free memory and given back afterwards",
		       trial->idle, plural(trial->idle), page, trial->grow);
	else
		decide(a, ADVISE_DYNAMIC, ADVISE_YES,
		       "%" PRIu64 " page%s of %s can be made of free memory, and %s given back "
		       "afterwards",
		       trial->grow, plural(trial->grow), page, is_or_are(trial->grow));
}

static bool giant_allowed(const struct adviser *a, const struct trial *giant)
{
	return giant->rc == 0 && giant->managed && giant_fits(a) && !takes_promised(a, giant);
}

/* Pages of 1 GiB are surely made at a start where an area was kept for them */
static bool cma_holds(const struct adviser *a, const struct trial *giant)
{
	const struct gigantic *gigantic = &a->in->gigantic;

	return giant_allowed(a, giant) && *gigantic->hugetlb_cma &&
	       giant->grow_kib <= gigantic->cma_free_kib;
}

/* Or where each has a place and free memory, and the guest gains most from them */
static bool giant_seen(const struct adviser *a, const struct trial *giant)
{
	return giant_allowed(a, giant) && guest_is_pinned(a->in->guest) && giant->grow &&
	       !giant->doubtful && giant->now >= giant->grow && giant->seen >= giant->grow;
}

static void say_dynamic(struct adviser *a, const struct trial *trial)
{
	if (!trial->page_kib && trial->rc < 0)
		decide(a, ADVISE_DYNAMIC, ADVISE_NO, "this kernel has no huge pages for it");
	else if (trial->rc < 0)
		decide(a, ADVISE_DYNAMIC, ADVISE_NO, "%s", trial->err.text);
	else if (!trial->managed)
		decide(a, ADVISE_DYNAMIC, ADVISE_NO,
		       "manage = no in [hugepages] of /%s: no pool is grown", CONFIG_FILE);
	else
		say_growth(a, trial);
}

static void advise_dynamic(struct adviser *a, const struct trial *small, const struct trial *giant)
{
	bool cma = cma_holds(a, giant), seen = !cma && giant_seen(a, giant);

	choose_shape(a, ADVISE_DYNAMIC, cma || seen);
	if (seen)
		decide(a, ADVISE_DYNAMIC, ADVISE_YES,
		       "%" PRIu64 " page%s of 1 GiB idle and %" PRIu64
		       " to make: a look at every page has found a place for each, as long as no "
		       "program takes it",
		       giant->idle, plural(giant->idle), giant->grow);
	else if (cma)
		decide(a, ADVISE_DYNAMIC, ADVISE_YES,
		       "%" PRIu64 " page%s of 1 GiB idle, %" PRIu64
		       " from the area of hugetlb_cma=%s",
		       giant->idle, plural(giant->idle), giant->grow, a->in->gigantic.hugetlb_cma);
	else if (small->rc < 0 || small->doubtful || !refuse_promised(a, small))
		say_dynamic(a, small);
}

/* The size of all of its huge pages; 0: there are several, or none */
static uint64_t kept_kib(const struct adviser *a)
{
	const struct guest *guest = a->in->guest;
	uint64_t kib = 0;
	size_t i;

	for (i = 0; i < guest->n_memory; i++) {
		const struct guest_memory *memory = &guest->memory[i];
		uint64_t page_kib = host_view_page_kib(a->in->host, memory);

		if (!memory->hugepages)
			continue;
		if (kib && page_kib != kib)
			return 0;
		kib = page_kib;
	}
	return kib;
}

/* Pages that the definition or the command line asks for, and that the host has or can make */
static void say_wanted(struct adviser *a, enum advise_backing backing, const struct trial *trial)
{
	char page[TEXT_KIB_SIZE] = "the sizes it asks for";

	if (trial->page_kib)
		text_from_kib(trial->page_kib, page);
	if (trial->grow && trial->page_kib)
		say_growth(a, trial);
	else if (trial->grow)
		decide(a, backing, ADVISE_YES,
		       "%" PRIu64 " page%s of %s can be made, and %s given back afterwards",
		       trial->grow, plural(trial->grow), page, is_or_are(trial->grow));
	else
		decide(a, backing, ADVISE_YES, "%" PRIu64 " page%s of %s %s idle in the pools",
		       trial->idle, plural(trial->idle), page, is_or_are(trial->idle));
	if (takes_promised(a, trial))
		add_words(a, backing, "; running guests may still use part of that memory");
}

/* The pages that its definition asks for: is there reason to write anything else? */
static void advise_kept(struct adviser *a, const struct trial *trial)
{
	enum advise_backing backing = trial->grow ? ADVISE_DYNAMIC : ADVISE_STATIC;
	struct advise_option *option = &a->advice.options[backing];

	if (trial->rc < 0)
		a->kept_why = trial->err;
	if (trial->rc < 0 || !trial->managed || trial->doubtful)
		return;
	a->kept = true;
	option->shape = ADVISE_KEPT;
	option->page_kib = trial->page_kib;
	say_wanted(a, backing, trial);
}

static int advise_hugepages(struct adviser *a)
{
	uint64_t small_kib = advise_small_kib(a->in->host);
	struct trial small, giant, kept;

	if (refuse_huge(a))
		return 0;
	try_shape(a, ADVISE_SMALL, small_kib, &small);
	try_shape(a, ADVISE_GIANT, GIGANTIC_KIB, &giant);
	try_shape(a, ADVISE_KEPT, kept_kib(a), &kept);
	if (small.rc == -ENOMEM || giant.rc == -ENOMEM || kept.rc == -ENOMEM)
		return -ENOMEM;
	advise_static(a, &small, &giant);
	advise_dynamic(a, &small, &giant);
	advise_kept(a, &kept);
	return 0;
}

/* ---- plain memory ---- */

static bool fits_ram(const struct adviser *a)
{
	return a->advice.size_kib <= a->ram_kib;
}

#define PROMISED_SIZE (TEXT_KIB_SIZE + 64)

/* Return: @buf */
static const char *say_promised(const struct adviser *a, char buf[PROMISED_SIZE])
{
	char kib[TEXT_KIB_SIZE];

	buf[0] = '\0';
	if (a->promised_kib)
		snprintf(buf, PROMISED_SIZE, " besides the %s that running guests may still use",
			 text_from_kib(a->promised_kib, kib));
	return buf;
}

static void say_too_large(struct adviser *a, enum advise_backing backing)
{
	char size[TEXT_KIB_SIZE], ram[TEXT_KIB_SIZE], beside[PROMISED_SIZE];

	decide(a, backing, ADVISE_NO, "it may need %s, and %s is available%s",
	       text_from_kib(a->advice.size_kib, size), text_from_kib(a->ram_kib, ram),
	       say_promised(a, beside));
}

/* The kernel's words that give none */
static bool is_off(const char *word)
{
	return !strcmp(word, "never") || !strcmp(word, "deny");
}

/* As it is while the guest runs: [thp] sets it before the start */
static const char *thp_word(const struct adviser *a, bool shared)
{
	const struct config_thp *config = &a->in->policy->thp;
	const char *ours = shared ? config->shmem_enabled : config->enabled;
	const char *now = shared ? a->in->thp.shmem_enabled : a->in->thp.enabled;

	return config->manage && *ours && *now ? ours : now;
}

static void advise_thp(struct adviser *a)
{
	const char *setting = a->shared ? "shmem_enabled" : "enabled";
	const char *word = thp_word(a, a->shared);

	if (!a->in->has_thp)
		decide(a, ADVISE_THP, ADVISE_NO, "not in this kernel");
	else if (guest_has_guest_memfd(a->in->guest))
		decide(a, ADVISE_THP, ADVISE_NO,
		       "its private memory comes from guest_memfd, which has small pages only");
	else if (!strcmp(a->in->guest->arch, "s390x"))
		decide(a, ADVISE_THP, ADVISE_NO, "KVM on s390 keeps them from guests");
	else if (!fits_ram(a))
		say_too_large(a, ADVISE_THP);
	else if (!*word)
		decide(a, ADVISE_THP, ADVISE_NO,
		       "the guest's memory is shared, and this kernel gives shared memory none");
	else if (is_off(word))
		decide(a, ADVISE_THP, ADVISE_LATER,
		       "%stransparent_hugepage/%s is %s: have it set to %s by [thp] of /%s%s",
		       a->shared ? "the guest's memory is shared, and " : "", setting, word,
		       a->shared ? "advise" : "madvise", CONFIG_FILE,
		       a->shared && a->in->policy->overcommit.enable ?
			       "; no guest can be paged then" :
			       "");
	else
		decide(a, ADVISE_THP, ADVISE_YES,
		       "QEMU asks for them (%s is %s)%s; how many it gets shows while it runs",
		       setting, word,
		       a->shared ? ", and of shared memory has them only if its mapping happens to "
				   "begin at a multiple of their size" :
				   "");
}

static const char *ksm_conflict(const struct adviser *a)
{
	enum ksm_gain gain;

	if (!a->in->has_ksm)
		return "not in this kernel";
	gain = ksm_rules_gain(a->in->variants[ADVISE_PLAIN].guest, a->in->policy->ksm_allowed);
	return gain == KSM_GAINS ? NULL : ksm_rules_why(gain);
}

static bool ksm_saves(const struct adviser *a)
{
	return a->in->has_ksm && a->in->ksm.saved_kib > 0 &&
	       (uint64_t)a->in->ksm.saved_kib >= a->total_kib / ADVISE_SAVES;
}

/* Or will, when the guest starts */
static bool ksm_runs(const struct adviser *a)
{
	const struct config_ksm *config = &a->in->policy->ksm;

	return a->in->ksm.run == KSM_RUN_MERGE || (config->manage && config->enable != KSM_NEVER);
}

/* By the default.  An administrator who wrote "enable = never" has decided */
static bool ksm_is_open(const struct adviser *a)
{
	return a->in->has_ksm && !ksm_runs(a) && !a->in->policy->ksm.manage;
}

static void advise_ksm(struct adviser *a)
{
	const char *conflict = ksm_conflict(a);
	char kib[TEXT_KIB_SIZE];

	if (conflict)
		decide(a, ADVISE_KSM, ADVISE_NO, "%s", conflict);
	else if (!fits_ram(a))
		say_too_large(a, ADVISE_KSM);
	else if (ksm_is_open(a))
		decide(a, ADVISE_KSM, ADVISE_LATER,
		       "off unless you switch it on (virt-membacking conf apply ksm): it pays "
		       "where guests are alike and memory is short, but a guest can find out "
		       "which pages others have too");
	else if (!ksm_runs(a))
		decide(a, ADVISE_KSM, ADVISE_LATER,
		       "KSM is stopped, and stays so: allow it in [ksm] of /%s", CONFIG_FILE);
	else if (a->in->ksm.saved_kib > 0)
		decide(a, ADVISE_KSM, ADVISE_YES,
		       "it saves %s here; huge pages and files can't be merged",
		       text_from_kib((uint64_t)a->in->ksm.saved_kib, kib));
	else
		decide(a, ADVISE_KSM, ADVISE_YES,
		       "pays where guests are alike; huge pages and files can't be merged");
}

/* ---- files ---- */

static const char *who_pins(const struct guest *guest)
{
	if (guest->vfio)
		return "VFIO";
	return guest->vdpa ? "vhost-vdpa" : "SEV";
}

static bool store_worth(const struct adviser *a)
{
	const struct store_view *store = store_in_use(a->in->host);

	return store && store->configured && !store->state.in_ram && !store->state.root;
}

static void say_ram_store(struct adviser *a, const struct store_view *store)
{
	char obstacle[ADVISE_WHY_SIZE / 2] = "";
	bool any = thp_rules_store_obstacle(a->in->variants[ADVISE_FILES].guest, a->in->host, store,
					    &a->in->policy->thp, obstacle, sizeof(obstacle));

	decide(a, ADVISE_FILE, ADVISE_YES,
	       "%s is a %s: in memory too, so it saves none; it is for sharing with other "
	       "programs%s%s",
	       store->config.path, store->state.mount.fstype, any ? "; " : "", obstacle);
}

static void say_store(struct adviser *a, const struct store_view *store)
{
	const char *path = store ? store->config.path : QEMU_CONF_RAM_DIR;
	const char *type = store ? store->state.mount.fstype : "";

	if (store && store->state.in_ram)
		say_ram_store(a, store);
	else if (!store || !store->configured)
		decide(a, ADVISE_FILE, ADVISE_YES,
		       "%s is no [store] of its own: guests could fill the host's file system",
		       path);
	else if (!*type)
		decide(a, ADVISE_FILE, ADVISE_YES, "%s is mounted before the guest starts", path);
	else
		decide(a, ADVISE_FILE, ADVISE_YES,
		       "%s is %s and has room; the guest's memory is as slow as that where it "
		       "isn't cached",
		       path, type);
}

static int advise_file(struct adviser *a)
{
	const struct store_view *store = store_in_use(a->in->host);
	struct trial trial;

	if (!a->in->host->stores_read) {
		decide(a, ADVISE_FILE, ADVISE_NO, "only root may look where such memory lies");
		return 0;
	}
	try_shape(a, ADVISE_FILES, 0, &trial);
	if (trial.rc == -ENOMEM)
		return -ENOMEM;
	if (trial.rc < 0)
		decide(a, ADVISE_FILE, ADVISE_NO, "%s", trial.err.text);
	else if (guest_has_guest_memfd(a->in->guest))
		decide(a, ADVISE_FILE, ADVISE_NO,
		       "its private memory comes from guest_memfd, and files would hold only what "
		       "it shares");
	else if (guest_is_pinned(a->in->guest) && !(store && store->state.in_ram))
		decide(a, ADVISE_FILE, ADVISE_NO,
		       "%s pins memory, and newer kernels don't pin pages of a file system",
		       who_pins(a->in->guest));
	else
		say_store(a, store);
	if (a->advice.options[ADVISE_FILE].verdict == ADVISE_YES)
		add_words(a, ADVISE_FILE, "; files exclude huge pages and KSM");
	return 0;
}

/* ---- the pager ---- */

/* Behind "guest 'NAME' can't be paged: " */
static const char *without_name(const char *text)
{
	const char *colon = strstr(text, ": ");

	return colon ? colon + 2 : text;
}

static void say_paged(struct adviser *a, const struct step_overcommit *step)
{
	bool configured = overcommit_rules_wanted(&a->in->policy->overcommit);
	char kib[2][TEXT_KIB_SIZE], percent[16] = "";

	if (!configured)
		snprintf(percent, sizeof(percent), " (%d%%)", ADVISE_RESIDENT);
	decide(a, ADVISE_PAGED, configured ? ADVISE_YES : ADVISE_LATER,
	       "with %s%s resident, up to %s are in tiers: an access to that waits some "
	       "microseconds, and costs the host processor time; no huge pages, no KSM%s",
	       text_from_kib(step->resident_kib, kib[0]), percent,
	       text_from_kib(step->tiers_kib, kib[1]),
	       configured ? "" : "; virt-membacking overcommit enable does it");
}

static int advise_paged(struct adviser *a)
{
	const struct guest *guest = a->in->variants[ADVISE_SHARED].guest;
	struct guest_policy policy = *a->in->policy;
	struct step_overcommit step;
	struct plan plan = { 0 };
	struct err err;
	int rc;

	a->advice.options[ADVISE_PAGED].shape = ADVISE_SHARED;
	if (!overcommit_rules_wanted(&policy.overcommit)) {
		policy.overcommit.enable = true;
		policy.overcommit.resident = (struct config_amount){ .percent = ADVISE_RESIDENT };
	}
	rc = plan_make(guest, a->in->host, &policy, &plan, &err);
	plan_free(&plan);
	if (rc == -ENOMEM)
		return rc;
	if (rc < 0)
		decide(a, ADVISE_PAGED, ADVISE_NO, "%s", without_name(err.text));
	else if (overcommit_rules_fill(guest, &policy.overcommit, &step, &err) > 0)
		say_paged(a, &step);
	else
		decide(a, ADVISE_PAGED, ADVISE_NO, "its overcommit.resident is all of its memory");
	return 0;
}

/* ---- one of them ---- */

/* And worth it: swapping programs out for large pages is not */
static bool is_possible(const struct adviser *a, enum advise_backing backing)
{
	return a->advice.options[backing].verdict == ADVISE_YES &&
	       (backing != ADVISE_DYNAMIC || !a->swapped_kib || a->kept);
}

static bool is_tight(const struct adviser *a)
{
	return u64_sub_floor(a->ram_kib, a->advice.size_kib) < a->total_kib / ADVISE_TIGHT;
}

static enum advise_backing first_possible(const struct adviser *a, const enum advise_backing *list,
					  size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (is_possible(a, list[i]))
			return list[i];
	return ADVISE_BACKINGS;
}

static enum advise_backing choose_for_short(struct adviser *a)
{
	const struct store_view *store = store_in_use(a->in->host);
	char size[TEXT_KIB_SIZE], ram[TEXT_KIB_SIZE], beside[PROMISED_SIZE];

	text_from_kib(a->advice.size_kib, size);
	text_from_kib(a->ram_kib, ram);
	reason(a, "it may need %s, and %s is available%s", size, ram, say_promised(a, beside));
	if (is_possible(a, ADVISE_FILE) && store_worth(a)) {
		reason(a, "what doesn't fit into memory lies in the store");
		return ADVISE_FILE;
	}
	if (a->advice.options[ADVISE_PAGED].verdict != ADVISE_NO) {
		reason(a, "what doesn't fit can be in the pager's tiers: virt-membacking "
			  "overcommit enable gives the guest its limit, too");
		return ADVISE_PAGED;
	}
	if (is_possible(a, ADVISE_FILE) && !(store && store->configured))
		reason(a,
		       "%s has room for it, but is no [store] of its own, and guests could fill the "
		       "host's file system: write a [store] section for another file system into "
		       "/%s and run virt-membacking conf apply file-backed, make the guest smaller, "
		       "or shut another one down",
		       store ? store->config.path : QEMU_CONF_RAM_DIR, CONFIG_FILE);
	else
		reason(a, "there is no store outside memory that would take it: make the guest "
			  "smaller, or shut another one down");
	return ADVISE_BACKINGS;
}

static bool choose_ksm(struct adviser *a)
{
	char kib[TEXT_KIB_SIZE];

	if (!is_possible(a, ADVISE_KSM) || (!is_tight(a) && !ksm_saves(a)))
		return false;
	if (is_tight(a))
		reason(a, "with this guest %s of memory are left",
		       text_from_kib(u64_sub_floor(a->ram_kib, a->advice.size_kib), kib));
	if (ksm_saves(a))
		reason(a, "KSM saves %s on this host, and would miss this guest's pages",
		       text_from_kib((uint64_t)a->in->ksm.saved_kib, kib));
	else
		reason(a, "merging what guests have in common gives memory back");
	return true;
}

/* Memory holds it, and the host can't provide large pages for it */
static enum advise_backing choose_plain(struct adviser *a)
{
	if (a->advice.options[ADVISE_THP].verdict == ADVISE_LATER) {
		reason(a, "plain memory works now, and has large pages once they are switched on");
		return ADVISE_THP;
	}
	if (is_possible(a, ADVISE_KSM)) {
		reason(a, "the host can't provide large pages for it, but equal pages of plain "
			  "memory can be merged");
		return ADVISE_KSM;
	}
	reason(a, "memory holds it, but the host can't provide large pages for it%s",
	       guest_unshared(a->in->guest) ? "" : ": it may stay as it is");
	return ADVISE_BACKINGS;
}

static enum advise_backing choose_for_pinned(struct adviser *a)
{
	static const enum advise_backing list[] = { ADVISE_STATIC, ADVISE_DYNAMIC, ADVISE_THP };
	enum advise_backing found = first_possible(a, list, 3);

	if (found == ADVISE_BACKINGS)
		return fits_ram(a) ? choose_plain(a) : choose_for_short(a);
	reason(a,
	       "%s pins all of its memory from the start: nothing of it can be merged or put "
	       "elsewhere, so large pages cost nothing",
	       who_pins(a->in->guest));
	return found;
}

/* Rule 5 and 6 */
static enum advise_backing choose_pages(struct adviser *a)
{
	static const enum advise_backing list[] = { ADVISE_THP, ADVISE_DYNAMIC };
	bool large = a->advice.size_kib >= ADVISE_LARGE_KIB;
	char kib[TEXT_KIB_SIZE];
	enum advise_backing found;

	if (large && is_possible(a, ADVISE_DYNAMIC)) {
		reason(a,
		       "%s is large enough to gain from huge pages, and the host can provide them",
		       text_from_kib(a->advice.size_kib, kib));
		return ADVISE_DYNAMIC;
	}
	found = first_possible(a, list, 2);
	if (found == ADVISE_THP && large)
		reason(a,
		       "huge pages are not available for it: the kernel makes transparent ones as memory allows");
	else if (found == ADVISE_THP)
		reason(a, "%s is little: transparent huge pages do as well, without a pool",
		       text_from_kib(a->advice.size_kib, kib));
	else if (found == ADVISE_DYNAMIC)
		reason(a, "transparent huge pages are not available");
	return found == ADVISE_BACKINGS ? choose_plain(a) : found;
}

/* Nothing that is written here changes where that memory lies */
static enum advise_backing choose_for_guest_memfd(struct adviser *a)
{
	if (!fits_ram(a))
		return choose_for_short(a);
	reason(a, "its private memory comes from guest_memfd, in small pages, whatever its "
		  "<memoryBacking> says");
	if (guest_asks_for_hugepages(a->in->guest))
		reason(a, "its huge pages are taken on top of that, for what it shares: without "
			  "<hugepages/> it would need half the memory");
	return ADVISE_BACKINGS;
}

static enum advise_backing choose_kept(struct adviser *a)
{
	bool idle = a->advice.options[ADVISE_STATIC].shape == ADVISE_KEPT;

	reason(a, "its definition asks for huge pages, and the host can provide them");
	return idle ? ADVISE_STATIC : ADVISE_DYNAMIC;
}

/* No size helps: the guest is bound to nodes where it gets no memory */
static bool refuse_nodes(struct adviser *a)
{
	struct err err;
	int i;

	if (refusal_find(a->in->variants[ADVISE_PLAIN].guest, a->in->host, true, NULL, &err) !=
	    REFUSAL_NODE)
		return false;
	for (i = 0; i < ADVISE_BACKINGS; i++) {
		a->advice.options[i].page_kib = 0;
		decide(a, (enum advise_backing)i, ADVISE_NO, "%s", err.text);
	}
	reason(a, "%s", err.text);
	return true;
}

static enum advise_backing choose(struct adviser *a)
{
	if (refuse_nodes(a))
		return ADVISE_BACKINGS;
	if (a->advice.options[ADVISE_PAGED].verdict == ADVISE_YES) {
		reason(a, "its configuration has it paged (overcommit.resident)");
		return ADVISE_PAGED;
	}
	if (overcommit_rules_wanted(&a->in->policy->overcommit))
		reason(a, "its configuration has it paged, and its start would be refused: %s",
		       a->advice.options[ADVISE_PAGED].why);
	if (guest_has_guest_memfd(a->in->guest))
		return choose_for_guest_memfd(a);
	if (a->kept)
		return choose_kept(a);
	if (guest_asks_for_hugepages(a->in->guest) && a->in->host->kvm_refuses_hugepages &&
	    !never_huge(a->in->guest)) {
		reason(a, "its definition asks for huge pages: kvm can be made to take them");
		a->advice.options[ADVISE_DYNAMIC].shape = ADVISE_KEPT;
		return ADVISE_DYNAMIC;
	}
	if (guest_is_pinned(a->in->guest))
		return choose_for_pinned(a);
	if (is_possible(a, ADVISE_STATIC)) {
		reason(a, "huge pages are idle in the pools, and nothing else uses them");
		return ADVISE_STATIC;
	}
	if (!fits_ram(a))
		return choose_for_short(a);
	return choose_ksm(a) ? ADVISE_KSM : choose_pages(a);
}

/* libvirt looks when it starts, so it is no obstacle */
static void say_mount_yet(struct adviser *a, enum advise_shape shape)
{
	const struct guest *guest = a->in->variants[shape].guest;
	struct err err;

	if (guest && refusal_find(guest, a->in->host, a->in->policy->hugepages.manage, NULL,
				  &err) == REFUSAL_MOUNT_YET)
		reason(a, "%s", err.text);
}

static void explain(struct adviser *a)
{
	const struct advise_option *option = &a->advice.options[a->advice.chosen];
	const struct advise_size *huge = size_of(a, option->page_kib), *base = a->advice.sizes;
	char kib[TEXT_KIB_SIZE], instead[TEXT_KIB_SIZE];

	if (huge && option->page_kib && huge->tables_kib < base->tables_kib)
		reason(a, "its page tables are %s instead of %s",
		       text_from_kib(huge->tables_kib, kib),
		       text_from_kib(base->tables_kib, instead));
	if (huge && option->page_kib && huge->waste_kib)
		reason(a, "rounded up to whole pages, %s stay unused",
		       text_from_kib(huge->waste_kib, kib));
	if (a->in->guest->locked)
		reason(a, "<locked/> stays: all of its memory is taken at the start");
	if (!a->in->variants[option->shape].changed)
		reason(a, "the guest's definition says so already");
	if (*a->in->variants[option->shape].removed)
		reason(a, "this takes out of its definition: %s",
		       a->in->variants[option->shape].removed);
	say_mount_yet(a, option->shape);
}

/* What a start would fail with, unless a row has said it, or a note does */
static void say_kept(struct adviser *a)
{
	const char *text = a->kept_why.text;
	int i;

	for (i = 0; i < ADVISE_BACKINGS; i++)
		if (!strncmp(a->advice.options[i].why, text, ADVISE_WHY_SIZE - 1))
			return;
	if (*text &&
	    refusal_find(a->in->guest, a->in->host, true, NULL, NULL) != REFUSAL_DEFINITION)
		reason(a, "as it is defined, its start would be refused: %s", text);
}

static void on_note(enum guest_note kind, const char *text, void *data)
{
	switch (kind) {
	case GUEST_NOTE_REFUSED:
	case GUEST_NOTE_UNSHARED:
	case GUEST_NOTE_EXTRA:
		reason(data, "%s", text);
		break;
	/* Said already, or of no weight here */
	case GUEST_NOTE_PRIVATE:
	case GUEST_NOTE_LATER:
	case GUEST_NOTE_DOUBT:
	case GUEST_NOTE_DRAFT:
		break;
	}
}

/* Where choose_ksm() would have said so, had the administrator switched it on */
static void say_ksm(struct adviser *a)
{
	char kib[TEXT_KIB_SIZE];

	if (a->advice.options[ADVISE_KSM].verdict != ADVISE_LATER || !ksm_is_open(a) ||
	    !is_tight(a))
		return;
	reason(a,
	       "with this guest %s of memory are left: KSM would pay if guests here are alike and "
	       "need no secrets from each other (virt-membacking conf apply ksm)",
	       text_from_kib(u64_sub_floor(a->ram_kib, a->advice.size_kib), kib));
}

static void say_pins(struct adviser *a)
{
	char words[PINS_WORDS_SIZE];

	if (pins_bare_words(a->in->guest, &a->in->host->numa, words, sizeof(words)))
		reason(a, "%s", words);
	if (pins_words(a->in->guest, &a->in->host->numa, words, sizeof(words)))
		reason(a, "%s", words);
}

static void say_running(struct adviser *a)
{
	if (a->in->ends)
		reason(a, "it runs: what it has now counts as free, since its next start finds it "
			  "so");
	else if (a->in->running)
		reason(a, "it runs, and only root sees what it has: that counts as taken");
}

static void measure(struct adviser *a)
{
	const struct numa *numa = &a->in->host->numa;
	struct nodeset nodes = { 0 };
	uint64_t arc_kib = 0;
	size_t i;

	for (i = 0; i < numa->n_nodes; i++) {
		const struct numa_node *node = &numa->nodes[i];

		if (!may_use(a->in->guest, node->id))
			continue;
		nodeset_add(&nodes, node->id);
		a->total_kib = u64_add_sat(a->total_kib, node->total_kib);
		a->ram_kib = u64_add_sat(a->ram_kib,
					 node->free_kib + node->percpu_kib + node->reclaimable_kib);
		arc_kib = u64_add_sat(arc_kib,
				      numa_arc(node, host_view_pooled(a->in->host, node->id)));
	}
	a->ram_kib = u64_add_sat(a->ram_kib, u64_min(arc_kib, numa->arc_kib));
	a->promised_kib = memory_promises_left(a->in->host, &nodes);
	a->ram_kib = u64_sub_floor(a->ram_kib, a->promised_kib);
	a->shared = is_shared(a->in->guest);
	for (i = 0; i < a->in->guest->n_memory; i++)
		a->advice.size_kib =
			u64_add_sat(a->advice.size_kib, a->in->guest->memory[i].size_kib);
}

/* ---- what was asked for ---- */

static void judge_asked(struct adviser *a, const struct trial *trial)
{
	enum advise_backing backing = a->in->wish.backing;

	if (backing == ADVISE_STATIC && !is_idle(a, trial) && trial->page_kib)
		say_boot(a, trial);
	else if (backing == ADVISE_STATIC && trial->grow)
		decide(a, backing, ADVISE_LATER,
		       "reserve the pages that it asks for at boot, on the kernel's command line");
	else if (trial->rc < 0)
		decide(a, backing, ADVISE_NO, "%s", trial->err.text);
	else if (!trial->managed || trial->doubtful)
		say_dynamic(a, trial);
	else
		say_wanted(a, backing, trial);
}

/* Huge pages of a size that its definition or the command line names */
static int ask_for_pages(struct adviser *a)
{
	const struct advise_wish *wish = &a->in->wish;
	struct advise_option *option = &a->advice.options[wish->backing];
	struct trial trial;

	if (never_huge(a->in->guest) || a->in->host->kvm_refuses_hugepages)
		return 0;
	if (!wish->page_kib && !guest_asks_for_hugepages(a->in->guest))
		return 0;
	option->shape = wish->page_kib ? ADVISE_ASKED : ADVISE_KEPT;
	option->page_kib = wish->page_kib ? wish->page_kib : kept_kib(a);
	try_shape(a, option->shape, option->page_kib, &trial);
	if (trial.rc == -ENOMEM)
		return -ENOMEM;
	judge_asked(a, &trial);
	return 0;
}

/* Judged in a copy: the comparison stays what it is without a wish */
static int judge_wish(struct adviser *a)
{
	enum advise_backing backing = a->in->wish.backing;
	struct adviser copy = *a;
	int rc = 0;

	if (!a->in->wish.given)
		return 0;
	if (backing == ADVISE_STATIC || backing == ADVISE_DYNAMIC)
		rc = ask_for_pages(&copy);
	a->advice.asked = copy.advice.options[backing];
	return rc;
}

const struct advise_option *advise_taken(const struct advise_input *in, const struct advice *advice)
{
	if (in->wish.given)
		return &advice->asked;
	return advice->chosen == ADVISE_BACKINGS ? NULL : &advice->options[advice->chosen];
}

int advise_make(const struct advise_input *in, struct advice *advice, struct err *err)
{
	struct adviser a = { .in = in, .unpaged = *in->policy };

	a.unpaged.overcommit.enable = false;
	measure(&a);
	add_sizes(&a);
	a.advice.options[ADVISE_FILE].shape = ADVISE_FILES;
	if (advise_hugepages(&a) < 0 || advise_file(&a) < 0 || advise_paged(&a) < 0)
		return err_nomem(err);
	advise_thp(&a);
	advise_ksm(&a);
	a.advice.chosen = choose(&a);
	if (judge_wish(&a) < 0)
		return err_nomem(err);
	if (a.advice.chosen != ADVISE_BACKINGS)
		explain(&a);
	say_ksm(&a);
	say_kept(&a);
	guest_notes(in->guest, on_note, &a);
	say_pins(&a);
	say_running(&a);
	*advice = a.advice;
	return 0;
}
