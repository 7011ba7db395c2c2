/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A session: one operation's way to the state directory, the configuration, the ledgers and
 * the host.
 *
 * DOC: the host is read once per lock
 *
 * A session is opened for reading or for change.  For reading, session_read() takes a
 * snapshot without the lock.  For change, session_lock() takes the host lock, reads the
 * ledgers, replaces what dead processes had under way by what the kernel says came of it,
 * tells the living from the dead, and reads the host: its pools, and what the QEMUs of living
 * guests have mapped.  That takes a while on a host with many guests, so it happens once per
 * lock.  What changes afterwards changes the view as well: steps keep the pools that they
 * change up to date, session_account() counts the ledgers again from what was read, and
 * session_renew() reads the counters, and nothing else, again.
 */
#ifndef MEMBACKING_LIFECYCLE_SESSION_H
#define MEMBACKING_LIFECYCLE_SESSION_H

#include "base/err.h"
#include "config/config.h"
#include "lifecycle/accounts.h"
#include "lifecycle/late_pages.h"
#include "lifecycle/ledger.h"
#include "lifecycle/reconcile_report.h"
#include "lifecycle/state.h"
#include "policy/host_view.h"

struct guest;
struct kfs;
struct step_tally;

/* For operations that read no configuration */
#define SESSION_LOCK_MS 120000

enum session_kind {
	SESSION_READ,	/* no lock and no change; without a state directory there are no ledgers */
	SESSION_CHANGE, /* the state directory is there: -ENOENT if it is not */
	SESSION_CREATE, /* it is made where it is missing */
};

/**
 * struct session - One operation's
 * @config:	NULL: not read.  session_configure() reads it; or the caller lends one
 * @stores:	Set by the caller: look at the stores of @config too
 * @guest:	Set by the caller: the guest that will be started, for its store.  Or NULL
 * @progress:	Set by the caller: called after each change of a ledger that is being prepared
 * @tally:	Set by the caller: what steps do is counted there.  Or NULL
 * @boot_id:	Of this boot
 * @ledgers:	Of this boot
 * @former:	Ledgers of earlier boots: nothing in them but files in stores is there any more
 * @late:	What accounts_apply() saw of other processes, for as long as the lock is held
 * @report:	What was given back in this session, and what was not
 */
struct session {
	const struct kfs *kfs;
	struct state state;
	uint64_t lock_deadline_ms;
	const struct config *config;
	struct config *own_config;
	bool stores;
	const struct guest *guest;
	void (*progress)(struct session *session, const struct ledger *ledger);
	void *progress_arg;
	struct step_tally *tally;
	char boot_id[LEDGER_BOOT_ID_SIZE];
	struct ledgers ledgers;
	struct ledgers former;
	struct host_view host;
	struct accounts accounts;
	struct late_files late;
	bool warned; /* of ledgers that can't be read */
	struct reconcile_report report;
};

/**
 * session_open() - Open the state directory
 *
 * To be closed by session_close() in any case.
 * Return: also -ENOENT with SESSION_CHANGE: no guest holds anything
 */
int session_open(struct session *session, const struct kfs *kfs, enum session_kind kind,
		 struct err *err);
void session_close(struct session *session);

/* Read the configuration; how long the lock is waited for is in it */
int session_configure(struct session *session, struct err *err);

/* session_open() and session_configure(), to look at stores too */
int session_open_with_stores(struct session *session, const struct kfs *kfs, enum session_kind kind,
			     struct err *err);

/**
 * struct session_about - Which guest a session is about
 * @own:	UUID whose ledger is the caller's own business: counts as alive.  Or NULL
 * @released:	A ledger, as it was read before, that is released by hand: counts as dead if it is
 *		a reservation, or @force, and not if it is a later one of the same guest.  Or NULL
 */
struct session_about {
	const char *own;
	const struct ledger *released;
	bool force;
};

/**
 * session_lock() - Take the host lock and read the host, but for its stores
 * @deadline:	clock_ms() for the lock; 0: don't wait (-EAGAIN)
 * @about:	NULL: all ledgers are judged alike
 *
 * Nothing is given back: see reconcile_begin().
 */
int session_lock(struct session *session, uint64_t deadline, const struct session_about *about,
		 struct err *err);

/**
 * session_confirm() - Take the host lock and replace what was under way by what came of it
 *
 * For programs that change pools on no guest's behalf, and may not be able to see which
 * processes there are.  @session->host has the kernel's side only.
 */
int session_confirm(struct session *session, uint64_t deadline, struct err *err);
void session_unlock(struct session *session);

/**
 * session_read() - A snapshot, without lock and without changing anything
 *
 * For status and plan.  Reading needs no root where the kernel allows it.
 */
int session_read(struct session *session, struct err *err);

/**
 * session_read_most() - session_read(), and without stores if those can't be read
 * @why:	Why they could not: then @session->host.stores_read is false, and there are none
 */
int session_read_most(struct session *session, struct err *why, struct err *err);

/* The stores and the rest of the view, once the pools are as they will be */
int session_read_stores(struct session *session, struct err *err);

/**
 * session_account() - Count the ledgers anew, after one of them has died or changed
 * @more:	A ledger to be counted beside the others, instead of its copy in @session; or NULL
 *
 * Reads the pools' counters, and a QEMU's mappings only if those are a second old.
 */
int session_account(struct session *session, struct ledger *more, struct err *err);

/* session_account(), and the nodes' memory too: after something was given back */
int session_renew(struct session *session, struct ledger *more, struct err *err);

/* Read all of the host again */
int session_refresh(struct session *session, struct err *err);

/* Write down what steps have found out of the accounts: pages kept, and pages that others added.
 * After the ledgers: a process that is killed in between leaves pages to the administrator
 * rather than counting them twice */
void session_learn(struct session *session);

enum session_life { LIFE_GONE, LIFE_RUNS, LIFE_IS_STARTED, LIFE_IS_RESERVED };

/* What the guest of @ledger does, as far as its locks tell */
enum session_life session_life(const struct session *session, const struct ledger *ledger);

/* Is the guest of @ledger alive? */
bool session_alive(const struct session *session, const struct ledger *ledger);

/* Replace changes that @ledger has under way by what the kernel says came of them.
 * Return: whether there were any */
bool session_confirm_ledger(struct session *session, struct ledger *ledger);

#endif
