// SPDX-License-Identifier: LGPL-2.1-or-later
/* A fake host as "/" of a process. */
#include "unit/own_root.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memory/mount.h"

/* What the kernel says of this process, and nothing of others */
static bool own_root_see(const struct fake_kernel *fk, const char *file)
{
	char from[64], to[256];

	snprintf(from, sizeof(from), "/proc/%d/%s", (int)getpid(), file);
	snprintf(to, sizeof(to), "%s/proc/self/%s", fk->root, file);
	return !mount(from, to, NULL, MS_BIND, NULL);
}

static bool own_root_proc(const struct fake_kernel *fk)
{
	fake_put(fk, "proc/self/mountinfo", "");
	return mkdirat(fk->kfs.rootfd, "proc/self/fd", 0755) == 0 &&
	       own_root_see(fk, "mountinfo") && own_root_see(fk, "fd");
}

bool own_root_enter(struct fake_kernel *fk)
{
	struct mount_info info;
	struct kfs kfs;

	/* Libraries are loaded while there are any */
	if (mount_find(&fk->kfs, "/", &info, NULL) == -ELIBACC)
		return false;
	/* "/" has to be in the table: it must be a mount point */
	if (mount(fk->root, fk->root, NULL, MS_BIND, NULL) < 0 || !own_root_proc(fk) ||
	    chroot(fk->root) < 0 || chdir("/") < 0 || kfs_open(&kfs, "/", NULL) < 0)
		return false;
	kfs.write = fk->kfs.write;
	kfs.data = fk;
	kfs_close(&fk->kfs);
	fk->kfs = kfs;
	fk->root[0] = '\0';
	return true;
}
