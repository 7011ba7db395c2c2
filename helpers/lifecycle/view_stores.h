/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Filling the host view's stores: only where a caller asks for them, since a
 * store may be on a server that doesn't answer.
 */
#ifndef MEMBACKING_LIFECYCLE_VIEW_STORES_H
#define MEMBACKING_LIFECYCLE_VIEW_STORES_H

#include "policy/host_view.h"

struct config;
struct err;
struct guest;
struct kfs;
struct ledgers;

/**
 * view_stores() - The configured stores, or where libvirt puts memory without any
 * @ledgers:	Whose running guests have been promised parts of them
 * @guest:	The guest that starts: what is stale in its directory counts as free.
 *		May be NULL
 *
 * A store that can't be read is left out with a warning (not present), unless it is the
 * one that @guest would start in.
 */
int view_stores(const struct kfs *kfs, const struct config *config, const struct ledgers *ledgers,
		const struct guest *guest, struct host_view *host, struct err *err);

/**
 * view_stores_of() - The store on whose file system files lie, wherever that was planned
 * @place:	As @lies_in of struct step_store
 * Return: NULL: no store of @host
 */
struct store_view *view_stores_of(const struct kfs *kfs, struct host_view *host, const char *place);

void view_stores_free(struct host_view *host);

#endif
