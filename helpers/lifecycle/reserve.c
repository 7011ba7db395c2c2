// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Pages that a person reserves before a start.
 */
#include "lifecycle/reserve.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "guest/guest.h"
#include "lifecycle/apply.h"
#include "lifecycle/guest_policy.h"
#include "lifecycle/ledger.h"
#include "lifecycle/liveness.h"
#include "lifecycle/reconcile.h"
#include "lifecycle/session.h"
#include "lifecycle/view.h"
#include "lifecycle/view_survey.h"
#include "process/interrupts.h"
#include "steps/take_over.h"

/**
 * struct reservation - One while it is made
 * @ledger:	What the guest holds and what is added
 * @existed:	It had a ledger before: that is what a failure leaves
 * @before:	How many steps it had
 */
struct reservation {
	struct session *session;
	const struct guest *guest;
	struct decided decided;
	struct plan plan;
	struct ledger *ledger;
	bool existed;
	size_t before;
};

static void cleanup_reservation(struct reservation *r)
{
	decided_free(&r->decided);
	plan_free(&r->plan);
	ledger_free(r->ledger);
}

/* ---- may it be ---- */

static int decide(struct reservation *r, struct err *err)
{
	const struct guest *guest = r->guest;
	int rc = 0;

	if (guest_policy_asks(r->session->kfs, guest))
		rc = guest_policy_decide(r->session->kfs, guest, false, &r->decided, err);

	if (rc < 0)
		return err_prefix(err, rc, "guest '%s'", guest->name);
	if (plan_needs_ahead(&r->decided.needs))
		return 0;
	return err_set(err, EINVAL, "there is nothing to reserve for guest '%s': %s", guest->name,
		       guest_asks_for_hugepages(guest) ?
			       "its huge pages are not managed (manage = no)" :
			       "it asks for no huge pages");
}

static int being_reserved(const struct ledger *own, struct err *err)
{
	return err_set(err, EBUSY,
		       "another virt-membacking (PID %d) is reserving pages for guest '%s' at this "
		       "moment: wait until it has ended",
		       (int)own->reserving.pid, own->name);
}

static int being_started(const struct ledger *own, struct err *err)
{
	return err_set(err, EBUSY,
		       "guest '%s' is being started: wait until it runs; if it is not (a start "
		       "that was killed half-way looks the same), give back what it holds with: "
		       "virt-membacking release %s --force",
		       own->name, own->uuid);
}

/* The guest's own ledger, if it has one, and whether that may be changed */
static int find_own(const struct reservation *r, struct ledger **own, struct err *err)
{
	const struct session *session = r->session;
	struct ledger *found = ledgers_find_uuid(&session->ledgers, r->guest->uuid);
	const struct err *damaged = ledgers_damaged(&session->ledgers, r->guest->uuid);

	*own = NULL;
	if (damaged)
		return err_set(err, EINVAL, "guest '%s': %.1024s", r->guest->name, damaged->text);
	if (!found)
		return 0;
	if (found->foreign_version)
		return ledger_other_version(found, err);
	if (liveness_process(session->kfs, &found->reserving))
		return being_reserved(found, err);
	*own = found;
	return 0;
}

/* ---- the ledger ---- */

static struct ledger *new_ledger(const struct reservation *r)
{
	struct ledger *ledger = calloc(1, sizeof(*ledger));

	if (!ledger)
		return NULL;
	snprintf(ledger->uuid, sizeof(ledger->uuid), "%s", r->guest->uuid);
	snprintf(ledger->boot_id, sizeof(ledger->boot_id), "%s", r->session->boot_id);
	ledger->id = r->guest->id;
	ledger->driver = liveness_driver(r->session->kfs);
	return ledger;
}

/* @own: the guest's, which is taken out of the session's, or NULL */
static int open_ledger(struct reservation *r, struct ledger *own, enum ledger_phase phase,
		       struct err *err)
{
	r->existed = own;
	if (own)
		ledgers_take(&r->session->ledgers, own);
	r->ledger = own ? own : new_ledger(r);
	if (!r->ledger)
		return err_nomem(err);
	/* A guest may be renamed */
	snprintf(r->ledger->name, sizeof(r->ledger->name), "%s", r->guest->name);
	r->ledger->phase = phase;
	r->ledger->alive = true;
	r->ledger->reserving = liveness_self(r->session->kfs);
	r->before = r->ledger->list.n;
	/* A hook of an earlier start must not take this for what it was called for */
	return phase == LEDGER_RESERVED || !own ?
		       ledger_create(&r->session->state, r->ledger, err) :
		       0;
}

/* ---- growing ---- */

static int interrupted(const struct reservation *r, struct err *err)
{
	return err_set(err, EINTR, "interrupted: nothing has changed for guest '%s'",
		       r->guest->name);
}

/* Nothing came of it.  What is left is given back by the next operation */
static void forget(struct reservation *r)
{
	struct err why;
	int rc;

	if (r->session->state.lockfd < 0)
		return;
	r->ledger->reserving = (struct process){ 0 };
	if (!r->existed && r->ledger->phase == LEDGER_RESERVED)
		r->ledger->phase = LEDGER_LEAVING;
	if (!r->existed && !r->ledger->list.n)
		rc = ledger_remove(&r->session->state, r->ledger, &why);
	else if (r->ledger->phase == LEDGER_RUNNING)
		rc = ledger_save_running(&r->session->state, r->ledger, &why);
	else
		rc = ledger_write(&r->session->state, r->ledger, &why);
	if (rc < 0)
		log_warning("%s", why.text);
}

/* The plan's steps, behind those that the guest has: a failure takes only these with it */
static int grow(struct reservation *r, struct err *err)
{
	int rc;

	if (steps_append(&r->ledger->list, &r->plan.list) < 0)
		return err_nomem(err);
	interrupts_catch();
	rc = apply_more(r->session, r->ledger, r->before, CLOCK_NEVER, err);
	if (rc == -ECANCELED && r->ledger->phase == LEDGER_RESERVED)
		return err_set(err, ECANCELED,
			       "guest '%s' was started or released meanwhile, with what was "
			       "reserved by then",
			       r->guest->name);
	if (rc == 0 || rc == -ECANCELED)
		return rc;
	forget(r);
	return clock_interrupted() ? interrupted(r, err) : rc;
}

static int finish(struct reservation *r, int rc, struct ledger **ledger, struct plan *plan)
{
	session_unlock(r->session);
	if (rc < 0)
		return rc;
	*ledger = r->ledger;
	*plan = r->plan;
	r->ledger = NULL;
	r->plan = (struct plan){ 0 };
	return 0;
}

static int make_plan(struct reservation *r, struct err *err)
{
	view_survey_start(r->session->kfs, r->guest, &r->session->host);
	return plan_make_pages(r->guest, &r->session->host, &r->decided.policy, &r->plan, err);
}

/* ---- ahead of a start ---- */

/* Pages of an earlier start that can't be given back yet stay in the ledger */
static int give_back_leftover(struct reservation *r, struct ledger **own, struct err *err)
{
	struct session *session = r->session;
	int rc = reconcile_ledger(session, *own, UNDO_RELEASE, err);

	if (reconcile_waits(rc)) {
		log_info("%s", err->text);
		return 0;
	}
	if (rc < 0)
		return rc;
	ledgers_take(&session->ledgers, *own);
	ledger_free(*own);
	*own = NULL;
	return 0;
}

static int own_for_start(struct reservation *r, struct ledger **own, struct err *err)
{
	int rc = find_own(r, own, err);

	if (rc < 0)
		return rc;
	if (liveness_qemu(r->session->kfs, r->guest->name, NULL))
		return err_set(err, EBUSY,
			       "guest '%s' is running, and has what its start needed; to plug a "
			       "device into it, say how much: virt-membacking reserve %s "
			       "--size SIZE --page-size SIZE",
			       r->guest->name, r->guest->uuid);
	if (!*own || (*own)->phase == LEDGER_RESERVED)
		return 0;
	if (session_alive(r->session, *own))
		return being_started(*own, err);
	return give_back_leftover(r, own, err);
}

/* A device or a file that the guest has besides is not for us to reserve */
static int only_hugepages(const struct guest *guest, struct guest *result, struct err *err)
{
	size_t i;

	*result = *guest;
	result->n_memory = 0;
	result->memory = calloc(guest->n_memory + 1, sizeof(*result->memory));
	if (!result->memory)
		return err_nomem(err);
	for (i = 0; i < guest->n_memory; i++)
		if (guest->memory[i].hugepages)
			result->memory[result->n_memory++] = guest->memory[i];
	return 0;
}

static int give_back_the_rest(struct reservation *r, struct err *err)
{
	size_t kept = steps_take_over(&r->ledger->list, r->before);
	struct err why;
	int rc;

	r->ledger->reserving = (struct process){ 0 };
	rc = ledger_write(&r->session->state, r->ledger, err);
	if (rc < 0)
		return rc;
	rc = apply_undo(r->session, r->ledger, kept, &why);
	if (rc < 0)
		log_warning("%s", why.text);
	return 0;
}

static int start_locked(struct reservation *r, struct err *err)
{
	struct ledger *own;
	int rc = own_for_start(r, &own, err);

	if (rc < 0)
		return rc;
	if (own)
		view_hold(own, &r->session->host);
	rc = make_plan(r, err);
	if (rc == 0)
		rc = open_ledger(r, own, LEDGER_RESERVED, err);
	if (rc < 0)
		return rc;
	rc = grow(r, err);
	return rc < 0 ? rc : give_back_the_rest(r, err);
}

int reserve_for_start(struct session *session, const struct guest *guest, struct ledger **ledger,
		      struct plan *plan, struct err *err)
{
	cleanup_with(cleanup_reservation) struct reservation r = { .session = session };
	struct guest filtered;
	int rc = only_hugepages(guest, &filtered, err);

	if (rc < 0)
		return rc;
	r.guest = &filtered;
	rc = decide(&r, err);
	if (rc == 0)
		rc = reconcile_begin(session, clock_ms() + session->lock_deadline_ms, guest->uuid,
				     NULL, err);
	if (rc == 0)
		rc = start_locked(&r, err);
	rc = finish(&r, rc, ledger, plan);
	free(filtered.memory);
	return rc;
}

/* ---- for a running guest ---- */

static int own_for_plug(struct reservation *r, struct ledger **own, struct err *err)
{
	int rc = find_own(r, own, err);

	if (rc < 0)
		return rc;
	if (!liveness_qemu(r->session->kfs, r->guest->name, NULL))
		return err_set(err, ESRCH,
			       "guest '%s' does not run: there is nothing to plug a device into; "
			       "what its start needs is reserved with: virt-membacking reserve %s",
			       r->guest->name, r->guest->uuid);
	if (*own && (*own)->phase == LEDGER_PREPARED)
		return being_started(*own, err);
	if (*own && (*own)->phase == LEDGER_LEAVING)
		return err_set(err, EBUSY, "guest '%s' has stopped, and gives back its memory now",
			       r->guest->name);
	return 0;
}

static int plug_locked(struct reservation *r, struct err *err)
{
	struct ledger *own;
	int rc = own_for_plug(r, &own, err);

	if (rc == 0)
		rc = make_plan(r, err);
	if (rc == 0)
		rc = open_ledger(r, own, LEDGER_RUNNING, err);
	if (rc == 0)
		rc = grow(r, err);
	if (rc < 0)
		return rc;
	r->ledger->reserving = (struct process){ 0 };
	return ledger_save_running(&r->session->state, r->ledger, err);
}

int reserve_for_plug(struct session *session, const struct guest *extra, struct ledger **ledger,
		     struct plan *plan, struct err *err)
{
	cleanup_with(cleanup_reservation) struct reservation r = { .session = session,
								   .guest = extra };
	int rc = decide(&r, err);

	if (rc == 0)
		rc = reconcile_begin(session, clock_ms() + session->lock_deadline_ms, extra->uuid,
				     NULL, err);
	if (rc == 0)
		rc = plug_locked(&r, err);
	return finish(&r, rc, ledger, plan);
}
