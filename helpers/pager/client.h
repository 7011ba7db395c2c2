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
#include "pager/protocol.h"

/**
 * pager_hello() - Is there a pager that answers?
 * @state_dir:	/run/libvirt-membacking, as an open descriptor
 *
 * Return: 0; -ENOENT, -ECONNREFUSED: none runs, and the sentence names the unit and
 * "virt-membacking-pagerd --background"; -ETIMEDOUT; -EPROTO: another version; -ECONNRESET: it
 * ended without an answer
 */
int pager_hello(int state_dir, int64_t deadline_ms, struct err *err);

/**
 * pager_process() - The process that listens: the pager, or systemd for one
 *
 * Return: 0; -ENOENT, -ECONNREFUSED: none; -errno
 */
int pager_process(int state_dir, int64_t deadline_ms, pid_t *pid, struct err *err);

/**
 * pager_adopt() - Have a running guest paged
 * @limit_kib:	Resident
 *
 * Return: 0, also where it is paged already (the limit is set then); -errno and the reason
 */
int pager_adopt(int state_dir, const char *uuid, const char *name, pid_t pid, uint64_t limit_kib,
		int64_t deadline_ms, struct err *err);
/* Return: 0; -ENOENT: the guest isn't paged, or no pager runs; -errno */
int pager_set_limit(int state_dir, const char *uuid, uint64_t limit_kib, int64_t deadline_ms,
		    struct err *err);
/**
 * pager_release() - Everything back into RAM, nothing of ours left in QEMU
 *
 * Return: 0, also if it isn't paged; -ENOMEM: it does not fit, paging goes on; -errno
 */
int pager_release(int state_dir, const char *uuid, int64_t deadline_ms, struct err *err);
/* The guest's QEMU has ended: files and slots go.  Return: 0, also if there were none; -EBUSY: it
 * has not ended */
int pager_forget(int state_dir, const char *uuid, int64_t deadline_ms, struct err *err);

/**
 * pager_status() - All guests under the pager
 * @status:	{"version", "tiers"[{name,limit_kib,used_kib}], "guests"[{uuid, name, pid, state,
 *		resident_kib, limit_kib, size_kib, own_kib, tiers[{name,kib,content_kib}], faults,
 *		fault_us{p50,p99}, evictions, refaults, discards, prefetched, prefetch_used,
 *		waiting, alarm}]}; to be decref'ed.  "alarm" is null where nothing is wrong;
 *		"state": "adopting", "paging", "releasing", "waiting" (an earlier daemon's guest
 *		that could not be taken over yet).  Only "paging" has the numbers
 */
int pager_status(int state_dir, json_t **status, int64_t deadline_ms, struct err *err);

#endif
