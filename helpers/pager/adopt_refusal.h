/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What of a running QEMU, or of the host under it, forbids to page it.
 *
 * The guest's definition is judged before its start (policy/).  Here is what the process itself
 * shows, not its definition: devices may have been plugged in since.
 */
#ifndef MEMBACKING_PAGER_ADOPT_REFUSAL_H
#define MEMBACKING_PAGER_ADOPT_REFUSAL_H

#include <sys/types.h>

#include "base/err.h"
#include "kernel/kfs.h"
#include "pager/ram.h"

/**
 * adopt_refusal() - Look for a reason, just before an adoption
 * @ram:	Of ram_open() or ram_read()
 *
 * Reads all of a QEMU's smaps, and the maps of each process on the host: tens of milliseconds.
 *
 * Return: 0: there is none; -ENOTSUP: such a guest is not paged; -EBUSY: something else traces it
 * or serves its faults; -EPERM: ptrace is switched off; -ENOENT: no /dev/userfaultfd; -ESRCH: the
 * process is gone; -errno: it can't be found out.  One sentence, which ends a line that begins
 * with the guest's name
 */
int adopt_refusal(const struct kfs *kfs, pid_t pid, const struct ram *ram, struct err *err);

/**
 * adopt_refusal_later() - What may have changed since, for a look now and then
 *
 * Huge pages of shared memory switched on: then no more may be evicted.  Cheap.
 * Return: 0; -ENOTSUP; -errno
 */
int adopt_refusal_later(const struct kfs *kfs, pid_t pid, const struct ram *ram, struct err *err);

/**
 * ram_other_mapper() - Does another process map the guest's memory?
 *
 * What it reads where a page is missing are zeros, without a fault that we see.  QEMU and this
 * process don't count.
 * Return: 1 and @other; 0; -errno
 */
int ram_other_mapper(const struct kfs *kfs, pid_t pid, const struct ram *ram, pid_t *other,
		     struct err *err);

#endif
