/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pages that were kept after release (on_release = keep), and how they go back.
 */
#ifndef MEMBACKING_LIFECYCLE_KEPT_H
#define MEMBACKING_LIFECYCLE_KEPT_H

#include <stddef.h>
#include <stdint.h>

struct err;
struct session;

/**
 * struct kept_pool - What came of one pool, in pages
 * @freed:	Gone back
 * @left:	Still kept: in use, promised to a guest, or more than was asked for
 */
struct kept_pool {
	uint64_t page_kib;
	unsigned int node;
	uint64_t freed;
	uint64_t left;
};

struct kept {
	size_t n;
	struct kept_pool *pools;
};

/**
 * kept_free() - Give kept pages back that lie idle, under the lock
 * @session:	Opened for change.  The lock is let go
 * @page_kib:	Of this size only; 0: of any
 * @pages:	No more than that in sum; UINT64_MAX: all
 * @kept:	Result: pools that have kept pages, or had.  To be freed with kept_end()
 *
 * Never below what administrators, guests and other programs have a right to: see
 * policy/account.h.
 */
int kept_free(struct session *session, uint64_t page_kib, uint64_t pages, struct kept *kept,
	      struct err *err);
void kept_end(struct kept *kept);

#endif
