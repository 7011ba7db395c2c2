// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * status as Prometheus' samples: a table of metrics over the report.
 *
 * Memory is in bytes, whatever the kernel counts in, so that sizes can be added up.
 * Pools have one sample for each node and page size; the kernel's reservations have no
 * node, and so neither has their metric.
 */
#include "report/status_metrics.h"

#include <inttypes.h>
#include <stddef.h>

#include "base/array.h"
#include "base/text.h"
#include "report/prometheus.h"
#include "report/status_report.h"

/* What is measured: the report itself, or each element of a list in it */
enum subject { HOST, NODE, POOL, RESERVATION, STORE, KSM, LEDGER, GUEST, PAGED, TIER };

/* How a member of it becomes a number */
enum unit {
	NUMBER,
	COUNT,
	FLAG,
	MOUNTED,
	NO_FLAG,
	TEXT,
	KIB,
	SIGNED_KIB,
	KIB_IF_KNOWN,
	PAGES,
	NUMBER_IF_KNOWN,
	COUNTED_KIB,
};

struct metric {
	size_t offset;
	enum subject subject;
	enum unit unit;
	const char *name;
	const char *help;
};

/* ---- subjects ---- */

struct items {
	const void *list;
	size_t n;
	size_t size;
};

#define ITEMS(list, n) ((struct items){ (list), (n), sizeof(*(list)) })

static struct items items_of(const struct status_report *report, enum subject subject)
{
	switch (subject) {
	case NODE:
		return ITEMS(report->nodes, report->n_nodes);
	case POOL:
		return ITEMS(report->pools, report->n_pools);
	case RESERVATION:
		return ITEMS(report->reservations, report->n_reservations);
	case STORE:
		return ITEMS(report->stores, report->n_stores);
	case KSM:
		return ITEMS(&report->ksm, report->ksm.present);
	case LEDGER:
		/* They come first */
		return ITEMS(report->guests, report->n_ledgers);
	case GUEST:
	case PAGED:
		return ITEMS(report->guests, report->n_guests);
	case TIER:
		return ITEMS(report->pager.tiers, report->pager.n_tiers);
	default:
		return ITEMS(report, 1);
	}
}

struct labels {
	struct prom_label list[4];
	char numbers[2][24];
};

static struct prom_label number(struct labels *labels, size_t i, const char *name, uint64_t value)
{
	snprintf(labels->numbers[i], sizeof(labels->numbers[i]), "%" PRIu64, value);
	return (struct prom_label){ name, labels->numbers[i] };
}

/* Pools and reservations begin with the size of their pages */
static uint64_t page_kib(const void *item)
{
	return *(const uint64_t *)item;
}

_Static_assert(!offsetof(struct report_pool, page_kib), "page_kib() reads it");
_Static_assert(!offsetof(struct report_reservation, page_kib), "page_kib() reads it");

static void label(const void *item, enum subject subject, struct labels *labels)
{
	const struct report_store *store = item;
	const struct report_guest *guest = item;
	struct prom_label *next = labels->list;

	*labels = (struct labels){ .numbers = { "" } };
	if (subject == NODE)
		*next++ = number(labels, 0, "node", ((const struct report_node *)item)->id);
	if (subject == POOL)
		*next++ = number(labels, 0, "node", ((const struct report_pool *)item)->node);
	if (subject == POOL || subject == RESERVATION)
		*next++ = number(labels, 1, "page_bytes", u64_mul_sat(page_kib(item), 1024));
	if (subject == STORE) {
		*next++ = (struct prom_label){ "store", store->name };
		*next++ = (struct prom_label){ "path", store->path };
	}
	if (subject == TIER)
		*next++ = (struct prom_label){ "tier", ((const struct report_tier *)item)->name };
	if (subject == GUEST || subject == LEDGER || subject == PAGED) {
		*next++ = (struct prom_label){ "guest", guest->name };
		*next++ = (struct prom_label){ "uuid", guest->uuid };
	}
}

/* ---- numbers ---- */

static int64_t bytes(uint64_t kib)
{
	return (int64_t)u64_min(u64_mul_sat(kib, 1024), INT64_MAX);
}

/* false: it is not known, and has no sample */
static bool value_of(const void *item, const struct metric *metric, int64_t *value)
{
	const void *member = (const char *)item + metric->offset;
	const struct report_kib *kib = member;
	const struct report_count *count = member;

	switch (metric->unit) {
	case NUMBER:
		*value = (int64_t)u64_min(*(const uint64_t *)member, INT64_MAX);
		return true;
	case COUNT:
		*value = (int64_t) * (const size_t *)member;
		return true;
	case FLAG:
	case NO_FLAG:
		*value = *(const bool *)member == (metric->unit == FLAG);
		return true;
	case MOUNTED:
		/* A store that no guest uses is mounted when the first one starts */
		*value = *(const bool *)member;
		return *value || ((const struct report_store *)item)->in_use;
	case TEXT:
		*value = *(const char *const *)member != NULL;
		return true;
	case KIB:
		*value = bytes(*(const uint64_t *)member);
		return true;
	case SIGNED_KIB:
		*value = *(const int64_t *)member * 1024;
		return true;
	case KIB_IF_KNOWN:
		*value = kib->kib * 1024;
		return kib->known;
	case NUMBER_IF_KNOWN:
		*value = (int64_t)u64_min(count->n, INT64_MAX);
		return count->known;
	case COUNTED_KIB:
		*value = bytes(count->n);
		return count->known;
	case PAGES:
		*value = bytes(u64_mul_sat(*(const uint64_t *)member, page_kib(item)));
		return true;
	}
	return false;
}

/* ---- the metrics ---- */

#define OF_NODE(member)	 offsetof(struct report_node, member), NODE
#define OF_POOL(member)	 offsetof(struct report_pool, member), POOL
#define OF_STORE(member) offsetof(struct report_store, member), STORE
#define OF_KSM(member)	 offsetof(struct report_ksm, member), KSM
#define OF_GUEST(member) offsetof(struct report_guest, member)
#define OF_HOST(member)	 offsetof(struct status_report, member), HOST

/* Before and after the settings of THP, which are words */
static const struct metric of_host[] = {
	{ OF_NODE(total_kib), KIB, "node_size_bytes", "Memory of a NUMA node." },
	{ OF_NODE(free_kib), KIB, "node_free_bytes",
	  "Free memory of a NUMA node, huge pages not counted." },
	{ OF_POOL(total), PAGES, "pool_size_bytes", "Huge pages of one size on one node." },
	{ OF_POOL(free), PAGES, "pool_free_bytes", "Huge pages that no program has touched." },
	{ OF_POOL(surplus), PAGES, "pool_surplus_bytes",
	  "Huge pages above the persistent number." },
	{ OF_POOL(claimed), PAGES, "pool_claimed_bytes",
	  "Huge pages promised to guests that have not taken them yet." },
	{ OF_POOL(own), PAGES, "pool_own_bytes",
	  "Huge pages that are there for guests, and given back with them." },
	{ OF_POOL(idle), PAGES, "pool_idle_bytes", "Huge pages that are free and not promised." },
	{ offsetof(struct report_reservation, pages), RESERVATION, PAGES, "pool_reserved_bytes",
	  "Huge pages that the kernel has reserved, on whatever node." },
	{ OF_STORE(capacity_kib), KIB, "store_size_bytes",
	  "Size of a store of file-backed memory." },
	{ OF_STORE(available_kib), KIB, "store_available_bytes", "Free in a store for guests." },
	{ OF_STORE(promised_kib), KIB, "store_promised_bytes",
	  "What the guests in a store can come to use." },
	{ OF_STORE(mounted), MOUNTED, "store_mounted",
	  "Whether a store that guests use is mounted (1) or not (0)." },
	{ OF_STORE(problem), TEXT, "store_problem", "1 if guests can't use the store." },
	{ OF_KSM(run), NUMBER, "ksm_run", "KSM: 0 stopped, 1 running, 2 taking apart." },
	{ OF_KSM(saved_kib), SIGNED_KIB, "ksm_saved_bytes",
	  "Memory that KSM saves; negative where it costs more." },
};

static const struct metric of_guests[] = {
	{ OF_GUEST(gone), LEDGER, NO_FLAG, "guest_alive",
	  "A guest that holds something: alive (1) or gone (0)." },
	{ OF_GUEST(held), LEDGER, KIB_IF_KNOWN, "guest_hugepages_bytes",
	  "Huge pages that a guest holds." },
	{ OF_GUEST(files), LEDGER, KIB_IF_KNOWN, "guest_files_bytes",
	  "Memory in files that a guest is promised." },
	{ OF_GUEST(saved), GUEST, KIB_IF_KNOWN, "guest_ksm_saved_bytes",
	  "What KSM saves of a guest; negative if it costs." },
	{ OF_GUEST(resident), GUEST, KIB_IF_KNOWN, "guest_resident_bytes",
	  "Memory of a guest's QEMU, without static huge pages." },
	{ OF_GUEST(anon), GUEST, KIB_IF_KNOWN, "guest_anon_hugepages_bytes",
	  "Of that, anonymous in transparent huge pages." },
	{ OF_GUEST(shmem), GUEST, KIB_IF_KNOWN, "guest_shmem_pmdmapped_bytes",
	  "Of that, shared memory mapped as huge pages." },
	{ OF_HOST(n_ledgers), COUNT, "records", "Guests that hold something." },
	{ OF_HOST(n_waiting), COUNT, "records_left",
	  "Guests that are gone and still hold something." },
	{ OF_HOST(n_damaged), COUNT, "records_damaged", "Records of guests that cannot be read." },
};

#define OF_PAGED(member) offsetof(struct report_guest, overcommit.member), PAGED

/* Only of guests under the pager */
static const struct metric of_pager[] = {
	{ OF_PAGED(paged), FLAG, "guest_paged", "A guest under the pager: paged (1) or not (0)." },
	{ OF_PAGED(why), TEXT, "guest_pager_alarm",
	  "Whether something is wrong with a guest's paging (1)." },
	{ OF_PAGED(limit_kib), KIB, "guest_resident_limit_bytes",
	  "What may be resident of a guest under the pager." },
	{ OF_PAGED(limit_now_kib), COUNTED_KIB, "guest_resident_limit_now_bytes",
	  "The same now: less while the host is short of memory." },
	{ OF_PAGED(resident_kib), COUNTED_KIB, "guest_paged_resident_bytes",
	  "What is resident of a guest under the pager." },
	{ OF_PAGED(own_kib), COUNTED_KIB, "guest_pager_own_bytes",
	  "What the pager itself needs for a guest." },
	{ OF_PAGED(faults), NUMBER_IF_KNOWN, "guest_pager_faults_total",
	  "Faults that the pager has served." },
	{ OF_PAGED(evictions), NUMBER_IF_KNOWN, "guest_pager_evictions_total",
	  "Pages taken out of a guest." },
	{ OF_PAGED(refaults), NUMBER_IF_KNOWN, "guest_pager_refaults_total",
	  "Pages that came back soon after they were taken out." },
	{ OF_PAGED(discards), NUMBER_IF_KNOWN, "guest_pager_discards_total",
	  "Pages that a guest gave back itself." },
	{ OF_PAGED(prefetched), NUMBER_IF_KNOWN, "guest_pager_prefetched_total",
	  "Pages brought in ahead of a fault." },
	{ OF_PAGED(prefetch_used), NUMBER_IF_KNOWN, "guest_pager_prefetch_used_total",
	  "Of these, pages that were used." },
	{ OF_PAGED(waiting), NUMBER_IF_KNOWN, "guest_pager_waiting",
	  "Faults that can't be answered now." },
	{ OF_PAGED(idle_percent), NUMBER_IF_KNOWN, "guest_pager_idle_percent",
	  "Of what is resident, not used for half a minute." },
	{ OF_PAGED(fault_us.p50), NUMBER_IF_KNOWN, "guest_pager_fault_p50_microseconds",
	  "Half of all faults that had to load a page took no longer." },
	{ OF_PAGED(fault_us.p99), NUMBER_IF_KNOWN, "guest_pager_fault_p99_microseconds",
	  "99 of 100 took no longer." },
	{ offsetof(struct report_tier, kib), TIER, KIB, "pager_tier_used_bytes",
	  "What all guests' pages take of a tier." },
	{ offsetof(struct report_tier, limit_kib), TIER, KIB, "pager_tier_size_bytes",
	  "What they may take; 0: there is no limit." },
};

/* Guests that are not under the pager have no such numbers, and no zeros.  A store that is
 * not configured, and where no guest has memory, is not missed */
static bool has_subject(const void *item, enum subject subject)
{
	if (subject == STORE)
		return ((const struct report_store *)item)->shown;
	return subject != PAGED || ((const struct report_guest *)item)->overcommit.present;
}

/* A family without samples is left out */
static void put_metric(FILE *f, const struct status_report *report, const struct metric *metric)
{
	struct items items = items_of(report, metric->subject);
	const char *item = items.list;
	struct labels labels;
	bool begun = false;
	int64_t value;
	size_t i;

	for (i = 0; i < items.n; i++, item += items.size) {
		if (!has_subject(item, metric->subject) || !value_of(item, metric, &value))
			continue;
		if (!begun)
			prometheus_family(f, metric->name, metric->help);
		begun = true;
		label(item, metric->subject, &labels);
		prometheus_sample(f, metric->name, labels.list, value);
	}
}

static void put_setting(FILE *f, const char *name, const char *value)
{
	struct prom_label labels[] = { { "setting", name }, { "value", value }, { NULL, NULL } };

	if (value)
		prometheus_sample(f, "thp_setting", labels, 1);
}

static void put_thp(FILE *f, const struct report_thp *thp)
{
	if (!thp->present)
		return;
	prometheus_family(f, "thp_setting", "Transparent huge pages: the value set, always 1.");
	put_setting(f, "enabled", thp->enabled);
	put_setting(f, "defrag", thp->defrag);
	put_setting(f, "shmem_enabled", thp->shmem_enabled);
}

void status_metrics(const struct status_report *report, FILE *f)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(of_host); i++)
		put_metric(f, report, &of_host[i]);
	put_thp(f, &report->thp);
	for (i = 0; i < ARRAY_SIZE(of_guests); i++)
		put_metric(f, report, &of_guests[i]);
	for (i = 0; i < ARRAY_SIZE(of_pager); i++)
		put_metric(f, report, &of_pager[i]);
}
