/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * DOC: whose pages: the account of one pool
 *
 * The kernel counts the pages of a pool and not their owners.  This is the model that
 * decides whose they are, the same for growing, giving back, status and the plan.
 *
 *	own	Persistent pages that we added: the sum over all ledgers
 *	foreign	Persistent pages that an administrator or another program wants here,
 *		those of ours included that a guest left behind for good (kept)
 *	missing	Own pages that another writer took out of the pool
 *	claim	What a ledger promised its guest and QEMU has not mapped yet
 *	debt	The part of own whose guest is gone
 *	late	Pages in use that are such a guest's still, as far as can be seen: a vhost-user
 *		back end keeps them mapped; and those in use by others beyond what is foreign
 *
 * Invariants, P being the persistent pages of the pool:
 *
 * 1. P = foreign + own - missing, whenever the account was noted.  It is noted under the
 *    host lock, and only while every ledger can be read: else own is unknown.
 * 2. Own changes by our own writes alone, by at most what was asked for, and each change
 *    is in a ledger before the kernel is told.  Another writer changes foreign or missing.
 * 3. While nothing of ours is in a pool, all that is there is foreign: what the
 *    administrator wrote, whatever was written before.
 * 4. Pages that another writer adds beside ours come and go: taken away again, they lower
 *    foreign.  Less than was there without ours means that ours are missing, and they
 *    stay in their ledgers: the administrator is not charged, and when the pages come
 *    back they are ours as before.
 * 5. Giving back never takes P below foreign + what living guests have mapped and are
 *    promised beyond the administrator's pages that they were lent + late.  What can't go
 *    for that reason stays in its ledger, which waits as "leaving".
 * 6. Missing pages are written off when their guest is gone and no living guest has pages
 *    of ours in the pool: from then on 3 holds.
 * 7. So, once all guests are gone and what they had mapped is free, own is 0 and P is
 *    foreign.
 */
#ifndef MEMBACKING_POLICY_ACCOUNT_H
#define MEMBACKING_POLICY_ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>

/**
 * struct account - What is remembered of a pool between two looks.  In pages
 * @known:	It was noted once
 * @foreign:	See above
 * @base:	Part of @foreign that was there before ours, or came and stayed
 * @missing:	The most that was missing since nothing was
 * @kept:	Part of @foreign: pages that we added and kept after release
 */
struct account {
	bool known;
	uint64_t foreign;
	uint64_t base;
	uint64_t missing;
	uint64_t kept;
};

/**
 * account_note() - Bring the account up to date with the pool
 * @persistent:	What the kernel says (nr - surplus)
 * @own:	The sum over all ledgers, of which none may be unread
 */
void account_note(struct account *account, uint64_t persistent, uint64_t own);

/* The same while a ledger is unread: @persistent is the most that can be foreign, and
 * that is all that can be said */
void account_note_most(struct account *account, uint64_t persistent);

/**
 * account_late() - Pages in use that are a dead guest's still
 * @debt:	The most that can be: what is ours and no living guest needs
 * @surplus:	Of the pool
 * @users:	Pages in use by none of our living guests
 * @seen:	Mapped by back ends of guests that are gone
 *
 * Of what others use, no more than is foreign or surplus can be theirs.
 */
uint64_t account_late(const struct account *account, uint64_t debt, uint64_t surplus,
		      uint64_t users, uint64_t seen);

/* @pages of ours become foreign, kept for later guests */
void account_keep(struct account *account, uint64_t pages);

/* Up to @pages that were kept are no longer foreign, since they leave the pool.
 * Return: how many */
uint64_t account_free_kept(struct account *account, uint64_t pages);

#endif
