/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Domain XML to struct guest.
 *
 * DOC: libvirt's rules, so that we reserve what QEMU will ask for
 *
 * QEMU allocates one memory backend for the RAM of a guest without NUMA cells,
 * one per cell otherwise, and one per memory device.  Each is rounded up to
 * whole pages by itself, so sums over backends are sums of rounded values.
 * Which page size a backend gets: the device's own <source><pagesize>, else the
 * <page> of <hugepages> whose nodeset has the backend's guest cell, else the
 * <page> without nodeset, else the host's default huge page size for a bare
 * <hugepages/>.  A page size equal to the system's own means no huge pages.
 * Which host nodes: the device's <source><nodemask>, else <memnode> of the
 * cell, else <numatune><memory nodeset>; the mode likewise, "strict" by default.
 * (libvirt: src/qemu/qemu_command.c, qemuBuildMemoryBackendProps)
 */
#ifndef MEMBACKING_GUEST_GUEST_PARSE_H
#define MEMBACKING_GUEST_GUEST_PARSE_H

#include <stddef.h>

#include "guest/guest.h"

struct err;

/* Larger than any guest's XML by far; libvirt's own parser stops at 10 MiB */
#define GUEST_XML_MAX (8u * 1024 * 1024)

/**
 * guest_parse() - Domain XML to struct guest
 * @xml:	@len bytes, from libvirt's stdin or from a file; trusted with nothing.
 *		UTF-8 without a document type definition, at most GUEST_XML_MAX
 * @guest:	Result, freed by guest_free(); unchanged on failure
 *
 * What is not understood of the guest's memory is an error only if the guest asks for huge
 * pages or files.
 * Return: 0, -EINVAL (with a sentence that names the element), -EFBIG, -ENOMEM
 */
int guest_parse(const char *xml, size_t len, struct guest **guest, struct err *err);

/* guest_parse() for another host than this, or of a guest that is not defined */
int guest_parse_as(const char *xml, size_t len, const struct guest_reading *reading,
		   struct guest **guest, struct err *err);

#endif
