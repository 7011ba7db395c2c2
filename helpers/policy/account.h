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
 *		back end keeps them mapped; those in use by others beyond what is foreign; and
 *		those that no process has mapped, beyond what was so before
 *
 * Invariants, P being the persistent pages of the pool:
 *
 * 1. P = foreign + own - missing, whenever the account was noted.  It is noted under the
 *    host lock, and only while every ledger can be read: else own is unknown.
 * 2. Own changes by our own writes alone, by at most what was asked for, and each change
 *    is in a ledger before the kernel makes it.  Another writer changes foreign or missing.
 * 3. While nothing of ours is in a pool, all that is there is foreign: what the
 *    administrator wrote, whatever was written before.
 * 4. Pages that another writer adds are foreign.  Pages that it takes away were its own
 *    where it had as many, and enough is left for all that guests were promised: that
 *    lowers foreign.  Else those go first that came beside ours, and then ours are missing.
 *    They stay in their ledgers: the administrator is not charged, and when the pages come
 *    back they are ours as before.
 *    Where the pool is then as large as without ours, the administrator's number was
 *    written once more (sysctl --system): ours are missing, and lost, since a number that
 *    rises later is the administrator's.
 * 5. Giving back never takes P below foreign + what running guests have mapped and are
 *    promised beyond the administrator's pages that they were lent + late.  What can't go
 *    for that reason stays in its ledger, which waits as "leaving".
 * 6. Missing pages are written off when their guest is gone and no running guest has pages
 *    of ours in the pool: from then on 3 holds.
 * 7. So, once all guests are gone and what they had mapped is free, own is 0 and P is
 *    foreign.
 *
 * What no program can tell apart, since the kernel keeps only the number.  The
 * administrator is never short first, pages that are left over come second:
 *
 * a. A writer that takes away just as many of its own pages as ours are: the pool is as
 *    large then as without ours, and 4 takes it for the number.  These pages stay.
 * b. What is taken while a ledger can't be read is charged to ours: these pages stay.
 * c. What is taken between our write upwards and our look at what came of it looks like
 *    pages that the kernel did not give: these pages stay.
 * d. A writer of another number that has no thought of ours, where there is enough for
 *    all that guests were promised, counts as one that took or added the difference.  So
 *    does one that wrote its number and yet another one before we looked, and one whose
 *    pages in a to c and e are left.
 * e. What is taken after a guest's end and before we look, of a pool of which the guest had
 *    more than is left then, looks as if it had been taken from the guest: it stays.
 * f. An unseen user of the administrator's pages that ends while pages of a guest that is
 *    gone are unseen as well, or before the guest's end with no session in between, looks
 *    like the end of these: the administrator is short by them until they are free.  One
 *    that comes looks like these: they wait for its end.
 * g. A change of another writer after a hook was killed within its own write, and before
 *    the next one has looked: the ledger knows only what was to be written.
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
 * @missing:	Own pages that others took, when it was last noted
 * @lost:	Part of @missing: they do not come back
 * @most_missing: The most that was missing, without @lost, since nothing was
 * @unread:	1: since it was noted, there was a ledger that can't be read
 * @kept:	Part of @foreign: pages that we added and kept after release
 * @counted:	1: @users and @unseen were noted once
 * @users:	Pages in use by none of our running guests, and @unseen: part of them that no
 *		process could be seen to have mapped, when no guest that is gone had pages of
 *		ours; or fewer since
 */
struct account {
	bool known;
	uint64_t foreign;
	uint64_t base;
	uint64_t missing;
	uint64_t lost;
	uint64_t most_missing;
	uint64_t unread;
	uint64_t kept;
	uint64_t counted;
	uint64_t users;
	uint64_t unseen;
};

/**
 * struct account_use - Who has the pages of a pool.  In pages
 * @surplus:	Of the pool
 * @users:	In use by none of our running guests
 * @seen:	Of memory that back ends of guests that are gone have mapped, touched or not
 * @mapped:	In page tables of all processes that are no running guests
 * @late_mapped: In those of such back ends
 * @cut:	Not all of @mapped may have been seen
 */
struct account_use {
	uint64_t surplus;
	uint64_t users;
	uint64_t seen;
	uint64_t mapped;
	uint64_t late_mapped;
	bool cut;
};

/**
 * account_note() - Bring the account up to date with the pool
 * @persistent:	What the kernel says (nr - surplus)
 * @own:	The sum over all ledgers, of which none may be unread
 * @promised:	What the ledgers have secured for their guests in this pool, idle pages of
 *		the administrator's among them
 */
void account_note(struct account *account, uint64_t persistent, uint64_t own, uint64_t promised);

/* At the end of a round: what others added meanwhile, and the most that is missing still */
void account_learn(struct account *account, uint64_t foreign, uint64_t missing);

/* The same as account_note() while a ledger is unread: @persistent is the most that can be foreign,
 * and that is all that can be said */
void account_note_most(struct account *account, uint64_t persistent);

/**
 * account_note_use() - Who uses the pool
 * @quiet:	No guest that is gone has pages of ours, and no QEMU begins or ends at this
 *		moment, whose pages look like others'.  Else it is noted only where the unseen
 *		have become fewer
 */
void account_note_use(struct account *account, const struct account_use *use, bool quiet);

/**
 * account_late() - Pages in use that are a dead guest's still
 * @debt:	The most that can be: what is ours and no running guest needs
 *
 * Of what others use, no more than is foreign or surplus can be theirs.  Back ends may have
 * the guest's memory mapped, and those that have only its file can't be seen, nor can
 * processes of other PID namespaces and pages that the kernel frees late: these are what has
 * come to the unseen since.
 */
uint64_t account_late(const struct account *account, uint64_t debt, const struct account_use *use);

/* @pages of ours become foreign, kept for later guests */
void account_keep(struct account *account, uint64_t pages);

/* Up to @pages that were kept are no longer foreign, since they leave the pool.
 * Return: how many */
uint64_t account_free_kept(struct account *account, uint64_t pages);

#endif
