/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Changing a domain's <memoryBacking>, and nothing else of it.
 */
#ifndef MEMBACKING_GUEST_GUEST_BACKING_H
#define MEMBACKING_GUEST_GUEST_BACKING_H

#include <libxml/tree.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct guest;

enum guest_backing_kind {
	GUEST_BACKING_KEEP,  /* as it is, without what libvirt refuses */
	GUEST_BACKING_PLAIN, /* anonymous memory; memfd for a guest that shares it */
	GUEST_BACKING_HUGEPAGES,
	GUEST_BACKING_FILE,
};

/**
 * struct guest_backing - What a guest's memory is made of
 * @page_kib:	For GUEST_BACKING_HUGEPAGES
 * @default_kib: What a bare <hugepages/> means on this host
 * @shared:	Some of the guest's memory is shared: it needs a file or a memfd
 * @share_all:	All of it has to be: a device's back end maps it
 */
struct guest_backing {
	enum guest_backing_kind kind;
	uint64_t page_kib;
	uint64_t default_kib;
	bool shared;
	bool share_all;
};

#define GUEST_REMOVED_SIZE 256

/**
 * guest_backing_set() - Make @doc say @want
 * @doc:	As guest_xml_open() gives it
 * @changed:	Whether anything had to be changed
 * @removed:	What it said and says no more: "<hugepages> with pages of 1 GiB"; empty:
 *		nothing
 *
 * <locked>, <nosharepages>, <discard> and what is not known here stay as they are, and
 * <access> unless @want->share_all asks for more; then also memAccess of cells and access of
 * memory devices.  Elements that contradict @want go, since libvirt refuses them or they would
 * say what is not so: <hugepages> of another size or beside files; <source>
 * where it is another; <allocation mode='ondemand'/> beside huge pages.
 *
 * Memory with <access> and without <source> is in a file: plain memory that has the one
 * gets the other.
 * Return: 0, -EINVAL or -ENOMEM
 */
int guest_backing_set(xmlDoc *doc, const struct guest_backing *want, bool *changed,
		      char removed[GUEST_REMOVED_SIZE], struct err *err);

/**
 * guest_backing_text() - The element in lines, as virsh dumpxml shows it
 * @text:	Result, to be freed; "" where there is none
 */
int guest_backing_text(xmlDoc *doc, char **text, struct err *err);

/**
 * struct guest_variant - A guest as it would be with another backing
 * @guest:	What its XML says then
 * @xml:	The whole XML
 * @block:	Its <memoryBacking>: guest_backing_text()
 * @changed:	It is not as the guest is now
 * @removed:	As guest_backing_set() says
 */
struct guest_variant {
	struct guest *guest;
	char *xml;
	char *block;
	bool changed;
	char removed[GUEST_REMOVED_SIZE];
};

/**
 * guest_variant_make() - guest_backing_set() of a copy of @xml, read again
 * @guest:	What @xml says.  If all of its memory has huge pages of the wanted size
 *		already, in whatever words, these stay
 * @variant:	Freed by guest_variant_free(), on failure too
 */
int guest_variant_make(const char *xml, size_t len, const struct guest *guest,
		       const struct guest_backing *want, struct guest_variant *variant,
		       struct err *err);
void guest_variant_free(struct guest_variant *variant);

#endif
