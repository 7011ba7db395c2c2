// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Reading one of our links among libvirt's hooks.
 */
#include "lifecycle/hook_link.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/err.h"
#include "kernel/kfs.h"

#ifndef SBIN_DIR
#define SBIN_DIR "usr/sbin"
#endif

#define HOOK_DIR  HOOK_LINK_DIR
#define LINK_NAME "50-membacking"

static const char *const kinds[] = { [HOOK_QEMU] = "qemu", [HOOK_DAEMON] = "daemon" };

_Static_assert(ARRAY_SIZE(kinds) == HOOK_KINDS, "each kind has its name");

void hook_link_path(enum hook_kind kind, bool direct, char path[HOOK_PATH_SIZE])
{
	if (direct)
		snprintf(path, HOOK_PATH_SIZE, HOOK_DIR "/%s", kinds[kind]);
	else
		snprintf(path, HOOK_PATH_SIZE, HOOK_DIR "/%s.d/" LINK_NAME, kinds[kind]);
}

void hook_link_program_path(enum hook_kind kind, char path[HOOK_PATH_SIZE])
{
	snprintf(path, HOOK_PATH_SIZE, SBIN_DIR "/libvirt-membacking-%s-hook", kinds[kind]);
}

int hook_link_look(const struct kfs *kfs, const char *path, const char *program, int64_t *since,
		   struct err *err)
{
	char target[PATH_MAX];
	struct stat st;
	ssize_t len;

	if (fstatat(kfs->rootfd, path, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno == ENOENT || errno == ENOTDIR)
			return HOOK_FOUND_NOTHING;
		return err_sys(err, errno, "cannot look at /%s", path);
	}
	if (!S_ISLNK(st.st_mode))
		return HOOK_FOUND_FOREIGN;
	len = readlinkat(kfs->rootfd, path, target, sizeof(target) - 1);
	if (len < 0)
		return err_sys(err, errno, "cannot read the link /%s", path);
	target[len] = '\0';
	*since = st.st_ctime;
	return target[0] == '/' && !strcmp(target + 1, program) ? HOOK_FOUND_OURS :
								  HOOK_FOUND_FOREIGN;
}

bool hook_link_is_executable(const struct kfs *kfs, const char *path)
{
	struct stat st;

	return fstatat(kfs->rootfd, path, &st, 0) == 0 && S_ISREG(st.st_mode) &&
	       (st.st_mode & S_IXUSR);
}

int hook_link_read(const struct kfs *kfs, enum hook_kind kind, struct hook_link *link,
		   struct err *err)
{
	struct hook_link result = { .name = kinds[kind] };
	int rc, direct;

	hook_link_program_path(kind, result.program);
	hook_link_path(kind, false, result.path);
	rc = hook_link_look(kfs, result.path, result.program, &result.since, err);
	if (rc < 0)
		return rc;
	result.linked = rc == HOOK_FOUND_OURS;
	result.foreign = rc == HOOK_FOUND_FOREIGN;
	if (!result.linked) {
		char path[HOOK_PATH_SIZE];

		hook_link_path(kind, true, path);
		direct = hook_link_look(kfs, path, result.program, &result.since, err);
		if (direct < 0)
			return direct;
		if (direct == HOOK_FOUND_OURS) {
			result.linked = result.direct = true;
			result.foreign = false;
			memcpy(result.path, path, sizeof(path));
		}
	}
	result.present = kfs_exists(kfs, result.program);
	result.executable = hook_link_is_executable(kfs, result.program);
	*link = result;
	return 0;
}
