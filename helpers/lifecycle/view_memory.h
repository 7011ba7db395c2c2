/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Filling the host view's account of plain memory: only where it is asked for, since the kernel
 * walks each QEMU's page tables for it.
 */
#ifndef MEMBACKING_LIFECYCLE_VIEW_MEMORY_H
#define MEMBACKING_LIFECYCLE_VIEW_MEMORY_H

struct err;
struct host_view;
struct kfs;

/**
 * view_memory() - All guests that run, whether or not they have a ledger
 *
 * A QEMU that can't be looked at, as by others than root, is left out.
 * Return: 0 or -ENOMEM
 */
int view_memory(const struct kfs *kfs, struct host_view *host, struct err *err);

void view_memory_free(struct host_view *host);

#endif
