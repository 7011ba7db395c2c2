/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Compaction: free pages are moved together.
 */
#ifndef MEMBACKING_MEMORY_COMPACTION_H
#define MEMBACKING_MEMORY_COMPACTION_H

#include <sys/types.h>

struct kfs;
struct numa;

/**
 * compaction_start() - Compact one node, in a child
 *
 * It stops for a fatal signal only, so the child is killed at the deadline.
 * Return: pid for child_wait(), or -errno
 */
pid_t compaction_start(const struct kfs *kfs, const struct numa *numa, unsigned int node);

#endif
