/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Settings that a guest carries with it, in the <metadata> of its XML.
 */
#ifndef MEMBACKING_GUEST_GUEST_METADATA_H
#define MEMBACKING_GUEST_GUEST_METADATA_H

#include <libxml/tree.h>

struct err;
struct guest;

#define GUEST_METADATA_NAMESPACE "urn:libvirt-membacking:1"

/* Written by users who may define guests */
#define GUEST_SETTINGS_MAX 64
#define GUEST_SETTING_SIZE 256

/**
 * guest_metadata_read() - Fill @guest's settings, in the order of the document
 *
 *	<m:membacking xmlns:m="urn:libvirt-membacking:1">
 *	  <m:hugepages compact="never"/>	hugepages.compact = never
 *	  <m:hugepages>
 *	    <m:reclaim>never</m:reclaim>	hugepages.reclaim = never
 *	  </m:hugepages>
 *	  <m:ksm>no</m:ksm>			ksm = no
 *	</m:membacking>
 *
 * The outermost element may have any name; if it has a section's own
 * ("hugepages", "ksm", "store"), it is that section.  What keys and values mean
 * is not known here.
 * Return: 0, -EINVAL (too many, too long) or -ENOMEM; the caller frees @guest in
 * any case
 */
int guest_metadata_read(const xmlNode *domain, struct guest *guest, struct err *err);

#endif
