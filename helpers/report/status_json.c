// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * status --json.  Its keys are a contract: more may be added, none may go.
 */
#include "report/status_json.h"

#include "base/json.h"
#include "base/json_fields.h"
#include "base/text.h"
#include "policy/host_view.h"
#include "report/status_report.h"
#include "steps/steps.h"

/* ---- what may not be known, or not be there: null ---- */

static json_t *answer_write(const struct json_field *field, const void *member)
{
	const enum report_answer *answer = member;

	(void)field;
	return *answer == REPORT_UNKNOWN ? json_null() : json_boolean(*answer);
}

static json_t *kib_write(const struct json_field *field, const void *member)
{
	const struct report_kib *number = member;

	(void)field;
	return number->known ? json_integer(number->kib) : json_null();
}

/* A struct that begins with "bool present" */
static json_t *present_write(const struct json_field *field, const void *member)
{
	return *(const bool *)member ? json_type_object.write(field, member) : json_null();
}

static json_t *count_write(const struct json_field *field, const void *member)
{
	const struct report_count *count = member;

	(void)field;
	return count->known ? json_integer((json_int_t)u64_min(count->n, INT64_MAX)) : json_null();
}

static const struct json_type count_type = { count_write, NULL };
static const struct json_type answer_type = { answer_write, NULL };
static const struct json_type kib_type = { kib_write, NULL };
static const struct json_type present_type = { present_write, NULL };

/* ---- the tables ---- */

static const struct json_field pool_fields[] = {
	JSON_FIELD(struct report_pool, page_kib),
	JSON_FIELD(struct report_pool, total),
	JSON_FIELD(struct report_pool, free),
	JSON_FIELD(struct report_pool, reserved),
	JSON_FIELD(struct report_pool, surplus),
	JSON_FIELD(struct report_pool, claimed),
	JSON_FIELD(struct report_pool, own),
	JSON_FIELD(struct report_pool, kept),
	JSON_FIELD(struct report_pool, foreign),
	JSON_FIELD(struct report_pool, idle),
	JSON_END,
};

static const struct json_field node_fields[] = {
	JSON_UP_TO(struct report_node, id, NUMA_NODES_MAX - 1),
	JSON_FIELD(struct report_node, total_kib),
	JSON_FIELD(struct report_node, free_kib),
	JSON_FIELD(struct report_node, reclaimable_kib),
	JSON_LIST(struct report_node, pools, "pools", n_pools, pool_fields, 0),
	JSON_END,
};

static const struct json_field promise_fields[] = {
	JSON_FIELD_AS(struct store_promise, guest, "name"),
	JSON_FIELD(struct store_promise, promised_kib),
	JSON_FIELD(struct store_promise, used_kib),
	JSON_END,
};

static const struct json_field store_fields[] = {
	JSON_FIELD(struct report_store, name),
	JSON_FIELD(struct report_store, configured),
	JSON_FIELD(struct report_store, path),
	JSON_FIELD(struct report_store, in_use),
	JSON_FIELD(struct report_store, mounted),
	JSON_FIELD(struct report_store, fstype),
	JSON_FIELD(struct report_store, source),
	JSON_FIELD(struct report_store, capacity_kib),
	JSON_FIELD(struct report_store, used_kib),
	JSON_FIELD(struct report_store, available_kib),
	JSON_FIELD(struct report_store, keep_free_kib),
	JSON_FIELD(struct report_store, promised_kib),
	JSON_FIELD(struct report_store, outstanding_kib),
	JSON_LIST(struct report_store, promises, "guests", n_promises, promise_fields, 0),
	JSON_FIELD(struct report_store, problem),
	JSON_END,
};

static const struct json_field ksm_fields[] = {
	JSON_FIELD(struct report_ksm, run),
	JSON_FIELD(struct report_ksm, saved_kib),
	JSON_END,
};

static const struct json_field thp_fields[] = {
	JSON_FIELD(struct report_thp, enabled),
	JSON_FIELD(struct report_thp, defrag),
	JSON_FIELD(struct report_thp, shmem_enabled),
	JSON_END,
};

static const struct json_field tier_fields[] = {
	JSON_FIELD(struct report_tier, name),
	JSON_FIELD(struct report_tier, kib),
	JSON_END,
};

static const struct json_field fault_fields[] = {
	{ JSON_MEMBER(struct report_fault_us, p50, "p50", &count_type) },
	{ JSON_MEMBER(struct report_fault_us, p99, "p99", &count_type) },
	JSON_END,
};

#define COUNT(member)                                                                              \
	{                                                                                          \
		JSON_MEMBER(struct report_overcommit, member, #member, &count_type)                \
	}

static const struct json_field overcommit_fields[] = {
	JSON_FIELD(struct report_overcommit, paged),
	JSON_FIELD(struct report_overcommit, state),
	JSON_FIELD(struct report_overcommit, size_kib),
	JSON_FIELD(struct report_overcommit, limit_kib),
	COUNT(limit_now_kib),
	JSON_FIELD(struct report_overcommit, limit_why),
	COUNT(resident_kib),
	JSON_LIST(struct report_overcommit, tiers, "tiers", n_tiers, tier_fields, 0),
	COUNT(faults),
	JSON_OBJECT(struct report_overcommit, fault_us, fault_fields),
	COUNT(evictions),
	COUNT(refaults),
	COUNT(discards),
	COUNT(prefetched),
	COUNT(prefetch_used),
	COUNT(waiting),
	COUNT(idle_percent),
	COUNT(own_kib),
	JSON_FIELD(struct report_overcommit, why),
	JSON_END,
};

#define KIB(member, key)                                                                           \
	{                                                                                          \
		JSON_MEMBER(struct report_guest, member, key, &kib_type)                           \
	}

static const struct json_field guest_fields[] = {
	JSON_FIELD(struct report_guest, name),
	JSON_FIELD(struct report_guest, uuid),
	JSON_FIELD(struct report_guest, phase),
	{ JSON_MEMBER(struct report_guest, alive, "alive", &answer_type) },
	{ JSON_MEMBER(struct report_guest, steps, "steps", &step_list_type) },
	{ JSON_MEMBER(struct report_guest, overcommit, "overcommit", &present_type),
	  .fields = overcommit_fields },
	KIB(saved, "ksm_saved_kib"),
	JSON_FIELD(struct report_guest, no_ksm),
	JSON_FIELD(struct report_guest, no_ksm_why),
	KIB(resident, "resident_kib"),
	KIB(anon, "anon_hugepages_kib"),
	KIB(shmem, "shmem_pmdmapped_kib"),
	JSON_END,
};

static const struct json_field damaged_fields[] = {
	JSON_FIELD(struct report_damaged, uuid),
	JSON_FIELD(struct report_damaged, why),
	JSON_END,
};

static const struct json_field refusal_fields[] = {
	JSON_FIELD(struct refusal_note, uuid),
	JSON_FIELD(struct refusal_note, name),
	JSON_FIELD(struct refusal_note, time),
	JSON_FIELD(struct refusal_note, text),
	JSON_END,
};

json_t *status_refusal_json(const struct refusal_note *note)
{
	return json_fields_write(refusal_fields, note);
}

static json_t *refusals_json(const struct refusals *refusals)
{
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < refusals->n; i++)
		json_add(&array, status_refusal_json(&refusals->list[i]));
	return array;
}

static const struct json_field fields[] = {
	JSON_LIST(struct status_report, nodes, "nodes", n_nodes, node_fields, 0),
	JSON_LIST(struct status_report, stores, "stores", n_stores, store_fields, 0),
	{ JSON_MEMBER(struct status_report, ksm, "ksm", &present_type), .fields = ksm_fields },
	{ JSON_MEMBER(struct status_report, thp, "thp", &present_type), .fields = thp_fields },
	{ JSON_MEMBER(struct status_report, hook_enabled, "hook_enabled", &answer_type) },
	JSON_FIELD_AS(struct status_report, n_mistakes, "config_mistakes"),
	JSON_LIST(struct status_report, guests, "guests", n_guests, guest_fields, 0),
	JSON_LIST(struct status_report, damaged, "damaged", n_damaged, damaged_fields, 0),
	JSON_END,
};

json_t *status_overcommit_json(const struct report_guest *guest)
{
	return guest->overcommit.present ?
		       json_fields_write(overcommit_fields, &guest->overcommit) :
		       json_null();
}

json_t *status_guest_json(const struct report_guest *guest)
{
	return json_fields_write(guest_fields, guest);
}

json_t *status_json(const struct status_report *report)
{
	json_t *root = json_fields_write(fields, report);

	if (root)
		json_object_set_new(root, "refusals", refusals_json(&report->refusals));
	return root;
}
