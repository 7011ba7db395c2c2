// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * advise for people, in 80 columns.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "guest/guest.h"
#include "policy/gigantic_rules.h"
#include "report/advise.h"
#include "terminal/wrap.h"

const struct guest_variant *advise_chosen(const struct advise_report *report)
{
	const struct advice *advice = report->advice;

	if (advice->chosen == ADVISE_BACKINGS)
		return NULL;
	return &report->in->variants[advice->options[advice->chosen].shape];
}

/* ---- sizes ---- */

#define LABEL "%-24s"

static void print_counts(const struct advise_report *report, const char *label, size_t offset)
{
	const struct advice *advice = report->advice;
	size_t i;

	printf(LABEL, label);
	for (i = 0; i < advice->n_sizes; i++) {
		uint64_t value;

		memcpy(&value, (const char *)&advice->sizes[i] + offset, sizeof(value));
		/* The base page has no pool */
		if (!i && offset != offsetof(struct advise_size, pages))
			printf("%14s", "-");
		else
			printf("%14" PRIu64, value);
	}
	putchar('\n');
}

static void print_sizes(const struct advise_report *report)
{
	const struct advice *advice = report->advice;
	char kib[TEXT_KIB_SIZE];
	size_t i;

	printf(LABEL, "PAGES OF");
	for (i = 0; i < advice->n_sizes; i++)
		printf("%14s", text_from_kib(advice->sizes[i].page_kib, kib));
	putchar('\n');
	print_counts(report, "it needs", offsetof(struct advise_size, pages));
	printf(LABEL, "page tables");
	for (i = 0; i < advice->n_sizes; i++)
		printf("%14s", text_from_kib(advice->sizes[i].tables_kib, kib));
	putchar('\n');
	print_counts(report, "idle in the pools", offsetof(struct advise_size, idle));
	print_counts(report, "in free memory, up to", offsetof(struct advise_size, now));
	print_counts(report, "by making room, up to", offsetof(struct advise_size, more));
}

/* ---- options ---- */

static const char *const titles[ADVISE_BACKINGS] = {
	[ADVISE_STATIC] = "static huge pages",	 [ADVISE_DYNAMIC] = "dynamic huge pages",
	[ADVISE_THP] = "transparent huge pages", [ADVISE_FILE] = "file-backed memory",
	[ADVISE_KSM] = "merged memory (KSM)",
};

static const char *const verdicts[] = {
	[ADVISE_NO] = "no",
	[ADVISE_LATER] = "not yet",
	[ADVISE_YES] = "yes",
};

static void print_options(const struct advise_report *report)
{
	int i;

	printf("%-22s  %-8s  %s\n", "BACKING", "POSSIBLE", "WHY");
	for (i = 0; i < ADVISE_BACKINGS; i++) {
		const struct advise_option *option = &report->advice->options[i];

		printf("%-22s  %-8s  ", titles[i], verdicts[option->verdict]);
		wrap_print(34, option->why);
	}
}

/* ---- 1 GiB ---- */

static void print_way(const char *way, const char *text)
{
	printf("  %-22s", way);
	wrap_print(24, text);
}

static void print_gigantic(const struct advise_input *in)
{
	bool keep = config_on_release(&in->policy->hugepages, GIGANTIC_KIB) == ON_RELEASE_KEEP;
	struct gigantic_way ways[GIGANTIC_WAYS];
	size_t i;

	printf("Pages of 1 GiB:\n");
	if (!gigantic_rules_ways(&in->gigantic, keep, ways)) {
		print_way("none", "this kernel or this processor has no such pages");
		return;
	}
	for (i = 0; i < GIGANTIC_WAYS; i++)
		print_way(ways[i].name, ways[i].text);
}

/* ---- the recommendation ---- */

static void print_recommendation(const struct advise_report *report)
{
	const struct advice *advice = report->advice;
	char kib[TEXT_KIB_SIZE];
	size_t i;

	if (advice->chosen == ADVISE_BACKINGS) {
		printf("Recommended: none of these\n");
	} else {
		uint64_t page_kib = advice->options[advice->chosen].page_kib;

		printf("Recommended: %s%s%s\n", titles[advice->chosen], page_kib ? " of " : "",
		       page_kib ? text_from_kib(page_kib, kib) : "");
	}
	for (i = 0; i < advice->n_reasons; i++) {
		printf("  - ");
		wrap_print(4, advice->reasons[i]);
	}
}

static void print_block(const struct advise_report *report)
{
	const struct guest_variant *variant = advise_chosen(report);
	const struct guest *guest = report->in->guest;
	const char *edited;

	if (!variant || !variant->changed)
		return;
	/* virsh knows no UUID that was made up */
	edited = text_shell_name(guest->name, guest->reading.draft ? "GUEST" : guest->uuid);
	putchar('\n');
	if (*variant->block)
		print_line("Its XML (virsh edit %s, or --apply):", edited);
	else
		print_line("Its XML needs no <memoryBacking> (virsh edit %s, or --apply)", edited);
	if (!*variant->block)
		return;
	putchar('\n');
	print_text(variant->block);
}

void advise_print(const struct advise_report *report)
{
	char kib[TEXT_KIB_SIZE];

	print_line("Guest '%s', %s", report->in->guest->name,
		   text_from_kib(report->advice->size_kib, kib));
	putchar('\n');
	print_sizes(report);
	putchar('\n');
	print_options(report);
	putchar('\n');
	print_gigantic(report->in);
	putchar('\n');
	print_recommendation(report);
	print_block(report);
}

/* ---- the difference ---- */

static size_t line_length(const char *text)
{
	size_t len = strcspn(text, "\n");

	return len + (text[len] == '\n');
}

/* Bytes of the lines that both begin with */
static size_t common_lines(const char *a, const char *b)
{
	size_t same = 0;

	while (a[same]) {
		size_t len = line_length(a + same);

		if (strncmp(a + same, b + same, len) != 0)
			break;
		same += len;
	}
	return same;
}

/* Bytes of the lines that both end with; none of the first @start bytes */
static size_t common_end(const char *a, const char *b, size_t start)
{
	size_t a_len = strlen(a), b_len = strlen(b), same = 0, i;

	for (i = 1; i <= a_len - start && i <= b_len - start; i++) {
		if (a[a_len - i] != b[b_len - i])
			break;
		if (i == a_len || a[a_len - i - 1] == '\n')
			same = i == b_len || b[b_len - i - 1] == '\n' ? i : same;
	}
	return same;
}

static void print_lines(char mark, const char *text, size_t len)
{
	while (len) {
		size_t line = line_length(text);
		size_t shown = line && text[line - 1] == '\n' ? line - 1 : line;

		print_line("%c%.*s", mark, (int)shown, text);
		text += line;
		len -= line;
	}
}

void advise_print_difference(const struct advise_report *report)
{
	const struct guest_variant *variant = advise_chosen(report);
	const char *old = report->before, *new = variant->block;
	size_t start = common_lines(old, new), end = common_end(old, new, start);

	print_lines(' ', old, start);
	print_lines('-', old + start, strlen(old) - start - end);
	print_lines('+', new + start, strlen(new) - start - end);
	print_lines(' ', old + strlen(old) - end, end);
}
