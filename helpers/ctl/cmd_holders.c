// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * virt-membacking holders: guests that still hold something, which block the package's removal.
 */
#include <errno.h>
#include <stdio.h>

#include "base/err.h"
#include "ctl/ctl.h"
#include "lifecycle/ledger.h"
#include "lifecycle/state.h"
#include "terminal/wrap.h"

/* A file of another version may contain anything */
static bool holds(const struct ledger *ledger)
{
	return ledger->foreign_version || ledger->list.n;
}

static int print(const struct ledgers *ledgers)
{
	int rc = CTL_FINE;
	size_t i;

	for (i = 0; i < ledgers->n; i++) {
		if (!holds(ledgers->list[i]))
			continue;
		wrap_print_line("%s", ledgers->list[i]->name);
		rc = CTL_FINDINGS;
	}
	for (i = 0; i < ledgers->n_damaged; i++) {
		puts(ledgers->damaged[i].uuid);
		rc = CTL_FINDINGS;
	}
	return rc;
}

static int run(struct ctl *ctl, struct err *err)
{
	struct state state = STATE_CLOSED;
	struct ledgers ledgers = { 0 };
	int rc = state_open(ctl->kfs.rootfd, false, &state, err);

	if (rc == -ENOENT)
		return CTL_FINE;
	if (rc == 0)
		rc = ledgers_read(&state, false, &ledgers, err);
	if (rc == 0)
		rc = print(&ledgers);
	ledgers_free(&ledgers);
	state_close(&state);
	return rc;
}

const struct command cmd_holders = {
	.name = "holders",
	.usage = "holders",
	.summary = "name the guests that hold something",
	.help = "Prints the name of each guest that holds something, one a line, or the UUID if\n"
		"the guest's record can't be read. Exit status 1 if there is one. Called before\n"
		"the package is removed.",
	.hidden = true,
	.options = CTL_ROOT,
	.run = run,
};
