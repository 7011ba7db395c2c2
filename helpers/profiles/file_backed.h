/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Profile file-backed: memory_backing_dir of qemu.conf leads into a store.
 */
#ifndef MEMBACKING_PROFILES_FILE_BACKED_H
#define MEMBACKING_PROFILES_FILE_BACKED_H

struct err;
struct host_view;
struct kfs;
struct parts;

/* The store of the profile, where no other one is configured */
#define FILE_BACKED_STORE "file-backed"
#define FILE_BACKED_DIR	  "/var/lib/libvirt/memory"

/* See struct profile */
int file_backed_fill(const struct kfs *kfs, const struct host_view *host, struct parts *parts,
		     struct err *err);

#endif
