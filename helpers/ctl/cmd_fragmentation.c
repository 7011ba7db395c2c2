// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * virt-membacking fragmentation: a picture of what could become huge pages.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "base/text.h"
#include "ctl/ctl.h"
#include "ctl/output_file.h"
#include "lifecycle/view.h"
#include "memory/fragmentation.h"
#include "memory/memory_map.h"
#include "policy/host_view.h"
#include "report/map_picture.h"
#include "report/page_scan.h"
#include "terminal/table.h"
#include "terminal/term.h"
#include "terminal/watch.h"

/* Cells of a bar: with the page size in front of it 80 columns hold it */
#define BAR_CELLS 68

enum part { NOW, COMPACT, CACHE, USED, HUGE, NEVER, PARTS };

/* Light to dark from what is easy to what is hard; letters where there are no shades */
static const struct {
	const char *name;
	const char *utf8;
	char ascii;
	const char *colour;
} parts[PARTS] = {
	[NOW] = { "now", "█", '#', "\033[32m" },
	[COMPACT] = { "after compaction", "▓", '+', "\033[36m" },
	[CACHE] = { "after reclaim of cache", "▒", '~', "\033[33m" },
	[USED] = { "in use, or kept back", "░", '.', "" },
	[HUGE] = { "huge pages already", "■", 'H', "\033[34m" },
	[NEVER] = { "never: can't be moved", "×", 'x', "\033[31m" },
};

/**
 * struct picture - All that is drawn
 * @closed:	Root could look at every page, and we may not
 * @map:	Of each page, where a map is wanted
 * @only:	The node that is wanted; -1: all
 */
struct picture {
	struct host_view host;
	struct fragmentation fragmentation;
	struct memory_map map;
	bool closed;
	int only;
};

static bool is_wanted(const struct picture *p, const struct numa_node *node)
{
	return p->only < 0 || node->id == (unsigned int)p->only;
}

/**
 * struct spoilt - A node's ranges of one size, with the number of those that a page spoils
 * @unsure:	Of @movable, those that are only if pages without a mark are free
 * @least:	Pages that spoil the best of those that are not movable
 */
struct spoilt {
	uint64_t whole;
	uint64_t movable;
	uint64_t unsure;
	uint64_t huge;
	uint64_t least;
};

/* Return: false where the pages were not counted */
static bool find_spoilt(const struct picture *p, const struct numa_node *node, uint64_t page_kib,
			struct spoilt *sum)
{
	const struct fragmentation *f = &p->fragmentation;
	const bool gigantic = fragmentation_gigantic(f, page_kib);
	size_t i;

	*sum = (struct spoilt){ 0 };
	for (i = 0; i < f->n_zones; i++) {
		const struct fragmentation_ranges *ranges =
			fragmentation_ranges(f, &f->zones[i], page_kib);

		if (f->zones[i].node != node->id || !ranges ||
		    (gigantic && !strcmp(f->zones[i].name, FRAGMENTATION_MOVABLE)))
			continue;
		sum->whole += ranges->whole;
		sum->movable += ranges->movable;
		sum->huge += ranges->huge;
		if (fragmentation_unsure(&f->zones[i]))
			sum->unsure += ranges->unsure;
		if (ranges->least && (!sum->least || ranges->least < sum->least))
			sum->least = ranges->least;
	}
	return f->exact;
}

static void share_parts(const struct picture *p, const struct numa_node *node, uint64_t page_kib,
			uint64_t kib[PARTS])
{
	struct fragmentation_share share;

	fragmentation_share(&p->fragmentation, node, page_kib, host_view_pooled(&p->host, node->id),
			    &share);
	kib[NOW] = share.now_kib;
	kib[COMPACT] = share.compact_kib;
	kib[CACHE] = share.cache_kib;
	kib[USED] = share.used_kib;
	kib[HUGE] = share.huge_kib;
	kib[NEVER] = share.never_kib;
}

/* ---- JSON ---- */

/* null: not counted */
static json_t *ranges_to_json(const struct picture *p, const struct numa_node *node,
			      uint64_t page_kib)
{
	struct spoilt sum;

	if (!find_spoilt(p, node, page_kib, &sum))
		return json_null();
	return json_pack("{s:I, s:I, s:I, s:I, s:I}", "all", json_number(sum.whole), "movable",
			 json_number(sum.movable), "unsure", json_number(sum.unsure), "huge",
			 json_number(sum.huge), "least_spoilt", json_number(sum.least));
}

static json_t *size_to_json(const struct picture *p, const struct numa_node *node,
			    uint64_t page_kib)
{
	uint64_t kib[PARTS];

	share_parts(p, node, page_kib, kib);
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "page_kib",
			 json_number(page_kib), "now_kib", json_number(kib[NOW]), "compact_kib",
			 json_number(kib[COMPACT]), "cache_kib", json_number(kib[CACHE]),
			 "used_kib", json_number(kib[USED]), "huge_kib", json_number(kib[HUGE]),
			 "never_kib", json_number(kib[NEVER]), "now_pages",
			 json_number(kib[NOW] / page_kib), "ranges",
			 ranges_to_json(p, node, page_kib));
}

static json_t *zone_to_json(const struct picture *p, const struct fragmentation_zone *zone)
{
	const struct fragmentation *f = &p->fragmentation;
	json_t *indices = json_array();
	size_t i;

	for (i = 0; i < p->host.n_sizes; i++) {
		uint64_t page_kib = p->host.sizes[i].page_kib;

		if (!fragmentation_gigantic(f, page_kib))
			json_add(&indices,
				 json_pack("{s:I, s:f}", "page_kib", json_number(page_kib), "index",
					   fragmentation_index(f, zone, page_kib) / 1000.0));
	}
	return json_pack("{s:s, s:I, s:o}", "name", zone->name, "spare_kib",
			 json_number(zone->spare * f->page_kib), "extfrag", indices);
}

static json_t *node_to_json(const struct picture *p, const struct numa_node *node)
{
	const struct fragmentation *f = &p->fragmentation;
	json_t *sizes = json_array(), *zones = json_array(), *object;
	size_t i;

	for (i = 0; i < p->host.n_sizes; i++)
		json_add(&sizes, size_to_json(p, node, p->host.sizes[i].page_kib));
	for (i = 0; i < f->n_zones; i++)
		if (f->zones[i].node == node->id && f->zones[i].managed)
			json_add(&zones, zone_to_json(p, &f->zones[i]));
	object = json_pack("{s:i, s:I, s:o, s:o}", "id", (int)node->id, "total_kib",
			   json_number(node->total_kib), "sizes", sizes, "zones", zones);
	if (object && p->map.page_kib)
		json_object_set_new(object, "map", map_to_json(&p->map, node->id));
	return object;
}

static json_t *to_json(const struct picture *p)
{
	json_t *nodes = json_array();
	size_t i;

	for (i = 0; i < p->host.numa.n_nodes; i++)
		if (is_wanted(p, &p->host.numa.nodes[i]))
			json_add(&nodes, node_to_json(p, &p->host.numa.nodes[i]));
	return json_pack("{s:b, s:b, s:o}", "migrate_types", p->fragmentation.types, "every_page",
			 p->fragmentation.exact, "nodes", nodes);
}

/* ---- the picture ---- */

/* A part that is there is seen: one cell at least, at the cost of the largest */
static void share_cells(const uint64_t kib[PARTS], uint64_t total, unsigned int cells[PARTS])
{
	unsigned int used = 0;
	int i, largest = 0;

	for (i = 0; i < PARTS; i++) {
		cells[i] = total ? (unsigned int)((double)kib[i] / (double)total * BAR_CELLS) : 0;
		if (kib[i] && !cells[i])
			cells[i] = 1;
		used += cells[i];
		if (kib[i] > kib[largest])
			largest = i;
	}
	cells[largest] += BAR_CELLS;
	cells[largest] -= used;
}

static void print_bar(const struct picture *p, const struct numa_node *node, uint64_t page_kib)
{
	const bool utf8 = term_is_utf8(), colour = term_colours();
	unsigned int cells[PARTS], n;
	char text[TEXT_KIB_SIZE];
	uint64_t kib[PARTS];
	int i;

	share_parts(p, node, page_kib, kib);
	share_cells(kib, node->total_kib, cells);
	printf("  %7s  ", text_from_kib(page_kib, text));
	for (i = 0; i < PARTS; i++) {
		if (colour && *parts[i].colour && cells[i])
			fputs(parts[i].colour, stdout);
		for (n = 0; n < cells[i]; n++)
			printf("%.*s", utf8 ? 4 : 1, utf8 ? parts[i].utf8 : &parts[i].ascii);
		if (colour && *parts[i].colour && cells[i])
			fputs("\033[0m", stdout);
	}
	putchar('\n');
}

/* Unless every page was looked at, of gigantic pages all is a bound; see
 * memory/fragmentation.h */
static const char *bound(const struct picture *p, const struct numa_node *node, int part,
			 uint64_t page_kib)
{
	struct spoilt sum;
	bool sure = find_spoilt(p, node, page_kib, &sum) && !sum.unsure;

	if (part == COMPACT || part == CACHE)
		return "up to ";
	if (part == NOW && !sure && fragmentation_gigantic(&p->fragmentation, page_kib))
		return "up to ";
	return part == NEVER && !sure ? "at least " : "";
}

static void part_cell(const struct picture *p, const struct numa_node *node, struct table *table,
		      struct libscols_line *row, size_t column, int part, uint64_t kib)
{
	uint64_t page_kib = p->host.sizes[column - 1].page_kib;
	const char *lead = bound(p, node, part, page_kib);
	char text[TEXT_KIB_SIZE];

	if (!kib)
		table_cell(table, row, column, "0");
	else if (part == NOW || part == COMPACT)
		table_cell(table, row, column, "%s%" PRIu64 " = %s", lead, kib / page_kib,
			   text_from_kib(kib, text));
	else
		table_cell(table, row, column, "%s%s", lead, text_from_kib(kib, text));
}

#define COLUMNS_MAX 8

static int print_legend(const struct picture *p, const struct numa_node *node, struct err *err)
{
	size_t n = u64_min(p->host.n_sizes, COLUMNS_MAX - 1), i;
	struct table_column columns[COLUMNS_MAX] = { { "  COULD BE HUGE PAGES OF", TABLE_PLAIN } };
	char names[COLUMNS_MAX][TEXT_KIB_SIZE];
	struct table table;
	int part;

	for (i = 0; i < n; i++) {
		text_from_kib(p->host.sizes[i].page_kib, names[i]);
		columns[i + 1] = (struct table_column){ names[i], TABLE_RIGHT };
	}
	table_begin(&table, columns, n + 1);
	for (part = 0; part < PARTS; part++) {
		struct libscols_line *row = table_row(&table, NULL);

		table_cell(&table, row, 0, "  %.*s %s", term_is_utf8() ? 4 : 1,
			   term_is_utf8() ? parts[part].utf8 : &parts[part].ascii,
			   parts[part].name);
		for (i = 0; i < n; i++) {
			uint64_t kib[PARTS];

			share_parts(p, node, p->host.sizes[i].page_kib, kib);
			part_cell(p, node, &table, row, i + 1, part, kib[part]);
		}
	}
	return table_end(&table, err);
}

/* What a failing request fails for, as /sys/kernel/debug/extfrag/extfrag_index says it */
static void print_index(const struct picture *p, const struct fragmentation_zone *zone,
			uint64_t page_kib)
{
	int index = fragmentation_index(&p->fragmentation, zone, page_kib);
	char text[TEXT_KIB_SIZE];

	if (index < 0 || !zone->managed || fragmentation_gigantic(&p->fragmentation, page_kib))
		return;
	printf("  Zone %s has no free %s: %s (extfrag index %d.%03d).\n", zone->name,
	       text_from_kib(page_kib, text),
	       index < 500 ? "memory is short" : "free memory is in pieces", index / 1000,
	       index % 1000);
}

static void print_movable(const struct spoilt *sum, const char *size)
{
	if (sum->unsure)
		printf("  %" PRIu64 " to %" PRIu64, sum->movable - sum->unsure, sum->movable);
	else
		printf("  %" PRIu64, sum->movable);
	printf(" of %" PRIu64 " ranges of %s hold no page that can't be moved.\n", sum->whole,
	       size);
}

/* Where all of them could become huge pages there is nothing to say */
static void print_spoilt(const struct picture *p, const struct numa_node *node, uint64_t page_kib)
{
	char size[TEXT_KIB_SIZE];
	struct spoilt sum;

	if (!fragmentation_gigantic(&p->fragmentation, page_kib) ||
	    !find_spoilt(p, node, page_kib, &sum) || !sum.whole)
		return;
	text_from_kib(page_kib, size);
	if (sum.movable)
		print_movable(&sum, size);
	else if (sum.least)
		printf("  None of %" PRIu64
		       " ranges of %s is without a page that can't be moved: the least\n"
		       "  spoilt one has %" PRIu64 ".\n",
		       sum.whole - sum.huge, size, sum.least);
	if (sum.huge)
		printf("  %" PRIu64 " of %" PRIu64 " ranges of %s have huge pages in them.\n",
		       sum.huge, sum.whole, size);
}

static int print_node(const struct picture *p, const struct numa_node *node, struct err *err)
{
	const struct fragmentation *f = &p->fragmentation;
	char text[TEXT_KIB_SIZE];
	size_t i, j;
	int rc = 0;

	printf("Node %u, %s\n\n", node->id, text_from_kib(node->total_kib, text));
	if (p->map.page_kib) {
		map_print(&p->map, node->id, term_width());
		putchar('\n');
		map_print_legend();
	} else {
		for (i = 0; i < p->host.n_sizes; i++)
			print_bar(p, node, p->host.sizes[i].page_kib);
		putchar('\n');
		rc = print_legend(p, node, err);
	}
	for (i = 0; i < p->host.n_sizes; i++)
		print_spoilt(p, node, p->host.sizes[i].page_kib);
	for (i = 0; i < f->n_zones; i++)
		for (j = 0; f->zones[i].node == node->id && j < p->host.n_sizes; j++)
			print_index(p, &f->zones[i], p->host.sizes[j].page_kib);
	return rc;
}

static bool has_gigantic(const struct picture *p)
{
	size_t n = p->host.n_sizes;

	return n && fragmentation_gigantic(&p->fragmentation, p->host.sizes[n - 1].page_kib);
}

static int print(const struct picture *p, struct err *err)
{
	const char *lead = "";
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < p->host.numa.n_nodes; i++) {
		if (!is_wanted(p, &p->host.numa.nodes[i]))
			continue;
		fputs(lead, stdout);
		lead = "\n";
		rc = print_node(p, &p->host.numa.nodes[i], err);
	}
	if (has_gigantic(p) && !p->fragmentation.exact)
		printf("\nOne page that can't be moved spoils a whole GiB, and %s\n"
		       "where such pages are: expect fewer pages of 1 GiB than that.\n",
		       p->closed ? "only root is told" : "the kernel doesn't say");
	if (!p->fragmentation.types)
		printf("\nOnly root may read /proc/pagetypeinfo: without it \"after compaction\" is "
		       "too\nhigh and \"never\" too low.\n");
	return rc;
}

/* ---- the command ---- */

/* A map is of every page or of none */
static int read_pages(const struct ctl *ctl, struct picture *p, struct err *err)
{
	struct memory_map *map = ctl->map || ctl->svg ? &p->map : NULL;
	int rc = page_scan_read(&ctl->kfs, &p->host, &p->fragmentation, map, 0);

	p->closed = rc == -EACCES || rc == -EPERM;
	if (!map)
		return 0;
	if (p->closed)
		return err_set(err, EPERM,
			       "only root may read /proc/kpageflags, which has the map");
	if (rc < 0)
		return err_sys(err, -rc, "cannot read /proc/kpageflags, which has the map");
	return memory_map_finish(map, &p->fragmentation, err);
}

static int read_picture(const struct ctl *ctl, struct picture *p, struct err *err)
{
	int rc = view_read(&ctl->kfs, &p->host, err);

	if (rc < 0)
		return rc;
	if (!p->host.n_sizes)
		return err_set(err, ENODEV, "this kernel has no huge pages");
	if (p->only >= 0 && !numa_find(&p->host.numa, (unsigned int)p->only))
		return err_set(err, ENODEV, "this host has no node %d", p->only);
	rc = fragmentation_read(&ctl->kfs, &p->fragmentation, err);
	return rc < 0 ? rc : read_pages(ctl, p, err);
}

static int draw(const struct picture *p, const char *file, struct err *err)
{
	cleanup_free char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return err_nomem(err);
	map_draw(&p->map, p->only, f);
	if (fclose(f) != 0)
		return err_nomem(err);
	return output_file(file, text, len, err);
}

/**
 * struct request - What is wanted, again and again with --watch
 * @only:	A node; -1: all
 */
struct request {
	const struct ctl *ctl;
	int only;
};

static int report(const void *arg, struct err *err)
{
	const struct request *request = arg;
	const struct ctl *ctl = request->ctl;
	struct picture p = { .only = request->only };
	int rc = read_picture(ctl, &p, err);

	if (rc == 0 && ctl->svg)
		rc = draw(&p, ctl->svg, err);
	else if (rc == 0)
		rc = ctl->json ? ctl_print_report(ctl, to_json(&p), err) : print(&p, err);
	memory_map_free(&p.map);
	fragmentation_free(&p.fragmentation);
	view_free(&p.host);
	return rc;
}

static int wrong_use(const struct ctl *ctl, struct err *err)
{
	if (ctl->svg && ctl->watch)
		return err_set(err, EINVAL, "--svg and --watch exclude each other");
	if (ctl->svg && ctl->json)
		return err_set(err, EINVAL, "--svg and --json exclude each other");
	return 0;
}

static int read_request(struct ctl *ctl, struct request *request, uint64_t *pause, struct err *err)
{
	const char *node = ctl->n_args ? ctl->args[0] : NULL;
	uint64_t number;

	*request = (struct request){ .ctl = ctl, .only = -1 };
	if (wrong_use(ctl, err) < 0)
		return CTL_USAGE;
	if (node) {
		if (text_to_u64(node, &number) < 0 || number > INT_MAX) {
			err_set(err, EINVAL, "--map '%.64s': expected a node's number", node);
			return CTL_USAGE;
		}
		request->only = (int)number;
	}
	if (ctl->watch && watch_pause(ctl->watch, pause, err) < 0)
		return CTL_USAGE;
	return 0;
}

static int run(struct ctl *ctl, struct err *err)
{
	struct request request;
	uint64_t pause;
	int rc = read_request(ctl, &request, &pause, err);

	if (rc)
		return rc;
	return ctl->watch ? watch(pause, ctl->json, report, &request, err) : report(&request, err);
}

const struct command cmd_fragmentation = {
	.name = "fragmentation",
	.usage = "fragmentation [--watch [SECONDS]]\n"
		 "fragmentation --map [NODE] [--watch [SECONDS]]\n"
		 "fragmentation --svg FILE [NODE]",
	.summary = "show what could become huge pages now, later, and never",
	.help = "Shows for each node and size what share of memory could become huge pages now,\n"
		"after compaction, after reclaim of the page cache, and never, as far as the\n"
		"kernel tells. Changes nothing. Root sees more: where the pages are that can't be\n"
		"moved. It reads the flags of each page: some seconds on a large host.\n\n"
		"With --map, as root: a map of memory, with what is in the way of each page of\n"
		"1 GiB. With --watch one sees compaction at work.",
	.options = CTL_JSON | CTL_ROOT | CTL_MAP | CTL_SVG | CTL_WATCH,
	.max_args = 1,
	.run = run,
};
