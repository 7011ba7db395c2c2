// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * DOC: three turns
 *
 * With the lock the guest is admitted and its ledger written.  Without it the pager is asked, which
 * takes as long as it takes.  Where that fails, the lock is taken once more to put the ledger back,
 * if it is still the one of this guest's start.
 */
#include "lifecycle/overcommit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "guest/guest.h"
#include "lifecycle/adoption.h"
#include "lifecycle/apply.h"
#include "lifecycle/ledger.h"
#include "lifecycle/liveness.h"
#include "lifecycle/reconcile.h"
#include "lifecycle/session.h"
#include "memory/smaps.h"
#include "pager/client.h"
#include "policy/overcommit_rules.h"
#include "steps/take_over.h"

/* Pages are loaded at a GiB a second or more; a release that takes longer can be asked again */
#define RELEASE_MS 600000

/**
 * struct job - One guest's
 * @pid:	Its QEMU
 * @step:	As it shall be
 * @before:	As it was: nothing promised if it was not under the pager
 * @only_change: It must be
 * @token:	Of the ledger
 */
struct job {
	struct session *session;
	const struct guest *guest;
	struct guest_policy policy;
	pid_t pid;
	struct step_overcommit step;
	struct step_overcommit before;
	bool only_change;
	char token[LEDGER_TOKEN_SIZE];
};

/* ---- without the lock ---- */

static int find_qemu(struct job *job, struct err *err)
{
	if (liveness_qemu(job->session->kfs, job->guest->name, &job->pid) && job->pid)
		return 0;
	return err_set(err, ESRCH, "guest '%s' does not run", job->guest->name);
}

static int decide(struct job *job, const struct config_amount *resident, struct err *err)
{
	const struct config *config = job->session->config;
	struct config_overcommit *overcommit = &job->policy.overcommit;
	int rc = config_check_section(config, job->guest, "overcommit", err);

	if (rc == 0)
		rc = config_for_guest(config, job->guest, &job->policy, err);
	if (rc < 0)
		return rc;
	if (!overcommit->enable)
		return err_set(err, EINVAL,
			       "no guest is paged while [overcommit] says enable = no");
	overcommit->resident = *resident;
	rc = overcommit_rules_guest(job->guest, err);
	if (rc == 0)
		rc = overcommit_rules_fill(job->guest, overcommit, &job->step, err);
	if (rc == 0)
		return overcommit_rules_no_limit(job->guest, err);
	return rc < 0 ? rc : find_qemu(job, err);
}

/* ---- with the lock ---- */

static int lock(struct job *job, struct err *err)
{
	struct session *session = job->session;

	return reconcile_begin(session, clock_ms() + session->lock_deadline_ms, job->guest->uuid,
			       NULL, err);
}

/* A guest that was started without the hooks has none yet */
static int make_ledger(struct job *job, struct ledger **ledger, struct err *err)
{
	struct session *session = job->session;
	int rc = adoption_of(session, job->guest, err);

	if (rc == 0)
		rc = ledger_read(&session->state, job->guest->uuid, ledger, err);
	if (rc == 0 && ledgers_add(&session->ledgers, *ledger) < 0) {
		ledger_free(*ledger);
		rc = err_nomem(err);
	}
	if (rc == 0)
		(*ledger)->alive = true;
	return rc;
}

static int find_ledger(struct job *job, struct ledger **ledger, struct err *err)
{
	const struct err *damaged = ledgers_damaged(&job->session->ledgers, job->guest->uuid);

	if (damaged)
		return err_set(err, EINVAL, "guest '%s': %.1024s", job->guest->name, damaged->text);
	*ledger = ledgers_find_uuid(&job->session->ledgers, job->guest->uuid);
	if (!*ledger)
		return make_ledger(job, ledger, err);
	if ((*ledger)->foreign_version)
		return ledger_other_version(*ledger, err);
	if ((*ledger)->phase != LEDGER_RUNNING)
		return err_set(err, ESRCH, "guest '%s' is being started or stopped",
			       job->guest->name);
	return 0;
}

/* Its own promise is no reason to refuse it another */
static int count_others(struct job *job, struct ledger *ledger, struct err *err)
{
	int rc;

	ledger->alive = false;
	rc = session_account(job->session, NULL, err);
	ledger->alive = true;
	return rc;
}

static const struct step_store *files_of(const struct ledger *ledger)
{
	const struct step_store *files = NULL;
	size_t i;

	for (i = 0; !files && i < ledger->list.n; i++)
		files = step_files(&ledger->list.steps[i]);
	return files;
}

static int admit(struct job *job, struct ledger *ledger, struct err *err)
{
	const struct host_view *host = &job->session->host;
	uint64_t taken = 0;
	int rc = overcommit_rules_host(job->guest, host, files_of(ledger), &job->policy.thp, err);

	if (rc == 0)
		rc = count_others(job, ledger, err);
	if (rc < 0)
		return rc;
	if (smaps_read_resident(job->session->kfs, job->pid, &taken, NULL) < 0)
		taken = 0;
	return overcommit_rules_admit(&job->step, taken, host, &job->policy.overcommit,
				      job->guest->name, err);
}

static void change_promise(struct step_overcommit *to, const struct step_overcommit *from)
{
	to->size_kib = from->size_kib;
	to->resident_kib = from->resident_kib;
	to->headroom_kib = from->headroom_kib;
	to->tiers_kib = from->tiers_kib;
}

/* Into its ledger, as a new step or in place of what the step there says */
static int write_down(struct job *job, struct ledger *ledger, struct err *err)
{
	struct step_overcommit *there = step_list_paging(&ledger->list);
	struct step more = { .kind = STEP_OVERCOMMIT, .overcommit = job->step };
	struct step_list one = { 1, &more };
	size_t before = ledger->list.n;

	if (there) {
		job->before = *there;
		change_promise(there, &job->step);
	} else {
		/* It copies the step, and frees the list that it came in */
		one.steps = malloc(sizeof(more));
		if (!one.steps)
			return err_nomem(err);
		*one.steps = more;
		if (steps_append(&ledger->list, &one) < 0) {
			free(one.steps);
			return err_nomem(err);
		}
	}
	return apply_more(job->session, ledger, before, CLOCK_NEVER, err);
}

static int promise(struct job *job, struct err *err)
{
	struct ledger *ledger = NULL;
	int rc = lock(job, err);

	if (rc == 0)
		rc = find_ledger(job, &ledger, err);
	if (rc == 0 && job->only_change && !step_list_paging(&ledger->list))
		rc = err_set(err, ENOENT,
			     "guest '%s' is not under the pager: virt-membacking overcommit adopt "
			     "puts it there",
			     job->guest->name);
	if (rc == 0)
		rc = admit(job, ledger, err);
	if (rc == 0)
		rc = write_down(job, ledger, err);
	if (rc == 0)
		snprintf(job->token, sizeof(job->token), "%s", ledger->token);
	session_unlock(job->session);
	return rc;
}

/* ---- the step, taken out ---- */

/* Steps are undone from one on: it is put behind the others */
static int take_out(struct session *session, struct ledger *ledger, struct err *err)
{
	struct step_overcommit *there = step_list_paging(&ledger->list);
	struct step_list *list = &ledger->list;
	struct step ours;
	size_t i;

	for (i = 0; i < list->n && &list->steps[i].overcommit != there; i++)
		;
	if (i == list->n)
		return 0;
	ours = list->steps[i];
	memmove(&list->steps[i], &list->steps[i + 1], (list->n - i - 1) * sizeof(ours));
	list->steps[list->n - 1] = ours;
	return apply_undo(session, ledger, list->n - 1, err);
}

/* As it was before promise() */
static int put_back(struct job *job, struct err *err)
{
	struct ledger *ledger;
	int rc = lock(job, err);

	if (rc < 0)
		return rc;
	ledger = ledgers_find_uuid(&job->session->ledgers, job->guest->uuid);
	if (ledger && !ledger->foreign_version && !strcmp(ledger->token, job->token)) {
		if (job->before.resident_kib) {
			change_promise(step_list_paging(&ledger->list), &job->before);
			rc = apply_more(job->session, ledger, ledger->list.n, CLOCK_NEVER, err);
		} else {
			rc = take_out(job->session, ledger, err);
		}
	}
	session_unlock(job->session);
	return rc;
}

/* ---- both ---- */

static int ask_pager(struct job *job, struct err *err)
{
	const struct step_guest guest = {
		.state_dir = job->session->state.dirfd,
		.uuid = job->guest->uuid,
		.name = job->guest->name,
		.pid = job->pid,
		.quiet = true,
	};
	struct ledger *ledger = ledgers_find_uuid(&job->session->ledgers, job->guest->uuid);
	const struct step_overcommit *there;
	struct err why;

	step_list_started(&guest, &ledger->list);
	there = step_list_paging(&ledger->list);
	if (!there->paged)
		return err_set(err, EIO, "guest '%s' %s: %s", job->guest->name,
			       job->before.paged ? "keeps the limit that it has" : "is not paged",
			       there->failure);
	if (ledger_save_found(&job->session->state, ledger, &why) < 0)
		log_warning("%s", why.text);
	return 0;
}

static int put(struct job *job, const struct config_amount *resident, struct err *err)
{
	struct err why;
	int rc = decide(job, resident, err);

	if (rc == 0)
		rc = step_ops(STEP_OVERCOMMIT)->ask(job->session->state.dirfd, err);
	if (rc == 0)
		rc = promise(job, err);
	if (rc < 0)
		return rc;
	rc = ask_pager(job, err);
	if (rc < 0 && put_back(job, &why) < 0)
		log_warning("%s", why.text);
	return rc;
}

int overcommit_put(struct session *session, const struct guest *guest,
		   const struct config_amount *resident, struct err *err)
{
	struct job job = { .session = session, .guest = guest };

	return put(&job, resident, err);
}

int overcommit_change(struct session *session, const struct guest *guest,
		      const struct config_amount *resident, struct err *err)
{
	struct job job = { .session = session, .guest = guest, .only_change = true };

	return put(&job, resident, err);
}

/* Only a guest that was never paged can be taken out without its pager */
static int load_all(struct session *session, const struct guest *guest, struct err *err)
{
	struct ledger *ledger = NULL;
	const struct step_overcommit *there = NULL;
	bool paged = true;
	int rc = ledger_read(&session->state, guest->uuid, &ledger, err);

	if (rc == 0 && !ledger->foreign_version)
		there = step_list_paging(&ledger->list);
	if (there)
		paged = there->paged || !*there->failure;
	ledger_free(ledger);
	if (rc < 0 && rc != -ENOENT)
		return rc;
	if (!there)
		return err_set(err, ENOENT, "guest '%s' is not under the pager", guest->name);
	rc = pager_release(session->state.dirfd, guest->uuid, RELEASE_MS, err);
	if (!paged)
		return 0;
	return err_prefix(err, rc, "guest '%s' stays under the pager", guest->name);
}

int overcommit_take(struct session *session, const struct guest *guest, struct err *err)
{
	struct job job = { .session = session, .guest = guest };
	struct ledger *ledger;
	int rc = load_all(session, guest, err);

	if (rc == 0)
		rc = lock(&job, err);
	if (rc < 0)
		return rc;
	ledger = ledgers_find_uuid(&session->ledgers, guest->uuid);
	if (ledger && !ledger->foreign_version)
		rc = take_out(session, ledger, err);
	session_unlock(session);
	return rc;
}
