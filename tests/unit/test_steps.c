// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Steps as JSON: what is written can be read, what is damaged is refused.
 */
#include "steps/steps.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "unit/unit.h"

static struct step make_step(enum guest_bind bind, size_t n_shares)
{
	struct step step = {
		.kind = STEP_HUGEPAGES,
		.hugepages = {
			.page_kib = 2048,
			.pages = 600,
			.bind = bind,
			.compact = true,
			.drop_caches = true,
			.n_shares = n_shares,
			.shares = calloc(n_shares + 1, sizeof(struct step_share)),
		},
	};
	size_t i;

	for (i = 0; i < n_shares; i++)
		step.hugepages.shares[i] = (struct step_share){
			.node = (unsigned int)(n_shares - i),
			.want_idle = 10 * i,
			.want_grow = 20 * i,
			.have = 30 * i,
			.own = 40 * i,
			.foreign = 50 * i,
		};
	if (bind != GUEST_BIND_ANY)
		nodeset_parse("0-2,7", &step.hugepages.nodes);
	return step;
}

/* To JSON, to text, back, and to JSON again */
static void check_round_trip(const struct step *step, const char *what)
{
	cleanup_json json_t *first = step_to_json(step), *again = NULL, *second = NULL;
	struct err err = { "" };
	struct step copy = { 0 };
	char *text;
	int rc;

	if (!UNIT_CHECK(first, "%s", what))
		return;
	text = json_dumps(first, 0);
	again = json_loads(text, 0, NULL);
	free(text);
	rc = step_from_json(again, &copy, &err);
	if (!UNIT_CHECK(rc == 0, "%s: %s", what, err.text))
		return;
	second = step_to_json(&copy);
	UNIT_CHECK(json_equal(first, second), "%s", what);
	UNIT_CHECK(copy.hugepages.n_shares == step->hugepages.n_shares &&
			   !memcmp(copy.hugepages.shares, step->hugepages.shares,
				   copy.hugepages.n_shares * sizeof(struct step_share)),
		   "%s: shares", what);
	UNIT_CHECK(nodeset_equal(&copy.hugepages.nodes, &step->hugepages.nodes), "%s: nodes", what);
	step_free(&copy);
}

static void test_round_trip(void)
{
	static const enum guest_bind binds[] = { GUEST_BIND_ANY, GUEST_BIND_STRICT,
						 GUEST_BIND_PREFERRED, GUEST_BIND_INTERLEAVE };
	struct step step;
	size_t i;

	for (i = 0; i < ROWS(binds); i++) {
		step = make_step(binds[i], i);
		check_round_trip(&step, "a plain step");
		step_free(&step);
	}
	step = make_step(GUEST_BIND_ANY, 2);
	step.hugepages.keep = true;
	step.hugepages.reclaim = true;
	step.hugepages.shares[0].chunk = (struct step_chunk){ .before = 100, .grow = 512 };
	step.hugepages.shares[1].chunk = (struct step_chunk){ .shrink = 7 };
	check_round_trip(&step, "with chunks");
	step.hugepages.pages = INT64_MAX;
	step.hugepages.shares[0].foreign = INT64_MAX;
	check_round_trip(&step, "large numbers");
	step_free(&step);
}

/* A host with very many nodes, every second of them */
static void test_many_nodes(void)
{
	struct step step = make_step(GUEST_BIND_STRICT, 1);
	unsigned int node;

	for (node = 0; node < NUMA_NODES_MAX; node += 2)
		nodeset_add(&step.hugepages.nodes, node);
	check_round_trip(&step, "512 single nodes");
	step_free(&step);
}

/* What JSON can't hold is no step, and not a wrong one */
static void test_too_large(void)
{
	struct step step = make_step(GUEST_BIND_ANY, 1);

	step.hugepages.shares[0].own = UINT64_MAX;
	CU_ASSERT_PTR_NULL(step_to_json(&step));
	step_free(&step);
}

#define STEP(rest) "{\"kind\": \"hugepages\", \"page_kib\": 2048, \"pages\": 5" rest "}"
#define SHARES	   ", \"bind\": \"any\", \"shares\": "

static void test_damaged(void)
{
	static const struct {
		const char *text, *words;
	} rows[] = {
		{ "{}", "\"kind\" is missing" },
		{ "[]", "kind" },
		{ "{\"kind\": 5}", "\"kind\" is not a text" },
		{ "{\"kind\": \"swap\"}", "unknown kind of step 'swap'" },
		{ "{\"kind\": \"hugepages\"}", "step 'hugepages': \"page_kib\" is missing" },
		{ "{\"kind\": \"hugepages\", \"page_kib\": 0, \"pages\": 5" SHARES "[]}",
		  "page_kib" },
		{ "{\"kind\": \"hugepages\", \"page_kib\": 2048}", "\"pages\" is missing" },
		{ "{\"kind\": \"hugepages\", \"page_kib\": 2048, \"pages\": -5}",
		  "\"pages\" is not" },
		{ "{\"kind\": \"hugepages\", \"page_kib\": 2048, \"pages\": 5.5}",
		  "\"pages\" is not" },
		{ STEP(""), "\"bind\" is missing" },
		{ STEP(", \"bind\": \"loosely\""), "unknown \"bind\" 'loosely'" },
		{ STEP(", \"bind\": \"strict\", \"shares\": []"), "\"nodes\" is missing" },
		{ STEP(", \"bind\": \"strict\", \"nodes\": \"x\", \"shares\": []"), "\"nodes\"" },
		{ STEP(", \"keep\": \"no\"" SHARES "[]"), "\"keep\" is not true or false" },
		{ STEP(", \"bind\": \"any\""), "\"shares\"" },
		{ STEP(SHARES "{}"), "\"shares\"" },
		{ STEP(SHARES "[5]"), "\"node\" is missing" },
		{ STEP(SHARES "[{\"node\": 0}, {}]"), "\"node\" is missing" },
		{ STEP(SHARES "[{\"node\": 1024}]"), "\"node\"" },
		{ STEP(SHARES "[{\"node\": 0, \"own\": -1}]"), "\"own\"" },
		{ STEP(SHARES "[{\"node\": 0, \"have\": \"all\"}]"), "\"have\"" },
		{ STEP(SHARES "[{\"node\": 0, \"chunk_grow\": null}]"), "\"chunk_grow\"" },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		cleanup_json json_t *json = json_loads(rows[i].text, 0, NULL);
		struct step step = { .kind = STEP_KINDS };
		struct err err = { "" };

		if (!UNIT_CHECK(json, "row %zu is no JSON", i))
			continue;
		UNIT_CHECK(step_from_json(json, &step, &err) == -EINVAL, "%s", rows[i].text);
		UNIT_CHECK(strstr(err.text, rows[i].words), "no '%s' in '%s' for %s", rows[i].words,
			   err.text, rows[i].text);
		UNIT_CHECK(step.kind == STEP_KINDS, "row %zu: the result is touched", i);
	}
}

/* Sums over a damaged ledger must not wrap to something small */
static void test_absurd_numbers(void)
{
	cleanup_json json_t *json =
		json_loads(STEP(SHARES "[{\"node\": 0, \"own\": 9223372036854775807},"
				       "{\"node\": 0, \"own\": 9223372036854775807},"
				       "{\"node\": 0, \"own\": 9223372036854775807}]"),
			   0, NULL);
	struct pool_view pool = { .pool = { .node = 0, .page_kib = 2048 } };
	struct size_view size = { .page_kib = 2048, .n_pools = 1, .pools = &pool };
	struct host_view host = { .n_sizes = 1, .sizes = &size };
	struct err err = { "" };
	struct step step;

	CU_ASSERT_PTR_NOT_NULL_FATAL(json);
	if (step_from_json(json, &step, &err) < 0)
		return; /* refused is as good */
	step_account(&step, true, &host);
	UNIT_CHECK(pool.own >= INT64_MAX, "own has become %llu", (unsigned long long)pool.own);
	step_free(&step);
}

/* Nodes mean nothing without a rule that uses them */
static void test_nodes_of_any(void)
{
	cleanup_json json_t *json = json_loads(STEP(SHARES "[], \"nodes\": \"0-3\""), 0, NULL);
	struct err err = { "" };
	struct step step;

	CU_ASSERT_PTR_NOT_NULL_FATAL(json);
	if (!UNIT_CHECK(step_from_json(json, &step, &err) == 0, "%s", err.text))
		return;
	CU_ASSERT_FALSE(nodeset_has(&step.hugepages.nodes, 0));
	step_free(&step);
}

static void test_list(void)
{
	struct step steps[2] = { make_step(GUEST_BIND_ANY, 1), make_step(GUEST_BIND_STRICT, 2) };
	const struct step_list list = { 2, steps };
	cleanup_json json_t *json = step_list_to_json(&list), *bad = NULL;
	struct step_list copy = { 77, NULL };
	struct err err = { "" };

	CU_ASSERT_PTR_NOT_NULL_FATAL(json);
	CU_ASSERT_EQUAL(json_array_size(json), 2);
	CU_ASSERT_EQUAL_FATAL(step_list_from_json(json, &copy, &err), 0);
	CU_ASSERT_EQUAL(copy.n, 2);
	CU_ASSERT_EQUAL(copy.steps[1].hugepages.bind, GUEST_BIND_STRICT);
	step_list_free(&copy);
	CU_ASSERT_EQUAL(copy.n, 0);
	step_list_free(&copy);

	/* The good half of a damaged list is not taken */
	bad = json_pack("[O, {}]", json_array_get(json, 0));
	CU_ASSERT_EQUAL(step_list_from_json(bad, &copy, &err), -EINVAL);
	CU_ASSERT_EQUAL(copy.n, 0);
	CU_ASSERT_EQUAL(step_list_from_json(json_array_get(json, 0), &copy, &err), -EINVAL);
	CU_ASSERT_EQUAL(step_list_from_json(NULL, &copy, &err), -EINVAL);
	UNIT_CHECK(strstr(err.text, "'steps'"), "%s", err.text);
	step_free(&steps[0]);
	step_free(&steps[1]);
}

static void test_list_too_long(void)
{
	cleanup_json json_t *json = json_array();
	struct step_list list;
	struct err err = { "" };
	int i;

	for (i = 0; i < 5000; i++)
		json_array_append_new(json, json_object());
	CU_ASSERT_EQUAL(step_list_from_json(json, &list, &err), -EINVAL);
	UNIT_CHECK(strstr(err.text, "at most"), "%s", err.text);
}

/* ---- what steps hold ---- */

/* One of each kind, with 3 + 5 pages on nodes 0 and 1, of which 2 were added */
static void make_each(struct step steps[STEP_KINDS])
{
	steps[STEP_STORE] =
		(struct step){ .kind = STEP_STORE, .store = { .dir = "/srv", .size_kib = 700 } };
	steps[STEP_HUGEPAGES] = make_step(GUEST_BIND_ANY, 2);
	steps[STEP_HUGEPAGES].hugepages.pages = 9;
	steps[STEP_HUGEPAGES].hugepages.shares[0] = (struct step_share){ .have = 3, .own = 2 };
	steps[STEP_HUGEPAGES].hugepages.shares[1] = (struct step_share){ .node = 1, .have = 5 };
	steps[STEP_KSM] = (struct step){ .kind = STEP_KSM, .ksm.size_kib = 1100 };
	steps[STEP_THP] = (struct step){ .kind = STEP_THP, .thp.size_kib = 1300 };
	steps[STEP_OVERCOMMIT] =
		(struct step){ .kind = STEP_OVERCOMMIT, .overcommit = { .tiers_kib = 1500 } };
}

static void test_held(void)
{
	struct step steps[STEP_KINDS];
	struct step_list list = { STEP_KINDS, steps };
	struct step_held held;
	struct step_pages pages;
	size_t i, files = 0;

	make_each(steps);
	held = step_list_held(&list);
	CU_ASSERT_EQUAL(held.pages, UINT64_C(8) * 2048);
	CU_ASSERT_EQUAL(held.pages_wanted, UINT64_C(9) * 2048);
	CU_ASSERT_EQUAL(held.files, 700);
	CU_ASSERT_EQUAL(held.mergeable, 1100);
	CU_ASSERT_EQUAL(held.paged, 1500);
	pages = step_list_pages(&list, 2048, 0);
	CU_ASSERT(pages.promised == 3 && pages.own == 2);
	pages = step_list_pages(&list, 2048, 1);
	CU_ASSERT(pages.promised == 5 && !pages.own);
	pages = step_list_pages(&list, 4096, 0);
	CU_ASSERT(!pages.promised && !pages.own);
	CU_ASSERT(step_list_has_size(&list, 2048) && step_list_has_size(&list, 0));
	CU_ASSERT_FALSE(step_list_has_size(&list, 4096));
	for (i = 0; i < STEP_KINDS; i++)
		files += step_files(&steps[i]) != NULL;
	CU_ASSERT_EQUAL(files, 1);
	CU_ASSERT_PTR_EQUAL(step_files(&steps[STEP_STORE]), &steps[STEP_STORE].store);
	step_list_drop_promises(&list, STEP_KSM);
	CU_ASSERT_EQUAL(step_list_held(&list).pages, UINT64_C(8) * 2048);
	step_list_drop_promises(&list, 0);
	CU_ASSERT_EQUAL(step_list_held(&list).pages, 0);
	CU_ASSERT_EQUAL(step_list_pages(&list, 2048, 0).own, 2);
	step_free(&steps[STEP_HUGEPAGES]);
}

static void test_states(void)
{
	struct step steps[STEP_KINDS];
	struct step_list list = { STEP_KINDS, steps }, none = { 0, NULL };
	struct host_view host = { .daemon.conf = DAEMON_CONF_DOUBT };
	char why[512] = "";

	make_each(steps);
	CU_ASSERT_FALSE(step_list_is_under_way(&list));
	steps[STEP_HUGEPAGES].hugepages.shares[1].chunk.shrink = 1;
	CU_ASSERT_TRUE(step_list_is_under_way(&list));
	CU_ASSERT_FALSE(step_list_uncovers(&list));
	steps[STEP_STORE].store.mount = true;
	CU_ASSERT_TRUE(step_list_uncovers(&list));
	CU_ASSERT_TRUE(step_list_doubt(&list, &host, why, sizeof(why)) && *why);
	CU_ASSERT_FALSE(step_list_doubt(&none, &host, why, sizeof(why)));
	host.daemon.conf = DAEMON_CONF_FINE;
	CU_ASSERT_FALSE(step_list_doubt(&list, &host, why, sizeof(why)));
	step_free(&steps[STEP_HUGEPAGES]);
}

/* Files of the guest in question alone, living or gone; pages as far as they may go */
static void test_as_if_undone(void)
{
	struct store_promise promises[] = { { "other", 900, 400 }, { "g", 700, 300 } };
	struct store_leftover leftovers[] = { { "other", 50 }, { "g", 60 } };
	struct store_view store = { .n_promises = 2,
				    .promises = promises,
				    .n_leftovers = 2,
				    .leftovers = leftovers,
				    .stale_kib = 1 };
	struct pool_view pools[] = {
		{ .pool = { .node = 0, .page_kib = 2048, .total = 10, .free = 10 },
		  .own = 2,
		  .debt = 2,
		  .foreign = 8 },
		{ .pool = { .node = 1, .page_kib = 2048, .total = 10, .free = 10 }, .foreign = 10 },
	};
	struct size_view size = { .page_kib = 2048, .n_pools = 2, .pools = pools };
	struct host_view host = { .n_sizes = 1, .sizes = &size, .n_stores = 1, .stores = &store };
	struct step steps[STEP_KINDS];
	size_t i;

	make_each(steps);
	for (i = 0; i < STEP_KINDS; i++)
		step_as_if_undone(&steps[i], "g", &host, NULL);
	CU_ASSERT_EQUAL(store.stale_kib, 361);
	CU_ASSERT(!promises[1].promised_kib && !promises[1].used_kib && !leftovers[1].kib);
	CU_ASSERT(promises[0].promised_kib == 900 && leftovers[0].kib == 50);
	CU_ASSERT(pools[0].pool.total == 8 && pools[0].pool.free == 8 && !pools[0].own);
	CU_ASSERT_EQUAL(pools[1].pool.total, 10);
	/* Once is enough */
	step_as_if_undone(&steps[STEP_STORE], "g", &host, NULL);
	CU_ASSERT_EQUAL(store.stale_kib, 361);
	step_free(&steps[STEP_HUGEPAGES]);
}

static CU_TestInfo tests[] = {
	{ "what steps hold", test_held },
	{ "what state steps are in", test_states },
	{ "as if undone", test_as_if_undone },
	{ "there and back", test_round_trip },
	{ "very many nodes", test_many_nodes },
	{ "numbers too large for JSON", test_too_large },
	{ "damaged steps", test_damaged },
	{ "absurd numbers", test_absurd_numbers },
	{ "nodes of a guest that may have any", test_nodes_of_any },
	{ "lists", test_list },
	{ "a list that is too long", test_list_too_long },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_steps", tests);
}
