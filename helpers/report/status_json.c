// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * status --json.  Its keys are a contract: more may be added, none may go.
 */
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "lifecycle/ledger.h"
#include "policy/host_view.h"
#include "policy/store_rules.h"
#include "report/status.h"
#include "report/store_text.h"
#include "steps/steps.h"

static bool put(json_t *object, const char *key, json_t *value)
{
	return json_object_set_new(object, key, value) == 0;
}

/* @object, or NULL instead of an unfinished one */
static json_t *if_ok(json_t *object, bool ok)
{
	if (ok)
		return object;
	json_decref(object);
	return NULL;
}

/* ---- nodes and pools ---- */

static json_t *pool_to_json(const struct size_view *size, const struct pool_view *pool)
{
	uint64_t persistent = hugepages_persistent(&pool->pool);
	json_t *object = json_object();

	return if_ok(object, json_put_u64(object, "page_kib", size->page_kib) &&
				     json_put_u64(object, "total", pool->pool.total) &&
				     json_put_u64(object, "free", pool->pool.free) &&
				     json_put_u64(object, "reserved", size->reserved) &&
				     json_put_u64(object, "surplus", pool->pool.surplus) &&
				     json_put_u64(object, "claimed", pool->claimed) &&
				     json_put_u64(object, "own", pool->own) &&
				     json_put_u64(object, "kept", pool->kept) &&
				     json_put_u64(object, "foreign",
						  u64_sub_floor(persistent, pool->own)) &&
				     json_put_u64(object, "idle", host_view_idle(size, pool)));
}

static json_t *pools_to_json(const struct host_view *host, unsigned int node)
{
	json_t *array = json_array();
	bool ok = array;
	size_t i;

	for (i = 0; ok && i < host->n_sizes; i++) {
		const struct pool_view *pool = host_view_pool(host, host->sizes[i].page_kib, node);

		if (pool)
			ok = json_array_append_new(array, pool_to_json(&host->sizes[i], pool)) == 0;
	}
	return if_ok(array, ok);
}

/* Without swap: cache, what the kernel can give back, and ZFS */
static uint64_t reclaimable(const struct host_view *host, const struct numa_node *node)
{
	return u64_add_sat(node->reclaimable_kib, numa_arc(node, host_view_pooled(host, node->id)));
}

static json_t *node_to_json(const struct host_view *host, const struct numa_node *node)
{
	json_t *object = json_object();

	return if_ok(object,
		     json_put_u64(object, "id", node->id) &&
			     json_put_u64(object, "total_kib", node->total_kib) &&
			     json_put_u64(object, "free_kib", node->free_kib) &&
			     json_put_u64(object, "reclaimable_kib", reclaimable(host, node)) &&
			     put(object, "pools", pools_to_json(host, node->id)));
}

static json_t *nodes_to_json(const struct host_view *host)
{
	json_t *array = json_array();
	bool ok = array;
	size_t i;

	for (i = 0; ok && i < host->numa.n_nodes; i++)
		ok = json_array_append_new(array, node_to_json(host, &host->numa.nodes[i])) == 0;
	return if_ok(array, ok);
}

/* ---- stores ---- */

/* Nothing is known: null */
static bool put_text(json_t *object, const char *key, const char *text)
{
	return *text ? json_put_string(object, key, text) : put(object, key, json_null());
}

static json_t *promise_to_json(const struct store_promise *promise)
{
	json_t *object = json_object();

	return if_ok(object, json_put_string(object, "name", promise->guest) &&
				     json_put_u64(object, "promised_kib", promise->promised_kib) &&
				     json_put_u64(object, "used_kib", promise->used_kib));
}

static json_t *promises_to_json(const struct store_view *store)
{
	json_t *array = json_array();
	bool ok = array;
	size_t i;

	for (i = 0; ok && i < store->n_promises; i++)
		ok = json_array_append_new(array, promise_to_json(&store->promises[i])) == 0;
	return if_ok(array, ok);
}

/* Of a store that is to be mounted, @state is that of what lies below it */
static bool put_state(json_t *object, const struct store_view *store)
{
	static const struct store_state none;
	bool waits = store->configured && !store->state.mountpoint;
	const struct store_state *state = waits ? &none : &store->state;

	return json_put_bool(object, "mounted", store_is_mounted(store)) &&
	       put_text(object, "fstype", state->mount.fstype) &&
	       put_text(object, "source", state->mount.source) &&
	       json_put_u64(object, "capacity_kib", state->capacity_kib) &&
	       json_put_u64(object, "used_kib",
			    u64_sub_floor(state->capacity_kib, state->free_kib)) &&
	       json_put_u64(object, "available_kib", state->available_kib) &&
	       json_put_u64(object, "keep_free_kib", waits ? 0 : store_keep_free(store));
}

static json_t *store_to_json(const struct store_view *store)
{
	struct err problem = { "" };
	json_t *object = json_object();

	store_problem(store, &problem);
	return if_ok(object, json_put_string(object, "name", store_text_name(store)) &&
				     json_put_bool(object, "configured", store->configured) &&
				     json_put_string(object, "path", store->config.path) &&
				     json_put_bool(object, "in_use", store->in_use) &&
				     put_state(object, store) &&
				     json_put_u64(object, "promised_kib", store_promised(store)) &&
				     json_put_u64(object, "outstanding_kib",
						  store_outstanding(store, NULL)) &&
				     put(object, "guests", promises_to_json(store)) &&
				     put_text(object, "problem", problem.text));
}

static json_t *stores_to_json(const struct host_view *host)
{
	json_t *array = json_array();
	bool ok = array;
	size_t i;

	for (i = 0; ok && i < host->n_stores; i++)
		ok = json_array_append_new(array, store_to_json(&host->stores[i])) == 0;
	return if_ok(array, ok);
}

/* ---- settings of the whole host ---- */

static json_t *ksm_to_json(const struct status *status)
{
	json_t *object;

	if (!status->has_ksm)
		return json_null();
	object = json_object();
	return if_ok(object, json_put_u64(object, "run", status->ksm.run) &&
				     put(object, "saved_kib", json_integer(status->ksm.saved_kib)));
}

/* null for a setting that this kernel doesn't have */
static json_t *word_to_json(const char *word)
{
	return *word ? json_string(word) : json_null();
}

static json_t *thp_to_json(const struct status *status)
{
	const struct thp *thp = &status->thp;
	json_t *object;

	if (!status->has_thp)
		return json_null();
	object = json_object();
	return if_ok(object,
		     put(object, "enabled", word_to_json(thp->enabled)) &&
			     put(object, "defrag", word_to_json(thp->defrag)) &&
			     put(object, "shmem_enabled", word_to_json(thp->shmem_enabled)));
}

/* ---- guests ---- */

/* null for what is not known */
static json_t *kib_to_json(bool known, uint64_t kib)
{
	return known ? json_integer((json_int_t)kib) : json_null();
}

static bool put_memory(json_t *object, const struct status_guest *guest)
{
	bool has_thp = guest->has_thp;

	return put(object, "ksm_saved_kib",
		   guest->has_saved ? json_integer(guest->saved_kib) : json_null()) &&
	       put_text(object, "no_ksm", ksm_rules_word(guest->gain)) &&
	       put_text(object, "no_ksm_why", ksm_rules_why(guest->gain)) &&
	       put(object, "resident_kib", kib_to_json(has_thp, guest->thp.resident_kib)) &&
	       put(object, "anon_hugepages_kib", kib_to_json(has_thp, guest->thp.anon_kib)) &&
	       put(object, "shmem_pmdmapped_kib", kib_to_json(has_thp, guest->thp.shmem_kib));
}

/* Of a ledger of another version nothing is known but whose it is.  A guest without one
 * runs, or it would not be here */
static json_t *guest_to_json(const struct status_guest *guest)
{
	static const struct ledger none = { .phase = LEDGER_RUNNING, .alive = true };
	const struct ledger *ledger = guest->ledger ? guest->ledger : &none;
	bool known = !ledger->foreign_version;
	json_t *object = json_object();

	return if_ok(
		object,
		json_put_string(object, "name", guest->name) &&
			json_put_string(object, "uuid", guest->uuid) &&
			json_put_string(object, "phase",
					known ? ledger_phase_name(ledger->phase) : "unknown") &&
			put(object, "alive", known ? json_boolean(ledger->alive) : json_null()) &&
			put(object, "steps", step_list_to_json(&ledger->list)) &&
			put_memory(object, guest));
}

static json_t *guests_to_json(const struct status *status)
{
	json_t *array = json_array();
	bool ok = array;
	size_t i;

	for (i = 0; ok && i < status->n_guests; i++)
		ok = json_array_append_new(array, guest_to_json(&status->guests[i])) == 0;
	return if_ok(array, ok);
}

static json_t *damaged_to_json(const struct ledgers *ledgers)
{
	json_t *array = json_array();
	bool ok = array;
	size_t i;

	for (i = 0; ok && i < ledgers->n_damaged; i++) {
		json_t *object = json_object();

		ok = json_put_string(object, "uuid", ledgers->damaged[i].uuid) &&
		     json_put_string(object, "why", ledgers->damaged[i].why.text);
		ok = json_array_append_new(array, object) == 0 && ok;
	}
	return if_ok(array, ok);
}

json_t *status_to_json(const struct status *status)
{
	const struct round *round = &status->look.round;
	json_t *root = json_object();

	return if_ok(root, put(root, "nodes", nodes_to_json(&round->host)) &&
				   put(root, "stores", stores_to_json(&round->host)) &&
				   put(root, "ksm", ksm_to_json(status)) &&
				   put(root, "thp", thp_to_json(status)) &&
				   put(root, "hook_enabled",
				       status->hook_runs < 0 ? json_null() :
							       json_boolean(status->hook_runs)) &&
				   put(root, "guests", guests_to_json(status)) &&
				   put(root, "damaged", damaged_to_json(&round->ledgers)));
}
