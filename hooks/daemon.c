// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * libvirt's daemon hook: "-" start|shutdown|reload - EXTRA.
 *
 * Runs before the QEMU driver looks for hugetlbfs mounts, so a mount made here
 * is found by that same start.  Each of the modular daemons calls it.
 */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "kernel/kfs.h"
#include "lifecycle/daemon.h"
#include "lifecycle/daemon_conf.h"
#include "lifecycle/hook_heartbeat.h"
#include "process/signals.h"

static void report(int rc, const struct err *err)
{
	if (rc < 0)
		log_error("%s", err->text);
}

/* libvirt's start must not depend on us: whatever fails is logged, and said
 * again by the guest that needs it */
int main(int argc, char **argv)
{
	struct kfs kfs;
	struct err err;

	if (geteuid() != 0 || argc < 3)
		return 0;
	if (strcmp(argv[2], "start") && strcmp(argv[2], "reload"))
		return 0;
	signals_set_up();
	signals_end_quietly();
	file_keep_stdio();
	umask(022);
	log_open(LOG_TARGET_SYSLOG, "libvirt-membacking", NULL, argv[2]);
	if (kfs_open(&kfs, "/", &err) < 0)
		return 0;
	report(strcmp(argv[2], "start") ? daemon_conf_keep(&kfs, &err) :
					  daemon_conf_note(&kfs, &err),
	       &err);
	daemon_prepare_host(&kfs);
	report(hook_heartbeat_note(&kfs, &err), &err);
	kfs_close(&kfs);
	return 0;
}
