/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest's domain XML, from a file or from libvirt.
 */
#ifndef MEMBACKING_CTL_DOMAIN_XML_H
#define MEMBACKING_CTL_DOMAIN_XML_H

#include <stdbool.h>
#include <stddef.h>

struct err;

/* @file: "-" is stdin.  The caller frees @xml */
int domain_xml_from_file(const char *file, char **xml, size_t *len, struct err *err);

/**
 * domain_xml_from_libvirt() - Ask qemu:///system, read-only
 * @guest:	Name or UUID
 *
 * The guest as its next start will be: its inactive XML, where there is one.
 */
int domain_xml_from_libvirt(const char *guest, char **xml, size_t *len, struct err *err);

struct domain_edit;

/**
 * domain_xml_edit_begin() - Ask qemu:///system, to change a guest's definition
 * @edit:	Result, freed by domain_xml_edit_end()
 * @xml:	Its persistent definition, with passwords
 *
 * Return: 0, -ENOENT, -EINVAL for a guest without a definition that stays, -EIO
 */
int domain_xml_edit_begin(const char *guest, struct domain_edit **edit, char **xml, size_t *len,
			  struct err *err);

/* Is the guest's next start a restore of what managedsave kept, with its old definition? */
bool domain_xml_edit_is_saved(const struct domain_edit *edit);

/* Changes the guest's definition; takes effect at its next start */
int domain_xml_edit_define(const struct domain_edit *edit, const char *xml, struct err *err);

void domain_xml_edit_end(struct domain_edit *edit);

#endif
