// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The one way in which anything is given back, by whatever operation.
 */
#include "lifecycle/reconcile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/text.h"
#include "lifecycle/leftovers.h"
#include "lifecycle/session.h"
#include "lifecycle/shared.h"
#include "lifecycle/step_run.h"

/* Others wait for the lock while a round lasts.  A guest that was begun is finished */
#define ROUND_MS 1000

/* Pages that are still in use at release are usually free a moment later */
#define WAIT_MS	       2000
#define FIRST_NAP_MS   20
#define LONGEST_NAP_MS 160

/* ---- one ledger ---- */

/* Nothing of a guest on its way out counts as promised to it any more */
static void drop_claims(struct session *session, struct ledger *ledger)
{
	struct err ignored;

	ledger->alive = false;
	if (ledger->phase == LEDGER_LEAVING)
		return;
	ledger->phase = LEDGER_LEAVING;
	if (ledger_write(&session->state, ledger, &ignored) < 0)
		log_warning("the record could not be marked: %s", ignored.text);
}

/* @ledger counts as dead in the session's view already */
static int give_back(struct session *session, struct ledger *ledger, enum undo_reason reason,
		     struct err *err)
{
	struct step_run run;
	int rc;

	drop_claims(session, ledger);
	step_run_begin(&run, session, ledger, 0);
	rc = step_list_undo(&run.ctx, &ledger->list, 0, reason, err);
	session_learn(session);
	return rc < 0 ? rc : ledger_remove(&session->state, ledger, err);
}

/* A setting that can't be put back yet fails no guest: the next operation tries again */
static void restore_shared(struct session *session)
{
	struct err *left = &session->report.shared_left, err;

	if (shared_put_back(session->kfs, &session->state, session->boot_id, &session->ledgers,
			    &err) == 0) {
		left->text[0] = '\0';
		return;
	}
	if (strcmp(left->text, err.text))
		log_warning("%s", err.text);
	*left = err;
}

int reconcile_ledger(struct session *session, struct ledger *ledger, enum undo_reason reason,
		     struct err *err)
{
	struct err ignored;
	int rc;

	session_confirm_ledger(session, ledger);
	drop_claims(session, ledger);
	rc = session_account(session, ledger, err);
	if (rc < 0)
		return rc;
	rc = give_back(session, ledger, reason, err);
	if (rc == 0)
		restore_shared(session);
	if (session_renew(session, ledger, &ignored) < 0)
		log_warning("%s", ignored.text);
	return rc;
}

/* ---- a round ---- */

/* Only files in a store outlive a reboot */
static int undo_after_boot(struct session *session, struct ledger *ledger, struct err *err)
{
	int result = 0;
	size_t i;

	for (i = 0; i < ledger->list.n; i++) {
		struct step *step = &ledger->list.steps[i];
		const struct step_ops *ops = step_ops(step->kind);
		struct err failure = { "" };
		int rc = ops->outlives_boot ? ops->outlives_boot(session->kfs, step, &failure) : 0;

		result = log_gravest(result, err, rc, &failure);
	}
	return result < 0 ? result : ledger_remove(&session->state, ledger, err);
}

static int drop_former(struct session *session, struct ledger *ledger, struct err *err)
{
	int rc;

	err->text[0] = '\0';
	rc = undo_after_boot(session, ledger, err);

	if (rc < 0)
		log_warning("%s", err->text);
	else
		log_event(LOG_EVENT_GONE, "was of an earlier boot: its record is removed");
	reconcile_report_guest(&session->report, ledger, rc == 0,
			       rc < 0 ? err->text : "its record was of an earlier boot");
	return rc;
}

/* Pages that are in use for a little longer are nothing to worry about */
static void log_outcome(int rc, const struct err *err)
{
	if (rc == 0)
		log_event(LOG_EVENT_GONE, "is gone: what it held is given back");
	else if (rc == -EAGAIN)
		log_info("is gone, but: %s", err->text);
	else
		log_warning("is gone, but: %s", err->text);
}

static int drop_dead(struct session *session, struct ledger *ledger, struct err *err)
{
	int rc;

	err->text[0] = '\0';
	rc = give_back(session, ledger, UNDO_RELEASE, err);
	if (rc == 0)
		err->text[0] = '\0';
	if (reconcile_report_guest(&session->report, ledger, rc == 0, err->text))
		log_outcome(rc, err);
	return rc;
}

static bool is_former(const struct session *session, const struct ledger *ledger)
{
	return strcmp(ledger->boot_id, session->boot_id) != 0;
}

/* Return: as reconcile_ledger(); @ledger is freed when it is 0 */
static int drop(struct session *session, struct ledger *ledger, struct err *err)
{
	/* Often it is another guest's start that does it */
	struct log_subject caller = log_subject_set(ledger->name, ledger->uuid);
	bool former = is_former(session, ledger);
	int rc = former ? drop_former(session, ledger, err) : drop_dead(session, ledger, err);

	log_subject_restore(&caller);
	if (rc < 0)
		return rc;
	ledgers_take(former ? &session->former : &session->ledgers, ledger);
	ledger_free(ledger);
	return 0;
}

/**
 * struct dead - The guests of a round, in the order in which they are come to
 * @n_new:	Those before it were not tried in an earlier round of this session
 */
struct dead {
	size_t n;
	size_t n_new;
	struct ledger **list;
};

static void add_dead(const struct ledgers *ledgers, bool all, struct dead *dead)
{
	size_t i;

	for (i = 0; i < ledgers->n; i++)
		if (all || !ledgers->list[i]->alive)
			dead->list[dead->n++] = ledgers->list[i];
}

/* Begins anywhere: what was left by an earlier operation is come to, whatever is in its way.
 * Return: where to begin */
static size_t any_place(size_t n)
{
	/* Knuth's multiplicative hash: operations follow each other at nearly equal intervals */
	return n ? (clock_ms() * UINT64_C(2654435761) >> 16) % n : 0;
}

enum turn { TURN_FIRST, TURN_NEW, TURN_TRIED, TURNS };

static enum turn turn_of(const struct session *session, const struct ledger *ledger,
			 const char *first)
{
	if (first && !strcasecmp(ledger->uuid, first))
		return TURN_FIRST;
	return reconcile_report_has(&session->report, ledger->uuid) ? TURN_TRIED : TURN_NEW;
}

static int find_dead(const struct session *session, const char *first, struct dead *dead,
		     struct err *err)
{
	size_t most = session->ledgers.n + session->former.n + 1, from, i, n = 0;
	struct dead found = { .list = calloc(most, sizeof(*found.list)) };
	int turn;

	dead->list = calloc(most, sizeof(*dead->list));
	if (!dead->list || !found.list) {
		free(found.list);
		return err_nomem(err);
	}
	add_dead(&session->former, true, &found);
	add_dead(&session->ledgers, false, &found);
	from = any_place(found.n);
	for (turn = 0; turn < TURNS; turn++) {
		if (turn == TURN_TRIED)
			dead->n_new = n;
		for (i = 0; i < found.n; i++) {
			struct ledger *ledger = found.list[(from + i) % found.n];

			if (turn_of(session, ledger, first) == (enum turn)turn)
				dead->list[n++] = ledger;
		}
	}
	dead->n = n;
	free(found.list);
	return 0;
}

/**
 * give_back_dead() - Give back, until the round's end
 * @first:	UUID of the guest whose turn is first; or NULL
 * @result:	What came of that one, with @err; 0 if it is not among the dead
 * Return: 1 if something may have changed, 0 if not, or -errno
 */
static int give_back_dead(struct session *session, const char *first, int *result, struct err *err)
{
	uint64_t deadline = clock_ms() + ROUND_MS;
	struct dead dead = { 0 };
	size_t i;
	int rc = find_dead(session, first, &dead, err);

	*result = 0;
	for (i = 0; rc == 0 && i < dead.n && (!i || clock_left_ms(deadline)); i++) {
		bool is_first = turn_of(session, dead.list[i], first) == TURN_FIRST;
		struct err why;
		int outcome = drop(session, dead.list[i], is_first ? err : &why);

		if (is_first)
			*result = outcome;
	}
	session->report.left.guests = i < dead.n_new ? dead.n_new - i : 0;
	free(dead.list);
	return rc < 0 ? rc : i > 0;
}

/* Return: as give_back_dead() */
static int give_back_all(struct session *session, const char *first, int *result, struct err *err)
{
	int rc = give_back_dead(session, first, result, err);

	if (rc >= 0)
		restore_shared(session);
	return rc;
}

int reconcile_begin(struct session *session, uint64_t deadline, const char *own, const char *first,
		    struct err *err)
{
	const struct session_about about = { .own = own };
	struct err ignored;
	int rc = session_lock(session, deadline, &about, err), result;

	if (rc < 0)
		return rc;
	rc = give_back_all(session, first, &result, &ignored);
	if (rc < 0)
		log_warning("%s", ignored.text);
	if (session->report.left.guests)
		log_warning("%zu guests that are gone are left to the next operation: others wait "
			    "for the host lock",
			    session->report.left.guests);
	rc = rc > 0 ? session_renew(session, NULL, err) : 0;
	if (rc == 0)
		rc = session_read_stores(session, err);
	if (rc < 0)
		session_unlock(session);
	return rc;
}

/* ---- rounds ---- */

/* Return: 0, or -EBUSY with what would help */
static int check_gone(const struct session *session, const struct ledger *ledger, struct err *err)
{
	switch (session_life(session, ledger)) {
	case LIFE_RUNS:
		return err_set(
			err, EBUSY,
			"guest '%s' is alive, its QEMU is running: shut it down, which gives "
			"back what it holds, or give that back regardless with: "
			"virt-membacking release %s --force",
			ledger->name, ledger->uuid);
	case LIFE_IS_STARTED:
		return err_set(err, EBUSY,
			       "guest '%s' is alive, libvirt is starting it; if it is not (a start "
			       "that was killed half-way looks the same), give back what it holds "
			       "with: virt-membacking release %s --force",
			       ledger->name, ledger->uuid);
	case LIFE_IS_RESERVED:
	case LIFE_GONE:
		break;
	}
	return 0;
}

/* Return: 1 if the guest can be given back, 0 if there is nothing to do, or -EBUSY */
static int check_only(const struct session *session, const struct reconcile_options *options,
		      struct err *err)
{
	const char *uuid = options->only->uuid;
	const struct ledger *ledger = ledgers_find_uuid(&session->ledgers, uuid);
	int rc;

	if (!ledger)
		return ledgers_find_uuid(&session->former, uuid) != NULL;
	if (strcmp(ledger->token, options->only->token) != 0) {
		log_info("guest '%s' was started again: its later record is left alone",
			 ledger->name);
		return 0;
	}
	rc = options->force ? 0 : check_gone(session, ledger, err);
	return rc < 0 ? rc : 1;
}

/* The stores are read after what was unmounted just now */
static int remove_leftovers(struct session *session, struct err *err)
{
	int rc;

	session->stores = true;
	rc = session_read_stores(session, err);
	if (rc == 0)
		leftovers_remove(session);
	return rc;
}

/* Others that are gone are given back also where @options->only may not be */
static int work(struct session *session, const struct reconcile_options *options, struct err *err)
{
	int may = options->only ? check_only(session, options, err) : 0, rc, result;
	const char *first = may > 0 ? options->only->uuid : NULL;
	struct err why;

	rc = give_back_all(session, first, &result, may < 0 ? &why : err);
	if (rc >= 0 && options->leftovers)
		rc = remove_leftovers(session, err);
	if (may < 0)
		return may;
	return rc < 0 ? rc : result;
}

/* Return: -EAGAIN if something is in use */
static int run_round(struct session *session, const struct reconcile_options *options,
		     struct err *err)
{
	const struct session_about about = { .released = options->only, .force = options->force };
	int rc = session_lock(session, clock_ms() + session->lock_deadline_ms, &about, err);

	if (rc < 0)
		return rc;
	rc = work(session, options, err);
	session_unlock(session);
	if (rc == 0 && !options->only && reconcile_report_waits(&session->report))
		return -EAGAIN;
	return rc;
}

static bool is_left(const struct session *session, const struct reconcile_options *options)
{
	const struct reconcile_left *left = &session->report.left;

	return !options->only && (left->guests || left->directories);
}

int reconcile(struct session *session, const struct reconcile_options *options, struct err *err)
{
	uint64_t limit = clock_ms() + options->limit_ms, patience = clock_ms() + WAIT_MS;
	uint64_t nap = FIRST_NAP_MS;
	int rc;

	for (;;) {
		rc = run_round(session, options, err);
		if ((rc == 0 || rc == -EAGAIN) && is_left(session, options) &&
		    clock_left_ms(limit)) {
			/* Pages in use were not waited for meanwhile */
			patience = clock_ms() + WAIT_MS;
			clock_sleep_ms(LOCK_TURN_MS);
		} else if (rc == -EAGAIN && clock_left_ms(patience)) {
			clock_sleep_ms(nap);
			nap = u64_min(2 * nap, LONGEST_NAP_MS);
		} else {
			break;
		}
	}
	reconcile_report_sort(&session->report);
	/* The report has what remains */
	return rc == -EAGAIN && !options->only ? 0 : rc;
}
