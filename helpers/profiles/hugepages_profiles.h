/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Profiles hugepages, hugepages-1g and static-hugepages; see struct profile.
 */
#ifndef MEMBACKING_PROFILES_HUGEPAGES_PROFILES_H
#define MEMBACKING_PROFILES_HUGEPAGES_PROFILES_H

#include "config/config.h"

struct err;
struct host_view;
struct kfs;
struct parts;

/* Read by libvirt-membacking-static.service: lines of "PAGES SIZE NODE" */
#define STATIC_HUGEPAGES_FILE SYSCONF_DIR "/libvirt/membacking-static.conf"

int profile_hugepages_fill(const struct kfs *kfs, const struct host_view *host, struct parts *parts,
			   struct err *err);

/* -ENOTSUP on a host without such pages */
int profile_hugepages_1g_fill(const struct kfs *kfs, const struct host_view *host,
			      struct parts *parts, struct err *err);

/* The pages that no guest has brought in.  -ENOENT if there are none */
int profile_static_hugepages_fill(const struct kfs *kfs, const struct host_view *host,
				  struct parts *parts, struct err *err);

#endif
