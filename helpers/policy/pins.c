// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Which nodes are near the processors that a guest is pinned to.
 */
#include "policy/pins.h"

#include <stdio.h>

#include "base/text.h"
#include "guest/guest.h"

bool pins_has_cpus(const struct numa *numa, const struct numa_node *node)
{
	return !numa->cpus_known || !cpuset_empty(&node->cpus);
}

void pins_nodes(const struct numa *numa, const struct cpuset *cpus, struct nodeset *nodes)
{
	bool all = cpuset_empty(cpus);
	size_t i;

	*nodes = (struct nodeset){ 0 };
	for (i = 0; i < numa->n_nodes; i++)
		if (all || cpuset_overlaps(cpus, &numa->nodes[i].cpus))
			nodeset_add(nodes, numa->nodes[i].id);
}

/* Some of the nodes with processors, but not all of them */
static bool are_some(const struct numa *numa, const struct nodeset *nodes)
{
	size_t i;

	for (i = 0; i < numa->n_nodes; i++)
		if (pins_has_cpus(numa, &numa->nodes[i]) && !nodeset_has(nodes, numa->nodes[i].id))
			return !nodeset_empty(nodes);
	return false;
}

static bool is_unbound(const struct guest *guest)
{
	size_t i;

	for (i = 0; i < guest->n_memory; i++)
		if (guest->memory[i].bind == GUEST_BIND_ANY)
			return !guest->auto_placement;
	return false;
}

/* Do the processors of @node itself overlap @cpus?  Those of bare nodes are among its @cpus */
static bool overlaps_own(const struct numa *numa, const struct numa_node *node,
			 const struct cpuset *cpus)
{
	struct cpuset own = node->cpus;
	size_t i, j;

	for (i = 0; i < numa->n_bare; i++)
		for (j = 0; numa->bare[i].near == node->id && j < NUMA_CPUS_MAX / 64; j++)
			own.word[j] &= ~numa->bare[i].cpus.word[j];
	return cpuset_overlaps(&own, cpus);
}

/* The first bare node that the guest runs on, or NULL */
static const struct numa_bare *find_bare(const struct guest *guest, const struct numa *numa)
{
	const struct cpuset *cpus = cpuset_empty(&guest->vcpu_cpus) ? &guest->emulator_cpus :
								      &guest->vcpu_cpus;
	size_t i;

	for (i = 0; i < numa->n_bare; i++) {
		const struct numa_node *near = numa_find(numa, numa->bare[i].near);

		if (cpuset_overlaps(&numa->bare[i].cpus, cpus) &&
		    !(near && overlaps_own(numa, near, cpus)))
			return &numa->bare[i];
	}
	return NULL;
}

bool pins_bare_words(const struct guest *guest, const struct numa *numa, char *words, size_t size)
{
	const struct numa_bare *bare = is_unbound(guest) ? find_bare(guest, numa) : NULL;

	if (!bare)
		return false;
	if (bare->near < NUMA_NODES_MAX)
		snprintf(words, size,
			 "its processors are pinned to node %u, which has no memory: its memory "
			 "comes from node %u, the nearest one that has",
			 bare->id, bare->near);
	else
		snprintf(
			words, size,
			"its processors are pinned to node %u, which has no memory, and which node "
			"is the nearest one that has can't be told: its memory may come from any",
			bare->id);
	return true;
}

bool pins_words(const struct guest *guest, const struct numa *numa, char *words, size_t size)
{
	char at[NODESET_TEXT_SIZE], start[NODESET_TEXT_SIZE];
	struct nodeset vcpus, emulator;

	if (!is_unbound(guest) || !numa->cpus_known)
		return false;
	pins_nodes(numa, &guest->vcpu_cpus, &vcpus);
	pins_nodes(numa, &guest->emulator_cpus, &emulator);
	if (!are_some(numa, &vcpus))
		vcpus = emulator;
	if (!are_some(numa, &vcpus))
		return false;
	nodeset_format(&vcpus, at);
	nodeset_format(&emulator, start);
	if (nodeset_equal(&vcpus, &emulator) || !are_some(numa, &emulator))
		snprintf(words, size,
			 "its processors are %s node%s %.32s, and its memory is bound to none: "
			 "<numatune><memory mode='strict' nodeset='%.32s'/></numatune> keeps it "
			 "there",
			 find_bare(guest, numa) ? "nearest to" : "pinned to",
			 plural(nodeset_count(&vcpus)), at, at);
	else
		snprintf(
			words, size,
			"its virtual processors are pinned to node%s %.32s, QEMU itself to node%s "
			"%.32s, where it allocates, and its memory to none: "
			"<numatune><memory mode='strict' nodeset='%.32s'/></numatune> puts it where "
			"it is used",
			plural(nodeset_count(&vcpus)), at, plural(nodeset_count(&emulator)), start,
			at);
	return true;
}
