// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Room in the host's memory and below the limits of a guest's cgroups.
 */
#include "pager/guest_room.h"

#include <errno.h>

#include "base/text.h"
#include "kernel/meminfo.h"
#include "pager/pager_cgroup.h"

static int check_host(const struct kfs *kfs, uint64_t bytes, struct err *err)
{
	char size[TEXT_KIB_SIZE], left[TEXT_KIB_SIZE];
	uint64_t kib;

	if (meminfo_available(kfs, &kib, NULL) < 0 || bytes / 1024 <= kib)
		return 0;
	return err_set(err, ENOMEM,
		       "%s more do not fit into the host's memory, of which %s are available",
		       text_from_kib(bytes / 1024, size), text_from_kib(kib, left));
}

/* How much is left is what counts, so the two percent are of what is asked for */
static int check_cgroups(const struct kfs *kfs, pid_t pid, uint64_t bytes, struct err *err)
{
	char size[TEXT_KIB_SIZE], left[TEXT_KIB_SIZE];
	uint64_t room;

	if (pager_cgroup_room(kfs, pid, &room, NULL) < 0 || u64_add_sat(bytes, bytes / 50) <= room)
		return 0;
	return err_set(err, ENOMEM,
		       "%s more do not fit below the memory limits of the guest's cgroups, which "
		       "leave %s",
		       text_from_kib(bytes / 1024, size), text_from_kib(room / 1024, left));
}

int guest_room(const struct kfs *kfs, pid_t pid, uint64_t bytes, struct err *err)
{
	int rc = check_host(kfs, bytes, err);

	return rc < 0 ? rc : check_cgroups(kfs, pid, bytes, err);
}
