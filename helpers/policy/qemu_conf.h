/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The little that matters here of libvirt's qemu.conf, read tolerantly.
 */
#ifndef MEMBACKING_POLICY_QEMU_CONF_H
#define MEMBACKING_POLICY_QEMU_CONF_H

#include <stdbool.h>
#include <stddef.h>

#include "policy/config.h"

#define QEMU_CONF_FILE SYSCONF_DIR "/libvirt/qemu.conf"

/**
 * struct qemu_conf - What the administrator set
 * @hugetlbfs_mount: Is set to anything: libvirt then uses that and does not look
 *		for mounts itself ("" switches huge pages off)
 */
struct qemu_conf {
	bool hugetlbfs_mount;
};

/* Reads @len bytes of qemu.conf; what isn't understood is passed over */
void qemu_conf_parse(const char *text, size_t len, struct qemu_conf *conf);

/* Reads the file below @rootfd; as if it were empty when it can't be read */
void qemu_conf_load(int rootfd, struct qemu_conf *conf);

#endif
