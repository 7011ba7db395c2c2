// SPDX-License-Identifier: LGPL-2.1-or-later
/* Reading the host: what the pager needs of it, and what its guests have. */
#include "lifecycle/view_overcommit.h"

#include <stdio.h>

#include "base/err.h"
#include "base/text.h"
#include "config/config.h"
#include "kernel/kfs.h"
#include "kernel/yama.h"
#include "lifecycle/ledger.h"
#include "lifecycle/liveness.h"
#include "memory/dm_crypt.h"
#include "memory/kvm.h"
#include "memory/smaps.h"
#include "memory/thp.h"
#include "pager/ram.h"
#include "policy/host_view.h"
#include "steps/steps.h"

#define UFFD_DEVICE "dev/userfaultfd"

/* What the daemon will say of it too, and put nothing there */
static void look_at_encryption(const struct kfs *kfs, const struct config_overcommit *overcommit,
			       struct overcommit_view *view)
{
	const struct config_tiers *tiers = &overcommit->tiers;
	struct err err;
	size_t i;

	*view->in_the_clear = '\0';
	for (i = 0; i < tiers->n && overcommit->encrypt == ENCRYPT_YES; i++)
		if (config_tier_is_slow(tiers->tier[i].kind) &&
		    dm_crypt_check_path(kfs, tiers->tier[i].path, &err) < 0)
			snprintf(view->in_the_clear, sizeof(view->in_the_clear), "%.*s",
				 TIER_TROUBLE_SIZE - 1, err.text);
}

void view_overcommit(const struct kfs *kfs, const struct config *config, struct host_view *host)
{
	struct overcommit_view *view = &host->overcommit;

	view->device = kfs_exists(kfs, UFFD_DEVICE);
	view->no_ptrace = yama_forbids_tracing(kfs);
	view->nested = kvm_is_nested(kfs);
	/* Unknown is not "never" */
	if (thp_shmem_huge(kfs, view->shmem_huge, NULL) < 0)
		snprintf(view->shmem_huge, sizeof(view->shmem_huge), "shmem_enabled can't be read");
	if (config)
		look_at_encryption(kfs, config_overcommit(config), view);
}

/* Of memory that was plugged in since: its limit stays, so that all of that may be in tiers */
static uint64_t plugged_kib(const struct kfs *kfs, pid_t pid, uint64_t size_kib)
{
	const struct ram none = { .n = 0 };
	uint64_t pages, gone;

	if (ram_changes(&none, kfs, pid, &pages, &gone) < 0)
		return 0;
	return u64_sub_floor(pages * (PAGE_BYTES / 1024), size_kib);
}

void view_overcommit_guest(const struct kfs *kfs, const struct ledger *ledger,
			   struct host_view *host)
{
	const struct step_overcommit *oc = step_list_paging(&ledger->list);
	uint64_t promised, resident = 0;
	pid_t pid = 0;

	if (!oc)
		return;
	promised = u64_add_sat(oc->resident_kib, oc->headroom_kib);
	if (!liveness_qemu(kfs, ledger->name, &pid))
		pid = 0;
	if (!pid || smaps_read_resident(kfs, pid, &resident, NULL) < 0)
		resident = 0;
	if (pid && oc->resident_kib)
		host->overcommit.tiers_kib = u64_add_sat(host->overcommit.tiers_kib,
							 plugged_kib(kfs, pid, oc->size_kib));
	host->overcommit.outstanding_kib =
		u64_add_sat(host->overcommit.outstanding_kib, u64_sub_floor(promised, resident));
}

void view_overcommit_forget(struct host_view *host)
{
	struct overcommit_view *view = &host->overcommit;

	view->guests = 0;
	view->resident_kib = 0;
	view->headroom_kib = 0;
	view->tiers_kib = 0;
	view->outstanding_kib = 0;
}
