// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The plan that prepare would carry out, without a change.
 */
#include "lifecycle/dry_run.h"

#include <errno.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/text.h"
#include "config/config.h"
#include "guest/guest.h"
#include "kernel/kfs.h"
#include "lifecycle/guest_policy.h"
#include "lifecycle/liveness.h"
#include "lifecycle/next_start.h"
#include "lifecycle/session.h"
#include "lifecycle/step_run.h"
#include "lifecycle/view.h"
#include "lifecycle/view_thp.h"
#include "policy/guest_notes.h"
#include "policy/refusal.h"
#include "policy/store_rules.h"
#include "steps/steps.h"

static int nothing(struct dry_run *result, const char *why)
{
	snprintf(result->nothing, sizeof(result->nothing), "%s", why);
	return 0;
}

/* The plan of a guest with a reservation */
static int plan_reserved(struct session *session, const struct guest *guest,
			 const struct guest_policy *policy, const struct ledger *own,
			 struct dry_run *result, struct err *err)
{
	int rc = next_start_survey(session, guest, NULL, err);

	if (rc < 0)
		return rc;
	view_hold(own, &session->host);
	rc = plan_make(guest, &session->host, policy, &result->plan, err);
	if (rc < 0)
		return rc;
	if (step_list_held(&result->plan.list).reserved < step_list_held(&own->list).pages)
		plan_note(&result->plan,
			  "some of what is reserved for the guest does not fit it any "
			  "more: that is given back");
	return 0;
}

static int decide(struct session *session, const struct guest *guest,
		  const struct guest_policy *policy, struct dry_run *result, struct err *err)
{
	struct ledger *own = NULL;
	bool held;
	int rc = guest_policy_own(session, guest, &own, err);

	if (rc < 0)
		return rc;
	if (rc == OWN_RUNNING)
		return nothing(result, "it is running, and a QEMU that runs has what it needs");
	if (rc == OWN_SAME_START)
		return nothing(result, "this start is prepared already");
	if (rc == OWN_RESERVED) {
		rc = plan_reserved(session, guest, policy, own, result, err);
		if (rc != -ENOSPC)
			return rc;
		rc = session_refresh(session, err);
		if (rc < 0)
			return rc;
	}
	held = own && own->alive;
	rc = next_start_survey(session, guest, own, err);
	if (rc < 0)
		return rc;
	rc = plan_make(guest, &session->host, policy, &result->plan, err);
	if (rc == 0 && held)
		plan_note(&result->plan, "the guest is prepared already: what it holds is given "
					 "back before the next start is prepared");
	return rc;
}

/* Memory that is no multiple of its pages takes a whole page more */
static void note_waste(const struct guest *guest, const struct host_view *host, struct plan *plan)
{
	char size[TEXT_KIB_SIZE], page[TEXT_KIB_SIZE], waste[TEXT_KIB_SIZE];
	size_t i;

	for (i = 0; i < guest->n_memory; i++) {
		const struct guest_memory *memory = &guest->memory[i];
		uint64_t page_kib = memory->hugepages ? host_view_page_kib(host, memory) : 0;
		uint64_t over = page_kib ? memory->size_kib % page_kib : 0;
		char part[GUEST_PART_SIZE];

		/* Less than a percent is not worth a line */
		if (!over || (page_kib - over) < memory->size_kib / 100)
			continue;
		plan_note(plan,
			  "its memory%s (%s) is no multiple of %s: %s of its huge pages stay "
			  "unused",
			  guest_memory_part(memory, part), text_from_kib(memory->size_kib, size),
			  text_from_kib(page_kib, page), text_from_kib(page_kib - over, waste));
	}
}

/* A program that steps need and that does not answer: the start would be refused for it */
static void note_silence(const struct session *session, const struct decided *decided,
			 struct plan *plan)
{
	struct err why;

	if (plan->list.n && steps_ask(&decided->needs, session->state.dirfd, &why) < 0)
		plan_note(plan, "the start would be refused now: %s", why.text);
}

static int plan_on_host(const struct kfs *kfs, const struct guest *guest,
			const struct decided *decided, struct dry_run *result, struct err *err)
{
	char why[PLAN_NOTE_SIZE];
	struct session session;
	int rc = session_open(&session, kfs, SESSION_READ, err);

	if (rc < 0)
		return err_prefix(err, rc, "guest '%s'", guest->name);
	session.stores = plan_needs_stores(&decided->needs);
	session.config = decided->config;
	session.guest = guest;
	rc = session_read(&session, err);
	if (rc == 0)
		rc = decide(&session, guest, &decided->policy, result, err);
	if (rc == 0 && result->plan.list.n && decided->policy.hugepages.manage)
		note_waste(guest, &session.host, &result->plan);
	if (rc == 0 && step_list_doubt(&result->plan.list, &session.host, why, sizeof(why)))
		plan_note(&result->plan, "%s", why);
	if (rc == 0)
		step_run_foresee(&session, &result->plan.list);
	if (rc == 0)
		note_silence(&session, decided, &result->plan);
	session_close(&session);
	return rc;
}

/* @policy: NULL where no configuration was asked */
static void why_nothing(const struct guest *guest, const struct guest_policy *policy,
			struct dry_run *run)
{
	enum ksm_gain gain = ksm_rules_gain(guest, !policy || policy->ksm_allowed);
	const char *asks = "it asks for neither huge pages nor file-backed memory";
	const char *ksm = "this kernel has no KSM";

	if (guest_asks_for_hugepages(guest))
		asks = "its huge pages are not managed (manage = no)";
	if (gain != KSM_GAINS)
		ksm = ksm_rules_why(gain);
	else if (!policy || !policy->ksm.manage)
		ksm = "KSM is left alone ([ksm] manage = no)";
	else if (policy->ksm.enable == KSM_NEVER)
		ksm = "KSM is not to be switched on (enable = never)";
	run->plan.ksm = gain;
	/* Obvious for huge pages */
	if (gain == KSM_GAIN_HUGEPAGES)
		snprintf(run->nothing, sizeof(run->nothing), "%s", asks);
	else
		snprintf(run->nothing, sizeof(run->nothing), "%s; %s", asks, ksm);
}

/* Nothing is prepared for a guest with a memfd if THP is not managed, and no line logged at
 * its start.  plan shows it all the same */
static void note_obstacles(const struct kfs *kfs, const struct guest *guest,
			   const struct plan_needs *needs, struct plan *plan)
{
	struct host_view host = { 0 };
	struct config *config = NULL;
	struct guest_policy policy;
	bool known = config_load(kfs->rootfd, &config, NULL) == 0 &&
		     config_for_guest(config, guest, &policy, NULL) == 0;

	view_thp(kfs, &host);
	plan_note_obstacles(guest, known ? &policy : NULL, &host, needs, plan);
	config_free(config);
}

/* The start needs nothing of ours, but would fail all the same.  A guest that runs has started.
 * @yet: Result: an obstacle that may be gone once libvirt has started */
static int refuse(const struct kfs *kfs, const struct guest *guest, bool manage, struct err *yet,
		  struct err *err)
{
	struct host_view host = { 0 };
	enum refusal found;
	struct err why;
	int rc;

	if (liveness_qemu(kfs, guest->name, NULL))
		return 0;
	rc = view_read(kfs, &host, err);
	if (rc < 0)
		return rc;
	found = refusal_find(guest, &host, manage, NULL, &why);
	view_free(&host);
	if (found == REFUSAL_MOUNT_YET)
		*yet = why;
	if (!found || found == REFUSAL_MOUNT_YET)
		return 0;
	return err_set(err, ENODEV, "%s", why.text);
}

int dry_run(const struct kfs *kfs, const struct guest *guest, struct dry_run *result,
	    struct err *err)
{
	cleanup_with(decided_free) struct decided decided = { 0 };
	struct dry_run run = { 0 };
	struct err yet = { 0 };
	int rc = 0;

	if (!guest_policy_asks(kfs, guest)) {
		rc = refuse(kfs, guest, true, &yet, err);
		why_nothing(guest, NULL, &run);
		note_obstacles(kfs, guest, &decided.needs, &run.plan);
	} else {
		rc = guest_policy_decide(kfs, guest, false, &decided, err);
		if (rc < 0)
			return err_prefix(err, rc, "guest '%s'", guest->name);
		/* plan_make() asks where it plans pages or files */
		if (!plan_needs_essential(&decided.needs))
			rc = refuse(kfs, guest, decided.policy.hugepages.manage, &yet, err);
		if (rc == 0 && plan_needs_any(&decided.needs))
			rc = plan_on_host(kfs, guest, &decided, &run, err);
		if (rc == 0)
			note_obstacles(kfs, guest, &decided.needs, &run.plan);
		if (rc == 0 && !run.plan.list.n && !*run.nothing)
			why_nothing(guest, &decided.policy, &run);
	}
	if (rc < 0) {
		plan_free(&run.plan);
		return rc;
	}
	if (*yet.text)
		plan_note(&run.plan, "%s", yet.text);
	guest_notes_add(guest, &run.plan);
	*result = run;
	return 0;
}
