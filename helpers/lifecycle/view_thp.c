// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Reading the host: transparent huge pages.
 */
#include "lifecycle/view_thp.h"

#include <string.h>

#include "kernel/kfs.h"
#include "memory/mount.h"
#include "memory/thp.h"
#include "policy/host_view.h"
#include "policy/store_rules.h"
#include "policy/thp_rules.h"

struct search {
	const char *devno;
	char *huge;
};

/* All mounts of one tmpfs have its options */
static int look_at_mount(void *arg, const struct mount_info *info, const char *options)
{
	const struct search *search = arg;

	if (strcmp(info->devno, search->devno) != 0)
		return 0;
	thp_rules_huge(options, search->huge);
	return 1;
}

void view_thp(const struct kfs *kfs, struct host_view *host)
{
	const struct store_view *store = host->stores_read ? store_in_use(host) : NULL;
	struct search search = { .huge = host->thp.store_huge };

	host->thp = (struct thp_view){ 0 };
	host->thp.present = thp_read(kfs, &host->thp.thp, NULL) == 0;
	if (!host->thp.present || !store || strcmp(store->state.mount.fstype, "tmpfs") != 0)
		return;
	search.devno = store->state.mount.devno;
	mount_for_each(kfs, look_at_mount, &search, NULL);
}
