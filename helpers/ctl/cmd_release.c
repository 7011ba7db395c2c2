// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * virt-membacking release: give back by hand what one guest holds.
 */
#include <errno.h>

#include "base/err.h"
#include "ctl/ctl.h"
#include "ctl/settle.h"
#include "lifecycle/release.h"
#include "terminal/progress.h"

static int report(const struct ctl *ctl, const struct settled *settled, struct err *err)
{
	int rc = settled->complete ? CTL_FINE : CTL_FINDINGS;

	if (ctl->json &&
	    ctl_print_json(json_pack("{s:o}", "released", settle_to_json(settled)), err) < 0)
		return -ENOMEM;
	if (!ctl->json)
		settle_print(settled);
	return rc;
}

static int run(struct ctl *ctl, struct err *err)
{
	struct settled settled = { 0 };
	struct progress_wait wait;
	struct settling settling;
	int rc = ctl_need_root(ctl, "release a guest, which changes the host", err);

	if (rc < 0)
		return rc;
	progress_wait(&wait, SETTLE_WAIT);
	rc = settle_begin(ctl, false, &settling, err);
	if (rc == 0)
		rc = release_guest(&settling.round, ctl->args[0], ctl->force, &settled, err);
	else if (rc == -ENOENT)
		err_set(err, ENOENT, "guest '%.256s' holds nothing, as no guest does",
			ctl->args[0]);
	progress_waited(&wait);
	if (rc == 0)
		rc = report(ctl, &settled, err);
	settle_end(&settling);
	return rc;
}

const struct command cmd_release = {
	.name = "release",
	.usage = "release GUEST [--force]",
	.summary = "give back what one guest holds",
	.help = "Gives back what GUEST (name or UUID) holds. Refuses if it is alive, that is, its\n"
		"QEMU runs or libvirt is starting it; --force gives it back regardless, but for\n"
		"the pages in use. --force also removes a ledger that is damaged or of another\n"
		"version: what it had added to the pools stays there then.\n"
		"Waits two seconds for pages in use; exit status 1 if something is left then.",
	.options = CTL_JSON | CTL_ROOT | CTL_FORCE,
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
