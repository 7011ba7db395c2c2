// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * When libvirt last called the hook.
 */
#include "lifecycle/hook_heartbeat.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "kernel/kfs.h"
#include "lifecycle/state.h"

#define CALLED_FILE "called"

int hook_heartbeat_note(const struct kfs *kfs, struct err *err)
{
	struct process daemon = liveness_parent(kfs);
	struct state state = STATE_CLOSED;
	char text[64];
	int len, rc;

	if (!liveness_is_libvirt(kfs, daemon.pid))
		return 0;
	rc = state_open(kfs->rootfd, true, &state, err);
	if (rc < 0)
		return rc;
	len = snprintf(text, sizeof(text), "%d %" PRIu64 "\n", (int)daemon.pid, daemon.start);
	rc = file_replace_at(state.dirfd, CALLED_FILE, text, (size_t)len, err);
	state_close(&state);
	return rc;
}

int hook_heartbeat_read(const struct kfs *kfs, struct process *daemon, int64_t *when)
{
	cleanup_close int dir = file_open_dir(kfs->rootfd, STATE_DIR, NULL);
	cleanup_free char *text = NULL;
	struct stat st;
	int rc, pid;

	if (dir < 0)
		return dir;
	rc = file_read_at(dir, CALLED_FILE, 64, &text, NULL, NULL);
	if (rc < 0)
		return rc;
	if (sscanf(text, "%d %" SCNu64, &pid, &daemon->start) != 2 ||
	    fstatat(dir, CALLED_FILE, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -ENOENT;
	daemon->pid = pid;
	*when = st.st_mtime;
	return 0;
}
