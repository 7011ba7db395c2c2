// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Which guest is meant, and whether it may be given back.
 */
#include "lifecycle/release.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/err.h"
#include "lifecycle/ledger.h"
#include "lifecycle/reconcile.h"
#include "lifecycle/session.h"

/* What a ledger holds is unknown: all that can be done is to forget it */
static int give_up(struct session *session, const char *uuid, struct reconciled_guest *result,
		   struct err *err)
{
	int rc = state_lock(&session->state, clock_ms() + session->lock_deadline_ms, err);

	if (rc == 0)
		rc = ledger_give_up(&session->state, uuid, err);
	state_unlock(&session->state);
	result->complete = rc == 0;
	snprintf(
		result->why, sizeof(result->why),
		"its record could not be read and is removed; pages added for it stay in the pools");
	return rc;
}

static int give_back(struct session *session, const struct ledger *ledger, bool force,
		     struct reconciled_guest *result, struct err *err)
{
	const struct reconcile_options options = { .only = ledger, .force = force };
	int rc = reconcile(session, &options, err);

	result->complete = rc == 0;
	if (!reconcile_waits(rc))
		return rc;
	snprintf(result->why, sizeof(result->why), "%.*s", (int)sizeof(result->why) - 1, err->text);
	return 0;
}

static int release_ledger(struct session *session, const struct ledger *ledger, bool force,
			  struct reconciled_guest *result, struct err *err)
{
	snprintf(result->name, sizeof(result->name), "%s", ledger->name);
	snprintf(result->uuid, sizeof(result->uuid), "%s", ledger->uuid);
	if (!ledger->foreign_version)
		return give_back(session, ledger, force, result, err);
	if (force)
		return give_up(session, ledger->uuid, result, err);
	return ledger_other_version(ledger, err);
}

static int release_damaged(struct session *session, const struct damaged_ledger *damaged,
			   bool force, struct reconciled_guest *result, struct err *err)
{
	snprintf(result->uuid, sizeof(result->uuid), "%s", damaged->uuid);
	if (force)
		return give_up(session, damaged->uuid, result, err);
	return err_set(err, EINVAL,
		       "%.1024s; repair it, or give up what it holds with: virt-membacking release "
		       "%s --force",
		       damaged->why.text, damaged->uuid);
}

static int find_and_release(struct session *session, const struct ledgers *ledgers,
			    const char *guest, bool force, struct reconciled_guest *result,
			    struct err *err)
{
	const struct ledger *ledger = ledgers_find(ledgers, guest);
	size_t i;

	if (ledger)
		return release_ledger(session, ledger, force, result, err);
	for (i = 0; i < ledgers->n_damaged; i++)
		if (!strcasecmp(ledgers->damaged[i].uuid, guest))
			return release_damaged(session, &ledgers->damaged[i], force, result, err);
	return err_set(err, ENOENT,
		       "guest '%.256s' holds nothing (virt-membacking status lists those that do)",
		       guest);
}

int release_guest(struct session *session, const char *guest, bool force,
		  struct reconciled_guest *result, struct err *err)
{
	struct reconciled_guest found = { 0 };
	struct ledgers ledgers;
	int rc = ledgers_read(&session->state, false, &ledgers, err);

	if (rc < 0)
		return rc;
	rc = find_and_release(session, &ledgers, guest, force, &found, err);
	ledgers_free(&ledgers);
	if (rc == 0)
		*result = found;
	return rc;
}
