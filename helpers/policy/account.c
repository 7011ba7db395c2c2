// SPDX-License-Identifier: LGPL-2.1-or-later
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
	account->missing = 0;
}

/* All of ours are there, beside @others */
static void note_complete(struct account *account, uint64_t others)
{
	/* They were away and came back: a writer whose pages come and go.  Nobody can take
	 * more of its own pages than there are */
	if (account->missing <= account->base)
		account->base -= account->missing;
	account->foreign = others;
	account->missing = 0;
}

static void note_missing(struct account *account, uint64_t persistent, uint64_t own)
{
	uint64_t others = u64_sub_floor(persistent, own);
	uint64_t foreign = u64_max(account->base, others);
	uint64_t missing = u64_sub_floor(u64_add_sat(foreign, own), persistent);

	lose_kept(account, u64_sub_floor(missing, account->missing));
	account->foreign = foreign;
	account->missing = u64_max(account->missing, missing);
	if (!missing)
		account->missing = 0;
}

void account_note(struct account *account, uint64_t persistent, uint64_t own)
{
	if (!account->known)
		account->base = account->foreign = u64_sub_floor(persistent, own);
	account->known = true;
	if (!own)
		note_alone(account, persistent);
	else if (persistent >= own && persistent - own >= account->foreign)
		note_complete(account, persistent - own);
	else
		note_missing(account, persistent, own);
	account->kept = u64_min(account->kept, account->foreign);
}

void account_note_most(struct account *account, uint64_t persistent)
{
	account->foreign = u64_min(account->foreign, persistent);
	account->base = u64_min(account->base, persistent);
	account->kept = u64_min(account->kept, account->foreign);
}

uint64_t account_late(const struct account *account, uint64_t debt, uint64_t surplus,
		      uint64_t users, uint64_t seen)
{
	uint64_t beyond = u64_sub_floor(users, u64_add_sat(account->foreign, surplus));

	return u64_min(debt, u64_max(beyond, u64_min(users, seen)));
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
