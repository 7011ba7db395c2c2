/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The accounts of all pools: /run/libvirt-membacking/pools.
 *
 * What is remembered of each pool from one round to the next; the model is in
 * policy/account.h.  Read and written under the host lock.  A file that is gone, damaged
 * or of another boot is replaced by what the ledgers say.
 */
#ifndef MEMBACKING_LIFECYCLE_ACCOUNTS_H
#define MEMBACKING_LIFECYCLE_ACCOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/account.h"

struct err;
struct host_view;
struct kfs;
struct late_files;
struct ledgers;
struct state;

struct pool_account {
	uint64_t page_kib;
	unsigned int node;
	struct account account;
};

struct accounts {
	size_t n;
	struct pool_account *list;
};

/**
 * accounts_read() - What is written down of this boot
 *
 * An empty result where there is no such file or it can't be used.
 */
void accounts_read(const struct state *state, const char *boot_id, struct accounts *accounts);

/* Those that have changed since @before are written down, if any have */
int accounts_write(const struct state *state, const char *boot_id, const struct accounts *before,
		   const struct accounts *accounts, struct err *err);

/**
 * accounts_note() - Bring them up to date with @host
 * @ledgers:	All there are, accounted for in @host: foreign pages are noted only where
 *		each of them could be read
 * Return: 0 or -ENOMEM
 */
int accounts_note(const struct ledgers *ledgers, struct host_view *host, struct accounts *accounts);

/**
 * accounts_apply() - Tell the pools of @host what is remembered: foreign, kept, what is late
 * @ledgers:	As view_account() has counted them
 * @accounts:	Who uses the pools is noted, too
 * @late:	What other processes have mapped: looked for where that matters, unless it was
 *		taken before.  To be freed with late_pages_free()
 */
void accounts_apply(const struct kfs *kfs, const struct ledgers *ledgers, struct host_view *host,
		    struct accounts *accounts, struct late_files *late);

/* What steps have found out, or done, since accounts_apply(): pages that were kept, and
 * those that others added between our write and our read-back */
void accounts_learn(const struct host_view *host, struct accounts *accounts);

struct account *accounts_find(const struct accounts *accounts, uint64_t page_kib,
			      unsigned int node);

/* -ENOMEM leaves an empty one */
int accounts_copy(struct accounts *to, const struct accounts *from);
void accounts_free(struct accounts *accounts);

#endif
