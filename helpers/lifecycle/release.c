// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lifecycle/release.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/err.h"
#include "lifecycle/ledger.h"
#include "lifecycle/round.h"
#include "lifecycle/state.h"

/* What a ledger holds is unknown: all that can be done is to forget it */
static int give_up(struct round *round, const char *uuid, struct settled *settled, struct err *err)
{
	int rc = state_lock(round->state, clock_ms() + round->lock_deadline_ms, err);

	if (rc == 0)
		rc = ledger_give_up(round->state, uuid, err);
	state_unlock(round->state);
	settled->complete = rc == 0;
	snprintf(
		settled->why, sizeof(settled->why),
		"its ledger could not be read and is removed; pages it had added stay in the pools");
	return rc;
}

static int settle(struct round *round, const struct ledger *ledger, bool force,
		  struct settled *settled, struct err *err)
{
	int rc = round_settle_guest(round, ledger, force, err);

	settled->complete = rc == 0;
	if (!round_waits(rc))
		return rc;
	snprintf(settled->why, sizeof(settled->why), "%.*s", (int)sizeof(settled->why) - 1,
		 err->text);
	return 0;
}

static int release_ledger(struct round *round, const struct ledger *ledger, bool force,
			  struct settled *settled, struct err *err)
{
	snprintf(settled->name, sizeof(settled->name), "%s", ledger->name);
	snprintf(settled->uuid, sizeof(settled->uuid), "%s", ledger->uuid);
	if (!ledger->foreign_version)
		return settle(round, ledger, force, settled, err);
	if (force)
		return give_up(round, ledger->uuid, settled, err);
	return ledger_other_version(ledger, err);
}

static int release_damaged(struct round *round, const struct damaged_ledger *damaged, bool force,
			   struct settled *settled, struct err *err)
{
	snprintf(settled->uuid, sizeof(settled->uuid), "%s", damaged->uuid);
	if (force)
		return give_up(round, damaged->uuid, settled, err);
	return err_set(err, EINVAL,
		       "%.1024s; repair it, or give up what it holds with: virt-membacking release "
		       "%s --force",
		       damaged->why.text, damaged->uuid);
}

static int find_and_release(struct round *round, const struct ledgers *ledgers, const char *guest,
			    bool force, struct settled *settled, struct err *err)
{
	const struct ledger *ledger = ledgers_find(ledgers, guest);
	size_t i;

	if (ledger)
		return release_ledger(round, ledger, force, settled, err);
	for (i = 0; i < ledgers->n_damaged; i++)
		if (!strcasecmp(ledgers->damaged[i].uuid, guest))
			return release_damaged(round, &ledgers->damaged[i], force, settled, err);
	return err_set(err, ENOENT,
		       "guest '%.256s' holds nothing (virt-membacking status lists those that do)",
		       guest);
}

int release_guest(struct round *round, const char *guest, bool force, struct settled *settled,
		  struct err *err)
{
	struct settled result = { 0 };
	struct ledgers ledgers;
	int rc = ledgers_read(round->state, false, &ledgers, err);

	if (rc < 0)
		return rc;
	rc = find_and_release(round, &ledgers, guest, force, &result, err);
	ledgers_free(&ledgers);
	if (rc == 0)
		*settled = result;
	return rc;
}
