// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What each of the hook's operations does.
 */
#include "lifecycle/hook_operations.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/text.h"
#include "config/config.h"
#include "guest/guest.h"
#include "guest/guest_files.h"
#include "guest/guest_parse.h"
#include "kernel/kfs.h"
#include "lifecycle/adoption.h"
#include "lifecycle/apply.h"
#include "lifecycle/counters.h"
#include "lifecycle/daemon_conf.h"
#include "lifecycle/guest_policy.h"
#include "lifecycle/ledger.h"
#include "lifecycle/leftovers.h"
#include "lifecycle/qemu_files.h"
#include "lifecycle/qemu_memory.h"
#include "lifecycle/reconcile.h"
#include "lifecycle/refusals.h"
#include "lifecycle/session.h"
#include "lifecycle/state.h"
#include "lifecycle/view.h"
#include "lifecycle/view_stores.h"
#include "lifecycle/view_survey.h"
#include "policy/guest_notes.h"
#include "policy/ksm_rules.h"
#include "policy/plan.h"
#include "policy/store_rules.h"
#include "steps/store_step.h"
#include "steps/take_over.h"

/* For what a guest is better off with and can do without: it must not wait long for
 * another one's huge pages */
#define EXTRA_LOCK_MS 10000

static void cleanup_ledger(struct ledger **ledger)
{
	ledger_free(*ledger);
}

static void cleanup_session(struct session *session)
{
	session_close(session);
}

static void cleanup_plan(struct plan *plan)
{
	plan_free(plan);
}

/* ---- prepare ---- */

/**
 * give_back_old() - Give back what an earlier start of this guest left behind
 * @debt:	Steps of which something is still in use: no reason
 *		to keep the guest from starting.  Its next ledger takes them over
 */
static int give_back_old(struct session *session, const struct guest *guest, struct ledger *old,
			 struct step_list *debt, struct err *err)
{
	int rc = reconcile_ledger(session, old, UNDO_RELEASE, err);

	if (reconcile_waits(rc)) {
		log_info("%s", err->text);
		*debt = old->list;
		old->list = (struct step_list){ 0 };
		rc = 0;
	}
	if (rc < 0)
		return err_prefix(err, rc, "guest '%s' has not given back what it held before",
				  guest->name);
	ledgers_take(&session->ledgers, old);
	ledger_free(old);
	/* The guest's room in a store is free now, or the store was unmounted */
	return session_read_stores(session, err);
}

/**
 * decide_own_ledger() - What to do about the guest's own ledger before the plan
 * @reserved:	Set to a reservation by hand, which the start takes over.  NULL: it is given back
 * @debt:	As give_back_old()
 * Return: 1 if there is nothing to do at all, 0 to go on, or -errno
 */
static int decide_own_ledger(struct session *session, const struct guest *guest,
			     struct ledger **reserved, struct step_list *debt, struct err *err)
{
	struct ledger *own;
	int rc = guest_policy_own(session, guest, &own, err);

	if (rc < 0 || rc == OWN_NONE)
		return rc < 0 ? rc : 0;
	if (rc == OWN_RUNNING)
		log_warning("a QEMU of this guest is running already: nothing is changed");
	if (rc == OWN_RUNNING || rc == OWN_SAME_START)
		return 1;
	if (rc == OWN_RESERVED && reserved) {
		*reserved = own;
		return 0;
	}
	return give_back_old(session, guest, own, debt, err);
}

/* The ledger of this start */
static void fill_ledger(const struct session *session, const struct guest *guest,
			const struct plan *plan, struct ledger *ledger)
{
	snprintf(ledger->uuid, sizeof(ledger->uuid), "%s", guest->uuid);
	snprintf(ledger->name, sizeof(ledger->name), "%s", guest->name);
	snprintf(ledger->boot_id, sizeof(ledger->boot_id), "%s", session->boot_id);
	ledger->phase = LEDGER_PREPARED;
	ledger->alive = true;
	ledger->id = guest->id;
	ledger->driver = liveness_driver(session->kfs);
	ledger->reserving = (struct process){ 0 };
	snprintf(ledger->no_ksm, sizeof(ledger->no_ksm), "%s", ksm_rules_word(plan->ksm));
}

/* A guest's definition can have many of them */
#define LOG_NOTES_MAX 8

struct note_log {
	size_t n;
};

static void log_guest_note(enum guest_note kind, const char *text, void *data)
{
	struct note_log *log = data;

	if (log->n++ >= LOG_NOTES_MAX)
		return;
	switch (kind) {
	case GUEST_NOTE_REFUSED:
	case GUEST_NOTE_UNSHARED:
	case GUEST_NOTE_PRIVATE:
		log_warning("%s", text);
		break;
	case GUEST_NOTE_EXTRA:
	case GUEST_NOTE_LATER:
	case GUEST_NOTE_DOUBT:
	case GUEST_NOTE_DRAFT:
		log_info("%s", text);
		break;
	}
}

static void log_notes(const struct guest *guest, const struct plan *plan)
{
	struct note_log log = { 0 };
	size_t i;

	guest_notes(guest, log_guest_note, &log);
	if (log.n > LOG_NOTES_MAX)
		log_info("%zu more notes on its definition: virt-membacking plan shows them",
			 log.n - LOG_NOTES_MAX);
	for (i = 0; i < plan->n_notes; i++)
		log_info("%s", plan->notes[i]);
}

/* Where the guest's memory will lie is not certain */
static void log_doubt(const struct session *session, const struct plan *plan)
{
	char why[PLAN_NOTE_SIZE];

	if (step_list_doubt(&plan->list, &session->host, why, sizeof(why)))
		log_warning("%s", why);
}

static void finish(struct session *session, const struct ledger *ledger, uint64_t deadline)
{
	const struct step_after after = { session->kfs, &session->host.numa, deadline };

	session_unlock(session);
	step_list_afterwards(&after, &ledger->list);
}

/**
 * carry_out() - Apply the plan
 * @reserved:	By hand, or NULL.  The start begins with it, and what is too much of it is given
 *		back first: that may be the room for the rest
 */
static int carry_out(struct session *session, const struct guest *guest, struct plan *plan,
		     struct ledger *reserved, struct step_list *debt, uint64_t deadline,
		     struct err *err)
{
	bool uncovers = step_list_uncovers(&plan->list);
	cleanup_with(cleanup_ledger) struct ledger *ledger = reserved;
	size_t held;
	int rc;

	log_doubt(session, plan);
	log_notes(guest, plan);
	if (!reserved && !plan->list.n)
		return 0;
	if (reserved)
		ledgers_take(&session->ledgers, reserved);
	else
		ledger = calloc(1, sizeof(*ledger));
	if (!ledger)
		return err_nomem(err);
	held = ledger->list.n;
	if (steps_append(&ledger->list, &plan->list) < 0)
		return err_nomem(err);
	fill_ledger(session, guest, plan, ledger);
	rc = apply_undo(session, ledger, steps_take_over(&ledger->list, held), err);
	if (rc == -EAGAIN)
		log_info("%s", err->text);
	if (rc < 0 && rc != -EAGAIN)
		return rc;
	if (steps_append(&ledger->list, debt) < 0)
		return err_nomem(err);
	rc = apply_ledger(session, ledger, deadline, err);
	/* Left by an earlier boot */
	if (rc == 0 && uncovers)
		leftovers_remove(session);
	if (rc == 0)
		finish(session, ledger, deadline);
	return rc;
}

/* File systems have the room of what was just removed a moment later.
 * @own: reserved by hand, or NULL */
static int make_plan(struct session *session, const struct guest *guest,
		     const struct decided *decided, const struct ledger *own, struct plan *plan,
		     struct err *err)
{
	int tries, rc;

	for (tries = 0;; tries++) {
		if (own)
			view_hold(own, &session->host);
		view_survey_start(session->kfs, guest, &session->host);
		rc = plan_make(guest, &session->host, &decided->policy, plan, err);
		if (rc != -ENOSPC || !plan_needs_stores(&decided->needs) ||
		    tries == STORE_ADMIT_TRIES)
			return rc;
		clock_sleep_ms(STORE_ADMIT_WAIT_MS);
		rc = session_read_stores(session, err);
		if (rc < 0)
			return rc;
	}
}

/* This hook waited for its turn so long that its libvirt is gone, and with it the start that it
 * was called for.  The guest may have been started again since */
static int check_not_late(const struct session *session, const struct guest *guest, struct err *err)
{
	struct process driver;

	if (!liveness_driver_runs(session->kfs, &driver) ||
	    !liveness_is_older(session->kfs, &driver))
		return 0;
	return err_set(err, ECANCELED,
		       "guest '%s': libvirt was restarted since it began this start: nothing is "
		       "prepared",
		       guest->name);
}

static int try_once(struct session *session, const struct guest *guest,
		    const struct decided *decided, struct err *err)
{
	cleanup_with(step_list_free) struct step_list debt = { 0 };
	cleanup_with(cleanup_plan) struct plan plan = { 0 };
	struct ledger *reserved = NULL;
	uint64_t begin, deadline;
	int rc;

	rc = reconcile_begin(session, clock_ms() + session->lock_deadline_ms, NULL, guest->uuid,
			     err);
	if (rc < 0)
		return rc;
	rc = check_not_late(session, guest, err);
	if (rc < 0)
		return rc;
	begin = clock_ms();
	deadline = begin + decided->policy.hook.deadline_ms;
	rc = decide_own_ledger(session, guest, &reserved, &debt, err);
	if (rc)
		return rc < 0 ? rc : 0;
	rc = make_plan(session, guest, decided, reserved, &plan, err);
	/* Reserved pages may have another size, and be in the way */
	if (rc == -ENOSPC && reserved) {
		rc = give_back_old(session, guest, reserved, &debt, err);
		reserved = NULL;
		if (rc == 0)
			rc = make_plan(session, guest, decided, NULL, &plan, err);
	}
	if (rc == 0)
		rc = carry_out(session, guest, &plan, reserved, &debt, deadline, err);
	if (rc == 0)
		log_event(LOG_EVENT_PREPARED, "prepared in %llu ms",
			  (unsigned long long)(clock_ms() - begin));
	return rc;
}

/* Pages of guests that are gone may be missing here, if one round did not reach them */
static int decide_and_do(struct session *session, const struct guest *guest,
			 const struct decided *decided, struct err *err)
{
	uint64_t until = 0;
	int rc;

	do {
		session_unlock(session);
		rc = try_once(session, guest, decided, err);
		if (!until)
			until = clock_ms() + decided->policy.hook.deadline_ms;
	} while (rc == -ENOSPC && session->report.left.guests && clock_left_ms(until));
	return rc;
}

/* A guest that needs nothing of us still gives back what it left behind itself,
 * and others' leftovers if the lock is free.  On most hosts there is neither */
static int prepare_nothing(const struct event *event, const struct guest *guest)
{
	cleanup_with(cleanup_session) struct session session = { 0 };
	cleanup_with(step_list_free) struct step_list debt = { 0 };
	uint64_t deadline = 0;
	struct err err;
	int rc;

	if (state_is_empty(event->kfs->rootfd))
		return 0;
	if (session_open(&session, event->kfs, SESSION_CHANGE, &err) < 0)
		return 0;
	if (state_has(&session.state, guest->uuid))
		deadline = clock_ms() + session.lock_deadline_ms;
	rc = reconcile_begin(&session, deadline, NULL, guest->uuid, &err);
	if (rc == 0)
		rc = check_not_late(&session, guest, &err);
	if (rc == 0)
		rc = decide_own_ledger(&session, guest, NULL, &debt, &err);
	if (rc < 0 && rc != -EAGAIN)
		log_warning("%s", err.text);
	return 0;
}

static bool can_do_without(const struct decided *decided)
{
	return !plan_needs_essential(&decided->needs);
}

static int prepare(const struct event *event, const struct guest *guest, struct decided *decided,
		   struct counters *counters, struct err *err)
{
	cleanup_with(cleanup_session) struct session session = { 0 };
	int rc = session_open(&session, event->kfs, SESSION_CREATE, err);

	if (rc < 0)
		return err_prefix(err, rc, "guest '%s'", guest->name);
	session.tally = &counters->steps;
	/* A guest with a record waits for the lock in full: the record has to be given back */
	session.lock_deadline_ms = decided->policy.hook.lock_deadline_ms;
	if (can_do_without(decided) && !state_has(&session.state, guest->uuid))
		session.lock_deadline_ms = u64_min(session.lock_deadline_ms, EXTRA_LOCK_MS);
	if (plan_needs_stores(&decided->needs)) {
		/* Another start may find the file changed */
		if (daemon_conf_keep(event->kfs, err) < 0)
			log_warning("%s", err->text);
		session.config = decided->config;
		session.stores = true;
		session.guest = guest;
	}
	/* A daemon may have to be started for the answer: not while others wait for the lock */
	rc = plan_refuse(guest, &decided->needs, err);
	if (rc == 0)
		rc = steps_ask(&decided->needs, session.state.dirfd, err);
	if (rc < 0)
		return err_prefix(err, rc, "guest '%s'", guest->name);
	return decide_and_do(&session, guest, decided, err);
}

/* A start that needs nothing is not counted: nothing is written for it */
static int prepare_guest(const struct event *event, const struct guest *guest,
			 struct counters *counters, bool *needed, struct err *err)
{
	cleanup_with(decided_free) struct decided decided = { 0 };
	int rc;

	*needed = guest_policy_asks(event->kfs, guest);
	if (!*needed)
		return prepare_nothing(event, guest);
	rc = guest_policy_decide(event->kfs, guest, true, &decided, err);
	if (rc < 0)
		return err_prefix(err, rc, "guest '%s'", guest->name);
	*needed = plan_needs_any(&decided.needs);
	if (!*needed)
		return prepare_nothing(event, guest);
	rc = prepare(event, guest, &decided, counters, err);
	if (rc < 0 && can_do_without(&decided)) {
		log_warning("nothing was done for KSM and transparent huge pages: %s", err->text);
		return 0;
	}
	return rc;
}

static int prepare_parsed(const struct event *event, const struct guest *guest, struct err *err)
{
	struct counters counters = { 0 };
	uint64_t begin = clock_ms();
	bool needed;
	int rc = prepare_guest(event, guest, &counters, &needed, err);

	if (needed)
		counters_note_start(&counters, rc, clock_ms() - begin);
	counters_add(event->kfs, &counters, true);
	if (rc < 0)
		refusals_note(event->kfs, guest->uuid, guest->name, err->text);
	else
		refusals_forget(event->kfs, guest->uuid);
	return rc;
}

/* Makes no state directory for a definition that can't be read */
static void count_unread(const struct event *event, int rc)
{
	struct counters counters = { 0 };

	counters_note_start(&counters, rc, 0);
	counters_add(event->kfs, &counters, false);
}

int hook_prepare(const struct event *event, struct err *err)
{
	cleanup_guest struct guest *guest = NULL;
	int rc;

	if (!event->xml)
		return err_set(err, EINVAL, "libvirt gave no domain XML for guest '%s'",
			       event->guest_name);
	rc = guest_parse(event->xml, event->xml_len, &guest, err);
	if (rc == 0)
		log_uuid(guest->uuid);
	if (rc == 0)
		rc = guest_files_find(event->kfs, guest, err);
	if (rc == 0)
		return prepare_parsed(event, guest, err);
	count_unread(event, rc);
	return err_prefix(err, rc, "guest '%s'", event->guest_name);
}

/* ---- the others ---- */

/* The ledger of the guest with this name, without taking the lock */
static int find_by_name(const struct state *state, const char *name, struct ledger **ledger,
			struct err *err)
{
	struct ledgers ledgers;
	struct ledger *found;
	int rc = ledgers_read(state, false, &ledgers, err);

	if (rc < 0)
		return rc;
	found = ledgers_find_name(&ledgers, name);
	if (found)
		ledgers_take(&ledgers, found);
	ledgers_free(&ledgers);
	*ledger = found;
	return found ? 0 : -ENOENT;
}

/* By the UUID in the guest's XML; by its name where that can't be read: whatever the XML has
 * become, what the guest held must be given back.  A name is never taken for a UUID: it may
 * be that of another guest */
static int find_ledger(const struct event *event, const struct state *state, struct ledger **ledger,
		       struct err *err)
{
	cleanup_guest struct guest *guest = NULL;
	struct err why = { "libvirt gave no domain XML" };

	if (event->xml && guest_parse(event->xml, event->xml_len, &guest, &why) == 0) {
		log_uuid(guest->uuid);
		return ledger_read(state, guest->uuid, ledger, err);
	}
	log_warning("%s; looking for the guest by its name", why.text);
	return find_by_name(state, event->guest_name, ledger, err);
}

/* The ledger's directory and the guest's ledger.  Return: 0, or -ENOENT (silent) */
static int open_ledger(const struct event *event, struct session *session, struct ledger **ledger,
		       struct err *err)
{
	int rc;

	if (state_is_empty(event->kfs->rootfd))
		return -ENOENT;
	rc = session_open(session, event->kfs, SESSION_CHANGE, err);
	if (rc < 0)
		return rc;
	rc = find_ledger(event, &session->state, ledger, err);
	if (rc == 0 && (*ledger)->foreign_version)
		return err_set(err, EEXIST,
			       "the record was written by another version of libvirt-membacking "
			       "and is left alone");
	return rc;
}

/* Does the call belong to an earlier start of the guest than its ledger?  libvirt may be gone
 * by the time its hook has its turn, and the guest be started anew */
static bool is_late(const struct event *event, const struct ledger *ledger)
{
	if (!liveness_is_older(event->kfs, &ledger->driver))
		return false;
	log_info("libvirt was restarted since it called, and the guest started: its later record "
		 "is left alone");
	return true;
}

/* When libvirt says that a guest has ended its QEMU is gone, or can't be ended: then it has
 * its memory, and what it held goes back when it is gone */
static bool has_not_ended(const struct event *event, const struct ledger *ledger)
{
	if (ledger->phase == LEDGER_LEAVING || ledger->phase == LEDGER_RESERVED ||
	    !liveness_qemu(event->kfs, ledger->name, NULL))
		return false;
	log_info("a QEMU of the guest runs: what it holds is given back when that has ended");
	return true;
}

/* Does the ledger still have to be marked so? */
static bool is_wanted(const struct event *event, enum ledger_phase phase,
		      const struct ledger *ledger)
{
	return !is_late(event, ledger) &&
	       (phase != LEDGER_LEAVING || !has_not_ended(event, ledger));
}

/* Return: also -EALREADY if the ledger is left as it is, in @ledger nonetheless */
static int mark(const struct event *event, enum ledger_phase phase, struct session *session,
		struct ledger **ledger, struct err *err)
{
	cleanup_with(cleanup_ledger) struct ledger *found = NULL;
	int rc = open_ledger(event, session, &found, err);

	if (rc < 0)
		return rc;
	if (is_wanted(event, phase, found))
		return ledger_mark(&session->state, found, phase, ledger, err);
	*ledger = found;
	found = NULL;
	return -EALREADY;
}

/* There is no ledger, or it is left alone */
static int none_is_fine(int rc)
{
	return rc == -ENOENT || rc == -EALREADY || rc == -ESTALE ? 0 : rc;
}

/* A claim does not bind the kernel: a guest without a binding can take pages that
 * were grown for another one.  Nothing can be done about it now, but the administrator
 * will wonder why a guest is slow, or has too few */
static void log_placement(const struct kfs *kfs, const struct ledger *ledger)
{
	struct qemu_memory mapped = { 0 };
	char text[TEXT_PAGES_SIZE];
	pid_t pid = 0;
	size_t i;

	if (!step_list_has_size(&ledger->list, 0) || !liveness_qemu(kfs, ledger->name, &pid) ||
	    !pid)
		return;
	if (qemu_memory_mapped(kfs, pid, CLOCK_NEVER, &mapped) < 0)
		return;
	for (i = 0; i < mapped.n; i++) {
		const struct qemu_pages *pages = &mapped.list[i];
		uint64_t promised =
			step_list_pages(&ledger->list, pages->page_kib, pages->node).promised;

		if (pages->pages > promised && step_list_has_size(&ledger->list, pages->page_kib))
			log_warning(
				"%s lie on node %u, where %llu were prepared for this guest: the "
				"others may have been meant for another one",
				text_from_pages(pages->pages, pages->page_kib, text), pages->node,
				(unsigned long long)promised);
	}
	qemu_memory_free(&mapped);
}

/* Steps that need the running QEMU.  What comes of it is in the ledger */
static void start_steps(const struct kfs *kfs, const struct state *state, struct ledger *ledger)
{
	struct step_guest guest = {
		.state_dir = state->dirfd,
		.uuid = ledger->uuid,
		.name = ledger->name,
	};
	struct err err;

	if (!step_list_has_started(&ledger->list))
		return;
	if (!liveness_qemu(kfs, ledger->name, &guest.pid) || !guest.pid)
		log_warning("the QEMU of the guest is not seen");
	else if (step_list_started(&guest, &ledger->list) &&
		 ledger_save_found(state, ledger, &err) < 0)
		log_warning("%s", err.text);
}

/* Other programs that have something of the guest's hear of its end before the host lock is taken
 */
static void end_steps(const struct state *state, const struct ledger *ledger)
{
	const struct step_guest guest = {
		.state_dir = state->dirfd,
		.uuid = ledger->uuid,
		.name = ledger->name,
	};

	step_list_ended(&guest, &ledger->list);
}

int hook_started(const struct event *event, struct err *err)
{
	cleanup_with(cleanup_session) struct session session = { 0 };
	cleanup_with(cleanup_ledger) struct ledger *ledger = NULL;
	int rc = mark(event, LEDGER_RUNNING, &session, &ledger, err);

	if (rc == 0) {
		log_placement(event->kfs, ledger);
		qemu_files_note(event->kfs, &session.state, ledger);
		start_steps(event->kfs, &session.state, ledger);
	}
	return none_is_fine(rc);
}

int hook_stopped(const struct event *event, struct err *err)
{
	cleanup_with(cleanup_session) struct session session = { 0 };
	cleanup_with(cleanup_ledger) struct ledger *ledger = NULL;

	return none_is_fine(mark(event, LEDGER_LEAVING, &session, &ledger, err));
}

int hook_release(const struct event *event, struct err *err)
{
	cleanup_with(cleanup_ledger) struct ledger *ledger = NULL;
	cleanup_with(cleanup_session) struct session session = { 0 };
	struct reconcile_options options = { .force = true };
	uint64_t begin = clock_ms();
	int rc = open_ledger(event, &session, &ledger, err);

	if (rc < 0)
		return none_is_fine(rc);
	if (is_late(event, ledger) || has_not_ended(event, ledger))
		return 0;
	end_steps(&session.state, ledger);
	options.only = ledger;
	rc = reconcile(&session, &options, err);
	if (rc == 0)
		log_event(LOG_EVENT_RELEASED, "released in %llu ms",
			  (unsigned long long)(clock_ms() - begin));
	/* The next operation gives back what is in use for a little longer */
	if (rc == -EAGAIN)
		log_info("%s", err->text);
	return rc == -EAGAIN ? 0 : rc;
}

int hook_reconnect(const struct event *event, struct err *err)
{
	cleanup_with(cleanup_session) struct session session = { 0 };
	cleanup_with(cleanup_ledger) struct ledger *ledger = NULL;
	cleanup_guest struct guest *guest = NULL;
	int rc = mark(event, LEDGER_RUNNING, &session, &ledger, err);

	if (rc == 0) {
		qemu_files_note(event->kfs, &session.state, ledger);
		start_steps(event->kfs, &session.state, ledger);
	}
	/* An empty one may be of a version that knew of nothing to hold */
	if (rc != -ENOENT && rc != -EALREADY && (rc < 0 || ledger->list.n))
		return none_is_fine(rc);
	if (rc == -EALREADY && ledger->list.n)
		return 0;
	rc = guest_parse(event->xml, event->xml_len, &guest, err);
	if (rc < 0)
		return rc;
	session_close(&session);
	rc = session_open(&session, event->kfs, SESSION_CREATE, err);
	if (rc == 0)
		rc = adoption_of(&session, guest, err);
	return rc == -EEXIST ? 0 : rc;
}
