/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest's domain XML, from a file or from libvirt.
 */
#ifndef MEMBACKING_CTL_DOMAIN_XML_H
#define MEMBACKING_CTL_DOMAIN_XML_H

#include <stddef.h>

struct err;

/* @file: "-" is stdin.  @xml is to be freed */
int domain_xml_from_file(const char *file, char **xml, size_t *len, struct err *err);

/**
 * domain_xml_from_libvirt() - Ask qemu:///system, read-only
 * @guest:	Name or UUID
 *
 * The guest as its next start will be: its inactive XML, where there is one.
 */
int domain_xml_from_libvirt(const char *guest, char **xml, size_t *len, struct err *err);

#endif
