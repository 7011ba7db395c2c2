// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Which hook programs libvirt runs, and whether it has called ours.
 */
#include "check/hook_links.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/text.h"
#include "kernel/kfs.h"
#include "lifecycle/hook_heartbeat.h"
#include "lifecycle/ledger.h"
#include "lifecycle/state.h"

#define HOOK_DIR HOOK_LINK_DIR

int hook_would_run(const struct kfs *kfs, bool captured)
{
	struct hook_link link;
	int rc = hook_link_read(kfs, HOOK_QEMU, &link, NULL);

	if (rc < 0)
		return rc;
	if (captured && !link.present && faccessat(kfs->rootfd, HOOK_DIR, F_OK, 0) < 0)
		return -ENOENT;
	return link.linked && link.executable;
}

/* ---- changing it ---- */

/* Return: enum found, or -errno */
static int find_place(const struct kfs *kfs, enum hook_kind kind, bool direct,
		      char path[HOOK_PATH_SIZE], char program[HOOK_PATH_SIZE], struct err *err)
{
	int64_t since;
	int rc;

	hook_link_path(kind, direct, path);
	hook_link_program_path(kind, program);
	if (!hook_link_is_executable(kfs, program))
		return err_set(
			err, ENOENT,
			"/%s is not there or not executable: install libvirt-membacking before its hooks "
			"are enabled",
			program);
	rc = hook_link_look(kfs, path, program, &since, err);
	if (rc == HOOK_FOUND_FOREIGN)
		return err_set(err, EEXIST, "/%s exists and is not ours: it is left alone", path);
	return rc;
}

int hook_link_check(const struct kfs *kfs, enum hook_kind kind, bool direct, struct err *err)
{
	char path[HOOK_PATH_SIZE], program[HOOK_PATH_SIZE];
	int rc = find_place(kfs, kind, direct, path, program, err);

	return rc < 0 ? rc : 0;
}

int hook_link_make(const struct kfs *kfs, enum hook_kind kind, bool direct, struct err *err)
{
	char path[HOOK_PATH_SIZE], program[HOOK_PATH_SIZE], target[HOOK_PATH_SIZE + 1];
	cleanup_close int dir = -1;
	char *name;
	int rc = find_place(kfs, kind, direct, path, program, err);

	if (rc < 0 || rc == HOOK_FOUND_OURS)
		return rc < 0 ? rc : 0;
	name = strrchr(path, '/');
	*name++ = '\0';
	dir = file_make_dir(kfs->rootfd, path, err);
	if (dir < 0)
		return dir;
	snprintf(target, sizeof(target), "/%s", program);
	if (symlinkat(target, dir, name) < 0)
		return err_sys(err, errno, "cannot link /%s/%s", path, name);
	return 1;
}

int hook_link_remove(const struct kfs *kfs, enum hook_kind kind, struct err *err)
{
	char path[HOOK_PATH_SIZE], program[HOOK_PATH_SIZE];
	int removed = 0, direct;
	int64_t since;

	hook_link_program_path(kind, program);
	for (direct = 0; direct < 2; direct++) {
		int rc;

		hook_link_path(kind, direct, path);
		rc = hook_link_look(kfs, path, program, &since, err);
		if (rc < 0)
			return rc;
		if (rc != HOOK_FOUND_OURS)
			continue;
		if (unlinkat(kfs->rootfd, path, 0) < 0)
			return err_sys(err, errno, "cannot remove /%s", path);
		removed++;
	}
	return removed;
}

/* ---- does libvirt know ---- */

/* Numbers of clock ticks are cut off, and the boot's time is a whole second */
#define TIME_SLACK 2

/* Seconds since 1970; 0 if it can't be told */
static int64_t started_at(const struct kfs *kfs, const struct process *process)
{
	FILE *f = kfs_stream(kfs, "proc/stat");
	unsigned long long boot = 0;
	char line[256];

	/* Lines may be long: what sscanf() gets may be the middle of one, and is no match */
	while (f && !boot && fgets(line, sizeof(line), f))
		if (sscanf(line, "btime %llu", &boot) != 1)
			boot = 0;
	if (f)
		fclose(f);
	if (!boot || !process->start)
		return 0;
	return (int64_t)boot + (int64_t)(process->start / (uint64_t)sysconf(_SC_CLK_TCK));
}

static bool was_there(const struct kfs *kfs, const char *path, int64_t when)
{
	struct stat st;

	if (!hook_link_is_executable(kfs, path))
		return false;
	return fstatat(kfs->rootfd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       st.st_ctime + TIME_SLACK < when;
}

/* Was a hook that is not ours in qemu.d at @when?  Return: 1, 0, or -errno: unknown */
static int search_others(const struct kfs *kfs, DIR *dir, int64_t when)
{
	struct dirent *entry;

	/* At an error readdir() returns what it does at the end */
	while ((errno = 0, entry = readdir(dir))) {
		char path[HOOK_PATH_SIZE + NAME_MAX];

		snprintf(path, sizeof(path), HOOK_DIR "/qemu.d/%s", entry->d_name);
		if (was_there(kfs, path, when))
			return 1;
	}
	return -errno;
}

/* Was a hook that is not ours there at @when?  Then libvirt calls hooks of this kind, and
 * finds ours too.  Return: 1, 0, or -errno: unknown */
static int other_was_there(const struct kfs *kfs, int64_t when)
{
	DIR *dir;
	int fd, rc;

	if (was_there(kfs, HOOK_DIR "/qemu", when))
		return 1;
	fd = openat(kfs->rootfd, HOOK_DIR "/qemu.d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	dir = fdopendir(fd);
	if (!dir) {
		rc = -errno;
		close(fd);
		return rc;
	}
	rc = search_others(kfs, dir, when);
	closedir(dir);
	return rc;
}

static bool same_process(const struct process *a, const struct process *b)
{
	return a->pid == b->pid && a->start == b->start && a->start;
}

static bool has_called(const struct kfs *kfs, const struct process *daemon, int64_t since)
{
	struct process caller;
	int64_t when;

	return hook_heartbeat_read(kfs, &caller, &when) == 0 && same_process(&caller, daemon) &&
	       when >= since;
}

static bool has_prepared(const struct kfs *kfs, const struct process *daemon)
{
	struct state state = STATE_CLOSED;
	struct ledgers ledgers = { 0 };
	bool found = false;
	size_t i;

	if (state_open(kfs->rootfd, false, &state, NULL) < 0)
		return false;
	if (ledgers_read(&state, false, &ledgers, NULL) == 0) {
		for (i = 0; i < ledgers.n; i++)
			found = found || (ledgers.list[i]->phase != LEDGER_RESERVED &&
					  ledgers.list[i]->id >= 0 &&
					  same_process(&ledgers.list[i]->driver, daemon));
		ledgers_free(&ledgers);
	}
	state_close(&state);
	return found;
}

enum hook_seen hook_seen(const struct kfs *kfs, const struct hook_link *qemu,
			 struct process *daemon, const char **why)
{
	int64_t started;
	int other;

	*daemon = (struct process){ 0 };
	*why = "it does not run, and looks for hooks when it starts";
	if (!liveness_driver_runs(kfs, daemon))
		return HOOK_NO_LIBVIRT;
	*why = "there is nothing to be seen";
	if (!qemu->linked || !qemu->executable)
		return HOOK_SEEN_NO;
	*why = "it runs where it can't be seen from here";
	if (!daemon->pid)
		return HOOK_SEEN_UNKNOWN;
	*why = "it has called them";
	if (has_prepared(kfs, daemon))
		return HOOK_SEEN_YES;
	*why = "it has looked for hooks since they were linked";
	if (has_called(kfs, daemon, qemu->since))
		return HOOK_SEEN_YES;
	started = started_at(kfs, daemon);
	*why = "it was started after they were linked";
	if (qemu->since + TIME_SLACK < started)
		return HOOK_SEEN_YES;
	*why = "it was started when there was another qemu hook, so it asks for all";
	other = other_was_there(kfs, started);
	if (other > 0)
		return HOOK_SEEN_YES;
	*why = "which other hooks there are can't be read in /" HOOK_DIR "/qemu.d";
	if (other < 0)
		return HOOK_SEEN_UNKNOWN;
	*why = "the links are newer than libvirt's start, and it reads them only when it starts or "
	       "is told to reload";
	return HOOK_SEEN_UNKNOWN;
}

int hook_reload(const struct kfs *kfs, struct err *err)
{
	struct process daemon, again;
	cleanup_close int pidfd = -1;

	if (!liveness_driver_runs(kfs, &daemon))
		return err_set(err, ESRCH, "libvirt does not run: it finds its hooks at its start");
	if (!daemon.pid)
		return err_set(err, EPERM,
			       "libvirt runs where it can't be seen from here: tell it to reload "
			       "there");
	/* The number may be another process' by now: what the descriptor is of is what
	 * is looked at */
	pidfd = (int)syscall(SYS_pidfd_open, daemon.pid, 0);
	if (pidfd < 0)
		return err_sys(err, errno, "cannot signal libvirt (PID %d)", (int)daemon.pid);
	if (!liveness_driver_runs(kfs, &again) || again.pid != daemon.pid ||
	    !liveness_is_libvirt(kfs, daemon.pid))
		return err_set(err, EPERM,
			       "PID %d holds libvirt's lock and is neither libvirtd nor virtqemud: "
			       "it is not signalled",
			       (int)daemon.pid);
	if (syscall(SYS_pidfd_send_signal, pidfd, SIGHUP, NULL, 0) < 0)
		return err_sys(err, errno, "cannot signal libvirt (PID %d)", (int)daemon.pid);
	return 0;
}
