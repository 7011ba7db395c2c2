// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A start, or a second reservation, takes over what was reserved before.
 */
#include "steps/take_over.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "steps/steps.h"

/* Up to @pages from one share to another of the same pool.  Return: how many */
static uint64_t move_pages(struct step_share *to, struct step_share *from, uint64_t pages)
{
	uint64_t n = u64_min(from->have, pages);
	uint64_t left = from->have - n;
	/* Surplus pages that growing promoted serve no guest: they go with the rest */
	uint64_t own = left ? u64_sub_floor(from->own, left) : from->own;
	uint64_t promoted = u64_min(from->promoted, own);

	if (!n)
		return 0;
	if (own)
		to->foreign = u64_max(to->foreign, from->foreign);
	to->have += n;
	to->own += own;
	to->promoted += promoted;
	from->have = left;
	from->own -= own;
	from->promoted -= promoted;
	return n;
}

/* The outcome of a change under way is unknown: such a share stays as it is */
static bool is_resolved(const struct step_share *share)
{
	return !share->chunk.grow && !share->chunk.shrink;
}

/* From the first @n steps of @list */
static void draw(struct step_list *list, size_t n, uint64_t page_kib, struct step_share *to)
{
	size_t i, j;

	for (i = 0; i < n; i++) {
		struct step_hugepages *hp = &list->steps[i].hugepages;

		if (list->steps[i].kind != STEP_HUGEPAGES || hp->page_kib != page_kib)
			continue;
		for (j = 0; j < hp->n_shares; j++)
			if (hp->shares[j].node == to->node && is_resolved(&hp->shares[j]))
				to->reserved -= move_pages(to, &hp->shares[j], to->reserved);
	}
	/* What is not there any more is missing */
	to->reserved = 0;
}

static bool is_empty(const struct step *step)
{
	const struct step_hugepages *hp = &step->hugepages;
	size_t i;

	if (step->kind != STEP_HUGEPAGES)
		return false;
	for (i = 0; i < hp->n_shares; i++)
		if (hp->shares[i].have || hp->shares[i].own || !is_resolved(&hp->shares[i]))
			return false;
	return true;
}

static void remove_empty(struct step_list *list, size_t first)
{
	size_t i, n = first;

	for (i = first; i < list->n; i++) {
		if (is_empty(&list->steps[i]))
			step_free(&list->steps[i]);
		else
			list->steps[n++] = list->steps[i];
	}
	list->n = n;
}

/* Step @from of @list to the place @to before it */
static void move_forward(struct step_list *list, size_t from, size_t to)
{
	struct step step = list->steps[from];

	memmove(&list->steps[to + 1], &list->steps[to], (from - to) * sizeof(step));
	list->steps[to] = step;
}

size_t steps_take_over(struct step_list *list, size_t first)
{
	size_t planned = list->n - first, i, j;

	for (i = first; i < list->n; i++) {
		struct step_hugepages *hp = &list->steps[i].hugepages;

		for (j = 0; list->steps[i].kind == STEP_HUGEPAGES && j < hp->n_shares; j++)
			draw(list, first, hp->page_kib, &hp->shares[j]);
	}
	for (i = 0; i < planned; i++)
		move_forward(list, first + i, i);
	remove_empty(list, planned);
	return planned;
}

int steps_append(struct step_list *list, struct step_list *more)
{
	struct step *steps = reallocarray(list->steps, list->n + more->n + 1, sizeof(*steps));

	if (!steps)
		return -ENOMEM;
	if (more->n)
		memcpy(steps + list->n, more->steps, more->n * sizeof(*steps));
	list->steps = steps;
	list->n += more->n;
	free(more->steps);
	*more = (struct step_list){ 0 };
	return 0;
}
