/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Profile nova-file-backed: what Nova must be told of a store.
 */
#ifndef MEMBACKING_PROFILES_NOVA_FILE_BACKED_H
#define MEMBACKING_PROFILES_NOVA_FILE_BACKED_H

#include <stdint.h>

#include "config/nova_conf.h"

struct err;
struct host_view;
struct kfs;
struct parts;
struct store_view;

/* Read after nova.conf, and before the administrator's files of a later name */
#define NOVA_FILE_BACKED_FILE NOVA_CONF_DIR "/nova.conf.d/20-membacking.conf"

/* The size of @store in MiB, rounded down: what Nova is told */
uint64_t nova_store_mib(const struct store_view *store);

/**
 * nova_usable_mib() - What guests can have of that, in MiB, rounded down
 *
 * available + what running guests' files hold - keep_free: guests whose sizes sum up to
 * that are all admitted (see store_admit()), and no more.  It is less by what the file
 * system keeps for root, and holds of others.
 */
uint64_t nova_usable_mib(const struct store_view *store);

/* A file system of its own that is there: only then its size means anything */
int nova_store_check(const struct store_view *store, struct err *err);

/* The lines for nova.conf, to be freed */
int nova_file_backed_fill(const struct host_view *host, char **text, struct err *err);

/* The profile; see struct profile */
int nova_file_backed_parts(const struct kfs *kfs, const struct host_view *host, struct parts *parts,
			   struct err *err);

#endif
