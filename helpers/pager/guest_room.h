/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Is there room for more of a guest in RAM?
 */
#ifndef MEMBACKING_PAGER_GUEST_ROOM_H
#define MEMBACKING_PAGER_GUEST_ROOM_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "kernel/kfs.h"

/**
 * guest_room() - Can so many bytes more become resident?
 *
 * In the host's available memory, and below the limits of QEMU's cgroups, to which they are
 * charged.  There two percent stay free for page tables, and for what QEMU takes meanwhile: at its
 * limit, without swap, the kernel kills it.
 *
 * Return: 0, also where nothing can be seen; -ENOMEM: they can't, and the sentence says where
 */
int guest_room(const struct kfs *kfs, pid_t pid, uint64_t bytes, struct err *err);

#endif
