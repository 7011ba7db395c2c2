// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Reading the host: stores, and what guests were promised of them.
 */
#include "lifecycle/view_stores.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "base/text.h"
#include "guest/guest.h"
#include "kernel/kfs.h"
#include "lifecycle/daemon_conf.h"
#include "lifecycle/ledger.h"
#include "lifecycle/read_store.h"
#include "memory/hugetlbfs.h"
#include "policy/store_place.h"
#include "policy/store_rules.h"
#include "policy/store_text.h"
#include "steps/steps.h"

static int add_store(struct host_view *host, const struct config_store *config, bool configured,
		     struct err *err)
{
	struct store_view *more = reallocarray(host->stores, host->n_stores + 1, sizeof(*more));
	struct store_view *store;

	if (!more)
		return err_nomem(err);
	host->stores = more;
	store = &more[host->n_stores++];
	memset(store, 0, sizeof(*store));
	store->config = *config;
	store->configured = configured;
	if (!*store->config.path)
		snprintf(store->config.path, sizeof(store->config.path), "%s",
			 qemu_conf_memory_dir(&host->qemu_conf));
	return 0;
}

static int add_all(const struct config *config, struct host_view *host, struct err *err)
{
	const struct config_store *stores;
	size_t n = config_stores(config, &stores), i;
	int rc = 0;

	for (i = 0; rc == 0 && i < n; i++)
		rc = add_store(host, &stores[i], true, err);
	if (rc == 0 && !n)
		rc = add_store(host, config_store_default(config), false, err);
	return rc;
}

/* The innermost one that memory_backing_dir lies in */
static void find_used(struct host_view *host)
{
	const char *dir = qemu_conf_memory_dir(&host->qemu_conf);
	struct store_view *best = NULL;
	size_t i;

	for (i = 0; i < host->n_stores; i++) {
		struct store_view *store = &host->stores[i];

		if (store_place_within(dir, store->config.path) &&
		    (!best || strlen(store->config.path) > strlen(best->config.path)))
			best = store;
	}
	if (best)
		best->in_use = true;
}

/* Another file system between the store and the directory in it */
static int find_elsewhere(const struct kfs *kfs, struct store_view *store, const char *dir,
			  struct err *err)
{
	struct store_state state;
	int rc;

	if (!store->in_use || !store->state.present || !strcmp(dir, store->config.path))
		return 0;
	rc = store_read(kfs, dir, &state, err);
	if (rc == 0)
		store->elsewhere = state.present &&
				   strcmp(state.mount.devno, store->state.mount.devno) != 0;
	return rc;
}

/* ---- promises ---- */

static int add_promise(struct store_view *store, const struct ledger *ledger, uint64_t promised,
		       uint64_t used, struct err *err)
{
	struct store_promise *more =
		reallocarray(store->promises, store->n_promises + 1, sizeof(*more));

	if (!more)
		return err_nomem(err);
	store->promises = more;
	more += store->n_promises++;
	snprintf(more->guest, sizeof(more->guest), "%s", ledger->name);
	more->promised_kib = promised;
	more->used_kib = used;
	return 0;
}

/* Is something there, so that it is the file system that guests' files are in? */
static bool holds_files(const struct store_view *store)
{
	return store->state.present && (store->state.mountpoint || !store->configured);
}

struct store_view *view_stores_of(const struct kfs *kfs, struct host_view *host, const char *place)
{
	struct store_view *best = NULL;
	struct store_state state;
	size_t i;

	if (store_read(kfs, place, &state, NULL) < 0 || !state.present)
		return NULL;
	for (i = 0; i < host->n_stores; i++) {
		struct store_view *store = &host->stores[i];

		if (!holds_files(store) || strcmp(store->state.mount.devno, state.mount.devno) != 0)
			continue;
		/* If two are on one file system, the one whose path matches */
		if (!best || store_place_within(place, store->config.path))
			best = store;
	}
	return best;
}

/* Of a guest whose files lie elsewhere.  @there: what lies where they were planned */
static int promise_elsewhere(const struct kfs *kfs, const struct ledger *ledger,
			     const struct step_store *step, const struct store_use *there,
			     struct host_view *host, struct err *err)
{
	struct store_view *store = view_stores_of(kfs, host, step->lies_in);
	struct store_use use;
	uint64_t rest;

	if (!store)
		return 0;
	use = read_store_use_elsewhere(kfs, step);
	rest = u64_sub_floor(step->size_kib, there->size_kib);
	return add_promise(store, ledger, u64_max(rest, use.size_kib), use.held_kib, err);
}

static int promise_step(const struct kfs *kfs, const struct ledger *ledger,
			const struct step_store *step, struct host_view *host, struct err *err)
{
	struct store_view *best = store_at(host, step->path);
	struct store_use use = { 0 };
	uint64_t promised;
	size_t i;
	int rc = 0;

	/* The sections may have changed since that guest's start */
	for (i = 0; !best && i < host->n_stores; i++)
		if (store_place_within(step->dir, host->stores[i].config.path))
			best = &host->stores[i];
	/* A store that does not answer is not read */
	if (best && best->state.present)
		use = read_store_use(kfs, step);
	/* Memory that was plugged in since the start leaves only a file */
	promised = *step->lies_in ? use.size_kib : u64_max(step->size_kib, use.size_kib);
	if (best && (promised || !*step->lies_in))
		rc = add_promise(best, ledger, promised, use.held_kib, err);
	if (rc == 0 && *step->lies_in)
		rc = promise_elsewhere(kfs, ledger, step, &use, host, err);
	return rc;
}

static int add_leftover(struct store_view *store, const struct ledger *ledger, uint64_t kib,
			struct err *err)
{
	struct store_leftover *more;

	if (!kib)
		return 0;
	more = reallocarray(store->leftovers, store->n_leftovers + 1, sizeof(*more));
	if (!more)
		return err_set(err, ENOMEM, "out of memory");
	store->leftovers = more;
	more += store->n_leftovers++;
	snprintf(more->guest, sizeof(more->guest), "%s", ledger->name);
	more->kib = kib;
	return 0;
}

/* The room of files that are left over */
static int leave_step(const struct kfs *kfs, const struct ledger *ledger,
		      const struct step_store *step, struct host_view *host, struct err *err)
{
	struct store_view *store = store_at(host, step->path);
	int rc = 0;

	if (store && store->state.present)
		rc = add_leftover(store, ledger, read_store_use(kfs, step).held_kib, err);
	store = rc == 0 && *step->lies_in ? view_stores_of(kfs, host, step->lies_in) : NULL;
	if (store)
		rc = add_leftover(store, ledger, read_store_use_elsewhere(kfs, step).held_kib, err);
	return rc;
}

static int add_promises(const struct kfs *kfs, const struct ledgers *ledgers,
			struct host_view *host, struct err *err)
{
	size_t i, j;
	int rc = 0;

	for (i = 0; i < ledgers->n; i++) {
		const struct ledger *ledger = ledgers->list[i];

		for (j = 0; rc == 0 && j < ledger->list.n; j++) {
			const struct step_store *files = step_files(&ledger->list.steps[j]);

			if (files && ledger->alive)
				rc = promise_step(kfs, ledger, files, host, err);
			else if (files)
				rc = leave_step(kfs, ledger, files, host, err);
		}
	}
	return rc;
}

static void find_stale(const struct kfs *kfs, const struct guest *guest, struct host_view *host)
{
	struct step_store step;
	size_t i;

	for (i = 0; i < host->n_stores; i++) {
		struct store_view *store = &host->stores[i];

		if (!store->in_use || !store->state.present)
			continue;
		store_step_fill(guest, store, host, &step);
		store->stale_kib = read_store_use(kfs, &step).held_kib;
	}
}

/* A store that can't be read, on a server that is gone, stops only those who are to
 * start in it */
static int read_all(const struct kfs *kfs, const struct guest *guest, struct host_view *host,
		    struct err *err)
{
	const char *dir = qemu_conf_memory_dir(&host->qemu_conf);
	struct hugetlbfs_fs fs;
	size_t i;

	for (i = 0; i < host->n_stores; i++) {
		struct store_view *store = &host->stores[i];
		char label[STORE_LABEL_SIZE];
		struct err why;
		int rc = read_store(kfs, store, &why);

		store->hugetlbfs = store->in_use && hugetlbfs_at(kfs, dir, 0, &fs) > 0;

		if (rc == 0)
			rc = find_elsewhere(kfs, store, dir, &why);
		if (rc < 0 && guest && store->in_use)
			return err_set(err, -rc, "guest '%s': %s", guest->name, why.text);
		if (rc < 0) {
			log_warning("%s is left out: %s",
				    store_text_label(store, label, sizeof(label)), why.text);
			store->state = (struct store_state){ .present = false };
			snprintf(store->unreadable, sizeof(store->unreadable), "%.*s",
				 (int)sizeof(store->unreadable) - 1, why.text);
			text_mend(store->unreadable);
		}
	}
	return 0;
}

int view_stores(const struct kfs *kfs, const struct config *config, const struct ledgers *ledgers,
		const struct guest *guest, struct host_view *host, struct err *err)
{
	int rc;

	view_stores_free(host);
	qemu_conf_load(kfs->rootfd, &host->qemu_conf);
	daemon_conf_view(kfs, host);
	rc = add_all(config, host, err);
	find_used(host);
	if (rc == 0)
		rc = read_all(kfs, guest, host, err);
	if (rc == 0)
		rc = add_promises(kfs, ledgers, host, err);
	if (rc == 0 && guest)
		find_stale(kfs, guest, host);
	host->stores_read = rc == 0;
	return rc;
}

void view_stores_free(struct host_view *host)
{
	size_t i;

	for (i = 0; i < host->n_stores; i++) {
		free(host->stores[i].promises);
		free(host->stores[i].leftovers);
	}
	free(host->stores);
	host->stores = NULL;
	host->n_stores = 0;
	host->stores_read = false;
}
