// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lifecycle/decide.h"

#include <strings.h>

#include "base/err.h"
#include "base/log.h"
#include "guest/guest.h"
#include "kernel/kfs.h"
#include "lifecycle/round.h"
#include "policy/plan.h"

bool decide_asks(const struct guest *guest)
{
	size_t i;

	for (i = 0; i < guest->n_memory; i++)
		if (guest->memory[i].hugepages)
			return true;
	return false;
}

static void log_problem(const char *text, bool fatal, void *data)
{
	const bool *hook = data;

	if (!fatal)
		log_warning("%s", text);
	else if (*hook)
		log_error("%s", text);
}

int decide_policy(const struct kfs *kfs, const struct guest *guest, bool hook,
		  struct guest_policy *policy, bool *needed, struct err *err)
{
	cleanup_config struct config *config = NULL;
	const char *section;
	int rc = config_load(kfs->rootfd, &config, err);

	if (rc < 0)
		return rc;
	if (hook)
		log_set_level(config_hook(config)->log_level);
	config_for_each_problem(config, log_problem, &hook);
	rc = config_for_guest(config, guest, policy, err);
	if (rc < 0)
		return rc;
	*needed = plan_needs_host(guest, policy, &section);
	return *needed ? config_check_section(config, guest, section, err) : 0;
}

/* The hook is linked twice, and this is the second call for one start: libvirt
 * gives each start an id of its own */
static bool same_start(const struct round *round, const struct ledger *old,
		       const struct guest *guest)
{
	struct process driver = liveness_driver(round->kfs);

	return old->phase == LEDGER_PREPARED && guest->id >= 0 && old->id == guest->id &&
	       old->driver.pid == driver.pid && old->driver.start == driver.start;
}

int decide_own(const struct round *round, const struct guest *guest, struct ledger **ledger,
	       struct err *err)
{
	struct ledger *old = ledgers_find(&round->ledgers, guest->uuid);

	if (!old || strcasecmp(old->uuid, guest->uuid))
		return OWN_NONE;
	if (old->foreign_version)
		return ledger_other_version(old, err);
	*ledger = old;
	if (same_start(round, old, guest))
		return OWN_SAME_START;
	if (old->phase != LEDGER_LEAVING && liveness_qemu(round->kfs, old->name, NULL))
		return OWN_RUNNING;
	return OWN_LEFTOVER;
}
