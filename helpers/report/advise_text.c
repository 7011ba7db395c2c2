// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * advise for people, in 80 columns.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/array.h"
#include "base/text.h"
#include "guest/guest.h"
#include "policy/gigantic_rules.h"
#include "report/advise.h"
#include "terminal/table.h"
#include "terminal/wrap.h"

const struct guest_variant *advise_variant(const struct advise_report *report,
					   const struct advise_option *option)
{
	return option ? &report->in->variants[option->shape] : NULL;
}

/* ---- sizes ---- */

/* A line for each of these, a column for each size */
static const struct {
	const char *label;
	size_t offset;
	bool is_kib;
	bool of_pools; /* the base page has none */
} lines[] = {
	{ "it needs", offsetof(struct advise_size, pages), false, false },
	{ "page tables", offsetof(struct advise_size, tables_kib), true, false },
	{ "idle in the pools", offsetof(struct advise_size, idle), false, true },
	{ "in free memory, up to", offsetof(struct advise_size, now), false, true },
	{ "by making room, up to", offsetof(struct advise_size, more), false, true },
};

static int print_sizes(const struct advice *advice, struct err *err)
{
	char names[ADVISE_SIZES_MAX][TEXT_KIB_SIZE], kib[TEXT_KIB_SIZE];
	struct table_column columns[ADVISE_SIZES_MAX + 1] = { { "PAGES OF", TABLE_PLAIN } };
	struct table table;
	size_t i, k;

	for (i = 0; i < advice->n_sizes; i++)
		columns[i + 1] =
			(struct table_column){ text_from_kib(advice->sizes[i].page_kib, names[i]),
					       TABLE_RIGHT };
	table_begin(&table, columns, advice->n_sizes + 1);
	for (k = 0; k < ARRAY_SIZE(lines); k++) {
		struct libscols_line *row = table_row(&table, NULL);

		table_cell(&table, row, 0, "%s", lines[k].label);
		for (i = 0; i < advice->n_sizes; i++) {
			uint64_t value = *(const uint64_t *)((const char *)&advice->sizes[i] +
							     lines[k].offset);

			if (lines[k].is_kib)
				table_cell(&table, row, i + 1, "%s", text_from_kib(value, kib));
			else if (lines[k].of_pools && !i)
				table_cell(&table, row, i + 1, "-");
			else
				table_cell(&table, row, i + 1, "%" PRIu64, value);
		}
	}
	return table_end(&table, err);
}

/* ---- options ---- */

static const char *const titles[ADVISE_BACKINGS] = {
	[ADVISE_STATIC] = "static huge pages",	 [ADVISE_DYNAMIC] = "dynamic huge pages",
	[ADVISE_THP] = "transparent huge pages", [ADVISE_FILE] = "file-backed memory",
	[ADVISE_KSM] = "merged memory (KSM)",	 [ADVISE_PAGED] = "paged memory",
};

static const char *const verdicts[] = {
	[ADVISE_NO] = "no",
	[ADVISE_LATER] = "not yet",
	[ADVISE_YES] = "yes",
};

static void add_option(struct table *table, const struct advice *advice, int backing)
{
	const struct advise_option *option = &advice->options[backing];
	struct libscols_line *row = table_row(table, NULL);

	table_cell(table, row, 0, "%s%s", backing == (int)advice->chosen ? "-> " : "   ",
		   titles[backing]);
	table_cell(table, row, 1, "%s", verdicts[option->verdict]);
	table_words(table, row, option->why, NULL);
}

/* The recommended backing comes first */
static int print_options(const struct advice *advice, struct err *err)
{
	static const struct table_column columns[] = { { "   BACKING", TABLE_PLAIN },
						       { "POSSIBLE", TABLE_PLAIN },
						       { "WHY", TABLE_WORDS } };
	struct table table;
	int i;

	table_begin(&table, columns, ARRAY_SIZE(columns));
	if (advice->chosen != ADVISE_BACKINGS)
		add_option(&table, advice, (int)advice->chosen);
	for (i = 0; i < ADVISE_BACKINGS; i++)
		if (i != (int)advice->chosen)
			add_option(&table, advice, i);
	return table_end(&table, err);
}

/* ---- 1 GiB ---- */

static void add_way(struct table *table, const char *way, const char *text)
{
	struct libscols_line *row = table_row(table, NULL);

	table_cell(table, row, 0, "  %s", way);
	table_words(table, row, text, NULL);
}

static int print_gigantic(const struct advise_input *in, struct err *err)
{
	static const struct table_column columns[] = { { "", TABLE_PLAIN }, { "", TABLE_WORDS } };
	bool keep = config_on_release(&in->policy->hugepages, GIGANTIC_KIB) == ON_RELEASE_KEEP;
	struct gigantic_way ways[GIGANTIC_WAYS];
	struct table table;
	size_t i;

	printf("Pages of 1 GiB:\n");
	table_begin(&table, columns, ARRAY_SIZE(columns));
	table_headless(&table);
	if (gigantic_rules_ways(&in->gigantic, keep, ways))
		for (i = 0; i < GIGANTIC_WAYS; i++)
			add_way(&table, ways[i].name, ways[i].text);
	else
		add_way(&table, "none", "this kernel or this processor has no such pages");
	return table_end(&table, err);
}

/* ---- the recommendation ---- */

static void print_backing(const char *heading, enum advise_backing backing,
			  const struct advise_option *option)
{
	char kib[TEXT_KIB_SIZE];

	printf("%s: %s%s%s\n", heading, titles[backing], option->page_kib ? " of " : "",
	       option->page_kib ? text_from_kib(option->page_kib, kib) : "");
}

static void print_point(const char *text)
{
	printf("  - ");
	wrap_print(4, text);
}

static void print_recommendation(const struct advise_report *report)
{
	const struct advice *advice = report->advice;
	size_t i;

	if (advice->chosen == ADVISE_BACKINGS)
		printf("Recommended: none of these\n");
	else
		print_backing("Recommended", advice->chosen, &advice->options[advice->chosen]);
	for (i = 0; i < advice->n_reasons; i++)
		print_point(advice->reasons[i]);
}

static void print_asked(const struct advise_report *report)
{
	const struct advise_option *asked = &report->advice->asked;
	const struct guest_variant *variant = advise_variant(report, asked);
	char line[ADVISE_WHY_SIZE + GUEST_REMOVED_SIZE];

	print_backing("Asked for", report->in->wish.backing, asked);
	snprintf(line, sizeof(line), "%s: %s",
		 asked->verdict == ADVISE_YES ? "possible" :
		 asked->verdict == ADVISE_NO  ? "not possible" :
						verdicts[asked->verdict],
		 asked->why);
	print_point(line);
	if (!variant->changed)
		print_point("the guest's definition says so already");
	if (!*variant->removed)
		return;
	snprintf(line, sizeof(line), "this takes out of its definition: %s", variant->removed);
	print_point(line);
}

static void print_block(const struct advise_report *report)
{
	const struct guest_variant *variant =
		advise_variant(report, advise_taken(report->in, report->advice));
	const struct guest *guest = report->in->guest;
	const char *edited;

	if (!variant || !variant->changed)
		return;
	/* virsh knows no UUID that was made up */
	edited = text_shell_name(guest->name, guest->reading.draft ? "GUEST" : guest->uuid);
	putchar('\n');
	if (*variant->block)
		wrap_print_line("Its XML (virsh edit %s, or --apply):", edited);
	else
		wrap_print_line("Its XML needs no <memoryBacking> (virsh edit %s, or --apply)",
				edited);
	if (!*variant->block)
		return;
	putchar('\n');
	wrap_print_text(variant->block);
}

static void print_guest(const struct advise_report *report)
{
	char kib[TEXT_KIB_SIZE];

	wrap_print_line("Guest '%s', %s", report->in->guest->name,
			text_from_kib(report->advice->size_kib, kib));
	putchar('\n');
}

void advise_print_taken(const struct advise_report *report)
{
	print_guest(report);
	if (report->in->wish.given)
		print_asked(report);
	else
		print_recommendation(report);
}

int advise_print(const struct advise_report *report, struct err *err)
{
	int rc;

	print_guest(report);
	print_recommendation(report);
	if (report->in->wish.given) {
		putchar('\n');
		print_asked(report);
	}
	print_block(report);
	putchar('\n');
	rc = print_options(report->advice, err);
	putchar('\n');
	if (rc == 0)
		rc = print_sizes(report->advice, err);
	putchar('\n');
	return rc < 0 ? rc : print_gigantic(report->in, err);
}
