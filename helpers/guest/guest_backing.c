// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * <memoryBacking> and <numa>: which pages, which source, shared or not.
 */
#include "guest/guest_backing.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/err.h"
#include "base/text.h"
#include "guest/guest.h"
#include "guest/guest_parse.h"
#include "guest/guest_xml.h"

#define BACKING "memoryBacking"

/* libvirt's indentation */
#define STEP "  "

struct editor {
	xmlNode *domain;
	const struct guest_backing *want;
	bool changed;
	bool failed; /* out of memory */
	char removed[GUEST_REMOVED_SIZE];
};

static bool is_blank(const xmlNode *node)
{
	return node && xmlIsBlankNode(node);
}

/* With the white space in front of it, so that no empty line stays */
static void drop(struct editor *e, xmlNode *node)
{
	if (!node)
		return;
	if (is_blank(node->prev)) {
		xmlNode *blank = node->prev;

		xmlUnlinkNode(blank);
		xmlFreeNode(blank);
	}
	xmlUnlinkNode(node);
	xmlFreeNode(node);
	e->changed = true;
}

/* ---- what is lost ---- */

__attribute__((format(printf, 2, 3))) static void say_removed(struct editor *e, const char *fmt,
							      ...)
{
	size_t used = strlen(e->removed);
	va_list ap;

	if (used)
		used += (size_t)snprintf(e->removed + used, sizeof(e->removed) - used, ", ");
	if (used >= sizeof(e->removed))
		return;
	va_start(ap, fmt);
	vsnprintf(e->removed + used, sizeof(e->removed) - used, fmt, ap);
	va_end(ap);
}

/* "<source type='file'/>" */
static void say_attr(struct editor *e, const xmlNode *node, const char *name)
{
	cleanup_xml char *value = NULL;

	if (guest_xml_attr(node, name, &value, NULL) == 0 && value)
		say_removed(e, "<%.32s %s='%.32s'/>", (const char *)node->name, name, value);
}

/* "<hugepages> with pages of 2 MiB and 1 GiB" */
static void say_hugepages(struct editor *e, const xmlNode *hugepages)
{
	const xmlNode *page = guest_xml_child(hugepages, "page");
	char kib[TEXT_KIB_SIZE], sizes[96] = "";
	size_t used = 0;
	uint64_t size;

	for (; page && used < sizeof(sizes); page = guest_xml_next(page, "page"))
		if (size = 0, guest_xml_attr_kib(page, "size", &size, NULL) == 0 && size)
			used += (size_t)snprintf(sizes + used, sizeof(sizes) - used, "%s%s",
						 used ? " and " : "", text_from_kib(size, kib));
	say_removed(e, "<hugepages>%s%s", used ? " with pages of " : "", sizes);
}

static bool has_elements(const xmlNode *parent)
{
	const xmlNode *child;

	for (child = parent->children; child; child = child->next)
		if (child->type == XML_ELEMENT_NODE)
			return true;
	return false;
}

static xmlNode *new_element(struct editor *e, const char *name)
{
	xmlNode *node = xmlNewDocNode(e->domain->doc, NULL, (const xmlChar *)name, NULL);

	if (!node)
		e->failed = true;
	e->changed = true;
	return node;
}

static void set_attr(struct editor *e, xmlNode *node, const char *name, const char *value)
{
	if (!node || guest_xml_attr_is(node, name, value))
		return;
	if (!xmlSetProp(node, (const xmlChar *)name, (const xmlChar *)value))
		e->failed = true;
	e->changed = true;
}

static void add_blank(struct editor *e, xmlNode *before, const char *blank)
{
	xmlNode *text = xmlNewDocText(e->domain->doc, (const xmlChar *)blank);

	if (!text || !xmlAddPrevSibling(before, text))
		e->failed = true;
}

/* As the first child: order means nothing in there */
static xmlNode *add_first(struct editor *e, xmlNode *parent, const char *name, const char *indent,
			  const char *end)
{
	xmlNode *node = new_element(e, name);
	bool empty = !parent || !parent->children;

	if (!node || !parent) {
		xmlFreeNode(node);
		return NULL;
	}
	if (empty)
		xmlAddChild(parent, node);
	else
		xmlAddPrevSibling(parent->children, node);
	add_blank(e, node, indent);
	if (empty) {
		xmlNode *text = xmlNewDocText(e->domain->doc, (const xmlChar *)end);

		if (!text || !xmlAddChild(parent, text))
			e->failed = true;
	}
	return node;
}

/* <memoryBacking>, made behind the sizes of memory if there is none */
static xmlNode *need_backing(struct editor *e)
{
	static const char *const before[] = { "currentMemory", "memory", "uuid", "name" };
	xmlNode *backing = guest_xml_child(e->domain, BACKING), *place = NULL;
	size_t i;

	if (backing)
		return backing;
	for (i = 0; !place && i < ARRAY_SIZE(before); i++)
		place = guest_xml_child(e->domain, before[i]);
	backing = place ? new_element(e, BACKING) : NULL;
	if (!backing)
		return NULL;
	xmlAddNextSibling(place, backing);
	add_blank(e, backing, "\n" STEP);
	return backing;
}

static xmlNode *need_child(struct editor *e, const char *name)
{
	xmlNode *backing = need_backing(e), *child = guest_xml_child(backing, name);

	return child ? child : add_first(e, backing, name, "\n" STEP STEP, "\n" STEP);
}

static xmlNode *find_child(const struct editor *e, const char *name)
{
	return guest_xml_child(guest_xml_child(e->domain, BACKING), name);
}

/* ---- huge pages ---- */

/* Is there just one <page>, for all cells, of the wanted size? */
static int pages_fit(const struct editor *e, const xmlNode *hugepages, bool *fit, struct err *err)
{
	const xmlNode *page = guest_xml_child(hugepages, "page");
	struct nodeset cells;
	uint64_t kib = e->want->default_kib;
	bool has_cells = false;
	int rc = page ? guest_xml_attr_kib(page, "size", &kib, err) : 0;

	if (rc == 0 && page)
		rc = guest_xml_attr_nodeset(page, "nodeset", &cells, &has_cells, err);
	if (rc == 0)
		*fit = kib == e->want->page_kib && !has_cells &&
		       !(page && guest_xml_next(page, "page"));
	return rc;
}

static void drop_hugepages(struct editor *e)
{
	xmlNode *hugepages = find_child(e, "hugepages");

	if (hugepages)
		say_hugepages(e, hugepages);
	drop(e, hugepages);
}

static int set_hugepages(struct editor *e, struct err *err)
{
	xmlNode *hugepages = find_child(e, "hugepages"), *page;
	char size[24];
	bool fit = false;

	if (hugepages) {
		int rc = pages_fit(e, hugepages, &fit, err);

		if (rc < 0 || fit)
			return rc;
		drop_hugepages(e);
	}
	hugepages = need_child(e, "hugepages");
	page = add_first(e, hugepages, "page", "\n" STEP STEP STEP, "\n" STEP STEP);
	snprintf(size, sizeof(size), "%" PRIu64, e->want->page_kib);
	set_attr(e, page, "size", size);
	set_attr(e, page, "unit", "KiB");
	return 0;
}

/* libvirt refuses it beside huge pages, which QEMU takes at once */
static void drop_ondemand(struct editor *e)
{
	xmlNode *allocation = find_child(e, "allocation");

	if (!guest_xml_attr_is(allocation, "mode", "ondemand"))
		return;
	say_attr(e, allocation, "mode");
	xmlUnsetProp(allocation, (const xmlChar *)"mode");
	e->changed = true;
	if (!allocation->properties)
		drop(e, allocation);
}

/* ---- where it lies ---- */

static void drop_source(struct editor *e)
{
	xmlNode *source = find_child(e, "source");

	say_attr(e, source, "type");
	drop(e, source);
}

static void set_source(struct editor *e, const char *type)
{
	const xmlNode *source = find_child(e, "source");
	bool plain = !source || guest_xml_attr_is(source, "type", "anonymous");

	if (type && (plain || guest_xml_attr_is(source, "type", type))) {
		set_attr(e, need_child(e, "source"), "type", type);
	} else if (type) {
		say_attr(e, source, "type");
		set_attr(e, need_child(e, "source"), "type", type);
	} else if (!plain) {
		drop_source(e);
	}
}

static void replace_private(struct editor *e, xmlNode *node, const char *attr)
{
	if (!guest_xml_attr_is(node, attr, "private"))
		return;
	say_removed(e, "%s='private' of <%.32s>", attr, (const char *)node->name);
	set_attr(e, node, attr, "shared");
}

/* For the guest, and for those parts of it that say otherwise */
static void share_all(struct editor *e)
{
	const xmlNode *numa = guest_xml_child(guest_xml_child(e->domain, "cpu"), "numa");
	xmlNode *node;

	replace_private(e, find_child(e, "access"), "mode");
	set_attr(e, need_child(e, "access"), "mode", "shared");
	for (node = guest_xml_child(numa, "cell"); node; node = guest_xml_next(node, "cell"))
		replace_private(e, node, "memAccess");
	node = guest_xml_child(guest_xml_child(e->domain, "devices"), "memory");
	for (; node; node = guest_xml_next(node, "memory"))
		replace_private(e, node, "access");
}

/* Of the guest or of any of its cells */
static bool has_access(const struct editor *e)
{
	const xmlNode *numa = guest_xml_child(guest_xml_child(e->domain, "cpu"), "numa");
	const xmlNode *cell = guest_xml_child(numa, "cell");

	for (; cell; cell = guest_xml_next(cell, "cell"))
		if (xmlHasProp(cell, (const xmlChar *)"memAccess"))
			return true;
	return find_child(e, "access") != NULL;
}

static const char *plain_source(const struct editor *e)
{
	if (e->want->shared)
		return "memfd";
	return has_access(e) ? "anonymous" : NULL;
}

static int edit(struct editor *e, struct err *err)
{
	xmlNode *source = find_child(e, "source"), *backing;
	int rc = 0;

	switch (e->want->kind) {
	case GUEST_BACKING_KEEP:
		if (!find_child(e, "hugepages"))
			break;
		if (guest_xml_attr_is(source, "type", "anonymous"))
			drop_source(e);
		drop_ondemand(e);
		break;
	case GUEST_BACKING_HUGEPAGES:
		if (source && !guest_xml_attr_is(source, "type", "memfd"))
			drop_source(e);
		drop_ondemand(e);
		rc = set_hugepages(e, err);
		break;
	case GUEST_BACKING_FILE:
		drop_hugepages(e);
		set_source(e, "file");
		break;
	case GUEST_BACKING_PLAIN:
		drop_hugepages(e);
		set_source(e, plain_source(e));
		break;
	}
	if (e->want->share_all)
		share_all(e);
	backing = guest_xml_child(e->domain, BACKING);
	if (backing && !has_elements(backing))
		drop(e, backing);
	return rc;
}

int guest_backing_set(xmlDoc *doc, const struct guest_backing *want, bool *changed,
		      char removed[GUEST_REMOVED_SIZE], struct err *err)
{
	struct editor e = { .domain = xmlDocGetRootElement(doc), .want = want };
	int rc = edit(&e, err);

	if (rc == 0 && e.failed)
		rc = err_nomem(err);
	if (rc < 0)
		return rc;
	*changed = e.changed;
	memcpy(removed, e.removed, GUEST_REMOVED_SIZE);
	return 0;
}

/* ---- text ---- */

int guest_backing_text(xmlDoc *doc, char **text, struct err *err)
{
	xmlNode *backing = guest_xml_child(xmlDocGetRootElement(doc), BACKING);
	xmlBuffer *buffer = xmlBufferCreate();
	char *result = NULL;

	if (buffer && (!backing || xmlNodeDump(buffer, doc, backing, 0, 0) >= 0)) {
		const char *content = (const char *)xmlBufferContent(buffer);

		/* The first line has lost its indentation, the others have not */
		if (asprintf(&result, "%s%s%s", backing ? STEP : "", content, backing ? "\n" : "") <
		    0)
			result = NULL;
	}
	xmlBufferFree(buffer);
	if (!result)
		return err_nomem(err);
	*text = result;
	return 0;
}

/* ---- variants ---- */

static int dump(xmlDoc *doc, char **xml, struct err *err)
{
	xmlBuffer *buffer = xmlBufferCreate();
	char *result = NULL;

	if (buffer && xmlNodeDump(buffer, doc, xmlDocGetRootElement(doc), 0, 0) >= 0)
		result = strdup((const char *)xmlBufferContent(buffer));
	xmlBufferFree(buffer);
	if (!result)
		return err_nomem(err);
	*xml = result;
	return 0;
}

static bool is_so_already(const struct guest *guest, const struct guest_backing *want)
{
	size_t i;

	if (*guest->refused || (want->share_all && guest_unshared(guest)))
		return false;
	for (i = 0; i < guest->n_memory; i++) {
		const struct guest_memory *memory = &guest->memory[i];
		uint64_t kib = memory->page_kib ? memory->page_kib : want->default_kib;

		if (!memory->hugepages || kib != want->page_kib)
			return false;
	}
	return want->kind == GUEST_BACKING_HUGEPAGES && guest->n_memory;
}

int guest_variant_make(const char *xml, size_t len, const struct guest *guest,
		       const struct guest_backing *want, struct guest_variant *variant,
		       struct err *err)
{
	cleanup_xml_doc xmlDoc *doc = NULL;
	struct guest_reading reading = guest->reading;
	int rc = guest_xml_open(xml, len, &doc, err);

	memset(variant, 0, sizeof(*variant));
	if (rc == 0 && !is_so_already(guest, want))
		rc = guest_backing_set(doc, want, &variant->changed, variant->removed, err);
	if (rc == 0)
		rc = guest_backing_text(doc, &variant->block, err);
	if (rc == 0)
		rc = dump(doc, &variant->xml, err);
	if (rc == 0)
		rc = guest_parse_as(variant->xml, strlen(variant->xml), &reading, &variant->guest,
				    err);
	return rc;
}

void guest_variant_free(struct guest_variant *variant)
{
	guest_free(variant->guest);
	free(variant->xml);
	free(variant->block);
	memset(variant, 0, sizeof(*variant));
}
