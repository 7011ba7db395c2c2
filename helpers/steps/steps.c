// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The table of kinds of steps, and carrying out a list of them.
 */
#include "steps/steps.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/err.h"
#include "base/json.h"
#include "base/json_fields.h"
#include "base/log.h"
#include "base/text.h"
#include "policy/plan.h"
#include "steps/hugepages_step.h"
#include "steps/ksm_step.h"
#include "steps/overcommit_step.h"
#include "steps/store_step.h"
#include "steps/thp_step.h"

static const struct step_ops *const table[] = {
	[STEP_STORE] = &store_step_ops,
	[STEP_HUGEPAGES] = &hugepages_step_ops,
	[STEP_KSM] = &ksm_step_ops,
	[STEP_THP] = &thp_step_ops,
	[STEP_OVERCOMMIT] = &overcommit_step_ops,
};

_Static_assert(ARRAY_SIZE(table) == STEP_KINDS, "each kind of step has its row");

/* More than any guest has; a ledger with more is damaged */
#define STEPS_MAX 4096

const struct step_ops *step_ops(enum step_kind kind)
{
	return table[kind];
}

json_t *step_to_json(const struct step *step)
{
	const struct step_ops *ops = step_ops(step->kind);
	json_t *object = json_pack("{s:s}", "kind", ops->name);

	if (!json_fields_put(object, ops->fields, &step->store)) {
		json_decref(object);
		return NULL;
	}
	return object;
}

void step_account(const struct step *step, bool alive, struct host_view *host)
{
	if (step_ops(step->kind)->account)
		step_ops(step->kind)->account(step, alive, host);
}

void step_as_if_undone(const struct step *step, const char *guest, struct host_view *host,
		       struct fragmentation *f)
{
	if (step_ops(step->kind)->as_if_undone)
		step_ops(step->kind)->as_if_undone(step, guest, host, f);
}

struct step_store *step_files_of(struct step *step)
{
	return step_ops(step->kind)->files ? step_ops(step->kind)->files(step) : NULL;
}

/* Only looked at: nothing is changed */
const struct step_store *step_files(const struct step *step)
{
	return step_files_of((struct step *)step);
}

struct step_overcommit *step_list_paging(const struct step_list *list)
{
	size_t i;

	for (i = 0; i < list->n; i++)
		if (step_ops(list->steps[i].kind)->paging)
			return step_ops(list->steps[i].kind)->paging(&list->steps[i]);
	return NULL;
}

int steps_ask(const struct plan_needs *needs, int state_dir, struct err *err)
{
	int rc = 0;
	size_t i;

	for (i = 0; rc == 0 && i < STEP_KINDS; i++)
		if (needs->kinds[i].wanted && table[i]->ask)
			rc = table[i]->ask(state_dir, err);
	return rc;
}

bool step_list_started(const struct step_guest *guest, struct step_list *list)
{
	bool changed = false;
	size_t i;

	for (i = 0; i < list->n; i++) {
		const struct step_ops *ops = step_ops(list->steps[i].kind);

		if (ops->started && ops->started(guest, &list->steps[i]))
			changed = true;
	}
	return changed;
}

bool step_list_has_started(const struct step_list *list)
{
	size_t i;

	for (i = 0; i < list->n; i++)
		if (step_ops(list->steps[i].kind)->started)
			return true;
	return false;
}

void step_list_afterwards(const struct step_after *after, const struct step_list *list)
{
	size_t i;

	for (i = 0; i < list->n; i++)
		if (step_ops(list->steps[i].kind)->afterwards)
			step_ops(list->steps[i].kind)->afterwards(after, &list->steps[i]);
}

void step_list_ended(const struct step_guest *guest, const struct step_list *list)
{
	size_t i;

	for (i = 0; i < list->n; i++)
		if (step_ops(list->steps[i].kind)->ended)
			step_ops(list->steps[i].kind)->ended(guest);
}

static void learn_one(const struct step *from, struct step_list *to)
{
	size_t i;

	for (i = 0; i < to->n; i++)
		if (to->steps[i].kind == from->kind)
			step_ops(from->kind)->learn(from, &to->steps[i]);
}

void step_list_learn(const struct step_list *from, struct step_list *to)
{
	size_t i;

	for (i = 0; i < from->n; i++)
		if (step_ops(from->steps[i].kind)->learn)
			learn_one(&from->steps[i], to);
}

struct step_held step_list_held(const struct step_list *list)
{
	struct step_held held = { 0 };
	size_t i;

	for (i = 0; i < list->n; i++)
		if (step_ops(list->steps[i].kind)->held)
			step_ops(list->steps[i].kind)->held(&list->steps[i], &held);
	return held;
}

struct step_pages step_list_pages(const struct step_list *list, uint64_t page_kib,
				  unsigned int node)
{
	struct step_pages pages = { 0 };
	size_t i;

	for (i = 0; i < list->n; i++)
		if (step_ops(list->steps[i].kind)->pages)
			step_ops(list->steps[i].kind)
				->pages(&list->steps[i], page_kib, node, &pages);
	return pages;
}

bool step_list_has_size(const struct step_list *list, uint64_t page_kib)
{
	size_t i;

	for (i = 0; i < list->n; i++) {
		const struct step_ops *ops = step_ops(list->steps[i].kind);

		if (ops->has_size && (!page_kib || ops->has_size(&list->steps[i], page_kib)))
			return true;
	}
	return false;
}

bool step_list_told_by_count(const struct step_list *list, const struct host_view *host)
{
	size_t i;

	for (i = 0; i < list->n; i++) {
		const struct step_ops *ops = step_ops(list->steps[i].kind);

		if (ops->pages && !ops->told_by_count(&list->steps[i], host))
			return false;
	}
	return true;
}

uint64_t step_list_memfd(const struct step_list *list, uint64_t page_kib)
{
	uint64_t pages = 0;
	size_t i;

	for (i = 0; i < list->n; i++) {
		const struct step_ops *ops = step_ops(list->steps[i].kind);

		if (ops->memfd && ops->has_size(&list->steps[i], page_kib))
			pages = u64_add_sat(pages, ops->memfd(&list->steps[i]));
	}
	return pages;
}

bool step_list_is_under_way(const struct step_list *list)
{
	size_t i;

	for (i = 0; i < list->n; i++) {
		const struct step_ops *ops = step_ops(list->steps[i].kind);

		if (ops->is_under_way && ops->is_under_way(&list->steps[i]))
			return true;
	}
	return false;
}

void step_list_drop_promises(struct step_list *list, size_t first)
{
	size_t i;

	for (i = first; i < list->n; i++)
		if (step_ops(list->steps[i].kind)->drop_promise)
			step_ops(list->steps[i].kind)->drop_promise(&list->steps[i]);
}

bool step_list_doubt(const struct step_list *list, const struct host_view *host, char *buf,
		     size_t size)
{
	size_t i;

	for (i = 0; i < list->n; i++) {
		const struct step_ops *ops = step_ops(list->steps[i].kind);

		if (ops->doubt && ops->doubt(&list->steps[i], host, buf, size))
			return true;
	}
	return false;
}

void step_list_foresee(struct step_ctx *ctx, struct step_list *list)
{
	size_t i;

	for (i = 0; i < list->n; i++)
		if (step_ops(list->steps[i].kind)->foresee)
			step_ops(list->steps[i].kind)->foresee(ctx, &list->steps[i]);
}

bool step_list_uncovers(const struct step_list *list)
{
	size_t i;

	for (i = 0; i < list->n; i++) {
		const struct step_ops *ops = step_ops(list->steps[i].kind);

		if (ops->uncovers && ops->uncovers(&list->steps[i]))
			return true;
	}
	return false;
}

int step_kind_find(const char *name, enum step_kind *kind, struct err *err)
{
	size_t i;

	for (i = 0; i < STEP_KINDS; i++) {
		if (!strcmp(name, table[i]->name)) {
			*kind = (enum step_kind)i;
			return 0;
		}
	}
	return err_set(err, EINVAL, "unknown kind of step '%.64s'", name);
}

static json_t *kind_write(const struct json_field *field, const void *member)
{
	const enum step_kind *kind = member;

	(void)field;
	return json_string(step_ops(*kind)->name);
}

static int kind_read(const struct json_field *field, const json_t *object, void *member,
		     struct err *err)
{
	const char *name;
	int rc = json_read_string(object, field->key, &name, err);

	return rc < 0 ? rc : step_kind_find(name, member, err);
}

const struct json_type step_kind_type = { kind_write, kind_read };

int step_from_json(const json_t *object, struct step *step, struct err *err)
{
	struct step result = { 0 };
	const struct step_ops *ops;
	const char *kind;
	int rc = json_read_string(object, "kind", &kind, err);

	if (rc == 0)
		rc = step_kind_find(kind, &result.kind, err);
	if (rc < 0)
		return rc;
	ops = step_ops(result.kind);
	/* All kinds begin where the union does */
	rc = json_fields_read(object, ops->fields, &result.store, err);
	if (rc == 0 && ops->check)
		rc = ops->check(&result, err);
	if (rc < 0) {
		step_free(&result);
		return err_prefix(err, rc, "step '%s'", kind);
	}
	*step = result;
	return 0;
}

json_t *step_list_to_json(const struct step_list *list)
{
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < list->n; i++)
		json_add(&array, step_to_json(&list->steps[i]));
	return array;
}

int step_list_from_json(const json_t *array, struct step_list *list, struct err *err)
{
	struct step_list result = { 0 };
	size_t n = json_array_size(array), i;

	if (!json_is_array(array) || n > STEPS_MAX)
		return err_set(err, EINVAL, "'steps' is no list of at most %d steps", STEPS_MAX);
	result.steps = calloc(n + 1, sizeof(*result.steps));
	if (!result.steps)
		return err_nomem(err);
	for (i = 0; i < n; i++) {
		int rc = step_from_json(json_array_get(array, i), &result.steps[i], err);

		if (rc < 0) {
			step_list_free(&result);
			return rc;
		}
		result.n++;
	}
	*list = result;
	return 0;
}

static json_t *list_write(const struct json_field *field, const void *member)
{
	(void)field;
	return step_list_to_json(member);
}

static int list_read(const struct json_field *field, const json_t *object, void *member,
		     struct err *err)
{
	return step_list_from_json(json_object_get(object, field->key), member, err);
}

const struct json_type step_list_type = { list_write, list_read };

bool step_list_has(const struct step_list *list, enum step_kind kind)
{
	size_t i;

	for (i = 0; i < list->n; i++)
		if (list->steps[i].kind == kind)
			return true;
	return false;
}

bool step_list_complete(const struct step_list *list)
{
	size_t i;

	for (i = 0; i < list->n; i++)
		if (!step_ops(list->steps[i].kind)->complete(&list->steps[i]))
			return false;
	return true;
}

int step_list_apply(struct step_ctx *ctx, struct step_list *list, size_t first, struct err *err)
{
	size_t i;

	for (i = first; i < list->n; i++) {
		struct step *step = &list->steps[i];
		int rc = step_ops(step->kind)->apply(ctx, step, err);

		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Takes step @i out of @list */
static void remove_step(struct step_list *list, size_t i)
{
	step_free(&list->steps[i]);
	memmove(&list->steps[i], &list->steps[i + 1], (list->n - i - 1) * sizeof(*list->steps));
	list->n--;
}

int step_list_undo(struct step_ctx *ctx, struct step_list *list, size_t first,
		   enum undo_reason reason, struct err *err)
{
	size_t i = list->n;
	int result = 0;

	while (i-- > first) {
		struct step *step = &list->steps[i];
		struct err failure = { "" };
		int rc = step_ops(step->kind)->undo(ctx, step, reason, &failure);

		result = log_gravest(result, err, rc, &failure);
		if (rc == 0)
			remove_step(list, i);
		/* An unwritable /run must not keep memory from being given back */
		if (ctx->save(ctx, &failure) < 0)
			log_warning("the guest's record could not be saved: %s", failure.text);
	}
	return result;
}

void step_list_free(struct step_list *list)
{
	size_t i;

	for (i = 0; i < list->n; i++)
		step_free(&list->steps[i]);
	free(list->steps);
	list->steps = NULL;
	list->n = 0;
}

/* ---- counting ---- */

void step_tally_grown(struct step_tally *tally, uint64_t page_kib, uint64_t pages)
{
	size_t i;

	for (i = 0; tally && page_kib && i < STEP_TALLY_SIZES; i++) {
		struct step_grown *grown = &tally->grown[i];

		if (grown->page_kib && grown->page_kib != page_kib)
			continue;
		grown->page_kib = page_kib;
		grown->pages = u64_add_sat(grown->pages, pages);
		return;
	}
}
