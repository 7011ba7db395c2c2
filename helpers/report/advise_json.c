// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What advise says, as JSON.
 */
#include "base/json.h"
#include "base/json_fields.h"
#include "guest/guest.h"
#include "report/advise.h"

static const char *const verdicts[] = {
	[ADVISE_NO] = "no",
	[ADVISE_LATER] = "later",
	[ADVISE_YES] = "yes",
};

static const struct json_field size_fields[] = {
	JSON_FIELD(struct advise_size, page_kib),
	JSON_FIELD(struct advise_size, pages),
	JSON_FIELD_AS(struct advise_size, tables_kib, "page_tables_kib"),
	JSON_FIELD(struct advise_size, waste_kib),
	JSON_FIELD(struct advise_size, idle),
	JSON_FIELD(struct advise_size, now),
	JSON_FIELD_AS(struct advise_size, more, "more_at_most"),
	JSON_END,
};

static json_t *page_kib(const struct advise_option *option)
{
	return option->page_kib ? json_integer(json_number(option->page_kib)) : json_null();
}

static json_t *option_to_json(enum advise_backing backing, const struct advise_option *option)
{
	return json_pack("{s:s, s:s, s:s, s:o}", "backing", advise_name(backing), "possible",
			 verdicts[option->verdict], "why", option->why, "page_kib",
			 page_kib(option));
}

static json_t *options_to_json(const struct advice *advice)
{
	json_t *array = json_array();
	int backing;

	for (backing = 0; backing < ADVISE_BACKINGS; backing++)
		json_add(&array,
			 option_to_json((enum advise_backing)backing, &advice->options[backing]));
	return array;
}

static json_t *gigantic_to_json(const struct advise_input *in)
{
	const struct gigantic *gigantic = &in->gigantic;
	bool keep = config_on_release(&in->policy->hugepages, GIGANTIC_KIB) == ON_RELEASE_KEEP;

	return json_pack("{s:b, s:s, s:b, s:b, s:s, s:I, s:I}", "present", gigantic->present,
			 "at_boot", gigantic->at_boot, "keep", keep, "hugetlb_cma_possible",
			 gigantic->present && gigantic->cma, "hugetlb_cma", gigantic->hugetlb_cma,
			 "cma_total_kib", json_number(gigantic->cma_total_kib), "cma_free_kib",
			 json_number(gigantic->cma_free_kib));
}

/* @variant: NULL, or without a guest where there is none */
static json_t *variant_to_json(const struct guest_variant *variant)
{
	if (!variant || !variant->guest)
		return json_pack("{s:b, s:n, s:n}", "changes", false, "removes", "xml");
	return json_pack("{s:b, s:s, s:s}", "changes", variant->changed, "removes",
			 variant->removed, "xml", variant->block);
}

/* @root gets the keys of @more.  Either may be NULL when memory ran out.  Return: @root, or NULL */
static json_t *join(json_t *root, json_t *more)
{
	if (root && (!more || json_object_update(root, more) < 0)) {
		json_decref(root);
		root = NULL;
	}
	json_decref(more);
	return root;
}

static json_t *recommendation_to_json(const struct advise_report *report)
{
	const struct advice *advice = report->advice;
	bool any = advice->chosen != ADVISE_BACKINGS;
	const struct advise_option *option = any ? &advice->options[advice->chosen] : NULL;
	json_t *reasons = json_array();
	size_t i;

	for (i = 0; i < advice->n_reasons; i++)
		json_add(&reasons, json_string(advice->reasons[i]));
	return join(json_pack("{s:s, s:o, s:o}", "backing", advise_name(advice->chosen), "reasons",
			      reasons, "page_kib", any ? page_kib(option) : json_null()),
		    variant_to_json(advise_variant(report, option)));
}

static json_t *asked_to_json(const struct advise_report *report)
{
	const struct advise_wish *wish = &report->in->wish;
	const struct advise_option *asked = &report->advice->asked;

	if (!wish->given)
		return json_null();
	return join(option_to_json(wish->backing, asked),
		    variant_to_json(advise_variant(report, asked)));
}

json_t *advise_to_json(const struct advise_report *report, bool applied)
{
	const struct advice *advice = report->advice;
	const struct guest *guest = report->in->guest;
	json_t *sizes = json_array();
	size_t i;

	for (i = 0; i < advice->n_sizes; i++)
		json_add(&sizes, json_fields_write(size_fields, &advice->sizes[i]));
	return json_pack(
		"{s:{s:s, s:s, s:I, s:s}, s:o, s:o, s:o, s:o, s:o, s:b}", "guest", "name",
		guest->name, "uuid", guest->uuid, "size_kib", json_number(advice->size_kib), "xml",
		report->before, "sizes", sizes, "options", options_to_json(advice), "gigantic",
		gigantic_to_json(report->in), "recommendation", recommendation_to_json(report),
		"asked", asked_to_json(report), "applied", applied);
}
