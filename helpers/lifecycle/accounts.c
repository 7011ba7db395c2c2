// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What is remembered of each pool between two sessions.
 */
#include "lifecycle/accounts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/json_fields.h"
#include "base/log.h"
#include "lifecycle/late_pages.h"
#include "lifecycle/ledger.h"
#include "lifecycle/state.h"
#include "memory/numa.h"
#include "policy/host_view.h"
#include "steps/steps.h"

#define POOLS_FILE     "pools"
#define POOLS_VERSION  1
#define POOLS_FILE_MAX 1048576

/* Nodes times page sizes, generously */
#define POOLS_MAX (NUMA_NODES_MAX * 8)

struct account *accounts_find(const struct accounts *accounts, uint64_t page_kib, unsigned int node)
{
	size_t i;

	for (i = 0; i < accounts->n; i++)
		if (accounts->list[i].page_kib == page_kib && accounts->list[i].node == node)
			return &accounts->list[i].account;
	return NULL;
}

void accounts_free(struct accounts *accounts)
{
	free(accounts->list);
	*accounts = (struct accounts){ 0 };
}

int accounts_copy(struct accounts *to, const struct accounts *from)
{
	*to = (struct accounts){ 0 };
	to->list = calloc(from->n + 1, sizeof(*to->list));
	if (!to->list)
		return -ENOMEM;
	if (from->n)
		memcpy(to->list, from->list, from->n * sizeof(*to->list));
	to->n = from->n;
	return 0;
}

/* ---- the file ---- */

static const struct json_field pool_fields[] = {
	JSON_UP_TO(struct pool_account, node, NUMA_NODES_MAX - 1),
	JSON_FIELD(struct pool_account, page_kib),
	JSON_OPTIONAL_AS(struct pool_account, account.foreign, "foreign"),
	JSON_OPTIONAL_AS(struct pool_account, account.base, "base"),
	JSON_OPTIONAL_AS(struct pool_account, account.missing, "missing"),
	JSON_OPTIONAL_AS(struct pool_account, account.lost, "lost"),
	JSON_OPTIONAL_AS(struct pool_account, account.most_missing, "most_missing"),
	JSON_OPTIONAL_AS(struct pool_account, account.unread, "unread"),
	JSON_OPTIONAL_AS(struct pool_account, account.kept, "kept"),
	JSON_OPTIONAL_AS(struct pool_account, account.counted, "counted"),
	JSON_OPTIONAL_AS(struct pool_account, account.users, "users"),
	JSON_OPTIONAL_AS(struct pool_account, account.unseen, "unseen"),
	JSON_END,
};

static const struct json_field fields[] = {
	JSON_LIST(struct accounts, list, "pools", n, pool_fields, POOLS_MAX),
	JSON_END,
};

/* Return: 0, -ENOENT also for those of another boot, or -errno with a sentence */
static int parse(const char *text, size_t len, const char *boot_id, struct accounts *accounts,
		 struct err *err)
{
	cleanup_json json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	const char *boot;
	uint64_t version;
	size_t i;
	int rc;

	if (!root)
		return err_set(err, EINVAL, "it is damaged");
	rc = json_read_u64(root, "version", &version, err);
	if (rc == 0 && version != POOLS_VERSION)
		rc = err_set(err, EINVAL, "it was written by another version");
	if (rc == 0)
		rc = json_read_string(root, "boot_id", &boot, err);
	if (rc < 0)
		return rc;
	if (strcmp(boot, boot_id) != 0)
		return -ENOENT;
	rc = json_fields_read(root, fields, accounts, err);
	for (i = 0; rc == 0 && i < accounts->n; i++)
		accounts->list[i].account.known = true;
	return rc;
}

void accounts_read(const struct state *state, const char *boot_id, struct accounts *accounts)
{
	cleanup_free char *text = NULL;
	struct err err;
	size_t len;
	int rc;

	*accounts = (struct accounts){ 0 };
	if (state->dirfd < 0)
		return;
	rc = file_read_at(state->dirfd, POOLS_FILE, POOLS_FILE_MAX, &text, &len, &err);
	if (rc == 0)
		rc = parse(text, len, boot_id, accounts, &err);
	if (rc < 0 && rc != -ENOENT)
		log_warning("/" STATE_DIR "/" POOLS_FILE " can't be used, the ledgers are: %s",
			    err.text);
}

static bool is_same(const struct accounts *a, const struct accounts *b)
{
	return a->n == b->n && (!a->n || !memcmp(a->list, b->list, a->n * sizeof(*a->list)));
}

int accounts_write(const struct state *state, const char *boot_id, const struct accounts *before,
		   const struct accounts *accounts, struct err *err)
{
	cleanup_json json_t *root = NULL;
	cleanup_free char *text = NULL;
	int rc;

	if (is_same(before, accounts))
		return 0;
	root = json_pack("{s:i, s:s}", "version", POOLS_VERSION, "boot_id", boot_id);
	if (json_fields_put(root, fields, accounts))
		text = json_dumps(root, JSON_INDENT(1));
	if (!text)
		return err_nomem(err);
	rc = file_replace_at(state->dirfd, POOLS_FILE, text, strlen(text), err);
	return rc < 0 ? err_prefix(err, rc, "/" STATE_DIR "/" POOLS_FILE) : 0;
}

/* ---- noting ---- */

static struct account *find_or_add(struct accounts *accounts, uint64_t page_kib, unsigned int node)
{
	struct account *found = accounts_find(accounts, page_kib, node);
	struct pool_account *more;

	if (found)
		return found;
	more = reallocarray(accounts->list, accounts->n + 1, sizeof(*more));
	if (!more)
		return NULL;
	accounts->list = more;
	more += accounts->n++;
	/* Padding too: they are compared as bytes */
	memset(more, 0, sizeof(*more));
	more->page_kib = page_kib;
	more->node = node;
	return &more->account;
}

static bool all_known(const struct ledgers *ledgers)
{
	size_t i;

	if (ledgers->n_damaged)
		return false;
	for (i = 0; i < ledgers->n; i++)
		if (ledgers->list[i]->foreign_version ||
		    step_list_is_under_way(&ledgers->list[i]->list))
			return false;
	return true;
}

/* A pool that was never used needs no account */
static bool is_of_interest(const struct pool_view *pool)
{
	return pool->pool.total || pool->own;
}

static uint64_t promised_of(const struct ledgers *ledgers, uint64_t page_kib, unsigned int node)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < ledgers->n; i++)
		sum = u64_add_sat(
			sum, step_list_pages(&ledgers->list[i]->list, page_kib, node).promised);
	return sum;
}

static int note_pool(const struct ledgers *ledgers, struct pool_view *pool, uint64_t page_kib,
		     bool unread, struct accounts *accounts)
{
	struct account *account = accounts_find(accounts, page_kib, pool->pool.node);
	uint64_t persistent = hugepages_persistent(&pool->pool);

	if (unread) {
		if (account)
			account_note_most(account, persistent);
		return 0;
	}
	if (!account && !is_of_interest(pool))
		return 0;
	account = find_or_add(accounts, page_kib, pool->pool.node);
	if (!account)
		return -ENOMEM;
	/* Without a record: what the ledgers noted */
	if (!account->known && pool->own && pool->foreign) {
		account->known = true;
		account->foreign = account->base = pool->foreign;
	}
	account_note(account, persistent, pool->own,
		     promised_of(ledgers, page_kib, pool->pool.node));
	return 0;
}

int accounts_note(const struct ledgers *ledgers, struct host_view *host, struct accounts *accounts)
{
	size_t i, j;
	int rc = 0;

	host->unread = !all_known(ledgers);
	for (i = 0; i < host->n_sizes; i++)
		for (j = 0; rc == 0 && j < host->sizes[i].n_pools; j++)
			rc = note_pool(ledgers, &host->sizes[i].pools[j], host->sizes[i].page_kib,
				       host->unread, accounts);
	return rc;
}

/* ---- telling ---- */

/* Is there anything to be found out? */
static bool must_look_for(const struct pool_view *pool, const struct account *account)
{
	uint64_t users = host_view_users(pool);

	if (pool->debt)
		return users;
	return account && users && (!account->counted || account->users != users);
}

/* To look at all processes takes a while */
static bool must_look(const struct host_view *host, const struct accounts *accounts)
{
	size_t i, j;

	for (i = 0; i < host->n_sizes; i++) {
		const struct size_view *size = &host->sizes[i];

		for (j = 0; j < size->n_pools; j++) {
			const struct pool_view *pool = &size->pools[j];

			if (must_look_for(pool,
					  accounts_find(accounts, size->page_kib, pool->pool.node)))
				return true;
		}
	}
	return false;
}

/* A growth that made surplus pages persistent owns more than its guest needs, and a debt may
 * have been paid with these: what is in use late is then more than the debt that is left */
static uint64_t most_late(const struct pool_view *pool)
{
	if (!pool->debt)
		return 0;
	return u64_max(pool->debt, u64_sub_floor(pool->own, pool->lives_on));
}

/* @account: NULL where nothing is remembered
 * @unread: the account is older than the pool.  More than the rest can't be foreign, and
 * all of that may be */
static void apply(struct pool_view *pool, const struct account *account, bool unread,
		  const struct account_use *use)
{
	struct account now = account ? *account : (struct account){ .foreign = pool->foreign };
	uint64_t ours = u64_sub_floor(pool->own, now.missing);
	uint64_t rest = u64_sub_floor(hugepages_persistent(&pool->pool), ours);

	if (unread)
		now.foreign = u64_max(now.foreign, rest);
	pool->foreign = now.foreign;
	pool->missing = now.missing;
	pool->kept = now.kept;
	pool->late = account_late(&now, most_late(pool), use);
}

static struct account_use use_of(const struct pool_view *pool, const struct late_files *files)
{
	uint64_t page_kib = pool->pool.page_kib;

	return (struct account_use){
		.surplus = pool->pool.surplus,
		.users = host_view_users(pool),
		.seen = late_pages_of(files, page_kib),
		.mapped = late_pages_mapped(files, page_kib, pool->pool.node, false),
		.late_mapped = late_pages_mapped(files, page_kib, pool->pool.node, true),
		.cut = files->mapped_cut,
	};
}

void accounts_apply(const struct kfs *kfs, const struct ledgers *ledgers, struct host_view *host,
		    struct accounts *accounts, struct late_files *late)
{
	bool looks = !late->taken && must_look(host, accounts);
	size_t i, j;

	if (looks)
		late_pages_find(kfs, ledgers, late);
	for (i = 0; i < host->n_sizes; i++) {
		for (j = 0; j < host->sizes[i].n_pools; j++) {
			struct pool_view *pool = &host->sizes[i].pools[j];
			struct account *account =
				accounts_find(accounts, host->sizes[i].page_kib, pool->pool.node);
			struct account_use use = use_of(pool, late);

			/* A claim may be that of a QEMU which just begins or ends */
			if (account && (looks || !use.users))
				account_note_use(account, &use,
						 !host->unread && !pool->debt && !pool->claimed);
			apply(pool, account, host->unread, &use);
		}
	}
}

void accounts_learn(const struct host_view *host, struct accounts *accounts)
{
	size_t i, j;

	for (i = 0; i < host->n_sizes; i++) {
		for (j = 0; j < host->sizes[i].n_pools; j++) {
			const struct pool_view *pool = &host->sizes[i].pools[j];
			struct account *account =
				accounts_find(accounts, host->sizes[i].page_kib, pool->pool.node);

			if (!account)
				continue;
			if (pool->kept > account->kept)
				account_keep(account, pool->kept - account->kept);
			if (!host->unread)
				account_learn(account, pool->foreign, host_view_missing(pool));
		}
	}
}
