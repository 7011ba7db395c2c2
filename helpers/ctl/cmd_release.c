// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * virt-membacking release: give back by hand what one guest holds.
 */
#include <errno.h>

#include "base/err.h"
#include "ctl/ctl.h"
#include "ctl/given_back.h"
#include "ctl/guest_arg.h"
#include "lifecycle/reconcile_report.h"
#include "lifecycle/release.h"
#include "lifecycle/session.h"
#include "terminal/progress.h"

static int report(const struct ctl *ctl, const struct reconciled_guest *guest, struct err *err)
{
	int rc = guest->complete ? CTL_FINE : CTL_FINDINGS;

	if (ctl->json &&
	    ctl_print_json(json_pack("{s:o}", "released", given_back_to_json(guest)), err) < 0)
		return -ENOMEM;
	if (!ctl->json)
		given_back_print(guest);
	return rc;
}

static int run(struct ctl *ctl, struct err *err)
{
	struct reconciled_guest guest = { 0 };
	char uuid[GUEST_UUID_SIZE];
	struct progress_wait wait;
	struct session session;
	int rc = ctl_need_root(ctl, "release a guest", err);

	if (rc < 0)
		return rc;
	progress_wait(&wait, GIVEN_BACK_WAIT);
	rc = session_open(&session, &ctl->kfs, SESSION_CHANGE, err);
	if (rc == 0)
		rc = session_configure(&session, err);
	if (rc == 0)
		rc = release_guest(&session, guest_arg_uuid(ctl, uuid), ctl->force, &guest, err);
	else if (rc == -ENOENT)
		err_set(err, ENOENT, "guest '%.256s' holds nothing (no guest does)", ctl->args[0]);
	progress_waited(&wait);
	if (rc == 0)
		rc = report(ctl, &guest, err);
	session_close(&session);
	return rc;
}

const struct command cmd_release = {
	.name = "release",
	.usage = "release GUEST [--force]",
	.summary = "give back what one guest holds",
	.help = "Gives back what GUEST (id, name or UUID) holds. Refuses if it is alive, that is,\n"
		"its QEMU runs or libvirt is starting it; --force gives it back regardless, except\n"
		"for pages in use. --force also removes a guest's record that is damaged or of\n"
		"another version: pages that were added for the guest stay in the pools then.\n"
		"Waits two seconds for pages in use; exit status 1 if it could not give everything\n"
		"back.",
	.options = CTL_JSON | CTL_ROOT | CTL_FORCE,
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
