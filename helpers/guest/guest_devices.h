/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a guest's devices, its <launchSecurity> and its <qemu:commandline> mean for its memory.
 */
#ifndef MEMBACKING_GUEST_GUEST_DEVICES_H
#define MEMBACKING_GUEST_GUEST_DEVICES_H

#include <libxml/tree.h>

struct err;
struct guest;

/**
 * guest_devices_read() - Fill @guest's arch, vfio, vdpa, security, sharing and extras
 *
 * Words that are not known here mean nothing, but for a type of <launchSecurity>: such a
 * guest counts as encrypted.
 * Return: 0 or -ENOMEM; the caller frees @guest in any case
 */
int guest_devices_read(const xmlNode *domain, struct guest *guest, struct err *err);

#endif
