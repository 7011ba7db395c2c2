// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * virt-membacking metrics: status for Prometheus.
 *
 * Memory is in bytes, whatever the kernel counts in, so that sizes can be added up.
 * Pools have one sample for each node and page size; the kernel's reservations have no
 * node, and so neither has their metric.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/text.h"
#include "ctl/ctl.h"
#include "lifecycle/ledger.h"
#include "lifecycle/state.h"
#include "memory/path.h"
#include "policy/store_rules.h"
#include "report/prometheus.h"
#include "report/status.h"
#include "report/store_text.h"

#define END                                                                                        \
	{                                                                                          \
		NULL, NULL                                                                         \
	}

static uint64_t bytes(uint64_t kib)
{
	return u64_mul_sat(kib, 1024);
}

struct number {
	char text[24];
};

static const char *to_text(uint64_t value, struct number *number)
{
	snprintf(number->text, sizeof(number->text), "%" PRIu64, value);
	return number->text;
}

/* ---- nodes ---- */

static uint64_t node_size(const struct numa_node *node)
{
	return node->total_kib;
}

static uint64_t node_free(const struct numa_node *node)
{
	return node->free_kib;
}

static const struct {
	const char *name;
	const char *help;
	uint64_t (*kib)(const struct numa_node *node);
} node_metrics[] = {
	{ "node_size_bytes", "Memory of a NUMA node.", node_size },
	{ "node_free_bytes", "Free memory of a NUMA node, huge pages not counted.", node_free },
};

static void put_nodes(FILE *f, const struct numa *numa)
{
	struct number id;
	size_t i, j;

	for (i = 0; i < sizeof(node_metrics) / sizeof(node_metrics[0]); i++) {
		prom_family(f, node_metrics[i].name, node_metrics[i].help);
		for (j = 0; j < numa->n_nodes; j++) {
			const struct numa_node *node = &numa->nodes[j];
			struct prom_label labels[] = { { "node", to_text(node->id, &id) }, END };

			prom_sample(f, node_metrics[i].name, labels,
				    bytes(node_metrics[i].kib(node)));
		}
	}
}

/* ---- pools ---- */

static uint64_t pool_total(const struct size_view *size, const struct pool_view *pool)
{
	(void)size;
	return pool->pool.total;
}

static uint64_t pool_free(const struct size_view *size, const struct pool_view *pool)
{
	(void)size;
	return pool->pool.free;
}

static uint64_t pool_surplus(const struct size_view *size, const struct pool_view *pool)
{
	(void)size;
	return pool->pool.surplus;
}

static uint64_t pool_claimed(const struct size_view *size, const struct pool_view *pool)
{
	(void)size;
	return pool->claimed;
}

static uint64_t pool_own(const struct size_view *size, const struct pool_view *pool)
{
	(void)size;
	return pool->own;
}

static const struct {
	const char *name;
	const char *help;
	uint64_t (*pages)(const struct size_view *size, const struct pool_view *pool);
} pool_metrics[] = {
	{ "pool_size_bytes", "Huge pages of one size on one node.", pool_total },
	{ "pool_free_bytes", "Huge pages that nobody has touched.", pool_free },
	{ "pool_surplus_bytes", "Huge pages above the persistent number.", pool_surplus },
	{ "pool_claimed_bytes", "Huge pages promised to guests that have not taken them yet.",
	  pool_claimed },
	{ "pool_own_bytes", "Huge pages that are there for guests, and given back with them.",
	  pool_own },
	{ "pool_idle_bytes", "Huge pages that nobody has a right to.", host_view_idle },
};

static void put_pools(FILE *f, const struct host_view *host)
{
	struct number id, page;
	size_t i, j, k;

	for (i = 0; i < sizeof(pool_metrics) / sizeof(pool_metrics[0]); i++) {
		prom_family(f, pool_metrics[i].name, pool_metrics[i].help);
		for (j = 0; j < host->n_sizes; j++) {
			const struct size_view *size = &host->sizes[j];

			for (k = 0; k < size->n_pools; k++) {
				const struct pool_view *pool = &size->pools[k];
				uint64_t pages = pool_metrics[i].pages(size, pool);
				struct prom_label labels[] = {
					{ "node", to_text(pool->pool.node, &id) },
					{ "page_bytes", to_text(bytes(size->page_kib), &page) },
					END,
				};

				prom_sample(f, pool_metrics[i].name, labels,
					    bytes(u64_mul_sat(pages, size->page_kib)));
			}
		}
	}
}

static void put_reservations(FILE *f, const struct host_view *host)
{
	static const char *const name = "pool_reserved_bytes";
	struct number page;
	size_t i;

	prom_family(f, name, "Huge pages that the kernel has reserved, on whatever node.");
	for (i = 0; i < host->n_sizes; i++) {
		const struct size_view *size = &host->sizes[i];
		struct prom_label labels[] = {
			{ "page_bytes", to_text(bytes(size->page_kib), &page) }, END
		};

		prom_sample(f, name, labels, bytes(u64_mul_sat(size->reserved, size->page_kib)));
	}
}

/* ---- stores ---- */

static bool is_there(const struct store_view *store)
{
	return store->state.present && (store->state.mountpoint || !store->configured);
}

static uint64_t store_size(const struct store_view *store)
{
	return is_there(store) ? bytes(store->state.capacity_kib) : 0;
}

static uint64_t store_free(const struct store_view *store)
{
	return is_there(store) ? bytes(store->state.available_kib) : 0;
}

static uint64_t store_promise(const struct store_view *store)
{
	return bytes(store_promised(store));
}

static uint64_t store_mounted(const struct store_view *store)
{
	return store_is_mounted(store);
}

static uint64_t store_bad(const struct store_view *store)
{
	return store_problem(store, NULL) < 0;
}

static const struct {
	const char *name;
	const char *help;
	uint64_t (*value)(const struct store_view *store);
} store_metrics[] = {
	{ "store_size_bytes", "Size of a store of file-backed memory.", store_size },
	{ "store_available_bytes", "Free in a store for guests.", store_free },
	{ "store_promised_bytes", "What the guests in a store can come to use.", store_promise },
	{ "store_mounted", "Whether the store is mounted (1) or not (0).", store_mounted },
	{ "store_problem", "Whether guests could not use the store as it is (1).", store_bad },
};

static void put_stores(FILE *f, const struct host_view *host)
{
	size_t i, j;

	for (i = 0; host->n_stores && i < sizeof(store_metrics) / sizeof(store_metrics[0]); i++) {
		prom_family(f, store_metrics[i].name, store_metrics[i].help);
		for (j = 0; j < host->n_stores; j++) {
			const struct store_view *store = &host->stores[j];
			struct prom_label labels[] = { { "store", store_text_name(store) },
						       { "path", store->config.path },
						       END };

			prom_sample(f, store_metrics[i].name, labels,
				    store_metrics[i].value(store));
		}
	}
}

/* ---- settings of the whole host ---- */

static void put_setting(FILE *f, const char *name, const char *value)
{
	struct prom_label labels[] = { { "setting", name }, { "value", value }, END };

	if (*value)
		prom_sample(f, "thp_setting", labels, 1);
}

static void put_settings(FILE *f, const struct status *status)
{
	if (status->has_ksm) {
		prom_family(f, "ksm_run", "KSM: 0 stopped, 1 running, 2 taking apart.");
		prom_sample(f, "ksm_run", NULL, status->ksm.run);
		prom_family(f, "ksm_saved_bytes",
			    "Memory that KSM saves; negative where it costs more.");
		prom_sample_signed(f, "ksm_saved_bytes", NULL, status->ksm.saved_kib * 1024);
	}
	if (status->has_thp) {
		prom_family(f, "thp_setting", "Transparent huge pages: the value set, always 1.");
		put_setting(f, "enabled", status->thp.enabled);
		put_setting(f, "defrag", status->thp.defrag);
		put_setting(f, "shmem_enabled", status->thp.shmem_enabled);
	}
}

/* ---- guests ---- */

static uint64_t held_pages(const struct ledger *ledger)
{
	uint64_t kib = 0;
	size_t i, j;

	for (i = 0; i < ledger->list.n; i++) {
		const struct step_hugepages *hp = &ledger->list.steps[i].hugepages;

		for (j = 0; ledger->list.steps[i].kind == STEP_HUGEPAGES && j < hp->n_shares; j++)
			kib = u64_add_sat(kib, u64_mul_sat(hp->shares[j].have, hp->page_kib));
	}
	return bytes(kib);
}

static uint64_t held_files(const struct ledger *ledger)
{
	uint64_t kib = 0;
	size_t i;

	for (i = 0; i < ledger->list.n; i++)
		if (ledger->list.steps[i].kind == STEP_STORE)
			kib = u64_add_sat(kib, ledger->list.steps[i].store.size_kib);
	return bytes(kib);
}

static const struct {
	const char *name;
	const char *help;
	uint64_t (*value)(const struct ledger *ledger);
} guest_metrics[] = {
	{ "guest_hugepages_bytes", "Huge pages that a guest holds.", held_pages },
	{ "guest_files_bytes", "Memory in files that a guest is promised.", held_files },
};

static void put_phases(FILE *f, const struct ledgers *ledgers)
{
	size_t i;

	prom_family(f, "guest_alive", "A guest that holds something: alive (1) or gone (0).");
	for (i = 0; i < ledgers->n; i++) {
		const struct ledger *ledger = ledgers->list[i];
		struct prom_label labels[] = {
			{ "guest", ledger->name },
			{ "uuid", ledger->uuid },
			{ "phase",
			  ledger->foreign_version ? "unknown" : ledger_phase_name(ledger->phase) },
			END
		};

		prom_sample(f, "guest_alive", labels, ledger->alive);
	}
}

static bool guest_saved(const struct status_guest *guest, int64_t *kib)
{
	*kib = guest->saved_kib;
	return guest->has_saved;
}

static bool guest_resident(const struct status_guest *guest, int64_t *kib)
{
	*kib = (int64_t)guest->thp.resident_kib;
	return guest->has_thp;
}

static bool guest_anon(const struct status_guest *guest, int64_t *kib)
{
	*kib = (int64_t)guest->thp.anon_kib;
	return guest->has_thp;
}

static bool guest_shmem(const struct status_guest *guest, int64_t *kib)
{
	*kib = (int64_t)guest->thp.shmem_kib;
	return guest->has_thp;
}

static const struct {
	const char *name;
	const char *help;
	bool (*kib)(const struct status_guest *guest, int64_t *kib);
} memory_metrics[] = {
	{ "guest_ksm_saved_bytes", "What KSM saves of a guest; negative if it costs.",
	  guest_saved },
	{ "guest_resident_bytes", "Memory of a guest's QEMU, without static huge pages.",
	  guest_resident },
	{ "guest_anon_hugepages_bytes", "Of that, anonymous in transparent huge pages.",
	  guest_anon },
	{ "guest_shmem_pmdmapped_bytes", "Of that, shared memory mapped as huge pages.",
	  guest_shmem },
};

/* A family without samples is left out */
static void put_memory(FILE *f, const struct status *status, size_t metric)
{
	const char *name = memory_metrics[metric].name;
	bool begun = false;
	size_t i;

	for (i = 0; i < status->n_guests; i++) {
		const struct status_guest *guest = &status->guests[i];
		struct prom_label labels[] = { { "guest", guest->name },
					       { "uuid", guest->uuid },
					       END };
		int64_t kib;

		if (!memory_metrics[metric].kib(guest, &kib))
			continue;
		if (!begun)
			prom_family(f, name, memory_metrics[metric].help);
		begun = true;
		prom_sample_signed(f, name, labels, kib * 1024);
	}
}

static void put_guests(FILE *f, const struct ledgers *ledgers)
{
	size_t i, j;

	if (!ledgers->n)
		return;
	put_phases(f, ledgers);
	for (i = 0; i < sizeof(guest_metrics) / sizeof(guest_metrics[0]); i++) {
		prom_family(f, guest_metrics[i].name, guest_metrics[i].help);
		for (j = 0; j < ledgers->n; j++) {
			const struct ledger *ledger = ledgers->list[j];
			struct prom_label labels[] = { { "guest", ledger->name },
						       { "uuid", ledger->uuid },
						       END };

			if (!ledger->foreign_version)
				prom_sample(f, guest_metrics[i].name, labels,
					    guest_metrics[i].value(ledger));
		}
	}
}

static void put_ledgers(FILE *f, const struct ledgers *ledgers)
{
	uint64_t waiting = 0;
	size_t i;

	for (i = 0; i < ledgers->n; i++)
		waiting += !ledgers->list[i]->alive;
	prom_family(f, "ledgers", "Guests that hold something.");
	prom_sample(f, "ledgers", NULL, ledgers->n);
	prom_family(f, "ledgers_waiting", "Guests that are gone and still hold something.");
	prom_sample(f, "ledgers_waiting", NULL, waiting);
	prom_family(f, "ledgers_damaged", "Ledgers that cannot be read.");
	prom_sample(f, "ledgers_damaged", NULL, ledgers->n_damaged);
}

/* ---- the command ---- */

static void put_all(FILE *f, const struct status *status)
{
	const struct round *round = &status->look.round;
	size_t i;

	put_nodes(f, &round->host.numa);
	if (round->host.n_sizes) {
		put_pools(f, &round->host);
		put_reservations(f, &round->host);
	}
	put_stores(f, &round->host);
	put_settings(f, status);
	put_guests(f, &round->ledgers);
	for (i = 0; i < sizeof(memory_metrics) / sizeof(memory_metrics[0]); i++)
		put_memory(f, status, i);
	put_ledgers(f, &round->ledgers);
}

/* Root may be told to write below another user's directory: no link of his is followed */
static int open_directory(const char *path)
{
	cleanup_close int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char here[PATH_MAX] = "", all[2 * PATH_MAX];

	if (*path != '/' && !getcwd(here, sizeof(here)))
		return -errno;
	snprintf(all, sizeof(all), "%s/%s", here, path);
	return path_open(root, all, O_RDONLY | O_DIRECTORY | O_NONBLOCK, NULL);
}

/* Whole or not at all: the collector may read at any moment.  It leaves names alone
 * that do not end in ".prom", as that of the file while it is written */
static int replace(const char *file, const char *text, size_t len, struct err *err)
{
	cleanup_close int dir = -1;
	char path[PATH_MAX], *slash;
	const char *name;
	int rc;

	if ((size_t)snprintf(path, sizeof(path), "%s", file) >= sizeof(path))
		return err_sys(err, ENAMETOOLONG, "'%.512s'", file);
	slash = strrchr(path, '/');
	name = slash ? slash + 1 : path;
	/* "FILE" is in "."; of "/FILE" the slash is the directory */
	if (slash)
		*slash = '\0';
	dir = open_directory(!slash ? "." : *path ? path : "/");
	if (dir < 0)
		return err_set(err, -dir, "cannot open the directory of '%.512s': %s", file,
			       path_why(-dir));
	rc = file_publish_at(dir, name, text, len, err);
	return err_prefix(err, rc, "'%.512s'", file);
}

static int report(const struct status *status, const char *output, struct err *err)
{
	cleanup_free char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return err_set(err, ENOMEM, "out of memory");
	put_all(f, status);
	if (fclose(f) != 0)
		return err_set(err, ENOMEM, "out of memory");
	if (output)
		return replace(output, text, len, err);
	fwrite(text, 1, len, stdout);
	return 0;
}

static int run(struct ctl *ctl, struct err *err)
{
	struct status status;
	int rc = status_read(ctl, &status, err);

	if (rc == 0)
		rc = report(&status, ctl->output, err);
	status_close(&status);
	return rc;
}

const struct command cmd_metrics = {
	.name = "metrics",
	.usage = "metrics [--output FILE]",
	.summary = "show what status shows in Prometheus' format",
	.help = "Writes what status shows in Prometheus' text format, for the textfile collector\n"
		"of node_exporter. With --output, FILE is replaced as a whole; its name must end\n"
		"in .prom for the collector to read it. Changes nothing else.",
	.options = CTL_ROOT | CTL_OUTPUT,
	.run = run,
};
