// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lifecycle/decide.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "guest/guest.h"
#include "kernel/kfs.h"
#include "lifecycle/round.h"
#include "memory/ksm.h"
#include "memory/thp.h"
#include "policy/plan.h"
#include "policy/thp_rules.h"

bool decide_asks(const struct kfs *kfs, const struct guest *guest)
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

/* @needs.thp is also of guests that are only told what keeps such pages away */
static int check_sections(const struct config *config, const struct guest *guest,
			  struct plan_needs needs, struct err *err)
{
	int rc = needs.hugepages ? config_check_section(config, guest, "hugepages", err) : 0;

	if (rc == 0 && needs.store)
		rc = config_check_section(config, guest, "store", err);
	if (rc == 0 && needs.ksm)
		rc = config_check_section(config, guest, "ksm", err);
	if (rc == 0 && needs.thp && thp_rules_size(guest))
		rc = config_check_section(config, guest, "thp", err);
	return rc;
}

static int keep_if_there(const struct kfs *kfs, const char *path, bool *needed, struct err *err)
{
	return *needed ? kfs_look(kfs, path, needed, err) : 0;
}

static int decide(const struct kfs *kfs, const struct guest *guest, struct decided *decided,
		  struct err *err)
{
	int rc = config_for_guest(decided->config, guest, &decided->policy, err);

	if (rc < 0)
		return rc;
	decided->needs = plan_needs_host(guest, &decided->policy);
	/* Not worth a look at the host that takes its lock */
	rc = keep_if_there(kfs, KSM_DIR "/run", &decided->needs.ksm, err);
	if (rc == 0)
		rc = keep_if_there(kfs, THP_DIR "/enabled", &decided->needs.thp, err);
	if (rc < 0)
		return rc;
	return check_sections(decided->config, guest, decided->needs, err);
}

int decide_policy(const struct kfs *kfs, const struct guest *guest, bool hook,
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
	struct ledger *old = ledgers_find_uuid(&round->ledgers, guest->uuid);
	const struct err *damaged = ledgers_damaged(&round->ledgers, guest->uuid);

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
	if (same_start(round, old, guest))
		return OWN_SAME_START;
	if (old->phase != LEDGER_LEAVING && liveness_qemu(round->kfs, old->name, NULL))
		return OWN_RUNNING;
	return old->phase == LEDGER_RESERVED ? OWN_RESERVED : OWN_LEFTOVER;
}
