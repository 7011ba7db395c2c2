// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Opening what an operation works with, taking the host lock, and reading ledgers and host.
 */
#include "lifecycle/session.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/log.h"
#include "kernel/kfs.h"
#include "lifecycle/liveness.h"
#include "lifecycle/view.h"
#include "lifecycle/view_overcommit.h"
#include "lifecycle/view_stores.h"
#include "lifecycle/view_thp.h"
#include "steps/steps.h"

int session_open(struct session *session, const struct kfs *kfs, enum session_kind kind,
		 struct err *err)
{
	int rc;

	*session = (struct session){
		.kfs = kfs,
		.state = STATE_CLOSED,
		.lock_deadline_ms = SESSION_LOCK_MS,
	};
	rc = state_open(kfs->rootfd, kind == SESSION_CREATE, &session->state, err);
	/* Before the first guest there is no state directory */
	return rc == -ENOENT && kind == SESSION_READ ? 0 : rc;
}

int session_configure(struct session *session, struct err *err)
{
	int rc = config_load(session->kfs->rootfd, &session->own_config, err);

	if (rc < 0)
		return rc;
	session->config = session->own_config;
	session->lock_deadline_ms = config_hook(session->config)->lock_deadline_ms;
	return 0;
}

int session_open_with_stores(struct session *session, const struct kfs *kfs, enum session_kind kind,
			     struct err *err)
{
	int rc = session_open(session, kfs, kind, err);

	session->stores = true;
	return rc < 0 ? rc : session_configure(session, err);
}

static void forget(struct session *session)
{
	ledgers_free(&session->ledgers);
	ledgers_free(&session->former);
	view_free(&session->host);
	accounts_free(&session->accounts);
	late_pages_free(&session->late);
}

void session_close(struct session *session)
{
	/* One that is all zero was never opened */
	if (!session->kfs)
		return;
	state_close(&session->state);
	forget(session);
	reconcile_report_free(&session->report);
	config_free(session->own_config);
	*session = (struct session){ 0 };
}

void session_unlock(struct session *session)
{
	state_unlock(&session->state);
}

/* ---- the ledgers ---- */

/* Ledgers of earlier boots: the pools they speak of went with these */
static int put_former_aside(struct session *session, struct err *err)
{
	size_t i = session->ledgers.n;

	while (i-- > 0) {
		struct ledger *ledger = session->ledgers.list[i];

		if (ledger->foreign_version || !strcmp(ledger->boot_id, session->boot_id))
			continue;
		if (ledgers_add(&session->former, ledger) < 0)
			return err_nomem(err);
		ledgers_take(&session->ledgers, ledger);
	}
	return 0;
}

bool session_confirm_ledger(struct session *session, struct ledger *ledger)
{
	bool changed = false;
	size_t i;

	for (i = 0; i < ledger->list.n; i++) {
		struct step *step = &ledger->list.steps[i];
		const struct step_ops *ops = step_ops(step->kind);

		if (ops->confirm && ops->confirm(session->kfs, &session->host, step))
			changed = true;
	}
	return changed;
}

static void confirm_all(struct session *session)
{
	struct err err;
	size_t i;

	for (i = 0; i < session->ledgers.n; i++) {
		struct ledger *ledger = session->ledgers.list[i];
		int rc = 0;

		if (session_confirm_ledger(session, ledger))
			rc = ledger->phase == LEDGER_RUNNING ?
				     ledger_save_running(&session->state, ledger, &err) :
				     ledger_write(&session->state, ledger, &err);
		/* Cancelled: its end was marked at this moment, and all is written down */
		if (rc < 0 && rc != -ECANCELED)
			log_warning("%s", err.text);
	}
}

/* Once, however many rounds an operation takes */
static void warn_of_unreadable(struct session *session)
{
	size_t i;

	if (session->warned)
		return;
	session->warned = true;
	for (i = 0; i < session->ledgers.n_damaged; i++)
		log_error("%s; what it holds is not given back until it is repaired, or given up "
			  "with: virt-membacking release %s --force",
			  session->ledgers.damaged[i].why.text, session->ledgers.damaged[i].uuid);
	for (i = 0; i < session->ledgers.n; i++)
		if (session->ledgers.list[i]->foreign_version)
			log_warning("the record of guest '%s' (%s) was written by another version "
				    "of libvirt-membacking and is left alone",
				    session->ledgers.list[i]->name, session->ledgers.list[i]->uuid);
}

/* @files: NULL where they could not be listed
 * @qemu: gets what was seen, if it was looked for */
static enum session_life life_of(const struct session *session, const struct ledger *ledger,
				 const struct liveness_files *files, struct ledger_qemu *qemu)
{
	if (ledger->phase == LEDGER_LEAVING)
		return LIFE_GONE;
	qemu->found = true;
	qemu->found_pid = 0;
	if ((!files || liveness_files_have(files, ledger->name)) &&
	    liveness_qemu(session->kfs, ledger->name, &qemu->found_pid))
		return LIFE_RUNS;
	if (ledger->phase == LEDGER_RESERVED)
		return LIFE_IS_RESERVED;
	if (ledger->phase == LEDGER_PREPARED &&
	    liveness_driver_alive(session->kfs, &ledger->driver))
		return LIFE_IS_STARTED;
	return LIFE_GONE;
}

enum session_life session_life(const struct session *session, const struct ledger *ledger)
{
	struct ledger_qemu ignored;

	return life_of(session, ledger, NULL, &ignored);
}

bool session_alive(const struct session *session, const struct ledger *ledger)
{
	return session_life(session, ledger) != LIFE_GONE;
}

static bool is_same(const struct ledger *ledger, const struct ledger *other)
{
	return !strcasecmp(ledger->uuid, other->uuid) && !strcmp(ledger->token, other->token);
}

static bool is_alive(const struct session *session, struct ledger *ledger,
		     const struct session_about *about, const struct liveness_files *files)
{
	enum session_life life;

	/* If in doubt, it counts as alive */
	if (ledger->foreign_version || (about->own && !strcasecmp(ledger->uuid, about->own)))
		return true;
	life = life_of(session, ledger, files, &ledger->qemu);
	if (about->released && is_same(ledger, about->released))
		return !about->force && (life == LIFE_RUNS || life == LIFE_IS_STARTED);
	return life != LIFE_GONE;
}

static void find_living(struct session *session, const struct session_about *about)
{
	const struct session_about none = { 0 };
	struct liveness_files files = { 0 };
	bool listed = session->ledgers.n > 1 && liveness_files_read(session->kfs, &files) == 0;
	size_t i;

	for (i = 0; i < session->ledgers.n; i++)
		session->ledgers.list[i]->alive = is_alive(session, session->ledgers.list[i],
							   about ? about : &none,
							   listed ? &files : NULL);
	liveness_files_free(&files);
}

/* ---- the accounts ---- */

/* Without them the next operation goes by the ledgers alone */
static void write_accounts(struct session *session, const struct accounts *before)
{
	struct err err;

	if (accounts_write(&session->state, session->boot_id, before, &session->accounts, &err) < 0)
		log_warning("%s", err.text);
}

static void apply_accounts(struct session *session)
{
	accounts_apply(session->kfs, &session->ledgers, &session->host, &session->accounts,
		       &session->late);
}

/* The pools and whose pages they are, when all ledgers are as their files say.
 * @write: write down what is new in the accounts */
static int account_pools(struct session *session, bool write, struct err *err)
{
	struct accounts before;
	int rc = view_account(session->kfs, &session->ledgers, &session->host, err);

	if (rc < 0)
		return rc;
	accounts_read(&session->state, session->boot_id, &session->accounts);
	if (accounts_copy(&before, &session->accounts) < 0 ||
	    accounts_note(&session->ledgers, &session->host, &session->accounts) < 0)
		rc = err_nomem(err);
	if (rc == 0)
		apply_accounts(session);
	if (rc == 0 && write)
		write_accounts(session, &before);
	accounts_free(&before);
	return rc;
}

void session_learn(struct session *session)
{
	struct accounts before;

	if (accounts_copy(&before, &session->accounts) < 0)
		return;
	accounts_learn(&session->host, &session->accounts);
	write_accounts(session, &before);
	accounts_free(&before);
	/* A debt that was paid has nothing late in it */
	apply_accounts(session);
}

/* ---- the host ---- */

static int read_all(struct session *session, bool change, struct err *err)
{
	int rc;

	forget(session);
	rc = ledger_boot_id(session->kfs, session->boot_id, err);
	if (rc == 0 && session->state.guestsfd >= 0)
		rc = ledgers_read(&session->state, change, &session->ledgers, err);
	if (rc == 0)
		rc = view_read(session->kfs, &session->host, err);
	return rc < 0 ? rc : put_former_aside(session, err);
}

int session_lock(struct session *session, uint64_t deadline, const struct session_about *about,
		 struct err *err)
{
	int rc = state_lock(&session->state, deadline, err);

	if (rc < 0)
		return rc;
	rc = read_all(session, true, err);
	if (rc == 0) {
		warn_of_unreadable(session);
		confirm_all(session);
		find_living(session, about);
		rc = account_pools(session, true, err);
	}
	if (rc < 0)
		session_unlock(session);
	return rc;
}

int session_confirm(struct session *session, uint64_t deadline, struct err *err)
{
	int rc = state_lock(&session->state, deadline, err);

	if (rc < 0)
		return rc;
	rc = read_all(session, false, err);
	if (rc == 0)
		confirm_all(session);
	else
		session_unlock(session);
	return rc;
}

int session_read_stores(struct session *session, struct err *err)
{
	int rc = 0;

	if (session->stores)
		rc = view_stores(session->kfs, session->config, &session->ledgers, session->guest,
				 &session->host, err);
	if (rc < 0)
		return rc;
	view_thp(session->kfs, &session->host);
	view_overcommit(session->kfs, session->config, &session->host);
	return 0;
}

int session_read(struct session *session, struct err *err)
{
	int rc = read_all(session, false, err);

	if (rc < 0)
		return rc;
	find_living(session, NULL);
	rc = account_pools(session, false, err);
	return rc < 0 ? rc : session_read_stores(session, err);
}

int session_read_most(struct session *session, struct err *why, struct err *err)
{
	int rc = session_read(session, why);

	if (rc < 0) {
		session->stores = false;
		rc = session_read(session, err);
	}
	return rc;
}

/* ---- the view, brought up to date ---- */

/* @ledger stands for its copy from the file.  Return: false if it is among the ledgers itself */
static bool replace_copy(struct session *session, const struct ledger *ledger)
{
	struct ledger *copy = ledgers_find_uuid(&session->ledgers, ledger->uuid);

	if (copy && copy != ledger) {
		ledgers_take(&session->ledgers, copy);
		ledger_free(copy);
	}
	return copy != ledger;
}

int session_account(struct session *session, struct ledger *more, struct err *err)
{
	struct ledgers alone = { .n = 1, .list = &more };
	int rc;

	if (more && !replace_copy(session, more))
		more = NULL;
	view_forget_ledgers(&session->host);
	rc = view_account(session->kfs, &session->ledgers, &session->host, err);
	if (rc == 0 && more)
		rc = view_account(session->kfs, &alone, &session->host, err);
	if (rc == 0)
		apply_accounts(session);
	return rc;
}

int session_renew(struct session *session, struct ledger *more, struct err *err)
{
	int rc = view_read_nodes(session->kfs, &session->host, err);

	return rc < 0 ? rc : session_account(session, more, err);
}

int session_refresh(struct session *session, struct err *err)
{
	struct host_view host;
	int rc = view_read(session->kfs, &host, err);

	if (rc < 0)
		return rc;
	host.unread = session->host.unread;
	view_free(&session->host);
	session->host = host;
	rc = session_account(session, NULL, err);
	return rc < 0 ? rc : session_read_stores(session, err);
}
