/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What hook and command ask of the pager's daemon.  Links nothing but jansson.
 *
 * Each call connects to the socket, asks one thing, and ends at its deadline whatever the daemon
 * does.  None is made with the host lock held.
 */
#ifndef MEMBACKING_PAGER_CLIENT_H
#define MEMBACKING_PAGER_CLIENT_H

#include <stdint.h>
#include <sys/types.h>

#include <jansson.h>

#include "base/err.h"

/* Where it listens, below the state directory */
#define PAGER_SOCKET "pagerd.sock"

/**
 * pager_hello() - Is there a pager that answers?
 * @state_dir:	/run/libvirt-membacking, as an open descriptor
 *
 * Return: 0; -ENOENT, -ECONNREFUSED: none runs, and the sentence names the unit and
 * "virt-membacking-pagerd --background"; -ETIMEDOUT; -EPROTO: another version
 */
int pager_hello(int state_dir, int64_t deadline_ms, struct err *err);

/**
 * pager_adopt() - Have a running guest paged
 * @limit_kib:	Resident
 *
 * Return: 0, also where it is paged already (the limit is set then); -errno and the reason
 */
int pager_adopt(int state_dir, const char *uuid, const char *name, pid_t pid, uint64_t limit_kib,
		int64_t deadline_ms, struct err *err);
int pager_set_limit(int state_dir, const char *uuid, uint64_t limit_kib, int64_t deadline_ms,
		    struct err *err);
/**
 * pager_release() - Everything back into RAM, nothing of ours left in QEMU
 *
 * Return: 0, also if it isn't paged; -ENOMEM: it does not fit, paging goes on; -errno
 */
int pager_release(int state_dir, const char *uuid, int64_t deadline_ms, struct err *err);
/* The guest's QEMU has ended: files and slots go.  Return: 0, also if there were none */
int pager_forget(int state_dir, const char *uuid, int64_t deadline_ms, struct err *err);

/**
 * pager_status() - All guests under the pager
 * @status:	{"version", "tiers"[{name,limit_kib,used_kib}], "guests"[{uuid, name,
 *		resident_kib, limit_kib, tiers[{name,kib}], faults, fault_us{p50,p99}, evictions,
 *		refaults, prefetched, prefetch_used, alarm}]}; to be decref'ed
 */
int pager_status(int state_dir, json_t **status, int64_t deadline_ms, struct err *err);

#endif
