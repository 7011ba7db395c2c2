/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which processors a guest is pinned to.
 */
#ifndef MEMBACKING_GUEST_GUEST_PINS_H
#define MEMBACKING_GUEST_GUEST_PINS_H

#include <libxml/tree.h>

struct err;
struct guest;

/**
 * guest_pins_read() - <vcpu cpuset>, <vcpupin> and <emulatorpin>
 *
 * A list that can't be understood pins nothing: it says where pages are best, not how many.
 * With placement='auto' libvirt passes over all of them.
 * (libvirt: src/qemu/qemu_process.c, qemuProcessInitCpuAffinity)
 * Return: 0 or -ENOMEM
 */
int guest_pins_read(const xmlNode *domain, struct guest *guest, struct err *err);

#endif
