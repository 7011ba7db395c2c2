/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a <domain> element to the memory backends that QEMU will have.
 */
#ifndef MEMBACKING_GUEST_GUEST_MEMORY_H
#define MEMBACKING_GUEST_GUEST_MEMORY_H

#include <libxml/tree.h>
#include <stdbool.h>

struct err;
struct guest;

/**
 * guest_memory_read() - Fill @guest's memory, files, auto_placement, locked, nosharepages,
 *			 refused
 *
 * The rules are in guest.h.  Memory devices of a model that we do not know are
 * not ours.  guest_devices_read() comes before.
 * Return: 0, -EINVAL or -ENOMEM; the caller frees @guest in any case
 */
int guest_memory_read(const xmlNode *domain, struct guest *guest, struct err *err);

/* Does any element of the memory, understood or not, ask for huge pages or for files? */
bool guest_memory_asks(const xmlNode *domain);

#endif
