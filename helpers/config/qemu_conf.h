/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The little that matters here of libvirt's qemu.conf, read tolerantly.
 */
#ifndef MEMBACKING_CONFIG_QEMU_CONF_H
#define MEMBACKING_CONFIG_QEMU_CONF_H

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"

#define QEMU_CONF_FILE SYSCONF_DIR "/libvirt/qemu.conf"

/* libvirt's default where memory_backing_dir is not set: guests' directories lie right
 * in it, without "libvirt/qemu" */
#define QEMU_CONF_RAM_DIR   "/var/lib/libvirt/qemu/ram"

#define QEMU_CONF_PATH_SIZE CONFIG_PATH_SIZE

/* More page sizes than any kernel has */
#define QEMU_CONF_HUGETLBFS_MAX 8

/**
 * struct qemu_conf - What the administrator set
 * @hugetlbfs_mount: Is set to anything: libvirt then uses that and does not look
 *		for mounts itself ("" switches huge pages off)
 * @hugetlbfs_off: It names no directory: it is "", or a list without any
 * @hugetlbfs_blank: It is "", or a list with a "" in it
 * @hugetlbfs:	The directories it names, in their order; those beyond the last are left out
 * @memory_backing_dir: Without a slash at its end; "/" if it is set to "", which
 *		libvirt takes for that; slashes are single.  Empty: not set, or unreadable
 * @memory_backing_line: Its line in the file, for messages; 0: not set
 * @memory_backing_unreadable: It is set to what can't be understood or used here: no
 *		string, no absolute path, too long, with control characters.  Or, with
 *		line 0, the whole file can't be read.  Where libvirt puts memory is
 *		unknown then, so don't go on with the default
 * @user, @group: QEMU's user and group; empty: not set
 */
struct qemu_conf {
	bool hugetlbfs_mount;
	bool hugetlbfs_off;
	bool hugetlbfs_blank;
	size_t n_hugetlbfs;
	char hugetlbfs[QEMU_CONF_HUGETLBFS_MAX][QEMU_CONF_PATH_SIZE];
	char memory_backing_dir[QEMU_CONF_PATH_SIZE];
	unsigned int memory_backing_line;
	bool memory_backing_unreadable;
	char user[64];
	char group[64];
};

/* Where libvirt keeps file-backed memory: @conf's directory or the default */
const char *qemu_conf_memory_dir(const struct qemu_conf *conf);

/* What libvirt puts behind that: "libvirt/qemu", or "" for the default directory */
const char *qemu_conf_memory_below(const struct qemu_conf *conf);

/* Reads @len bytes of qemu.conf; what isn't understood is passed over */
void qemu_conf_parse(const char *text, size_t len, struct qemu_conf *conf);

/* Reads the file below @rootfd, which only root may be able to write; as if it were empty
 * when it is not there */
void qemu_conf_load(int rootfd, struct qemu_conf *conf);

#endif
