/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * When libvirt last looked for hooks, as far as we were called then.
 *
 * DOC: why
 *
 * libvirt looks for hooks when it starts and when it is told to reload, and never asks
 * for kinds of which it found none.  It keeps to itself what it found.  But each time it
 * looks it calls the daemon hook afterwards: so that one writes down who called it.
 */
#ifndef MEMBACKING_LIFECYCLE_HOOK_HEARTBEAT_H
#define MEMBACKING_LIFECYCLE_HOOK_HEARTBEAT_H

#include <stdint.h>

#include "lifecycle/liveness.h"

struct err;
struct kfs;

/**
 * hook_heartbeat_note() - From the daemon hook: the daemon with the QEMU driver has called us
 *
 * Not if our parent is another program: the other modular daemons run no guests, and
 * of a shell in between nothing is known.
 */
int hook_heartbeat_note(const struct kfs *kfs, struct err *err);

/**
 * hook_heartbeat_read() - Who called the daemon hook last, and when
 * @when:	Seconds since 1970
 * Return: 0, or -ENOENT
 */
int hook_heartbeat_read(const struct kfs *kfs, struct process *daemon, int64_t *when);

#endif
