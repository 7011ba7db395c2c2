// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Applying the steps of a ledger, and taking back what failed.
 */
#include "lifecycle/apply.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/lock.h"
#include "base/log.h"
#include "lifecycle/ledger.h"
#include "lifecycle/reconcile.h"
#include "lifecycle/session.h"
#include "lifecycle/step_run.h"

/* If libvirt's driver died meanwhile, another operation may have given back what we hold: the
 * pages are gone then, and only they know how many.  The guest may even have been started
 * again, and have a later ledger */
static int still_ours(struct step_run *run, struct err *err)
{
	const struct ledger *found = ledgers_find_uuid(&run->session->ledgers, run->ledger->uuid);

	if (found && !strcmp(found->token, run->ledger->token) &&
	    found->phase == run->ledger->phase &&
	    found->reserving.pid == run->ledger->reserving.pid &&
	    found->reserving.start == run->ledger->reserving.start)
		return 0;
	return err_set(err, ECANCELED,
		       "guest '%s' was released by another operation while its memory was being "
		       "prepared",
		       run->ledger->name);
}

/* All is read anew: what other guests were promised meanwhile, and whether the ledger is still
 * ours */
static int lock_again(struct step_run *run, struct err *err)
{
	struct session *session = run->session;
	int rc = reconcile_begin(session, clock_ms() + session->lock_deadline_ms, run->ledger->uuid,
				 NULL, err);

	return rc < 0 ? rc : still_ours(run, err);
}

static int pause_run(struct step_ctx *ctx, void (*work)(void *arg), void *arg, struct err *err)
{
	struct step_run *run = step_run_of(ctx);

	session_unlock(run->session);
	if (work)
		work(arg);
	else
		clock_sleep_ms(LOCK_TURN_MS);
	return lock_again(run, err);
}

static void begin_run(struct step_run *run, struct session *session, struct ledger *ledger,
		      uint64_t deadline)
{
	step_run_begin(run, session, ledger, deadline);
	run->ctx.pause = pause_run;
}

/* A failure may have been that of taking the lock again */
static int lock_for_undo(struct step_run *run)
{
	struct err err;
	int rc;

	if (run->session->state.lockfd >= 0)
		return 0;
	rc = lock_again(run, &err);
	if (rc < 0)
		log_error("%s; what was prepared is given back by the next operation", err.text);
	return rc;
}

int apply_ledger(struct session *session, struct ledger *ledger, uint64_t deadline, struct err *err)
{
	struct err ignored;
	struct step_run run;
	int rc = ledger_create(&session->state, ledger, err);

	if (rc < 0)
		return rc;
	begin_run(&run, session, ledger, deadline);
	rc = step_list_apply(&run.ctx, &ledger->list, 0, err);
	/* Cancelled: the operation that released the guest has the ledger */
	if (rc == 0 || rc == -ECANCELED || lock_for_undo(&run) < 0)
		return rc;
	if (reconcile_ledger(session, ledger, UNDO_ROLLBACK, &ignored) < 0)
		log_warning("%s", ignored.text);
	return rc;
}

int apply_missing(struct session *session, struct ledger *ledger, uint64_t deadline,
		  struct err *err)
{
	struct step_run run;
	size_t i;
	int rc = 0;

	begin_run(&run, session, ledger, deadline);
	for (i = 0; rc == 0 && i < ledger->list.n; i++) {
		struct step *step = &ledger->list.steps[i];
		const struct step_ops *ops = step_ops(step->kind);

		if (!ops->complete(step))
			rc = ops->apply(&run.ctx, step, err);
	}
	return rc;
}

int apply_undo(struct session *session, struct ledger *ledger, size_t first, struct err *err)
{
	struct step_run run;
	int rc;

	if (first == ledger->list.n)
		return 0;
	session_confirm_ledger(session, ledger);
	step_list_drop_promises(&ledger->list, first);
	begin_run(&run, session, ledger, 0);
	rc = step_run_save(&run, err);
	if (rc == 0)
		rc = session_account(session, ledger, err);
	if (rc < 0)
		return rc;
	rc = step_list_undo(&run.ctx, &ledger->list, first, UNDO_ROLLBACK, err);
	session_learn(session);
	return rc;
}

int apply_more(struct session *session, struct ledger *ledger, size_t first, uint64_t deadline,
	       struct err *err)
{
	struct err ignored;
	struct step_run run;
	int rc;

	begin_run(&run, session, ledger, deadline);
	rc = step_run_save(&run, err);
	if (rc == 0)
		rc = step_list_apply(&run.ctx, &ledger->list, first, err);
	if (rc == 0 || rc == -ECANCELED || lock_for_undo(&run) < 0)
		return rc;
	if (apply_undo(session, ledger, first, &ignored) < 0)
		log_warning("%s", ignored.text);
	return rc;
}
