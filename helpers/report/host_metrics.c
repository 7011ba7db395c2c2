// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Samples that status doesn't show.
 */
#include "report/host_metrics.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>

#include "base/array.h"
#include "base/text.h"
#include "base/version.h"
#include "lifecycle/counters.h"
#include "memory/fragmentation.h"
#include "policy/host_view.h"
#include "report/prometheus.h"

void host_metrics_program(FILE *f, int hook_enabled)
{
	const struct prom_label version[] = { { "version", VERSION }, { NULL, NULL } };

	prometheus_family(f, "build_info", "The version, always 1.");
	prometheus_sample(f, "build_info", version, 1);
	if (hook_enabled < 0)
		return;
	prometheus_family(f, "hook_enabled", "Whether libvirt's qemu hook is ours, too (1).");
	prometheus_sample(f, "hook_enabled", NULL, hook_enabled);
}

/* ---- counters ---- */

static int64_t count(uint64_t n)
{
	return (int64_t)u64_min(n, INT64_MAX);
}

static void put_labelled(FILE *f, const char *name, const char *label, const char *value,
			 uint64_t n)
{
	const struct prom_label labels[] = { { label, value }, { NULL, NULL } };

	prometheus_sample(f, name, labels, count(n));
}

/* Each is there from the beginning, so that the first one is seen as an increase */
static void put_starts(FILE *f, const struct counters *counters)
{
	uint64_t refused = 0;
	int i;

	for (i = 0; i < REFUSED_REASONS; i++)
		refused = u64_add_sat(refused, counters->refused[i]);
	prometheus_family(f, "starts_total",
			  "Guests' starts that the hook had something to do for.");
	put_labelled(f, "starts_total", "result", "prepared", counters->started);
	put_labelled(f, "starts_total", "result", "refused", refused);
	prometheus_family(f, "refusals_total", "Starts that the hook refused.");
	for (i = 0; i < REFUSED_REASONS; i++)
		put_labelled(f, "refusals_total", "reason", counters_reason((enum refused)i),
			     counters->refused[i]);
}

/* "2M", "1G" */
static const char *size_name(uint64_t page_kib, char buf[24])
{
	static const char units[] = "KMGT";
	size_t unit = 0;

	for (; page_kib >= 1024 && page_kib % 1024 == 0 && units[unit + 1]; page_kib /= 1024)
		unit++;
	snprintf(buf, 24, "%" PRIu64 "%c", page_kib, units[unit]);
	return buf;
}

static void put_grown(FILE *f, const struct step_tally *tally)
{
	char size[24];
	size_t i;

	if (!tally->grown[0].page_kib)
		return;
	prometheus_family(f, "pages_grown_total", "Huge pages that were added to pools.");
	for (i = 0; i < STEP_TALLY_SIZES && tally->grown[i].page_kib; i++)
		put_labelled(f, "pages_grown_total", "page_size",
			     size_name(tally->grown[i].page_kib, size), tally->grown[i].pages);
}

void host_metrics_counters(FILE *f, const struct counters *counters)
{
	put_starts(f, counters);
	prometheus_summary(f, "prepare_seconds", "How long the hook took before a guest's start.",
			   counters->prepare_ms, counters->prepares);
	put_grown(f, &counters->steps);
	prometheus_family(f, "compactions_total", "How often the hook compacted memory.");
	prometheus_sample(f, "compactions_total", NULL, count(counters->steps.compactions));
}

void host_metrics_findings(FILE *f, const char *const *levels, const size_t *counts, size_t n)
{
	size_t i;

	prometheus_family(f, "check_findings", "What virt-membacking check finds.");
	for (i = 0; i < n; i++)
		put_labelled(f, "check_findings", "level", levels[i], counts[i]);
}

/* ---- what could become huge pages ---- */

static void put_potential(FILE *f, const struct host_view *host,
			  const struct fragmentation *fragmentation, const struct numa_node *node,
			  uint64_t page_kib)
{
	struct fragmentation_share share;
	char number[16], size[24];

	fragmentation_share(fragmentation, node, page_kib, host_view_pooled(host, node->id),
			    &share);
	const struct {
		const char *when;
		uint64_t kib;
	} parts[] = {
		{ "now", share.now_kib },	{ "compact", share.compact_kib },
		{ "reclaim", share.cache_kib }, { "in_use", share.used_kib },
		{ "huge", share.huge_kib },	{ "never", share.never_kib },
	};
	size_t i;

	snprintf(number, sizeof(number), "%u", node->id);
	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		const struct prom_label labels[] = { { "node", number },
						     { "page_size", size_name(page_kib, size) },
						     { "when", parts[i].when },
						     { NULL, NULL } };

		prometheus_sample(f, "hugepage_potential_bytes", labels,
				  count(u64_mul_sat(parts[i].kib, 1024)));
	}
}

void host_metrics_potential(FILE *f, const struct host_view *host,
			    const struct fragmentation *fragmentation)
{
	size_t i, j;

	if (!host->n_sizes || !host->numa.n_nodes)
		return;
	prometheus_family(f, "hugepage_potential_bytes",
			  "What of a node's memory could become huge pages, by what it takes.");
	for (i = 0; i < host->numa.n_nodes; i++)
		for (j = 0; j < host->n_sizes; j++)
			put_potential(f, host, fragmentation, &host->numa.nodes[i],
				      host->sizes[j].page_kib);
}
