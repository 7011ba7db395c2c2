/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Profiles thp and ksm: what guests without memory of their own kind get; see struct
 * profile.
 */
#ifndef MEMBACKING_PROFILES_SHARING_PROFILES_H
#define MEMBACKING_PROFILES_SHARING_PROFILES_H

struct err;
struct host_view;
struct kfs;
struct parts;

/* -ENOENT on a kernel without them */
int profile_thp_fill(const struct kfs *kfs, const struct host_view *host, struct parts *parts,
		     struct err *err);
int profile_ksm_fill(const struct kfs *kfs, const struct host_view *host, struct parts *parts,
		     struct err *err);

#endif
