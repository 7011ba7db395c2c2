// SPDX-License-Identifier: LGPL-2.1-or-later
/* The account of running guests' plain memory. */
#include "policy/memory_promise.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "guest/guest.h"

static bool is_plain(const struct guest_memory *memory)
{
	return !memory->hugepages &&
	       (memory->source == GUEST_SOURCE_ANONYMOUS || memory->source == GUEST_SOURCE_MEMFD);
}

/* Nodes that the kernel holds it to; empty: any */
static struct nodeset nodes_of(const struct guest_memory *memory)
{
	if (memory->bind == GUEST_BIND_STRICT || memory->bind == GUEST_BIND_INTERLEAVE)
		return memory->nodes;
	return (struct nodeset){ 0 };
}

/* The promise of @name on @nodes, a new one at first.  @first: its first one.  NULL: out of
 * memory */
static struct memory_promise *find_or_add(struct host_view *host, const char *name,
					  const struct nodeset *nodes, size_t first)
{
	struct memory_promise *more;
	size_t i;

	for (i = first; i < host->n_memory; i++)
		if (nodeset_equal(&host->memory[i].nodes, nodes))
			return &host->memory[i];
	more = reallocarray(host->memory, host->n_memory + 1, sizeof(*more));
	if (!more)
		return NULL;
	host->memory = more;
	more += host->n_memory++;
	memset(more, 0, sizeof(*more));
	snprintf(more->guest, sizeof(more->guest), "%s", name);
	more->nodes = *nodes;
	return more;
}

/* Its memory, by node set.  *@kib: all of it */
static int promise_all(struct host_view *host, const char *name, const struct guest *guest,
		       uint64_t *kib)
{
	size_t first = host->n_memory, i;

	for (i = 0; i < guest->n_memory; i++) {
		const struct guest_memory *memory = &guest->memory[i];
		struct nodeset nodes = nodes_of(memory);
		struct memory_promise *promise;

		if (!is_plain(memory))
			continue;
		promise = find_or_add(host, name, &nodes, first);
		if (!promise)
			return -ENOMEM;
		promise->promised_kib = u64_add_sat(promise->promised_kib, memory->size_kib);
		*kib = u64_add_sat(*kib, memory->size_kib);
	}
	return 0;
}

/* As large a part of @kib as @part is of @whole.  Guests' sizes are multiples of 1 MiB, by which
 * the product stays small */
static uint64_t part_of(uint64_t kib, uint64_t part, uint64_t whole)
{
	uint64_t n = whole / KIB_PER_MIB;

	return n ? u64_min(u64_mul_sat(kib, part / KIB_PER_MIB) / n, part) : part;
}

int memory_promise_add(struct host_view *host, const char *name, const struct guest *guest,
		       const struct smaps *smaps)
{
	const struct nodeset anywhere = { 0 };
	size_t first = host->n_memory, i;
	uint64_t kib = 0, resident;
	int rc = guest ? promise_all(host, name, guest, &kib) : 0;

	if (rc == 0 && host->n_memory == first && !find_or_add(host, name, &anywhere, first))
		rc = -ENOMEM;
	if (rc < 0)
		return rc;
	host->memory[first].charged_kib = smaps->pss_kib;
	/* guest_memfd is in no process' page tables, so all of it counts as touched */
	resident = guest && guest_has_guest_memfd(guest) ? kib : u64_min(smaps->rss_kib, kib);
	for (i = first; kib && i < host->n_memory; i++)
		host->memory[i].resident_kib = part_of(resident, host->memory[i].promised_kib, kib);
	return 0;
}

void memory_promise_end(struct host_view *host, const char *guest)
{
	size_t i, n = 0;

	for (i = 0; i < host->n_memory; i++)
		if (strcmp(host->memory[i].guest, guest) != 0)
			host->memory[n++] = host->memory[i];
	host->n_memory = n;
}

uint64_t memory_promise_left(const struct memory_promise *promise)
{
	return u64_sub_floor(promise->promised_kib, promise->resident_kib);
}

static bool is_on(const struct nodeset *nodes, unsigned int node)
{
	return !nodes || nodeset_has(nodes, node);
}

/* May memory of a promise lie on nodes among @nodes, and on others? */
static void find_places(const struct host_view *host, const struct memory_promise *promise,
			const struct nodeset *nodes, bool *here, bool *there)
{
	size_t i;

	*here = !nodes;
	*there = false;
	for (i = 0; i < host->numa.n_nodes; i++) {
		unsigned int id = host->numa.nodes[i].id;

		if (!nodeset_empty(&promise->nodes) && !nodeset_has(&promise->nodes, id))
			continue;
		if (is_on(nodes, id))
			*here = true;
		else
			*there = true;
	}
}

/* On the nodes that are not among @nodes */
static uint64_t room_elsewhere(const struct host_view *host, const struct nodeset *nodes)
{
	uint64_t kib = 0;
	size_t i;

	for (i = 0; i < host->numa.n_nodes; i++) {
		const struct numa_node *node = &host->numa.nodes[i];

		if (!is_on(nodes, node->id))
			kib = u64_add_sat(kib, node->free_kib + node->percpu_kib +
						       node->reclaimable_kib);
	}
	return kib;
}

uint64_t memory_promises_left(const struct host_view *host, const struct nodeset *nodes)
{
	uint64_t bound = 0, loose = 0, room = room_elsewhere(host, nodes);
	size_t i;

	for (i = 0; i < host->n_memory; i++) {
		uint64_t kib = memory_promise_left(&host->memory[i]);
		bool here, there;

		find_places(host, &host->memory[i], nodes, &here, &there);
		if (here && there)
			loose = u64_add_sat(loose, kib);
		else if (here)
			bound = u64_add_sat(bound, kib);
		else
			room = u64_sub_floor(room, kib);
	}
	return u64_add_sat(bound, u64_sub_floor(loose, room));
}

uint64_t memory_promises_sum(const struct host_view *host, size_t *guests)
{
	uint64_t kib = 0;
	size_t i;

	*guests = 0;
	for (i = 0; i < host->n_memory; i++) {
		const struct memory_promise *promise = &host->memory[i];

		kib = u64_add_sat(kib, promise->charged_kib);
		kib = u64_add_sat(kib, memory_promise_left(promise));
		*guests += !i || strcmp(promise->guest, promise[-1].guest) != 0;
	}
	return kib;
}
