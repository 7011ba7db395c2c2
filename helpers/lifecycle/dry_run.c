// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lifecycle/dry_run.h"

#include <errno.h>
#include <stdio.h>

#include "base/err.h"
#include "guest/guest.h"
#include "kernel/kfs.h"
#include "lifecycle/decide.h"
#include "lifecycle/round.h"
#include "lifecycle/state.h"
#include "lifecycle/view.h"

static void add_note(struct plan *plan, const char *text)
{
	if (plan->n_notes < PLAN_NOTES_MAX)
		snprintf(plan->notes[plan->n_notes++], PLAN_NOTE_SIZE, "%s", text);
}

static int nothing(struct dry_run *result, const char *why)
{
	snprintf(result->nothing, sizeof(result->nothing), "%s", why);
	return 0;
}

/* prepare settles the guest's own ledger even if it looks alive */
static int without_own(struct round *round, struct ledger *own, struct err *err)
{
	if (!own->alive)
		return 0;
	own->alive = false;
	return round_refresh(round, err);
}

static int decide(struct round *round, const struct guest *guest, const struct guest_policy *policy,
		  struct dry_run *result, struct err *err)
{
	struct ledger *own = NULL;
	bool held;
	int rc = decide_own(round, guest, &own, err);

	if (rc < 0)
		return rc;
	if (rc == OWN_RUNNING)
		return nothing(result, "it is running, and a QEMU that runs has what it needs");
	if (rc == OWN_SAME_START)
		return nothing(result, "this start is prepared already");
	held = own && own->alive;
	rc = own ? without_own(round, own, err) : 0;
	if (rc < 0)
		return rc;
	view_settle(round->kfs, &round->ledgers, &round->host);
	rc = plan_make(guest, &round->host, policy, &result->plan, err);
	if (rc == 0 && held)
		add_note(&result->plan, "the guest is prepared already: what it holds is given "
					"back before the next start is prepared");
	return rc;
}

static int look(const struct kfs *kfs, const struct guest *guest, const struct decided *decided,
		struct dry_run *result, struct err *err)
{
	struct state state = STATE_CLOSED;
	struct round round;
	int rc = state_open(kfs->rootfd, false, &state, err);

	if (rc < 0 && rc != -ENOENT)
		return err_prefix(err, rc, "guest '%s'", guest->name);
	round_init(&round, kfs, &state, 0);
	if (decided->needs.store) {
		round.config = decided->config;
		round.guest = guest;
	}
	rc = round_look(&round, err);
	if (rc == 0)
		rc = decide(&round, guest, &decided->policy, result, err);
	round_free(&round);
	state_close(&state);
	return rc;
}

int dry_run(const struct kfs *kfs, const struct guest *guest, struct dry_run *result,
	    struct err *err)
{
	__attribute__((cleanup(decided_free))) struct decided decided = { 0 };
	struct dry_run run = { 0 };
	int rc = 0;

	if (!decide_asks(guest)) {
		nothing(&run, "it asks for neither huge pages nor file-backed memory");
	} else {
		rc = decide_policy(kfs, guest, false, &decided, err);
		if (rc < 0)
			return err_prefix(err, rc, "guest '%s'", guest->name);
		if (decided.needs.hugepages || decided.needs.store)
			rc = look(kfs, guest, &decided, &run, err);
		else
			nothing(&run, "its huge pages are not managed (manage = no)");
	}
	if (rc == 0)
		*result = run;
	return rc;
}
