/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Processors that a guest is pinned to, and the memory near them.  Pure.
 */
#ifndef MEMBACKING_POLICY_PINS_H
#define MEMBACKING_POLICY_PINS_H

#include <stdbool.h>
#include <stddef.h>

#include "memory/numa.h"

struct guest;

/* Nodes with memory whose processors are among @cpus; all of them where @cpus is empty */
void pins_nodes(const struct numa *numa, const struct cpuset *cpus, struct nodeset *nodes);

/* Does @node have processors?  True where that is not known of any node */
bool pins_has_cpus(const struct numa *numa, const struct numa_node *node);

#define PINS_WORDS_SIZE 384

/**
 * pins_words() - Is the guest pinned to some nodes' processors, and memory of it to none?
 * @words:	Result: a sentence that says so, with the <numatune> that would bind it
 */
bool pins_words(const struct guest *guest, const struct numa *numa, char *words, size_t size);

/**
 * pins_bare_words() - Is the guest pinned to processors of a node without memory?
 * @words:	Result: a sentence that names the first such node, and where its memory comes from
 *
 * Only of memory that is bound to no node, and of a guest that may not also run on the node
 * that is nearest.
 */
bool pins_bare_words(const struct guest *guest, const struct numa *numa, char *words, size_t size);

#endif
