// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * virt-membacking status: the host's huge pages, KSM, THP, and what guests hold.
 *
 * Takes no lock and changes nothing, so that it works beside a start that takes
 * long, and without root.
 */
#include <errno.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "ctl/ctl.h"
#include "ctl/status.h"
#include "lifecycle/state.h"

static int look(struct status *status, struct err *err)
{
	const struct kfs *kfs = status->round.kfs;
	int rc = round_look(&status->round, err);

	if (rc < 0)
		return rc;
	rc = ksm_read(kfs, &status->ksm, err);
	if (rc < 0 && rc != -ENOENT)
		return rc;
	status->has_ksm = rc == 0;
	rc = thp_read(kfs, &status->thp, err);
	if (rc < 0 && rc != -ENOENT)
		return rc;
	status->has_thp = rc == 0;
	return 0;
}

/* Another user's /proc/PID/numa_maps is closed to us */
static void warn_without_root(const struct ctl *ctl, const struct round *round)
{
	if (!ctl->root && geteuid() != 0 && round->ledgers.n)
		log_warning("without root it can't be seen what guests have taken: "
			    "\"claimed\" may be too high and \"idle\" too low");
}

static int report(const struct ctl *ctl, struct state *state, struct err *err)
{
	struct status status = { 0 };
	int rc;

	round_init(&status.round, &ctl->kfs, state, 0);
	rc = look(&status, err);
	if (rc == 0) {
		warn_without_root(ctl, &status.round);
		rc = ctl->json ? ctl_print_json(status_to_json(&status), err) :
				 status_print(&status, err);
	}
	round_free(&status.round);
	return rc;
}

static int run(struct ctl *ctl, struct err *err)
{
	struct state state = STATE_CLOSED;
	int rc = state_open(ctl->kfs.rootfd, false, &state, err);

	/* Before the first guest there is no state directory */
	if (rc < 0 && rc != -ENOENT)
		return rc;
	rc = report(ctl, &state, err);
	state_close(&state);
	return rc;
}

const struct command cmd_status = {
	.name = "status",
	.usage = "status",
	.summary = "show huge pages, KSM, THP, and what guests hold",
	.help = "Shows each node's memory and huge pages, KSM and THP, and what guests hold.\n"
		"Changes nothing.\n\n"
		"RESERVED  by the kernel for files and mappings; it has no node, so it is shown\n"
		"          in full at each\n"
		"CLAIMED   promised to a guest whose QEMU has not taken them yet\n"
		"IDLE      nobody has a right to them\n"
		"OURS      in the pool for a guest's sake, and given back with it",
	.options = CTL_JSON | CTL_ROOT,
	.run = run,
};
