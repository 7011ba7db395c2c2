/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A fake kernel's host as a process's own "/", with real mounts in it.
 *
 * For the forked child of own_disk_child() only: it can't be left again.
 */
#ifndef MEMBACKING_TESTS_OWN_ROOT_H
#define MEMBACKING_TESTS_OWN_ROOT_H

#include <stdbool.h>

#include "memory/mount.h"
#include "unit/fake_kernel.h"

/**
 * own_root_enter() - Make @fk's root ours
 *
 * Afterwards paths of the process and of @fk->kfs are the same.
 */
bool own_root_enter(struct fake_kernel *fk);

#endif
