// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Both of our hooks, after the package was removed while guests held memory.
 *
 * packaging/setup keeps the programs that give it back in KEPT, and makes libvirt's links lead
 * here.  After the last of these guests all of that is removed, this program too.
 *
 * It links the C library alone, and never fails: other libraries may be removed after the
 * package, and a hook that can't be loaded, or fails, keeps each guest from starting.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/lock.h"
#include "base/log.h"
#include "kernel/kfs.h"
#include "lifecycle/hook_link.h"
#include "process/signals.h"

#define SELF	 SBIN_DIR "/libvirt-membacking-leaving"
#define KEPT	 "/" LIBEXEC_DIR "/libvirt-membacking-leaving"
#define RUN_UNIT "/run/systemd/system/virt-membacking-pagerd.service"

static const char *const environment[] = {
	"LD_LIBRARY_PATH=" KEPT,
	"PATH=/usr/sbin:/usr/bin:/sbin:/bin",
	"LC_ALL=C",
	NULL,
};

/* ---- the programs that were kept ---- */

static void __attribute__((noreturn)) become(const char *path, const char *const *argv)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	signals_set_default();
	if (null >= 0)
		dup2(null, STDOUT_FILENO);
	execve(path, (char *const *)argv, (char *const *)environment);
	_exit(127);
}

/* Return: its exit status, 127 if it can't be started */
static int run(const char *path, const char *const *argv)
{
	int status = 0;
	pid_t pid = fork();

	if (pid < 0)
		return 127;
	if (pid == 0)
		become(path, argv);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 127;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 127;
}

static int command(const char *name)
{
	const char *const argv[] = { "virt-membacking", name, NULL };

	return run(KEPT "/virt-membacking", argv);
}

/* ---- the end ---- */

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	if (remove(path) < 0 && errno != ENOENT)
		log_info("/%s stays: %s", path + 1, strerror(errno));
	return 0;
}

static void remove_tree(const char *path)
{
	nftw(path, remove_entry, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

/* Where our link of this kind is.  Return: there is one */
static bool find_link(const struct kfs *kfs, enum hook_kind kind, char path[HOOK_PATH_SIZE])
{
	int64_t since;

	hook_link_path(kind, false, path);
	if (hook_link_look(kfs, path, SELF, &since, NULL) == HOOK_FOUND_OURS)
		return true;
	hook_link_path(kind, true, path);
	return hook_link_look(kfs, path, SELF, &since, NULL) == HOOK_FOUND_OURS;
}

/* Installed again, libvirt's links lead to the hooks themselves */
static bool is_linked(const struct kfs *kfs)
{
	char path[HOOK_PATH_SIZE];

	return find_link(kfs, HOOK_QEMU, path) || find_link(kfs, HOOK_DAEMON, path);
}

static void remove_links(const struct kfs *kfs)
{
	static const char *const dirs[] = { HOOK_LINK_DIR "/qemu.d", HOOK_LINK_DIR "/daemon.d" };
	char path[HOOK_PATH_SIZE];
	size_t i;

	for (i = 0; i < HOOK_KINDS; i++)
		while (find_link(kfs, (enum hook_kind)i, path))
			if (unlinkat(kfs->rootfd, path, 0) < 0)
				break;
	/* The package manager could not while there was a link in it */
	for (i = 0; i < ARRAY_SIZE(dirs); i++)
		unlinkat(kfs->rootfd, dirs[i], AT_REMOVEDIR);
}

/* Killed in between, the next call goes on: the links go after all that it needs */
static void remove_all(const struct kfs *kfs)
{
	unlink(RUN_UNIT);
	umount2("/" STATE_DIR "/pager", UMOUNT_NOFOLLOW);
	remove_tree("/" STATE_DIR);
	remove_tree(KEPT);
	remove_links(kfs);
	unlinkat(kfs->rootfd, SELF, 0);
	log_info("the last guest that held memory has ended: the hooks that were kept for it are "
		 "removed");
}

/* Of several calls and an installation, one at a time.  KEPT is root's alone */
static void settle(const struct kfs *kfs)
{
	cleanup_close int lock = open(KEPT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int status;

	if (lock >= 0 && flock(lock, LOCK_EX) < 0)
		return;
	if (!is_linked(kfs))
		return;
	if (access(KEPT "/virt-membacking", F_OK) == 0) {
		command("reconcile");
		status = command("holders");
		if (status == 127)
			log_error("cannot run " KEPT "/virt-membacking: what guests hold is not "
				  "given back");
		if (status)
			return;
	}
	remove_all(kfs);
}

/* ---- the hooks ---- */

/* Nothing is prepared for a start: the package is not installed */
static bool is_for_qemu_hook(const char *operation)
{
	return !strcmp(operation, "started") || !strcmp(operation, "stopped") ||
	       !strcmp(operation, "release");
}

static void call_qemu_hook(char **argv)
{
	int status = run(KEPT "/qemu", (const char *const *)argv);

	if (status)
		log_error(KEPT "/qemu has failed with exit status %d", status);
}

int main(int argc, char **argv)
{
	bool of_guest;
	struct kfs kfs;

	if (geteuid() != 0 || argc < 4)
		return 0;
	signals_set_up();
	signals_never_fail();
	file_keep_stdio();
	of_guest = !strcmp(argv[3], "begin") || !strcmp(argv[3], "end");
	log_open(LOG_TARGET_SYSLOG, "libvirt-membacking", of_guest ? argv[1] : NULL, argv[2]);
	if (of_guest && is_for_qemu_hook(argv[2]) && access(KEPT "/qemu", F_OK) == 0)
		call_qemu_hook(argv);
	if (strcmp(argv[2], of_guest ? "release" : "start"))
		return 0;
	if (kfs_open(&kfs, "/", NULL) < 0)
		return 0;
	settle(&kfs);
	kfs_close(&kfs);
	return 0;
}
