// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Which policy a guest gets, and what that needs to know of the host.
 */
#include "lifecycle/guest_policy.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "guest/guest.h"
#include "kernel/kfs.h"
#include "lifecycle/session.h"
#include "lifecycle/view.h"
#include "policy/plan.h"

bool guest_policy_asks(const struct kfs *kfs, const struct guest *guest)
{
	size_t i;

	for (i = 0; i < guest->n_memory; i++)
		if (guest->memory[i].hugepages || guest_memory_is_file(&guest->memory[i]))
			return true;
	/* Without a configuration KSM and THP are left alone */
	return config_exists(kfs->rootfd);
}

/* @refusal: What the caller is told, and logs itself */
struct problem_log {
	bool hook;
	const char *refusal;
};

static void log_problem(const struct config_problem *problem, void *data)
{
	const struct problem_log *to = data;

	if (!problem->fatal)
		log_warning("%s", problem->text);
	else if (to->hook && strcmp(problem->text, to->refusal) != 0)
		log_error("%s", problem->text);
}

static int check_sections(const struct config *config, const struct guest *guest,
			  const struct plan_needs *needs, struct err *err)
{
	int rc = 0;
	size_t i;

	for (i = 0; rc == 0 && i < STEP_KINDS; i++)
		if (needs->kinds[i].section)
			rc = config_check_section(config, guest, needs->kinds[i].section, err);
	return rc;
}

static int decide(const struct kfs *kfs, const struct guest *guest, struct decided *decided,
		  struct err *err)
{
	struct host_view kernel = { 0 };
	int rc = config_for_guest(decided->config, guest, &decided->policy, err);

	/* What this kernel has not is not worth taking the host's lock for */
	if (rc == 0)
		rc = view_kernel(kfs, &kernel, err);
	if (rc < 0)
		return rc;
	decided->needs = plan_needs_host(guest, &decided->policy, &kernel);
	return check_sections(decided->config, guest, &decided->needs, err);
}

int guest_policy_decide(const struct kfs *kfs, const struct guest *guest, bool hook,
			struct decided *decided, struct err *err)
{
	struct problem_log to = { .hook = hook, .refusal = "" };
	int rc = config_load(kfs->rootfd, &decided->config, err);

	if (rc < 0)
		return rc;
	if (hook)
		log_set_level(config_hook(decided->config)->log_level);
	rc = decide(kfs, guest, decided, err);
	if (rc < 0)
		to.refusal = err->text;
	config_for_each_problem(decided->config, log_problem, &to);
	config_for_each_guest_problem(decided->config, guest, log_problem, &to);
	return rc;
}

void decided_free(struct decided *decided)
{
	config_free(decided->config);
	decided->config = NULL;
}

/* The hook is linked twice, and this is the second call for one start: libvirt
 * gives each start an id of its own */
static bool same_start(const struct session *session, const struct ledger *old,
		       const struct guest *guest)
{
	struct process driver = liveness_driver(session->kfs);

	return old->phase == LEDGER_PREPARED && guest->id >= 0 && old->id == guest->id &&
	       old->driver.pid == driver.pid && old->driver.start == driver.start;
}

int guest_policy_own(const struct session *session, const struct guest *guest,
		     struct ledger **ledger, struct err *err)
{
	struct ledger *old = ledgers_find_uuid(&session->ledgers, guest->uuid);
	const struct err *damaged = ledgers_damaged(&session->ledgers, guest->uuid);

	if (damaged)
		return err_set(err, EINVAL,
			       "guest '%s': %.1024s; repair it, or give up what it holds with: "
			       "virt-membacking release %s --force",
			       guest->name, damaged->text, guest->uuid);
	if (!old)
		return OWN_NONE;
	if (old->foreign_version)
		return ledger_other_version(old, err);
	*ledger = old;
	if (same_start(session, old, guest))
		return OWN_SAME_START;
	if (old->phase != LEDGER_LEAVING && liveness_qemu(session->kfs, old->name, NULL))
		return OWN_RUNNING;
	return old->phase == LEDGER_RESERVED ? OWN_RESERVED : OWN_LEFTOVER;
}
