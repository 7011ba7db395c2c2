/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * <qemu:commandline>: arguments that libvirt hands to QEMU unread.
 */
#ifndef MEMBACKING_GUEST_GUEST_COMMANDLINE_H
#define MEMBACKING_GUEST_GUEST_COMMANDLINE_H

#include <libxml/tree.h>

struct err;
struct guest;

/* More memory backends than these are not told of */
#define GUEST_EXTRAS_MAX 32

/**
 * guest_commandline_read() - Fill @guest's extras, and what such devices mean besides
 *
 * "-object memory-backend-..." and "-mem-path"; as QEMU's key=value list or as JSON.  Also
 * "-device vfio-pci", vhost-vdpa, vhost-user and the objects of encrypted guests, which say
 * the same as libvirt's own elements.
 * Return: 0 or -ENOMEM
 */
int guest_commandline_read(const xmlNode *domain, struct guest *guest, struct err *err);

#endif
