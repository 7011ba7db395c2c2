// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Memory directories in stores that no ledger and no QEMU knows of.
 */
#include "lifecycle/leftovers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/text.h"
#include "kernel/kfs.h"
#include "lifecycle/liveness.h"
#include "lifecycle/session.h"
#include "memory/open_files.h"
#include "memory/store.h"
#include "policy/store_rules.h"
#include "steps/steps.h"

/* All who start a guest meanwhile wait.  What QEMU's user can make there has no end */
#define REMOVE_MS 1000

/**
 * struct removal - Removing them, in all stores
 * @files:	One look at who has files open, for all directories
 * @left:	Directories that were not looked at in time
 */
struct removal {
	struct session *session;
	uint64_t deadline;
	struct open_files files;
	char **running;
	size_t n_running;
	size_t left;
};

/* Where the guests' directories of one store lie */
static int open_base(const struct session *session, const struct store_view *store, struct err *err)
{
	const struct qemu_conf *conf = &session->host.qemu_conf;

	if (store->in_use)
		return store_open_base(session->kfs, qemu_conf_memory_dir(conf),
				       qemu_conf_memory_below(conf), false, err);
	/* memory_backing_dir was there once, or will be */
	return store_open_base(session->kfs, store->config.path, "libvirt/qemu", false, err);
}

static bool may_have_leftovers(const struct store_view *store)
{
	if (!store->state.present || mount_is_shared_type(store->state.mount.fstype))
		return false;
	return !store->configured || store->state.mountpoint;
}

/* A guest whose ledger names its directory has no other one.  Of one without, started
 * before we were installed or by another version, the id is not known */
static bool is_of_ledger(const struct ledger *ledger, const char *directory)
{
	bool known = false;
	size_t i;

	for (i = 0; i < ledger->list.n; i++) {
		const struct step_store *files = step_files(&ledger->list.steps[i]);

		if (!files)
			continue;
		if (store_has_directory(files, directory))
			return true;
		known = true;
	}
	return !known && ledger->alive && store_directory_of(directory, ledger->name);
}

static bool is_of_living(const struct session *session, char **running, size_t n_running,
			 const char *directory)
{
	size_t i;

	for (i = 0; i < session->ledgers.n; i++)
		if (is_of_ledger(session->ledgers.list[i], directory))
			return true;
	for (i = 0; i < n_running; i++)
		if (!ledgers_find_name(&session->ledgers, running[i]) &&
		    store_directory_of(directory, running[i]))
			return true;
	return false;
}

static void remove_one(struct removal *removal, const struct store_view *store, int base,
		       const char *name)
{
	struct session *session = removal->session;
	const char *path = store->config.path;
	char text[TEXT_KIB_SIZE];
	uint64_t kib;
	struct err err;
	int rc = store_remove_guest_within(session->kfs, &removal->files, removal->deadline, base,
					   name, &kib, &err);

	if (rc > 0)
		log_info("removed %s from %s: %s of memory of no running guest", name, path,
			 text_from_kib(kib, text));
	else if (rc < 0)
		log_warning("%s in %s belongs to no running guest and stays: %s", name, path,
			    err.text);
	if (rc)
		reconcile_report_directory(&session->report, path, name, rc > 0 ? kib : 0,
					   rc > 0 ? NULL : err.text);
}

static void free_names(char **names, size_t n)
{
	while (n)
		free(names[--n]);
	free(names);
}

/* Begins anywhere: the next time comes to what this one did not, whatever is in its way */
static void remove_all(struct removal *removal, const struct store_view *store, int base,
		       char **names, size_t n)
{
	/* Knuth's multiplicative hash: calls follow each other at nearly equal intervals */
	size_t first = n ? (clock_ms() * UINT64_C(2654435761) >> 16) % n : 0, i;

	for (i = 0; i < n; i++) {
		const char *name = names[(first + i) % n];

		if (is_of_living(removal->session, removal->running, removal->n_running, name))
			continue;
		if (clock_left_ms(removal->deadline))
			remove_one(removal, store, base, name);
		else
			removal->left++;
	}
}

static void remove_in_store(struct removal *removal, const struct store_view *store)
{
	struct err err;
	cleanup_close int base = open_base(removal->session, store, &err);
	char **names;
	size_t n;
	int rc;

	if (base < 0) {
		if (base != -ENOENT)
			log_warning("%s", err.text);
		return;
	}
	rc = store_guests(base, removal->deadline, &names, &n, &err);
	if (rc < 0) {
		log_warning("%s", err.text);
		return;
	}
	remove_all(removal, store, base, names, n);
	/* How many there are is not known */
	if (rc > 0)
		removal->left++;
	free_names(names, n);
}

void leftovers_remove(struct session *session)
{
	struct removal removal = { .session = session, .deadline = clock_ms() + REMOVE_MS };
	struct err err;
	size_t i;

	/* Without the list of running guests, remove nothing */
	if (liveness_running(session->kfs, &removal.running, &removal.n_running, &err) < 0) {
		log_warning("the stores are not swept: %s", err.text);
		free_names(removal.running, removal.n_running);
		return;
	}
	for (i = 0; i < session->host.n_stores; i++)
		if (may_have_leftovers(&session->host.stores[i]))
			remove_in_store(&removal, &session->host.stores[i]);
	if (removal.left)
		log_warning("%zu directories of no running guest are left for the next time: this "
			    "one took %d ms, for which others wait",
			    removal.left, REMOVE_MS);
	session->report.left.directories = removal.left;
	open_files_free(&removal.files);
	free_names(removal.running, removal.n_running);
}
