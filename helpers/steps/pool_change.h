/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Growing and shrinking one pool on a guest's account, in chunks that are
 * written to the ledger before the kernel makes it.
 */
#ifndef MEMBACKING_STEPS_POOL_CHANGE_H
#define MEMBACKING_STEPS_POOL_CHANGE_H

#include "steps/steps.h"

/**
 * pool_grow() - Try to get @pages more free pages for @share
 *
 * Raises the pool by what is missing, in chunks of at most a GiB.  Stops when
 * the kernel gives nothing more, or when the round has lasted long enough for
 * others to wait.  Adds to @share's have and own, and to the pool's view.
 *
 * Return: pages gained, or -errno when the ledger or the pool can't be written
 */
int64_t pool_grow(struct step_ctx *ctx, const struct step_hugepages *hp, struct step_share *share,
		  uint64_t pages, uint64_t until, struct err *err);

/**
 * pool_shrink() - Give back up to @pages of @share's own pages, idle ones only
 * Return: pages given back, or -errno
 */
int64_t pool_shrink(struct step_ctx *ctx, const struct step_hugepages *hp, struct step_share *share,
		    uint64_t pages, struct err *err);

/**
 * pool_unpromote() - Make surplus pages again of those that growing had promoted
 *
 * They are in use, so pool_shrink() can't take them.  Lowering the persistent
 * number turns pages in use into surplus, but idle ones go first: so this is
 * done only where the node has no free page at all.
 * Return: pages turned, 0 if that can't be done now, or -errno
 */
int64_t pool_unpromote(struct step_ctx *ctx, const struct step_hugepages *hp,
		       struct step_share *share, struct err *err);

/**
 * pool_confirm() - What came of a chunk whose process died?
 * Return: true if there was one; @share then says what it holds
 */
bool pool_confirm(const struct kfs *kfs, const struct host_view *host,
		  const struct step_hugepages *hp, struct step_share *share);

#endif
