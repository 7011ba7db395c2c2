/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A mount namespace of a test's own, with or without root.
 *
 * For a forked child only: it can't be left again.
 */
#ifndef MEMBACKING_TESTS_OWN_MOUNTS_H
#define MEMBACKING_TESTS_OWN_MOUNTS_H

#include <fcntl.h>
#include <stdbool.h>
#include <unistd.h>

/* What a child exits with when its user may not make namespaces */
#define NO_OWN_MOUNTS 77

/* A tmpfs at @dir that nobody else sees */
bool own_mounts_tmpfs(const char *dir, const char *options);

#endif
