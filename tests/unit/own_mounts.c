// SPDX-License-Identifier: LGPL-2.1-or-later
/* A mount namespace of its own. */
#include "unit/own_mounts.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

static bool own_mounts_tell(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool told = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return told;
}

/* Without names for our user and group nothing can be created in a user namespace */
static bool own_mounts_map(uid_t uid, gid_t gid)
{
	char uids[32], gids[32];

	snprintf(uids, sizeof(uids), "0 %u 1", uid);
	snprintf(gids, sizeof(gids), "0 %u 1", gid);
	return own_mounts_tell("/proc/self/setgroups", "deny") &&
	       own_mounts_tell("/proc/self/uid_map", uids) &&
	       own_mounts_tell("/proc/self/gid_map", gids);
}

bool own_mounts_tmpfs(const char *dir, const char *options)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();

	if (unshare(CLONE_NEWNS | (uid ? CLONE_NEWUSER : 0)) < 0)
		return false;
	if (uid && !own_mounts_map(uid, gid))
		return false;
	return !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
	       !mount("none", dir, "tmpfs", MS_NOSUID | MS_NODEV, options);
}
