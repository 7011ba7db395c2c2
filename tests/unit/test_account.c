// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Whose pages: the account of one pool, look after look.
 */
#include "policy/account.h"

#include <inttypes.h>

#include "unit/unit.h"

#define LOOKS_MAX 8

/* One look at the pool, and what the account must say then */
struct look {
	uint64_t persistent, own, foreign;
};

/* @lent: Pages of the administrator's that our guests have besides */
struct story {
	const char *name;
	uint64_t lent;
	struct look looks[LOOKS_MAX]; /* the first with nothing in it ends it */
};

static const struct story stories[] = {
	{ "nothing of ours: the administrator's word",
	  0,
	  { { 100, 0, 100 }, { 70, 0, 70 }, { 1, 0, 1 }, { 300, 0, 300 } } },
	{ "a guest comes and goes", 0, { { 100, 0, 100 }, { 150, 50, 100 }, { 100, 0, 100 } } },
	{ "no account before: what is not ours is foreign",
	  0,
	  { { 150, 50, 100 }, { 140, 40, 100 } } },
	{ "ours are missing", 100, { { 100, 0, 100 }, { 150, 50, 100 }, { 130, 50, 100 } } },
	{ "all of ours are missing", 100, { { 100, 0, 100 }, { 100, 50, 100 }, { 40, 50, 100 } } },
	{ "missing, and back",
	  100,
	  { { 100, 0, 100 }, { 150, 50, 100 }, { 130, 50, 100 }, { 150, 50, 100 } } },
	{ "missing, and back in part",
	  100,
	  { { 100, 0, 100 }, { 130, 50, 100 }, { 140, 50, 100 }, { 155, 50, 105 } } },
	{ "written off: the administrator's word again",
	  100,
	  { { 100, 0, 100 }, { 130, 50, 100 }, { 100, 0, 100 }, { 130, 0, 130 } } },
	{ "added beside ours, and taken away",
	  0,
	  { { 100, 0, 100 }, { 170, 50, 120 }, { 150, 50, 100 }, { 100, 0, 100 } } },
	{ "added, and more than that taken away",
	  100,
	  { { 100, 0, 100 }, { 170, 50, 120 }, { 140, 50, 100 }, { 150, 50, 100 } } },
	/* It was there when the first guest came, and is seen to come and go */
	{ "a writer that comes and goes",
	  120,
	  { { 120, 0, 120 },
	    { 170, 50, 120 },
	    { 150, 50, 120 },
	    { 170, 50, 120 },
	    { 150, 50, 100 },
	    { 100, 0, 100 } } },
	/* More than it can have had: ours were taken and given again */
	{ "everything taken and given again",
	  0,
	  { { 10, 0, 10 }, { 60, 50, 10 }, { 20, 50, 10 }, { 60, 50, 10 }, { 30, 50, 10 } } },
	/* Enough is left for all that guests have: another program took back its own */
	{ "less, and a little more",
	  0,
	  { { 100, 0, 100 },
	    { 150, 50, 100 },
	    { 130, 50, 80 },
	    { 146, 50, 96 },
	    { 140, 50, 90 },
	    { 90, 0, 90 } } },
	{ "less for good",
	  0,
	  { { 100, 0, 100 }, { 150, 50, 100 }, { 149, 50, 99 }, { 99, 0, 99 } } },
	{ "less than a program can have had",
	  0,
	  { { 10, 0, 10 }, { 60, 50, 10 }, { 52, 50, 2 }, { 49, 50, 2 }, { 2, 0, 2 } } },
	/* sysctl --system, say, while guests have more */
	{ "the administrator's number is written once more",
	  0,
	  { { 100, 0, 100 }, { 150, 50, 100 }, { 100, 50, 100 }, { 100, 0, 100 } } },
	{ "and that of a pool that had grown",
	  0,
	  { { 100, 0, 100 }, { 170, 50, 120 }, { 120, 50, 120 }, { 120, 0, 120 } } },
	/* Whatever comes after it is the administrator's */
	{ "the administrator's number, and a larger one",
	  0,
	  { { 100, 0, 100 },
	    { 150, 50, 100 },
	    { 100, 50, 100 },
	    { 130, 50, 130 },
	    { 130, 0, 130 } } },
	{ "the administrator's number, a guest, and a smaller one",
	  0,
	  { { 100, 0, 100 },
	    { 150, 50, 100 },
	    { 100, 50, 100 },
	    { 120, 70, 100 },
	    { 110, 70, 90 } } },
	{ "more of ours than there are pages at all",
	  0,
	  { { 10, 50, 0 }, { 50, 50, 0 }, { 60, 50, 10 } } },
	{ "numbers from a damaged ledger", 0, { { 10, UINT64_MAX, 0 }, { 10, 0, 10 } } },
};

static void test_stories(void)
{
	size_t i, j;

	for (i = 0; i < ROWS(stories); i++) {
		struct account account = { 0 };

		for (j = 0; j < LOOKS_MAX && stories[i].looks[j].persistent; j++) {
			const struct look *look = &stories[i].looks[j];

			account_note(&account, look->persistent, look->own,
				     look->own + stories[i].lent);
			UNIT_CHECK(account.foreign == look->foreign,
				   "%s: look %zu: foreign is %" PRIu64 ", expected %" PRIu64,
				   stories[i].name, j, account.foreign, look->foreign);
			/* The second look at the same changes nothing */
			account_note(&account, look->persistent, look->own,
				     look->own + stories[i].lent);
			UNIT_CHECK(account.foreign == look->foreign, "%s: look %zu again",
				   stories[i].name, j);
		}
	}
}

/* Whose pages went while a ledger was unread is not known: the administrator is not charged */
static void test_unread(void)
{
	struct account account = { 0 };

	account_note(&account, 100, 0, 0);
	account_note(&account, 150, 50, 50);
	account_note_most(&account, 150);
	account_note(&account, 130, 50, 50);
	CU_ASSERT_EQUAL(account.foreign, 100);
	CU_ASSERT_EQUAL(account.missing, 20);
	/* From now on it is */
	account_note(&account, 125, 50, 50);
	CU_ASSERT_EQUAL(account.foreign, 95);
	CU_ASSERT_EQUAL(account.missing, 20);
}

/* What was written off, or given up, has not come back */
static void test_learn(void)
{
	struct account account = { 0 };

	account_note(&account, 100, 0, 0);
	account_note(&account, 180, 80, 80);
	account_note(&account, 100, 80, 80);
	CU_ASSERT_EQUAL(account.missing, 80);
	account_learn(&account, 100, 30);
	CU_ASSERT_EQUAL(account.missing, 30);
	CU_ASSERT_EQUAL(account.lost, 30);
	account_note(&account, 100, 30, 30);
	CU_ASSERT_EQUAL(account.foreign, 100);
	account_learn(&account, 110, 30);
	CU_ASSERT_EQUAL(account.foreign, 110);
}

static void test_kept(void)
{
	struct account account = { 0 };

	account_note(&account, 150, 50, 50);
	account_keep(&account, 50);
	account_note(&account, 150, 0, 0);
	CU_ASSERT_EQUAL(account.kept, 50);
	CU_ASSERT_EQUAL(account.foreign, 150);
	/* What comes and goes beside them takes none of them */
	account_note(&account, 180, 10, 10);
	account_note(&account, 160, 10, 10);
	CU_ASSERT_EQUAL(account.kept, 50);
	/* It can't be seen whose pages were taken: maybe these */
	account_note(&account, 140, 10, 10);
	CU_ASSERT_EQUAL(account.kept, 30);
	account_note(&account, 140, 10, 10);
	CU_ASSERT_EQUAL(account.kept, 30);
	CU_ASSERT_EQUAL(account_free_kept(&account, 10), 10);
	CU_ASSERT_EQUAL(account_free_kept(&account, 100), 20);
	CU_ASSERT_EQUAL(account.kept, 0);
	CU_ASSERT_EQUAL(account.foreign, 100);

	account = (struct account){ 0 };
	account_note(&account, 50, 50, 50);
	account_keep(&account, 50);
	account_note(&account, 50, 0, 0);
	account_note(&account, 20, 0, 0);
	CU_ASSERT_EQUAL(account.kept, 20);
}

static void test_late(void)
{
	static const struct {
		uint64_t foreign, debt, surplus, users, seen, want;
	} rows[] = {
		{ 100, 50, 0, 0, 0, 0 },    /* nothing in use */
		{ 100, 50, 0, 50, 50, 50 }, /* a back end has them */
		{ 100, 50, 0, 30, 50, 30 }, /* and part of them only */
		{ 100, 20, 0, 80, 50, 20 }, /* no more than the debt */
		{ 100, 50, 0, 32, 0, 0 },   /* all another program's */
		{ 100, 50, 0, 82, 50, 50 },
		{ 10, 50, 0, 60, 0, 50 },  /* others use more than is theirs */
		{ 10, 50, 20, 60, 0, 30 }, /* of which some are surplus */
		{ 0, 50, 0, 20, 0, 20 },
		{ UINT64_MAX, 50, UINT64_MAX, 20, 0, 0 },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		const struct account account = { .foreign = rows[i].foreign };
		const struct account_use use = {
			.surplus = rows[i].surplus,
			.users = rows[i].users,
			.seen = rows[i].seen,
			.mapped = rows[i].users,
		};
		uint64_t got = account_late(&account, rows[i].debt, &use);

		UNIT_CHECK(got == rows[i].want, "row %zu: %" PRIu64, i, got);
	}
}

/* What no process has mapped: a back end that holds the file, what the kernel frees late */
static void test_unseen(void)
{
	static const struct {
		struct account_use before, now;
		uint64_t late;
	} rows[] = {
		{ { .users = 0 }, { .users = 7 }, 7 },
		{ { .users = 5 }, { .users = 12 }, 7 },
		{ { .users = 5 }, { .users = 5 }, 0 },
		{ { .users = 5 }, { .users = 3 }, 0 },
		/* A program that can be seen has begun, or was there */
		{ { .users = 5 }, { .users = 25, .mapped = 20 }, 0 },
		{ { .users = 25, .mapped = 20 }, { .users = 32, .mapped = 20 }, 7 },
		{ { .users = 25, .mapped = 20 }, { .users = 12 }, 7 },
		/* Back ends of both kinds; they have touched some of what they have mapped */
		{ { .users = 5 },
		  { .users = 22, .mapped = 10, .seen = 10, .late_mapped = 10 },
		  17 },
		{ { .users = 5 }, { .users = 15, .mapped = 3, .seen = 10, .late_mapped = 3 }, 10 },
		/* Not all could be looked at */
		{ { .users = 5 }, { .users = 12, .cut = true }, 0 },
		{ { .users = 5, .cut = true }, { .users = 12 }, 12 },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		struct account account = { .foreign = 100 };
		uint64_t got;

		account_note_use(&account, &rows[i].before, true);
		/* Of these it is not known whether they are a guest's that begins */
		account_note_use(&account, &(struct account_use){ .users = 40 }, false);
		got = account_late(&account, 50, &rows[i].now);
		UNIT_CHECK(got == rows[i].late, "row %zu: %" PRIu64, i, got);
		account_note_use(&account, &(struct account_use){ .users = 0 }, false);
		got = account_late(&account, 50, &(struct account_use){ .users = 4 });
		UNIT_CHECK(got == 4, "row %zu: %" PRIu64, i, got);
	}
}

static CU_TestInfo tests[] = {
	{ "what no process has mapped", test_unseen },
	{ "a ledger that can't be read", test_unread },
	{ "what a round has learned", test_learn },
	{ "look after look", test_stories },
	{ "kept pages", test_kept },
	{ "late pages", test_late },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_account", tests);
}
