// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What libvirt's daemon read from qemu.conf when it started.
 */
#include "lifecycle/daemon_conf.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "kernel/kfs.h"
#include "lifecycle/liveness.h"
#include "lifecycle/state.h"
#include "policy/host_view.h"

#define NOTE_FILE "daemon-conf"

/* Two numbers before the path */
#define NOTE_SIZE (QEMU_CONF_PATH_SIZE + 64)

/* ---- the note: "PID START\nPATH\n", the path empty where none is set ---- */

static int note_write(const struct kfs *kfs, const struct process *daemon, struct err *err)
{
	struct state state = STATE_CLOSED;
	struct qemu_conf conf;
	char text[NOTE_SIZE];
	int len, rc;

	qemu_conf_load(kfs->rootfd, &conf);
	/* A daemon does not start with it, or reads what we don't */
	if (conf.memory_backing_unreadable)
		return 0;
	rc = state_open(kfs->rootfd, true, &state, err);
	if (rc < 0)
		return rc;
	len = snprintf(text, sizeof(text), "%d %" PRIu64 "\n%s\n", (int)daemon->pid, daemon->start,
		       conf.memory_backing_dir);
	rc = file_replace_at(state.dirfd, NOTE_FILE, text, (size_t)len, err);
	state_close(&state);
	return rc;
}

/* Is there a note of exactly this daemon?  @dir: what it says */
static bool note_read(const struct kfs *kfs, const struct process *daemon,
		      char dir[QEMU_CONF_PATH_SIZE])
{
	cleanup_close int fd = file_open_dir(kfs->rootfd, STATE_DIR, NULL);
	cleanup_free char *text = NULL;
	uint64_t start;
	char *path, *end;
	int pid;

	if (fd < 0 || file_read_at(fd, NOTE_FILE, NOTE_SIZE, &text, NULL, NULL) < 0)
		return false;
	path = strchr(text, '\n');
	end = path ? strchr(path + 1, '\n') : NULL;
	if (!end || sscanf(text, "%d %" SCNu64, &pid, &start) != 2)
		return false;
	*end = '\0';
	if (pid != daemon->pid || start != daemon->start || strlen(path + 1) >= QEMU_CONF_PATH_SIZE)
		return false;
	snprintf(dir, QEMU_CONF_PATH_SIZE, "%s", path + 1);
	return true;
}

/* ---- times, in seconds since 1970 ---- */

/* 0: it can't be told */
static int64_t boot_time(const struct kfs *kfs)
{
	cleanup_fclose FILE *f = kfs_stream(kfs, "proc/stat");
	cleanup_free char *line = NULL;
	int64_t seconds = 0;
	size_t size = 0;

	while (f && !seconds && getline(&line, &size, f) >= 0)
		if (sscanf(line, "btime %" SCNd64, &seconds) != 1)
			seconds = 0;
	return seconds;
}

static int64_t started(const struct kfs *kfs, const struct process *daemon)
{
	int64_t boot = boot_time(kfs);

	return boot ? boot + (int64_t)(daemon->start / (uint64_t)sysconf(_SC_CLK_TCK)) : 0;
}

/* The file's, and that of a link in its place.  0: there is none, or it can't be told */
static int64_t conf_changed(const struct kfs *kfs)
{
	struct stat st, link;

	if (fstatat(kfs->rootfd, QEMU_CONF_FILE, &link, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fstatat(kfs->rootfd, QEMU_CONF_FILE, &st, 0) < 0)
		return 0;
	return st.st_ctime > link.st_ctime ? st.st_ctime : link.st_ctime;
}

/* The directory changed when a file went.  0: there is one, or it can't be told */
static int64_t conf_gone(const struct kfs *kfs)
{
	struct stat st;

	if (fstatat(kfs->rootfd, QEMU_CONF_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT)
		return 0;
	return fstatat(kfs->rootfd, SYSCONF_DIR "/libvirt", &st, 0) < 0 ? 0 : st.st_ctime;
}

/* A second: the kernel's clock at boot is no finer */
#define FINENESS 1

static bool is_unchanged(const struct kfs *kfs, const struct process *daemon)
{
	int64_t changed = conf_changed(kfs), start = started(kfs, daemon);

	if (!changed)
		changed = conf_gone(kfs);
	return changed && start && changed < start - FINENESS;
}

static bool is_changed(const struct kfs *kfs, const struct process *daemon)
{
	int64_t changed = conf_changed(kfs), start = started(kfs, daemon);

	return changed && start && changed > start + FINENESS;
}

/* ---- */

int daemon_conf_note(const struct kfs *kfs, struct err *err)
{
	struct process daemon = liveness_parent(kfs);

	return liveness_is_libvirt(kfs, daemon.pid) ? note_write(kfs, &daemon, err) : 0;
}

/* One that can't be seen, from another PID namespace, is not to be told from a later one */
static bool find_daemon(const struct kfs *kfs, struct process *daemon)
{
	return liveness_driver_runs(kfs, daemon) && daemon->pid && daemon->start;
}

int daemon_conf_keep(const struct kfs *kfs, struct err *err)
{
	char dir[QEMU_CONF_PATH_SIZE];
	struct process daemon;

	if (!find_daemon(kfs, &daemon) || note_read(kfs, &daemon, dir) ||
	    !is_unchanged(kfs, &daemon))
		return 0;
	return note_write(kfs, &daemon, err);
}

void daemon_conf_view(const struct kfs *kfs, struct host_view *host)
{
	struct daemon_view *view = &host->daemon;
	char path[KFS_PATH_SIZE];
	struct process daemon;

	memset(view, 0, sizeof(*view));
	if (!find_daemon(kfs, &daemon) || host->qemu_conf.memory_backing_unreadable)
		return;
	snprintf(path, sizeof(path), "proc/%d/comm", daemon.pid);
	if (kfs_read(kfs, path, view->comm, sizeof(view->comm), NULL) < 0)
		view->comm[0] = '\0';
	if (note_read(kfs, &daemon, view->memory_backing_dir))
		view->conf = strcmp(view->memory_backing_dir, host->qemu_conf.memory_backing_dir) ?
				     DAEMON_CONF_OLD :
				     DAEMON_CONF_FINE;
	else if (is_changed(kfs, &daemon))
		view->conf = DAEMON_CONF_DOUBT;
}
