/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The account of plain memory: what running guests may still come to use.  Pure.
 *
 * DOC: why
 *
 * Huge pages and files are claimed in ledgers and stores.  A guest of plain memory has neither,
 * needs no ledger, and takes the host's memory page by page as it touches it: one of 8 GiB that
 * has touched 1 GiB leaves 7 GiB free that are its own all the same.  The guests that run are
 * known from what libvirt's daemon writes down of them, and what they have touched from their
 * QEMUs, so that nothing needs to be written for them.
 *
 * Plain memory is anonymous or a memfd, of small or transparent huge pages.
 */
#ifndef MEMBACKING_POLICY_MEMORY_PROMISE_H
#define MEMBACKING_POLICY_MEMORY_PROMISE_H

#include <stdint.h>

#include "memory/smaps.h"
#include "policy/host_view.h"

struct guest;

/**
 * memory_promise_add() - Put a running guest into the account
 * @name:	Its name
 * @guest:	What it is made of; NULL where that can't be read: then it is promised nothing
 *		but what it has
 * @smaps:	Of its QEMU
 *
 * One promise for each set of nodes that its memory is bound to.  What QEMU has is divided
 * among them by their sizes.
 * Return: 0 or -ENOMEM
 */
int memory_promise_add(struct host_view *host, const char *name, const struct guest *guest,
		       const struct smaps *smaps);

/* As if @guest had ended */
void memory_promise_end(struct host_view *host, const char *guest);

/* Not touched yet, in KiB */
uint64_t memory_promise_left(const struct memory_promise *promise);

/**
 * memory_promises_left() - What guests may still come to take of some nodes, in KiB
 * @nodes:	NULL: of all
 *
 * Memory that may lie on other nodes too counts as far as these have no room for it.
 */
uint64_t memory_promises_left(const struct host_view *host, const struct nodeset *nodes);

/* What guests have and may still come to take, in KiB.  @guests: how many they are */
uint64_t memory_promises_sum(const struct host_view *host, size_t *guests);

#endif
