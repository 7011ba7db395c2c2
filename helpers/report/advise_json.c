// SPDX-License-Identifier: LGPL-2.1-or-later
#include "base/json.h"
#include "guest/guest.h"
#include "report/advise.h"

static const char *const verdicts[] = {
	[ADVISE_NO] = "no",
	[ADVISE_LATER] = "later",
	[ADVISE_YES] = "yes",
};

/* @object where all went well */
static json_t *object_if(bool ok, json_t *object)
{
	if (ok)
		return object;
	json_decref(object);
	return NULL;
}

static json_t *size_to_json(const struct advise_size *size)
{
	json_t *object = json_object();
	bool ok = json_put_u64(object, "page_kib", size->page_kib) &&
		  json_put_u64(object, "pages", size->pages) &&
		  json_put_u64(object, "page_tables_kib", size->tables_kib) &&
		  json_put_u64(object, "waste_kib", size->waste_kib) &&
		  json_put_u64(object, "idle", size->idle) &&
		  json_put_u64(object, "now", size->now) &&
		  json_put_u64(object, "more_at_most", size->more);

	return object_if(ok, object);
}

static json_t *option_to_json(enum advise_backing backing, const struct advise_option *option)
{
	json_t *object = json_object();
	bool ok = json_put_string(object, "backing", advise_name(backing)) &&
		  json_put_string(object, "possible", verdicts[option->verdict]) &&
		  json_put_string(object, "why", option->why);

	if (option->page_kib)
		ok = ok && json_put_u64(object, "page_kib", option->page_kib);
	return object_if(ok, object);
}

static json_t *gigantic_to_json(const struct advise_input *in)
{
	const struct gigantic *gigantic = &in->gigantic;
	json_t *object = json_object();
	bool keep = config_on_release(&in->policy->hugepages, GIGANTIC_KIB) == ON_RELEASE_KEEP;
	bool ok =
		json_put_bool(object, "present", gigantic->present) &&
		json_put_string(object, "at_boot", gigantic->at_boot) &&
		json_put_bool(object, "keep", keep) &&
		json_put_bool(object, "hugetlb_cma_possible", gigantic->present && gigantic->cma) &&
		json_put_string(object, "hugetlb_cma", gigantic->hugetlb_cma) &&
		json_put_u64(object, "cma_total_kib", gigantic->cma_total_kib) &&
		json_put_u64(object, "cma_free_kib", gigantic->cma_free_kib);

	return object_if(ok, object);
}

static json_t *recommendation_to_json(const struct advise_report *report)
{
	const struct advice *advice = report->advice;
	const struct guest_variant *variant = advise_chosen(report);
	json_t *object = json_object(), *reasons = json_array();
	bool ok = json_put_string(object, "backing", advise_name(advice->chosen));
	size_t i;

	for (i = 0; ok && i < advice->n_reasons; i++)
		ok = json_array_append_new(reasons, json_string(advice->reasons[i])) == 0;
	ok = json_object_set_new(object, "reasons", reasons) == 0 && ok;
	if (variant && advice->options[advice->chosen].page_kib)
		ok = ok &&
		     json_put_u64(object, "page_kib", advice->options[advice->chosen].page_kib);
	if (variant)
		ok = ok && json_put_bool(object, "changes", variant->changed) &&
		     json_put_string(object, "removes", variant->removed) &&
		     json_put_string(object, "xml", variant->block);
	return object_if(ok, object);
}

static json_t *guest_to_json(const struct advise_report *report)
{
	const struct guest *guest = report->in->guest;
	json_t *object = json_object();
	bool ok = json_put_string(object, "name", guest->name) &&
		  json_put_string(object, "uuid", guest->uuid) &&
		  json_put_u64(object, "size_kib", report->advice->size_kib) &&
		  json_put_string(object, "xml", report->before);

	return object_if(ok, object);
}

json_t *advise_to_json(const struct advise_report *report, bool applied)
{
	const struct advice *advice = report->advice;
	json_t *root = json_object(), *sizes = json_array(), *options = json_array();
	bool ok = sizes && options;
	size_t i;
	int backing;

	for (i = 0; ok && i < advice->n_sizes; i++)
		ok = json_array_append_new(sizes, size_to_json(&advice->sizes[i])) == 0;
	for (backing = 0; ok && backing < ADVISE_BACKINGS; backing++)
		ok = json_array_append_new(options, option_to_json((enum advise_backing)backing,
								   &advice->options[backing])) == 0;
	ok = json_object_set_new(root, "guest", guest_to_json(report)) == 0 && ok;
	ok = json_object_set_new(root, "sizes", sizes) == 0 && ok;
	ok = json_object_set_new(root, "options", options) == 0 && ok;
	ok = json_object_set_new(root, "gigantic", gigantic_to_json(report->in)) == 0 && ok;
	ok = json_object_set_new(root, "recommendation", recommendation_to_json(report)) == 0 && ok;
	ok = ok && json_put_bool(root, "applied", applied);
	return object_if(ok, root);
}
