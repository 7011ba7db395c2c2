/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libxml2 for the rest of this room: opening hostile XML safely, and reading
 * elements and attributes with an error that names them.
 *
 * A node argument may be NULL, which is an element without children and
 * attributes: lookups of optional elements can be nested.
 */
#ifndef MEMBACKING_GUEST_GUEST_XML_H
#define MEMBACKING_GUEST_GUEST_XML_H

#include <libxml/tree.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct err;
struct nodeset;

/* More of anything (cells, devices, huge page sizes) is no guest */
#define GUEST_XML_ITEMS_MAX 1024

/**
 * guest_xml_open() - Parse UTF-8 into a tree whose root is <domain>
 * @doc:	Result, freed by xmlFreeDoc()
 *
 * No document type definition, hence no entities of its own; no network, no
 * external files; nothing is printed.
 * Return: 0, -EINVAL with line and libxml2's words, -EFBIG, -ENOMEM
 */
int guest_xml_open(const char *xml, size_t len, xmlDoc **doc, struct err *err);

/* First child element of that name, in no namespace; NULL if there is none */
xmlNode *guest_xml_child(const xmlNode *parent, const char *name);

/* Next sibling of that name */
xmlNode *guest_xml_next(const xmlNode *node, const char *name);

/* guest_xml_child() and all that follow.  -EINVAL if they are too many */
int guest_xml_count(const xmlNode *parent, const char *name, size_t *count, struct err *err);

/* The text between a start and an end tag, or of an attribute, without white
 * space at both ends; NULL where there is no such element or attribute.
 * Return: 0 or -ENOMEM.  @value is freed by xmlFree() */
int guest_xml_text(const xmlNode *node, char **value, struct err *err);
int guest_xml_attr(const xmlNode *node, const char *name, char **value, struct err *err);

/* guest_xml_text() with its white space */
int guest_xml_raw_text(const xmlNode *node, char **value, struct err *err);

/* Is the attribute there and exactly @value? */
bool guest_xml_attr_is(const xmlNode *node, const char *name, const char *value);

/**
 * guest_xml_kib() - A size: <NODE unit="...">number</NODE>
 * guest_xml_attr_kib() - <NODE NAME="number" unit="..."/>
 * @kib:	Unchanged if there is no such element or attribute
 */
int guest_xml_kib(const xmlNode *node, uint64_t *kib, struct err *err);
int guest_xml_attr_kib(const xmlNode *node, const char *name, uint64_t *kib, struct err *err);

/* Lists of nodes; *@present says whether there was one */
int guest_xml_nodeset(const xmlNode *node, struct nodeset *set, bool *present, struct err *err);
int guest_xml_attr_nodeset(const xmlNode *node, const char *name, struct nodeset *set,
			   bool *present, struct err *err);

/* Small numbers, 0 to @max; unchanged if there is no such element or attribute */
int guest_xml_int(const xmlNode *node, int max, int *value, struct err *err);
int guest_xml_attr_int(const xmlNode *node, const char *name, int max, int *value, struct err *err);

/**
 * guest_xml_bad() - err_set(EINVAL) with "domain XML, line N: " in front
 */
int guest_xml_bad(const xmlNode *node, struct err *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

DEFINE_CLEANUP(xml_doc, xmlDoc *, xmlFreeDoc)
DEFINE_CLEANUP(xml, char *, xmlFree)

#define cleanup_xml_doc cleanup_with(cleanup_xml_doc_)
#define cleanup_xml	cleanup_with(cleanup_xml_)

#endif
