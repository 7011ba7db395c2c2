// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Room in the host's memory and below the limits of a guest's cgroups.
 */
#include "pager/guest_room.h"

#include <errno.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "pager/pager_cgroup.h"

static int check_host(const struct kfs *kfs, uint64_t bytes, struct err *err)
{
	cleanup_fclose FILE *f = kfs_stream(kfs, "proc/meminfo");
	char line[128], size[TEXT_KIB_SIZE], left[TEXT_KIB_SIZE];
	unsigned long long kib;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "MemAvailable: %llu kB", &kib) != 1)
			continue;
		if (bytes / 1024 <= kib)
			return 0;
		return err_set(
			err, ENOMEM,
			"%s more do not fit into the host's memory, of which %s are available",
			text_from_kib(bytes / 1024, size), text_from_kib(kib, left));
	}
	return 0;
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
