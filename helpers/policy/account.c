// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Whose pages a pool's are.
 */
#include "policy/account.h"

#include "base/text.h"

/* Whose pages another writer took can't be seen: it may be those that we kept */
static void lose_kept(struct account *account, uint64_t pages)
{
	account->kept = u64_sub_floor(account->kept, pages);
}

/* The administrator's word */
static void note_alone(struct account *account, uint64_t persistent)
{
	lose_kept(account, u64_sub_floor(account->base, persistent));
	account->foreign = account->base = persistent;
	account->missing = account->lost = account->most_missing = 0;
}

/* Ours come back first, but for those that the administrator's number left no room for */
static void note_more(struct account *account, uint64_t pages)
{
	uint64_t back = u64_min(pages, u64_sub_floor(account->missing, account->lost));

	account->missing -= back;
	account->foreign = u64_add_sat(account->foreign, pages - back);
	if (account->missing > account->lost)
		return;
	/* They were away and came back: a writer whose pages come and go.  A writer can't
	 * take more of its own pages than there are */
	if (account->most_missing <= account->base)
		account->base -= account->most_missing;
	account->most_missing = 0;
}

static void note_fewer(struct account *account, uint64_t pages)
{
	account->foreign -= pages;
	lose_kept(account, u64_sub_floor(account->base, account->foreign));
	account->base = u64_min(account->base, account->foreign);
}

/* The administrator's number was written once more, with no thought of ours */
static void note_number(struct account *account, uint64_t persistent, uint64_t own)
{
	lose_kept(account, u64_sub_floor(own, account->missing));
	account->foreign = account->base = persistent;
	account->missing = account->lost = own;
	account->most_missing = 0;
}

/* First what came to the administrator's beside ours, then ours */
static void note_missing(struct account *account, uint64_t pages)
{
	uint64_t came = u64_min(pages, u64_sub_floor(account->foreign, account->base));

	account->foreign -= came;
	account->missing = u64_add_sat(account->missing, pages - came);
	lose_kept(account, pages - came);
	account->most_missing = u64_max(account->most_missing, account->missing - account->lost);
}

static bool is_number(const struct account *account, uint64_t persistent)
{
	return persistent == account->base || persistent == account->foreign;
}

/* The pool is smaller by @pages.  Where it was not seen for a while, what became of it step
 * by step is not known */
static bool are_theirs(const struct account *account, uint64_t persistent, uint64_t pages,
		       uint64_t promised)
{
	return !account->unread && persistent >= promised && pages <= account->foreign;
}

/* A ledger that was given up takes what it had lost with it */
static void forget_lost(struct account *account, uint64_t own)
{
	uint64_t gone = u64_sub_floor(account->lost, own);

	account->lost -= gone;
	account->missing = u64_sub_floor(account->missing, gone);
}

void account_note(struct account *account, uint64_t persistent, uint64_t own, uint64_t promised)
{
	uint64_t expected;

	if (!account->known)
		account->base = account->foreign = u64_sub_floor(persistent, own);
	account->known = true;
	forget_lost(account, own);
	/* Own changes by our own writes alone, and the pool with it */
	expected = u64_sub_floor(u64_add_sat(account->foreign, own), account->missing);
	if (!own)
		note_alone(account, persistent);
	else if (persistent >= expected)
		note_more(account, persistent - expected);
	else if (is_number(account, persistent))
		note_number(account, persistent, own);
	else if (are_theirs(account, persistent, expected - persistent, promised))
		note_fewer(account, expected - persistent);
	else
		note_missing(account, expected - persistent);
	account->unread = 0;
	account->kept = u64_min(account->kept, account->foreign);
}

void account_learn(struct account *account, uint64_t foreign, uint64_t missing)
{
	account->foreign = u64_max(account->foreign, foreign);
	account->missing = u64_min(account->missing, missing);
	account->lost = u64_min(account->lost, account->missing);
}

void account_note_most(struct account *account, uint64_t persistent)
{
	account->foreign = u64_min(account->foreign, persistent);
	account->base = u64_min(account->base, persistent);
	account->kept = u64_min(account->kept, account->foreign);
	account->unread = 1;
}

static uint64_t unseen(const struct account_use *use)
{
	return u64_sub_floor(use->users, use->mapped);
}

void account_note_use(struct account *account, const struct account_use *use, bool quiet)
{
	if (use->cut || (!quiet && unseen(use) > account->unseen))
		return;
	account->counted = 1;
	account->users = use->users;
	account->unseen = unseen(use);
}

uint64_t account_late(const struct account *account, uint64_t debt, const struct account_use *use)
{
	uint64_t beyond = u64_sub_floor(use->users, u64_add_sat(account->foreign, use->surplus));
	uint64_t came = 0, late;

	if (!use->cut)
		came = u64_sub_floor(unseen(use), account->unseen);
	late = u64_max(use->seen, u64_add_sat(use->late_mapped, came));
	return u64_min(debt, u64_max(beyond, u64_min(use->users, late)));
}

void account_keep(struct account *account, uint64_t pages)
{
	account->kept = u64_add_sat(account->kept, pages);
	account->foreign = u64_add_sat(account->foreign, pages);
	account->base = u64_add_sat(account->base, pages);
}

uint64_t account_free_kept(struct account *account, uint64_t pages)
{
	uint64_t n = u64_min(pages, account->kept);

	account->kept -= n;
	account->foreign = u64_sub_floor(account->foreign, n);
	account->base = u64_sub_floor(account->base, n);
	return n;
}
