// SPDX-License-Identifier: LGPL-2.1-or-later
#include "policy/pins.h"

#include <stdio.h>

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
			 "its processors are pinned to node%s %.32s, and its memory to none: "
			 "<numatune><memory mode='strict' nodeset='%.32s'/></numatune> keeps it "
			 "there",
			 nodeset_count(&vcpus) == 1 ? "" : "s", at, at);
	else
		snprintf(
			words, size,
			"its virtual processors are pinned to node%s %.32s, QEMU itself to node%s "
			"%.32s, where it allocates, and its memory to none: "
			"<numatune><memory mode='strict' nodeset='%.32s'/></numatune> puts it where "
			"it is used",
			nodeset_count(&vcpus) == 1 ? "" : "s", at,
			nodeset_count(&emulator) == 1 ? "" : "s", start, at);
	return true;
}
