// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * virt-membacking reconcile: what every start of a guest does first, by itself.
 */
#include <errno.h>
#include <stdio.h>

#include "base/err.h"
#include "ctl/ctl.h"
#include "ctl/settle.h"
#include "lifecycle/state.h"

static json_t *to_json(const struct round *round)
{
	json_t *root = json_object(), *array = json_array();
	bool ok = array;
	size_t i;

	for (i = 0; ok && i < round->n_settled; i++)
		ok = json_array_append_new(array, settle_to_json(&round->settled[i])) == 0;
	ok = json_object_set_new(root, "settled", array) == 0 && ok;
	if (ok)
		return root;
	json_decref(root);
	return NULL;
}

static int report(const struct ctl *ctl, const struct round *round, struct err *err)
{
	int rc = CTL_FINE;
	size_t i;

	for (i = 0; i < round->n_settled; i++)
		if (!round->settled[i].complete)
			rc = CTL_FINDINGS;
	if (ctl->json)
		return ctl_print_json(to_json(round), err) < 0 ? -ENOMEM : rc;
	for (i = 0; i < round->n_settled; i++)
		settle_print(&round->settled[i]);
	if (!round->n_settled)
		printf("nothing to settle: no guest that is gone holds anything\n");
	return rc;
}

static int run(struct ctl *ctl, struct err *err)
{
	struct round round = { 0 };
	struct state state;
	int rc = ctl_need_root(ctl, "reconcile, which changes the host", err);

	if (rc < 0)
		return rc;
	rc = settle_begin(ctl, &state, &round, err);
	if (rc == -ENOENT)
		return report(ctl, &round, err);
	if (rc < 0)
		return rc;
	rc = round_settle_all(&round, err);
	if (rc == 0)
		rc = report(ctl, &round, err);
	settle_end(&state, &round);
	return rc;
}

const struct command cmd_reconcile = {
	.name = "reconcile",
	.usage = "reconcile",
	.summary = "give back what guests that are gone still hold",
	.help = "Gives back what guests hold that are gone: their QEMU or libvirt was killed, or\n"
		"something was in use when they ended. Guests that are alive keep what they have.\n"
		"Waits two seconds for pages in use; exit status 1 if something is left then.",
	.options = CTL_JSON | CTL_ROOT,
	.run = run,
};
